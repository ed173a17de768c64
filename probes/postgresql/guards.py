"""What keeps the data of the site's databases right, and was switched off: constraints and triggers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    When,
)
from probes.sql.rows import reader

_RIGHTS = "CONNECT on the databases"


@dataclass(frozen=True, slots=True)
class Guard:
    """`kind`: "constraint" (not validated), "unenforced" (a constraint declared so), "trigger" or
    "foreign key" (disabled)."""

    database: str
    kind: str
    schema_name: str
    table_name: str
    guard_name: str

    @property
    def table(self) -> str:
        return f"{self.schema_name}.{self.table_name}"

    @property
    def item(self) -> str:
        return f"{self.database}.{self.table}.{self.guard_name}"


class Guards(SqlFacts[Guard]):
    pass


def _text(kind: str) -> str:
    return f"""
SELECT current_database()::text AS database, {kind} AS kind, n.nspname::text AS schema_name,
       c.relname::text AS table_name, k.conname::text AS guard_name
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT k.convalidated
UNION
SELECT current_database()::text AS database,
       CASE WHEN g.tgisinternal THEN 'foreign key' ELSE 'trigger' END AS kind,
       n.nspname::text AS schema_name, c.relname::text AS table_name,
       COALESCE(k.conname, g.tgname)::text AS guard_name
FROM pg_trigger AS g
JOIN pg_class AS c ON c.oid = g.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint AS k ON k.oid = g.tgconstraint
WHERE g.tgenabled = 'D'
"""  # noqa: S608  the parts are constants of this file


_READS = ("pg_constraint", "pg_class", "pg_namespace", "pg_trigger")
# What is not enforced counts as not validated too, and cannot be validated.
_SINCE_18 = "CASE WHEN k.conenforced THEN 'constraint' ELSE 'unenforced' END"

guards = Section(
    name="postgresql-guards",
    facts=Guards,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(_text(_SINCE_18), reads=_READS, since=(18,)),
                SqlVariant(_text("'constraint'"), reads=_READS, since=(9, 6), before=(18,)),
            ),
            row=Guard,
            scope="database",
            most_rows=5000,
        )
    },
    parse=reader(Guards, Guard),
    privacy="names of tables, constraints and triggers",
)


def check_constraints(facts: Guards, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = [one for one in facts.rows if one.kind in ("constraint", "unenforced")]
    for one in found:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="open" if one.kind == "constraint" else "unenforced",
            item=one.item,
            evidence={"name": Text(one.guard_name), "table": Text(one.table), "database": Text(one.database)},
        )
    if not found:
        yield Passed()


constraints = Probe(
    id="postgresql.constraints",
    title="All rules hold for all rows",
    check=check_constraints,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "open": (
            "The rule {name} on {table} in {database} was never checked against the rows that were there."
        ),
        "unenforced": (
            "The rule {name} on {table} in {database} is declared NOT ENFORCED: nothing upholds it."
        ),
    },
    why=(
        "Rows that break the rule may be there; they come to light when a back-up is restored or the program "
        "is updated."
    ),
    remedy=(
        "In the database named, as owner of the table: ALTER TABLE schema.table VALIDATE CONSTRAINT name; "
        "nobody needs to leave. If it fails, rows break the rule: change nothing and tell us. Nothing has to "
        "be taken back. NOT ENFORCED: ask us whether it is meant. If not, a foreign key: ALTER TABLE "
        "schema.table ALTER CONSTRAINT name ENFORCED; another rule: drop it and add it anew."
    ),
    verify="SELECT conname FROM pg_constraint WHERE NOT convalidated shows no row.",
    rights=_RIGHTS,
    references=("PostgreSQL documentation: ALTER TABLE, VALIDATE CONSTRAINT", "PgHero: constraints"),
)


def check_triggers(facts: Guards, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = [one for one in facts.rows if one.kind in ("trigger", "foreign key")]
    for one in found:
        foreign = one.kind == "foreign key"
        yield Finding(
            impact=Impact.MAJOR if foreign else Impact.LIMITED,
            message="foreign" if foreign else "off",
            item=one.item,
            evidence={"name": Text(one.guard_name), "table": Text(one.table), "database": Text(one.database)},
        )
    if not found:
        yield Passed()


triggers = Probe(
    id="postgresql.disabled-triggers",
    title="No trigger is switched off",
    check=check_triggers,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "off": "The trigger {name} on {table} in {database} is switched off.",
        "foreign": (
            "The foreign key {name} on {table} in {database} is switched off: nothing keeps records together."
        ),
    },
    why=(
        "Triggers and foreign keys write logs, keep sums and hold records together; switched off for a "
        "repair or an import they are easily forgotten, and the data goes wrong without a word."
    ),
    remedy=(
        "Ask us whether it is meant. If not, in the database named: ALTER TABLE schema.table ENABLE TRIGGER "
        "name; for a foreign key, as a superuser, ENABLE TRIGGER ALL. Tell us since when it was off: what "
        "was entered meanwhile has to be looked through. The way back: DISABLE in the place of ENABLE."
    ),
    verify="SELECT tgname FROM pg_trigger WHERE tgenabled = 'D' shows no row.",
    rights=_RIGHTS,
    references=("PostgreSQL documentation: ALTER TABLE, DISABLE TRIGGER",),
)
