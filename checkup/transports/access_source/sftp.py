"""SFTP version 3, as far as it reads: draft-ietf-secsh-filexfer-02, which OpenSSH and most others speak.

paramiko's own client reads several places of a file with a thread that may stay behind, and takes
answers of any size. Here is a round: all requests leave together, the answers come in any order, each
bounded in size and all in time.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

from paramiko import Channel, SSHException

from checkup.jet.source import SourceError, Stat
from checkup.transports.access_source.files import MOST_BYTES, MOST_REQUESTS, round_limit_s
from checkup.transports.session import OUTPUT_LIMIT
from checkup.transports.ssh_link import Link

VERSION = 3
READ_BYTES = 32 * 1024  # what every server must be able to answer at once (section 3)
LARGEST_PACKET = 256 * 1024  # OpenSSH's
CHUNK = 1024**2
CLOSING_S = 5.0
ANYONE_WRITES = 0o222

# Other work may go on over the same connection; what it was allowed must not be taken from it.
ALLOWANCE = OUTPUT_LIMIT * 2


class Request(IntEnum):
    """Nothing else is ever sent."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    FSTAT = 8
    STAT = 17


class Code(IntEnum):
    """What a status says (section 7)."""

    OK = 0
    END_OF_FILE = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    UNSUPPORTED = 8


_VERSION_ANSWER, _STATUS, _HANDLE, _DATA, _ATTRIBUTES = 2, 101, 102, 103, 105
_OPEN_FOR_READING = 1
_HAS_SIZE, _HAS_OWNER, _HAS_PERMISSIONS, _HAS_TIMES = 1, 2, 4, 8


@dataclass(frozen=True)
class Status:
    code: int


@dataclass(frozen=True)
class Handle:
    value: bytes


@dataclass(frozen=True)
class Data:
    value: bytes


@dataclass(frozen=True)
class Attributes:
    """`mode` as in POSIX, None where the server does not say."""

    stat: Stat
    mode: int | None


Answer = Status | Handle | Data | Attributes


@dataclass(frozen=True)
class Asked:
    """One request; `expects`: how many bytes of data its answer may carry."""

    kind: Request
    body: bytes
    expects: int = 0


def open_for_reading(path: str) -> Asked:
    return Asked(Request.OPEN, _text(path.encode()) + struct.pack(">II", _OPEN_FOR_READING, 0))


def status_of(path: str) -> Asked:
    return Asked(Request.STAT, _text(path.encode()))


def status_of_open(handle: bytes) -> Asked:
    return Asked(Request.FSTAT, _text(handle))


def read(handle: bytes, offset: int, length: int) -> Asked:
    return Asked(Request.READ, _text(handle) + struct.pack(">QI", offset, length), length)


def close(handle: bytes) -> Asked:
    return Asked(Request.CLOSE, _text(handle))


