"""Who may use a tunnel's port: the driver's process, and nobody else on this station."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from checkup.transports.odbc import tunnel as tunnel_module
from checkup.transports.odbc.session import SqlError
from checkup.transports.odbc.tunnel import Tunnel
from checkup.transports.wire import Stream
from tests.servers.postgresql import PostgreSql
from tests.servers.sshd import Sshd, needs_sshd
from tests.servers.tds import TdsServer
from tests.transports.odbc.conftest import Open, Server, drivers_processes, place_of
from tests.transports.odbc.test_odbc_ways import bastion, pool_of

__all__ = ["bastion"]  # a fixture

# Another process of this account: dials, and prints what it is told.
STRANGER = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); print(s.recv(9))"
)


class Far:
    """The jump host's side: each channel that was opened, by the end that the server would have."""

    def __init__(self) -> None:
        self.opened: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._ends: list[socket.socket] = []

    def channel(self) -> Stream:
        near, far = socket.socketpair()
        far.settimeout(5)
        self._ends.append(far)
        self.opened.put(far)
        return near

    def end(self) -> socket.socket:
        return self.opened.get(timeout=5)

    def close(self) -> None:
        for end in self._ends:
            end.close()


@contextmanager
def tunnel(far: Far, pid: int) -> Iterator[Tunnel]:
    opened = Tunnel(far.channel, pid)
    try:
        yield opened
    finally:
        opened.close()
        far.close()


def dialled(to: Tunnel) -> socket.socket:
    return socket.create_connection((to.host, to.port), timeout=5)


def test_what_the_process_itself_dials_is_carried_both_ways() -> None:
    far = Far()
    with tunnel(far, os.getpid()) as opened, dialled(opened) as ours:
        ours.sendall(b"question")
        end = far.end()
        assert end.recv(9) == b"question"
        end.sendall(b"answer")
        assert ours.recv(9) == b"answer"


def test_another_process_is_hung_up_on_and_no_channel_is_opened() -> None:
    far = Far()
    with tunnel(far, os.getpid()) as opened:
        said = subprocess.run(
            [sys.executable, "-c", STRANGER, str(opened.port)], capture_output=True, text=True, timeout=20
        )
        assert said.stdout.strip() in ("b''", "") and (said.stdout or "ConnectionReset" in said.stderr)
        assert far.opened.empty() and opened.failure is None
        with dialled(opened) as ours:  # whose turn it still is
            ours.sendall(b"question")
            assert far.end().recv(9) == b"question"


def test_an_address_is_not_enough() -> None:
    """Another account may dial from the driver's own port, by another address of the loopback."""
    far = Far()
    with tunnel(far, os.getpid()) as opened:
        ours = dialled(opened)
        far.end()
        port = ours.getsockname()[1]
        look = tunnel_module.dialled_by
        assert look(os.getpid(), ("127.0.0.1", port), (opened.host, opened.port))
        assert not look(os.getpid(), ("127.0.0.2", port), (opened.host, opened.port))
        assert not look(os.getpid(), ("127.0.0.1", port), (opened.host, port))
        ours.close()


def test_a_process_that_has_ended_is_nobody() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not tunnel_module.dialled_by(ended.pid, ("127.0.0.1", 1), ("127.0.0.1", 2))


def test_once_it_stopped_listening_what_is_open_stays_open() -> None:
    far = Far()
    with tunnel(far, os.getpid()) as opened, dialled(opened) as ours:
        end = far.end()
        opened.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            dialled(opened)
        ours.sendall(b"still")
        assert end.recv(9) == b"still"
        assert far.opened.empty()


def listening(port: int) -> bool:
    own = psutil.Process(os.getpid()).net_connections("tcp4")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in own)


@pytest.mark.sshd
@needs_sshd
def test_a_session_keeps_its_port_only_where_the_driver_dials_again(
    open_session: Open, server: Server, bastion: Sshd
) -> None:
    """PostgreSQL's and MariaDB's drivers stop a statement over a second connection; nobody else may have
    the port then, for the login goes there."""
    with pool_of(bastion) as pool:
        session = open_session(place_of(server, via="bastion"), jump=pool)
        (driver,) = drivers_processes()
        dialled_to = {one.raddr.port for one in driver.net_connections("tcp4") if one.raddr}
        (port,) = dialled_to
        assert listening(port) == (place_of(server).engine != "sqlserver")
        session.close()
        assert not listening(port)


@pytest.mark.sshd
@needs_sshd
def test_a_statement_is_stopped_through_a_tunnel(open_session: Open, server: Server, bastion: Sshd) -> None:
    if isinstance(server, TdsServer):
        return  # it is stopped over its own connection
    with pool_of(bastion) as pool:
        session = open_session(place_of(server, via="bastion"), jump=pool)
        text = "SELECT pg_sleep(20)" if isinstance(server, PostgreSql) else "SELECT SLEEP(20)"
        began = time.monotonic()
        with pytest.raises(SqlError):
            session.run(text, timeout_s=0.5, most_rows=1)
        assert time.monotonic() - began < 5
        assert session.run("SELECT 7 AS number", timeout_s=10, most_rows=1)[0].rows == [[7]]
