"""Statistics of the tables: by them the server guesses how many rows a search will find.

Never what is in them: a histogram holds values of rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
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
from probes.sqlserver.uptime import DAY_S, listed

RIGHTS = "VIEW ANY DEFINITION, VIEW SERVER STATE, CONNECT ANY DATABASE"


@dataclass(frozen=True, slots=True)
class Statistic:
    """`changed_rows` since it was updated: the server's own count where the login may see it, else that of
    the old view, which counts a little differently. `counted_rows` are those of the table at that moment,
    `sampled_rows` those that were looked at; None where the login may not see them."""

    database: str
    schema_name: str
    table_name: str
    statistic_name: str
    table_rows: int
    updated_at: datetime | None
    changed_rows: int | None
    counted_rows: int | None
    sampled_rows: int | None

    @property
    def table(self) -> str:
        return f"{self.schema_name}.{self.table_name}"

    @property
    def name(self) -> str:
        return f"{self.table}.{self.statistic_name}"


class Statistics(SqlFacts[Statistic]):
    @property
    def by_database(self) -> dict[str, list[Statistic]]:
        found: dict[str, list[Statistic]] = defaultdict(list)
        for one in self.rows:
            found[one.database].append(one)
        return dict(sorted(found.items()))


_READS = ("sys.stats", "sys.tables", "sys.schemas", "sys.dm_db_partition_stats", "sys.sysindexes")
_RIGHTS = ("VIEW ANY DEFINITION", "VIEW DATABASE STATE", "CONNECT ANY DATABASE")

# sys.dm_db_stats_properties gives no row, and no error, to a login that may not SELECT from the table, which
# ours must not: then STATS_DATE and rowmodctr, which every login with VIEW DEFINITION sees, stand in
# ("sys.dm_db_stats_properties", "sys.sysindexes (Transact-SQL)"). Tables of 10,000 rows and more, the
# largest first.
statistics = Section(
    name="sqlserver-statistics",
    facts=Statistics,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT TOP (3000) DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name,
       x.name AS statistic_name, r.table_rows AS table_rows,
       STATS_DATE(x.object_id, x.stats_id) AS updated_at,
       ISNULL(p.modification_counter, CONVERT(bigint, i.rowmodctr)) AS changed_rows, p.rows AS counted_rows,
       p.rows_sampled AS sampled_rows
FROM sys.stats AS x
JOIN sys.tables AS t ON t.object_id = x.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
JOIN (
    SELECT d.object_id AS object_id, SUM(d.row_count) AS table_rows
    FROM sys.dm_db_partition_stats AS d
    WHERE d.index_id IN (0, 1)
    GROUP BY d.object_id
) AS r ON r.object_id = x.object_id
LEFT JOIN sys.sysindexes AS i ON i.id = x.object_id AND i.indid = x.stats_id
OUTER APPLY sys.dm_db_stats_properties(x.object_id, x.stats_id) AS p
WHERE t.is_ms_shipped = 0 AND r.table_rows >= 10000
ORDER BY r.table_rows DESC
""",
                    reads=(*_READS, "sys.dm_db_stats_properties"),
                    needs=("sys.dm_db_stats_properties",),  # 2008 R2 SP2, 2012 SP1 and later
                    rights=_RIGHTS,
                ),
                SqlVariant(
                    """
SELECT TOP (3000) DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name,
       x.name AS statistic_name, r.table_rows AS table_rows,
       STATS_DATE(x.object_id, x.stats_id) AS updated_at,
       CONVERT(bigint, i.rowmodctr) AS changed_rows, CONVERT(bigint, NULL) AS counted_rows,
       CONVERT(bigint, NULL) AS sampled_rows
FROM sys.stats AS x
JOIN sys.tables AS t ON t.object_id = x.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
JOIN (
    SELECT d.object_id AS object_id, SUM(d.row_count) AS table_rows
    FROM sys.dm_db_partition_stats AS d
    WHERE d.index_id IN (0, 1)
    GROUP BY d.object_id
) AS r ON r.object_id = x.object_id
LEFT JOIN sys.sysindexes AS i ON i.id = x.object_id AND i.indid = x.stats_id
WHERE t.is_ms_shipped = 0 AND r.table_rows >= 10000
ORDER BY r.table_rows DESC
""",
                    reads=_READS,
                    before=(11, 0, 3000),
                    rights=_RIGHTS,
                ),
            ),
            row=Statistic,
            scope="database",
            most_rows=3000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Statistics, Statistic),
    privacy="names of tables and statistics, their age and counts of rows; nothing that is in them",
)

_NONE_LARGE = NotApplicable(reason="no table has 10,000 rows, or no database could be entered")


# --- old --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OldLevels:
    days: float = 30.0  # older than this, and
    changed: float = 0.10  # this share of the rows changed since, and
    least_rows: int = 10_000  # at least so many in the table (all three sp_BlitzIndex check 90)
    large: int = 20  # the largest tables, of which an old statistic is felt by everybody
    shown: int = 5  # named in the report


