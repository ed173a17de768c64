"""What happened inside of tables and indexes: rows that moved, and waits for each other's locks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    NotChecked,
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
from probes.sqlserver.uptime import UNKNOWN_START, days_up, listed, up, with_doubt, worded

RIGHTS = "VIEW SERVER STATE, VIEW ANY DEFINITION, CONNECT ANY DATABASE"


@dataclass(frozen=True, slots=True)
class Operations:
    """Of one index, or of a table without a clustered one (`index_id` 0), since the start; less where the
    table was long unused, for then the server forgets its counts."""

    database: str
    schema_name: str
    table_name: str
    index_id: int
    index_name: str
    forwarded_fetches: int
    lock_waits: int
    lock_wait_ms: int

    @property
    def name(self) -> str:
        return ".".join(part for part in (self.schema_name, self.table_name, self.index_name) if part)


class AllOperations(SqlFacts[Operations]):
    pass


operations = Section(
    name="sqlserver-index-operations",
    facts=AllOperations,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name, i.index_id AS index_id,
       ISNULL(i.name, N'') AS index_name, o.forwarded_fetches AS forwarded_fetches,
       o.lock_waits AS lock_waits, o.lock_wait_ms AS lock_wait_ms
FROM (
    SELECT p.object_id AS object_id, p.index_id AS index_id,
           SUM(p.forwarded_fetch_count) AS forwarded_fetches,
           SUM(p.row_lock_wait_count + p.page_lock_wait_count) AS lock_waits,
           SUM(p.row_lock_wait_in_ms + p.page_lock_wait_in_ms) AS lock_wait_ms
    FROM sys.dm_db_index_operational_stats(DB_ID(), NULL, NULL, NULL) AS p
    GROUP BY p.object_id, p.index_id
) AS o
JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.index_id = o.index_id
JOIN sys.tables AS t ON t.object_id = o.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND (o.forwarded_fetches > 0 OR o.lock_wait_ms >= 1000)
""",
                    reads=(
                        "sys.dm_db_index_operational_stats",
                        "sys.indexes",
                        "sys.tables",
                        "sys.schemas",
                    ),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Operations,
            scope="database",
            most_rows=5000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(AllOperations, Operations),
    privacy="names of tables and indexes, counts and times",
)

_TOO_YOUNG = NotChecked(reason="the instance was started less than a day ago")


def _by_database(rows: Sequence[Operations]) -> dict[str, list[Operations]]:
    found: dict[str, list[Operations]] = defaultdict(list)
    for one in rows:
        found[one.database].append(one)
    return dict(sorted(found.items()))


# --- heaps whose rows moved -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeapLevels:
    per_day: float = 1000.0  # fetches of moved rows, by table (sp_BlitzIndex check 43)
    least_days: float = 1.0
    shown: int = 5  # named in the report


def check_heaps(facts: AllOperations, levels: HeapLevels, ctx: Context) -> Iterator[Result]:
    days = days_up(facts.server)
    if days is None or days < levels.least_days:
        yield UNKNOWN_START if days is None else _TOO_YOUNG
        return
    bad = [one for one in facts.rows if not one.index_id and one.forwarded_fetches / days > levels.per_day]
    for database, group in _by_database(bad).items():
        group.sort(key=lambda one: -one.forwarded_fetches)
        rate = Number(round(sum(one.forwarded_fetches for one in group) / days), "per day")
        evidence: dict[str, Value] = {
            "count": Number(len(group)),
            "names": listed([one.name for one in group], levels.shown),
            "rate": rate,
            **up(days),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message=worded("moved", days),
            item=database,
            evidence=evidence,
            value=rate,
            worse=Worse.HIGHER,
        )
    if not bad:
        yield Passed(evidence=up(days))


heaps = Probe(
    id="sqlserver.forwarded-rows",
    title="Rows are where the server looks for them",
    check=check_heaps,
    levels=HeapLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "moved": "In {item} rows moved in tables without a clustered index ({count}), and were fetched "
            "anew {rate} in {up}: {names}."
        }
    ),
    why="A row that grew and moved is read twice: where it was, and where it is.",
    remedy=(
        "For us, the maker of the software: give the table a clustered index by a release. Until then, in a "
        "quiet hour and after a back-up, you may run: ALTER TABLE [schema].[table] REBUILD. Gain: one read "
        "in place of two. The way back: our next release; a rebuilt table needs none."
    ),
    verify="The next tune-up counts fewer such fetches.",
    rights=RIGHTS,
    references=(
        "sys.dm_db_index_operational_stats (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex check 43, First Responder Kit",
    ),
)


# --- waits for locks --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LockLevels:
    total_s: float = 300.0  # in all, by index (sp_BlitzIndex checks 11 and 12)
    least_days: float = 1.0
    shown: int = 5  # named in the report


def check_locks(facts: AllOperations, levels: LockLevels, ctx: Context) -> Iterator[Result]:
    days = days_up(facts.server)
    if days is None or days < levels.least_days:
        yield UNKNOWN_START if days is None else _TOO_YOUNG
        return
    bad = [one for one in facts.rows if one.lock_wait_ms / 1000 > levels.total_s]
    for database, group in _by_database(bad).items():
        group.sort(key=lambda one: -one.lock_wait_ms)
        total = sum(one.lock_wait_ms for one in group) / 1000
        rate = Duration(round(total / days, 1))
        evidence: dict[str, Value] = {
            "count": Number(len(group)),
            "names": listed([one.name for one in group], levels.shown),
            "total": Duration(total),
            "rate": rate,
            **up(days),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message=worded("waited", days),
            item=database,
            evidence=evidence,
            value=rate,
            worse=Worse.HIGHER,
        )
    if not bad:
        yield Passed(evidence=up(days))


locks = Probe(
    id="sqlserver.lock-waits",
    title="Users do not wait for each other's rows",
    check=check_locks,
    levels=LockLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "waited": "In {item} users waited {total} for locks in {up}, {rate} a day, in indexes and tables "
            "({count}): {names}."
        }
    ),
    why="While one holds a row, whoever needs it sees an hourglass; mostly a search locks more than it must.",
    remedy=(
        "For us, the maker of the software: shorten the transactions that touch these tables, or give their "
        "searches an index. Please change nothing in the tables yourself. Gain: no hourglass while others "
        "save. The way back: our release before."
    ),
    verify="The next tune-up finds less waiting a day.",
    rights=RIGHTS,
    references=(
        "sys.dm_db_index_operational_stats (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex checks 11 and 12, First Responder Kit",
    ),
)
