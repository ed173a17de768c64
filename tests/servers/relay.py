"""A TCP relay for tests: it delays, cuts, goes silent, and counts how often the talk changes sides."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["client", "server"]


@dataclass
class Relay:
    """Forwards 127.0.0.1:`port` to `target`. Limits count the bytes that the server sends.

    `delay_s` is added in each direction. After `cut_after` bytes both sides are reset or, with
    `gently`, closed; after `silent_after` bytes nothing goes through any more.
    """

    target: tuple[str, int]
    delay_s: float = 0
    cut_after: int | None = None
    silent_after: int | None = None
    gently: bool = False
    port: int = 0
    connections: int = 0
    client_bytes: int = 0
    turns: list[Side] = field(default_factory=list[Side])
    _open: list[socket.socket] = field(default_factory=list[socket.socket])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def round_trips(self) -> int:
        """TCP's own, and one for each time the server spoke after the client had."""
        return 1 + sum(
            1 for a, b in zip(self.turns, self.turns[1:], strict=False) if (a, b) == ("client", "server")
        )

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                server = socket.create_connection(self.target)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                self._pump(client, server, "client")
                self._pump(server, client, "server")

    def cut(self) -> None:
        """Cut all connections now, as a broken line does."""
        for end in self._open:
            with suppress(OSError):
                if self.gently:
                    end.shutdown(socket.SHUT_RDWR)
                else:
                    # A linger time of zero makes the close a reset, once nobody reads any more.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)
                    end.close()

    def stop(self) -> None:
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for end in self._open:
            end.close()

    def _pump(self, source: socket.socket, sink: socket.socket, side: Side) -> None:
        line: queue.Queue[tuple[float, bytes]] = queue.Queue()

        def read() -> None:
            passed = 0
            while data := _received(source):
                with self._lock:
                    if not self.turns or self.turns[-1] != side:
                        self.turns.append(side)
                if side == "client":
                    self.client_bytes += len(data)
                else:
                    passed += len(data)
                    if self.silent_after is not None and passed > self.silent_after:
                        data = data[: max(0, len(data) - (passed - self.silent_after))]
                    if self.cut_after is not None and passed > self.cut_after:
                        self.cut()
                        break
                line.put((time.monotonic() + self.delay_s, data))
            line.put((time.monotonic() + self.delay_s, b""))

        def write() -> None:
            while True:
                due, data = line.get()
                time.sleep(max(0.0, due - time.monotonic()))
                with suppress(OSError):
                    if data:
                        sink.sendall(data)
                    elif self.silent_after is None:
                        sink.shutdown(socket.SHUT_WR)
                if not data:
                    return

        for work in (read, write):
            thread = threading.Thread(target=work, daemon=True)
            self._threads.append(thread)
            thread.start()


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


@contextmanager
def relay(
    target: tuple[str, int],
    *,
    delay_s: float = 0,
    cut_after: int | None = None,
    silent_after: int | None = None,
    gently: bool = False,
) -> Iterator[Relay]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Relay(target, delay_s, cut_after, silent_after, gently, port=listener.getsockname()[1])
        accepting = threading.Thread(target=running.accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            running.stop()
