"""A port of this station that leads through a jump host, for drivers that can do nothing but dial."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

from checkup.transports.session import TransportError
from checkup.transports.wire import UNLIMITED, Stream, Wire

_PIECE = 32768
_ENDING_S = 2.0


class Tunnel:
    """Listens on a port of 127.0.0.1 as long as it is open; each connection gets a channel of its own.

    `open_channel` makes one, and raises TransportError; the last such error is kept in `failure`, because a
    driver only sees that it is hung up on. Whoever has an account on this station may use the port meanwhile.
    """

    def __init__(self, open_channel: Callable[[], Stream]) -> None:
        self._open_channel = open_channel
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listening.getsockname()
        self.failure: TransportError | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._open: set[Wire] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """May be called from any thread, and twice; what runs through is dropped."""
        with self._lock:
            self._closed = True
            wires, threads = list(self._open), list(self._threads)
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):  # where a shutdown does not wake who accepts
            socket.create_connection((self.host, self.port), timeout=0.2).close()
        self._listening.close()
        for wire in wires:
            wire.close()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_ENDING_S)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            try:
                self._join(accepted)
            except TransportError as failure:
                self.failure = failure
                accepted.close()

    def _join(self, accepted: socket.socket) -> None:
        if self._closed:
            accepted.close()
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near, far = Wire(accepted), Wire(self._open_channel())
        for wire in (near, far):
            wire.allow(UNLIMITED)
            wire.settimeout(None)
        with self._lock:
            self._open |= {near, far}
            self._threads = [thread for thread in self._threads if thread.is_alive()]
        for source, sink in ((near, far), (far, near)):
            self._start(self._carry, source, sink)
        if self._closed:
            near.close()
            far.close()

    def _carry(self, source: Wire, sink: Wire) -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := source.recv(_PIECE):
                while data:
                    data = data[sink.send(data) :]
        source.close()
        sink.close()
        with self._lock:
            self._open -= {source, sink}
