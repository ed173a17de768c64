"""Trace flags, in force and at the start, and the session that records trouble."""

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

# Only a start parameter outlives a restart. The first parameters are paths (-d, -e, -l) and are counted only
# ("sys.dm_server_registry (Transact-SQL)").
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
class FlagInForce:
    """A row as DBCC TRACESTATUS gives it; the names of the columns are its own."""

    TraceFlag: int
    Status: int
    Global: int
    Session: int


class FlagsInForce(SqlFacts[FlagInForce]):
    @property
    def everywhere(self) -> tuple[str, ...]:
        """Those that are on for all sessions, and not for the check-up's alone."""
        return tuple(str(one.TraceFlag) for one in self.rows if one.Status and one.Global)


# It gives no result set at all where no flag is on ("DBCC TRACESTATUS (Transact-SQL)").
flags_in_force = Section(
    name="sqlserver-trace-flags",
    facts=FlagsInForce,
    collect={
        "sqlserver": Sql(
            (SqlVariant("DBCC TRACESTATUS (-1) WITH NO_INFOMSGS", reads=("DBCC TRACESTATUS",)),),
            row=FlagInForce,
        )
    },
    parse=reader(FlagsInForce, FlagInForce),
    privacy="numbers of trace flags",
)


@dataclass(frozen=True, slots=True)
class Flags:
    """Without the start parameters (Linux, 2008 R2 before SP1, for want of the right) those in force tell
    all but where they come from."""

    in_force: FlagsInForce
    at_start: StartupFlags | None


@dataclass(frozen=True, slots=True)
class FlagLevels:
    # Known to do no harm ("DBCC TRACEON, trace flags"): tempdb's and growth's of before 2016, deadlocks into
    # the error log, no note of each back-up, fixes of the optimizer, light profiling.
    harmless: tuple[str, ...] = ("1117", "1118", "1204", "1222", "3226", "4199", "7412")


def check_flags(facts: Flags, levels: FlagLevels, ctx: Context) -> Iterator[Result]:
    rows = facts.at_start.rows if facts.at_start else ()
    told = (_DIGITS.match(one.trace_flag or "") for one in rows)
    at_start = {str(int(found[0])) for found in told if found}
    in_force = set(facts.in_force.everywhere)
    known = at_start | in_force
    odd = sorted(known - set(levels.harmless), key=int)
    for flag in odd:
        if flag not in at_start:
            message = "meanwhile" if rows else "odd"
        else:
            message = "starts" if flag in in_force else "waits"
        yield Finding(impact=Impact.NOTE, when=When.LATER, message=message, item=flag)
    if not odd:
        yield Passed(evidence={"flags": Number(len(known))})


flags = Probe(
    id="sqlserver.trace-flags",
    title="No trace flag changes the instance without reason",
    check=check_flags,
    levels=FlagLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "odd": "The trace flag {item} is on, whose reason nobody has told us.",
        "starts": "The instance starts with the trace flag {item}, whose reason nobody has told us.",
        "waits": "The trace flag {item} is among the start parameters and not on: somebody turned it off, or "
        "the instance was not started since.",
        "meanwhile": "The trace flag {item} was turned on while the instance ran, and is gone after its next "
        "start; nobody has told us its reason.",
    },
    why=(
        "Trace flags change how the server works, often as the cure of a fault that an update has mended "
        "since."
    ),
    remedy=(
        "Ask who set it and for what. If nobody knows, note it and remove it in SQL Server Configuration "
        "Manager, the service, Properties, Startup Parameters (before 2012: Advanced; Linux: mssql-conf "
        "traceflag NUMBER off), and restart it in a quiet hour. Gain: an instance like others. The way back: "
        "add it there. One that is meant: add it to `harmless`."
    ),
    verify="DBCC TRACESTATUS (-1) does not list the flag.",
    rights="any login; VIEW SERVER STATE for the start parameters",
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