def check_old(facts: Statistics, levels: OldLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _NONE_LARGE
    for database, group in facts.by_database.items():
        sizes = {one.table: one.table_rows for one in group}
        largest = frozenset(sorted(sizes, key=lambda name: -sizes[name])[: levels.large])
        old = sorted(
            (one for one in group if _is_old(one, levels, ctx.collected_at)),
            key=lambda one: -one.table_rows,
        )
        if not old:
            yield Passed(item=database, evidence={"statistics": Number(len(group))})
            continue
        count = Number(len(old))
        felt = any(one.table in largest for one in old)
        yield Finding(
            impact=Impact.LIMITED if felt else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if felt else When.LATER,
            message="old",
            item=database,
            evidence={
                "count": count,
                "statistics": Number(len(group)),
                "names": listed([_shown(one, ctx.collected_at) for one in old], levels.shown),
            },
            value=count,
            worse=Worse.HIGHER,
        )


def _is_old(one: Statistic, levels: OldLevels, now: datetime) -> bool:
    if one.updated_at is None or one.changed_rows is None or one.table_rows < levels.least_rows:
        return False
    age = (now - one.updated_at).total_seconds() / DAY_S
    return age > levels.days and one.changed_rows >= levels.changed * one.table_rows


def _shown(one: Statistic, now: datetime) -> str:
    age = (now - (one.updated_at or now)).total_seconds() / DAY_S
    return f"{one.name} ({age:.0f} days, {(one.changed_rows or 0) / max(one.table_rows, 1):.0%} changed)"


old = Probe(
    id="sqlserver.old-statistics",
    title="The statistics of large tables are fresh",
    check=check_old,
    levels=OldLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "old": "Old statistics of large tables in {item}, of which much has changed since ({count} of "
        "{statistics}): {names}."
    },
    why="By old statistics the server expects few rows where there are many, and takes the slow way.",
    remedy=(
        "Once a week, in a quiet hour, by a job of the Agent (on Express by the Windows task scheduler and "
        "sqlcmd), in the database: EXEC sp_updatestats. Where "
        "one table is slow now: UPDATE STATISTICS [schema].[table]. Gain: quicker lists from the next call "
        "on. The way back: disable the job; single plans can get slower, then call us."
    ),
    verify="The next tune-up names no statistic of a large table.",
    rights=RIGHTS,
    references=(
        "Statistics, STATS_DATE (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex check 90, First Responder Kit",
    ),
)


# --- from few rows ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SampleLevels:
    small: float = 0.10  # share looked at, of 10,000 to a million rows
    large: float = 0.01  # of more (both sp_BlitzIndex check 91)
    shown: int = 5  # named in the report


_MILLION = 1_000_000


def check_sample(facts: Statistics, levels: SampleLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield _NONE_LARGE
    for database, group in facts.by_database.items():
        known = [one for one in group if one.counted_rows and one.sampled_rows is not None]
        if not known:
            yield NotChecked(
                item=database,
                reason="the server shows it only to who may read the tables, which the check-up must not",
            )
            continue
        thin = sorted((one for one in known if _is_thin(one, levels)), key=lambda one: -one.table_rows)
        if not thin:
            yield Passed(item=database, evidence={"statistics": Number(len(known))})
            continue
        count = Number(len(thin))
        evidence: dict[str, Value] = {
            "count": count,
            "statistics": Number(len(known)),
            "names": listed([one.name for one in thin], levels.shown),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="thin",
            item=database,
            evidence=evidence,
            value=count,
            worse=Worse.HIGHER,
        )


def _is_thin(one: Statistic, levels: SampleLevels) -> bool:
    rows, sampled = one.counted_rows or 0, one.sampled_rows or 0
    if rows < 10_000:
        return False
    return sampled / rows < (levels.small if rows <= _MILLION else levels.large)


sample = Probe(
    id="sqlserver.thin-statistics",
    title="Statistics rest on enough rows",
    check=check_sample,
    levels=SampleLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "thin": "Statistics of large tables in {item} resting on few rows ({count} of {statistics}): {names}."
    },
    why="A guess from one row in a hundred misses patients with many entries, and plans get slow for them.",
    remedy=(
        "Where a list of one of these tables is slow, in a quiet hour, in the database: UPDATE STATISTICS "
        "[schema].[table] WITH FULLSCAN. It reads the whole table. Gain: plans that fit. The way back: "
        "UPDATE STATISTICS [schema].[table] without it."
    ),
    verify="The next tune-up does not name the table.",
    rights=f"{RIGHTS}; SELECT on the tables, which the check-up does not ask for",
    references=(
        "sys.dm_db_stats_properties (Transact-SQL), Microsoft Learn",
        "sp_BlitzIndex check 91, First Responder Kit",
    ),
)
