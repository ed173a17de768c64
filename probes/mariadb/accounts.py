"""The accounts of an instance: nameless, without a password, from anywhere, by outdated methods.

What is stored of a password is compared in SQL and never leaves the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    When,
    Worse,
)
from probes.sql.rows import reader

MOST_NAMED = 5

# Methods that keep something of a password; with others (unix_socket, PAM, LDAP) an empty one says nothing.
_KEEPERS = """(
         '', 'mysql_native_password', 'mysql_old_password', 'sha256_password', 'caching_sha2_password',
         'ed25519', 'parsec')"""
_OF_THE_SERVER = "('mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema')"

# What mysql_native_password keeps of a password that is the account's own name.
_NAME = "CONCAT('*', UPPER(SHA1(UNHEX(SHA1({}.User)))))"


@dataclass(frozen=True, slots=True)
class Account:
    """`host_name` is where it may come from, with % for anything. Locked accounts and roles are left out."""

    user_name: str
    host_name: str
    method: str
    has_no_password: bool
    is_named_password: bool
    is_administrator: bool

    @property
    def who(self) -> str:
        return f"'{self.user_name}'@'{self.host_name}'"

    @property
    def is_local(self) -> bool:
        return self.host_name.casefold() in ("localhost", "127.0.0.1", "::1")


class Accounts(SqlFacts[Account]):
    pass


# Since 10.4 an account is a JSON text, of which mysql.user shows a part: not whether it is locked.
_MARIADB = f"""
SELECT g.User AS user_name, g.Host AS host_name, COALESCE(JSON_VALUE(g.Priv, '$.plugin'), '') AS method,
       CASE WHEN COALESCE(JSON_VALUE(g.Priv, '$.plugin'), '') IN {_KEEPERS}
             AND COALESCE(JSON_VALUE(g.Priv, '$.authentication_string'), '') = ''
            THEN 1 ELSE 0 END AS has_no_password,
       CASE WHEN g.User <> '' AND JSON_VALUE(g.Priv, '$.authentication_string') = {_NAME.format("g")}
            THEN 1 ELSE 0 END AS is_named_password,
       CASE WHEN COALESCE(JSON_VALUE(g.Priv, '$.access'), 0) & 32768 THEN 1 ELSE 0 END AS is_administrator
FROM mysql.global_priv AS g
WHERE COALESCE(JSON_VALUE(g.Priv, '$.is_role'), '0') NOT IN ('1', 'true')
  AND COALESCE(JSON_VALUE(g.Priv, '$.account_locked'), '0') NOT IN ('1', 'true')
  AND g.User NOT IN {_OF_THE_SERVER}
"""  # noqa: S608  the parts are constants of this file


def _of_user(hash_of: str, further: str) -> str:
    return f"""
SELECT u.User AS user_name, u.Host AS host_name, COALESCE(u.plugin, '') AS method,
       CASE WHEN COALESCE(u.plugin, '') IN {_KEEPERS} AND {hash_of} = ''
            THEN 1 ELSE 0 END AS has_no_password,
       CASE WHEN u.User <> '' AND {hash_of} = {_NAME.format("u")}
            THEN 1 ELSE 0 END AS is_named_password,
       CASE WHEN u.Super_priv = 'Y' THEN 1 ELSE 0 END AS is_administrator
