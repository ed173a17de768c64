"""How many of the connections are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Impact,
    Number,
    Probe,
    Ratio,
    Result,
    Step,
    When,
    Worse,
    judge,
)
from probes.postgresql.databases import Databases
from probes.postgresql.settings import Settings


@dataclass(frozen=True, slots=True)
class Occupied:
    databases: Databases
    settings: Settings


@dataclass(frozen=True, slots=True)
class ConnectionLevels:
    full: float = 0.95  # share of the connections that ordinary logins may use; ours
    many: float = 0.8  # check_pgactivity backends


def check_connections(facts: Occupied, levels: ConnectionLevels, ctx: Context) -> Iterator[Result]:
    said = facts.settings
    usable = (
        said.number("max_connections", 0)
        - said.number("superuser_reserved_connections", 0)
        - said.number("reserved_connections", 0)
    )
    used = sum(one.connections for one in facts.databases.rows)
    yield from judge(
        "share",
        Ratio(used / max(usable, 1)),
        (
            Step(levels.full, Impact.MAJOR, When.NOW),
            Step(levels.many, Impact.LIMITED),
        ),
        worse=Worse.HIGHER,
        message="many",
        evidence={"used": Number(used), "usable": Number(usable)},
    )


connections = Probe(
    id="postgresql.connections",
    title="There is room for more connections",
    check=check_connections,
    levels=ConnectionLevels(),
    kind="postgresql",
    messages={"many": "{used} of {usable} connections are in use ({share})."},
    why="When all are taken, the next one who starts the program is turned away.",
    remedy=(
        "Find programs that open connections and keep them (SELECT usename, count(*) FROM pg_stat_activity "
        "GROUP BY 1) and restart them. If the need is real: ALTER SYSTEM SET max_connections = 200, then "
        "restart the service out of hours. The way back: ALTER SYSTEM RESET max_connections, restart."
    ),
    verify="At the busiest hour less than 80 % are in use.",
    rights="an ordinary login",
    references=("check_pgactivity: backends", "PgHero: total_connections"),
)
