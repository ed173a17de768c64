"""Indexes that the server itself would have liked to have: material for us, the makers of the software."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Context,
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
from probes.sqlserver.indexes import Index, Indexes
from probes.sqlserver.uptime import UNKNOWN_START, days_up, listed, up, with_doubt, worded

_NAMES = re.compile(r"\[(?:[^\]]|\]\])*\]")


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """Columns are names in brackets. `uses` is how often a statement would have used it since the start,
    `impact_percent` by how much of `cost`, the optimizer's own unit, it would have become cheaper."""

    database: str
    schema_name: str
    table_name: str
    equality_columns: str
    inequality_columns: str
    included_columns: str
    uses: int
    cost: float
    impact_percent: float
    last_at: datetime | None

    @property
    def benefit(self) -> float:
        return self.uses * self.cost * self.impact_percent

    @property
    def equal(self) -> tuple[str, ...]:
        return tuple(_NAMES.findall(self.equality_columns))

    @property
    def unequal(self) -> tuple[str, ...]:
        return tuple(_NAMES.findall(self.inequality_columns))


class MissingIndexes(SqlFacts[MissingIndex]):
    pass


# At most 500 to 600 of the whole instance are kept, and none outlives a restart or a change of its table
# ("sys.dm_db_missing_index_details (Transact-SQL)").
missing_indexes = Section(
    name="sqlserver-missing-indexes",
    facts=MissingIndexes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name,
       ISNULL(LEFT(d.equality_columns, 1000), N'') AS equality_columns,
       ISNULL(LEFT(d.inequality_columns, 1000), N'') AS inequality_columns,
       ISNULL(LEFT(d.included_columns, 1000), N'') AS included_columns,
       g.user_seeks + g.user_scans AS uses, ISNULL(g.avg_total_user_cost, 0) AS cost,
       ISNULL(g.avg_user_impact, 0) AS impact_percent, ISNULL(g.last_user_seek, g.last_user_scan) AS last_at
FROM sys.dm_db_missing_index_details AS d
JOIN sys.dm_db_missing_index_groups AS m ON m.index_handle = d.index_handle
JOIN sys.dm_db_missing_index_group_stats AS g ON g.group_handle = m.index_group_handle
JOIN sys.tables AS t ON t.object_id = d.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE d.database_id = DB_ID() AND t.is_ms_shipped = 0
""",
                    reads=(
                        "sys.dm_db_missing_index_details",
                        "sys.dm_db_missing_index_groups",
                        "sys.dm_db_missing_index_group_stats",
                        "sys.tables",
                        "sys.schemas",
                    ),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=MissingIndex,
            scope="database",
            most_rows=1000,
            cost="medium",
        )
    },
    parse=reader(MissingIndexes, MissingIndex),
    privacy="names of tables and columns, counts and costs",
)


@dataclass(frozen=True, slots=True)
class Needs:
    missing: MissingIndexes
    indexes: Indexes


@dataclass(frozen=True, slots=True)
class Levels:
    per_day: float = 100_000.0  # uses x cost x percent, a day (sp_BlitzIndex check 50)
    least_days: float = 1.0  # before, one report would count as every day's
    shown: int = 5  # named in the report; the facts have all


def check(facts: Needs, levels: Levels, ctx: Context) -> Iterator[Result]:
    days = days_up(facts.missing.server)
    if days is None:
        yield UNKNOWN_START
        return
    if days < levels.least_days:
        yield NotChecked(reason="the instance was started less than a day ago")
        return
    there: dict[tuple[str, str, str], list[Index]] = defaultdict(list)
    for index in facts.indexes.rows:
        there[index.table].append(index)
    wanted: dict[str, list[MissingIndex]] = defaultdict(list)
    for one in _largest_of_each(facts.missing.rows):
        known = there[one.database, one.schema_name, one.table_name]
        if one.benefit / days >= levels.per_day and not any(_begins_so(index, one) for index in known):
            wanted[one.database].append(one)
    for database, found in sorted(wanted.items()):
        found.sort(key=lambda one: -one.benefit)
        rate = Number(round(sum(one.benefit for one in found) / days), "per day")
        evidence: dict[str, Value] = {
            "count": Number(len(found)),
            "names": listed([_shown(one, there, days) for one in found], levels.shown),
            "rate": rate,
            **up(days),
        }
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message=worded("wanted", days),
            item=database,
            evidence=evidence,
            value=rate,
            worse=Worse.HIGHER,
        )
    if not wanted:
        yield Passed(evidence=up(days))


def _largest_of_each(rows: Iterable[MissingIndex]) -> Iterator[MissingIndex]:
    """Of wishes with the same columns to search by, which differ in what they would carry, the largest."""
    best: dict[object, MissingIndex] = {}
    for one in rows:
        key = (one.database, one.schema_name, one.table_name, frozenset(one.equal), frozenset(one.unequal))
        if key not in best or best[key].benefit < one.benefit:
            best[key] = one
    yield from best.values()


def _begins_so(index: Index, one: MissingIndex) -> bool:
    """Does an index that is there search by these columns already, in whatever order?

    It may lack columns to carry: then it is to be widened, which is ours to see, and no new one. With
    columns for "greater than" alone the first key decides.
    """
    if not index.is_comparable:
        return False
    keys = tuple(key.removesuffix(" DESC") for key in index.keys)
    if one.equal:
        return frozenset(keys[: len(one.equal)]) == frozenset(one.equal)
    return bool(keys) and keys[0] in one.unequal


def _shown(one: MissingIndex, there: dict[tuple[str, str, str], list[Index]], days: float) -> str:
    """The table with the columns to search by, what they would have served, and what writing would cost."""
    writes = max((index.writes for index in there[one.database, one.schema_name, one.table_name]), default=0)
    columns = ", ".join(one.equal + one.unequal)
    return (
        f"{one.schema_name}.{one.table_name} ({columns}): {one.uses / days:,.0f} uses and "
        f"{writes / days:,.0f} writes a day"
    )


probe = Probe(
    id="sqlserver.missing-indexes",
    title="Frequent searches find an index",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt({"wanted": "In {item} the server missed indexes in {up} ({count}): {names}."}),
    why="Without an index a search reads the whole table: it is the most frequent cause of slow screens.",
    remedy=(
        "For us, the maker of the software: this is a wish of the server, not advice. Each index slows the "
        "writes named beside it; we test which of them belongs into a release, or widens one that is there. "
        "Please add none yourself: updates may fail. Gain: quicker screens. The way back: DROP INDEX by us."
    ),
    verify="The next tune-up, after our release, no longer names the table.",
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=(
        "Tune nonclustered indexes with missing index suggestions, Microsoft Learn",
        "sp_BlitzIndex check 50, First Responder Kit",
    ),
)
