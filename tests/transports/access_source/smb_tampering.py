"""Somebody on the way between us and a file server, who changes what it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# [MS-SMB2], 2.2.1.2: where the header of a message has its command, its flags and its signature.
COMMAND, FLAGS, SIGNATURE, HEADER = 12, 16, slice(48, 64), 64
SIGNED = 0x8
READ = 8

Change = Callable[[bytearray], None]


@contextmanager
def tampering(port: int, change: Change) -> Iterator[int]:
    """Forwards a connection to `port`; `change` is called with what the server says. Yields its own port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends: list[socket.socket] = []

        def forward() -> None:
            with suppress(OSError):
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                ends.extend((client, server))
                back = threading.Thread(target=_copy, args=(client, server), daemon=True)
                back.start()
                with suppress(OSError):
                    _messages(server, client, change)
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                back.join(5)

        thread = threading.Thread(target=forward, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for end in ends:
                end.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _messages(source: socket.socket, sink: socket.socket, change: Change) -> None:
    while prefix := source.recv(4, socket.MSG_WAITALL):
        message = bytearray(source.recv(int.from_bytes(prefix, "big"), socket.MSG_WAITALL))
        change(message)
        sink.sendall(len(message).to_bytes(4, "big") + message)
