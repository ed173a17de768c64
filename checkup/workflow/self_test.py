"""`checkup selftest`: every section on one real machine, and how it compares with what was recorded.

No real Windows was there when the collectors for it were written. Whoever has one finds out here, section
by section, what works, what it costs, and what looks different; a recording of it becomes a test.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkup import __version__
from checkup.api import JSON, Collector, PowerShell, Quality, Sql, Wmi
from checkup.catalogue import AnySection, Catalogue
from checkup.plan import PlanError
from checkup.site import Site
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.testing.shapes import SHAPES_FILE, Shapes, differences, read_shapes, shape_of
from checkup.workflow.assessing import NothingCollected
from checkup.workflow.check_up import Progress, Say
from checkup.workflow.collecting import start_run
from checkup.workflow.prepare import Prepared, prepare, store_at, utc_now
from checkup.workflow.scrubbing import Scrubber, guids_in
from checkup.workflow.section_plan import section_plan
from checkup.workflow.sql_scrubbing import cleaned, names_in

if TYPE_CHECKING:
    from checkup.store import Store

# What a section may take, by its declared cost, in milliseconds (checkup.api.Cost).
MOST_MS = {"small": 500, "medium": 5000}

# The kernel's build number: the first Windows of each kind that has it or more, the newest first.
_CLIENTS = ((22000, "11"), (10240, "10"), (9600, "8.1"), (7601, "7"))
_SERVERS = (
    (26100, "2025"),
    (20348, "2022"),
    (17763, "2019"),
    (14393, "2016"),
    (9600, "2012r2"),
    (7601, "2008r2"),
)


@dataclass(frozen=True, kw_only=True)
class SectionTest:
    """One section on the machine. `parsed`: "yes", "" where there is nothing to parse, or what went wrong;
    `compared`: "yes" where a shape was recorded, with its `differences`."""

    name: str
    source: str
    quality: Quality
    reason: str
    milliseconds: int | None
    size: int
    cost: str
    parsed: str
    compared: bool
    differences: tuple[str, ...]

    @property
    def too_slow(self) -> bool:
        return self.milliseconds is not None and self.milliseconds > MOST_MS.get(self.cost, sys.maxsize)

    @property
    def works(self) -> bool:
        """It brought facts that its parser reads, or said properly that this machine has none."""
        if self.quality in (Quality.OK, Quality.PARTIAL):
            return self.parsed == "yes"
        return self.quality in (Quality.ABSENT, Quality.UNSUPPORTED, Quality.DENIED)


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    host: str
    run_id: str
    snapshot: EndpointSnapshot
    sections: tuple[SectionTest, ...]

    @property
    def works(self) -> bool:
        return self.snapshot.complete and all(one.works for one in self.sections)


def self_test(
    site_file: Path,
    host: str,
    *,
    only: tuple[str, ...],
    store_url: str | None,
    progress: Progress,
    say: Say,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[SelfTest, Prepared]:
    """Run every section that there is a collector for, or those named, on one host of the site.

    Raises PlanError for an unknown host or section, NothingCollected where the store kept nothing.
    """
    prepared = prepare(site_file, clock())
    plan = section_plan(prepared, host, _chosen(prepared.catalogue, only), clock())
    with store_at(store_url) as store:
        with progress(len(plan.endpoints)) as emit:
            outcome = start_run(prepared, store, plan, clock=clock, emit=emit)
        snapshot = _kept(store, outcome.run_id)
    say(f"run {outcome.run_id}: what was sent is in the ledger")
    shapes = recorded_shapes(prepared.catalogue)
    tests = tuple(
        examined(section, prepared.catalogue.sections[section.section], shapes)
        for section in snapshot.sections
        if section.source != "connection"
    )
    return SelfTest(host=host, run_id=outcome.run_id, snapshot=snapshot, sections=tests), prepared


def _chosen(catalogue: Catalogue, only: tuple[str, ...]) -> list[AnySection]:
    unknown = [name for name in only if name not in catalogue.sections]
    if unknown:
        known = ", ".join(catalogue.sections)
        raise PlanError(f"there is no section {unknown[0]!r} (there are: {known})")
    return [section for name, section in catalogue.sections.items() if not only or name in only]


def _kept(store: Store, run_id: str) -> EndpointSnapshot:
    found = store.snapshots([run_id])
    if not found:
        raise NothingCollected(f"run {run_id} was interrupted before anything came back")
    return found[0]


# --- one section --------------------------------------------------------------------------------


def examined(snapshot: SectionSnapshot, section: AnySection, shapes: Shapes) -> SectionTest:
    """What came of one section. Pure."""
    good = snapshot.quality in (Quality.OK, Quality.PARTIAL)
    recorded = shapes.get(section.name, {}).get(snapshot.source)
    comparable = good and recorded is not None and isinstance(snapshot.raw, dict | list)
    return SectionTest(
        name=section.name,
        source=snapshot.source,
        quality=snapshot.quality,
        reason=snapshot.reason,
        milliseconds=snapshot.milliseconds,
        size=snapshot.payload_bytes,
        cost=_cost(section, snapshot.source),
        parsed=_parsed(snapshot, section) if good else "",
        compared=comparable,
        differences=tuple(differences(recorded, shape_of([snapshot.raw]))) if comparable and recorded else (),
    )


def _parsed(snapshot: SectionSnapshot, section: AnySection) -> str:
    try:
        section.parse(snapshot.raw, snapshot.source, snapshot.version)
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is what this command is for
        return f"{type(error).__name__}: {error}"
    return "yes"


def _cost(section: AnySection, source: str) -> str:
    collector = _collector(section, source)
    return collector.cost if isinstance(collector, PowerShell | Wmi | Sql) else ""


def _collector(section: AnySection, source: str) -> Collector | None:
    return next((one for name, one in section.collect.items() if name == source), None)


def recorded_shapes(catalogue: Catalogue) -> Shapes:
    """The shapes that come with the packages of probes; a package without any has none."""
    packages = dict.fromkeys(entry.module.partition(".")[0] for entry in catalogue.entries.values())
    shapes: dict[str, Mapping[str, Any]] = {}
    for package in packages:
        file = files(package).joinpath(SHAPES_FILE)
        if file.is_file():
            shapes |= read_shapes(file.read_text(encoding="utf-8"))
    return shapes


# --- the recording ------------------------------------------------------------------------------


def recording(test: SelfTest, prepared: Prepared, now: datetime) -> str:
    """The machine's answer without what tells whose it is; `checkup.testing.recording` has the form."""
    hello = test.snapshot.hello
    answers = {
        one.section: one.raw
        for one in test.snapshot.sections
        if isinstance(_collector(prepared.catalogue.sections[one.section], one.source), Sql)
    }
    scrubber = Scrubber(
        words={**names_in(answers.values()), **own_words(prepared.site, hello)},
        known_guids=guids_in(_sources(prepared.catalogue)),
    )
    # A sample is of a probe; what no probe reads is names only (`checkup discover`), and stays here.
    read = {section.name for entry in prepared.catalogue.entries.values() for section in entry.sections}
    sections: dict[str, JSON] = {
        one.section: {
            "source": one.source,
            "version": one.version,
            "quality": one.quality.value,
            "reason": scrubber.text(one.reason),
            "milliseconds": one.milliseconds,
            "raw": cleaned(one.raw, scrubber) if one.section in answers else scrubber.clean(one.raw),
        }
        for one in test.snapshot.sections
        if one.source != "connection" and one.section in read
    }
    kept = (
        "platform",
        "kernel",
        "os_id",
        "os_version",
        "powershell",
        "language",
        "bits",
        "codepage",
        "elevated",
    )
    windows = release(hello)
    written: dict[str, JSON] = {
        "about": f"{hello.get('kernel', 'unknown')}, {hello.get('os_id', '')}".strip(", "),
        "recorded_at": now.isoformat(),
        "recorded_by": f"checkup {__version__}",
        "platform": hello.get("platform", "posix"),
        "hello": {key: scrubber.text(hello[key]) for key in kept if key in hello},
        "sections": sections,
    }
    if windows:
        written["windows"] = windows
    return json.dumps(written, indent=1) + "\n"


