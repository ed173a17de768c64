"""The largest tables of each database, and which of them grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
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
from probes.sql.rows import reader

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Table:
    """One of the twenty largest of its database; `reserved_bytes` with all its indexes."""

    database: str
    schema_name: str
    table_name: str
    table_rows: int
    reserved_bytes: int

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.table_name}"


class Tables(SqlFacts[Table]):
    pass


# index_id 0 and 1 are the table itself, once; reserved_page_count counts pages of 8 KB
# ("sys.dm_db_partition_stats (Transact-SQL)").
tables = Section(
    name="sqlserver-tables",
    facts=Tables,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT TOP (20) DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name,
       SUM(CASE WHEN p.index_id IN (0, 1) THEN p.row_count ELSE 0 END) AS table_rows,
       SUM(p.reserved_page_count) * 8192 AS reserved_bytes
FROM sys.dm_db_partition_stats AS p
JOIN sys.tables AS t ON t.object_id = p.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0
GROUP BY s.name, t.name
ORDER BY SUM(p.reserved_page_count) DESC
""",
                    reads=("sys.dm_db_partition_stats", "sys.tables", "sys.schemas"),
                    rights=("VIEW DATABASE STATE", "VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Table,
            scope="database",
            cost="medium",
        )
    },
    parse=reader(Tables, Table),
    privacy="names of the largest tables, their size and number of rows",
)


@dataclass(frozen=True, slots=True)
class Levels:
    growth: float = 1.5  # times the size at the last visit; our own experience
    least_gib: float = 1.0  # growth of less than this is not worth a word
    shown: int = 3  # tables named in the report


def check(facts: Tables, levels: Levels, ctx: Context) -> Iterator[Result]:
    before = ctx.previous(Tables)
    known = {(one.database, one.name): one for one in before.rows} if before else {}
    by_database: dict[str, list[Table]] = defaultdict(list)
    for one in facts.rows:
        by_database[one.database].append(one)
        item = f"{one.database}/{one.name}"
        yield Metric(name="reserved_bytes", value=Bytes(one.reserved_bytes), item=item)
        yield Metric(name="rows", value=Number(one.table_rows), item=item)
    if not by_database:
        yield NotApplicable(reason="no database with tables could be entered, or there is none")
    for database, largest in sorted(by_database.items()):
        grown = [
            (one, earlier)
            for one in largest
            if (earlier := known.get((database, one.name))) is not None and _grown(one, earlier, levels)
        ]
        evidence: dict[str, Value] = {
            "largest": Text(", ".join(f"{one.name} ({_size(one)})" for one in largest[: levels.shown]))
        }
        if grown:
            added = sum(one.reserved_bytes - earlier.reserved_bytes for one, earlier in grown)
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="grown",
                item=database,
                evidence={
                    **evidence,
                    "tables": Text(", ".join(f"{one.name} ({_size(one)})" for one, _ in grown)),
                    "added": Bytes(added),
                },
                value=Bytes(added),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=database, evidence=evidence)


def _grown(one: Table, earlier: Table, levels: Levels) -> bool:
    added = one.reserved_bytes - earlier.reserved_bytes
    return added >= levels.least_gib * GIB and one.reserved_bytes >= levels.growth * earlier.reserved_bytes


def _size(one: Table) -> str:
    return f"{one.reserved_bytes / GIB:.1f} GiB"


probe = Probe(
    id="sqlserver.largest-tables",
    title="No large table grows out of proportion",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "grown": "Of the largest tables of {item} these have grown much since the last visit: {tables}."
    },
    why="Tables of logs, messages and audits often grow for ever, and with them back-ups and maintenance.",
    remedy=(
        "For us, the maker of the software: find out which of these tables may be emptied of old rows, and "
        "by which of our archive runs. Please change nothing in the tables yourself. Gain: smaller back-ups "
        "and quicker restores. The way back is the archive, or a back-up from before."
    ),
    verify="The next tune-up shows the tables smaller, or growing no further.",
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=("sys.dm_db_partition_stats (Transact-SQL), Microsoft Learn",),
)
