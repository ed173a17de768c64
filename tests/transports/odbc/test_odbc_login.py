"""Logging in: what is refused stops the credential, and nothing else does; no driver keeps us waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from checkup.api import ErrorClass
from checkup.collect.guard import CredentialGuard
from checkup.transports.odbc import session as session_module
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.odbc.drivers import Driver, choose
from checkup.transports.odbc.login import Login, prepared
from checkup.transports.odbc.login_errors import Attempt, refused_login
from checkup.transports.odbc.tls import Shown
from checkup.transports.session import ConnectionFacts, Credential, Deadlines, TransportError
from tests.servers.kdc import kdc, needs_kdc
from tests.servers.postgresql import PASSWORD, PostgreSql, postgresql
from tests.servers.sql_programs import folder_of_process
from tests.servers.tds import Account, Database, Scripted, TdsServer
from tests.transports.odbc.conftest import (
    ADMIN,
    SQL_SERVER_DRIVERS,
    WRONG,
    Open,
    Server,
    drivers_processes,
    place_of,
    scripted,
)


def refusal(
    open_session: Open, place: SqlPlace, *credential: Credential | None, **more: Any
) -> TransportError:
    with pytest.raises(TransportError) as caught:
        open_session(place, *credential, **more)
    return caught.value


def test_a_wrong_password_stops_the_credential_for_the_run(open_session: Open, server: Server) -> None:
    guard = CredentialGuard()
    first = refusal(open_session, place_of(server), WRONG, gate=guard.gate)
    assert first.error is ErrorClass.AUTH
    assert "refused the password of admin (credential databases)" in first.detail
    assert "right" not in first.detail.replace("password right", "")  # the password itself
    second = refusal(open_session, place_of(server), WRONG, gate=guard.gate)
    assert second.error is ErrorClass.AUTH and second.detail.startswith("not tried: ")
    if isinstance(server, TdsServer):
        assert len(server.logins) == 1


def test_a_right_one_proves_it(open_session: Open, server: Server) -> None:
    guard = CredentialGuard()
    for _ in range(2):
        facts = open_session(place_of(server), gate=guard.gate).facts
        assert facts.reached and facts.error is None
        assert facts.round_trip_s is not None and 0 < facts.round_trip_s < 1
        assert facts.address == f"127.0.0.1:{server.port}"


def test_what_is_sent_on_the_way_is_told_before(open_session: Open) -> None:
    told: list[str] = []

    @contextmanager
    def ledger(text: str) -> Generator[None]:
        already = len(tds.statements)
        yield
        told.append(text)
        sent = [one.text for one in tds.statements[already:]]
        assert sent and all(one in text for one in sent)

    accounts = {"admin": Account(PASSWORD, databases=frozenset({"le]dger"}))}
    with TdsServer(Scripted(accounts=accounts, databases={"le]dger": Database()})) as tds:
        open_session(place_of(tds, database="le]dger"), told=ledger)
        assert told == ["USE [le]]dger]", "SELECT 1;\n" * 5]
        open_session(place_of(tds), told=ledger, database="le]dger")  # one of many connections
        assert told[2:] == ["USE [le]]dger]"]


def test_a_database_that_is_not_there_is_no_wrong_password(open_session: Open, server: Server) -> None:
    guard = CredentialGuard()
    error = refusal(open_session, place_of(server, database="nowhere"), gate=guard.gate)
    assert error.error is ErrorClass.DENIED and "not into the database nowhere" in error.detail
    open_session(place_of(server), gate=guard.gate)


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_database_that_is_closed_is_no_wrong_password(open_session: Open, driver: str) -> None:
    """SQL Server itself says 18456 after 4060 to a login that names such a database."""
    states = ("offline", "restoring", "suspect", "recovery pending")
    with TdsServer(scripted(databases={state: Database(state=state) for state in states})) as server:
        for state in states:
            error = refusal(open_session, place_of(server, driver=driver, database=state))
            assert (
                error.error is ErrorClass.DENIED and f"not into the database {state} (error " in error.detail
            )


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("disabled", "is disabled"),
        ("locked", "is locked"),
        ("expired", "has expired"),
        ("must change", "wants a new password"),
    ],
)
def test_a_sql_server_says_why_it_refuses(open_session: Open, driver: str, refused: Any, words: str) -> None:
    accounts = {"admin": Account(password="only-for-a-test", refused=refused)}
    with TdsServer(Scripted(accounts=accounts)) as server:
        error = refusal(open_session, place_of(server, driver=driver))
        assert len(server.logins) == 1
    assert error.error is ErrorClass.AUTH and words in error.detail


def test_without_a_credential_nothing_is_contacted(open_session: Open) -> None:
    with TdsServer(scripted()) as server:
        place = place_of(server)
        assert "no credential is named" in refusal(open_session, place, None).detail
        no_secret = Credential(name="x", user="x", password="env:NO_SUCH_VARIABLE_HERE")
        assert refusal(open_session, place, no_secret).error is ErrorClass.AUTH
        assert "names no password:" in refusal(open_session, place, Credential(name="x", user="x")).detail
        assert not server.prelogins


def test_mariadb_takes_no_ticket() -> None:
    with pytest.raises(TransportError, match="no Kerberos ticket"):
        prepared("mariadb", Credential(name="x", user="x", ticket=True))


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_missing_ticket_is_named(
    open_session: Open, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'none'}")
    with TdsServer(scripted()) as server:
        ticket = Credential(name="domain", user="checkup@CLINIC.EXAMPLE", ticket=True)
        error = refusal(open_session, place_of(server, driver=driver), ticket)
    assert error.error is ErrorClass.AUTH and "no valid Kerberos ticket" in error.detail


def test_a_windows_account_with_its_password_goes_by_freetds(open_session: Open) -> None:
    assert choose(
        "sqlserver", "", ["ODBC Driver 18 for SQL Server", "FreeTDS"], freetds_first=True
    ) == Driver("freetds", "FreeTDS")
    windows = Credential(name="domain", user="CLINIC\\checkup", password="env:TEST_SQL_PASSWORD")
    with TdsServer(scripted()) as server:
        error = refusal(open_session, place_of(server), windows)
        assert [one.login.integrated for one in server.logins] == [True]
    assert error.error is ErrorClass.AUTH and "no account of a domain that this server trusts" in error.detail


@needs_kdc
def test_a_keytab_lets_into_postgresql(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not below pytest's folders: the account that the server runs as has to read its key.
    with kdc(folder_of_process("kdc-")) as centre:
        for name, value in centre.environment.items():
            monkeypatch.setenv(name, value)
        served = centre.keytab("postgres/localhost")
        served.chmod(0o644)
        access = [
            "host all checkup 127.0.0.1/32 gss include_realm=0",
            "host all all 127.0.0.1/32 scram-sha-256",
        ]
        options = {"krb_server_keyfile": f"FILE:{served}"}
        with postgresql(options=options, access=access) as server:
            server.run("CREATE ROLE checkup LOGIN")
            place = place_of(server).model_copy(update={"server": "localhost"})
            keytab = str(centre.keytab("checkup"))
            session = open_session(place, Credential(name="domain", user="checkup", keytab=keytab))
            (answer,) = session.run("SELECT current_user AS role", timeout_s=10, most_rows=1)
            assert answer.rows == [["checkup"]]
            assert "KRB5CCNAME" not in centre.environment  # its ticket lies in the child's memory


# --- drivers that hang, crash or lack something -----------------------------------------------

MUTE_DRIVERS = [
    *(pytest.param("sqlserver", *one.values, id=one.id, marks=one.marks) for one in SQL_SERVER_DRIVERS),
    pytest.param("postgresql", "PostgreSQL Unicode", id="psqlodbc"),
    pytest.param("mariadb", "MariaDB Unicode", id="mariadb"),
]


@pytest.mark.parametrize(("engine", "driver"), MUTE_DRIVERS)
def test_no_driver_hangs_in_a_login(
    open_session: Open, mute: tuple[str, int], engine: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server went mute between its greeting and the login."""
    monkeypatch.setattr(session_module, "preflight", lambda *_: Shown())
    monkeypatch.setattr(session_module, "GRACE_S", 0.5)
    where = {"engine": engine, "server": mute[0], "port": mute[1], "encryption": "clear", "driver": driver}
    facts = ConnectionFacts(transport="odbc")
    guard = CredentialGuard()
    began = time.monotonic()
    error = refusal(
        open_session,
        SqlPlace.model_validate(where),
        gate=guard.gate,
        facts=facts,
        deadlines=Deadlines(auth_s=1),
    )
    assert time.monotonic() - began < 6
    assert error.error is ErrorClass.TIMEOUT and "did not answer the login" in error.detail
    assert facts.error is ErrorClass.TIMEOUT
    with guard.gate(ADMIN):  # nobody has refused it
        pass


