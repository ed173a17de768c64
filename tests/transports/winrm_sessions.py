"""What the tests of WinRM share: a machine that says what it is told, and sessions that are closed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from checkup.api import ErrorClass
from checkup.transports import Credential, Deadlines, TransportError, winrm
from checkup.transports.winrm_session import WinrmSession
from tests.servers.winrm import Output, WinrmServer

ACCOUNTS = {"checkup": "right"}
PASSWORD = Credential(name="clinic", user="checkup", password="env:TEST_PASSWORD")

PATIENT = Deadlines(retry_pause_s=0.02)
LIMIT_S = 10.0  # longer than a busy machine takes, shorter than the deadlines of PATIENT


@dataclass
class Machine:
    """Every program says `outputs`; what it needs no input for, `early`."""

    outputs: Sequence[Output] = (Output(stdout=b"done\n", exit_code=0),)
    early: Sequence[Output] | None = None
    instances: Mapping[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=dict[tuple[str, str], "list[dict[str, Any]]"]
    )

    def before_input(self, command: str, arguments: list[str]) -> Iterator[Output] | None:
        return None if self.early is None else iter(self.early)

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        return iter(self.outputs)


@dataclass
class Conversation(Machine):
    """Says each of `parts` once somebody asks for it, so that each is an answer of its own."""

    parts: Sequence[bytes] = (b"one", b"two")
    server: WinrmServer | None = None

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        for number, part in enumerate(self.parts):
            while self._asked() <= number:
                yield Output(delay_s=0.002)
            yield Output(stdout=part)
        yield Output(exit_code=0)

    def _asked(self) -> int:
        assert self.server is not None
        actions = self.server.actions
        begun = len(actions) - actions[::-1].index("Command")
        return actions[begun:].count("Receive")


@contextmanager
def conversing(**more: Any) -> Iterator[WinrmServer]:
    """A server whose programs answer in two parts."""
    machine = Conversation()
    with WinrmServer(machine, ACCOUNTS, **more) as server:
        machine.server = server
        yield server


def connect_to(server: WinrmServer, **more: object) -> winrm.Connect:
    tls = {"scheme": "https", "ca_file": str(server.ca_file)} if server.certificate else {}
    unchecked = "fingerprint" in more or "certificate_check" in more
    if unchecked:
        tls.pop("ca_file", None)
    given = {"transport": "winrm", "host": "127.0.0.1", "port": server.port, **tls, **more}
    return winrm.Connect.model_validate(given)


@contextmanager
def session_at(server: WinrmServer, **more: Any) -> Iterator[WinrmSession]:
    """Open, and closed at the end. `more`: arguments of open_session, and fields of Connect."""
    named = {name: more.pop(name) for name in ("credential", "gate", "deadlines", "facts") if name in more}
    session = winrm.open_session(
        connect_to(server, **more), **{"credential": PASSWORD, "deadlines": PATIENT, **named}
    )
    try:
        yield session
    finally:
        session.close()


def run(session: WinrmSession, script: bytes = b"script") -> bytes:
    return b"".join(session.stream(script))


def error_of(work: Callable[[], object], error: ErrorClass, words: str = "") -> TransportError:
    """The error that it ends with, in time; one line that no report cuts."""
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        work()
    assert time.monotonic() - started < LIMIT_S
    assert "\n" not in caught.value.detail and len(caught.value.detail) <= 300, caught.value.detail
    assert (caught.value.error, words in caught.value.detail) == (error, True), caught.value
    return caught.value


def open_error(server: WinrmServer, error: ErrorClass, words: str = "", **more: Any) -> TransportError:
    def work() -> None:
        with session_at(server, **more):
            pass

    return error_of(work, error, words)


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """A server for `listening` that answers anything with this, and then says no more."""

    def serve(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(answer)
        with suppress(OSError):  # the client may have left
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    return serve


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
