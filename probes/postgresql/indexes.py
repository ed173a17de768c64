"""Indexes of the site's databases: broken, never used, repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
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
from probes.postgresql.counting import named, too_young, window
from probes.sql.rows import reader

_RIGHTS = "CONNECT on the databases"


@dataclass(frozen=True, slots=True)
class Index:
    """An index of an ordinary table.

    `columns`, `classes`, `collations` and `directions` are the server's own lists of numbers ("2 5"); of the
    columns the first `key_columns` are searched by, the others are only carried along. `is_needed`: it
    upholds a key or is what a foreign key refers to.
    """

    database: str
    schema_name: str
    table_name: str
    index_name: str
    method: str
    columns: str
    classes: str
    collations: str
    directions: str
    key_columns: int
    is_unique: bool
    is_needed: bool
    is_valid: bool
    is_being_built: bool
    is_partial: bool
    has_expressions: bool
    scans: int
    size_bytes: int
    counted_since: datetime | None

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.index_name}"

    @property
    def table(self) -> tuple[str, str, str]:
        return self.database, self.schema_name, self.table_name


class Indexes(SqlFacts[Index]):
    pass


def _text(keys: str, building: str) -> str:
    return f"""
SELECT current_database()::text AS database, n.nspname::text AS schema_name, t.relname::text AS table_name,
       x.relname::text AS index_name, m.amname::text AS method, i.indkey::text AS columns,
       i.indclass::text AS classes, i.indcollation::text AS collations, i.indoption::text AS directions,
       {keys}::bigint AS key_columns, i.indisunique AS is_unique,
       (i.indisprimary OR i.indisexclusion OR i.indisreplident
        OR EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)) AS is_needed,
       i.indisvalid AS is_valid, {building} AS is_being_built, i.indpred IS NOT NULL AS is_partial,
       i.indexprs IS NOT NULL AS has_expressions, COALESCE(s.idx_scan, 0) AS scans,
       x.relpages * current_setting('block_size')::bigint AS size_bytes,
       (SELECT d.stats_reset AT TIME ZONE 'UTC' FROM pg_stat_database AS d
        WHERE d.datname = current_database()) AS counted_since
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_am AS m ON m.oid = x.relam
LEFT JOIN pg_stat_user_indexes AS s ON s.indexrelid = i.indexrelid
WHERE x.relkind = 'i' AND t.relkind IN ('r', 'm') AND t.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""  # noqa: S608  the parts are constants of this file


_BUILDING = "EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS b WHERE b.index_relid = i.indexrelid)"
_READS = (
    "pg_index",
    "pg_class",
    "pg_namespace",
    "pg_am",
    "pg_constraint",
    "pg_stat_user_indexes",
    "pg_stat_database",
)

indexes = Section(
    name="postgresql-indexes",
    facts=Indexes,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    _text("i.indnkeyatts", _BUILDING),
                    reads=(*_READS, "pg_stat_progress_create_index"),
                    since=(12,),
                ),
                SqlVariant(_text("i.indnkeyatts", "false"), reads=_READS, since=(11,), before=(12,)),
                SqlVariant(_text("i.indnatts", "false"), reads=_READS, since=(9, 6), before=(11,)),
            ),
            row=Index,
            scope="database",
            most_rows=20_000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Indexes, Index),
    privacy="names, columns' numbers, sizes and uses of indexes",
)


# --- invalid ----------------------------------------------------------------------------------


def check_invalid(facts: Indexes, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = [one for one in facts.rows if not one.is_valid and not one.is_being_built]
    for one in found:
        yield Finding(
            impact=Impact.LIMITED,
            message="unique" if one.is_unique else "invalid",
            item=f"{one.database}.{one.name}",
            evidence={"table": Text(f"{one.schema_name}.{one.table_name}"), "size": Bytes(one.size_bytes)},
        )
    if not found:
        yield Passed(evidence={"indexes": Number(len(facts.rows))})


invalid_indexes = Probe(
    id="postgresql.invalid-indexes",
    title="All indexes are whole",
    check=check_invalid,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "invalid": "{item} on {table} was never finished: it slows saving and serves no search.",
        "unique": "{item} on {table} was never finished: nothing keeps the values there from being double.",
    },
    why=(
        "An index whose building was broken off costs at every saving and is never used; a unique one does "
        "not guard its values."
    ),
    remedy=(
        "In the database named, as owner or superuser, from version 12: REINDEX INDEX CONCURRENTLY "
        "schema.index; nobody needs to leave. If it fails or before version 12: DROP INDEX CONCURRENTLY "
        "schema.index, and tell us, so that we build it again. An index that ends in _ccnew or _ccold: only "
        "drop it."
    ),
    verify="SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid shows no row.",
    rights=_RIGHTS,
    references=(
        "PostgreSQL documentation: CREATE INDEX, Building Indexes Concurrently",
        "check_pgactivity: invalid_indexes",
    ),
)


