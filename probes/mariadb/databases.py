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


# What a session is shown that has these rights, by a role too, and no other session: other people's sessions;
# two of the server's own databases to refer to (REFERENCES, which shows all databases as well); these
# databases, and no table of sys. Tables are named by constants: other conditions make a server open the
# tables of all databases.
SHOWN_SESSIONS = """EXISTS (
         SELECT 1 FROM information_schema.PROCESSLIST AS o
         WHERE o.USER <> LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER())
           - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1))"""
_REFERRED = """(
         SELECT COUNT(DISTINCT c.TABLE_NAME) FROM information_schema.COLUMNS AS c
         WHERE c.TABLE_SCHEMA = '{}' AND c.TABLE_NAME = '{}' AND c.PRIVILEGES LIKE '%references%')"""
_OWN_TABLES = (("mysql", "db"), ("sys", "sys_config"), ("performance_schema", "threads"))
SHOWN_TABLES = " + ".join(_REFERRED.format(*place) for place in _OWN_TABLES) + " >= 2"
SHOWN_DATABASES = f"""{SHOWN_TABLES} OR (
         SELECT COUNT(*) FROM information_schema.SCHEMATA AS d
         WHERE d.SCHEMA_NAME IN ('mysql', 'performance_schema', 'sys')) = 3
       AND NOT EXISTS (SELECT 1 FROM information_schema.TABLES AS e WHERE e.TABLE_SCHEMA = 'sys')"""  # noqa: S608


def unless_granted(*privileges: str, shown: str, needless: str = "FALSE") -> str:
    """A canary: 0 where this login holds one of these on the whole server, or where `shown` is true, which
    it can be for nobody else; else 1. Without them information_schema leaves rows out and says nothing.
    `needless` is a condition under which none is needed."""
    listed = ", ".join(f"'{one}'" for one in privileges)
    return f"""
SELECT CASE WHEN {needless} OR EXISTS (
         SELECT 1 FROM information_schema.USER_PRIVILEGES AS p
         WHERE p.GRANTEE = {ACCOUNT}
           AND p.PRIVILEGE_TYPE IN ({listed})) OR {shown} THEN 0 ELSE 1 END AS filtered
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
            canary=unless_granted("SHOW DATABASES", shown=SHOWN_DATABASES),
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
