"""The indexes of each database: what they hold, what they are used for, which of them only cost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
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
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.databases import Databases
from probes.sqlserver.uptime import UNKNOWN_START, days_up, listed, up

RIGHTS = "VIEW SERVER STATE, VIEW ANY DEFINITION, CONNECT ANY DATABASE"

_MOST_COLUMNS = 16  # that the texts of a row hold; an index with more is compared with none
_NAMES = re.compile(r"\[(?:[^\]]|\]\])*\](?: DESC)?")


@dataclass(frozen=True, slots=True)
class Index:
    """An index, or (index_id 0) the heap of a table without a clustered one.

    Columns are names in brackets, keys in their order, descending ones with DESC. `reads` and `writes` are
    seeks, scans and lookups, and updates, since the start.
    """

    database: str
    schema_name: str
    table_name: str
    index_id: int
    index_name: str
    is_unique: bool
    is_constraint: bool
    is_off: bool
    is_filtered: bool
    key_columns: str
    key_count: int
    included_columns: str
    included_count: int
    reads: int
    writes: int
    index_rows: int
    used_bytes: int

    @property
    def table(self) -> tuple[str, str, str]:
        return self.database, self.schema_name, self.table_name

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.table_name}.{self.index_name}"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(_NAMES.findall(self.key_columns))

    @property
    def included(self) -> frozenset[str]:
        return frozenset(_NAMES.findall(self.included_columns))

    @property
    def is_comparable(self) -> bool:
        """Its columns are known, and are all that it is."""
        whole = len(self.keys) == self.key_count and len(self.included) == self.included_count
        return self.index_id > 0 and whole and not self.is_off and not self.is_filtered

    @property
    def is_spare(self) -> bool:
        """Nothing but speed depends on it: it holds neither the table nor a rule."""
        return self.index_id > 1 and not (self.is_unique or self.is_constraint or self.is_off)


class Indexes(SqlFacts[Index]):
    @property
    def by_database(self) -> dict[str, list[Index]]:
        found: dict[str, list[Index]] = defaultdict(list)
        for one in self.rows:
            found[one.database].append(one)
        return dict(sorted(found.items()))


def _joined(included: int) -> str:
    """The names of an index's columns of one kind, in one text, in the grammar of 2008 R2."""
    names = [
        f"MAX(CASE WHEN n.is_included = {included} AND n.place = {place} THEN n.name END)"
        for place in range(1, _MOST_COLUMNS + 1)
    ]
    rest = "".join(f"\n           + ISNULL(N', ' + {name}, N'')" for name in names[1:])
    return f"ISNULL({names[0]}, N''){rest}"


