"""What drivers are told: every character arrives, and nothing more is said than was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkup.transports.odbc.drivers import Driver
from checkup.transports.odbc.login import Login
from checkup.transports.odbc.strings import (
    Way,
    connection_string,
    freetds_file,
    variables,
    without_unwanted,
)
from checkup.transports.session import Credential
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.servers.tds import Account, Scripted, TdsServer
from tests.transports.odbc.conftest import SQL_SERVER_DRIVERS, Open, place_of

PASSWORDS = [
    "plain",
    "a;b",
    "{braced}",
    "a}b",
    "a}}b;c}d",
    " spaces ",
    "UID=sa;Encryption=off",
    "%41+%",
    "quote'\"back\\slash",
    "ß 😀 )(",
    "=;=",
]


def way(engine: str, family: str, **more: object) -> Way:
    given: dict[str, object] = {
        "engine": engine,
        "driver": Driver(family, family),  # pyright: ignore[reportArgumentType]
        "login": Login(user="checkup_ro", password="pw", shown=""),
        "host": "srv-db",
        "name": "srv-db",
        "port": 1433,
        "encryption": "validated",
        "authorities": "/ca.pem",
        "certificate": b"certificate",
        "certificate_name": "srv-db",
        **more,
    }
    return Way(**given)  # pyright: ignore[reportArgumentType]


def keywords(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.strip(";").split(";"))


def test_each_driver_is_made_to_refuse_a_line_in_clear() -> None:
    assert "encryption = require\n" in freetds_file(way("sqlserver", "freetds", encryption="unvalidated"))
    assert keywords(connection_string(way("sqlserver", "microsoft")))["Encrypt"] == "yes"
    assert keywords(connection_string(way("postgresql", "psqlodbc")))["SSLMODE"] == "verify-full"
    # FORCETLS alone goes on in clear where the server has no TLS.
    assert "TLSPEERFP" in keywords(connection_string(way("mariadb", "mariadb", encryption="unvalidated")))
    assert (
        keywords(connection_string(way("mariadb", "mysql", encryption="unvalidated")))["SSLMODE"]
        == "REQUIRED"
    )


def test_clear_is_clear() -> None:
    assert "encryption = off\n" in freetds_file(way("sqlserver", "freetds", encryption="clear"))
    assert keywords(connection_string(way("sqlserver", "microsoft", encryption="clear")))["Encrypt"] == "no"
    assert (
        keywords(connection_string(way("postgresql", "psqlodbc", encryption="clear")))["SSLMODE"] == "disable"
    )
    assert "TLSPEERFP" not in connection_string(way("mariadb", "mariadb", encryption="clear"))
    assert keywords(connection_string(way("mariadb", "mysql", encryption="clear")))["SSLMODE"] == "DISABLED"


def test_certificates_are_checked_where_they_should_be() -> None:
    plain = freetds_file(way("sqlserver", "freetds"))
    assert "ca file = system\n" in plain and "check certificate hostname = yes\n" in plain
    own = freetds_file(way("sqlserver", "freetds", own_authorities=True, host="127.0.0.1"))
    assert "ca file = /ca.pem\n" in own and "check certificate hostname = no\n" in own
    assert "ca file" not in freetds_file(way("sqlserver", "freetds", encryption="unvalidated"))
    trusting = connection_string(way("sqlserver", "microsoft", encryption="unvalidated"))
    assert keywords(trusting)["TrustServerCertificate"] == "yes"
    assert keywords(connection_string(way("sqlserver", "microsoft")))["TrustServerCertificate"] == "no"


def test_behind_a_tunnel_the_certificate_is_that_of_the_server_itself() -> None:
    tunnelled = {"host": "127.0.0.1", "port": 40001}
    assert "HostNameInCertificate=srv-db;" in connection_string(way("sqlserver", "microsoft", **tunnelled))
    postgresql = connection_string(way("postgresql", "psqlodbc", **tunnelled))
    assert "SERVER=srv-db;PORT=40001;" in postgresql and "hostaddr='127.0.0.1'" in postgresql
    assert "SSLMODE=VERIFY_CA;" in connection_string(way("mariadb", "mysql", **tunnelled))


def test_a_ticket_needs_no_password(tmp_path: Path) -> None:
    keytab = tmp_path / "checkup.keytab"
    login = Login(user="checkup@CLINIC.EXAMPLE", shown="", keytab=keytab)
    spn = "MSSQLSvc/srv-db.clinic.example:1433"
    for family in ("freetds", "microsoft"):
        text = connection_string(way("sqlserver", family, login=login, spn=spn))
        assert keywords(text)["Trusted_Connection"].casefold() == "yes"
        assert keywords(text)["ServerSPN"] == spn
        assert "UID" not in text and "PWD" not in text
    told = variables(login, "", tmp_path)
    assert told["KRB5_CLIENT_KTNAME"] == f"FILE:{keytab}"
    assert told["KRB5CCNAME"].startswith("MEMORY:")  # no ticket of somebody else's is used


def test_what_the_user_set_for_drivers_does_not_reach_ours() -> None:
    environment = {
        "TDSDUMP": "/tmp/dump",
        "PGPASSWORD": "x",
        "pgoptions": "x",
        "PATH": "/bin",
        "TDSVER": "4.2",
    }
    assert without_unwanted(environment) == {"PATH": "/bin"}


def test_what_freetds_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="no password with the characters"):
        connection_string(way("sqlserver", "freetds", login=Login(user="x", password="a};b", shown="")))


def test_the_password_is_not_in_the_words_for_people() -> None:
    assert "only" not in repr(way("sqlserver", "freetds", login=Login(user="x", password="only", shown="y")))


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_every_password_arrives_at_a_sql_server(
    driver: str, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {f"user{number}": Account(password) for number, password in enumerate(PASSWORDS)}
    with TdsServer(Scripted(accounts=accounts)) as server:
        for user, account in accounts.items():
            monkeypatch.setenv("TEST_SQL_PASSWORD", account.password)
            credential = Credential(name=user, user=user, password="env:TEST_SQL_PASSWORD")
            open_session(place_of(server, driver=driver), credential, database="master")
        assert [attempt.login.password for attempt in server.logins] == PASSWORDS


def test_every_password_and_name_arrives_at_postgresql(
    postgresql_server: PostgreSql, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["strings; {a}}'\"\\ [x] <b>😀</b> &lt;", "{strings", "strings%41+="]
    for name, password in zip(names, PASSWORDS[-3:], strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        postgresql_server.run(
            f"CREATE ROLE {quoted} LOGIN PASSWORD '{password.replace(chr(39), chr(39) * 2)}'"
        )
        postgresql_server.run(f"CREATE DATABASE {quoted}")
        monkeypatch.setenv("TEST_SQL_PASSWORD", password)
        credential = Credential(name=name, user=name, password="env:TEST_SQL_PASSWORD")
        session = open_session(place_of(postgresql_server, database=name), credential)
        (answer,) = session.run(
            "SELECT current_user AS role, current_database() AS database", timeout_s=10, most_rows=2
        )
        assert answer.rows == [[name, name]]
        session.close()
        postgresql_server.run(f"DROP DATABASE {quoted}")
        postgresql_server.run(f"DROP ROLE {quoted}")


def test_every_password_and_name_arrives_at_mariadb(
    mariadb_server: MariaDb, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["strings; {a}}'\"\\ [x] <b>", "{strings", "strings%41+="]
    for name, password in zip(names, ["a}}b;c}d", "{braced}", "%41+'\\ß😀"], strict=True):
        database = f"`{name}`"
        user = "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'@'%'"
        secret = password.replace("\\", "\\\\").replace("'", "\\'")
        mariadb_server.run(f"CREATE USER {user} IDENTIFIED BY '{secret}'; CREATE DATABASE {database}")
        mariadb_server.run(f"GRANT SELECT ON *.* TO {user}")
        monkeypatch.setenv("TEST_SQL_PASSWORD", password)
        credential = Credential(name=name, user=name, password="env:TEST_SQL_PASSWORD")
        session = open_session(place_of(mariadb_server, database=name), credential)
        (answer,) = session.run(
            "SELECT SUBSTRING_INDEX(USER(), '@', 1) AS user, DATABASE() AS name", timeout_s=10, most_rows=2
        )
        assert answer.rows == [[name, name]]
        session.close()
        mariadb_server.run(f"DROP USER {user}; DROP DATABASE {database}")
