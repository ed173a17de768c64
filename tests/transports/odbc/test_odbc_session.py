"""Statements on an open session: rows, errors, limits of time, and connections that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from checkup.api import ErrorClass
from checkup.transports.odbc import session as session_module
from checkup.transports.odbc.session import ResultSet, SqlError, SqlSession
from checkup.transports.session import TransportError, open_gate
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.servers.relay import relay
from tests.servers.tds import SQL_2019, Column, Error, HangUp, Pause, Rows, TdsServer
from tests.servers.tds import data_types as types
from tests.transports.odbc.conftest import (
    ADMIN,
    SQL_SERVER_DRIVERS,
    Open,
    Server,
    drivers_processes,
    place_of,
    scripted,
)

NEVER_S = 20  # a pause that no test waits for

# What takes its time, and is scripted so on the TDS server.
SLEEP = {
    "PostgreSql": f"SELECT pg_sleep({NEVER_S}) AS slept",
    "MariaDb": f"SELECT SLEEP({NEVER_S}) AS slept",
    "TdsServer": "SELECT slept",
}
MANY = {
    "PostgreSql": "SELECT n AS number, 'text ' || n AS text FROM generate_series(1, 100000) AS n",
    "MariaDb": "SELECT seq AS number, CONCAT('text ', seq) AS text FROM mysql.seq_1_to_100000",
    "TdsServer": "SELECT many",
}
INT, TEXT = types.INT, types.nvarchar(100)
ANSWERS = {
    "SELECT slept": Pause(NEVER_S),
    "SELECT many": Rows(
        [Column("number", INT), Column("text", TEXT)],
        lambda: ((n, f"text {n}") for n in range(1, 100_001)),
    ),
    "SELECT 7 AS number": Rows([Column("number", INT)], [(7,)]),
    "SELECT nowhere": Error(207, "Invalid column name 'nowhere'."),
}


@pytest.fixture(
    params=[
        *(pytest.param(("sqlserver", *one.values), id=one.id, marks=one.marks) for one in SQL_SERVER_DRIVERS),
        pytest.param(("postgresql", ""), id="psqlodbc"),
        pytest.param(("mariadb", ""), id="mariadb"),
    ]
)
def opened(request: pytest.FixtureRequest, open_session: Open) -> Iterator[tuple[Server, SqlSession]]:
    """A server and a session with it, by each driver."""
    engine, driver = request.param
    if engine != "sqlserver":
        server: Server = request.getfixturevalue(f"{engine}_server")
        yield server, open_session(place_of(server))
        return
    with TdsServer(scripted(answers=ANSWERS)) as tds:
        session = open_session(place_of(tds, driver=driver))
        yield tds, session
        session.close()


def test_rows_come_with_their_columns(opened: tuple[Server, SqlSession]) -> None:
    _, session = opened
    assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=5) == [ResultSet(("number",), [[7]])]


def test_an_error_leaves_the_session_usable(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    with pytest.raises(SqlError) as caught:
        session.run("SELECT nowhere", timeout_s=10, most_rows=5)
    wanted = {"PostgreSql": ("42703", 0), "MariaDb": ("42S22", 1054)}
    assert (caught.value.sqlstate, caught.value.number) == wanted.get(type(server).__name__, ("42S22", 207))
    assert "nowhere" in caught.value.text and caught.value.done == ()
    assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=5)[0].rows == [[7]]


def test_a_statement_ends_in_its_time(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    began = time.monotonic()
    with pytest.raises(SqlError) as caught:
        session.run(SLEEP[type(server).__name__], timeout_s=1, most_rows=5)
    assert time.monotonic() - began < 5
    assert caught.value.sqlstate in ("HYT00", "57014", "HY018")
    assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=5)[0].rows == [[7]]


def test_a_statement_can_be_cancelled(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    cancelling = threading.Timer(0.2, session.cancel)
    cancelling.start()
    began = time.monotonic()
    with pytest.raises(SqlError) as caught:
        session.run(SLEEP[type(server).__name__], timeout_s=NEVER_S, most_rows=5)
    cancelling.join()
    assert time.monotonic() - began < 5
    assert caught.value.sqlstate in ("HY008", "57014", "HY018", "HYT00", "07006")
    assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=5)[0].rows == [[7]]


def test_100_000_rows_are_cut(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    (answer,) = session.run(MANY[type(server).__name__], timeout_s=20, most_rows=500)
    assert answer.truncated and answer.columns == ("number", "text")
    assert answer.rows == [[n, f"text {n}"] for n in range(1, 501)]
    assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=1) == [ResultSet(("number",), [[7]])]


def test_100_000_rows_can_be_had(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    (answer,) = session.run(MANY[type(server).__name__], timeout_s=30, most_rows=100_000)
    assert not answer.truncated and len(answer.rows) == 100_000


def test_closing_from_outside_ends_a_statement(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    closing = threading.Timer(0.2, session.close)
    closing.start()
    began = time.monotonic()
    with pytest.raises((TransportError, SqlError)):
        session.run(SLEEP[type(server).__name__], timeout_s=NEVER_S, most_rows=5)
    closing.join()
    assert time.monotonic() - began < 5
    assert not drivers_processes()
    session.close()  # once more does no harm
    with pytest.raises(TransportError, match="closed from our side"):
        session.run("SELECT 7 AS number", timeout_s=1, most_rows=1)


def test_a_process_that_is_killed_is_told_and_leaves_nothing(opened: tuple[Server, SqlSession]) -> None:
    server, session = opened
    (process,) = drivers_processes()
    killing = threading.Timer(0.2, process.kill)
    killing.start()
    with pytest.raises(TransportError) as caught:
        session.run(SLEEP[type(server).__name__], timeout_s=NEVER_S, most_rows=5)
    killing.join()
    assert caught.value.error is ErrorClass.DROPPED and "crashed (SIGKILL)" in caught.value.detail
    assert not psutil.pid_exists(process.pid)


def test_a_driver_that_does_not_come_back_is_ended(
    opened: tuple[Server, SqlSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for a server which stands still, deaf to being told to stop."""
    monkeypatch.setattr(session_module, "GRACE_S", 0.3)
    _, session = opened
    (process,) = drivers_processes()
    process.suspend()
    began = time.monotonic()
    with pytest.raises(TransportError) as caught:
        session.run("SELECT 7 AS number", timeout_s=0.3, most_rows=1)
    assert time.monotonic() - began < 5
    assert caught.value.error is ErrorClass.TIMEOUT and "did not answer within 0.3 s" in caught.value.detail
    assert not drivers_processes()


