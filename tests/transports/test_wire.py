from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from checkup.api import ErrorClass
from checkup.transports import TransportError
from checkup.transports.wire import TooMuch, Wire, dial


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_a_dialled_socket_sends_at_once_and_notices_a_dead_line(listener: socket.socket) -> None:
    dialled = dial("127.0.0.1", listener.getsockname()[1], 5)
    with dialled.socket as opened:
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 0 < dialled.round_trip_s < 5
    assert dialled.address == f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_closed_port_is_unreachable_and_says_so_plainly() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match="refuses connections") as caught:
            dial("127.0.0.1", nobody.getsockname()[1], 5)
    assert caught.value.error is ErrorClass.UNREACHABLE


def test_silence_is_unreachable_after_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address: tuple[str, int] = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # fill the queue, so that nobody answers any more
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        with pytest.raises(TransportError, match=r"no answer from .* within 0\.3 s") as caught:
            dial(address[0], address[1], 0.3)
        for client in waiting:
            client.close()
    assert caught.value.error is ErrorClass.UNREACHABLE


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 70, "bad..name"])
def test_a_name_that_cannot_be_looked_up_is_unreachable(name: str) -> None:
    with pytest.raises(TransportError, match=f"the name {name} could not be looked up") as caught:
        dial(name, 22, 1)
    assert caught.value.error is ErrorClass.UNREACHABLE


def test_a_name_with_several_addresses_takes_the_first_that_answers(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (9, 9, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    dialled = dial("two.example", port, 5)
    dialled.socket.close()
    assert dialled.address == f"127.0.0.1:{port}"


def test_a_wire_takes_no_more_than_it_is_allowed_and_keeps_the_beginning() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)
        wire.allow(10)
        theirs.sendall(b"0123456789")
        assert wire.recv(100) == wire.first == b"0123456789"
        theirs.sendall(b"!")
        with pytest.raises(TooMuch):
            wire.recv(100)
        with pytest.raises(TooMuch):
            wire.recv(2**31)


class SlowChannel:
    """A channel through a jump host, in the middle of sending."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.sending, self.go_on = threading.Event(), threading.Event()

    def recv(self, nbytes: int) -> bytes:
        return b""

    def send(self, data: bytes) -> int:
        self.sending.set()
        self.go_on.wait(1)
        self.events.append("sent")
        return len(data)

    def settimeout(self, timeout: float | None) -> None: ...

    def close(self) -> None:
        self.events.append("closed")


def test_a_channel_is_not_closed_while_another_thread_sends_and_sends_nothing_later() -> None:
    channel = SlowChannel()
    wire = Wire(channel)
    sender = threading.Thread(target=wire.send, args=(b"last words",))
    closer = threading.Thread(target=wire.close)
    sender.start()
    channel.sending.wait(5)
    closer.start()
    channel.go_on.set()
    sender.join()
    closer.join()
    with pytest.raises(BrokenPipeError):
        wire.send(b"too late")
    assert channel.events == ["sent", "closed"]


class GoneChannel:
    """A channel through a jump host whose connection is gone: paramiko says so by EOFError."""

    def recv(self, nbytes: int) -> bytes:
        return b""

    def send(self, data: bytes) -> int:
        return len(data)

    def settimeout(self, timeout: float | None) -> None:
        pass

    def close(self) -> None:
        raise EOFError


def test_closing_a_channel_whose_jump_host_is_gone_is_no_error() -> None:
    Wire(GoneChannel()).close()
