from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.odbc.session import SqlSession, open_sql
from checkup.transports.session import ConnectionFacts, Credential, Deadlines
from tests.servers.mariadb import MariaDb, mariadb_server
from tests.servers.postgresql import PASSWORD, PostgreSql, postgresql_server
from tests.servers.tds import Account, Scripted, TdsServer, server_context
from tests.servers.tds.drivers import microsoft
from tests.servers.winrm.tls import Certificate, make_certificate

__all__ = ["mariadb_server", "postgresql_server"]  # fixtures

Server = PostgreSql | MariaDb | TdsServer
Open = Callable[..., SqlSession]

ADMIN = Credential(name="databases", user="admin", password="env:TEST_SQL_PASSWORD")
WRONG = Credential(name="databases", user="admin", password="env:TEST_PASSWORD")  # "right", which it is not

# For servers that answer, however busy this machine is, and for those that do not.
PATIENT = Deadlines(connect_s=10, banner_s=10, auth_s=20)
SOON = Deadlines(connect_s=1, banner_s=0.3, auth_s=1)

MICROSOFT = microsoft([])
needs_microsoft = pytest.mark.skipif(
    MICROSOFT is None, reason="needs the extra mssql (Microsoft's ODBC driver)"
)
SQL_SERVER_DRIVERS = [
    pytest.param("FreeTDS", id="freetds"),
    pytest.param(MICROSOFT.location if MICROSOFT else "", id="microsoft", marks=needs_microsoft),
]


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SQL_PASSWORD", PASSWORD)


@pytest.fixture(autouse=True)
def no_process_left_behind() -> Iterator[None]:
    """Nor what belonged to it. (Session fixtures start their servers when first asked for, so only drivers'
    processes count.)"""
    yield
    assert not drivers_processes()


def drivers_processes() -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for one in psutil.Process(os.getpid()).children():
        try:
            if any(word.endswith("worker.py") for word in one.cmdline()):
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def engine_of(server: Server) -> str:
    if isinstance(server, TdsServer):
        return "sqlserver"
    return "postgresql" if isinstance(server, PostgreSql) else "mariadb"


def place_of(server: Server, **more: object) -> SqlPlace:
    """The site file's way to a server; without TLS unless `more` says else."""
    where = {"engine": engine_of(server), "server": server.address, "port": server.port}
    return SqlPlace.model_validate({**where, "encryption": "clear", **more})


@pytest.fixture
def open_session() -> Iterator[Open]:
    """Opens a session, and closes it after the test."""
    opened: list[SqlSession] = []

    def opener(place: SqlPlace, credential: Credential | None = ADMIN, **more: Any) -> SqlSession:
        arguments = {"facts": ConnectionFacts(transport="odbc"), "deadlines": PATIENT, **more}
        session = open_sql(place, place.engine, credential, **arguments)
        opened.append(session)
        return session

    yield opener
    for session in opened:
        session.close()


def scripted(**more: Any) -> Scripted:
    """A SQL Server that lets ADMIN in."""
    return Scripted(accounts={"admin": Account(PASSWORD)}, **more)


def tls_of(certificate: Certificate, *, old: bool = False) -> dict[str, Any]:
    context = server_context(certificate.file, certificate.key_file, "1.0" if old else "1.2")
    return {"encrypts": "off", "tls": context}


@pytest.fixture(params=["sqlserver", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of each engine, without TLS or with it on offer."""
    if request.param != "sqlserver":
        yield request.getfixturevalue(f"{request.param}_server")
        return
    with TdsServer(scripted()) as tds:
        yield tds


@pytest.fixture
def mute() -> Iterator[tuple[str, int]]:
    """An address where connections are taken and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


@pytest.fixture
def fake_pyodbc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a module of one's own in the place of pyodbc, for the drivers' processes."""

    def put(source: str) -> None:
        (tmp_path / "pyodbc.py").write_text(source, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put