DRIVERS_ALONE = """
import os, signal, time
class Error(Exception): pass
def drivers(): return ["FreeTDS", "PostgreSQL Unicode", "MariaDB Unicode"]
def connect(*_, **__): {}
"""


def test_a_driver_that_crashes_costs_only_its_session(
    open_session: Open, server: Server, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc(DRIVERS_ALONE.format("signal.raise_signal(signal.SIGSEGV)"))
    error = refusal(open_session, place_of(server))
    assert error.error is ErrorClass.DROPPED and "crashed (SIGSEGV)" in error.detail


def test_a_mistake_in_the_process_is_not_waited_for(
    open_session: Open, server: Server, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc(DRIVERS_ALONE.format("raise SystemError('driver lost its way')"))
    error = refusal(open_session, place_of(server))
    assert error.error is ErrorClass.DROPPED
    assert "ended with status 70: SystemError: driver lost its way" in error.detail


def test_without_unixodbc_only_sql_is_lost_and_the_remedy_is_told(
    open_session: Open, server: Server, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc("raise ImportError('libodbc.so.2: cannot open shared object file')")
    error = refusal(open_session, place_of(server))
    assert error.error is ErrorClass.UNSUPPORTED
    assert "apt-get install unixodbc" in error.detail and "everything else goes on" in error.detail


def test_without_pyodbc_the_remedy_is_told(
    open_session: Open, server: Server, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc("raise ModuleNotFoundError('No module named pyodbc')")
    error = refusal(open_session, place_of(server))
    assert error.error is ErrorClass.UNSUPPORTED and "pip install pyodbc" in error.detail


def test_nothing_is_contacted_without_a_driver(
    open_session: Open, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc(DRIVERS_ALONE.format("pass").replace('"FreeTDS", ', ""))
    with TdsServer(scripted()) as server:
        place = place_of(server, driver="FreeTDS")
        assert "driver: FreeTDS is not registered" in refusal(open_session, place).detail
        assert not server.prelogins


@pytest.mark.parametrize(
    ("engine", "package"),
    [("sqlserver", "tdsodbc"), ("postgresql", "odbc-postgresql"), ("mariadb", "odbc-mariadb")],
)
def test_a_missing_driver_is_named_with_its_package(
    engine: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkup.transports.odbc.drivers._in_wheel", lambda: None)
    with pytest.raises(TransportError, match=f"apt-get install {package}") as caught:
        choose(engine, "", ["SQLite3"], freetds_first=False)
    assert caught.value.error is ErrorClass.UNSUPPORTED and "SQLite3" in caught.value.detail


def test_a_library_that_cannot_be_loaded_is_named(open_session: Open, server: Server, tmp_path: Path) -> None:
    library = tmp_path / "libodbc-of-nobody.so"
    library.write_bytes(b"not a library")
    error = refusal(open_session, place_of(server, driver=str(library)))
    assert error.error is ErrorClass.UNSUPPORTED
    assert str(library) in error.detail and "a library that it needs" in error.detail


def test_a_path_that_is_none_is_named(open_session: Open, server: Server) -> None:
    error = refusal(open_session, place_of(server, driver="/nowhere/driver.so"))
    assert error.error is ErrorClass.UNSUPPORTED and "/nowhere/driver.so is no file" in error.detail


# --- what errors mean -------------------------------------------------------------------------


def meaning(engine: str, sqlstate: str, number: int, text: str, **more: Any) -> tuple[ErrorClass, str]:
    attempt = Attempt(
        **{
            "where": "srv-db:1",
            "login": Login(user="u", password="p", shown="the password of u"),
            "driver": Driver("microsoft" if engine == "sqlserver" else "psqlodbc", "x"),
            "database": "clinic",
            "encryption": "validated",
            **more,
        }
    )
    error = refused_login(engine, {"sqlstate": sqlstate, "number": number, "text": text}, attempt)
    return error.error, error.detail


FATAL = 'connection to server at "srv-db", port 1 failed: FATAL:  '


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (FATAL + 'password authentication failed for user "u"', ErrorClass.AUTH),
        (FATAL + "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", ErrorClass.AUTH),
        (FATAL + 'role "u" is not permitted to log in', ErrorClass.AUTH),
        (FATAL + 'database "clinic" does not exist', ErrorClass.DENIED),
        (FATAL + 'permission denied for database "clinic"', ErrorClass.DENIED),
        (FATAL + 'no pg_hba.conf entry for host "10.0.0.9", user "u", database "clinic"', ErrorClass.DENIED),
        (FATAL + 'no pg_hba.conf entry for host "10.0.0.9", user "u", no encryption', ErrorClass.TLS),
        (FATAL + 'no pg_hba.conf entry for host "10.0.0.9", user "u", SSL off', ErrorClass.TLS),
        (FATAL + 'cannot connect to invalid database "clinic"', ErrorClass.DENIED),
        ("none of the server's SASL authentication mechanisms are supported", ErrorClass.UNSUPPORTED),
        ("authentication method 10 not supported", ErrorClass.UNSUPPORTED),
        (FATAL + "sorry, too many clients already", ErrorClass.QUOTA),
        (FATAL + "the database system is starting up", ErrorClass.UNREACHABLE),
        ("timeout expired", ErrorClass.TIMEOUT),
        ("server closed the connection unexpectedly", ErrorClass.DROPPED),
        ("SSL error: certificate verify failed", ErrorClass.TLS),
    ],
)
def test_what_postgresql_says(text: str, kind: ErrorClass) -> None:
    assert meaning("postgresql", "08001", 0, f"[08001] {text}\n (101) (SQLDriverConnect)")[0] is kind


@pytest.mark.parametrize(
    ("engine", "sqlstate", "number", "kind"),
    [
        ("sqlserver", "28000", 18456, ErrorClass.AUTH),
        ("sqlserver", "42000", 18483, ErrorClass.AUTH),
        ("sqlserver", "42000", 4060, ErrorClass.DENIED),
        ("sqlserver", "42000", 18461, ErrorClass.DISABLED),
        ("sqlserver", "HYT00", 0, ErrorClass.TIMEOUT),
        ("sqlserver", "08001", 10054, ErrorClass.DROPPED),
        ("sqlserver", "HY000", 50000, ErrorClass.PROTOCOL),
        ("mariadb", "28000", 1045, ErrorClass.AUTH),
        ("mariadb", "28000", 9999, ErrorClass.AUTH),
        ("mariadb", "08004", 1040, ErrorClass.QUOTA),
        ("mariadb", "HY000", 2026, ErrorClass.TLS),
        ("mariadb", "HY000", 3159, ErrorClass.TLS),
        ("mariadb", "HY000", 1130, ErrorClass.DENIED),
        ("mariadb", "HY000", 2013, ErrorClass.DROPPED),
    ],
)
def test_what_numbers_mean(engine: str, sqlstate: str, number: int, kind: ErrorClass) -> None:
    got, detail = meaning(engine, sqlstate, number, f"[{sqlstate}] [x]no ({number}) (SQLDriverConnect)")
    assert got is kind and detail.startswith("srv-db:1 ")


def test_postgresql_that_wants_tls_says_so(open_session: Open) -> None:
    with postgresql(tls=True, access=["hostssl all all 127.0.0.1/32 scram-sha-256"]) as server:
        error = refusal(open_session, place_of(server))
        assert error.error is ErrorClass.TLS and "with TLS only" in error.detail
        assert open_session(place_of(server, encryption="unvalidated")).facts.encryption == "encrypted"


def test_postgresql_that_is_full_says_so(open_session: Open) -> None:
    options = {"max_connections": "4", "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    with postgresql(options=options) as server:
        for _ in range(4):
            open_session(place_of(server))
        assert refusal(open_session, place_of(server)).error is ErrorClass.QUOTA


def test_the_password_is_nowhere_to_be_seen(open_session: Open, postgresql_server: PostgreSql) -> None:
    open_session(place_of(postgresql_server))
    (process,) = drivers_processes()
    assert not any(ADMIN.password.removeprefix("env:") in word for word in process.cmdline())
    assert not any("only-for-a-test" in word for word in process.cmdline())
    told = {name for name, value in process.environ().items() if "only-for-a-test" in value}
    assert told <= {"TEST_SQL_PASSWORD", "TEST_SMB_PASSWORD"}  # references that the tests themselves use
