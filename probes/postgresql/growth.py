"""How fast the databases grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotEnoughHistory,
    Number,
    Passed,
    Probe,
    Result,
    Value,
    When,
    Worse,
)
from probes.postgresql.counting import hidden, identifier
from probes.postgresql.databases import Databases


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    soon_days: int = 180  # doubled within this time: look at the disk before the next visit; ours
    later_days: int = 365  # doubled within this time: plan; ours
    least_bytes: int = 2 * 1024**3  # a smaller database may double on any disk of today; ours


def check_growth(facts: Databases, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.users:
        if one.size_bytes is None:
            grant = f"GRANT CONNECT ON DATABASE {identifier(one.database_name)} TO {identifier(one.login)}"
            yield hidden(grant, one.database_name)
            continue
        size = Bytes(one.size_bytes)
        yield Metric(name="size_bytes", value=size, item=one.database_name)
        forecast = ctx.forecast("size_bytes", one.size_bytes, 2.0 * one.size_bytes, one.database_name)
        if isinstance(forecast, NotEnoughHistory):
            yield NotApplicable(
                item=one.database_name,
                reason=f"not enough history: {forecast.points} of {forecast.needed} measurements",
            )
            continue
        evidence: dict[str, Value] = {
            "size": size,
            "growth_a_month": Bytes(round(forecast.per_day * 30)),
        }
        days = (forecast.reached - ctx.now).total_seconds() / 86_400 if forecast.reached else None
        small = one.size_bytes < levels.least_bytes
        if small or forecast.reached is None or days is None or days > levels.later_days:
            yield Passed(item=one.database_name, evidence=evidence)
            continue
        soon = days <= levels.soon_days
        yield Finding(
            impact=Impact.LIMITED if soon else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if soon else When.LATER,
            message="doubles",
            item=one.database_name,
            evidence=evidence | {"on": Instant(forecast.reached)},
            value=Number(round(days), "days"),
            worse=Worse.LOWER,
        )


growth = Probe(
    id="postgresql.database-growth",
    title="Databases grow slowly enough to plan for",
    check=check_growth,
    levels=GrowthLevels(),
    kind="postgresql",
    messages={"doubles": "{item} has {size} and grows by {growth_a_month} a month: it doubles about {on}."},
    why="A disk that the database fills stops the whole instance, and back-ups take longer and longer.",
    remedy=(
        "Compare with the free space of the disk that holds the data directory and of the back-ups. Extend "
        "the disk before the date given, and tell us which database grows so fast."
    ),
    verify="The next visits show slower growth, or a disk with room for twice the size.",
    rights="CONNECT on the databases",
    references=("check_pgactivity: database_size",),
)
