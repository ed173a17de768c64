"""SMB messages on a connection of our own: what smbprotocol calls a transport.

Its own waits without end, takes messages of any size that a server announces, and dials without our limits.
Framing: [MS-SMB2], 2.1 (a zero byte, three bytes of length, the message).
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from checkup.transports.wire import Wire

_CHUNK = 256 * 1024
_ENCRYPTED = b"\xfdSMB"  # how an encrypted message begins ([MS-SMB2], 2.2.41)


class NotSmb(OSError):
    """What came is no SMB 2 message."""


class Packable(Protocol):
    def pack(self) -> bytes: ...


class SmbWire:
    """`only_encrypted`: from now on, a plain message is none of the server's."""

    def __init__(self, wire: Wire) -> None:
        self.connected = True
        self.only_encrypted = False
        self._wire = wire
        self._held: bytearray | None = None
        self._sending = threading.Lock()
        wire.settimeout(None)  # whoever waits for an answer has a limit, and closes this

    def connect(self) -> None:
        """It is connected already."""

    def close(self) -> None:
        self.connected = False
        self._wire.close()

    def allow(self, nbytes: int) -> None:
        """From now on, `nbytes` more may come."""
        self._wire.allow(nbytes)

    @contextmanager
    def held(self) -> Generator[None]:
        """What is sent in this block leaves at its end, together."""
        self._held = bytearray()
        try:
            yield
            self._flush(bytes(self._held))
        finally:
            self._held = None

    def send(self, header: bytes | Packable) -> None:
        """A message, or one that is encrypted and not yet bytes. (The parameter's name is smbprotocol's.)"""
        data = header if isinstance(header, bytes) else header.pack()
        message = len(data).to_bytes(4, "big") + data
        if self._held is not None:
            self._held += message
        else:
            self._flush(message)

    def recv(self, timeout: float) -> bytes:
        """The next message, b"" at the end. `timeout` is not ours to keep; see __init__."""
        prefix = self._exactly(4)
        if not prefix:
            return b""
        if prefix[0]:
            raise NotSmb("no SMB 2 message")
        message = self._exactly(int.from_bytes(prefix, "big"))
        if self.only_encrypted and message and not message.startswith(_ENCRYPTED):
            raise NotSmb("a message that is not encrypted, in an encrypted session")
        return message

    def _exactly(self, nbytes: int) -> bytes:
        received = bytearray()
        while len(received) < nbytes:
            try:
                more = self._wire.recv(min(nbytes - len(received), _CHUNK))
            except OSError:
                if not self.connected:
                    return b""  # closed from our side, from another thread
                raise
            if not more:
                self.connected = False
                return b""
            received += more
        return bytes(received)

    def _flush(self, data: bytes) -> None:
        with self._sending:
            while data:
                sent = self._wire.send(data)
                data = data[sent:]
