"""Transaction numbers: how many are left before the server stops taking writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    Metric,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Value,
    When,
    Worse,
)
from probes.postgresql.databases import Databases

_HORIZON = 2**31  # transactions; the server stops taking writes a little before ("Routine Vacuuming")


@dataclass(frozen=True, slots=True)
class WraparoundLevels:
    stopped: int = (
        3_000_000  # transactions left; the server refuses writes ("Routine Vacuuming", 14 and newer)
    )
    danger: int = 10_000_000  # transactions left; PgHero transaction_id_danger
    half: int = 2**30  # transactions left; half of all: vacuuming has failed for long; our own experience
    overdue: float = 1.5  # times autovacuum_freeze_max_age, where the server must act; check_pgactivity 1.0


def check_wraparound(facts: Databases, levels: WraparoundLevels, ctx: Context) -> Iterator[Result]:
    steps = (
        (levels.stopped, Impact.DOWN, When.NOW, "stopped"),
        (levels.danger, Impact.MAJOR, When.NOW, "danger"),
        (levels.half, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "danger"),
    )
    for one in facts.rows:
        oldest = max(one.transaction_age, one.multixact_age)
        left = _HORIZON - oldest
        allowed = max(
            one.transaction_age / one.transaction_age_limit, one.multixact_age / one.multixact_age_limit
        )
        value = Ratio(oldest / _HORIZON)
        evidence: dict[str, Value] = {
            "used": value,
            "left": Number(left),
            "age": Number(oldest),
            "times_the_limit": Number(round(allowed, 2)),
        }
        yield Metric(name="used", value=value, item=one.database_name, limit=1.0)
        hit = next((step for step in steps if left <= step[0]), None)
        if hit is None and allowed > levels.overdue:
            hit = (0, Impact.LIMITED, When.BEFORE_NEXT_VISIT, "overdue")
        if hit is None:
            yield Passed(item=one.database_name, evidence=evidence)
            continue
        _, impact, when, message = hit
        yield Finding(
            impact=impact,
            when=when,
            message=message,
            item=one.database_name,
            evidence=evidence,
            value=value,
            worse=Worse.HIGHER,
        )


wraparound = Probe(
    id="postgresql.wraparound",
    title="No database runs out of transaction numbers",
    check=check_wraparound,
    levels=WraparoundLevels(),
    kind="postgresql",
    messages={
        "stopped": "{item} has {left} transaction numbers left: the server refuses to write.",
        "danger": "{item} has used {used} of the transaction numbers; {left} are left.",
        "overdue": (
            "{item} should have been vacuumed long ago: its oldest row is {age} transactions old, "
            "{times_the_limit} times what is allowed."
        ),
    },
    why=(
        "Numbers of transactions are used again. Rows that no vacuum has frozen in time would vanish, so the "
        "server stops taking writes first: the clinic stands still."
    ),
    remedy=(
        "As a superuser, at a quiet hour: vacuumdb --freeze --dbname=NAME with the database named. If its "
        "age stays, an open transaction, a prepared one or a replication slot holds it: see "
        "postgresql.old-snapshots. Then turn autovacuum on."
    ),
    verify=(
        "SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database shows less than 200 "
        "million."
    ),
    rights="an ordinary login",
    references=(
        "PostgreSQL documentation: Preventing Transaction ID Wraparound Failures",
        "check_pgactivity: max_freeze_age",
        "PgHero: transaction_id_danger",
    ),
)
