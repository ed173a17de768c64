"""How large each database is, and how fast it grows."""

from __future__ import annotations

from collections import defaultdict
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
from probes.mariadb.tables import TABLES_RIGHT, Tables


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    soon_days: int = 180  # doubled within this time: look at the disk before the next visit; ours
    later_days: int = 365  # doubled within this time: plan; ours


def check(facts: Tables, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    sizes: dict[str, int] = defaultdict(int)
    for one in facts.rows:
        # Free space is left out: of tables that share a file, each names all of the file's.
        sizes[one.database_name] += one.data_bytes + one.index_bytes
    if not sizes:
        yield NotApplicable(reason="the databases have no table")
    for name, size_bytes in sorted(sizes.items()):
        yield from _judged(name, size_bytes, levels, ctx)


def _judged(name: str, size_bytes: int, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    size = Bytes(size_bytes)
    yield Metric(name="size_bytes", value=size, item=name)
    forecast = ctx.forecast("size_bytes", size_bytes, 2.0 * size_bytes, name)
    if isinstance(forecast, NotEnoughHistory):
        yield NotApplicable(
            item=name, reason=f"not enough history: {forecast.points} of {forecast.needed} measurements"
        )
        return
    evidence: dict[str, Value] = {"size": size, "growth_a_month": Bytes(round(forecast.per_day * 30))}
    days = (forecast.reached - ctx.now).total_seconds() / 86_400 if forecast.reached else None
    if forecast.reached is None or days is None or days > levels.later_days:
        yield Passed(item=name, evidence=evidence)
        return
    soon = days <= levels.soon_days
    yield Finding(
        impact=Impact.LIMITED if soon else Impact.NOTE,
        when=When.BEFORE_NEXT_VISIT if soon else When.LATER,
        message="doubles",
        item=name,
        evidence=evidence | {"on": Instant(forecast.reached)},
        value=Number(round(days), "days"),
        worse=Worse.LOWER,
    )


probe = Probe(
    id="mariadb.database-growth",
    title="Databases grow slowly enough to plan for",
    check=check,
    levels=GrowthLevels(),
    kind="mariadb",
    messages={"doubles": "{item} has {size} and grows by {growth_a_month} a month: it doubles about {on}."},
    why="A disk that the database fills stops the whole server, and back-ups take longer and longer.",
    remedy=(
        "Compare with the free space of the disk that holds the data directory (SHOW GLOBAL VARIABLES LIKE "
        "'datadir' names it) and of the back-ups. Extend the disk before the date given, and tell us which "
        "database grows so fast."
    ),
    verify="The next visits show slower growth, or a disk with room for twice the size.",
    rights=TABLES_RIGHT,
    references=("MariaDB documentation: Information Schema TABLES Table, DATA_LENGTH and INDEX_LENGTH",),
)
