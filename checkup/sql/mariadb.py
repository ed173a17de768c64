"""MariaDB and MySQL, from MariaDB 10.1 and MySQL 5.7 on.

The server ends no statement that takes too long unless it is told to, by another setting in each of the two.
What was granted is read from information_schema: SHOW GRANTS would hand out the password's hash. It lists
what the account itself was granted, not what it has by a role; that is told by what it lets the session see.
Documentation: "Server System Variables", "Information Schema USER_PRIVILEGES Table", "SHOW VARIABLES",
"Information Schema COLUMNS Table" (PRIVILEGES: of the session, its active roles included).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Final

from checkup.sql.engine import (
    LOCK_WAIT_S,
    Answers,
    Database,
    Engine,
    Instance,
    Row,
    Statement,
    Wants,
    literal,
    text_of,
)
from checkup.sql.rights import mariadb_holds, mariadb_name
from checkup.sql.values import moment_of

_OPENING: Final = (
    "SET SESSION TRANSACTION READ ONLY",
    f"SET SESSION time_zone = '+00:00', lock_wait_timeout = {LOCK_WAIT_S}, "
    f"innodb_lock_wait_timeout = {LOCK_WAIT_S}",
)

_HELLO: Final = """
SELECT VERSION() AS version, @@version_compile_os AS platform, CURRENT_USER() AS login,
       UTC_TIMESTAMP(3) AS utc_now
"""

# Each version knows some of these names; SHOW leaves out the others where SELECT @@name would fail.
_TELLING: Final = ("server_uid", "server_uuid", "hostname", "port", "datadir")
_VARIABLES: Final = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(literal, _TELLING))})"
_UPTIME: Final = "SHOW GLOBAL STATUS LIKE 'Uptime'"

_OWN: Final = ("information_schema", "performance_schema", "mysql", "sys")
_DATABASES: Final = f"""
SELECT s.SCHEMA_NAME AS name FROM information_schema.SCHEMATA AS s
WHERE s.SCHEMA_NAME NOT IN ({", ".join(map(literal, _OWN))})
ORDER BY s.SCHEMA_NAME
"""

# The account as information_schema writes it: 'user'@'host', where the user may hold an @.
_ACCOUNT: Final = (
    "CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) "
    "- CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), "
    "'''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
)
_TABLE_RIGHT: Final = re.compile(r"SELECT ON (mysql|performance_schema|sys)\.(\w+)")
_PROCESS_SHOWN, _RIGHTS_SHOWN = "hello-process", "hello-rights-shown"
_GRANTED: Final = f"""
SELECT p.PRIVILEGE_TYPE AS name FROM information_schema.USER_PRIVILEGES AS p WHERE p.GRANTEE = {_ACCOUNT}
UNION ALL
SELECT CONCAT(p.PRIVILEGE_TYPE, ' ON ', p.TABLE_SCHEMA, '.*') AS name
FROM information_schema.SCHEMA_PRIVILEGES AS p WHERE p.GRANTEE = {_ACCOUNT}
UNION ALL
SELECT CONCAT(p.PRIVILEGE_TYPE, ' ON ', p.TABLE_SCHEMA, '.', p.TABLE_NAME) AS name
FROM information_schema.TABLE_PRIVILEGES AS p WHERE p.GRANTEE = {_ACCOUNT}
"""

# The server refuses this table to who has no PROCESS, by whatever way.
_BY_EFFECT_PROCESS: Final = """
SELECT CASE WHEN COUNT(*) >= 0 THEN 'PROCESS' END AS name FROM information_schema.INNODB_TRX AS x
"""

# Tables of the server's own databases, to all of which each login with REFERENCES on the whole server may
# refer; nobody is granted it on two of these databases alone. Such a login is shown all databases as well.
# Each is named by constants: other conditions make a server open the tables of all databases.
_REFERRED: Final = """
       (SELECT COUNT(DISTINCT c.TABLE_NAME) FROM information_schema.COLUMNS AS c
        WHERE c.TABLE_SCHEMA = '{}' AND c.TABLE_NAME = '{}' AND c.PRIVILEGES LIKE '%references%')"""
_OWN_TABLES: Final = (("mysql", "db"), ("sys", "sys_config"), ("performance_schema", "threads"))
_BY_EFFECT_REFERENCES: Final = (
    "SELECT CASE WHEN"
    + " +".join(_REFERRED.format(*place) for place in _OWN_TABLES)
    + " >= 2\n       THEN {right} END AS name"
)

# Who is shown the server's own databases, and no table of sys, is shown all databases.
_BY_EFFECT_DATABASES: Final = """
SELECT CASE WHEN COUNT(*) = 3
             AND NOT EXISTS (SELECT 1 FROM information_schema.TABLES AS t WHERE t.TABLE_SCHEMA = 'sys')
            THEN 'SHOW DATABASES' END AS name
