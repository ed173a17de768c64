"""The one connection under a WinRM client: bounded, with our own certificate check, and cut from any thread.

pywinrm would open a new connection whenever the old one is gone, log in again unasked, and send text
that was sealed for the old one. So a line is one connection, and when it is gone it is `Stale`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from io import BufferedReader
from typing import Any, cast

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool
from urllib3.connection import HTTPConnection

from checkup.clean import clean_line
from checkup.transports import winrm_tls
from checkup.transports.limit import limited
from checkup.transports.session import ConnectionFacts, Deadlines, TransportError
from checkup.transports.winrm import Connect
from checkup.transports.wire import dial, shown_address

# It logs a traceback for every odd header; who wants them sets a level first.
if logging.getLogger("urllib3").level == logging.NOTSET:
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)

# A first TCP connection tells in seconds whether there is anybody.
PREFLIGHT_S = 5.0

# An answer is asked to be at most 150 kB long; some services say a little more.
MOST_ANSWER_BYTES = 4 * 1024**2

# How often a server may hang up on us while we log in, as one does that refuses in this way.
MOST_CONNECTIONS = 3


class Stale(Exception):
    """The connection is gone and nothing was sent: ask again on a new one."""


class TooMuch(Exception):
    """An answer was longer than any that was asked for."""


class Line:
    """Opens by `open`, or with the first request. `cut` may be called by any thread, and never waits."""

    def __init__(
        self,
        connect: Connect,
        context: ssl.SSLContext | None,
        deadlines: Deadlines,
        facts: ConnectionFacts,
    ) -> None:
        self.where = shown_address(connect.host, connect.tcp_port)
        self.settled = False  # logged in: from now on no other connection will do
        self._connect = connect
        self._context = context
        self._deadlines = deadlines
        self._facts = facts
        self._lock = threading.Lock()
        self._cut = False
        self._held: socket.socket | None = None
        self._fresh: socket.socket | None = None
        self._last: BaseHTTPResponse | None = None
        self._connections = 0
        self.adapter = _Adapter(self, connect.host, connect.tcp_port)

    @property
    def is_cut(self) -> bool:
        return self._cut

    def open(self) -> None:
        """Raises TransportError: unreachable, tls, or what else a handshake may end with."""
        self._fresh = self._opened()

    def take(self) -> socket.socket:
        """The socket for the HTTP library: the one just opened, or during the login a new one."""
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            return fresh
        if self.settled or self._cut or self._connections >= MOST_CONNECTIONS:
            raise Stale
        return self._opened()

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            if self._held is not None:
                _shut(self._held)

    def close(self) -> None:
        """For the thread that uses it."""
        self.cut()
        if self._last is not None:
            self._last.close()  # one that was not read to its end would keep the socket open
        self.adapter.close()
        if self._held is not None:
            self._held.close()

    def limited(self, seconds: float) -> AbstractContextManager[threading.Event]:
        """Cut the connection if the block takes longer; the event tells whether that happened.

        The libraries' own limit is for each read, and a byte a second passes it for ever.
        """
        return limited(seconds, self.cut)

    def heard(self, response: BaseHTTPResponse) -> None:
        self._last = response
        if not self._facts.server:
            self._facts.server = clean_line(response.headers.get("Server", ""), 80)

    def _opened(self) -> socket.socket:
        self._connections += 1
        raw = self._dialled(self._facts)
        self._hold(raw)
        if self._context is None:
            return raw
        raw.settimeout(self._deadlines.handshake_s)
        with self.limited(self._deadlines.handshake_s) as expired:
            try:
                return winrm_tls.secured(
                    raw,
                    self._context,
                    self._connect,
                    self._facts,
                    where=self.where,
                    hold=self._hold,
                    again=lambda: self._dialled(None),
                )
            except TransportError:
                if expired.is_set():
                    raise winrm_tls.not_in_time(self.where) from None
                raise

    def _dialled(self, facts: ConnectionFacts | None) -> socket.socket:
        connect_s = min(PREFLIGHT_S, self._deadlines.connect_s)
        dialled = dial(self._connect.host, self._connect.tcp_port, connect_s)
        if facts is not None:
            facts.reached = True
            facts.address, facts.round_trip_s = dialled.address, dialled.round_trip_s
        dialled.socket.settimeout(self._deadlines.handshake_s)
        return dialled.socket

    def _hold(self, opened: socket.socket) -> None:
        with self._lock:
            self._held = opened
            if self._cut:
                _shut(opened)


def _shut(opened: socket.socket) -> None:
    # Not SSLSocket's own, which takes the encryption away while another thread may still be reading.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Headers:
    """The beginning of an answer, which Python's library believes to be whole wherever the line is cut."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if line and not line.endswith(b"\n") and len(line) < limit:
            raise ConnectionResetError("cut in a header")
        if not line and self._begun:
            raise ConnectionResetError("cut between two headers")
        self._begun = True
        return line

    def close(self) -> None:
        self._file.close()

    _begun = False


class _Answer(HTTPResponse):
    def begin(self) -> None:
        file = self.fp
        self.fp = cast(BufferedReader, _Headers(file))
        super().begin()
        self.fp = file


class _Connection(HTTPConnection):
    response_class = _Answer

    def __init__(self, *args: Any, line: Line, **named: Any) -> None:
        super().__init__(*args, **named)
        self._line = line

    def connect(self) -> None:
        self.sock = self._line.take()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection  # pyright: ignore[reportAssignmentType] - urllib3's own classes are no better


class _Adapter(HTTPAdapter):
    """Sends everything over the line: past proxies, and wherever a redirection would lead."""

    def __init__(self, line: Line, host: str, port: int) -> None:
        super().__init__(max_retries=0)
        self._line = line
        self._pool = _Pool(host, port, maxsize=1, line=line)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: object, **__: object) -> None:
        """The line has checked it, by the site file's rule."""

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        self._line.heard(resp)
        # As it came: nobody asked for compression, which could blow up a small answer.
        pieces = resp.stream

        def bounded(amount: int, **_: object) -> Iterator[bytes]:
            return _bounded(pieces(amount, decode_content=False))

        resp.stream = bounded
        return super().build_response(req, resp)

    def close(self) -> None:
        super().close()
        self._pool.close()


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    received = 0
    for piece in pieces:
        received += len(piece)
        if received > MOST_ANSWER_BYTES:
            raise TooMuch
        yield piece
