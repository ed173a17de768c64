"""A TCP connection as a tool on a slow and hostile line wants it: prompt, bounded, never half dead."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from errno import EMSGSIZE, EPIPE
from typing import Protocol, cast

from checkup.api import ErrorClass
from checkup.transports.session import TransportError

# What a server may send before it has let us in: a greeting, keys, a banner of the lawyers.
BEFORE_LOGIN = 1024**2
UNLIMITED = 2**63
LARGEST_PACKET = 300_000  # OpenSSH's is 256 KiB
FIRST = 256

# A jump host that takes no data for so long is lost, and its channels with it.
STUCK_S = 2.0

# After this much silence of the other side the connection counts as dead.
IDLE_S, PROBE_S, PROBES = 20, 10, 4
UNACKNOWLEDGED_MS = 60_000


class Stream(Protocol):
    """A socket, or a channel through a jump host."""

    def recv(self, nbytes: int, /) -> bytes: ...
    def send(self, data: bytes, /) -> int: ...
    def settimeout(self, timeout: float | None, /) -> None: ...
    def close(self) -> None: ...


class Busy(TransportError):
    """The server hung up before its first word, as one does that has too many logins at once."""


class TooMuch(OSError):
    """The other side sent more than it may. (With a number: paramiko formats the one of every OSError.)"""


class Wire:
    """What an SSH library reads and writes: counts what comes, and keeps its first bytes.

    `allow` says how much may still come; reading beyond it raises TooMuch, and so does reading more
    at once than fits in a packet.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._closed = False
        self._sending = threading.Lock()
        # The server's small packets wait for our acknowledgement (Nagle); ours would wait 40 ms.
        self._acknowledge_at_once = isinstance(stream, socket.socket) and hasattr(socket, "TCP_QUICKACK")
        # One thread reads and counts, others set the limit: neither writes what the other does.
        self._received = 0
        self._limit = BEFORE_LOGIN
        self.first = b""

    def recv(self, nbytes: int) -> bytes:
        if nbytes > LARGEST_PACKET:  # an SSH library asks for a whole packet, however large it is said to be
            raise TooMuch(EMSGSIZE, "the server announced a packet larger than any")
        data = self._stream.recv(nbytes)
        if self._acknowledge_at_once:
            _set(self._stream, "TCP_QUICKACK", 1)
        if len(self.first) < FIRST:
            self.first += data[: FIRST - len(self.first)]
        self._received += len(data)
        if self._received > self._limit:
            raise TooMuch(EMSGSIZE, "the server sent more than it may")
        return data

    def allow(self, nbytes: int) -> None:
        """From now on, `nbytes` more may come."""
        self._limit = self._received + nbytes

    def send(self, data: bytes) -> int:
        with self._sending:
            if self._closed:
                raise BrokenPipeError(EPIPE, "closed from our side")
            return self._stream.send(data)

    def settimeout(self, timeout: float | None) -> None:
        self._stream.settimeout(timeout)

    def close(self) -> None:
        self._closed = True
        if isinstance(self._stream, socket.socket):
            # Closing alone would leave another thread waiting in recv until its timeout.
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
            self._stream.close()
        # A channel that is closed while another thread sends lets that data go out after the close.
        # OpenSSH answers with the end of the whole connection: for all machines behind a jump host.
        elif self._sending.acquire(timeout=STUCK_S):
            try:
                # Where the jump host's own connection is gone, paramiko cannot say goodbye on it.
                with contextlib.suppress(OSError, EOFError):
                    self._stream.close()
            finally:
                self._sending.release()


@dataclass(frozen=True)
class Dialled:
    """An open connection, the address it led to, and how long the three-way handshake took."""

    socket: socket.socket
    address: str
    round_trip_s: float


def dial(host: str, port: int, timeout_s: float) -> Dialled:
    """Connect to the first address of `host` that answers, within `timeout_s` for all of them.

    The look-up of the name comes on top; its limit is the operating system's. Raises
    TransportError(UNREACHABLE).
    """
    addresses = _resolve(host, port)
    deadline = time.monotonic() + timeout_s
    failure = TransportError(ErrorClass.UNREACHABLE, f"the name {host} has no address")
    for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share_s = max(0.1, (deadline - time.monotonic()) / left)
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            _tune(opened)
            opened.settimeout(share_s)
            started = time.monotonic()
            opened.connect(address)
        except OSError as error:
            opened.close()
            failure = _unreachable(error, shown_address(address[0], port), timeout_s)
        else:
            return Dialled(opened, shown_address(address[0], port), time.monotonic() - started)
    raise failure


def shown_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolve(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a valid name"
        raise TransportError(
            ErrorClass.UNREACHABLE,
            f"the name {host} could not be looked up ({why}): is the VPN up, or should the site file "
            "name the machine by its address?",
        ) from None
    # Once each, in the order found; the addresses of IPv6 have two fields more.
    return list(dict.fromkeys((family, cast("tuple[str, int]", address)) for family, *_, address in found))


def _tune(opened: socket.socket) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _set(opened, "TCP_KEEPIDLE", IDLE_S)
    _set(opened, "TCP_KEEPINTVL", PROBE_S)
    _set(opened, "TCP_KEEPCNT", PROBES)
    _set(opened, "TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)


def _set(stream: Stream, option: str, value: int) -> None:
    """Set what this operating system knows; none of these is needed for a correct answer."""
    number = getattr(socket, option, None)
    if number is not None and isinstance(stream, socket.socket):
        with contextlib.suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, number, value)


def _unreachable(error: OSError, address: str, timeout_s: float) -> TransportError:
    if isinstance(error, TimeoutError):
        why = (
            f"no answer from {address} within {timeout_s:g} s: is the VPN up, the machine on, "
            "and the port open in every firewall between?"
        )
    elif isinstance(error, ConnectionResetError):
        return Busy(ErrorClass.DROPPED, f"{address} hung up at once, twice: is it too busy, or a firewall's?")
    elif isinstance(error, ConnectionRefusedError):
        why = f"{address} refuses connections: the machine is there, but is its service running on this port?"
    else:
        reason = error.strerror or "network error"
        why = f"no way to {address} ({reason}): is the VPN up, and the address right?"
    return TransportError(ErrorClass.UNREACHABLE, why)
