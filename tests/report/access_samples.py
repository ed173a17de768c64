"""Access files as the report sees them: the demo's file read by the real reader, judged by the real probes.

A change alters the parts of the reading, so that the files of a site differ.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import samples

from checkup.analyse.assess import Evidence, assess, metric_history
from checkup.analyse.forecast import forecast
from checkup.api import AccessFile, Bytes, ErrorClass, Forecast, Quality, Scope, Target, Visit
from checkup.assessment import Assessment
from checkup.catalogue import Catalogue
from checkup.collect.access_parts import parts
from checkup.collect.access_reading import read_access
from checkup.jet.formats import JET4
from checkup.jet.source import Range, Stat
from checkup.plan import PlannedCheck
from checkup.report.input import EndpointFacts, MetricHistory, ReportInput
from checkup.site import load_text
from checkup.snapshot import SectionSnapshot
from checkup.workflow.access_file import access_probes

SCRIPTS = Path(__file__).parents[2] / "scripts"
GROWTH = "access.size-forecast"
MB = 1024**2
LIMIT = 2048.0 * MB
TODAY = samples.CLOCK - timedelta(hours=8)

Parts = dict[str, Any]
Change = Callable[[Parts], None]


class _Pages:
    """The demo's file without its holes."""

    name = "registry_be.accdb"

    def __init__(self, pages: Mapping[int, bytes], count: int) -> None:
        self._pages, self._size = pages, count * JET4.page_size

    def stat(self) -> Stat:
        return Stat(size_bytes=self._size, modified=TODAY.timestamp())

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        empty, size = bytes(JET4.page_size), JET4.page_size
        return [
            b"".join(
                self._pages.get(number, empty)
                for number in range(offset // size, -(-(offset + length) // size))
            )[offset % size : offset % size + length]
            for offset, length in ranges
        ]

    def close(self) -> None:
        pass


@cache
def _read() -> Parts:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import demo_access  # pyright: ignore[reportMissingImports]
    finally:
        sys.path.remove(str(SCRIPTS))
    made, count = demo_access.pages_of(TODAY, 0)
    lock = b"".join(f"{name:\0<32}{'Admin':\0<32}".encode("ascii") for name in demo_access.MACHINES)
    stat = Stat(size_bytes=len(lock), modified=TODAY.timestamp())
    source = _Pages(made.pages, count)
    return dict(parts(read_access(source, depth="maps", lock=lock, lock_stat=stat)))


@cache
def probes() -> Catalogue:
    return access_probes()


def plain(parts: Parts) -> None:
    """The file as it is."""


def damaged(parts: Parts) -> None:
    """A page of records has two owners, and the catalogue's index lacks an object."""
    common: Parts = {"pages": 1, "part": None, "depth": "maps"}
    parts["integrity"]["problems"] = [
        {"code": "page-owned-twice", "page": 4711, "kind": "data", "owner": 11, "owner_name": "Answers"}
        | common
        | {"numbers": []},
        {
            "code": "catalogue-entry-missing",
            "page": 3,
            "kind": "index",
            "owner": 2,
            "owner_name": "MSysObjects",
        }
        | common
        | {"numbers": [2, 0, 1]},
    ]
    parts["integrity"]["counts"] = {"page-owned-twice": 1, "catalogue-entry-missing": 1}


def unused(parts: Parts) -> None:
    """Nobody has it open, and it is small."""
    parts["lock"] = None


def encrypted(parts: Parts) -> None:
    """Only its first page can be read."""
    parts["header"] |= {"encryption": "office-agile", "password": "set", "depth": "header"}
    parts["integrity"] |= {"depth": "header", "complete": False, "problems": [], "counts": {}}
    parts["integrity"]["left_out"] = [{"part": "maps", "detail": "encrypted"}]
    for part in parts:
        if part not in ("header", "lock", "integrity", "cost"):
            parts[part] = None


def near_limits(parts: Parts) -> None:
    """One table has nearly all the indexes that it may have."""
    table = parts["tables"][0]
    table["indexes"] = [table["indexes"][0] | {"name": f"Index{n}", "data": n} for n in range(30)]


def unreachable(parts: Parts) -> None:
    """Its server is off."""
    parts.clear()


def report(
    *files: tuple[Target, Change],
    visits: int = 1,
    others: Sequence[Target] = (),
) -> ReportInput:
    """The report of a site with these files; `visits`: how often their sizes have been measured."""
    first = judge(files, others)
    earlier = [_earlier(first, ago) for ago in range(1, visits)]
    judged = judge(files, others, earlier)
    return ReportInput(
        assessment=judged,
        site=samples.site(),
        runs=(
            replace(
                samples.demo().runs[0],
                endpoints=tuple(_endpoint(target, change) for target, change in files),
            ),
        ),
        history=tuple(_history(judged, target, earlier) for target, _ in files) if earlier else (),
    )


def judge(
    files: Sequence[tuple[Target, Change]],
    others: Sequence[Target] = (),
    earlier: Sequence[Assessment] = (),
) -> Assessment:
    catalogue = probes()
    entries = [
        one
        for one in catalogue.entries.values()
        if one.probe.kind == "access" and one.probe.scope is Scope.TARGET
    ]
    text = "version: 1\nsite: {id: cedar-ridge, name: Cedar Ridge, timezone: America/Denver, country: US}\n"
    text += "contract: {package: premium, installed: 2025-11-01}\n"
    text += "hosts: [{id: srv-files, connect: local}]\n"
    site = load_text(text, path=Path("site.yaml"), today=TODAY.date()).site
    return assess(
        Evidence(
            site=site,
            visit=Visit.SIX_MONTH,
            clock=samples.CLOCK,
            checks=[
                PlannedCheck(probe=entry.probe.id, target=target.id)
                for target, _ in files
                for entry in entries
            ],
            targets=[*others, *(target for target, _ in files)],
            earlier=earlier,
            sections=[one for target, change in files for one in _sections(catalogue, target, change)],
        ),
        catalogue,
        "0.1.0",
    )


def _sections(catalogue: Catalogue, target: Target, change: Change) -> list[SectionSnapshot]:
    made = copy.deepcopy(_read())
    change(made)
    found: list[SectionSnapshot] = []
    for section in catalogue.sections.values():
        collector = section.collect.get("access")
        if not isinstance(collector, AccessFile):
            continue
        whole = _read()
        missing = [
            one for one in collector.parts if made.get(one) is None and whole.get(one) and one != "lock"
        ]
        quality, error, reason = Quality.OK, None, ""
        if not made:
            quality, error, reason = Quality.UNREACHABLE, ErrorClass.UNREACHABLE, "srv-files does not answer"
        elif missing:
            quality, error, reason = Quality.DENIED, ErrorClass.DENIED, "the file is encrypted"
        found.append(
            SectionSnapshot(
                target=target.id,
                section=section.name,
                version=section.version,
                source="access",
                quality=quality,
                collected_at=TODAY,
                raw=None if reason else {part: made.get(part) for part in collector.parts},
                error=error,
                reason=reason,
            )
        )
    return found


def _endpoint(target: Target, change: Change) -> EndpointFacts:
    known = samples.endpoint("ws-9" if change is unreachable else "srv-db")
    return replace(known, endpoint=target.id, targets=(target.id,), transport="smb", hello={})


def _earlier(judged: Assessment, ago: int) -> Assessment:
    """A visit of half a year ago, or of a year: the file was smaller."""
    before = timedelta(days=180 * ago)
    return replace(
        judged,
        clock=judged.clock - before,
        results=(),
        metrics=tuple(
            replace(
                one, value=Bytes(one.value.value - 190 * ago * MB), collected_at=one.collected_at - before
            )
            for one in judged.metrics
            if one.probe == GROWTH and isinstance(one.value, Bytes)
        ),
    )


def _history(judged: Assessment, target: Target, earlier: Sequence[Assessment]) -> MetricHistory:
    points_of = metric_history([judged, *earlier])
    points = points_of.get((GROWTH, target.id, "filled_bytes", ""), [])
    expected = forecast(points, LIMIT)
    return MetricHistory(
        probe=GROWTH,
        target=target.id,
        name="filled_bytes",
        kind="bytes",
        points=tuple((point.at, point.value) for point in points),
        limit=LIMIT,
        forecast=expected if isinstance(expected, Forecast) else None,
    )


def file(id: str, title: str, role: str = "back-end", users: int = 3) -> Target:
    return Target(id=id, kind="access", endpoint=id, title=title, role=role, declare={"access_users": users})


LEDGER = file("ledger-be", "Ledger back end")
FILES = (
    (LEDGER, plain),
    (file("registry-be", "Registry"), damaged),
    (file("archive-be", "Archive of 2019"), unused),
    (file("stock-fe", "Stock front end", "front-end"), near_limits),
    (file("locked-be", "Payroll"), encrypted),
    (file("gone-be", "Old scheduling"), unreachable),
)


def one_file() -> ReportInput:
    return report((LEDGER, plain), visits=3)


def several_files() -> ReportInput:
    return report(*FILES, visits=3)