FROM information_schema.SCHEMATA AS s WHERE s.SCHEMA_NAME IN ('mysql', 'performance_schema', 'sys')
"""


def hello(wants: Wants) -> tuple[Statement, ...]:
    statements = [
        Statement("hello", _HELLO, required=True),
        Statement("hello-variables", _VARIABLES),
        Statement("hello-uptime", _UPTIME),
        Statement("hello-databases", _DATABASES, required=True),
    ]
    if wants.rights:
        statements.append(Statement("hello-rights", _GRANTED, required=True))
        statements.append(Statement(_PROCESS_SHOWN, _BY_EFFECT_PROCESS))  # an error says that it is not held
        statements.append(Statement(_RIGHTS_SHOWN, "\nUNION ALL\n".join(_by_effect(wants.rights))))
    if wants.needs:
        statements.append(Statement("hello-objects", "\nUNION ALL\n".join(map(_present, wants.needs))))
    return tuple(statements)


def _by_effect(rights: Sequence[str]) -> list[str]:
    """SELECTs of one right each, NULL where the session does not have it by what it is shown."""
    tables = [found.groups() for one in rights if (found := _TABLE_RIGHT.fullmatch(one))]
    return [
        _BY_EFFECT_REFERENCES.format(right="'REFERENCES'"),
        _BY_EFFECT_REFERENCES.format(right="'SHOW DATABASES'"),
        _BY_EFFECT_DATABASES,
        *(_may_be_read(schema, table) for schema, table in tables),
    ]


def _may_be_read(schema: str, table: str) -> str:
    right = literal(f"SELECT ON {schema}.{table}")
    return (
        "SELECT CASE WHEN SUM(CASE WHEN c.PRIVILEGES LIKE '%select%' THEN 1 ELSE 0 END) = COUNT(*)\n"
        f"            THEN {right} END AS name\n"
        f"FROM information_schema.COLUMNS AS c\n"
        f"WHERE c.TABLE_SCHEMA = {literal(schema)} AND c.TABLE_NAME = {literal(table)}"
    )


def _present(need: str) -> str:
    schema, table, *column = need.split(".")
    # information_schema's own names are in capitals, and compared by the letter on some file systems.
    place = f"x.TABLE_SCHEMA = {literal(schema)} AND LOWER(x.TABLE_NAME) = {literal(table.lower())}"
    view = "TABLES"
    if column:
        view, place = "COLUMNS", f"{place} AND LOWER(x.COLUMN_NAME) = {literal(column[0].lower())}"
    return f"SELECT DISTINCT {literal(need)} AS name FROM information_schema.{view} AS x WHERE {place}"


def read(answers: Answers, wants: Wants) -> Instance:
    said = answers["hello"][0]
    variables = _named(answers.get("hello-variables", ()))
    uptime = _named(answers.get("hello-uptime", ())).get("uptime", "")
    asked_at = moment_of(text_of(said, "utc_now")).replace(tzinfo=UTC)
    banner = text_of(said, "version")
    version, edition = _version(banner), "mariadb" if "mariadb" in banner.lower() else "mysql"
    told = ("hello-rights", _PROCESS_SHOWN, _RIGHTS_SHOWN)
    granted = frozenset(text_of(row, "name") for one in told for row in answers.get(one, ())) - {""}
    return Instance(
        engine="mariadb",
        identity=_identity(variables),
        version=version,
        edition=edition,
        platform=_platform(text_of(said, "platform")),
        login=text_of(said, "login"),
        asked_at=asked_at,
        started_at=asked_at - timedelta(seconds=int(uptime)) if uptime.isdigit() else None,
        databases=tuple(Database(name=text_of(row, "name")) for row in answers["hello-databases"]),
        rights=frozenset(one for one in wants.rights if mariadb_holds(one, granted, version, edition)),
        objects=frozenset(text_of(row, "name") for row in answers.get("hello-objects", ())),
        untold=frozenset() if "hello-objects" in answers else frozenset(wants.needs),
    )


def _named(rows: Sequence[Row]) -> dict[str, str]:
    """The two columns of SHOW, whatever they are called in this version."""
    pairs = ([str(value) for value in row.values()][:2] for row in rows)
    return {pair[0].lower(): pair[1] for pair in pairs if len(pair) == 2}


def _identity(variables: dict[str, str]) -> str:
    """MySQL's and newer MariaDB's own number, else where the server's data lie."""
    own = variables.get("server_uuid") or variables.get("server_uid")
    if own:
        return f"mariadb-uid:{own}"
    place = [variables.get(name, "") for name in ("hostname", "port", "datadir")]
    return f"mariadb-place:{':'.join(place)}" if all(place) else ""


def _version(banner: str) -> tuple[int, ...]:
    """10.11.19-MariaDB-0+deb12u1; old drivers are told 5.5.5- before it."""
    found = re.match(r"(?:5\.5\.5-(?=10\.|11\.|12\.))?(\d+)\.(\d+)\.(\d+)", banner)
    if found is None:
        raise ValueError("this is no version of MariaDB or MySQL")
    return int(found[1]), int(found[2]), int(found[3])


def _platform(compiled_for: str) -> str:
    if "linux" in compiled_for.lower():
        return "linux"
    return "windows" if compiled_for.lower().startswith("win") else ""


def _limit(instance: Instance, seconds: int) -> str:
    if instance.edition == "mysql":
        return f"SET SESSION max_execution_time = {seconds * 1000}"  # since 5.7.8, of SELECT only
    return f"SET SESSION max_statement_time = {seconds}"  # since 10.1


MARIADB: Final = Engine(
    name="mariadb",
    title="MariaDB or MySQL",
    login_database="",
    opening=_OPENING,
    limit=_limit,
    hello=hello,
    read=read,
    quoted=mariadb_name,
)
