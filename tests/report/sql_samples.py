"""SQL instances as the report sees them: the demo's SQL Server, judged by the real probes.

A change alters the rows of its sections, so that the instances of a site differ. The other engines say too
little about themselves for a demo: their results are written here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import samples

from checkup.analyse.assess import Evidence, assess, metric_history
from checkup.analyse.forecast import forecast
from checkup.api import ErrorClass, Forecast, Quality, Scope, Sql, Target, Visit
from checkup.assessment import Assessment
from checkup.catalogue import AnySection, load
from checkup.plan import PlannedCheck
from checkup.report.input import EndpointFacts, MetricHistory, ReportInput
from checkup.site import load_text
from checkup.snapshot import SectionSnapshot
from checkup.sql.values import columns, utc_text

SCRIPTS = Path(__file__).parents[2] / "scripts"
TODAY = samples.CLOCK - timedelta(hours=8)
CONNECT = "GRANT CONNECT ANY DATABASE TO [checkup_ro]"
ALERTS = (
    "USE [msdb]; IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER [checkup_ro] FOR LOGIN "
    "[checkup_ro]; GRANT SELECT ON dbo.sysalerts TO [checkup_ro]"
)
# Sections that the login of the demo may not read; the rest of this kind is left out of the samples.
DENIED: Mapping[str, str] = {"sqlserver-alerts": ALERTS}

Rows = list[dict[str, Any]]
Sections = dict[str, Rows]
Change = Callable[[Sections], None]
load = cache(load)


@cache
def demo() -> Any:
    """The module scripts/demo_sqlserver.py."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        import demo_sqlserver  # pyright: ignore[reportMissingImports]
    finally:
        sys.path.remove(str(SCRIPTS))
    return demo_sqlserver


# --- what is changed --------------------------------------------------------------------------


def plain(sections: Sections) -> None:
    """The instance as it is."""


def safe(sections: Sections) -> None:
    """Every database is backed up to another machine, an hour ago."""
    sections["sqlserver-backups"] = [
        row | {"folder": "\\\\nas\\backup\\", "last_finished_at": demo().Instance(TODAY, 0).ago(1 / 24)}
        for row in sections["sqlserver-backups"]
    ]


def never_saved(sections: Sections) -> None:
    """There is no back-up at all, and nobody ever restored one."""
    for name in ("sqlserver-backups", "sqlserver-last-backups", "sqlserver-restores", "sqlserver-log-chains"):
        sections[name] = []


def damaged(sections: Sections) -> None:
    sections["sqlserver-suspect-pages"] = [
        {
            "database_name": "CardioLedger",
            "event_type": 1,
            "page_count": 3,
            "last_seen_at": demo().Instance(TODAY, 0).ago(2),
        }
    ]


def hostile(sections: Sections) -> None:
    """A database whose name is no name."""
    text = "<b>x</b>]; DROP DATABASE y; --\u202e\x07"
    for rows in sections.values():
        for row in rows:
            row |= {name: text for name, value in row.items() if value == "CardioArchive"}


def unreachable(sections: Sections) -> None:
    """Nobody answers."""
    sections.clear()


# --- the report -------------------------------------------------------------------------------


def instance(id: str, title: str) -> Target:
    return Target(id=id, kind="sqlserver", endpoint=id, title=title)


CLINIC = instance("sql-db", "Clinical databases")
INSTANCES = (
    (CLINIC, plain),
    (instance("sql-lab", "Laboratory"), never_saved),
    (instance("sql-pay", "Payroll"), safe),
    (instance("sql-img", "Image index"), damaged),
    (instance("sql-odd", "Odd <names> & more"), hostile),
    (instance("sql-old", "Old scheduling"), unreachable),
)


def one_instance() -> ReportInput:
    return report((CLINIC, plain))


def several_instances() -> ReportInput:
    return report(*INSTANCES)


def report(
    *instances: tuple[Target, Change],
    visits: int = 3,
    visit: Visit = Visit.TUNE_UP,
    edition: str = "standard",
    up_days: float = 61,
) -> ReportInput:
    """The report of a site with these instances; `visits`: how often they have been looked at."""
    earlier: list[Assessment] = []
    for ago in range(visits - 1, -1, -1):
        judged = judge(instances, ago * 180, earlier, visit, edition, up_days)
        earlier.insert(0, judged)
    newest = earlier[0]
    return ReportInput(
        assessment=newest,
        site=samples.site(),
        runs=(
            replace(
                samples.demo().runs[0],
                endpoints=tuple(_endpoint(target, change) for target, change in instances),
            ),
        ),
        history=tuple(histories(newest, earlier)),
    )