_TEXT = """
SELECT DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name, i.index_id AS index_id,
       ISNULL(i.name, N'') AS index_name, i.is_unique AS is_unique,
       CASE WHEN i.is_primary_key = 1 OR i.is_unique_constraint = 1 THEN 1 ELSE 0 END AS is_constraint,
       CASE WHEN i.is_disabled = 1 OR i.is_hypothetical = 1 THEN 1 ELSE 0 END AS is_off,
       i.has_filter AS is_filtered, ISNULL(c.key_columns, N'') AS key_columns,
       ISNULL(c.key_count, 0) AS key_count, ISNULL(c.included_columns, N'') AS included_columns,
       ISNULL(c.included_count, 0) AS included_count,
       ISNULL(u.user_seeks + u.user_scans + u.user_lookups, 0) AS reads, ISNULL(u.user_updates, 0) AS writes,
       ISNULL(p.index_rows, 0) AS index_rows, ISNULL(p.used_bytes, 0) AS used_bytes
FROM sys.indexes AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
LEFT JOIN (
    SELECT n.object_id AS object_id, n.index_id AS index_id,
           <keys> AS key_columns,
           SUM(CASE WHEN n.is_included = 0 THEN 1 ELSE 0 END) AS key_count,
           <included> AS included_columns,
           SUM(CASE WHEN n.is_included = 1 THEN 1 ELSE 0 END) AS included_count
    FROM (
        SELECT k.object_id AS object_id, k.index_id AS index_id, k.is_included_column AS is_included,
               QUOTENAME(l.name) + CASE WHEN k.is_descending_key = 1 THEN N' DESC' ELSE N'' END AS name,
               ROW_NUMBER() OVER (PARTITION BY k.object_id, k.index_id, k.is_included_column
                                  ORDER BY k.key_ordinal, k.column_id) AS place
        FROM sys.index_columns AS k
        JOIN sys.columns AS l ON l.object_id = k.object_id AND l.column_id = k.column_id
        WHERE k.key_ordinal > 0 OR k.is_included_column = 1
    ) AS n
    GROUP BY n.object_id, n.index_id
) AS c ON c.object_id = i.object_id AND c.index_id = i.index_id
LEFT JOIN sys.dm_db_index_usage_stats AS u
       ON u.database_id = DB_ID() AND u.object_id = i.object_id AND u.index_id = i.index_id
LEFT JOIN (
    SELECT d.object_id AS object_id, d.index_id AS index_id, SUM(d.row_count) AS index_rows,
           SUM(d.used_page_count) * 8192 AS used_bytes
    FROM sys.dm_db_partition_stats AS d
    GROUP BY d.object_id, d.index_id
) AS p ON p.object_id = i.object_id AND p.index_id = i.index_id
WHERE t.is_ms_shipped = 0 AND i.type IN (0, 1, 2)
""".replace("<keys>", _joined(0)).replace("<included>", _joined(1))

indexes = Section(
    name="sqlserver-indexes",
    facts=Indexes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    _TEXT,
                    reads=(
                        "sys.indexes",
                        "sys.tables",
                        "sys.schemas",
                        "sys.index_columns",
                        "sys.columns",
                        "sys.dm_db_index_usage_stats",
                        "sys.dm_db_partition_stats",
                    ),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Index,
            scope="database",
            most_rows=20_000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Indexes, Index),
    privacy="names of tables, indexes and their columns; sizes, counts of rows and of uses",
)

NO_INDEXES = NotApplicable(reason="no database with tables could be entered, or there is none")


def _found(
    database: str, message: str, found: Sequence[tuple[Index, str]], shown: int, more: dict[str, Value]
) -> Finding:
    """One finding for a database's indexes, the largest named first."""
    largest = sorted(found, key=lambda one: -one[0].used_bytes)
    size = Bytes(sum(index.used_bytes for index, _ in found))
    return Finding(
        impact=Impact.NOTE,
        when=When.LATER,
        message=message,
        item=database,
        evidence={
            "count": Number(len(found)),
            "size": size,
            "names": listed([text for _, text in largest], shown),
            **more,
        },
        value=size,
        worse=Worse.HIGHER,
    )


# --- written and not read ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnusedLevels:
    writes: int = 10_000  # since the start (sp_BlitzIndex checks 22 and 48)
    ratio: float = 10.0  # writes for each read (sp_BlitzIndex check 48)
    least_days: float = 30.0  # a month's end has its own lists; before, nothing can be said
    shown: int = 10  # named in the report; the facts have all


# Rebuilding an index cleared what was counted of it: in 2012 until SP3 CU3, in 2014 until SP2.
_FORGETFUL = (((11,), (11, 0, 6537)), ((12,), (12, 0, 5000)))


@dataclass(frozen=True, slots=True)
class UnusedNeeds:
    indexes: Indexes
    databases: Databases | None

    def closes(self, database: str) -> bool:
        """A database that closes when nobody is in it forgets what its indexes were used for."""
        rows = self.databases.rows if self.databases else ()
        return any(one.database_name == database and one.is_auto_close for one in rows)


