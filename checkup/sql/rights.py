"""Rights by the engine's own words: how they are asked for before anything is sent, and what grants them.

A probe may ask for the rights named here and no other: none of them opens a table of the site's own
databases. Sources: "Permissions (Database Engine)" and "GRANT server permissions" (SQL Server), chapter
"Predefined roles" (PostgreSQL), "GRANT" with the list of privileges by version (MariaDB, MySQL).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from checkup.api import Sql
from checkup.sql.engine import EngineName, Instance, literal

# The login that the access request proposes.
LOGIN: Final = "checkup_ro"

# What lets a login into every database of a SQL Server, without any right in it; since 2014.
ENTERING: Final = "CONNECT ANY DATABASE"

# What gives more than a look (a trace shows everybody's statements, a scan takes the disk's time) for a few
# checks: proposed, not asked for.
_OPTIONAL: Final = frozenset({"ALTER TRACE", "pg_stat_scan_tables"})

_SQL_2014 = (12,)
_SQL_2022 = (16,)


@dataclass(frozen=True, slots=True)
class Grant:
    """What gives a right and what takes it back; each without its end. `database` is where both are run,
    "" for anywhere; in one of a SQL Server the login must be a user. A right that is not to be asked for has
    a `refusal` instead."""

    give: str = ""
    take: str = ""
    database: str = ""
    refusal: str = ""


class UnknownRight(ValueError):
    """A word that is no right of this engine, or one that the check-up never asks for."""


# --- SQL Server ---------------------------------------------------------------------------------

# The word, and the permissions of the server of which any one is enough. A newer, narrower one is asked for
# where there is one.
_SERVER_PERMISSIONS: Final[dict[str, tuple[str, ...]]] = {
    "VIEW SERVER STATE": ("VIEW SERVER STATE", "VIEW SERVER PERFORMANCE STATE"),
    "VIEW SERVER PERFORMANCE STATE": ("VIEW SERVER STATE", "VIEW SERVER PERFORMANCE STATE"),
    "VIEW SERVER SECURITY STATE": ("VIEW SERVER STATE", "VIEW SERVER SECURITY STATE"),
    # In each database; the server's own covers them all, and is one statement.
    "VIEW DATABASE STATE": ("VIEW SERVER STATE", "VIEW SERVER PERFORMANCE STATE"),
    "VIEW ANY DEFINITION": ("VIEW ANY DEFINITION",),
    "VIEW ANY DATABASE": ("VIEW ANY DATABASE",),
    ENTERING: (ENTERING,),
    "VIEW ANY ERROR LOG": ("VIEW ANY ERROR LOG",),
    "ALTER TRACE": ("ALTER TRACE",),
}
_BEFORE_2022: Final = {
    "VIEW SERVER PERFORMANCE STATE": "VIEW SERVER STATE",
    "VIEW SERVER SECURITY STATE": "VIEW SERVER STATE",
    "VIEW DATABASE STATE": "VIEW SERVER STATE",
}
_SINCE_2022: Final = {
    "VIEW SERVER STATE": "VIEW SERVER PERFORMANCE STATE",
    "VIEW DATABASE STATE": "VIEW SERVER PERFORMANCE STATE",
}
_ROLES: Final = frozenset({"sysadmin", "securityadmin"})
_SQLSERVER_OBJECT: Final = re.compile(r"(SELECT|EXECUTE) ON (master|msdb)\.([a-z]+)\.([A-Za-z_0-9]+)")

# --- PostgreSQL ---------------------------------------------------------------------------------

# Not pg_read_all_data and not pg_read_server_files: they open what the check-up must not see.
_POSTGRESQL_ROLES: Final = frozenset(
    {"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}
)
_POSTGRESQL_OBJECT: Final = re.compile(r"SELECT ON (?:pg_catalog\.)?(pg_[a-z_0-9]+)")
_POSTGRESQL_FUNCTION: Final = re.compile(r"EXECUTE ON (?:pg_catalog\.)?(pg_[a-z_0-9]+)(?:\(\))?")

# --- MariaDB, MySQL -----------------------------------------------------------------------------

_MARIADB_GLOBAL: Final = frozenset(
    {
        "PROCESS",
        "SHOW DATABASES",
        "SHOW VIEW",
        "REFERENCES",  # information_schema shows a table to whoever may refer to it, and none of its rows
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "SLAVE MONITOR",
        "BINLOG ADMIN",
        "REPLICATION MASTER ADMIN",
        "REPLICATION SLAVE ADMIN",
    }
)
# MariaDB has split REPLICATION CLIENT and SUPER up since 10.5.2; SHOW SLAVE STATUS has its own right since
# 10.5.9. MySQL, and what is older, knows the ones before.
_MARIADB_SINCE: Final = {
    "BINLOG MONITOR": ((10, 5, 2), "REPLICATION CLIENT"),
    "SLAVE MONITOR": ((10, 5, 9), "REPLICATION CLIENT"),
    "BINLOG ADMIN": ((10, 5, 2), "SUPER"),
    "REPLICATION MASTER ADMIN": ((10, 5, 2), "SUPER"),
    "REPLICATION SLAVE ADMIN": ((10, 5, 2), "SUPER"),
}
_MARIADB_OBJECT: Final = re.compile(r"SELECT ON (mysql|performance_schema|sys)\.([A-Za-z_0-9]+|\*)")


# --- which words there are ----------------------------------------------------------------------


def known(engine: EngineName, right: str) -> bool:
    """Is this a right that a probe may ask for?"""
    match engine:
        case "sqlserver":
            return right in _SERVER_PERMISSIONS or right in _ROLES or bool(_SQLSERVER_OBJECT.fullmatch(right))
        case "postgresql":
            listed = right in _POSTGRESQL_ROLES or right == "superuser"
            return listed or bool(
                _POSTGRESQL_OBJECT.fullmatch(right) or _POSTGRESQL_FUNCTION.fullmatch(right)
            )
        case "mariadb":
            return _global_word(right) in _MARIADB_GLOBAL or bool(_MARIADB_OBJECT.fullmatch(right))


def problems(engine: EngineName, sql: Sql) -> list[str]:
    """The words of this collector that are no rights, for the contract of a probe."""
    return [
        f"{right!r} is no right of {engine} that the check-up asks for"
        for right in dict.fromkeys(right for variant in sql.variants for right in variant.rights)
        if not known(engine, right)
    ]


def named_in(sentence: str, rights: Iterable[str]) -> list[str]:
    """The rights that a server's refusal is about: by the object or the permission that it names, else by the
    database; in whatever language. [] where it names nothing that would tell."""
    rights = list(rights)
    for words in (_words_of, _databases_of):
        if found := [right for right in rights if any(_has_word(sentence, word) for word in words(right))]:
            return found
    return []


def _words_of(right: str) -> tuple[str, ...]:
    _, on, name = right.partition(" ON ")
    if on:
        return (name.removesuffix("()").rpartition(".")[2],)
    within = right.replace("DATABASE STATE", "DATABASE PERFORMANCE STATE")  # as 2022 calls it
    return (right, within, *_SERVER_PERMISSIONS.get(right, ()))


def _databases_of(right: str) -> tuple[str, ...]:
    found = _SQLSERVER_OBJECT.fullmatch(right)
    return (found[2],) if found else ()


def _has_word(sentence: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sentence) is not None


# --- asking beforehand --------------------------------------------------------------------------


def sqlserver_expressions(right: str) -> tuple[str, ...]:
    """Expressions of which one is 1 where the login holds the right; a permission that the version does not
    know is NULL, not an error ("HAS_PERMS_BY_NAME (Transact-SQL)")."""
    if right in _ROLES:
        return (f"IS_SRVROLEMEMBER(N{literal(right)})",)
    if found := _SQLSERVER_OBJECT.fullmatch(right):
        verb, database, schema, thing = found.groups()
        # The server's own procedures lie in sys, and are found in dbo too: whichever it answers by will do.
        schemas = ("sys", "dbo") if verb == "EXECUTE" and schema == "sys" else (schema,)
        names = [literal(f"{database}.{one}.{thing}") for one in schemas]
        return tuple(f"HAS_PERMS_BY_NAME(N{name}, N'OBJECT', N{literal(verb)})" for name in names)
    if right not in _SERVER_PERMISSIONS:
        raise UnknownRight(right)
    return tuple(f"HAS_PERMS_BY_NAME(NULL, NULL, N{literal(one)})" for one in _SERVER_PERMISSIONS[right])


def postgresql_expression(right: str) -> str:
    """An expression that is true where the login holds the right, on every version; never an error."""
    if right in _POSTGRESQL_ROLES:
        return (
            "EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r "
            f"WHERE r.rolname = {literal(right)} AND pg_has_role(current_user, r.oid, 'USAGE'))"
        )
    if right == "superuser":
        return "EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user AND r.rolsuper)"
    if found := _POSTGRESQL_OBJECT.fullmatch(right):
        return (
            "EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n "
            f"ON n.oid = c.relnamespace WHERE n.nspname = 'pg_catalog' AND c.relname = {literal(found[1])} "
            "AND has_table_privilege(c.oid, 'SELECT'))"
        )
    if found := _POSTGRESQL_FUNCTION.fullmatch(right):
        return (
            "EXISTS (SELECT 1 FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n "
            f"ON n.oid = p.pronamespace WHERE n.nspname = 'pg_catalog' AND p.proname = {literal(found[1])} "
            "AND has_function_privilege(p.oid, 'EXECUTE'))"
        )
    raise UnknownRight(right)


def mariadb_holds(right: str, held: frozenset[str], version: tuple[int, ...], edition: str) -> bool:
    """Whether a list of what was granted ("PROCESS", "SELECT ON mysql.user") covers the right."""
    if found := _MARIADB_OBJECT.fullmatch(right):
        schema, table = found.groups()
        return not held.isdisjoint({"SELECT", f"SELECT ON {schema}.*", f"SELECT ON {schema}.{table}"})
    if _global_word(right) not in _MARIADB_GLOBAL:
        raise UnknownRight(right)
    return not held.isdisjoint({_mariadb_word(right, version, edition), _global_word(right)})


# --- granting -----------------------------------------------------------------------------------


def grant_for(engine: EngineName, right: str, version: tuple[int, ...], edition: str, login: str) -> Grant:
    """What the client's administrator runs for one right. `version` may be () where nobody knows it yet:
    then the words that all supported versions understand. Raises UnknownRight."""
    if not known(engine, right):
        raise UnknownRight(right)
    match engine:
        case "sqlserver":
            return _sqlserver_grant(right, version, login)
        case "postgresql":
            return _postgresql_grant(right, version, login)
        case "mariadb":
            return _mariadb_grant(right, version, edition, login)


def grants_text(instance: Instance, rights: Iterable[str]) -> str:
    """The exact statements for these rights on this very instance, for this very login; those of the server
    first, for SQL Server takes them in master only, then each database's after the one that enters it."""
    given = [
        grant_for(instance.engine, right, instance.version, instance.edition, instance.login)
        if known(instance.engine, right)
        else Grant(refusal=f"it wants the right {right}, which the check-up never asks for")
        for right in rights
    ]
    if instance.engine != "sqlserver":
        return "; ".join(dict.fromkeys(one.refusal or one.give for one in given))
    texts = [one.refusal or one.give for one in given if not one.database]
    for database in dict.fromkeys(one.database for one in given if one.database):
        inside = [one.give for one in given if one.database == database]
        texts.append(_as_user_of(database, instance.login, *dict.fromkeys(inside)))
    return "; ".join(dict.fromkeys(texts))


