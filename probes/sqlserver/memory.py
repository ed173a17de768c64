"""Memory: what the machine has left, what the instance is short of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
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

MIB = 1024**2
RIGHTS = "VIEW SERVER STATE"


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """`total_bytes` and `available_bytes` are the machine's, the rest the instance's own process."""

    total_bytes: int
    available_bytes: int
    used_bytes: int
    locked_bytes: int
    is_physical_low: bool


class Memory(SqlFacts[MemoryRow]):
    @property
    def one(self) -> MemoryRow | None:
        return self.rows[0] if self.rows and self.rows[0].total_bytes > 0 else None


memory = Section(
    name="sqlserver-memory",
    facts=Memory,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT m.total_physical_memory_kb * 1024 AS total_bytes,
       m.available_physical_memory_kb * 1024 AS available_bytes,
       p.physical_memory_in_use_kb * 1024 AS used_bytes,
       p.locked_page_allocations_kb * 1024 AS locked_bytes,
       p.process_physical_memory_low AS is_physical_low
FROM sys.dm_os_sys_memory AS m
CROSS JOIN sys.dm_os_process_memory AS p
""",
                    reads=("sys.dm_os_sys_memory", "sys.dm_os_process_memory"),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=MemoryRow,
            most_rows=1,
        )
    },
    parse=reader(Memory, MemoryRow),
    privacy="sizes of memory",
)

_UNTOLD = NotChecked(reason="the server does not tell the machine's memory")


# --- left on the machine ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LowLevels:
    least_mib: float = 256.0  # sp_Blitz check 51


def check_low(facts: Memory, levels: LowLevels, ctx: Context) -> Iterator[Result]:
    one = facts.one
    if one is None:
        yield _UNTOLD
        return
    yield from judge(
        "available",
        Bytes(one.available_bytes),
        (Step(levels.least_mib * MIB, Impact.MAJOR, When.NOW),),
        worse=Worse.LOWER,
        message="low",
        evidence={"total": Bytes(one.total_bytes), "used": Bytes(one.used_bytes)},
    )


low = Probe(
    id="sqlserver.memory-left",
    title="The database machine has free memory",
    check=check_low,
    levels=LowLevels(),
    kind="sqlserver",
    messages={
        "low": "Of {total} only {available} are free on the machine of the instance, which holds {used}."
    },
    why="Windows then swaps memory to disk: everything gets slow at once, and services may fail.",
    remedy=(
        "Now: end programs on the machine that it does not need. Then give SQL Server less: EXEC "
        "sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'max server memory (MB)', "
        "three quarters of the machine's memory (above 16 GB: all but 4 GB) in MB; RECONFIGURE. If that is "
        "less than the databases need, add memory. The way back: the old number."
    ),
    verify=(
        "SELECT available_physical_memory_kb FROM sys.dm_os_sys_memory stays above 262144 in working hours."
    ),
    rights=RIGHTS,
    references=("sys.dm_os_sys_memory (Transact-SQL), Microsoft Learn", "sp_Blitz check 51"),
)


