"""The databases of an instance: are those there that belong to the site?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    NoLevels,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
)
from probes.sql.declared import MESSAGES, WHY, judge_declared
from probes.sql.rows import reader

# Not the clinic's: the server's own.
OWN = "('information_schema', 'mysql', 'performance_schema', 'sys')"

# This login as information_schema writes it: 'name'@'host', where the name may hold an @.
ACCOUNT = """CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER())
         - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1),
         '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"""


def unless_granted(*privileges: str, needless: str = "FALSE") -> str:
    """A canary: 0 where this login holds one of these on the whole server, else 1. Without them
    information_schema leaves rows out and says nothing; rights by way of a role do not count. `needless` is
    a condition under which none is needed."""
    listed = ", ".join(f"'{one}'" for one in privileges)
    return f"""
SELECT CASE WHEN {needless} OR EXISTS (
         SELECT 1 FROM information_schema.USER_PRIVILEGES AS p
         WHERE p.GRANTEE = {ACCOUNT}
           AND p.PRIVILEGE_TYPE IN ({listed})) THEN 0 ELSE 1 END AS filtered
"""  # noqa: S608  the parts are constants of the probes


@dataclass(frozen=True, slots=True)
class Schema:
    database_name: str
    character_set: str


class Schemata(SqlFacts[Schema]):
    pass


schemata = Section(
    name="mariadb-databases",
    facts=Schemata,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    f"""
SELECT s.SCHEMA_NAME AS database_name, s.DEFAULT_CHARACTER_SET_NAME AS character_set
FROM information_schema.SCHEMATA AS s
WHERE s.SCHEMA_NAME NOT IN {OWN}
""",  # noqa: S608  the parts are constants of this file
                    reads=("information_schema.SCHEMATA",),
                    rights=("SHOW DATABASES",),
                ),
            ),
            row=Schema,
            # Without it only those databases are shown in which the login has some right.
            canary=unless_granted("SHOW DATABASES"),
            most_rows=5000,
        )
    },
    parse=reader(Schemata, Schema),
    privacy="names of databases",
)


def check(facts: Schemata, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    # Names differ by capitals on Linux; a site file that is wrong there still means the same database.
    names = [one.database_name for one in facts.rows]
    yield from judge_declared(names, len(names), ctx, same=str.casefold)


declared_databases = Probe(
    id="mariadb.declared-databases",
    title="The databases that belong to the site are on the instance",
    check=check,
    levels=NoLevels(),
    kind="mariadb",
    messages=MESSAGES,
    why=WHY,
    remedy=(
        "Find out where the database went: moved to another instance, renamed, dropped? Then correct "
        "`databases:` in the site file, or restore the database from the last back-up, with us on the phone."
    ),
    verify="SHOW DATABASES names the database.",
    rights="SHOW DATABASES",
    references=("MariaDB documentation: Information Schema SCHEMATA Table",),
)
