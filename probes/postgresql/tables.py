"""Tables of the site's databases: cleaned up, counted, safe in a crash, searched by indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Context,
    Finding,
    Impact,
    Instant,
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
    Text,
    Value,
    Visit,
    When,
    Worse,
)
from probes.postgresql.counting import named, too_young, window
from probes.sql.rows import reader

_ANYONE = "CONNECT on the databases"


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is not tiny, or has options of its own. Counts of rows are the server's estimates."""

    database: str
    schema_name: str
    table_name: str
    is_unlogged: bool
    is_left_alone: bool
    live_rows: int
    dead_rows: int
    changed_rows: int
    sequential_scans: int
    index_scans: int
    vacuumed_at: datetime | None
    analyzed_at: datetime | None
    counted_since: datetime | None

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.table_name}"

    @property
    def item(self) -> str:
        return f"{self.database}.{self.name}"


class Tables(SqlFacts[Table]):
    pass


tables = Section(
    name="postgresql-tables",
    facts=Tables,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, s.schemaname::text AS schema_name, s.relname::text AS table_name,
       c.relpersistence = 'u' AS is_unlogged,
       EXISTS (SELECT 1 FROM pg_options_to_table(c.reloptions) AS o
               WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean) AS is_left_alone,
       CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE GREATEST(c.reltuples, 0)::bigint END AS live_rows,
       s.n_dead_tup AS dead_rows,
       s.n_mod_since_analyze AS changed_rows, COALESCE(s.seq_scan, 0) AS sequential_scans,
       COALESCE(s.idx_scan, 0) AS index_scans,
       GREATEST(s.last_vacuum, s.last_autovacuum) AT TIME ZONE 'UTC' AS vacuumed_at,
       GREATEST(s.last_analyze, s.last_autoanalyze) AT TIME ZONE 'UTC' AS analyzed_at,
       (SELECT d.stats_reset AT TIME ZONE 'UTC' FROM pg_stat_database AS d
        WHERE d.datname = current_database()) AS counted_since
FROM pg_stat_user_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND (s.n_live_tup >= 1000 OR s.n_dead_tup >= 1000 OR c.reltuples >= 1000 OR c.relpersistence = 'u'
       OR c.reloptions IS NOT NULL)
""",
                    reads=("pg_stat_user_tables", "pg_class", "pg_stat_database", "pg_options_to_table()"),
                    since=(9, 6),
                ),
            ),
            row=Table,
            scope="database",
            most_rows=20_000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Tables, Table),
    privacy="names of tables, numbers of rows, moments of clean-ups",
)


def _listed(database: str, names: Sequence[str], message: str, impact: Impact) -> Finding:
    """One finding about the tables of a database."""
    return Finding(
        impact=impact,
        when=When.LATER,
        message=message,
        item=database,
        evidence={"count": Number(len(names)), "names": Text(named(sorted(names)))},
        value=Number(len(names)),
        worse=Worse.HIGHER,
    )


def _each(
    bad: Callable[[Table], bool], message: str, impact: Impact, function: str = ""
) -> Callable[[Tables, NoLevels, Context], Iterator[Result]]:
    """A check that finds every such table."""

    def check(facts: Tables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
        found = [one for one in facts.rows if bad(one)]
        for one in found:
            yield Finding(
                impact=impact,
                function=function,
                message=message,
                item=one.item,
                evidence={"rows": Number(one.live_rows)},
                value=Number(one.live_rows),
                worse=Worse.HIGHER,
            )
        if not found:
            yield Passed()

    return check


left_alone = Probe(
    id="postgresql.autovacuum-tables",
    title="Every table is cleaned up",
    check=_each(lambda one: one.is_left_alone, "off", Impact.LIMITED),
    levels=NoLevels(),
    kind="postgresql",
    messages={"off": "Autovacuum is off for {item} ({rows} rows)."},
    why="The table grows without end, its searches slow down, and nobody remembers why it was left out.",
    remedy=(
        "Ask us whether our software wants it so. If not, in the database named: ALTER TABLE schema.table "
        "RESET (autovacuum_enabled); then VACUUM (ANALYZE) schema.table; nobody needs to leave. The way "
        "back: ALTER TABLE schema.table SET (autovacuum_enabled = false)."
    ),
    verify="SELECT reloptions FROM pg_class WHERE relname = 'table' no longer names autovacuum_enabled.",
    rights=_ANYONE,
    references=(
        "PostgreSQL documentation: CREATE TABLE, Storage Parameters",
        "check_pgactivity: configuration",
    ),
)

unlogged = Probe(
    id="postgresql.unlogged-tables",
    title="Every table survives a crash",
    check=_each(lambda one: one.is_unlogged, "unlogged", Impact.LIMITED, RECOVERABILITY),
    levels=NoLevels(),
    kind="postgresql",
    messages={"unlogged": "{item} ({rows} rows) is unlogged: it is emptied after a crash."},
    why=(
        "Unlogged tables are not in the server's log: a crash empties them, and standbys and archived logs "
        "lack them."
    ),
    remedy=(
        "Ask us whether it holds anything but copies that are made anew. If it does, out of hours, in the "
        "database named: ALTER TABLE schema.table SET LOGGED; then a full back-up. The way back: ALTER TABLE "
        "schema.table SET UNLOGGED."
    ),
    verify="SELECT relpersistence FROM pg_class WHERE relname = 'table' says p.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: CREATE TABLE, UNLOGGED", "check_pgactivity: table_unlogged"),
)


# --- dead rows --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLevels:
    share: float = 0.2  # of all rows; autovacuum_vacuum_scale_factor, where the server should have acted
    least_rows: int = 10_000  # dead; fewer are no burden; ours


def check_dead(facts: Tables, levels: DeadLevels, ctx: Context) -> Iterator[Result]:
    found = False
    for one in facts.rows:
        share = one.dead_rows / max(one.dead_rows + one.live_rows, 1)
        if one.dead_rows < levels.least_rows or share <= levels.share:
            continue
        found = True
        evidence: dict[str, Value] = {"dead": Number(one.dead_rows), "share": Ratio(round(share, 3))}
        if one.vacuumed_at is not None:
            evidence["last"] = Instant(one.vacuumed_at)
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="dead" if one.vacuumed_at else "never",
            item=one.item,
            evidence=evidence,
            value=Ratio(round(share, 3)),
            worse=Worse.HIGHER,
        )
    if not found:
        yield Passed()


dead_rows = Probe(
    id="postgresql.dead-rows",
    title="Deleted rows do not pile up in the tables",
    check=check_dead,
    levels=DeadLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "dead": "{item} holds {dead} dead rows, {share} of all; it was last cleaned up on {last}.",
        "never": "{item} holds {dead} dead rows, {share} of all, and was never cleaned up.",
    },
    why="Each search reads the dead rows too, and the table grows although nothing is added.",
    remedy=(
        "In the database named, as owner or superuser: VACUUM (VERBOSE, ANALYZE) schema.table; nobody needs "
        "to leave. Gain: faster searches. If the dead rows stay, see postgresql.old-snapshots; if they come "
        "back, postgresql.autovacuum. Nothing has to be taken back."
    ),
    verify="SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'table' shows few.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: Routine Vacuuming",),
)


# --- statistics -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnalyzeLevels:
    share: float = 0.2  # of the rows changed since; twice autovacuum_analyze_scale_factor
    least_rows: int = 10_000  # of the table; below, any plan is quick; ours
    least_hours: float = 24  # since the last count; the server needs a while to notice a large import; ours


def check_analyze(facts: Tables, levels: AnalyzeLevels, ctx: Context) -> Iterator[Result]:
    stale: dict[str, list[str]] = defaultdict(list)
    early: set[str] = set()  # databases that the server may not have come round to since its start
    just_started = facts.server.up_s is not None and facts.server.up_s < levels.least_hours * 3600
    for one in facts.rows:
        if one.live_rows < levels.least_rows:
            continue
        if one.analyzed_at is None and just_started:
            early.add(one.database)
        elif _is_stale(one, facts.server.asked_at, levels):
            stale[one.database].append(one.name)
    for database, names in sorted(stale.items()):
        yield _listed(database, names, "stale", Impact.NOTE)
    for database in sorted(early - stale.keys()):
        yield NotChecked(
            item=database, reason="the server was started a short while ago, and has not looked at all tables"
        )
    if not stale and not early:
        yield Passed()


def _is_stale(table: Table, asked_at: datetime, levels: AnalyzeLevels) -> bool:
    if table.analyzed_at is None:
        return True
    changed = table.changed_rows > levels.share * table.live_rows
    return changed and (asked_at - table.analyzed_at).total_seconds() >= levels.least_hours * 3600


statistics = Probe(
    id="postgresql.table-statistics",
    title="The server knows what its tables hold",
    check=check_analyze,
    levels=AnalyzeLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"stale": "Tables of {item} have no statistics of today's rows ({count}): {names}."},
    why="The server plans its searches by statistics; by old ones it takes the long way.",
    remedy=(
        "In the database named, as owner or superuser, for each table: ANALYZE schema.table; or vacuumdb "
        "--analyze-only --dbname=NAME for all; minutes, nobody needs to leave. Gain: plans that fit the "
        "data. Nothing has to be taken back. If it comes back, see postgresql.autovacuum."
    ),
    verify="SELECT relname, last_analyze, n_mod_since_analyze FROM pg_stat_user_tables shows today's date.",
    rights=_ANYONE,
    references=("check_pgactivity: last_analyze", "PostgreSQL documentation: Updating Planner Statistics"),
)


# --- searches without an index ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScanLevels:
    least_rows: int = 10_000  # PgHero missing_indexes
    by_index: float = 0.95  # share of the searches that use an index; PgHero missing_indexes
    least_scans: int = 100  # of the whole table; fewer are reports and back-ups; ours
    least_days: float = 7


def check_scans(facts: Tables, levels: ScanLevels, ctx: Context) -> Iterator[Result]:
    by_database: dict[str, list[Table]] = defaultdict(list)
    for one in facts.rows:
        by_database[one.database].append(one)
    found = False
    for database, those in sorted(by_database.items()):
        young = too_young(window(facts.server, those[0].counted_since), levels.least_days, database)
        if young is not None:
            found = True
            yield young
            continue
        names = [
            one.name
            for one in those
            if one.live_rows >= levels.least_rows
            and one.sequential_scans >= levels.least_scans
            and one.index_scans < levels.by_index * (one.index_scans + one.sequential_scans)
        ]
        if names:
            found = True
            yield _listed(database, names, "whole", Impact.NOTE)
    if not found:
        yield Passed()


whole_scans = Probe(
    id="postgresql.sequential-scans",
    title="Large tables are searched by their indexes",
    check=check_scans,
    levels=ScanLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"whole": "Large tables of {item} are often read from end to end ({count}): {names}."},
    why="To find one row the server reads all of them; that is the most frequent cause of slow screens.",
    remedy=(
        "Send us this report: it is for us, the vendor, to add an index, with CREATE INDEX CONCURRENTLY, and "
        "to weigh what it costs at saving. Gain: seconds become milliseconds. The way back: DROP INDEX "
        "CONCURRENTLY."
    ),
    verify="The next tune-up names fewer tables, and the screen concerned opens faster (time it before).",
    rights=_ANYONE,
    references=("PgHero: missing_indexes",),
)
