"""The main job, `checkup run`: collect, analyse and report in a row, each also alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.assessment import Assessment
from checkup.catalogue import Catalogue
from checkup.collect.events import Emit
from checkup.plan import Plan
from checkup.workflow.access_looks import look_line, looks
from checkup.workflow.assessing import NothingCollected, VisitRuns, assess_visit, site_of, visit_runs
from checkup.workflow.collecting import RunOutcome, plan_of, plan_run, resume_run, start_run
from checkup.workflow.conclude import conclude
from checkup.workflow.exit_status import Exit
from checkup.workflow.prepare import Prepared, prepare, store_at, utc_now
from checkup.workflow.reporting import Written, report_input, report_name, write_report
from checkup.workflow.visits import chosen_visit, unattended_visit

if TYPE_CHECKING:
    from checkup.store import AssessmentRecord, Store

Say = Callable[[str], None]  # one line for people
Progress = Callable[[int], AbstractContextManager[Emit]]  # given the number of endpoints


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked of a run."""

    site_file: Path
    visit: str = "auto"
    only: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    deep: bool = False
    due: bool = False
    resume: str = ""
    parallel: int = 64
    store: str | None = None
    # of its report:
    output: Path = Path("reports")
    pdf: Path | None = None
    fail_on: str = "none"


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a run ended. `run_id` is "" where nothing was due."""

    status: Exit
    run_id: str = ""
    assessment: Assessment | None = None
    written: Written | None = None


def check_up(wish: Wish, *, progress: Progress, say: Say, clock: Callable[[], datetime] = utc_now) -> Done:
    """Collect, analyse and report.

    Raises the errors of the site file, the catalogue, the plan and the store; whatever happens on
    the client's side ends in the report.
    """
    prepared = prepare(wish.site_file, clock())
    with store_at(wish.store) as store:
        outcome = run(wish, prepared, store, progress=progress, say=say, clock=clock)
        if outcome is None:
            return Done(status=Exit.COMPLETE)
        ended = conclude(
            store,
            outcome,
            prepared.catalogue,
            output=wish.output,
            pdf=wish.pdf,
            fail_on=wish.fail_on,
            say=say,
        )
        if outcome.collected.interrupted:
            again = f"checkup run {wish.site_file} --resume {outcome.run_id}"
            say(f"interrupted: what was finished is kept; `{again}` goes on")
        return Done(
            status=ended.status, run_id=outcome.run_id, assessment=ended.assessment, written=ended.written
        )


def run(
    wish: Wish,
    prepared: Prepared,
    store: Store,
    *,
    progress: Progress,
    say: Say,
    clock: Callable[[], datetime],
) -> RunOutcome | None:
    """Collect only. None with `due` where nothing is due."""
    for run_id in store.mark_interrupted(prepared.site.site.id):
        if not plan_of(store.run(run_id)).checks:
            continue  # a sampling or a self-test: what it took is kept, and there is nothing to go on with
        say(f"run {run_id} did not come to its end; `--resume {run_id}` goes on with it")
    if wish.resume:
        record = store.run(wish.resume)
        if record.site != prepared.site.site.id:
            raise NothingCollected(f"run {wish.resume} is of site {record.site!r}, not of this site file")
        if not plan_of(record).checks:
            raise NothingCollected(
                f"run {wish.resume} judges nothing (a sampling, a self-test): start it anew instead"
            )
        with progress(len(plan_of(record).endpoints)) as emit:
            return resume_run(prepared, store, record, clock=clock, emit=emit, parallel=wish.parallel)
    plan = _plan(wish, prepared, store, clock(), say)
    if plan is None:
        return None
    with progress(len(plan.endpoints)) as emit:
        return start_run(prepared, store, plan, clock=clock, emit=emit, parallel=wish.parallel)


def _plan(wish: Wish, prepared: Prepared, store: Store, now: datetime, say: Say) -> Plan | None:
    if wish.due:
        visit = unattended_visit(prepared.site, store, now)
        if visit is None:
            say(f"{prepared.site.site.id}: no visit is due")
            return None
    else:
        visit = chosen_visit(wish.visit, prepared.site, store, now)
    plan = plan_run(prepared, store, visit, now, only=wish.only, hosts=wish.hosts, deep=wish.deep)
    for probe in plan.unlinted:
        say(f"probe {probe} has no stamp of the read-only lint; the report names it")
    size = f"{len(plan.checks)} checks on {len(plan.endpoints)} machines"
    say(f"{prepared.site.site.name}: {visit.value}, {size}")
    for endpoint, look in looks(plan):
        say(look_line(endpoint, look))
    return plan


def analyse(
    store: Store, name: str, catalogue: Catalogue, as_of: datetime | None
) -> tuple[VisitRuns, Assessment]:
    """Judge a stored visit anew, with the probes installed now; the earlier analyses stay."""
    of = visit_runs(store, name)
    assessment = assess_visit(store, of, catalogue, clock=as_of)
    store.save_assessment(of.visit_id, assessment)
    return of, assessment


def latest_record(store: Store, of: VisitRuns) -> AssessmentRecord:
    """The delivered assessment of a visit, else the newest."""
    records = [record for record in store.assessments(of.newest.site) if record.visit_id == of.visit_id]
    if not records:
        raise NothingCollected(
            f"run {of.newest.id} was not analysed; `checkup analyse {of.newest.id}` does it"
        )
    return max(records, key=lambda r: (r.delivered is not None, r.created_at, r.id))


def latest_assessment(store: Store, of: VisitRuns) -> Assessment:
    return store.assessment(latest_record(store, of).id)


def report(store: Store, name: str, output: Path, pdf: Path | None) -> tuple[Assessment, Written]:
    """Write the report of a stored visit again; nothing is contacted and nothing judged anew."""
    of = visit_runs(store, name)
    assessment = latest_assessment(store, of)
    data = report_input(store, of, assessment)
    return assessment, write_report(data, output, report_name(site_of(of.newest), assessment), pdf=pdf)
