"""Microsoft SQL Server, from 2008 R2 on.

The greeting works for a login without any right and on every version: no function that is newer than 2008,
one statement for each thing that may be refused. Documentation: SERVERPROPERTY, HAS_PERMS_BY_NAME,
HAS_DBACCESS, sys.servers ("no permission is needed to see the local server"), sys.databases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Final

from checkup.api import JSON
from checkup.sql.engine import (
    LOCK_WAIT_S,
    Answers,
    Database,
    Engine,
    Instance,
    Row,
    Statement,
    Wants,
    is_set,
    literal,
    number_of,
    text_of,
)
from checkup.sql.rights import sqlserver_expressions, sqlserver_name
from checkup.sql.values import moment_of

# Reads take no locks and wait for none for long (metadata functions wait for schema locks even so), and in a
# deadlock it is the check-up that gives way.
_OPENING: Final = (
    f"SET LOCK_TIMEOUT {LOCK_WAIT_S * 1000};\n"
    "SET DEADLOCK_PRIORITY LOW;\n"
    "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;\n"
)

_HELLO: Final = """
SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')) AS version,
       CONVERT(nvarchar(128), SERVERPROPERTY('Edition')) AS edition,
       CONVERT(int, SERVERPROPERTY('EngineEdition')) AS engine_edition,
       CONVERT(nvarchar(128), SERVERPROPERTY('ServerName')) AS server_name,
       CONVERT(nvarchar(300), @@VERSION) AS banner,
       CONVERT(nvarchar(128), SUSER_SNAME()) AS login,
       CONVERT(datetime2(3), SYSDATETIME()) AS local_now,
       CONVERT(datetime2(3), SYSUTCDATETIME()) AS utc_now
"""

# tempdb is made anew at each start, and everybody sees it; the local server's row is as old as the instance.
_SINCE: Final = """
SELECT CONVERT(nvarchar(30), s.modify_date, 126) AS installed_at, d.create_date AS started_at
FROM sys.servers AS s CROSS JOIN sys.databases AS d
WHERE s.server_id = 0 AND d.name = N'tempdb'
"""

_DATABASES: Final = """
SELECT d.name AS name, d.state_desc AS state, d.user_access_desc AS user_access,
       HAS_DBACCESS(d.name) AS enters
