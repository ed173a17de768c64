"""Records the fictional clinic of inventory.example.yaml: its machines' answers, its Access file, and two
earlier visits with what its SQL Server said then.

The answers are written in the batches' own formats, dated relative to today, so that the demo never
ages. They hold what real machines say; the names and numbers are invented.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import demo_access
import demo_posix
import demo_sql_session
import demo_windows
from demo_answers import Answer, bundle

from checkup.api import Declared, Visit
from checkup.collect.events import Emit
from checkup.store import default_url, open_store
from checkup.workflow.assessing import assess_visit, visit_runs
from checkup.workflow.collecting import plan_run, start_run
from checkup.workflow.prepare import Prepared, prepare

ROOT = Path(__file__).resolve().parents[1]
SITE_FILE = ROOT / "inventory.example.yaml"
BUNDLES = ROOT / "demo" / "bundles"
EARLIER = ((Visit.THIRTY_DAY, 368), (Visit.TUNE_UP, 182))  # days ago; delivered two days later
OFF_TODAY = {"stock-1"}


def answers(prepared: Prepared, today: datetime, days: int) -> Iterator[Answer]:
    """What every machine answered `days` ago; each took a minute after the one before."""
    declared = {target.id: target.declare for target in prepared.site.targets()}
    at = today - timedelta(days=days, hours=1)
    for minute, linux in enumerate(demo_posix.MACHINES):
        yield demo_posix.answer(linux, at + timedelta(minutes=minute), days)
    for minute, windows in enumerate(demo_windows.MACHINES, start=len(demo_posix.MACHINES)):
        declare: Mapping[str, Declared] = declared[windows.id]
        yield demo_windows.answer(windows, at + timedelta(minutes=minute), days, declare)


def record_bundles(prepared: Prepared, today: datetime, days: int) -> None:
    BUNDLES.mkdir(parents=True, exist_ok=True)
    versions = {name: section.version for name, section in prepared.catalogue.sections.items()}
    for answer in answers(prepared, today, days):
        file = BUNDLES / f"{answer.hello['endpoint']}.bundle"
        if days == 0 and answer.hello["endpoint"] in OFF_TODAY:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(bundle(answer, versions))


def record(prepared: Prepared, today: datetime, days: int) -> None:
    """What a run finds that is made `days` before today."""
    record_bundles(prepared, today, days)
    demo_access.write(today - timedelta(days=days, hours=1), days)


def record_visit(prepared: Prepared, url: str, visit: Visit, at: datetime) -> None:
    """Run a visit of the past on the bundles that lie there, and deliver it two days later."""

    def clock() -> datetime:
        return at

    @contextmanager
    def silent() -> Iterator[Emit]:
        yield lambda event: None

    days = next(ago for one, ago in EARLIER if one is visit)
    recorded = demo_sql_session.in_place_of_odbc(at, days, lambda: prepared.catalogue.sections)
    with open_store(url, now=clock) as store, silent() as emit, recorded:
        hosts = [machine.id for machine in (*demo_posix.MACHINES, *demo_windows.MACHINES)]
        hosts += [one.id for one in (*prepared.site.access, *prepared.site.sql)]
        plan = plan_run(prepared, store, visit, at, hosts=hosts)
        outcome = start_run(prepared, store, plan, clock=clock, emit=emit)
        of = visit_runs(store, outcome.run_id)
        number = store.save_assessment(of.visit_id, assess_visit(store, of, prepared.catalogue))
        delivered = at + timedelta(days=2)
        store.record_delivery(number, delivered, "recorded for the demo", "-", "folder")
        store.close_visit(of.visit_id, delivered)


def main() -> None:
    for file in (ROOT / "demo").glob("checkup.db*"):
        file.unlink()
    today = datetime.now(UTC).replace(microsecond=0)
    prepared = prepare(SITE_FILE, today)
    for visit, days in EARLIER:
        record(prepared, today, days)
        record_visit(prepared, default_url(), visit, today - timedelta(days=days))
    record(prepared, today, 0)
    machines = len(demo_posix.MACHINES) + len(demo_windows.MACHINES)
    print(f"recorded: {machines} machines, an Access file, {len(EARLIER)} earlier visits")


if __name__ == "__main__":
    main()