# --- unused -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnusedLevels:
    most_scans: int = 50  # since counting began; PgHero unused_indexes max_scans
    least_bytes: int = 10 * 1024**2  # smaller ones cost nothing worth a word; ours
    least_days: float = 30  # a month's and a quarter's work; ours


def check_unused(facts: Indexes, levels: UnusedLevels, ctx: Context) -> Iterator[Result]:
    found = False
    for database, those in _by_database(facts.rows):
        young = too_young(window(facts.server, those[0].counted_since), levels.least_days, database)
        if young is not None:
            found = True
            yield young
            continue
        unused = [
            one
            for one in those
            if one.scans <= levels.most_scans
            and one.size_bytes >= levels.least_bytes
            and not one.is_unique
            and not one.is_needed
            and one.is_valid
        ]
        if unused:
            found = True
            yield _listed(database, "unused", [(one.name, one.size_bytes) for one in unused])
    if not found:
        yield Passed()


def _by_database(rows: Sequence[Index]) -> Iterator[tuple[str, list[Index]]]:
    grouped: dict[str, list[Index]] = defaultdict(list)
    for one in rows:
        grouped[one.database].append(one)
    yield from sorted(grouped.items())


def _listed(database: str, message: str, named_sizes: Sequence[tuple[str, int]]) -> Finding:
    """One finding about these indexes of a database, the largest first."""
    largest = sorted(named_sizes, key=lambda one: (-one[1], one[0]))
    evidence: dict[str, Value] = {
        "count": Number(len(largest)),
        "names": Text(named([name for name, _ in largest])),
        "size": Bytes(sum(size for _, size in largest)),
    }
    return Finding(
        impact=Impact.NOTE,
        when=When.LATER,
        message=message,
        item=database,
        evidence=evidence,
        value=Number(len(largest)),
        worse=Worse.HIGHER,
    )


unused_indexes = Probe(
    id="postgresql.unused-indexes",
    title="Every index is used",
    check=check_unused,
    levels=UnusedLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"unused": "Indexes of {item} are hardly ever used ({count}, {size}): {names}."},
    why="Each index is written at every saving and is in every back-up.",
    remedy=(
        "Send us this report: it is for us, the vendor, to say which may go; a report of the year's end or a "
        "standby may use them. Then DROP INDEX CONCURRENTLY schema.index. Gain: faster saving, smaller "
        "back-ups. The way back: we keep the CREATE INDEX of each."
    ),
    verify="The next tune-up names fewer; no screen has become slower.",
    rights=_RIGHTS,
    references=("PgHero: unused_indexes",),
)


# --- duplicate --------------------------------------------------------------------------------


def check_duplicate(facts: Indexes, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="the databases that were looked into have no index")
        return
    found = False
    for database, those in _by_database(facts.rows):
        repeated = [
            (f"{one.name} (as {other.index_name})", one.size_bytes) for one, other in _repeated(those)
        ]
        if repeated:
            found = True
            yield _listed(database, "repeated", repeated)
    if not found:
        yield Passed(evidence={"indexes": Number(len(facts.rows))})


def _repeated(indexes: Sequence[Index]) -> Iterator[tuple[Index, Index]]:
    """B-tree indexes whose columns are the first ones of another that stays, each with that one."""
    plain = [
        one
        for one in indexes
        if one.method == "btree" and one.is_valid and not one.is_partial and not one.has_expressions
    ]
    by_table: dict[tuple[str, str, str], list[Index]] = defaultdict(list)
    for one in plain:
        by_table[one.table].append(one)
    for those in by_table.values():
        gone: set[str] = set()
        for one in sorted(those, key=lambda index: index.name):
            if one.is_unique or one.is_needed or len(one.columns.split()) > one.key_columns:
                continue
            for other in those:
                if other is one or other.index_name in gone:
                    continue
                if _keys(other)[: one.key_columns] == _keys(one):
                    gone.add(one.index_name)
                    yield one, other
                    break


def _keys(index: Index) -> tuple[tuple[str, ...], ...]:
    """What the index is searched by: column, order of its values, collation, direction."""
    lists = (index.columns, index.classes, index.collations, index.directions)
    return tuple(zip(*(one.split()[: index.key_columns] for one in lists), strict=False))


duplicate_indexes = Probe(
    id="postgresql.duplicate-indexes",
    title="No index repeats another one",
    check=check_duplicate,
    levels=NoLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"repeated": "Indexes of {item} only repeat others ({count}, {size}): {names}."},
    why="Each is written at every saving and finds nothing that the other does not.",
    remedy=(
        "Send us this report: it is for us, the vendor, to say which may go. Then DROP INDEX CONCURRENTLY "
        "schema.index. Gain: faster saving, smaller back-ups. The way back: we keep the CREATE INDEX of "
        "each."
    ),
    verify="The next tune-up names none; no screen has become slower.",
    rights=_RIGHTS,
    references=("PgHero: duplicate_indexes",),
)
