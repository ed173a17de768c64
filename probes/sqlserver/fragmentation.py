"""How scattered the largest indexes lie. It reads pages of them, so it is asked only with `--deep`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
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
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.uptime import listed

_PAGE = 8192


@dataclass(frozen=True, slots=True)
class Fragments:
    """A part of an index: the share of its pages that are not next to their neighbour, in percent."""

    database: str
    schema_name: str
    table_name: str
    index_name: str
    pages: int
    percent: float

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.table_name}.{self.index_name}"


class AllFragments(SqlFacts[Fragments]):
    pass


# LIMITED reads the pages above the leaves only, and takes a shared intent lock of the table, one index
# after the other ("sys.dm_db_index_physical_stats (Transact-SQL)"). The twenty-five largest are what matters.
fragments = Section(
    name="sqlserver-fragments",
    facts=AllFragments,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], s.name AS schema_name, t.name AS table_name, i.name AS index_name,
       f.page_count AS pages, f.avg_fragmentation_in_percent AS [percent]
FROM (
    SELECT TOP (25) p.object_id AS object_id, p.index_id AS index_id
    FROM sys.dm_db_partition_stats AS p
    JOIN sys.tables AS o ON o.object_id = p.object_id
    JOIN sys.indexes AS x ON x.object_id = p.object_id AND x.index_id = p.index_id
    WHERE o.is_ms_shipped = 0 AND x.type IN (1, 2) AND x.is_disabled = 0
    GROUP BY p.object_id, p.index_id
    HAVING SUM(p.used_page_count) >= 1000
    ORDER BY SUM(p.used_page_count) DESC
) AS l
JOIN sys.tables AS t ON t.object_id = l.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
JOIN sys.indexes AS i ON i.object_id = l.object_id AND i.index_id = l.index_id
CROSS APPLY sys.dm_db_index_physical_stats(DB_ID(), l.object_id, l.index_id, NULL, N'LIMITED') AS f
WHERE f.alloc_unit_type_desc = N'IN_ROW_DATA'
OPTION (MAXDOP 1)
""",
                    reads=(
                        "sys.dm_db_partition_stats",
                        "sys.tables",
                        "sys.indexes",
                        "sys.schemas",
                        "sys.dm_db_index_physical_stats",
                    ),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Fragments,
            scope="database",
            most_rows=2000,
            timeout_s=60,
            cost="large",
        )
    },
    parse=reader(AllFragments, Fragments),
    privacy="names of the largest indexes, their size and how scattered they are",
)


@dataclass(frozen=True, slots=True)
class Levels:
    rebuild: float = 30.0  # percent (FragmentationLevel2 of the maintenance solution)
    reorganize: float = 5.0  # percent (FragmentationLevel1); named, and no finding by itself
    least_pages: int = 1000  # smaller ones do not matter (MinNumberOfPages)
    shown: int = 5  # named in the report


def check(facts: AllFragments, levels: Levels, ctx: Context) -> Iterator[Result]:
    large: dict[str, list[Fragments]] = defaultdict(list)
    for one in facts.rows:
        if one.pages >= levels.least_pages:
            large[one.database].append(one)
    if not large:
        yield NotApplicable(reason=f"no index has {levels.least_pages} pages")
    for database, group in sorted(large.items()):
        pages = sum(one.pages for one in group)
        bad = sorted((one for one in group if one.percent >= levels.rebuild), key=lambda one: -one.pages)
        some = [one for one in group if levels.reorganize <= one.percent < levels.rebuild]
        share = Ratio(round(sum(one.pages * one.percent for one in group) / pages / 100, 4))
        evidence: dict[str, Value] = {
            "indexes": Number(len(group)),
            "some": Number(len(some)),
            "share": share,
        }
        if not bad:
            yield Passed(item=database, evidence=evidence)
            continue
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="scattered",
            item=database,
            evidence={
                **evidence,
                "count": Number(len(bad)),
                "size": Bytes(sum(one.pages for one in bad) * _PAGE),
                "names": listed([f"{one.name} ({one.percent:.0f} %)" for one in bad], levels.shown),
            },
            value=share,
            worse=Worse.HIGHER,
        )


probe = Probe(
    id="sqlserver.fragmentation",
    title="The large indexes lie in order",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "scattered": "Scattered among the {indexes} largest indexes of {item} ({count}, {size}): {names}. A "
        "little so: {some} more."
    },
    why="On turning disks a scattered index is read slowly; on any disk its half-empty pages take memory.",
    remedy=(
        "Once a week, in a quiet hour, by a job (on Express by the Windows task scheduler and sqlcmd): ALTER "
        "INDEX ALL ON [schema].[table] REORGANIZE; above 30 %, with nobody at work, REBUILD. Or "
        "IndexOptimize of Ola Hallengren's scripts. Mind the log: its back-up gets larger that night. Gain: "
        "quicker lists. The way back: disable the job."
    ),
    verify="The next tune-up with --deep finds the indexes below 30 %.",
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=(
        "sys.dm_db_index_physical_stats (Transact-SQL), Microsoft Learn",
        "IndexOptimize, SQL Server Maintenance Solution",
    ),
)