def _as_user_of(database: str, login: str, *statements: str) -> str:
    """These in a database of a SQL Server, after the login was made a user there."""
    return "; ".join((f"USE {sqlserver_name(database)}", _make_user(login), *statements))


def entering(instance: Instance, database: str) -> str:
    """What lets the login look into a database, without any of its tables.

    Where it is let into every database of a SQL Server and not into this one, this one refuses it: the user
    that it has there was denied to connect, which a GRANT takes back.
    """
    login = instance.login
    match instance.engine:
        case "sqlserver" if ENTERING in instance.rights:
            return _as_user_of(database, login, f"GRANT CONNECT TO {sqlserver_name(login)}")
        case "sqlserver" if instance.version >= _SQL_2014:
            return f"GRANT {ENTERING} TO {sqlserver_name(login)}"
        case "sqlserver":
            return _as_user_of(database, login)
        case "postgresql":
            return f"GRANT CONNECT ON DATABASE {postgresql_name(database)} TO {postgresql_name(login)}"
        case "mariadb":
            return f"GRANT REFERENCES ON {mariadb_name(database)}.* TO {mariadb_account(login)}"


def sqlserver_name(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def postgresql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def mariadb_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def mariadb_account(login: str) -> str:
    """`user@host`, as CURRENT_USER() tells it, in the quotes that GRANT takes; any host without one."""
    user, at, host = login.rpartition("@")
    if not at:
        user, host = login, "%"
    return "@".join("'" + part.replace("\\", "\\\\").replace("'", "''") + "'" for part in (user, host))


def _make_user(login: str) -> str:
    """A user for the login in the database that the session is in, where there is none yet."""
    name = sqlserver_name(login)
    return f"IF DATABASE_PRINCIPAL_ID(N{literal(login)}) IS NULL CREATE USER {name} FOR LOGIN {name}"


def _sqlserver_grant(right: str, version: tuple[int, ...], login: str) -> Grant:
    name = sqlserver_name(login)
    if right in _ROLES:
        return Grant(refusal=f"only a member of {right} may see this, which the check-up never asks to be")
    if found := _SQLSERVER_OBJECT.fullmatch(right):
        verb, database, schema, thing = found.groups()
        return Grant(
            give=f"GRANT {verb} ON {schema}.{thing} TO {name}",
            take=f"REVOKE {verb} ON {schema}.{thing} FROM {name}",
            database=database,
        )
    if right == ENTERING and version and version < _SQL_2014:
        return Grant(refusal=f"in each database: {_make_user(login)}")
    if right == "VIEW ANY ERROR LOG" and version < _SQL_2022:  # older ones do not know the word
        return _sqlserver_grant("EXECUTE ON master.sys.xp_readerrorlog", version, login)
    word = (_SINCE_2022 if version >= _SQL_2022 else _BEFORE_2022).get(right, right)
    return Grant(give=f"GRANT {word} TO {name}", take=f"REVOKE {word} FROM {name}")


def _postgresql_grant(right: str, version: tuple[int, ...], login: str) -> Grant:
    name = postgresql_name(login)
    if right == "superuser":
        return Grant(refusal="only a superuser may see this, which the check-up never asks to be")
    if right in _POSTGRESQL_ROLES:
        if version and version < (10,):
            return Grant(
                refusal=f"PostgreSQL has {right} since version 10; before, only a superuser sees this"
            )
        return Grant(give=f"GRANT {right} TO {name}", take=f"REVOKE {right} FROM {name}")
    if found := _POSTGRESQL_OBJECT.fullmatch(right):
        what = f"SELECT ON pg_catalog.{found[1]}"
    else:
        found = _POSTGRESQL_FUNCTION.fullmatch(right)
        assert found is not None
        what = f"EXECUTE ON FUNCTION pg_catalog.{found[1]}()"
    # A right on an object holds in the one database that it is given in.
    return Grant(give=f"GRANT {what} TO {name}", take=f"REVOKE {what} FROM {name}", database="postgres")


def _mariadb_grant(right: str, version: tuple[int, ...], edition: str, login: str) -> Grant:
    account = mariadb_account(login)
    if found := _MARIADB_OBJECT.fullmatch(right):
        schema, table = found.groups()
        what = f"SELECT ON {schema}.{table if table == '*' else mariadb_name(table)}"
    else:
        what = f"{_mariadb_word(right, version, edition)} ON *.*"
    return Grant(give=f"GRANT {what} TO {account}", take=f"REVOKE {what} FROM {account}")


def _global_word(right: str) -> str:
    return right.removesuffix(" ON *.*")


def _mariadb_word(right: str, version: tuple[int, ...], edition: str) -> str:
    """A global right as this version calls it."""
    word = _global_word(right)
    since, before = _MARIADB_SINCE.get(word, ((), word))
    newer = edition != "mysql" and (not version or version >= since)
    return word if newer else before


# --- a login of its own -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Script:
    """For the client's administrator: what makes the login and gives the rights, and what undoes it."""

    give: tuple[str, ...]
    take: tuple[str, ...]


def script(engine: EngineName, rights: Iterable[str], login: str = LOGIN, windows: bool = False) -> Script:
    """The whole of what an instance is asked for, for a version that nobody knows yet. Words that are no
    rights are left out; what is not essential stands in a comment.

    `windows`: the login is an account of the domain. No password is in it: the administrator writes one.
    """
    rights = set(rights)
    wanted = sorted(right for right in rights - _OPTIONAL if known(engine, right))
    given = [grant_for(engine, right, (), "", login) for right in wanted]
    asked = [one for one in dict.fromkeys(given) if one.give]
    match engine:
        case "sqlserver":
            return _sqlserver_script(asked, login, windows, traces="ALTER TRACE" in rights)
        case "postgresql":
            return _postgresql_script(asked, login, scans="pg_stat_scan_tables" in rights)
        case "mariadb":
            return _mariadb_script(asked, login)


def _sqlserver_script(asked: Sequence[Grant], login: str, windows: bool, traces: bool) -> Script:
    name = sqlserver_name(login)
    made = "FROM WINDOWS" if windows else "WITH PASSWORD = N'A-LONG-PASSWORD', CHECK_POLICY = ON"
    server = [one for one in asked if not one.database and ENTERING not in one.give]
    reads_log = any("xp_readerrorlog" in one.give for one in asked)
    inside: dict[str, list[Grant]] = {}
    for one in asked:
        if one.database:
            inside.setdefault(one.database, []).append(one)
    give = [
        "USE [master];",
        f"CREATE LOGIN {name} {made};",
        *(f"{one.give};" for one in server),
        "-- SQL Server 2022 and newer may grant VIEW SERVER PERFORMANCE STATE and VIEW SERVER SECURITY STATE",
        "-- in the place of VIEW SERVER STATE" + (";" if reads_log else "."),
        *(["-- and VIEW ANY ERROR LOG in the place of EXECUTE ON sys.xp_readerrorlog."] if reads_log else []),
        "-- To look into the databases' structure, SQL Server 2014 and newer:",
        f"GRANT {ENTERING} TO {name};",
        "-- before 2014, in each database of the application, without any role in it:",
        f"--   USE [DATABASE]; CREATE USER {name} FOR LOGIN {name};",
    ]
    if traces:
        give += [
            "-- Optional, and more than a look: who holds it may trace everybody's statements. With it the",
            "-- default trace tells how long people waited while a file grew.",
            f"--   GRANT ALTER TRACE TO {name};",
        ]
    take: list[str] = []
    for database, grants in inside.items():
        give += [f"USE {sqlserver_name(database)};", f"{_make_user(login)};"]
        give += [f"{one.give};" for one in grants]
        take += [f"USE {sqlserver_name(database)};", f"DROP USER {name};"]
    take += [
        "-- before 2014, in each database of the application: DROP USER as above",
        "USE [master];",
        f"DROP LOGIN {name};",
    ]
    return Script(tuple(give), tuple(take))


def _postgresql_script(asked: Sequence[Grant], login: str, scans: bool) -> Script:
    name = postgresql_name(login)
    optional = (
        "-- Optional, to have tables measured for empty space (only with --deep): in each database of the",
        "-- application, and in the one for logging in:",
        "--   CREATE EXTENSION pgstattuple SCHEMA public;",
        f"--   GRANT pg_stat_scan_tables TO {name};",
    )
    return Script(
        give=(
            f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 3;",
            f"\\password {name}",
            f"ALTER ROLE {name} SET default_transaction_read_only = on;",
            *(
                f"{one.give};" + (f"  -- in the database {one.database}" if one.database else "")
                for one in asked
            ),
            "-- PostgreSQL 10 and newer; where PUBLIC may not connect to a database, also:",
            f"--   GRANT CONNECT ON DATABASE name TO {name};",
            "-- To see how many numbers are left for new records (a sequence holds nothing else), in each",
            "-- database of the application, for each of its schemas:",
            f"--   GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {name};",
            *(optional if scans else ()),
            "-- and a line for this role and the check-up's address in pg_hba.conf (hostssl, scram-sha-256).",
        ),
        take=(
            *(f"{one.take};" for one in asked),
            "-- first, in each database where it was given SELECT on sequences (it takes the rights back;",
            "-- the role owns nothing that could be dropped):",
            f"--   DROP OWNED BY {name};",
            f"DROP ROLE {name};",
        ),
    )


def _mariadb_script(asked: Sequence[Grant], login: str) -> Script:
    account = mariadb_account(login)
    structure = f"GRANT REFERENCES ON *.* TO {account}"
    tables = {
        "-- MariaDB 10.4 and newer:": "mysql.`global_priv`",
        "-- MySQL, and MariaDB before 10.4:": "mysql.`user`",
        "-- MySQL only:": "performance_schema.",
    }
    headed = {
        head: [one for one in asked if f"SELECT ON {name}" in one.give] for head, name in tables.items()
    }
    rest = [one for one in asked if not any(one in grants for grants in headed.values())]
    return Script(
        give=(
            "-- Put the address of the check-up in the place of %.",
            f"CREATE USER {account} IDENTIFIED BY 'A-LONG-PASSWORD' WITH MAX_USER_CONNECTIONS 3;",
            *(f"{one.give};" for one in rest if one.give != structure),
            "-- To see that tables exist and how large they are, without their rows:",
            f"{structure};",
            "-- MySQL, and MariaDB before 10.5, call BINLOG MONITOR and SLAVE MONITOR: REPLICATION CLIENT.",
            *(
                line
                for head, grants in headed.items()
                if grants
                for line in (head, *(f"{one.give};" for one in grants))
            ),
        ),
        take=(f"DROP USER {account};",),
    )
