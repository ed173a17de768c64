"""A stream as the preflight reads it: whole messages, within one limit of time."""

from __future__ import annotations

import time

from checkup.transports.wire import Stream, Wire

# What is kept of a server's first words, for the message that it is another kind of server.
_FIRST = 200


class Ended(Exception):
    """The server closed the connection."""


class Late(Exception):
    """The server said nothing more in time."""


class Line:
    """Every method raises Ended or Late. `first` is what came first, up to a length."""

    def __init__(self, stream: Stream, limit_s: float) -> None:
        self._wire = Wire(stream)
        self._ends_at = time.monotonic() + limit_s
        self._buffer = b""
        self.first = b""

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait()
            try:
                sent = self._wire.send(bytes(view))
            except TimeoutError:
                raise Late from None
            except (OSError, EOFError):
                raise Ended from None
            view = view[sent:]

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._buffer) < size:
            self._buffer += self.read_some()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_some(self) -> bytes:
        """What comes next, as it comes."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        self._wait()
        try:
            data = self._wire.recv(16384)
        except TimeoutError:
            raise Late from None
        except (OSError, EOFError):
            raise Ended from None
        if not data:
            raise Ended
        self.first = (self.first + data)[:_FIRST]
        return data

    @property
    def has_more(self) -> bool:
        """Whether more has come than was read."""
        return bool(self._buffer)

    def close(self) -> None:
        self._wire.close()

    def _wait(self) -> None:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise Late
        self._wire.settimeout(left_s)
