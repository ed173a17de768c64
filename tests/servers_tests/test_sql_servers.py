"""The real servers do what the tests believe they do."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import pytest

from tests.servers.mariadb import MariaDb, mariadb, mariadb_server, needs_mariadb
from tests.servers.postgresql import PostgreSql, needs_postgresql, postgresql, postgresql_server

pytestmark = [needs_postgresql, needs_mariadb]

__all__ = ["mariadb_server", "postgresql_server"]  # fixtures

Server = PostgreSql | MariaDb


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def table(server: Server) -> Iterator[str]:
    """A table of one's own in a database that both engines have of old."""
    name = f"waited_for_{os.getpid()}"
    where = {"database": "postgres" if isinstance(server, PostgreSql) else "mysql"}
    server.run(f"CREATE TABLE {name} (id int)", **where)
    yield name
    server.run(f"DROP TABLE {name}", **where)


def test_rows_come_as_texts(server: Server) -> None:
    assert server.run("SELECT 1, 'zwei'; SELECT 3") == [["1", "zwei"], ["3"]]


def test_an_error_is_told(server: Server) -> None:
    with pytest.raises(RuntimeError, match="nowhere"):
        server.run("SELECT nowhere")


def test_there_is_one_account_and_its_password_counts(server: Server) -> None:
    with pytest.raises(RuntimeError, match=r"(?i)admin"):
        server.run("SELECT 1", password="wrong")
    with pytest.raises(RuntimeError, match="somebody"):
        server.run("SELECT 1", user="somebody", password="")


def test_it_does_not_run_as_root(server: Server) -> None:
    if os.geteuid() == 0:
        assert psutil.Process(server.process.pid).username() != "root"


def test_a_session_that_holds_a_lock_lets_another_wait(server: Server, table: str) -> None:
    database = "postgres" if isinstance(server, PostgreSql) else "mysql"
    lock, waiting = (
        (f"BEGIN; LOCK TABLE {table}", f"SET lock_timeout = '50ms'; SELECT count(*) FROM {table}")
        if isinstance(server, PostgreSql)
        else (f"LOCK TABLES {table} WRITE", f"SET lock_wait_timeout = 0; SELECT count(*) FROM {table}")
    )
    with server.hold(lock, database=database) as holder:
        assert server.sessions() >= 1  # one that has just ended may still be listed
        with pytest.raises(RuntimeError, match=r"(?i)lock"):
            server.run(waiting, database=database)
        assert holder.run("SELECT 7") == ["7"]


def test_sessions_can_be_ended(server: Server) -> None:
    with server.hold("SELECT 1") as one:
        server.kill_sessions()
        with pytest.raises((RuntimeError, BrokenPipeError)):
            one.run("SELECT 2")


def test_tls_is_spoken(postgresql_server: PostgreSql, mariadb_server: MariaDb) -> None:
    spoken = postgresql_server.run("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert spoken[0][0].startswith("TLSv1.")
    assert mariadb_server.run("SHOW STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1.")


def test_nothing_is_left_of_a_server_of_ones_own() -> None:
    with postgresql(options={"max_connections": "5"}) as one, mariadb(options={"log-bin": ""}) as other:
        assert one.run("SHOW max_connections") == [["5"]]
        assert other.run("SELECT @@log_bin") == [["1"]]
        family = [
            process
            for server in (one, other)
            for process in (
                psutil.Process(server.process.pid),
                *psutil.Process(server.process.pid).children(recursive=True),
            )
        ]
    assert not [process for process in family if process.is_running()]
    assert not one.folder.exists() and not other.folder.exists()


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"), postgresql(options={"no_such_setting": "1"}):
        pass
    with pytest.raises(RuntimeError, match="no-such-option"), mariadb(options={"no-such-option": "1"}):
        pass