def check_pressed(facts: Memory, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = facts.one
    if one is None:
        yield _UNTOLD
        return
    evidence: dict[str, Value] = {
        "used": Bytes(one.used_bytes),
        "locked": Bytes(one.locked_bytes),
        "available": Bytes(one.available_bytes),
    }
    if one.is_physical_low:
        yield Finding(impact=Impact.LIMITED, message="pressed", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


pressed = Probe(
    id="sqlserver.memory-pressure",
    title="The system lets the instance keep its memory",
    check=check_pressed,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "pressed": "The system asks SQL Server to give memory back: it holds {used}, {locked} of it locked, "
        "and {available} are free."
    },
    why="What it gives back it must read from the disk again; pages that Windows swaps out are slower still.",
    remedy=(
        "Find what else takes memory (Task Manager, Details, sorted by memory) and move it away. Set 'max "
        "server memory (MB)' so that a quarter of the machine, at most 4 GB, stays free. Where it comes back "
        "(not on Express), give the service's account 'Lock pages in memory' (secpol.msc) and restart the "
        "service; the way back is to take it away."
    ),
    verify="SELECT process_physical_memory_low FROM sys.dm_os_process_memory shows 0 in working hours.",
    rights=RIGHTS,
    references=(
        "sys.dm_os_process_memory (Transact-SQL), Microsoft Learn",
        "SQL Assessment API, rule for error 17890",
    ),
)


# --- the server's own judgement ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthRow:
    """`worst` is 1 where all is well, 2 of medium, 3 of high confidence that memory is short."""

    snapshots: int
    troubled: int
    worst: int


class MemoryHealth(SqlFacts[HealthRow]):
    pass


memory_health = Section(
    name="sqlserver-memory-health",
    facts=MemoryHealth,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS snapshots, ISNULL(SUM(CASE WHEN h.severity_level > 1 THEN 1 ELSE 0 END), 0) AS troubled,
       ISNULL(MAX(CONVERT(int, h.severity_level)), 0) AS worst
FROM sys.dm_os_memory_health_history AS h
""",
                    reads=("sys.dm_os_memory_health_history",),
                    since=(17,),
                    needs=("sys.dm_os_memory_health_history",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=HealthRow,
            most_rows=1,
        )
    },
    parse=reader(MemoryHealth, HealthRow),
    privacy="counts",
)

_SURE = 3


def check_health(facts: MemoryHealth, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = facts.rows[0] if facts.rows else None
    if one is None or not one.snapshots:
        yield NotChecked(reason="the server has noted nothing of its memory yet")
        return
    evidence = {"troubled": Number(one.troubled), "snapshots": Number(one.snapshots)}
    if not one.troubled:
        yield Passed(evidence=evidence)
    else:
        sure = one.worst >= _SURE
        yield Finding(
            impact=Impact.MAJOR if sure else Impact.LIMITED,
            message="short" if sure else "perhaps",
            evidence=evidence,
            value=Number(one.troubled),
            worse=Worse.HIGHER,
        )


health = Probe(
    id="sqlserver.memory-health",
    title="The instance itself finds its memory sufficient",
    check=check_health,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "short": "In {troubled} of its last {snapshots} notes the instance found memory short.",
        "perhaps": "In {troubled} of its last {snapshots} notes the instance found memory perhaps short.",
    },
    why="Short of memory the instance refuses work, or reads from the disk what it held before.",
    remedy=(
        "Look whether 'max server memory (MB)' is much less than the machine could give, and raise it: EXEC "
        "sp_configure 'max server memory (MB)', three quarters of the memory (above 16 GB: all but 4 GB) in "
        "MB; RECONFIGURE. If it is "
        "not, add memory to the machine, and send us this report. The way back is the old number."
    ),
    verify="SELECT MAX(severity_level) FROM sys.dm_os_memory_health_history shows 1 a day later.",
    rights=RIGHTS,
    references=(
        "sys.dm_os_memory_health_history (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 270, First Responder Kit",
    ),
)


# --- memory for single statements -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantsRow:
    """Since the start: statements that got less memory than they asked for, or gave up; and waiting now."""

    forced: int
    timed_out: int
    waiting: int


class MemoryGrants(SqlFacts[GrantsRow]):
    pass


memory_grants = Section(
    name="sqlserver-memory-grants",
    facts=MemoryGrants,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(SUM(CONVERT(bigint, q.forced_grant_count)), 0) AS forced,
       ISNULL(SUM(CONVERT(bigint, q.timeout_error_count)), 0) AS timed_out,
       ISNULL(SUM(CONVERT(bigint, q.waiter_count)), 0) AS waiting
FROM sys.dm_exec_query_resource_semaphores AS q
""",
                    reads=("sys.dm_exec_query_resource_semaphores",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=GrantsRow,
            most_rows=1,
        )
    },
    parse=reader(MemoryGrants, GrantsRow),
    privacy="counts",
)


@dataclass(frozen=True, slots=True)
class GrantLevels:
    most: int = 0  # forced or given up since the start, or waiting now (sp_Blitz check 117)
    often_per_day: float = 1.0  # forced or given up; fewer are worth a note; our own experience


