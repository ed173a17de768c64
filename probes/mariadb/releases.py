"""The release that an instance runs, against its makers' own dates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from checkup.api import (
    Context,
    NotApplicable,
    NotChecked,
    PerTarget,
    Probe,
    Result,
    Scope,
    SqlServer,
    Text,
)
from probes.lifecycle import dates, judge_age, judge_support
from probes.mariadb.server import ANYONE, Server


@dataclass(frozen=True, slots=True)
class Release:
    ends: date
    source: str
    as_of: date


@cache
def releases() -> Mapping[tuple[str, str], Release]:
    """By product ("mariadb", "mysql") and release ("10.11"); each row has its source and its day."""
    content = files("probes.mariadb").joinpath("releases.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(content)["rows"]
    return {
        (row["product"], row["release"]): Release(
            date.fromisoformat(row["ends"]), row["source"], date.fromisoformat(row["as_of"])
        )
        for row in rows
    }


def _of(server: SqlServer) -> Release | None:
    return releases().get((server.edition, ".".join(map(str, server.version[:2]))))


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 365  # time left until the end of updates: an upgrade has to be planned; ours


def check_support(facts: Server, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    row = _of(facts.server)
    if row is None:
        yield NotChecked(reason=f"the table of releases does not know {facts.title}")
        return
    evidence = {"release": Text(facts.title), **dates(row.ends, row.source, row.as_of)}
    yield judge_support(row.ends, levels.soon_days, ctx.now, evidence)


supported_release = Probe(
    id="mariadb.supported-release",
    title="The server's release still gets updates",
    check=check_support,
    levels=SupportLevels(),
    kind="mariadb",
    messages={
        "ended": "The series of {release} has had no updates from its makers since {ends}.",
        "ends": "The series of {release} gets its last update from its makers on {ends}.",
    },
    why="Faults that lose data or let strangers in are mended in supported releases only.",
    remedy=(
        "Ask us which newer release our software is tested with. Some systems (Debian, Ubuntu, RHEL) mend "
        "their own packages longer: if yours is one of them, tell us. Plan the upgrade with us: a full "
        "back-up, the new packages out of hours, mariadb-upgrade (MySQL: does it itself). The way back: the "
        "back-up on the old release."
    ),
    verify="SELECT VERSION() shows a release whose updates end more than a year from now.",
    rights=ANYONE,
    references=("sql: MY-EOL (mysqltuner)", "the table's rows name their source"),
)


@dataclass(frozen=True, slots=True)
class TableLevels:
    old_days: int = 180  # age of the oldest row used, as for operating systems


def check_table(facts: PerTarget[Server], levels: TableLevels, ctx: Context) -> Iterator[Result]:
    used = [row for one in facts.values() if (row := _of(one.server)) is not None]
    if not used:
        yield NotApplicable(reason="no instance runs a release that the table knows")
        return
    yield judge_age(min(row.as_of for row in used), levels.old_days, ctx.now)


table_age = Probe(
    id="mariadb.release-table-age",
    title="The dates of MariaDB's and MySQL's releases are recent",
    check=check_table,
    levels=TableLevels(),
    scope=Scope.SITE,
    kind="mariadb",
    messages={"old": "The dates of MariaDB's and MySQL's support were last looked up on {as_of}."},
    why="Makers extend and shorten support; an old table may call a release safe that is not.",
    remedy="Update checkup to its current version before the next visit.",
    verify="The next check-up, with the current version, passes here.",
    rights=ANYONE,
    references=("the table's rows name their source",),
)