def check_unused(needs: UnusedNeeds, levels: UnusedLevels, ctx: Context) -> Iterator[Result]:
    facts = needs.indexes
    days = days_up(facts.server)
    if days is None:
        yield UNKNOWN_START
        return
    if days < levels.least_days:
        yield NotChecked(
            reason=f"the instance was started {days:.0f} days ago: what a month does not read is not known"
        )
        return
    if any(first <= facts.server.version < mended for first, mended in _FORGETFUL):
        yield NotChecked(reason="in this build the server forgets the uses of an index when it is rebuilt")
        return
    if not facts.rows:
        yield NO_INDEXES
    for database, group in facts.by_database.items():
        if needs.closes(database):
            yield NotChecked(
                item=database,
                reason="it closes when nobody is in it (AUTO_CLOSE), and forgets each time what its indexes "
                "were used for",
            )
            continue
        idle = [
            (one, f"{one.name} ({one.writes} writes, {one.reads} reads)")
            for one in group
            if one.is_spare
            and one.writes >= levels.writes
            and (not one.reads or one.writes > levels.ratio * one.reads)
        ]
        if idle:
            yield _found(database, "idle", idle, levels.shown, up(days))
        else:
            yield Passed(item=database, evidence={"indexes": Number(len(group))})


unused = Probe(
    id="sqlserver.unused-indexes",
    title="Indexes that are written are also read",
    check=check_unused,
    levels=UnusedLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "idle": "Indexes of {item} were written much and read hardly or never in {up} ({count}, {size}): "
        "{names}."
    },
    why="Each is written with every row that is saved, backed up every night, and finds nothing for anybody.",
    remedy=(
        "For us, the maker of the software: compare with other sites and with yearly reports, then disable "
        "(ALTER INDEX … DISABLE) by a release those that nobody needs. Please change nothing yourself. Gain: "
        "quicker saving, smaller back-ups. The way back: ALTER INDEX … REBUILD."
    ),
    verify="The next tune-up names fewer indexes, and no list is slower.",
    rights=RIGHTS,
    references=(
        "sys.dm_db_index_usage_stats (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex checks 22 and 48, First Responder Kit",
    ),
)


# --- that repeat others -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DuplicateLevels:
    shown: int = 10  # named in the report


def check_duplicates(facts: Indexes, levels: DuplicateLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NO_INDEXES
    for database, group in facts.by_database.items():
        tables: dict[tuple[str, str, str], list[Index]] = defaultdict(list)
        for one in group:
            if one.is_comparable and one.index_id > 1:
                tables[one.table].append(one)
        repeated = [
            (one, f"{one.name} (as {other.index_name})")
            for table in tables.values()
            for one, other in _repeated(table)
        ]
        if repeated:
            yield _found(database, "repeated", repeated, levels.shown, {})
        else:
            yield Passed(item=database, evidence={"indexes": Number(len(group))})


def _repeated(table: Sequence[Index]) -> Iterator[tuple[Index, Index]]:
    """Spare indexes of one table that give nothing which another, that is kept, does not give too."""
    dropped: set[int] = set()
    for one in sorted(table, key=lambda index: (len(index.keys), len(index.included), -index.index_id)):
        if not one.is_spare:
            continue
        for other in table:
            if other.index_id == one.index_id or other.index_id in dropped or not _covers(other, one):
                continue
            dropped.add(one.index_id)
            yield one, other
            break


def _covers(other: Index, one: Index) -> bool:
    """Begins with all its keys in their order and direction, and holds all its other columns."""
    holds = other.included | {key.removesuffix(" DESC") for key in other.keys}
    return other.keys[: len(one.keys)] == one.keys and one.included <= holds


duplicates = Probe(
    id="sqlserver.duplicate-indexes",
    title="No index repeats another one",
    check=check_duplicates,
    levels=DuplicateLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"repeated": "Indexes of {item} only repeat others ({count}, {size}): {names}."},
    why="Each is written with every row that is saved, and finds nothing that the other does not find.",
    remedy=(
        "For us, the maker of the software: check that no statement names the index in a hint, and drop it "
        "by a release. Please change nothing yourself. Gain: quicker saving, smaller back-ups. The way back: "
        "our release notes hold the CREATE INDEX."
    ),
    verify="The next tune-up names fewer indexes.",
    rights=RIGHTS,
    references=(
        "sys.index_columns (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex checks 1 and 2, First Responder Kit",
    ),
)
