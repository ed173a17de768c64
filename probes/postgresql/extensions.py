"""Extensions of the site's databases, against what the server has installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
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
    Visit,
    When,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension whose objects are of another version than its files."""

    database: str
    extension_name: str
    installed: str
    available: str


class Extensions(SqlFacts[Extension]):
    pass


extensions = Section(
    name="postgresql-extensions",
    facts=Extensions,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, e.name::text AS extension_name,
       e.installed_version AS installed, e.default_version AS available
FROM pg_available_extensions AS e
WHERE e.installed_version IS NOT NULL AND e.installed_version <> e.default_version
""",
                    reads=("pg_available_extensions",),
                    since=(9, 6),
                ),
            ),
            row=Extension,
            scope="database",
        )
    },
    parse=reader(Extensions, Extension),
    privacy="names and versions of extensions",
)


def check(facts: Extensions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    for one in facts.rows:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            function=SUPPORTABILITY,
            message="older",
            item=f"{one.database}.{one.extension_name}",
            evidence={
                "installed": Text(one.installed),
                "available": Text(one.available),
                "name": Text(one.extension_name),
                "database": Text(one.database),
            },
        )
    if not facts.rows:
        yield Passed()


probe = Probe(
    id="postgresql.extensions",
    title="Extensions fit their server",
    check=check,
    levels=NoLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"older": "The extension {name} in {database} is {installed}; the server has {available}."},
    why=(
        "After an upgrade of the server the extension's own objects stay old: corrections do not reach them, "
        "and the next upgrade may fail."
    ),
    remedy=(
        "After a back-up, in the database named, as its owner or a superuser: ALTER EXTENSION name UPDATE; "
        "seconds. Gain: the corrections of the newer version. The way back: ALTER EXTENSION name UPDATE TO "
        "'the version above', where the extension offers it."
    ),
    verify=(
        "SELECT name, default_version, installed_version FROM pg_available_extensions shows the same twice."
    ),
    rights="CONNECT on the databases",
    references=("check_pgactivity: extensions_versions",),
)
