"""Counters of the instance: deadlocks, and how long a page stays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Impact,
    NotChecked,
    Number,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader
from probes.sqlserver.uptime import UNKNOWN_START, days_up, up, with_doubt, worded

RIGHTS = "VIEW SERVER STATE"


@dataclass(frozen=True, slots=True)
class CounterRow:
    """`deadlocks` since the start; `page_life_s` that of the memory node where pages stay the shortest."""

    deadlocks: int | None
    page_life_s: int | None


class Counters(SqlFacts[CounterRow]):
    @property
    def deadlocks(self) -> int | None:
        return self.rows[0].deadlocks if self.rows else None

    @property
    def page_life_s(self) -> int | None:
        return self.rows[0].page_life_s if self.rows else None


# "…/sec" counts on since the start: the rate is for the reader to make. Names are padded to their full
# width ("sys.dm_os_performance_counters (Transact-SQL)").
counters = Section(
    name="sqlserver-counters",
    facts=Counters,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT MAX(CASE WHEN c.counter_name LIKE N'Number of Deadlocks/sec%'
                 AND c.instance_name LIKE N'[_]Total%' THEN c.cntr_value END) AS deadlocks,
       MIN(CASE WHEN c.counter_name LIKE N'Page life expectancy%'
                 AND c.object_name LIKE N'%:Buffer Node%' THEN c.cntr_value END) AS page_life_s
FROM sys.dm_os_performance_counters AS c
WHERE c.counter_name LIKE N'Number of Deadlocks/sec%' OR c.counter_name LIKE N'Page life expectancy%'
""",
                    reads=("sys.dm_os_performance_counters",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=CounterRow,
            most_rows=1,
        )
    },
    parse=reader(Counters, CounterRow),
    privacy="two counters of the instance",
)

# Broken counters of Windows leave the view empty.
_NO_COUNTERS = NotChecked(
    reason="the server's performance counters are missing: rebuild them with lodctr /R and restart it"
)


# --- deadlocks --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadlockLevels:
    per_day: float = 10.0  # sp_Blitz check 124
    least_days: float = 1.0  # up for less, one bad hour would count as a day


def check_deadlocks(facts: Counters, levels: DeadlockLevels, ctx: Context) -> Iterator[Result]:
    days, deadlocks = days_up(facts.server), facts.deadlocks
    if days is None:
        yield UNKNOWN_START
        return
    if deadlocks is None:
        yield _NO_COUNTERS
        return
    if days < levels.least_days:
        yield NotChecked(reason="the instance was started less than a day ago")
        return
    evidence: dict[str, Value] = {"deadlocks": Number(deadlocks), **up(days)}
    yield from judge(
        "rate",
        Number(round(deadlocks / days, 1), "per day"),
        (Step(levels.per_day, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message=worded("many", days),
        evidence=evidence,
    )


deadlocks = Probe(
    id="sqlserver.deadlocks",
    title="Users do not throw each other's work out",
    check=check_deadlocks,
    levels=DeadlockLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt({"many": "There were {deadlocks} deadlocks in {up}: {rate}."}),
    why="In a deadlock the server throws out one of two: that user's entry fails and must be made again.",
    remedy=(
        "For us, the maker of the software: the system_health session holds the deadlocks of the last days. "
        "Ask us for the hour in which we may look at them together; they name tables and indexes. Change "
        "nothing yourself. Gain: no lost entries. The way back: our release before."
    ),
    verify="The next tune-up counts fewer deadlocks a day than the level.",
    rights=RIGHTS,
    references=("Deadlocks guide, Microsoft Learn", "sp_Blitz check 124, First Responder Kit"),
)


# --- pages in memory --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LifeLevels:
    least_s: float = 700.0  # SQL Assessment API; the trend says more than one reading


def check_life(facts: Counters, levels: LifeLevels, ctx: Context) -> Iterator[Result]:
    days, life = days_up(facts.server), facts.page_life_s
    if days is None:
        yield UNKNOWN_START
        return
    if life is None:
        yield _NO_COUNTERS
        return
    yield from judge(
        "page_life",
        Duration(life),
        (Step(levels.least_s, Impact.NOTE, When.LATER),),
        worse=Worse.LOWER,
        message=worded("short", days),
        evidence=up(days),
    )


page_life = Probe(
    id="sqlserver.page-life",
    title="Pages stay in memory until they are needed again",
    check=check_life,
    levels=LifeLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt({"short": "A page stays in memory for {page_life} only; the instance ran for {up}."}),
    why=(
        "What leaves memory soon is read from the disk again and again. One reading may be a back-up's doing."
    ),
    remedy=(
        "Compare with the visit before. If it falls: look whether 'max server memory (MB)' leaves memory "
        "unused, and raise it with sp_configure and RECONFIGURE; else send us this report, before memory is "
        "bought: a missing index reads whole tables. Gain: fewer reads. The way back is the old number."
    ),
    verify="The next tune-up, at the same time of day, shows a longer time.",
    rights=RIGHTS,
    references=(
        "SQL Server, Buffer Node object, Microsoft Learn",
        "SQL Assessment API, rule PageLifeExpectancy",
    ),
)
