"""Tables and indexes that are much larger than what they hold.

The estimate needs the widths of columns, which the server shows of tables only that the login may read; what
the check-up's login should not. The measurement is made by the extension pgstattuple within the server, and
hands out sizes only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    NotChecked,
    Passed,
    Probe,
    Ratio,
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
from probes.postgresql.counting import hidden, identifier
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Large:
    """A table or index of more than 10 MiB, as of its last clean-up. `row_bytes` is the mean width of what it
    holds of a row, None where the login sees no statistics; `rows` is below 0 where nobody has counted."""

    database: str
    kind: str  # "table" or "index"
    schema_name: str
    object_name: str
    size_bytes: int
    block_bytes: int
    rows: float
    row_bytes: float | None
    fill_percent: int
    is_visible: bool
    login: str

    @property
    def item(self) -> str:
        return f"{self.database}.{self.schema_name}.{self.object_name}"


class Larges(SqlFacts[Large]):
    pass


bloat_estimates = Section(
    name="postgresql-bloat-estimate",
    facts=Larges,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, 'table' AS kind, n.nspname::text AS schema_name,
       c.relname::text AS object_name, c.relpages * current_setting('block_size')::bigint AS size_bytes,
       current_setting('block_size')::bigint AS block_bytes, c.reltuples::double precision AS rows,
       (SELECT SUM((1 - s.null_frac) * s.avg_width)::double precision FROM pg_stats AS s
        WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited) AS row_bytes,
       COALESCE((SELECT o.option_value::bigint FROM pg_options_to_table(c.reloptions) AS o
                 WHERE o.option_name = 'fillfactor'), 100) AS fill_percent,
       has_table_privilege(c.oid, 'SELECT') AS is_visible, current_user::text AS login
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relpages >= 1280
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT current_database()::text AS database, 'index' AS kind, n.nspname::text AS schema_name,
       x.relname::text AS object_name, x.relpages * current_setting('block_size')::bigint AS size_bytes,
       current_setting('block_size')::bigint AS block_bytes, x.reltuples::double precision AS rows,
       (SELECT SUM((1 - s.null_frac) * s.avg_width)::double precision
        FROM pg_attribute AS a
        JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = t.relname
             AND s.attname = a.attname AND NOT s.inherited
        WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey)) AS row_bytes,
       COALESCE((SELECT o.option_value::bigint FROM pg_options_to_table(x.reloptions) AS o
                 WHERE o.option_name = 'fillfactor'), 90) AS fill_percent,
       has_table_privilege(t.oid, 'SELECT') AS is_visible, current_user::text AS login
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_am AS m ON m.oid = x.relam
WHERE m.amname = 'btree' AND x.relkind = 'i' AND i.indexprs IS NULL AND i.indisvalid
  AND t.relpersistence <> 't' AND x.relpages >= 1280
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
""",
                    reads=(
                        "pg_class",
                        "pg_namespace",
                        "pg_stats",
                        "pg_attribute",
                        "pg_index",
                        "pg_am",
                        "pg_options_to_table()",
                    ),
                    since=(9, 6),
                ),
            ),
            row=Large,
            scope="database",
            most_rows=20_000,
            timeout_s=60,
            cost="medium",
        )
    },
    parse=reader(Larges, Large),
    privacy="names, sizes, numbers of rows and mean widths of large tables and indexes",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """`free_bytes` is room within the table, `dead_bytes` what dead rows take."""

    database: str
    schema_name: str
    table_name: str
    size_bytes: int
    free_bytes: int
    dead_bytes: int

    @property
    def item(self) -> str:
        return f"{self.database}.{self.schema_name}.{self.table_name}"


class MeasuredTables(SqlFacts[Measured]):
    pass