def judge(
    instances: Sequence[tuple[Target, Change]],
    days: int,
    earlier: Sequence[Assessment],
    visit: Visit,
    edition: str,
    up_days: float,
) -> Assessment:
    catalogue = load()
    entries = [
        one
        for one in catalogue.entries.values()
        if one.probe.kind == "sqlserver" and one.probe.scope is Scope.TARGET and visit in one.probe.visits
    ]
    text = "version: 1\nsite: {id: cedar-ridge, name: Cedar Ridge, timezone: America/Denver, country: US}\n"
    text += "contract: {package: premium, installed: 2025-11-01}\n"
    text += "hosts: [{id: srv-db, connect: local}]\n"
    site = load_text(text, path=Path("site.yaml"), today=TODAY.date()).site
    return assess(
        Evidence(
            site=site,
            visit=visit,
            clock=samples.CLOCK - timedelta(days=days),
            checks=[
                PlannedCheck(probe=entry.probe.id, target=target.id)
                for target, _ in instances
                for entry in entries
            ],
            targets=[target for target, _ in instances],
            earlier=earlier,
            sections=[
                section
                for target, change in instances
                for section in _sections(target, change, days, edition, up_days)
            ],
        ),
        catalogue,
        "0.1.0",
    )


def _sections(
    target: Target, change: Change, days: int, edition: str, up_days: float
) -> list[SectionSnapshot]:
    at = TODAY - timedelta(days=days)
    rows = {name: [dict(row) for row in found] for name, found in demo().Instance(at, days).sections.items()}
    change(rows)
    server = {
        "engine": "sqlserver",
        "version": demo().BUILD,
        "edition": edition,
        "platform": "linux",
        "asked_at": at.isoformat(),
        "started_at": (at - timedelta(days=up_days)).isoformat(),
    }
    found: list[SectionSnapshot] = []
    for section in load().sections.values():
        collector = section.collect.get("sqlserver")
        if section.name == "sql-connection":
            found.append(_connection(section, target, there=bool(rows)))
        elif isinstance(collector, Sql):
            found.append(_section(section, collector, target, rows, server))
    return [replace(one, collected_at=at) for one in found]


def _connection(section: AnySection, target: Target, *, there: bool) -> SectionSnapshot:
    raw = {"address": "srv-db:1433", "reached": there, "encryption": "validated" if there else ""}
    if not there:
        raw |= {"error": "unreachable", "detail": "no answer from srv-db:1433"}
    return _snapshot(section, target, "connection", raw)


def _section(
    section: AnySection, collector: Sql, target: Target, rows: Sections, server: Mapping[str, Any]
) -> SectionSnapshot:
    if not rows:
        gone = ErrorClass.UNREACHABLE
        return _failed(section, target, Quality.UNREACHABLE, gone, "no answer from srv-db:1433")
    if section.name in DENIED or section.name not in rows:
        why = DENIED.get(section.name, "GRANT EXECUTE ON sys.xp_readerrorlog TO [checkup_ro]")
        return _failed(section, target, Quality.DENIED, ErrorClass.DENIED, why)
    closed = {one.name for one in demo().DATABASES if not one.enters} if collector.scope == "database" else ()
    kinds = columns(collector.row)
    raw: dict[str, Any] = {
        "server": server,
        "rows": [_utc(row, kinds) for row in rows[section.name] if row.get("database") not in closed],
    }
    if closed:
        raw["missing"] = {name: {"reason": CONNECT, "error": "denied"} for name in closed}
    return _snapshot(section, target, "sqlserver", raw)


def _utc(row: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Moments as collection leaves them."""
    return {name: utc_text(value, 0) if kinds.get(name) is datetime else value for name, value in row.items()}


def _snapshot(section: AnySection, target: Target, source: Any, raw: Any) -> SectionSnapshot:
    return SectionSnapshot(
        target=target.id,
        section=section.name,
        version=section.version,
        source=source,
        quality=Quality.OK,
        collected_at=TODAY,
        raw=raw,
    )


def _failed(
    section: AnySection, target: Target, quality: Quality, error: ErrorClass, reason: str
) -> SectionSnapshot:
    made = _snapshot(section, target, "sqlserver", None)
    return replace(made, quality=quality, error=error, reason=reason)


def _endpoint(target: Target, change: Change) -> EndpointFacts:
    known = samples.endpoint("ws-9" if change is unreachable else "srv-db")
    hello = {} if change is unreachable else {"kernel": "SQL Server 15.0.4375.4", "user": "checkup_ro"}
    return replace(
        known,
        endpoint=target.id,
        targets=(target.id,),
        transport="odbc",
        address="srv-db.cedar-ridge.example:1433",
        hello=hello,
    )


def histories(newest: Assessment, visits: Sequence[Assessment]) -> list[MetricHistory]:
    """Every number with a past; forecasts where something limits it."""
    points_of = metric_history(visits)
    found: list[MetricHistory] = []
    for metric in newest.metrics:
        points = points_of.get(metric.key, [])
        expected = forecast(points, metric.limit) if metric.limit is not None else None
        if len(points) > 1:
            found.append(
                MetricHistory(
                    probe=metric.probe,
                    target=metric.target,
                    name=metric.name,
                    item=metric.item,
                    kind=metric.value.kind,
                    points=tuple((point.at, point.value) for point in points),
                    limit=metric.limit,
                    forecast=expected if isinstance(expected, Forecast) else None,
                )
            )
    return found
