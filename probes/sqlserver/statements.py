"""Which statements take the most, by hash and never by text; and plans that are used once.

Two memories of the server tell it: Query Store, of each database that has it on, which outlives a restart;
and the plan cache, of the whole instance, which forgets at each restart and when memory is short. A database
with the first is judged by that alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Bytes,
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
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader

MIB = 1024**2
RIGHTS = "VIEW SERVER STATE"


@dataclass(frozen=True, slots=True)
class Statement:
    """Statements that differ in their constants only, together: those still in the plan cache.

    `object_name` is the procedure, function or trigger that it stands in, "" for one that a program sent;
    names are shown where the login may know them. `total_…` are of all that the cache holds.
    """

    statement_hash: str
    database_name: str
    object_name: str
    plans: int
    runs: int
    processor_ms: int
    elapsed_ms: int
    page_reads: int
    first_at: datetime
    total_processor_ms: int
    total_elapsed_ms: int
    total_page_reads: int

    @property
    def name(self) -> str:
        where = f"{self.database_name}.{self.object_name}" if self.object_name else self.database_name
        return f"{self.statement_hash} in {where}" if where else self.statement_hash

    @property
    def shares(self) -> dict[str, float]:
        """Of the total, by kind."""
        return {
            "processor": self.processor_ms / max(self.total_processor_ms, 1),
            "elapsed": self.elapsed_ms / max(self.total_elapsed_ms, 1),
            "reads": self.page_reads / max(self.total_page_reads, 1),
        }


class Statements(SqlFacts[Statement]):
    pass


# Times are in microseconds ("sys.dm_exec_query_stats (Transact-SQL)"). The twenty largest by each of
# processor time, duration and pages read; the functions are asked for these only, and only for ids.
statements = Section(
    name="sqlserver-statements",
    facts=Statements,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT CONVERT(varchar(18), h.query_hash, 1) AS statement_hash,
       ISNULL(DB_NAME(ISNULL(x.dbid, a.database_id)), N'') AS database_name,
       ISNULL(OBJECT_NAME(x.objectid, x.dbid), N'') AS object_name, h.plans AS plans, h.runs AS runs,
       h.processor_us / 1000 AS processor_ms, h.elapsed_us / 1000 AS elapsed_ms, h.page_reads AS page_reads,
       h.first_at AS first_at, h.total_processor_us / 1000 AS total_processor_ms,
       h.total_elapsed_us / 1000 AS total_elapsed_ms, h.total_page_reads AS total_page_reads
FROM (
    SELECT q.query_hash AS query_hash, COUNT(*) AS plans, SUM(q.execution_count) AS runs,
           SUM(q.total_worker_time) AS processor_us, SUM(q.total_elapsed_time) AS elapsed_us,
           SUM(q.total_logical_reads) AS page_reads, MIN(q.creation_time) AS first_at,
           MAX(q.sql_handle) AS sql_handle, MAX(q.plan_handle) AS plan_handle,
           SUM(SUM(q.total_worker_time)) OVER () AS total_processor_us,
           SUM(SUM(q.total_elapsed_time)) OVER () AS total_elapsed_us,
           SUM(SUM(q.total_logical_reads)) OVER () AS total_page_reads,
           ROW_NUMBER() OVER (ORDER BY SUM(q.total_worker_time) DESC) AS by_processor,
           ROW_NUMBER() OVER (ORDER BY SUM(q.total_elapsed_time) DESC) AS by_elapsed,
           ROW_NUMBER() OVER (ORDER BY SUM(q.total_logical_reads) DESC) AS by_reads
    FROM sys.dm_exec_query_stats AS q
    GROUP BY q.query_hash
) AS h
OUTER APPLY sys.dm_exec_sql_text(h.sql_handle) AS x
OUTER APPLY (
    SELECT MAX(CONVERT(int, p.value)) AS database_id
    FROM sys.dm_exec_plan_attributes(h.plan_handle) AS p
    WHERE p.attribute = N'dbid'
) AS a
WHERE h.by_processor <= 20 OR h.by_elapsed <= 20 OR h.by_reads <= 20
OPTION (MAXDOP 1)
""",
                    reads=(
                        "sys.dm_exec_query_stats",
                        "sys.dm_exec_sql_text",
                        "sys.dm_exec_plan_attributes",
                    ),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=Statement,
            most_rows=60,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Statements, Statement),
    privacy="hashes of statements, names of procedures, counts and times; no text of a statement",
)


