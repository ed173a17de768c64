"""What is counted by the day: deadlocks, and what was sorted on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Impact,
    Instant,
    Measured,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Step,
    Text,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.postgresql.counting import too_young, window
from probes.postgresql.databases import Database, Databases


def _rate(
    name: str,
    counted: Callable[[Database], int],
    daily: Callable[[float], Measured],
    total: Callable[[Database], Measured],
    impact: Impact,
) -> Callable[[Databases, DailyLevels, Context], Iterator[Result]]:
    """A check of a counter per day, database by database.

    Since version 15 the server does not say since when it counts, only when it was started, and counters
    outlive that: then what was added since the last visit is judged, else what they can be at most.
    """

    def check(facts: Databases, levels: DailyLevels, ctx: Context) -> Iterator[Result]:
        if not facts.users:
            yield NotApplicable(reason="no database of the clinic is on this instance")
        before = ctx.previous(Databases)
        for one in facts.users:
            amount = counted(one)
            ran = window(facts.server, one.counted_since)
            earlier = _earlier(before, one)
            is_known = one.counted_since is not None
            if earlier and ctx.previous_at and counted(earlier) <= amount:
                amount -= counted(earlier)
                ran = window(facts.server, ctx.previous_at)
                is_known = True
            young = too_young(ran, levels.least_days, one.database_name)
            if young is not None or ran is None:
                yield young or NotApplicable(reason="")
                continue
            value = daily(amount / ran.days)
            if is_known:
                yield from judge(
                    name,
                    value,
                    (Step(levels.a_day, impact, When.LATER, "young" if ran.is_young else "many"),),
                    worse=Worse.HIGHER,
                    message="many",
                    item=one.database_name,
                    evidence={"total": total(one), "since": Instant(ran.since)},
                )
            elif value.value < levels.a_day:
                evidence: dict[str, Value] = {
                    name: value,
                    "total": total(one),
                    "since": Text("an unknown day"),
                }
                yield Passed(item=one.database_name, evidence=evidence)
            else:
                yield NotChecked(
                    item=one.database_name,
                    reason="the server does not say since when it counts, and counters outlive its restarts; "
                    "the next visit judges what is added until then",
                )

    return check


def _earlier(before: Databases | None, one: Database) -> Database | None:
    """The database at the last visit, where the server says neither then nor now since when it counts."""
    if before is None or one.counted_since is not None:
        return None
    same = (row for row in before.rows if row.database_name == one.database_name)
    return next((row for row in same if row.counted_since is None), None)


@dataclass(frozen=True, slots=True)
class DailyLevels:
    a_day: float
    least_days: float = 1  # less says nothing of a working day


deadlocks = Probe(
    id="postgresql.deadlocks",
    title="Programs do not lock each other out",
    check=_rate(
        "a_day",
        lambda one: one.deadlocks,
        lambda a_day: Number(round(a_day, 1)),
        lambda one: Number(one.deadlocks),
        Impact.LIMITED,
    ),
    levels=DailyLevels(a_day=10),  # our own experience: a few are normal
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "many": "{item} has {a_day} deadlocks a day ({total} since {since}).",
        "young": "{item} has {a_day} deadlocks a day, counted since {since} only: a hint, no more.",
    },
    why=(
        "Of two who wait for each other the server ends one: someone's entry is refused and has to be made "
        "again."
    ),
    remedy=(
        "Send us this report: it is for us, the vendor, to have the program take its locks in one order. "
        "Gain: no refused entries. Nothing is changed on the server, so there is no way back to keep."
    ),
    verify="The next tune-up shows fewer than ten a day.",
    rights="an ordinary login",
    references=("PostgreSQL documentation: pg_stat_database",),
)

temporary_files = Probe(
    id="postgresql.temporary-files",
    title="Sorting finds room in memory",
    check=_rate(
        "a_day",
        lambda one: one.temporary_bytes,
        lambda a_day: Bytes(round(a_day)),
        lambda one: Number(one.temporary_files),
        Impact.NOTE,
    ),
    levels=DailyLevels(a_day=1024**3),  # our own experience; check_pgactivity temp_files has no default
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "many": "{item} writes {a_day} a day to temporary files ({total} files since {since}).",
        "young": (
            "{item} writes {a_day} a day to temporary files, counted since {since} only: a hint, no more."
        ),
    },
    why="What does not fit into work_mem is sorted on disk, which takes many times as long.",
    remedy=(
        "With 8 GB of memory or more: ALTER SYSTEM SET work_mem = '16MB', then SELECT pg_reload_conf(). Each "
        "sort of each session may take as much. Gain: lists and reports open faster. The way back: ALTER "
        "SYSTEM RESET work_mem and SELECT pg_reload_conf()."
    ),
    verify="The next tune-up shows less; the server has free memory at the busiest hour.",
    rights="an ordinary login",
    references=("PostgreSQL documentation: work_mem", "check_pgactivity: temp_files"),
)
