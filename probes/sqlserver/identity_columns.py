"""Columns that number their rows: how far they are from their last number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from checkup.api import (
    Context,
    Finding,
    Impact,
    NotApplicable,
    Number,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class IdentityColumn:
    """One of the fifty of its database that are the furthest. Numbers are rounded: they are for shares."""

    database: str
    schema_name: str
    table_name: str
    column_name: str
    type_name: str
    first_number: float
    last_number: float
    end_number: float

    @property
    def item(self) -> str:
        return f"{self.database}/{self.schema_name}.{self.table_name}.{self.column_name}"

    @property
    def used(self) -> float:
        """Of the numbers between the first and the type's last one."""
        span = abs(self.end_number - self.first_number)
        return abs(self.last_number - self.first_number) / span if span else 1.0


class IdentityColumns(SqlFacts[IdentityColumn]):
    pass


# Types by system_type_id: 48 tinyint, 52 smallint, 56 int, 127 bigint, else decimal or numeric without
# decimals ("sys.types (Transact-SQL)"). A negative step counts towards the smallest number of the type.
identity_columns = Section(
    name="sqlserver-identity-columns",
    facts=IdentityColumns,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT TOP (50) DB_NAME() AS [database], e.schema_name AS schema_name, e.table_name AS table_name,
       e.column_name AS column_name, e.type_name AS type_name, e.first_number AS first_number,
       e.last_number AS last_number,
       CASE WHEN e.step > 0 THEN e.largest ELSE e.smallest END AS end_number
FROM (
    SELECT s.name AS schema_name, t.name AS table_name, c.name AS column_name,
           ISNULL(TYPE_NAME(c.system_type_id), N'') AS type_name,
           CONVERT(float, c.seed_value) AS first_number,
           CONVERT(float, c.last_value) AS last_number, CONVERT(float, c.increment_value) AS step,
           CASE c.system_type_id WHEN 48 THEN CONVERT(float, 255) WHEN 52 THEN CONVERT(float, 32767)
                WHEN 56 THEN CONVERT(float, 2147483647)
                WHEN 127 THEN CONVERT(float, 9223372036854775807)
                ELSE POWER(CONVERT(float, 10), c.[precision]) - 1 END AS largest,
           CASE c.system_type_id WHEN 48 THEN CONVERT(float, 0) WHEN 52 THEN CONVERT(float, -32768)
                WHEN 56 THEN CONVERT(float, -2147483648)
                WHEN 127 THEN CONVERT(float, -9223372036854775807)
                ELSE 1 - POWER(CONVERT(float, 10), c.[precision]) END AS smallest
    FROM sys.identity_columns AS c
    JOIN sys.tables AS t ON t.object_id = c.object_id
    JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE t.is_ms_shipped = 0 AND c.last_value IS NOT NULL
) AS e
ORDER BY ABS(e.last_number - e.first_number)
         / CASE WHEN e.step > 0 THEN e.largest ELSE ABS(e.smallest) + 1 END DESC
""",
                    reads=("sys.identity_columns", "sys.tables", "sys.schemas"),
                    rights=("VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=IdentityColumn,
            scope="database",
            most_rows=50,
            cost="medium",
        )
    },
    parse=reader(IdentityColumns, IdentityColumn),
    privacy="names of numbering columns, with their last number",
)


@dataclass(frozen=True, slots=True)
class Levels:
    soon: float = 0.80  # our own: half a year of growth is left at most sites
    full: float = 0.95  # beyond dbachecks' 90 %, where nothing but a change of the type helps


_TAKES_NO_MORE = 0.999


def check(facts: IdentityColumns, levels: Levels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="no table numbers its rows by itself, or none has a row yet")
    before = ctx.previous(IdentityColumns)
    earlier = {one.item: one.last_number for one in before.rows} if before else {}
    for one in sorted(facts.rows, key=lambda one: one.item):
        # A list of kinds that is finished is no matter of days; but a table that is full stands still too.
        still = one.used < _TAKES_NO_MORE and earlier.get(one.item) == one.last_number
        for result in judge(
            "used",
            Ratio(round(one.used, 4)),
            (
                Step(levels.full, Impact.MAJOR, When.NOW, "full"),
                Step(levels.soon, Impact.LIMITED, When.BEFORE_NEXT_VISIT),
            ),
            worse=Worse.HIGHER,
            message="soon",
            item=one.item,
            evidence={"last": Number(one.last_number), "type": Text(one.type_name)},
        ):
            if still and isinstance(result, Finding):
                yield replace(result, impact=Impact.NOTE, when=When.LATER)
            else:
                yield result


probe = Probe(
    id="sqlserver.identity-columns",
    title="Tables have numbers left for new rows",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    messages={
        "soon": "{item} ({type}) has used {used} of its numbers, the last was {last}.",
        "full": "{item} ({type}) has used {used} of its numbers, the last was {last}: soon no row fits.",
    },
    why=(
        "At its type's last number a table takes no new row: whatever is entered there fails, from one to "
        "the next."
    ),
    remedy=(
        "For us, the maker of the software: send us this line today. We widen the column (int to bigint) in "
        "a tested change with everybody out, or number on from the other end. Do not reseed it yourself: "
        "numbers would be given twice."
    ),
    verify="The next check-up shows a smaller share for this column.",
    rights="VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=(
        "sys.identity_columns (Transact-SQL), Microsoft Learn",
        "dbachecks policy.identity.usagepercent",
        "sp_BlitzIndex check 68, First Responder Kit",
    ),
)