# --- what Query Store remembers ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """As `Statement`, of one database and of the last seven days, by its Query Store. `total_…` are of all
    that the database ran in that time."""

    database: str
    statement_hash: str
    object_name: str
    plans: int
    runs: int
    processor_ms: int
    elapsed_ms: int
    page_reads: int
    first_at: datetime
    total_processor_ms: int
    total_elapsed_ms: int
    total_page_reads: int


class StoredStatements(SqlFacts[StoredStatement]):
    pass


# Seven days: a whole week, whichever day the visit is on.
# A row of the statistics is one plan in one interval, and of the interval under way there may be several:
# averages are weighed by their runs. Times are in microseconds, reads in pages of 8 KB, moments in UTC, which
# are put on the server's clock like all others ("sys.query_store_runtime_stats (Transact-SQL)"). Those of
# the server itself are left out.
stored_statements = Section(
    name="sqlserver-stored-statements",
    facts=StoredStatements,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], CONVERT(varchar(18), h.query_hash, 1) AS statement_hash,
       ISNULL(OBJECT_NAME(CONVERT(int, h.object_id)), N'') AS object_name, h.plans AS plans, h.runs AS runs,
       CONVERT(bigint, h.processor_us / 1000) AS processor_ms,
       CONVERT(bigint, h.elapsed_us / 1000) AS elapsed_ms, CONVERT(bigint, h.page_reads) AS page_reads,
       DATEADD(minute, DATEDIFF(minute, SYSUTCDATETIME(), SYSDATETIME()),
               CONVERT(datetime2(0), SWITCHOFFSET(h.first_at, N'+00:00'))) AS first_at,
       CONVERT(bigint, h.total_processor_us / 1000) AS total_processor_ms,
       CONVERT(bigint, h.total_elapsed_us / 1000) AS total_elapsed_ms,
       CONVERT(bigint, h.total_page_reads) AS total_page_reads
FROM (
    SELECT q.query_hash AS query_hash, MAX(q.object_id) AS object_id, COUNT(DISTINCT r.plan_id) AS plans,
           SUM(r.count_executions) AS runs, SUM(r.count_executions * r.avg_cpu_time) AS processor_us,
           SUM(r.count_executions * r.avg_duration) AS elapsed_us,
           SUM(r.count_executions * r.avg_logical_io_reads) AS page_reads,
           MIN(r.first_execution_time) AS first_at,
           SUM(SUM(r.count_executions * r.avg_cpu_time)) OVER () AS total_processor_us,
           SUM(SUM(r.count_executions * r.avg_duration)) OVER () AS total_elapsed_us,
           SUM(SUM(r.count_executions * r.avg_logical_io_reads)) OVER () AS total_page_reads,
           ROW_NUMBER() OVER (ORDER BY SUM(r.count_executions * r.avg_cpu_time) DESC) AS by_processor,
           ROW_NUMBER() OVER (ORDER BY SUM(r.count_executions * r.avg_duration) DESC) AS by_elapsed,
           ROW_NUMBER() OVER (ORDER BY SUM(r.count_executions * r.avg_logical_io_reads) DESC) AS by_reads
    FROM sys.query_store_runtime_stats_interval AS i
    JOIN sys.query_store_runtime_stats AS r ON r.runtime_stats_interval_id = i.runtime_stats_interval_id
    JOIN sys.query_store_plan AS p ON p.plan_id = r.plan_id
    JOIN sys.query_store_query AS q ON q.query_id = p.query_id
    WHERE i.start_time >= DATEADD(day, -7, SYSDATETIMEOFFSET()) AND q.is_internal_query = 0
    GROUP BY q.query_hash
) AS h
WHERE h.by_processor <= 20 OR h.by_elapsed <= 20 OR h.by_reads <= 20
OPTION (MAXDOP 1)
""",
                    reads=(
                        "sys.query_store_runtime_stats_interval",
                        "sys.query_store_runtime_stats",
                        "sys.query_store_plan",
                        "sys.query_store_query",
                    ),
                    since=(13,),
                    rights=("VIEW DATABASE STATE", "CONNECT ANY DATABASE"),
                ),
            ),
            row=StoredStatement,
            scope="database",
            most_rows=60,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(StoredStatements, StoredStatement),
    privacy="hashes of statements, names of procedures, counts and times; no text of a statement",
)


