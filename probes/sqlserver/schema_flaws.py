"""Small flaws in the structure of databases: indexes that are off or left over, rules without trust."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
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
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.uptime import listed

RIGHTS = "VIEW ANY DEFINITION, CONNECT ANY DATABASE"


@dataclass(frozen=True, slots=True)
class Flaw:
    """`kind` is "tables" for the one row of each database that counts its tables in `count_of`, else what is
    wrong with the object; the table of a disabled clustered index cannot be used at all."""

    database: str
    kind: str
    schema_name: str
    table_name: str
    object_name: str
    count_of: int

    @property
    def name(self) -> str:
        return f"{self.schema_name}.{self.table_name}.{self.object_name}"


class Flaws(SqlFacts[Flaw]):
    @property
    def databases(self) -> tuple[str, ...]:
        """Those with tables of their own."""
        return tuple(one.database for one in self.rows if one.kind == "tables" and one.count_of)


flaws = Section(
    name="sqlserver-schema-flaws",
    facts=Flaws,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], N'tables' AS kind, N'' AS schema_name, N'' AS table_name, N'' AS object_name,
       COUNT(*) AS count_of
FROM sys.tables AS t
WHERE t.is_ms_shipped = 0
UNION ALL
SELECT DB_NAME(), CASE WHEN i.is_hypothetical = 1 THEN N'hypothetical'
                       WHEN i.index_id = 1 THEN N'disabled table' ELSE N'disabled' END,
       s.name, t.name, ISNULL(i.name, N''), 1
FROM sys.indexes AS i
JOIN sys.tables AS t ON t.object_id = i.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND (i.is_disabled = 1 OR i.is_hypothetical = 1)
UNION ALL
SELECT DB_NAME(), N'untrusted', s.name, t.name, k.name, 1
FROM sys.foreign_keys AS k
JOIN sys.tables AS t ON t.object_id = k.parent_object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND k.is_not_trusted = 1 AND k.is_not_for_replication = 0 AND k.is_disabled = 0
UNION ALL
SELECT DB_NAME(), N'untrusted', s.name, t.name, c.name, 1
FROM sys.check_constraints AS c
JOIN sys.tables AS t ON t.object_id = c.parent_object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND c.is_not_trusted = 1 AND c.is_not_for_replication = 0 AND c.is_disabled = 0
UNION ALL
SELECT DB_NAME(), N'never updated', s.name, t.name, x.name, 1
FROM sys.stats AS x
JOIN sys.tables AS t ON t.object_id = x.object_id
JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE t.is_ms_shipped = 0 AND x.no_recompute = 1
""",
                    reads=(
                        "sys.tables",
                        "sys.schemas",
                        "sys.indexes",
                        "sys.foreign_keys",
                        "sys.check_constraints",
                        "sys.stats",
                    ),
                    rights=("VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=Flaw,
            scope="database",
            most_rows=5000,
            cost="medium",
        )
    },
    parse=reader(Flaws, Flaw),
    privacy="names of tables, indexes and rules that have a flaw",
)

_NO_TABLES = NotApplicable(reason="no database with tables could be entered, or there is none")


@dataclass(frozen=True, slots=True)
class Levels:
    shown: int = 5  # named in the report


def _by_database(
    kind: str, message: str, impact: Impact, when: When
) -> Callable[[Flaws, Levels, Context], Iterator[Result]]:
    """A check that finds each database with flaws of this kind."""

    def check(facts: Flaws, levels: Levels, ctx: Context) -> Iterator[Result]:
        found: dict[str, list[str]] = defaultdict(list)
        for one in facts.rows:
            if one.kind == kind:
                found[one.database].append(one.name)
        if not facts.databases:
            yield _NO_TABLES
        for database in sorted(facts.databases):
            names = sorted(found.get(database, ()))
            if not names:
                yield Passed(item=database)
                continue
            count = Number(len(names))
            yield Finding(
                impact=impact,
                when=when,
                message=message,
                item=database,
                evidence={"count": count, "names": listed(names, levels.shown)},
                value=count,
                worse=Worse.HIGHER,
            )

    return check


# --- disabled ---------------------------------------------------------------------------------