def test_a_session_ended_by_the_administrator_is_told(
    postgresql_server: PostgreSql, mariadb_server: MariaDb, open_session: Open
) -> None:
    for server in (postgresql_server, mariadb_server):
        session = open_session(place_of(server))
        server.kill_sessions()
        with pytest.raises(TransportError) as caught:
            session.run("SELECT 7 AS number", timeout_s=10, most_rows=1)
        assert caught.value.error is ErrorClass.DROPPED
        assert f"the connection to 127.0.0.1:{server.port} broke" in caught.value.detail


def test_a_line_cut_in_the_middle_of_rows_is_told(
    opened: tuple[Server, SqlSession], open_session: Open
) -> None:
    server, first = opened
    way = first._way  # pyright: ignore[reportPrivateUsage]
    with relay((server.address, server.port)) as line:
        place = place_of(server, driver=way.driver.location).model_copy(update={"port": line.port})
        session = open_session(place)
        line.cut_after = 100_000  # of this connection
        with pytest.raises(TransportError) as caught:
            session.run(MANY[type(server).__name__], timeout_s=20, most_rows=100_000)
    assert caught.value.error is ErrorClass.DROPPED
    assert not any(one.pid == session._process.pid for one in drivers_processes())  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_sql_server_that_hangs_up_in_mid_result_is_told(open_session: Open, driver: str) -> None:
    some = Rows([Column("number", INT)], [(n,) for n in range(100)], complete=False)
    with TdsServer(scripted(answers={"SELECT some": [some, HangUp()]})) as server:
        session = open_session(place_of(server, driver=driver))
        with pytest.raises(TransportError) as caught:
            session.run("SELECT some", timeout_s=10, most_rows=1000)
    assert caught.value.error is ErrorClass.DROPPED


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_server_deaf_to_cancelling_is_left(
    open_session: Open, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "GRACE_S", 0.3)
    with TdsServer(scripted(answers={"SELECT slept": Pause(NEVER_S, deaf=True)})) as server:
        session = open_session(place_of(server, driver=driver))
        with pytest.raises(TransportError) as caught:
            session.run("SELECT slept", timeout_s=1, most_rows=1)
        server.stopping.set()
    assert caught.value.error is ErrorClass.TIMEOUT


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
@pytest.mark.parametrize(("number", "text"), [(1205, "deadlock victim"), (1222, "lock request time out")])
def test_a_batch_keeps_what_came_before_its_error(
    open_session: Open, driver: str, number: int, text: str
) -> None:
    answers = {
        "first": Rows([Column("name", TEXT)], [("one",), ("two",)]),
        "second": Error(number, text, severity=13 if number == 1205 else 16),
    }
    with TdsServer(scripted(answers=answers)) as server:
        session = open_session(place_of(server, driver=driver))
        with pytest.raises(SqlError) as caught:
            session.run(
                "/* checkup:first */ SELECT 1;\n/* checkup:second */ SELECT 2;", timeout_s=10, most_rows=10
            )
        assert caught.value.number == number
        assert caught.value.done == (ResultSet(("name",), [["one"], ["two"]]),)


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_batch_gives_all_its_result_sets(open_session: Open, driver: str) -> None:
    sets = {f"part{n}": Rows([Column("number", INT)], [(n,)] * n) for n in range(4)}
    with TdsServer(scripted(answers=sets)) as server:
        session = open_session(place_of(server, driver=driver))
        text = "\n".join(f"/* checkup:{name} */ SELECT {name};" for name in sets)
        answers = session.run(text, timeout_s=10, most_rows=2)
    assert [len(one.rows) for one in answers] == [0, 1, 2, 2]
    assert [one.truncated for one in answers] == [False, False, False, True]


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_who_comes_is_plain_to_the_client(open_session: Open, driver: str) -> None:
    with TdsServer(scripted(product=replace(SQL_2019))) as server:
        facts = open_session(place_of(server, driver=driver)).facts
        (login,) = server.logins
    assert login.login.application.startswith("checkup/")
    assert login.login.read_only
    assert facts.server == f"Microsoft SQL Server {SQL_2019.version.rpartition('.')[0]}"


def test_another_database_is_entered_in_the_same_process(
    postgresql_server: PostgreSql, open_session: Open
) -> None:
    session = open_session(place_of(postgresql_server))
    (before,) = drivers_processes()
    session.enter("template1", gate=open_gate, credential=ADMIN)
    (answer,) = session.run("SELECT current_database() AS name", timeout_s=10, most_rows=1)
    assert answer.rows == [["template1"]]
    assert drivers_processes() == [before]
    with pytest.raises(TransportError) as caught:
        session.enter("nowhere", gate=open_gate, credential=ADMIN)
    assert caught.value.error is ErrorClass.DENIED
