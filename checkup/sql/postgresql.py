"""PostgreSQL, from 9.4 on.

The session is read-only by its own setting, and each statement is ended by the server itself. Names that the
site's databases may define are kept out of the way: only pg_catalog is searched. Documentation: "Client
Connection Defaults", pg_database, pg_control_system() (since 9.6), "Access Privilege Inquiry Functions".
"""

from __future__ import annotations

import re
from datetime import UTC
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
    is_set,
    literal,
    number_of,
    text_of,
)
from checkup.sql.rights import postgresql_expression, postgresql_name
from checkup.sql.values import moment_of

_FIRST_LIMIT_S: Final = 15

_OPENING: Final = (
    "SET default_transaction_read_only = on;\n"
    f"SET statement_timeout = {_FIRST_LIMIT_S * 1000};\n"
    f"SET lock_timeout = {LOCK_WAIT_S * 1000};\n"
    "SET TimeZone = 'UTC';\n"
    "SET search_path = pg_catalog;\n"
)

_HELLO: Final = """
SELECT current_setting('server_version_num') AS version_number, version() AS banner,
       current_user::text AS login,
       (clock_timestamp() AT TIME ZONE 'UTC')::timestamp(3) AS utc_now,
       (pg_postmaster_start_time() AT TIME ZONE 'UTC')::timestamp(3) AS started_at
"""

_IDENTITY: Final = "SELECT c.system_identifier::text AS identifier FROM pg_control_system() AS c"

_DATABASES: Final = """
SELECT d.datname::text AS name, d.datallowconn AS open, has_database_privilege(d.oid, 'CONNECT') AS enters,
       d.datconnlimit = -2 AS broken
FROM pg_database AS d
WHERE NOT d.datistemplate
ORDER BY d.datname
"""


def hello(wants: Wants) -> tuple[Statement, ...]:
    statements = [
        Statement("hello", _HELLO, required=True),
        Statement("hello-identity", _IDENTITY),
        Statement("hello-databases", _DATABASES, required=True),
    ]
    asked = [
        *(
            f"SELECT {literal('right ' + one)}::text AS name WHERE {postgresql_expression(one)}"
            for one in wants.rights
        ),
        *(f"SELECT {literal('need ' + one)}::text AS name WHERE {_present(one)}" for one in wants.needs),
    ]
    if asked:
        statements.append(Statement("hello-rights", "\nUNION ALL\n".join(asked), required=True))
    return tuple(statements)


def _present(need: str) -> str:
    """An expression that is true where there is such a relation, column or function, in whatever schema
    the name gives; pg_catalog without one."""
    parts = need.removesuffix("()").split(".")
    schema = parts.pop(0) if parts[0] in ("pg_catalog", "public", "information_schema") else "pg_catalog"
    place = f"n.nspname = {literal(schema)}"
    if need.endswith("()"):
        return (
            "EXISTS (SELECT 1 FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace "
            f"WHERE {place} AND p.proname = {literal(parts[0])})"
        )
    relation = f"c.relname = {literal(parts[0])}"
    if len(parts) == 1:
        return (
            "EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            f"WHERE {place} AND {relation})"
        )
    return (
        "EXISTS (SELECT 1 FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE {place} AND {relation} AND a.attname = {literal(parts[1])} AND NOT a.attisdropped)"
    )


def read(answers: Answers, wants: Wants) -> Instance:
    said = answers["hello"][0]
    known = answers.get("hello-identity", ())
    told = [text_of(row, "name") for row in answers.get("hello-rights", ())]
    started = said.get("started_at")
    return Instance(
        engine="postgresql",
        identity=f"postgresql:{text_of(known[0], 'identifier')}" if known else "",
        version=_version(number_of(said, "version_number")),
        edition="",
        platform=_platform(text_of(said, "banner")),
        login=text_of(said, "login"),
        asked_at=moment_of(text_of(said, "utc_now")).replace(tzinfo=UTC),
        started_at=moment_of(started).replace(tzinfo=UTC) if started else None,
        databases=tuple(map(_database, answers["hello-databases"])),
        rights=frozenset(one.removeprefix("right ") for one in told if one.startswith("right ")),
        objects=frozenset(one.removeprefix("need ") for one in told if one.startswith("need ")),
    )


def _version(number: int) -> tuple[int, ...]:
    """150018 is 15.18, 90624 is 9.6.24 ("server_version_num")."""
    if number >= 10_00_00:
        return number // 10_000, number % 10_000
    return number // 10_000, number // 100 % 100, number % 100


def _platform(banner: str) -> str:
    if re.search(r"linux", banner, re.IGNORECASE):
        return "linux"
    return "windows" if re.search(r"windows|mingw|visual c\+\+|msvc", banner, re.IGNORECASE) else ""


def _database(row: Row) -> Database:
    name = text_of(row, "name")
    closed = ""
    if is_set(row, "broken"):  # "pg_database": -2 says that the database is invalid
        drop = f"DROP DATABASE {postgresql_name(name)}"
        closed = f"a DROP DATABASE that was broken off has left it unusable; as a superuser: {drop}"
    elif not is_set(row, "open"):
        closed = "the database takes no connections (datallowconn is off)"
    return Database(name=name, unavailable=closed, enters=is_set(row, "enters"))


POSTGRESQL: Final = Engine(
    name="postgresql",
    title="PostgreSQL",
    login_database="postgres",
    opening=(_OPENING,),
    limit=lambda instance, seconds: f"SET statement_timeout = {seconds * 1000}",
    hello=hello,
    read=read,
    quoted=postgresql_name,
    first_limit_s=_FIRST_LIMIT_S,
    session_each=True,
)
