"""SFTP itself: over a connection that others use too, without it, and from servers that do as they like."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkup.api import ErrorClass
from checkup.jet.source import SourceError
from checkup.transports import ConnectionFacts, Deadlines, TransportError
from checkup.transports.access_source.sftp import MOST_REQUESTS, Request, Sftp
from checkup.transports.access_source.sftp_files import SftpFiles, open_sftp
from checkup.transports.session import open_gate
from checkup.transports.ssh_link import Link, open_link
from checkup.transports.ssh_session import SshSession
from tests.servers.sshd import Sshd, needs_sshd, sshd
from tests.transports.access_source.conftest import SFTP
from tests.transports.conftest import connect_to, key_of

CONTENT = random.Random(4).randbytes(300_000)


# --- beside a batch ---------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path / "sshd", options=SFTP) as running:
        yield running


@contextmanager
def linked(server: Sshd) -> Iterator[tuple[Link, ConnectionFacts]]:
    facts = ConnectionFacts(transport="ssh")
    link = open_link(
        connect_to(server), key_of(server), gate=open_gate, deadlines=Deadlines(), jump=None, facts=facts
    )
    yield link, facts
    link.close()


@pytest.mark.sshd
@needs_sshd
def test_files_are_read_over_the_connection_of_the_batch(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "clinic.mdb").write_bytes(CONTENT)
    with linked(server) as (link, facts):
        session = SshSession(link, facts, Deadlines())
        output = iter(session.stream(b"echo begun; sleep 0.3; echo done\n"))
        assert next(output) == b"begun\n"
        files = open_sftp(link, facts)
        before = threading.active_count()
        source = files.open(str(tmp_path / "clinic.mdb"))
        assert source.read([(7, 200_000)]) == [CONTENT[7:200_007]]
        assert threading.active_count() == before
        files.close()
        assert b"".join(output) == b"done\n"
        assert b"".join(session.stream(b"echo again\n")) == b"again\n"
    assert (server.connections, server.logins) == (1, 1)


@pytest.mark.sshd
@needs_sshd
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ErrorClass.DISABLED),
        ({"Subsystem": "sftp /bin/false"}, ErrorClass.PROTOCOL),
        ({"Subsystem": "sftp /bin/echo Welcome to the clinic"}, ErrorClass.PROTOCOL),
        ({"Subsystem": "sftp /bin/sleep 60"}, ErrorClass.TIMEOUT),
        ({"MaxSessions": "0"}, ErrorClass.QUOTA),
    ],
    ids=["none", "ends", "talks", "mute", "no-session"],
)
def test_no_sftp_is_said_so(tmp_path: Path, options: dict[str, str], error: ErrorClass) -> None:
    with sshd(tmp_path / "sshd", options=options) as running, linked(running) as (link, facts):
        with pytest.raises(TransportError) as caught:
            open_sftp(link, facts, round_s=0.5)
        assert caught.value.error is error


# --- servers that do as they like -------------------------------------------------------------


@dataclass
class Channel:
    """Stands for a channel of paramiko's: what is sent is answered by `serve`, packet for packet."""

    serve: Callable[[int, bytes], list[bytes]]
    waiting: bytearray = field(default_factory=bytearray)
    asked: list[list[int]] = field(default_factory=list[list[int]])  # kinds of requests, by round
    closed: bool = False

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def sendall(self, data: bytes) -> None:
        if self.closed:
            raise OSError("Socket is closed")
        kinds: list[int] = []
        while data:
            (length,) = struct.unpack_from(">I", data)
            packet, data = data[4 : 4 + length], data[4 + length :]
            kinds.append(packet[0])
            for answer in self.serve(packet[0], packet[1:]):
                self.waiting += answer
        self.asked.append(kinds)

    def recv(self, nbytes: int) -> bytes:
        chunk = bytes(self.waiting[:nbytes])
        del self.waiting[:nbytes]
        if not chunk and not self.closed:
            raise TimeoutError
        return chunk

    def close(self) -> None:
        self.closed = True


@dataclass
class OpenLink:
    """Stands for an SSH connection."""

    where: str = "server:22"
    wire: Any = None

    def __post_init__(self) -> None:
        self.wire = self

    def allow(self, nbytes: int) -> None:
        assert nbytes > 0

    @contextmanager
    def closed_after(self, seconds: float) -> Iterator[threading.Event]:
        yield threading.Event()


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack(">IB", 1 + len(body), kind) + body


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def attributes(number: bytes, size: int) -> bytes:
    return packet(105, number + struct.pack(">IQIII", 1 | 4 | 8, size, 0o100644, 1, 1_790_000_000))


def data_of(number: bytes, body: bytes, *, most: int = 1 << 20, content: bytes = CONTENT) -> bytes:
    """The answer to a read, of at most so many bytes."""
    (length,) = struct.unpack_from(">I", body, 4)
    offset, wanted = struct.unpack_from(">QI", body, 8 + length)
    data = content[offset : offset + min(wanted, most)]
    if not data:
        return packet(101, number + struct.pack(">I", 1) + text(b"end") + text(b""))
    return packet(103, number + text(data))