def own_words(site: Site, hello: Mapping[str, str]) -> dict[str, str]:
    """Names that the site file and the machine itself tell, each with what it is."""
    words: dict[str, str] = {}

    def tell(kind: str, *values: str | None) -> None:
        words.update({value: kind for value in values if value and len(value) > 2})

    for host in site.hosts:
        tell("host", host.id, host.title, str(getattr(host.connect, "host", "")))
    tell("site", site.site.id, site.site.name)
    for instance in site.sql:
        tell("instance", instance.id, instance.title, instance.instance)
        tell("host", instance.server)
        tell("database", instance.database, *instance.databases)
    for credential in site.credentials.values():
        domain, _, user = credential.user.rpartition("\\")
        tell("domain", domain)
        tell("user", user)
    contacts = site.contacts
    for person in (contacts.practice_manager, contacts.is_staff, contacts.account_manager, contacts.engineer):
        if person is not None:
            tell("person", person.name, person.email, person.phone)
    domain, _, user = hello.get("user", "").rpartition("\\")
    tell("domain", domain)
    tell("user", user)
    tell("host", hello.get("hostname", ""))
    return words


def release(hello: Mapping[str, str]) -> str:
    """Which Windows this is, as samples name it; "" for others."""
    if hello.get("platform") != "windows":
        return ""
    try:
        build = int(hello.get("kernel", "").rpartition(".")[2])
    except ValueError:
        return ""
    table = _CLIENTS if hello.get("os_id") == "client" else _SERVERS
    return next((name for first, name in table if build >= first), "")


def _sources(catalogue: Catalogue) -> Iterator[str]:
    """The text of the modules that hold probes: what they name means the same on every machine."""
    for name in dict.fromkeys(entry.module for entry in catalogue.entries.values()):
        yield inspect.getsource(sys.modules[name])


def table_rows(tests: Iterable[SectionTest]) -> list[tuple[str, ...]]:
    """What is printed: section, source, quality, ms, bytes, parses, differs."""
    return [
        (
            one.name,
            one.source,
            one.quality.value,
            ("" if one.milliseconds is None else f"{one.milliseconds:,}")
            + (f" (slow for {one.cost})" if one.too_slow else ""),
            f"{one.size:,}",
            one.parsed,
            "; ".join(one.differences) or ("no" if one.compared else "-"),
        )
        for one in tests
    ]