FROM sys.databases AS d
WHERE d.database_id > 4 AND d.source_database_id IS NULL
ORDER BY d.name
"""

# Where an object of two or three parts is looked for, when it is not the engine's own.
_SYSTEM_DATABASES: Final = ("master", "msdb", "tempdb", "model")

_EXPRESS: Final = 4


def hello(wants: Wants) -> tuple[Statement, ...]:
    statements = [
        Statement("hello", _HELLO, required=True),
        Statement("hello-since", _SINCE),
        Statement("hello-databases", _DATABASES, required=True),
    ]
    columns = [expression for right in wants.rights for expression in sqlserver_expressions(right)]
    if columns:
        projected = ",\n       ".join(f"{text} AS r{number}" for number, text in enumerate(columns))
        statements.append(Statement("hello-rights", f"SELECT {projected}", required=True))
    for name, needs in _by_place(wants).items():
        statements.append(Statement(name, "\nUNION ALL\n".join(map(_present, needs))))
    return tuple(statements)


def _by_place(wants: Wants) -> dict[str, list[str]]:
    """The needs by the statement that asks for them: a database that may not be entered costs its own."""
    needs: dict[str, list[str]] = {}
    for need in sorted(wants.needs, key=lambda one: _place(one)[0]):
        database = _place(need)[0]
        needs.setdefault(f"hello-objects-{database}" if database else "hello-objects", []).append(need)
    return needs


def _place(need: str) -> tuple[str, str, str]:
    """Database ("" for any), object with its schema, column ("" for none)."""
    parts = need.split(".")
    database = parts.pop(0) if parts[0] in _SYSTEM_DATABASES else ""
    return database, ".".join(parts[:2]), ".".join(parts[2:])


def _present(need: str) -> str:
    database, thing, column = _place(need)
    prefix = f"{database}." if database else ""
    # The constants are the probes' own words; literal() keeps even those within their quotes.
    found = f"OBJECT_ID(N{literal(prefix + thing)})"
    if column:
        return (
            f"SELECT N{literal(need)} AS name FROM {prefix}sys.all_columns AS c "
            f"WHERE c.object_id = {found} AND c.name = N{literal(column)}"
        )
    return f"SELECT N{literal(need)} AS name WHERE {found} IS NOT NULL"


def read(answers: Answers, wants: Wants) -> Instance:
    said = answers["hello"][0]
    asked_at = moment_of(text_of(said, "utc_now")).replace(tzinfo=UTC)
    offset = moment_of(text_of(said, "local_now")).replace(tzinfo=UTC) - asked_at
    # Two calls of a clock: never a whole quarter of an hour apart, and no zone is anything finer.
    offset_minutes = round(offset / timedelta(minutes=15)) * 15
    since = answers.get("hello-since", ())
    started = moment_of(text_of(since[0], "started_at")) if since else None
    return Instance(
        engine="sqlserver",
        identity=_identity(text_of(said, "server_name"), since),
        version=_version(text_of(said, "version")),
        edition=_edition(text_of(said, "edition"), number_of(said, "engine_edition")),
        platform=_platform(text_of(said, "banner")),
        login=text_of(said, "login"),
        asked_at=asked_at,
        started_at=(started - timedelta(minutes=offset_minutes)).replace(tzinfo=UTC) if started else None,
        utc_offset_minutes=offset_minutes,
        databases=tuple(map(_database, answers["hello-databases"])),
        rights=_rights(answers.get("hello-rights", ()), wants.rights),
        objects=frozenset(
            text_of(row, "name")
            for name, rows in answers.items()
            if name.startswith("hello-objects")
            for row in rows
        ),
        untold=frozenset(
            need for name, needs in _by_place(wants).items() if name not in answers for need in needs
        ),
    )


def _identity(server: str, since: Sequence[Row]) -> str:
    installed = text_of(since[0], "installed_at") if since else ""
    return f"sqlserver:{server}/{installed}" if server and installed else ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:4])


def _edition(text: str, engine_edition: int) -> str:
    """By the number where it tells, for "Edition" names more than editions; Express's own name varies."""
    words = text.lower()
    if engine_edition == _EXPRESS or "express" in words:
        return "express"
    for word in ("evaluation", "developer", "enterprise", "web"):
        if word in words:
            return word
    # Datacenter had all that Enterprise has; Workgroup and Business Intelligence rank with Standard.
    return "enterprise" if "datacenter" in words else "standard"


def _platform(banner: str) -> str:
    found = re.search(r"\bon (Windows|Linux)\b", banner)
    return found[1].lower() if found else ""


def _database(row: Row) -> Database:
    state, access = text_of(row, "state"), text_of(row, "user_access")
    unavailable = ""
    if state != "ONLINE":
        unavailable = f"the database is not open: {state.replace('_', ' ').lower()}"
    elif access == "SINGLE_USER":
        unavailable = "the database takes a single user, whose place the check-up does not take"
    return Database(name=text_of(row, "name"), unavailable=unavailable, enters=is_set(row, "enters"))


def _rights(rows: Sequence[Row], wanted: Sequence[str]) -> frozenset[str]:
    if not rows:
        return frozenset()
    values: list[JSON] = list(rows[0].values())
    held: list[str] = []
    for right in wanted:
        count = len(sqlserver_expressions(right))
        own, values = values[:count], values[count:]
        if any(value in (1, True) for value in own):
            held.append(right)
    return frozenset(held)


SQLSERVER: Final = Engine(
    name="sqlserver",
    title="SQL Server",
    login_database="master",
    opening=(_OPENING,),
    limit=lambda instance, seconds: "",
    hello=hello,
    read=read,
    quoted=sqlserver_name,
    several=True,
)
