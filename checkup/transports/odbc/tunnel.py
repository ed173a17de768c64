"""A port of this station that leads through a jump host, for drivers that can do nothing but dial."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from checkup.transports.session import TransportError
from checkup.transports.wire import UNLIMITED, Stream, Wire

_PIECE = 32768
_ENDING_S = 2.0
# A look at the system's list of connections may miss one while the list changes.
_LOOKS, _BETWEEN_LOOKS_S = 3, 0.02

Address = tuple[str, int]


class Tunnel:
    """Listens on a port of 127.0.0.1, which every account of this station can dial. Only what the process
    `pid` dials is let through, by a channel of its own; everybody else is hung up on.

    `open_channel` makes one, and raises TransportError; the last such error is kept in `failure`, because a
    driver only sees that it is hung up on.
    """

    def __init__(self, open_channel: Callable[[], Stream], pid: int) -> None:
        self._open_channel = open_channel
        self._pid = pid
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listening.getsockname()
        self.failure: TransportError | None = None
        self._closed = False
        self._listens = True
        self._lock = threading.Lock()
        self._open: set[Wire] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def stop_listening(self) -> None:
        """What is open stays so. Only for a driver that dials no second time: a port that is given up may be
        another account's next, and a login must not go there."""
        with self._lock:
            listened, self._listens = self._listens, False
        if not listened:
            return
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):  # where a shutdown does not wake who accepts
            socket.create_connection((self.host, self.port), timeout=0.2).close()
        self._listening.close()

    def close(self) -> None:
        """May be called from any thread, and twice; what runs through is dropped."""
        with self._lock:
            self._closed = True
            wires, threads = list(self._open), list(self._threads)
        self.stop_listening()
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
        while self._listens:
            try:
                accepted, peer = self._listening.accept()
            except OSError:
                return
            try:
                if self._listens and dialled_by(self._pid, peer, (self.host, self.port)):
                    self._join(accepted)
                else:
                    accepted.close()
            except TransportError as failure:
                self.failure = failure
                accepted.close()

    def _join(self, accepted: socket.socket) -> None:
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


def dialled_by(pid: int, peer: Address, here: Address) -> bool:
    """Whether a socket of this process, one of our own, is the other end of a connection to `here`."""
    import psutil

    for look in range(_LOOKS):
        time.sleep(_BETWEEN_LOOKS_S if look else 0)
        try:
            connections = psutil.Process(pid).net_connections("tcp4")
        except psutil.Error:  # it has ended
            return False
        if any((one.laddr, one.raddr) == (peer, here) for one in connections):
            return True
    return False