class Sftp:
    """One SFTP session; one thread at a time may ask."""

    def __init__(self, link: Link, channel: Channel, round_s: float) -> None:
        self._link = link
        self._channel = channel
        self._round_s = round_s
        self._buffer = bytearray()
        self._next = 0

    def begin(self) -> None:
        """Agree on the version. Raises SourceError; "broken" also where the other side speaks no SFTP."""
        with self._bounded(0) as deadline:
            self._send(_packet(Request.INIT, struct.pack(">I", VERSION)), deadline)
            kind, body = self._packet(deadline)
            if kind != _VERSION_ANSWER or len(body) < 4 or struct.unpack_from(">I", body)[0] < VERSION:
                raise SourceError("broken", f"{self._link.where} answers, but not by SFTP version 3")

    def ask(self, asked: Sequence[Asked], *, round_s: float | None = None) -> list[Answer]:
        """The answers in the order of the requests, all in one round as far as MOST_BYTES go.

        Raises SourceError: timeout, broken.
        """
        expected = sum(one.expects for one in asked)
        with self._bounded(expected, round_s) as deadline:
            return self._round(asked, deadline)

    def close(self) -> None:
        self._channel.close()

    def _round(self, asked: Sequence[Asked], deadline: float) -> list[Answer]:
        first = self._next
        self._next += len(asked)
        answers: dict[int, Answer] = {}
        sent = underway = 0
        while len(answers) < len(asked):
            burst = bytearray()
            while sent < len(asked) and self._has_room(sent - len(answers), underway, asked[sent]):
                number = struct.pack(">I", (first + sent) & 0xFFFFFFFF)
                burst += _packet(asked[sent].kind, number + asked[sent].body)
                underway += asked[sent].expects
                sent += 1
            if burst:
                self._send(bytes(burst), deadline)
            number, answer = self._answer(deadline)
            place = (number - first) & 0xFFFFFFFF
            if place < sent and place not in answers:  # else it is late, of a round that was given up
                answers[place] = answer
                underway -= asked[place].expects
        return [answers[place] for place in range(len(asked))]

    def _has_room(self, requests: int, nbytes: int, next_one: Asked) -> bool:
        return not requests or (requests < MOST_REQUESTS and nbytes + next_one.expects <= MOST_BYTES)

    def _answer(self, deadline: float) -> tuple[int, Answer]:
        kind, body = self._packet(deadline)
        try:
            (number,) = struct.unpack_from(">I", body)
            return number, _parsed(kind, body)
        except (struct.error, ValueError):
            raise self._broken("sent an SFTP answer that cannot be read") from None

    def _packet(self, deadline: float) -> tuple[int, bytes]:
        self._fill(4, deadline)
        (length,) = struct.unpack_from(">I", self._buffer)
        if not 1 <= length <= LARGEST_PACKET:
            raise self._broken("speaks no SFTP: do the account's start-up files print something?")
        self._fill(4 + length, deadline)
        kind, body = self._buffer[4], bytes(self._buffer[5 : 4 + length])
        del self._buffer[: 4 + length]
        return kind, body

    def _fill(self, wanted: int, deadline: float) -> None:
        while len(self._buffer) < wanted:
            self._channel.settimeout(_left(deadline))
            more = self._channel.recv(CHUNK)
            if not more:
                raise self._broken("ended the SFTP session")
            self._buffer += more

    def _send(self, data: bytes, deadline: float) -> None:
        self._channel.settimeout(_left(deadline))
        self._channel.sendall(data)

    @contextmanager
    def _bounded(self, expected: int, round_s: float | None = None) -> Generator[float]:
        """A block that ends in time, and whose errors of the connection become SourceErrors.

        After any of them the session is closed: answers that come late would be taken for others.
        """
        limit_s = round_limit_s(round_s or self._round_s, expected)
        self._link.wire.allow(ALLOWANCE + 2 * expected)
        late = SourceError("timeout", f"{self._link.where} did not answer within {limit_s:.0f} s")
        # Our own waits end at the limit. Sending may wait inside paramiko, without end.
        with self._link.closed_after(limit_s + CLOSING_S) as expired:
            try:
                yield time.monotonic() + limit_s
            except (SSHException, OSError, EOFError) as error:
                self._channel.close()
                if isinstance(error, TimeoutError) or expired.is_set():
                    raise late from None
                raise self._broken("broke the connection") from None
            except SourceError:
                self._channel.close()
                raise

    def _broken(self, what: str) -> SourceError:
        return SourceError("broken", f"{self._link.where} {what}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _packet(kind: Request, body: bytes) -> bytes:
    return struct.pack(">IB", 1 + len(body), kind) + body


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _parsed(kind: int, body: bytes) -> Answer:
    """Raises ValueError or struct.error."""
    if kind == _STATUS:
        return Status(struct.unpack_from(">I", body, 4)[0])
    if kind in (_HANDLE, _DATA):
        (length,) = struct.unpack_from(">I", body, 4)
        value = body[8 : 8 + length]
        if len(value) != length:
            raise ValueError("cut short")
        return Handle(value) if kind == _HANDLE else Data(value)
    if kind == _ATTRIBUTES:
        return _attributes(body)
    raise ValueError("not an answer")


def _attributes(body: bytes) -> Attributes:
    (flags,) = struct.unpack_from(">I", body, 4)
    layout = "".join(
        form
        for flag, form in ((_HAS_SIZE, "Q"), (_HAS_OWNER, "II"), (_HAS_PERMISSIONS, "I"), (_HAS_TIMES, "II"))
        if flags & flag
    )
    fields: Iterator[int] = iter(struct.unpack_from(f">{layout}", body, 8))
    if not flags & _HAS_SIZE:
        raise ValueError("a file without a size")
    size = next(fields)
    if flags & _HAS_OWNER:
        next(fields)
        next(fields)
    mode = next(fields) if flags & _HAS_PERMISSIONS else None
    modified = None
    if flags & _HAS_TIMES:
        next(fields)
        modified = float(next(fields))
    read_only = None if mode is None else not mode & ANYONE_WRITES
    return Attributes(Stat(size_bytes=size, modified=modified, read_only=read_only), mode)