def together(rows: Iterable[StoredStatement]) -> tuple[Statement, ...]:
    """Statements by hash over all databases with a Query Store: programs send the same to several."""
    by_hash: dict[str, list[StoredStatement]] = defaultdict(list)
    databases: dict[str, StoredStatement] = {}
    for one in rows:
        by_hash[one.statement_hash].append(one)
        databases[one.database] = one
    whole = tuple(databases.values())
    return tuple(
        Statement(
            statement_hash=name,
            database_name=", ".join(sorted(one.database for one in found)),
            object_name=next((one.object_name for one in found if one.object_name), ""),
            plans=sum(one.plans for one in found),
            runs=sum(one.runs for one in found),
            processor_ms=sum(one.processor_ms for one in found),
            elapsed_ms=sum(one.elapsed_ms for one in found),
            page_reads=sum(one.page_reads for one in found),
            first_at=min(one.first_at for one in found),
            total_processor_ms=sum(one.total_processor_ms for one in whole),
            total_elapsed_ms=sum(one.total_elapsed_ms for one in whole),
            total_page_reads=sum(one.total_page_reads for one in whole),
        )
        for name, found in by_hash.items()
    )


# --- the largest ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TopNeeds:
    cached: Statements
    stored: StoredStatements | None


@dataclass(frozen=True, slots=True)
class TopLevels:
    share: float = 0.25  # of all processor time, duration or reads: mending it is felt; our own experience
    least_s: float = 600.0  # processor time of all together, below which nothing is worth a change


_KINDS = {"processor": "processor time", "elapsed": "duration", "reads": "pages read"}

# What has no hash of its own, such as the steps of cursors, has nothing in common that could be mended.
_NO_HASH = "0x" + "0" * 16


def check_top(facts: TopNeeds, levels: TopLevels, ctx: Context) -> Iterator[Result]:
    kept = facts.stored.rows if facts.stored else ()
    stored = together(kept)
    # Of databases without Query Store; what they share with another is the same statement for us.
    covered, hashes = {one.database for one in kept}, {one.statement_hash for one in stored}
    cached = tuple(
        one
        for one in facts.cached.rows
        if one.database_name not in covered and one.statement_hash not in hashes
    )
    if not stored and not cached:
        yield NotApplicable(reason="neither the plan cache nor a Query Store holds a statement")
        return
    for one in (*stored, *cached):
        for kind, share in one.shares.items():
            yield Metric(name=f"{kind}_share", value=Ratio(round(share, 4)), item=one.statement_hash)
    found = [*_heavy(stored, "stored", levels), *_heavy(cached, "heavy", levels)]
    yield from found
    if not found:
        largest = max(stored or cached, key=lambda one: one.processor_ms)
        yield Passed(
            evidence={"largest": Text(largest.name), "share": Ratio(round(largest.shares["processor"], 4))}
        )


def _heavy(rows: Sequence[Statement], message: str, levels: TopLevels) -> Iterator[Finding]:
    if not rows or rows[0].total_processor_ms / 1000 < levels.least_s:
        return
    for one in rows:
        if one.statement_hash == _NO_HASH or max(one.shares.values()) < levels.share:
            continue
        kind = max(one.shares, key=lambda name: one.shares[name])
        share = Ratio(round(one.shares[kind], 4))
        evidence: dict[str, Value] = {
            "share": share,
            "of": Text(_KINDS[kind]),
            "where": Text(one.name),
            "runs": Number(one.runs),
            "each": Duration(one.elapsed_ms / 1000 / max(one.runs, 1)),
            "pages": Number(round(one.page_reads / max(one.runs, 1))),
            "plans": Number(one.plans),
            "since": Instant(one.first_at),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message=message,
            item=one.statement_hash,
            evidence=evidence,
            value=share,
            worse=Worse.HIGHER,
        )


