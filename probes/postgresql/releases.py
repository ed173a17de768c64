"""The release that an instance runs, against the project's own dates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Day,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    PerTarget,
    Probe,
    Result,
    Scope,
    SqlServer,
    Text,
    Value,
    Worse,
)
from probes.lifecycle import dates, judge_age, judge_support, noon
from probes.postgresql.state import State


@dataclass(frozen=True, slots=True)
class Release:
    """`release` is the major release ("15", "9.6"), `latest` its newest minor release on the day `as_of`."""

    release: str
    latest: tuple[int, ...]
    ends: date
    source: str
    as_of: date


@cache
def releases() -> Mapping[str, Release]:
    """By major release; each row has its source and its day."""
    content = files("probes.postgresql").joinpath("releases.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(content)["rows"]
    return {
        row["release"]: Release(
            row["release"],
            tuple(int(part) for part in row["latest"].split(".")),
            date.fromisoformat(row["ends"]),
            row["source"],
            date.fromisoformat(row["as_of"]),
        )
        for row in rows
    }


def _major(server: SqlServer) -> str:
    """Until 9.6 the major release has two parts ("Versioning Policy")."""
    return ".".join(map(str, server.version[: 1 if server.version >= (10,) else 2]))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _unknown(server: SqlServer) -> NotChecked:
    return NotChecked(reason=f"the table of releases does not know PostgreSQL {_dotted(server.version)}")


# --- end of updates ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 365  # time left until the end of updates: an upgrade has to be planned; ours


def check_support(facts: State, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    row = releases().get(_major(facts.server))
    if row is None:
        yield _unknown(facts.server)
        return
    evidence = {"release": Text(row.release), **dates(row.ends, row.source, row.as_of)}
    yield judge_support(row.ends, levels.soon_days, ctx.now, evidence)


supported_release = Probe(
    id="postgresql.supported-release",
    title="The release of PostgreSQL still gets updates",
    check=check_support,
    levels=SupportLevels(),
    kind="postgresql",
    messages={
        "ended": "PostgreSQL {release} has had no updates since {ends}.",
        "ends": "PostgreSQL {release} gets its last update on {ends}.",
    },
    why="Faults that lose data or let strangers in are mended in supported releases only.",
    remedy=(
        "Ask us which newer release our software is tested with, and plan the upgrade with us: a back-up, "
        "pg_upgrade or dump and restore out of hours, ANALYZE afterwards. The way back: the old instance, "
        "kept until all is proven."
    ),
    verify="SELECT version() shows a release whose updates end more than a year from now.",
    rights="an ordinary login",
    references=("PostgreSQL: Versioning Policy", "the table's rows name their source"),
)


# --- minor releases ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MinorLevels:
    fresh_days: int = 100  # of a row of the table; minor releases come every three months ("Roadmap")


def check_minor(facts: State, levels: MinorLevels, ctx: Context) -> Iterator[Result]:
    row = releases().get(_major(facts.server))
    if row is None:
        yield _unknown(facts.server)
        return
    evidence: dict[str, Value] = {
        "version": Text(_dotted(facts.server.version)),
        "latest": Text(_dotted(row.latest)),
        "table_as_of": Day(row.as_of),
    }
    behind = row.latest[-1] - facts.server.version[len(row.latest) - 1]
    if behind > 0:
        yield Finding(
            impact=Impact.LIMITED,
            function=SUPPORTABILITY,
            message="behind",
            evidence=evidence | {"behind": Number(behind)},
            value=Number(behind),
            worse=Worse.HIGHER,
        )
    elif row.ends > row.as_of and ctx.now - noon(row.as_of) > timedelta(days=levels.fresh_days):
        yield NotChecked(
            reason=f"the newest release that the table knows of {row.release} is of {row.as_of}; "
            "update checkup to compare with today's"
        )
    else:
        yield Passed(evidence=evidence)


minor_release = Probe(
    id="postgresql.minor-release",
    title="PostgreSQL has its latest corrections",
    check=check_minor,
    levels=MinorLevels(),
    kind="postgresql",
    messages={"behind": "PostgreSQL {version} is {behind} releases of corrections behind {latest}."},
    why="Minor releases hold nothing but corrections: of lost data, wrong answers, open doors.",
    remedy=(
        "Take a back-up. Out of hours install the newest minor release of the same major release from where "
        "it was installed (package, installer) and restart the service: minutes, no conversion. The way "
        "back: install the former package."
    ),
    verify="SELECT version() shows the release named, or a newer one.",
    rights="an ordinary login",
    references=("PostgreSQL: Versioning Policy", "check_pgactivity: minor_version"),
)


# --- the table itself -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableLevels:
    old_days: int = 180  # age of the oldest row used


def check_table(facts: PerTarget[State], levels: TableLevels, ctx: Context) -> Iterator[Result]:
    used = [row for one in facts.values() if (row := releases().get(_major(one.server)))]
    # What was over when it was looked up does not change any more.
    moving = [row for row in used if row.ends > row.as_of]
    if not moving:
        yield NotApplicable(reason="no instance runs a release whose dates may still change")
        return
    yield judge_age(min(row.as_of for row in moving), levels.old_days, ctx.now)


release_table = Probe(
    id="postgresql.release-table-age",
    title="The dates of the releases of PostgreSQL are recent",
    check=check_table,
    levels=TableLevels(),
    scope=Scope.SITE,
    kind="postgresql",
    messages={"old": "The dates of PostgreSQL's releases used here were last looked up on {as_of}."},
    why="An old table may call a server up to date that lacks the last corrections.",
    remedy="Update checkup to its current version before the next visit.",
    verify="The next report shows a table less than half a year old.",
    rights="an ordinary login",
    references=("PostgreSQL: Versioning Policy",),
)
