"""Growth of files while people worked, as the default trace remembers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class GrowthEvents:
    """Automatic growths of one file; slow are those of fifteen seconds or more."""

    database_name: str
    file_name: str
    is_log: bool
    growths: int
    slow_growths: int
    longest_ms: int
    first_at: datetime
    last_at: datetime


class AllGrowthEvents(SqlFacts[GrowthEvents]):
    pass


# Events 92 and 93 are automatic growth of a data and a log file, Duration is in microseconds
# ("sp_trace_setevent (Transact-SQL)"). The trace writes five files in turn, log_N.trc; read from the name
# without the number, all that are left are read. Its texts are not.
growth_events = Section(
    name="sqlserver-growth-events",
    facts=AllGrowthEvents,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(e.DatabaseName, N'') AS database_name, ISNULL(e.FileName, N'') AS file_name,
       CASE WHEN e.EventClass = 93 THEN 1 ELSE 0 END AS is_log, COUNT(*) AS growths,
       SUM(CASE WHEN e.Duration >= 15000000 THEN 1 ELSE 0 END) AS slow_growths,
       ISNULL(MAX(e.Duration), 0) / 1000 AS longest_ms, MIN(e.StartTime) AS first_at,
       MAX(e.StartTime) AS last_at
FROM (
    SELECT TOP (1) LEFT(d.path, LEN(d.path) - CHARINDEX(N'_', REVERSE(d.path))) + N'.trc' AS path
    FROM sys.traces AS d
    WHERE d.is_default = 1
) AS t
CROSS APPLY sys.fn_trace_gettable(t.path, DEFAULT) AS e
WHERE e.EventClass IN (92, 93) AND e.StartTime IS NOT NULL
GROUP BY e.DatabaseName, e.FileName, e.EventClass
""",
                    reads=("sys.traces", "sys.fn_trace_gettable"),
                    rights=("ALTER TRACE",),
                ),
            ),
            row=GrowthEvents,
            most_rows=2000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(AllGrowthEvents, GrowthEvents),
    privacy="names of databases and files, counts and times",
)


@dataclass(frozen=True, slots=True)
class Levels:
    slow: int = 1  # more growths of fifteen seconds than this (sp_Blitz check 151)


def check(facts: AllGrowthEvents, levels: Levels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="the default trace remembers no growth of a file, or is turned off")
    for one in facts.rows:
        item = f"{one.database_name}/{one.file_name}"
        yield Metric(name="growths", value=Number(one.growths), item=item)
        evidence: dict[str, Value] = {
            "growths": Number(one.growths),
            "slow": Number(one.slow_growths),
            "longest": Duration(one.longest_ms / 1000),
            "since": Instant(one.first_at),
            "last": Instant(one.last_at),
        }
        if one.slow_growths > levels.slow:
            yield Finding(
                impact=Impact.LIMITED,
                when=When.LATER,
                message="log" if one.is_log else "data",
                item=item,
                evidence=evidence,
                value=Number(one.slow_growths),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=item, evidence=evidence)


probe = Probe(
    id="sqlserver.slow-growth",
    title="Files grow without making people wait",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "data": (
            "{item} grew {growths} times since {since}; {slow} of them took 15 seconds and more, at most "
            "{longest}."
        ),
        "log": (
            "The log {item} grew {growths} times since {since}; {slow} of them took 15 seconds and more, at "
            "most {longest}."
        ),
    },
    why="While a file grows, everybody who saves waits: 15 seconds are felt as a crash.",
    remedy=(
        "In a quiet hour: ALTER DATABASE [name] MODIFY FILE (NAME = N'file', SIZE = what a year needs, "
        "FILEGROWTH = 256MB); logs 64MB. For data files also give the service's account 'Perform volume "
        "maintenance tasks' (secpol.msc) and restart it. Gain: no waiting. The way back: take that right "
        "away."
    ),
    verify="The next tune-up counts no slow growth since the day of the change.",
    rights="ALTER TRACE",
    references=("sys.fn_trace_gettable, Microsoft Learn", "sp_Blitz check 151, First Responder Kit"),
)