top = Probe(
    id="sqlserver.top-statements",
    title="No single statement takes a large part of the server",
    check=check_top,
    levels=TopLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "heavy": "The statement {where} takes {share} of the {of}: {runs} runs since {since}, {each} and "
        "{pages} pages each, {plans} plans.",
        "stored": "The statement {where} took {share} of the {of} of the last seven days, by Query Store: "
        "{runs} runs, {each} and {pages} pages each, {plans} plans.",
    },
    why="One statement mended is felt by everybody; the hash stays the same from visit to visit.",
    remedy=(
        "For us, the maker of the software: find the statement by its hash or procedure on our own server, "
        "and mend it or its index in a release. Please change nothing yourself, and send us no text of it. "
        "Gain: as much of the server's time as is named. The way back: our release before."
    ),
    verify="The next tune-up, after our release, shows a smaller share for the same hash.",
    rights=RIGHTS,
    references=(
        "sys.query_store_runtime_stats (Transact-SQL), Microsoft Learn",
        "sys.dm_exec_query_stats (Transact-SQL), Microsoft Learn",
    ),
)


# --- plans that are used once -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanCacheRow:
    plans: int
    plan_bytes: int
    single_plans: int
    single_bytes: int


class PlanCache(SqlFacts[PlanCacheRow]):
    pass


plan_cache = Section(
    name="sqlserver-plan-cache",
    facts=PlanCache,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS plans, ISNULL(SUM(CONVERT(bigint, p.size_in_bytes)), 0) AS plan_bytes,
       ISNULL(SUM(CASE WHEN p.usecounts = 1 AND p.objtype = N'Adhoc' THEN 1 ELSE 0 END), 0) AS single_plans,
       ISNULL(SUM(CASE WHEN p.usecounts = 1 AND p.objtype = N'Adhoc'
                       THEN CONVERT(bigint, p.size_in_bytes) ELSE 0 END), 0) AS single_bytes
FROM sys.dm_exec_cached_plans AS p
OPTION (MAXDOP 1)
""",
                    reads=("sys.dm_exec_cached_plans",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=PlanCacheRow,
            most_rows=1,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(PlanCache, PlanCacheRow),
    privacy="counts and sizes of plans",
)


@dataclass(frozen=True, slots=True)
class PlanLevels:
    share: float = 0.50  # of the cache (SQL Assessment API)
    least_mib: float = 256.0  # less memory than this is not worth a setting; our own experience


def check_plans(facts: PlanCache, levels: PlanLevels, ctx: Context) -> Iterator[Result]:
    one = facts.rows[0] if facts.rows else None
    if one is None or one.plan_bytes <= 0:
        yield NotApplicable(reason="the plan cache is empty")
        return
    share = Ratio(round(one.single_bytes / one.plan_bytes, 4))
    evidence: dict[str, Value] = {
        "share": share,
        "size": Bytes(one.single_bytes),
        "plans": Number(one.single_plans),
        "cache": Bytes(one.plan_bytes),
    }
    yield Metric(name="single_share", value=share)
    if share.value >= levels.share and one.single_bytes >= levels.least_mib * MIB:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="single",
            evidence=evidence,
            value=share,
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


plans = Probe(
    id="sqlserver.single-use-plans",
    title="Plans in memory are used again",
    check=check_plans,
    levels=PlanLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "single": "{plans} plans that were used once take {size}, {share} of the plan cache of {cache}."
    },
    why="They take memory in which data could lie, and making each of them takes processor time.",
    remedy=(
        "EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'optimize for ad hoc "
        "workloads', 1; RECONFIGURE. At once. Tell us: our programs may have to send values apart from their "
        "statements. Gain: the memory named. The way back: the same with 0."
    ),
    verify="The next tune-up finds a smaller share.",
    rights=RIGHTS,
    references=(
        "Server configuration: optimize for ad hoc workloads, Microsoft Learn",
        "sp_Blitz check 35, First Responder Kit",
    ),
)
