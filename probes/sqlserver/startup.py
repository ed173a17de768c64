"""How the instance is started: its trace flags, and the session that records trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Visit,
    When,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class StartupParameters:
    """How many parameters the service starts with, and one trace flag of them; None where there is none."""

    parameters: int
    trace_flag: str | None


class StartupFlags(SqlFacts[StartupParameters]):
    pass


_DIGITS = re.compile(r"\d+")  # what may follow is Windows' own end of a text

# DBCC TRACESTATUS gives no result at all where no flag is on; and only a start parameter outlives a restart.
# The first parameters are paths (-d, -e, -l) and are counted only ("sys.dm_server_registry (Transact-SQL)").
startup_flags = Section(
    name="sqlserver-startup-flags",
    facts=StartupFlags,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS parameters,
       CASE WHEN CONVERT(nvarchar(40), r.value_data) LIKE N'-[tT][0-9]%'
            THEN SUBSTRING(CONVERT(nvarchar(40), r.value_data), 3, 10) END AS trace_flag
FROM sys.dm_server_registry AS r
WHERE r.value_name LIKE N'SQLArg%'
GROUP BY CASE WHEN CONVERT(nvarchar(40), r.value_data) LIKE N'-[tT][0-9]%'
              THEN SUBSTRING(CONVERT(nvarchar(40), r.value_data), 3, 10) END
""",
                    reads=("sys.dm_server_registry",),
                    since=(10, 50, 2500),  # 2008 R2 SP1
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=StartupParameters,
            most_rows=100,
        )
    },
    parse=reader(StartupFlags, StartupParameters),
    privacy="numbers of trace flags",
)


@dataclass(frozen=True, slots=True)
class FlagLevels:
    # Known to do no harm ("DBCC TRACEON, trace flags"): tempdb's and growth's of before 2016, deadlocks into
    # the error log, no note of each back-up, fixes of the optimizer, light profiling.
    harmless: tuple[str, ...] = ("1117", "1118", "1204", "1222", "3226", "4199", "7412")


def check_flags(facts: StartupFlags, levels: FlagLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.platform == "linux":
        yield NotApplicable(reason="on Linux the flags are in mssql.conf, which the server does not show")
        return
    if not facts.rows:
        yield NotChecked(reason="the server does not show what its service starts with")
        return
    told = (_DIGITS.match(one.trace_flag or "") for one in facts.rows)
    flags = [found[0] for found in told if found]
    odd = [flag for flag in flags if flag not in levels.harmless]
    for flag in odd:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="odd", item=flag)
    if not odd:
        yield Passed(evidence={"flags": Number(len(flags))})


flags = Probe(
    id="sqlserver.trace-flags",
    title="No trace flag changes the instance without reason",
    check=check_flags,
    levels=FlagLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"odd": "The instance starts with the trace flag {item}, whose reason nobody has told us."},
    why=(
        "Trace flags change how the server works, often as the cure of a fault that an update has mended "
        "since."
    ),
    remedy=(
        "Ask who set it and for what. If nobody knows: SQL Server Configuration Manager, SQL Server "
        "Services, the instance, Properties, Startup Parameters: note the flag, remove it, restart the "
        "service in a quiet hour. Gain: an instance like others. The way back: add it there. If it is meant, "
        "add it to `harmless`."
    ),
    verify="DBCC TRACESTATUS (-1) does not list the flag.",
    rights="VIEW SERVER STATE",
    references=("DBCC TRACEON, trace flags, Microsoft Learn", "SQL Assessment API, rules of trace flags"),
)


# --- the session that records trouble ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthSession:
    running: int


class HealthSessions(SqlFacts[HealthSession]):
    pass


health_sessions = Section(
    name="sqlserver-health-session",
    facts=HealthSessions,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS running
FROM sys.dm_xe_sessions AS s
WHERE s.name = N'system_health'
""",
                    reads=("sys.dm_xe_sessions",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=HealthSession,
            most_rows=1,
        )
    },
    parse=reader(HealthSessions, HealthSession),
    privacy="whether one session runs",
)


def check_session(facts: HealthSessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the server says nothing of its sessions")
    elif facts.rows[0].running:
        yield Passed()
    else:
        yield Finding(impact=Impact.NOTE, when=When.LATER, function=SUPPORTABILITY, message="stopped")


health_session = Probe(
    id="sqlserver.health-session",
    title="The instance records deadlocks and severe errors",
    check=check_session,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"stopped": "The session system_health does not run."},
    why=(
        "After a crash or a deadlock it is what tells us the cause; without it we must wait for the next one."
    ),
    remedy=(
        "ALTER EVENT SESSION system_health ON SERVER STATE = START; ALTER EVENT SESSION system_health ON "
        "SERVER WITH (STARTUP_STATE = ON). At once, no restart. The way back: STATE = STOP and STARTUP_STATE "
        "= OFF."
    ),
    verify="SELECT name FROM sys.dm_xe_sessions shows system_health.",
    rights="VIEW SERVER STATE",
    references=(
        "Use the system_health session, Microsoft Learn",
        "SQL Assessment API, rule SystemHealth",
    ),
)