def honest(kind: int, body: bytes, *, most: int = 1 << 20, size: int = len(CONTENT)) -> list[bytes]:
    number = body[:4]
    if kind == Request.INIT:
        return [packet(2, struct.pack(">I", 3) + text(b"newer@example.com") + text(b"1"))]
    if kind in (Request.STAT, Request.FSTAT):
        return [attributes(number, size)]
    if kind == Request.OPEN:
        assert struct.unpack(">II", body[-8:]) == (1, 0)  # for reading, and nothing else
        return [packet(102, number + text(b"handle"))]
    if kind == Request.READ:
        return [data_of(number, body, most=most)]
    assert kind == Request.CLOSE
    return [packet(101, number + struct.pack(">I", 0) + text(b"") + text(b""))]


def files_of(serve: Callable[[int, bytes], list[bytes]]) -> tuple[SftpFiles, Channel]:
    channel = Channel(serve)
    link = cast("Link", OpenLink())
    session = Sftp(link, cast("Any", channel), 1)
    session.begin()
    return SftpFiles(link, session, ConnectionFacts(transport="sftp"), close_link=False), channel


RANGES = [(0, 100_000), (150_000, 10), (200_000, 200_000), (299_999, 1), (300_000, 10)]
RIGHT = [CONTENT[start : start + length] for start, length in RANGES]


def test_a_round_is_sent_at_once_and_reads_only() -> None:
    files, channel = files_of(honest)
    source = files.open("/data/clinic.mdb")
    channel.asked.clear()
    assert source.read(RANGES) == RIGHT
    (kinds,) = channel.asked
    assert set(kinds) == {Request.READ, Request.FSTAT}
    source.close()
    assert channel.asked[-1] == [Request.CLOSE]


def test_answers_in_any_order() -> None:
    held: list[bytes] = []

    def serve(kind: int, body: bytes) -> list[bytes]:
        if kind == Request.READ:
            held.extend(honest(kind, body))
            return []
        held.reverse()
        late, held[:] = list(held), []
        return honest(kind, body) + late

    assert files_of(serve)[0].open("/x.mdb").read(RANGES) == RIGHT


def test_a_server_that_hands_out_less_than_it_is_asked_for() -> None:
    files, channel = files_of(lambda kind, body: honest(kind, body, most=20_000))
    source = files.open("/x.mdb")
    channel.asked.clear()
    assert source.read(RANGES) == RIGHT
    assert 1 < len(channel.asked) < 20


def test_a_file_that_grows_between_two_answers_leaves_no_gap() -> None:
    ended: list[int] = []

    def serve(kind: int, body: bytes) -> list[bytes]:
        if kind == Request.READ and not ended:
            ended.append(1)
            return [packet(101, body[:4] + struct.pack(">I", 1) + text(b"") + text(b""))]
        return honest(kind, body)

    assert files_of(serve)[0].open("/x.mdb").read([(0, 100_000), (5, 5)]) == [b"", CONTENT[5:10]]


def test_no_more_is_under_way_than_may_be() -> None:
    files, channel = files_of(honest)
    source = files.open("/x.mdb")
    channel.asked.clear()
    assert len(source.read([(number * 10, 10) for number in range(3000)])) == 3000
    assert len(channel.asked[0]) == MOST_REQUESTS
    assert sum(map(len, channel.asked)) == 3001


@pytest.mark.parametrize(
    "answer",
    [
        lambda number, body: [packet(103, number + text(bytes(400_000)))],  # larger than any packet may be
        lambda number, body: [packet(103, number + text(bytes(33_000)))],  # more than was asked for
        lambda number, body: [packet(103, number + struct.pack(">I", 2**32 - 1) + b"x")],
        lambda number, body: [packet(103, number)],
        lambda number, body: [packet(103, b"")],
        lambda number, body: [struct.pack(">I", 0)],
        lambda number, body: [packet(102, number + text(b"handle"))],
        lambda number, body: [packet(105, number + struct.pack(">I", 0))],
        lambda number, body: [packet(104, number + struct.pack(">I", 9))],
        lambda number, body: [packet(101, number + struct.pack(">I", 4) + text(b"I/O error") + text(b""))],
        lambda number, body: [packet(101, number + struct.pack(">I", 77))],
        lambda number, body: [data_of(number, body, most=1)],  # without end
        lambda number, body: [b"Connection closed by foreign host."],
    ],
)
def test_answers_that_make_no_sense(answer: Callable[[bytes, bytes], list[bytes]]) -> None:
    def serve(kind: int, body: bytes) -> list[bytes]:
        return answer(body[:4], body) if kind == Request.READ else honest(kind, body)

    source = files_of(serve)[0].open("/x.mdb")
    with pytest.raises(SourceError) as caught:
        source.read([(0, 32_768)])
    assert caught.value.kind in ("broken", "timeout")


def test_answers_that_nobody_waits_for_are_left_aside() -> None:
    def serve(kind: int, body: bytes) -> list[bytes]:
        stray = [packet(103, struct.pack(">I", 4_000_000_000) + text(b"old"))]
        return honest(kind, body) if kind == Request.INIT else stray + honest(kind, body)

    assert files_of(serve)[0].open("/x.mdb").read(RANGES) == RIGHT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from([101, 102, 103, 105, 0, 255]))
def test_whatever_a_server_says_is_an_error_or_an_answer(bodies: list[bytes], kind: int) -> None:
    files, channel = files_of(honest)
    source = files.open("/x.mdb")
    numbers = iter(bodies)

    def serve(asked: int, body: bytes) -> list[bytes]:
        return [packet(kind, body[:4] + next(numbers, b""))]

    channel.serve = serve
    for call in (source.stat, lambda: source.read([(0, 9)]), lambda: files.lock_file("/x.mdb"), source.close):
        with suppress(SourceError):
            call()
