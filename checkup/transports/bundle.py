"""A batch that somebody ran by hand on a machine nobody can reach; its output file was brought back.

Nothing is executed. Whether the file belongs to this site and this machine is for collect to see,
from what the HELLO frame in it says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from checkup.api import ErrorClass
from checkup.transports.connect import ConnectModel
from checkup.transports.session import OUTPUT_LIMIT, ConnectionFacts, Session, TransportError

CHUNK = 1024**2


class Connect(ConnectModel):
    """`file`: the output that was brought back; a relative path starts at the site file's folder."""

    transport: Literal["bundle"]
    file: Path


def open_session(
    connect: Connect, *, base: Path | None = None, facts: ConnectionFacts | None = None
) -> Session:
    """`base` is the folder of the site file. Raises TransportError when there is no such file."""
    facts = facts or ConnectionFacts(transport="bundle")
    path = (base or Path()) / connect.file.expanduser()
    facts.address = path.name
    try:
        _check(path)
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
    facts.reached = True
    return BundleSession(path, facts)


def _check(path: Path) -> None:
    if not path.exists():
        raise TransportError(
            ErrorClass.UNREACHABLE,
            f"no bundle at {path}: `checkup plan --batch` prints the script; have it run on the machine with "
            "sh, and put its output there",
        )
    if not path.is_file():
        raise TransportError(ErrorClass.BAD_OUTPUT, f"{path} is not a file")
    if path.stat().st_size > OUTPUT_LIMIT:
        raise TransportError(
            ErrorClass.BAD_OUTPUT,
            f"{path} is larger than {OUTPUT_LIMIT // 1024**2} MB, so it is not the output of a batch",
        )


class BundleSession:
    """See `Session`; the script handed to `stream` is not run by anybody."""

    def __init__(self, path: Path, facts: ConnectionFacts) -> None:
        self.facts = facts
        self._path = path
        self._interrupted = threading.Event()

    def stream(self, script: bytes) -> Iterator[bytes]:
        self._interrupted = threading.Event()
        return self._read(self._interrupted)

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.interrupt()

    def _read(self, interrupted: threading.Event) -> Iterator[bytes]:
        left = OUTPUT_LIMIT
        try:
            with self._path.open("rb") as file:
                while not interrupted.is_set() and left > 0 and (chunk := file.read(min(CHUNK, left))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise TransportError(
                ErrorClass.DENIED, f"{self._path} could not be read ({error.strerror or 'unreadable'})"
            ) from None