bloat_measured = Section(
    name="postgresql-bloat-measured",
    facts=MeasuredTables,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, n.nspname::text AS schema_name, c.relname::text AS table_name,
       p.table_len AS size_bytes, p.approx_free_space AS free_bytes, p.dead_tuple_len AS dead_bytes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL public.pgstattuple_approx(c.oid) AS p
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relpages >= 1280
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
""",
                    reads=("pg_class", "pg_namespace", "public.pgstattuple_approx()"),
                    since=(10,),
                    needs=("public.pgstattuple_approx()",),
                    rights=("pg_stat_scan_tables",),
                ),
            ),
            row=Measured,
            scope="database",
            most_rows=20_000,
            timeout_s=600,
            cost="large",
        )
    },
    parse=reader(MeasuredTables, Measured),
    privacy="names of large tables, bytes free and dead in them",
)


@dataclass(frozen=True, slots=True)
class BloatLevels:
    share: float = 0.3  # of the size; check_pgactivity table_bloat has no default; ours
    least_bytes: int = 1024**3  # wasted; less is not worth a night; ours


@dataclass(frozen=True, slots=True)
class Bloat:
    estimates: Larges
    measured: MeasuredTables | None


def check_tables(facts: Bloat, levels: BloatLevels, ctx: Context) -> Iterator[Result]:
    measured = {} if facts.measured is None else {one.item: one for one in facts.measured.rows}
    wasted = {one.item: (one.size_bytes, one.free_bytes + one.dead_bytes) for one in measured.values()}
    kept: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for one in facts.estimates.rows:
        if one.kind != "table" or one.item in wasted:
            continue
        expected = _expected_bytes(one, header=28)
        if expected is None:
            (uncounted if one.is_visible else kept)[one.database] += 1
        else:
            wasted[one.item] = one.size_bytes, max(one.size_bytes - expected, 0)
    found = yield from _judged(wasted, levels)
    yield from _unseen(facts.estimates, kept, uncounted, _MEASURE_TABLES)
    if not found and not kept and not uncounted:
        yield Passed()


def check_indexes(facts: Larges, levels: BloatLevels, ctx: Context) -> Iterator[Result]:
    wasted: dict[str, tuple[int, int]] = {}
    kept: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for one in facts.rows:
        if one.kind != "index":
            continue
        expected = _expected_bytes(one, header=12)
        if expected is None:
            (uncounted if one.is_visible else kept)[one.database] += 1
        else:
            wasted[one.item] = one.size_bytes, max(one.size_bytes - expected, 0)
    found = yield from _judged(wasted, levels)
    yield from _unseen(facts, kept, uncounted, _MEASURE_INDEXES)
    if not found and not kept and not uncounted:
        yield Passed()


def _expected_bytes(one: Large, header: int) -> int | None:
    """What the rows would take, packed as tightly as the server packs them; None where too little is known.

    `header`: 4 bytes of pointer and 24 of head for a row, 4 and 8 for an entry of an index ("Database Page
    Layout"); widths are rounded up to 8 bytes.
    """
    # Of a table of which the login may read some columns it sees the widths of these alone.
    if one.row_bytes is None or one.rows < 0 or not one.is_visible:
        return None
    width = header + -(-one.row_bytes // 8) * 8
    usable = (one.block_bytes - 24) * one.fill_percent / 100
    pages = one.rows * width / usable
    return round(pages * one.block_bytes)


def _judged(wasted: dict[str, tuple[int, int]], levels: BloatLevels) -> Iterator[Result]:
    """Yields the findings; returns whether there was one."""
    found = False
    for item, (size, waste) in sorted(wasted.items()):
        share = waste / max(size, 1)
        if share <= levels.share or waste < levels.least_bytes:
            continue
        found = True
        evidence: dict[str, Value] = {
            "size": Bytes(size),
            "wasted": Bytes(waste),
            "share": Ratio(round(share, 3)),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="bloated",
            item=item,
            evidence=evidence,
            value=Bytes(waste),
            worse=Worse.HIGHER,
        )
    return found


# What to do about it is for whoever may read the tables: not for the check-up's login.
_MEASURE_TABLES = (
    "in the databases and in the one for logging in: CREATE EXTENSION pgstattuple SCHEMA public; "
    "GRANT pg_stat_scan_tables TO {login}; then run with --deep"
)
_MEASURE_INDEXES = "an administrator may look with the function pgstatindex of the extension pgstattuple"


def _unseen(estimates: Larges, kept: Counter[str], uncounted: Counter[str], measure: str) -> Iterator[Result]:
    for database in sorted(kept | uncounted):
        if kept[database]:
            how = measure.format(login=identifier(estimates.rows[0].login))
            reason = f"{kept[database]} large ones are kept from this login, as they should be; {how}"
            yield hidden(reason, database)
        else:
            yield NotChecked(
                item=database,
                reason=f"{uncounted[database]} large ones have no statistics yet: run ANALYZE there",
            )


table_bloat = Probe(
    id="postgresql.table-bloat",
    title="Tables are not much larger than their rows",
    check=check_tables,
    levels=BloatLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"bloated": "{item} has {size}, of which about {wasted} ({share}) are empty."},
    why="Searches read the empty pages too, and back-ups copy them.",
    remedy=(
        "First see postgresql.autovacuum and postgresql.old-snapshots, or it comes back. Then out of hours, "
        "with as much free disk as the table is large, in the database named: VACUUM (FULL, ANALYZE) "
        "schema.table; nobody can use the table meanwhile. Gain: smaller files, faster searches. Nothing has "
        "to be taken back."
    ),
    verify="The next tune-up no longer names the table.",
    rights="pg_stat_scan_tables, the extension pgstattuple, and --deep; or SELECT on the tables",
    references=("check_pgactivity: table_bloat", "PostgreSQL documentation: Database Page Layout"),
)

index_bloat = Probe(
    id="postgresql.index-bloat",
    title="Indexes are not much larger than their entries",
    check=check_indexes,
    levels=BloatLevels(least_bytes=100 * 1024**2),  # PgHero index_bloat
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"bloated": "{item} has {size}, of which about {wasted} ({share}) are empty."},
    why="The index takes room in memory that rows could have.",
    remedy=(
        "In the database named, as owner or superuser, at a quiet hour, from version 12: REINDEX INDEX "
        "CONCURRENTLY schema.index; before: REINDEX INDEX schema.index with everyone out. Gain: less memory "
        "and disk. Nothing has to be taken back."
    ),
    verify="The next tune-up no longer names the index.",
    rights="SELECT on the tables, which the check-up's login should not have",
    references=("check_pgactivity: btree_bloat", "PgHero: index_bloat"),
)