def check_disabled(facts: Flaws, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    bad = [one for one in facts.rows if one.kind in ("disabled", "disabled table")]
    if not facts.databases:
        yield _NO_TABLES
    for one in bad:
        whole = one.kind == "disabled table"
        yield Finding(
            impact=Impact.MAJOR if whole else Impact.LIMITED,
            when=When.NOW if whole else When.BEFORE_NEXT_VISIT,
            message="table" if whole else "index",
            item=f"{one.database}/{one.name}",
        )
    for database in facts.databases:
        if not any(one.database == database for one in bad):
            yield Passed(item=database)


disabled = Probe(
    id="sqlserver.disabled-indexes",
    title="All indexes are in use",
    check=check_disabled,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "table": "The clustered index {item} is disabled: nobody can read or write its table.",
        "index": "The index {item} is disabled.",
    },
    why="A disabled index serves no search; with the clustered one disabled its whole table is shut.",
    remedy=(
        "Ask us whether it was disabled on purpose: an update that was stopped leaves them so. If not, in a "
        "quiet hour, in the database: ALTER INDEX [index] ON [schema].[table] REBUILD. The way back: ALTER "
        "INDEX [index] ON [schema].[table] DISABLE."
    ),
    verify="SELECT name FROM sys.indexes WHERE is_disabled = 1 shows no row in the database.",
    rights=RIGHTS,
    references=("Disable indexes and constraints, Microsoft Learn", "sp_Blitz check 47, First Responder Kit"),
)


# --- left over --------------------------------------------------------------------------------

hypothetical = Probe(
    id="sqlserver.hypothetical-indexes",
    title="No trial index is left over",
    check=_by_database("hypothetical", "left", Impact.NOTE, When.LATER),
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"left": "A tuning program left trial indexes in {item} ({count}): {names}."},
    why="A tuning program that was stopped left them; they serve nothing and get in the way of updates.",
    remedy=(
        "In the database, for each: DROP INDEX [index] ON [schema].[table]. They hold no data. Gain: none in "
        "speed, but order. The way back is none, and none is needed: they are only descriptions."
    ),
    verify="SELECT name FROM sys.indexes WHERE is_hypothetical = 1 shows no row in the database.",
    rights=RIGHTS,
    references=("sys.indexes (Transact-SQL), Microsoft Learn", "sp_Blitz check 46, First Responder Kit"),
)


# --- rules that are not trusted ---------------------------------------------------------------

untrusted = Probe(
    id="sqlserver.untrusted-rules",
    title="The server trusts its own rules of the data",
    check=_by_database("untrusted", "untrusted", Impact.NOTE, When.LATER),
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"untrusted": "Foreign keys and check rules of {item} are not trusted ({count}): {names}."},
    why=(
        "They were turned off for an import and on again unchecked: old rows may break them, and plans get "
        "slower."
    ),
    remedy=(
        "For us, the maker of the software: we test ALTER TABLE [table] WITH CHECK CHECK CONSTRAINT [name] "
        "on a copy, mend the rows that break the rule, and then run it with you in a quiet hour. Gain: "
        "better plans, sound data. The way back: NOCHECK CONSTRAINT [name]."
    ),
    verify=(
        "SELECT name FROM sys.foreign_keys WHERE is_not_trusted = 1 shows no row; the same of "
        "check_constraints."
    ),
    rights=RIGHTS,
    references=(
        "ALTER TABLE (Transact-SQL), Microsoft Learn",
        "sp_Blitz checks 48 and 56, First Responder Kit",
    ),
)


# --- statistics that nobody updates -----------------------------------------------------------

frozen_statistics = Probe(
    id="sqlserver.frozen-statistics",
    title="The server may update all its statistics",
    check=_by_database("never updated", "frozen", Impact.NOTE, When.LATER),
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"frozen": "The server may not update statistics of {item} ({count}): {names}."},
    why="Set to NORECOMPUTE they stay as they are while the table grows, and plans fit it less and less.",
    remedy=(
        "For us, the maker of the software: unless we set it on purpose, we will ask you to run in the "
        "database, in a quiet hour: UPDATE STATISTICS [schema].[table] [statistic]. Without NORECOMPUTE it "
        "is kept up to date again. Gain: plans that fit. The way back: the same WITH NORECOMPUTE."
    ),
    verify="SELECT name FROM sys.stats WHERE no_recompute = 1 shows no row in the database.",
    rights=RIGHTS,
    references=("UPDATE STATISTICS (Transact-SQL), Microsoft Learn", "sp_BlitzIndex check 92"),
)