def check_grants(facts: MemoryGrants, levels: GrantLevels, ctx: Context) -> Iterator[Result]:
    days = days_up(facts.server)
    if not facts.rows or days is None:
        yield UNKNOWN_START
        return
    one = facts.rows[0]
    evidence: dict[str, Value] = {
        "forced": Number(one.forced),
        "waiting": Number(one.waiting),
        "given_up": Number(one.timed_out),
        **up(days),
    }
    yield Metric(name="forced_per_day", value=Number(one.forced / days, "per day"))
    if max(one.forced, one.timed_out, one.waiting) > levels.most:
        often = one.waiting > levels.most or (one.forced + one.timed_out) / days >= levels.often_per_day
        yield Finding(
            impact=Impact.LIMITED if often else Impact.NOTE,
            when=When.LATER,
            message=worded("short", days),
            evidence=evidence,
            value=Number(one.forced / days, "per day"),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


grants = Probe(
    id="sqlserver.memory-grants",
    title="Statements get the memory that they ask for",
    check=check_grants,
    levels=GrantLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "short": "Statements that got less memory than they asked for in {up}: {forced}; that gave up: "
            "{given_up}; that wait for it now: {waiting}."
        }
    ),
    why=(
        "Such statements sort on the disk or wait for the others: reports and lists take minutes, not "
        "seconds."
    ),
    remedy=(
        "Send us this report: too large a demand mostly comes from a statement or old statistics, which we "
        "mend. If 'max server memory (MB)' is much less than the machine could give, raise it with "
        "sp_configure and RECONFIGURE. Gain: reports without waits. The way back is the old number."
    ),
    verify="SELECT SUM(forced_grant_count) FROM sys.dm_exec_query_resource_semaphores grows no further.",
    rights=RIGHTS,
    references=(
        "sys.dm_exec_query_resource_semaphores (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 117, sp_BlitzFirst check 39, First Responder Kit",
    ),
)


# --- a cache that grows -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CacheRow:
    token_bytes: int
    all_bytes: int


class TokenCache(SqlFacts[CacheRow]):
    pass


# Before 2012 the view counts pages otherwise (single_pages_kb, multi_pages_kb).
token_cache = Section(
    name="sqlserver-token-cache",
    facts=TokenCache,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(SUM(CASE WHEN c.type = N'USERSTORE_TOKENPERM' THEN c.pages_kb ELSE 0 END), 0) * 1024
           AS token_bytes,
       ISNULL(SUM(c.pages_kb), 0) * 1024 AS all_bytes
FROM sys.dm_os_memory_clerks AS c
""",
                    reads=("sys.dm_os_memory_clerks",),
                    since=(11,),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=CacheRow,
            most_rows=1,
        )
    },
    parse=reader(TokenCache, CacheRow),
    privacy="sizes of memory",
)


@dataclass(frozen=True, slots=True)
class TokenLevels:
    share: float = 0.10  # of the instance's memory, and
    least_mib: float = 1024.0  # at least this much (both sp_Blitz check 233)


def check_tokens(facts: TokenCache, levels: TokenLevels, ctx: Context) -> Iterator[Result]:
    one = facts.rows[0] if facts.rows else None
    if one is None or one.all_bytes <= 0:
        yield NotChecked(reason="the server does not tell what its memory is used for")
        return
    share = one.token_bytes / one.all_bytes
    evidence: dict[str, Value] = {"size": Bytes(one.token_bytes), "share": Ratio(share)}
    yield Metric(name="token_bytes", value=Bytes(one.token_bytes))
    if share >= levels.share and one.token_bytes >= levels.least_mib * MIB:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="large",
            evidence=evidence,
            value=Bytes(one.token_bytes),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


tokens = Probe(
    id="sqlserver.token-cache",
    title="The cache of permissions stays small",
    check=check_tokens,
    levels=TokenLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"large": "The cache of permissions holds {size}, {share} of the instance's memory."},
    why="A large one is slow to search: logins and every statement take longer, until the next restart.",
    remedy=(
        "In a quiet hour a restart of the SQL Server service empties it. Send us this report: the cause is "
        "mostly a program that logs in for each statement, or application roles, which we look for; install "
        "the newest update of SQL Server too. Gain: quick logins. There is nothing to take back."
    ),
    verify="The next tune-up finds the share below the level.",
    rights=RIGHTS,
    references=(
        "sys.dm_os_memory_clerks (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 233, First Responder Kit",
    ),
)
