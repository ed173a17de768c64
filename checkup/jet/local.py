"""A file of this machine as a source: opened for reading only, never locked, read by position."""

from __future__ import annotations

import errno
import os
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

from checkup.jet.source import Range, SourceError, SourceErrorKind, Stat

# Windows alone has these: without O_BINARY it would translate line ends.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

_ANYONE_WRITES = 0o222

_KINDS: dict[int, SourceErrorKind] = {
    errno.ENOENT: "gone",
    errno.ENOTDIR: "gone",
    errno.ESTALE: "gone",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ETIMEDOUT: "timeout",
}


class LocalSource:
    """Several threads may share one source. A named pipe or a device is refused.

    The file is let go of by `close`, and by whoever forgets that when the source is collected: a long run
    over many files must not end at the limit of open ones.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seeking = threading.Lock()
        try:
            # A FIFO would hold the open until someone writes: look first, then open without waiting.
            if not path.is_file():
                raise SourceError("gone", f"{path} is no file" if path.exists() else f"{path} does not exist")
            self._descriptor = os.open(path, _FLAGS | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise _translated(error) from error
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    @property
    def name(self) -> str:
        return str(self._path)

    def stat(self) -> Stat:
        try:
            status = os.fstat(self._open())
        except OSError as error:
            raise _translated(error) from error
        return Stat(
            size_bytes=status.st_size,
            modified=status.st_mtime,
            created=getattr(status, "st_birthtime", None),
            read_only=not status.st_mode & _ANYONE_WRITES,
        )

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        descriptor = self._open()
        try:
            return [self._read_at(descriptor, offset, length) for offset, length in ranges]
        except OSError as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._closing()  # once: a second call does nothing

    def _read_at(self, descriptor: int, offset: int, length: int) -> bytes:
        """Fewer bytes only where the file ends: a single read may return less than asked."""
        answer = self._read_once(descriptor, offset, length)
        while 0 < len(answer) < length:
            more = self._read_once(descriptor, offset + len(answer), length - len(answer))
            if not more:
                break
            answer += more
        return answer

    def _read_once(self, descriptor: int, offset: int, length: int) -> bytes:
        if sys.platform != "win32":
            return os.pread(descriptor, length, offset)
        with self._seeking:  # Windows has no reading by position
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, length)

    def _open(self) -> int:
        if not self._closing.alive:
            raise SourceError("broken", f"{self._path} was closed")
        return self._descriptor


def _translated(error: OSError) -> SourceError:
    return SourceError(_KINDS.get(error.errno or 0, "broken"), error.strerror or str(error))