FROM mysql.user AS u
WHERE {further} AND u.User NOT IN {_OF_THE_SERVER}
"""  # noqa: S608  the parts are constants of this file


accounts = Section(
    name="mariadb-accounts",
    facts=Accounts,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    _MARIADB,
                    reads=("mysql.global_priv",),
                    since=(10, 4),
                    editions=("mariadb",),
                    rights=("SELECT ON mysql.global_priv",),
                ),
                SqlVariant(
                    _of_user(
                        "COALESCE(NULLIF(u.Password, ''), u.authentication_string, '')", "u.is_role = 'N'"
                    ),
                    reads=("mysql.user",),
                    before=(10, 4),
                    editions=("mariadb",),
                    rights=("SELECT ON mysql.user",),
                ),
                SqlVariant(
                    _of_user("COALESCE(u.authentication_string, '')", "u.account_locked = 'N'"),
                    reads=("mysql.user",),
                    since=(5, 7),
                    editions=("mysql",),
                    rights=("SELECT ON mysql.user",),
                ),
            ),
            row=Account,
            most_rows=5000,
        )
    },
    parse=reader(Accounts, Account),
    privacy="names of accounts and how they log in; nothing of their passwords",
)

_RIGHTS = "SELECT on mysql.global_priv (MySQL, and MariaDB before 10.4: on mysql.user)"


def _named(found: Sequence[Account]) -> Text:
    names = sorted(one.who for one in found)
    more = len(names) - MOST_NAMED
    shown = ", ".join(names[:MOST_NAMED])
    return Text(f"{shown} and {more} more" if more > 0 else shown)


# --- nameless ---------------------------------------------------------------------------------


def check_anonymous(facts: Accounts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    nameless = [one for one in facts.rows if not one.user_name]
    for one in nameless:
        yield Finding(impact=Impact.MAJOR, when=When.NOW, message="nameless", item=one.who)
    if not nameless:
        yield Passed(evidence={"accounts": Number(len(facts.rows))})


anonymous = Probe(
    id="mariadb.anonymous-accounts",
    title="Every account has a name",
    check=check_anonymous,
    levels=NoLevels(),
    kind="mariadb",
    messages={"nameless": "Anybody may log in under any name by the account {item}."},
    why=(
        "A nameless account lets in whoever asks; it also takes the place of real accounts, so that their "
        "logins fail for no reason that anybody sees."
    ),
    remedy=(
        "As an administrator: DROP USER with the account as it stands in the finding, for example DROP USER "
        "''@'localhost'. No program of ours uses it. The way back: CREATE USER of the same name."
    ),
    verify="SELECT User, Host FROM mysql.user WHERE User = '' shows no row.",
    rights=_RIGHTS,
    references=("sql: MY-USERS (mysqltuner)", "MariaDB documentation: mariadb-secure-installation"),
)


# --- without a password -----------------------------------------------------------------------


def check_passwords(facts: Accounts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = 0
    for one in sorted(facts.rows, key=lambda account: account.who):
        if not one.has_no_password and not one.is_named_password:
            continue
        found += 1
        yield Finding(
            impact=Impact.LIMITED if one.is_local else Impact.MAJOR,
            when=When.BEFORE_NEXT_VISIT if one.is_local else When.NOW,
            message="empty" if one.has_no_password else "name",
            item=one.who,
        )
    if not found:
        yield Passed(evidence={"accounts": Number(len(facts.rows))})


passwords = Probe(
    id="mariadb.passwords",
    title="Every account has a password that is not its name",
    check=check_passwords,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "empty": "The account {item} needs no password.",
        "name": "The password of the account {item} is its name.",
    },
    why="Whoever reaches the server, a visitor's device on the clinic's network too, is let in to the data.",
    remedy=(
        "As an administrator: ALTER USER with the account as it stands in the finding, IDENTIFIED BY a long "
        "password, for example ALTER USER 'lab'@'%' IDENTIFIED BY '...'; then write it into the program that "
        "uses the account, at the same hour. If none does: DROP USER. The way back: the password before."
    ),
    verify="mariadb --user=NAME without --password is refused (MySQL: mysql --user=NAME).",
    rights=_RIGHTS,
    references=("sql: MY-USERS (mysqltuner)", "MariaDB documentation: ALTER USER"),
)


# --- from anywhere ----------------------------------------------------------------------------


def check_anywhere(facts: Accounts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    open_to_all = [one for one in facts.rows if one.user_name and one.host_name == "%"]
    for message, found in (
        ("administrators", [one for one in open_to_all if one.is_administrator]),
        ("users", [one for one in open_to_all if not one.is_administrator]),
    ):
        if found:
            yield Finding(
                impact=Impact.LIMITED if message == "administrators" else Impact.NOTE,
                when=When.BEFORE_NEXT_VISIT if message == "administrators" else When.LATER,
                message=message,
                item=message,
                evidence={"count": Number(len(found)), "names": _named(found)},
                value=Number(len(found)),
                worse=Worse.HIGHER,
            )
    if not open_to_all:
        yield Passed(evidence={"accounts": Number(len(facts.rows))})


anywhere = Probe(
    id="mariadb.accounts-from-anywhere",
    title="Accounts are let in from the clinic's own network only",
    check=check_anywhere,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "administrators": "Administrators' accounts may log in from anywhere ({count}): {names}.",
        "users": "Accounts may log in from anywhere ({count}): {names}.",
    },
    why="A stolen password is worth less where the account is taken from the clinic's own addresses only.",
    remedy=(
        "As an administrator: RENAME USER 'name'@'%' TO 'name'@'192.168.10.%' with the network of the "
        "workstations; for administrators TO 'name'@'localhost' and the one workstation that needs it. The "
        "rights go along; connections that are open stay. The way back: RENAME USER the other way round."
    ),
    verify="SELECT User, Host FROM mysql.user WHERE Host = '%' shows no row, and all workstations log in.",
    rights=_RIGHTS,
    references=("sql: MY-USERS (mysqltuner)", "MariaDB documentation: RENAME USER"),
)


# --- methods ----------------------------------------------------------------------------------

_BROKEN, _OLD = "mysql_old_password", "mysql_native_password"


def check_methods(facts: Accounts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = 0
    for method, impact in ((_BROKEN, Impact.LIMITED), (_OLD, Impact.NOTE)):
        by_it = [one for one in facts.rows if one.method == method]
        if by_it:
            found += 1
            yield Finding(
                impact=impact,
                when=When.BEFORE_NEXT_VISIT if method == _BROKEN else When.LATER,
                message="method",
                item=method,
                evidence={"count": Number(len(by_it)), "names": _named(by_it)},
                value=Number(len(by_it)),
                worse=Worse.HIGHER,
            )
    if not found:
        yield Passed(evidence={"accounts": Number(len(facts.rows))})


methods = Probe(
    id="mariadb.password-methods",
    title="Passwords are kept by a method of today",
    check=check_methods,
    levels=NoLevels(),
    kind="mariadb",
    messages={"method": "Accounts log in by {item} ({count}): {names}."},
    why=(
        "mysql_old_password is broken in seconds; mysql_native_password keeps an unsalted SHA-1, which a "
        "stolen copy of the accounts gives away, and MySQL 9 has it no more."
    ),
    remedy=(
        "Ask us first whether our programs' driver knows the new method. MySQL: ALTER USER 'name'@'host' "
        "IDENTIFIED WITH caching_sha2_password BY '...'. MariaDB: INSTALL SONAME 'auth_ed25519'; ALTER USER "
        "'name'@'host' IDENTIFIED VIA ed25519 USING PASSWORD('...'). The way back: the same with the method "
        "named."
    ),
    verify="SELECT User, plugin FROM mysql.user shows the new method, and the programs log in.",
    rights=_RIGHTS,
    references=("sql: MY-AUTHPLUG (mysqltuner)", "MariaDB documentation: Authentication Plugin - ed25519"),
)
