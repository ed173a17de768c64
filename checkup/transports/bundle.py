"""A batch that somebody ran by hand on a machine nobody can reach; its output file was brought back.

Nothing is executed. A file may hold the answers of several machines (`checkup bundle --all`): then the
one that the batch in hand is for is taken. Whether an answer belongs to this site and this machine is for
collect to see, from what the HELLO frame in it says.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from checkup.api import ErrorClass
from checkup.transports.bundle_file import Content, digest, plain, read_content
from checkup.transports.connect import ConnectModel
from checkup.transports.session import OUTPUT_LIMIT, ConnectionFacts, Session, TransportError

CHUNK = 1024**2

# A batch's first comment says whom it is for, in every shell.
_MADE_FOR = re.compile(rb"^# A check-up of (\S{1,80}), site \S{1,80}\.", re.MULTILINE)


class Connect(ConnectModel):
    """`file`: the output that was brought back; a relative path starts at the site file's folder.

    `sha256`: of that file, where only the very same will do; `checkup import` records it.
    """

    transport: Literal["bundle"]
    file: Path
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Imported(Connect):
    """A file that `checkup import` looked into; `remark` is what it found worth telling."""

    remark: str = ""


def open_session(
    connect: Connect, *, base: Path | None = None, facts: ConnectionFacts | None = None
) -> Session:
    """`base` is the folder of the site file. Raises TransportError when there is no such file."""
    facts = facts or ConnectionFacts(transport="bundle")
    path = (base or Path()) / connect.file.expanduser()
    remark = connect.remark if isinstance(connect, Imported) else ""
    facts.address = f"{path.name} ({remark})" if remark else path.name
    try:
        data = read_file(path)
        if connect.sha256 not in (None, digest(data)):
            raise TransportError(
                ErrorClass.IDENTITY,
                f"{path} is not the file that is meant: its SHA-256 is {digest(data)}, not {connect.sha256}",
            )
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
    facts.reached = True
    return BundleSession(path, data, facts)


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises TransportError where it is missing, no file, too large or not readable."""
    try:
        if not path.exists():
            raise TransportError(
                ErrorClass.UNREACHABLE,
                f"its answer ({path.name}) was not brought yet",
            )
        if not path.is_file():
            raise TransportError(ErrorClass.BAD_OUTPUT, f"{path} is not a file")
        if path.stat().st_size > OUTPUT_LIMIT:
            raise TransportError(
                ErrorClass.BAD_OUTPUT,
                f"{path} is larger than {OUTPUT_LIMIT // 1024**2} MB, so it is not the output of a batch",
            )
        return path.read_bytes()
    except OSError as error:
        raise TransportError(
            ErrorClass.DENIED, f"{path} could not be read ({error.strerror or 'unreadable'})"
        ) from None


class BundleSession:
    """See `Session`; the script handed to `stream` is run by nobody, it only says whose answer is meant."""

    def __init__(self, path: Path, data: bytes, facts: ConnectionFacts) -> None:
        self.facts = facts
        self._path = path
        self._data = data
        self._interrupted = threading.Event()

    def stream(self, script: bytes) -> Iterator[bytes]:
        self._interrupted = threading.Event()
        return self._read(script, self._interrupted)

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.interrupt()

    def _read(self, script: bytes, interrupted: threading.Event) -> Iterator[bytes]:
        content = read_content(self._data)
        made_for = _MADE_FOR.search(script)
        endpoint = made_for[1].decode("ascii", "replace") if made_for else ""
        several = len(content.streams) + len(content.unreached) > 1 or content.machines is not None
        data = self._own(content, endpoint) if several else plain(self._data)
        for start in range(0, len(data), CHUNK):
            if interrupted.is_set():
                return
            yield data[start : start + CHUNK]
        unreached = content.unreached_of(endpoint)
        stream = content.stream_of(endpoint)
        if unreached is not None and not (stream and stream.ended):
            raise self._not_examined(unreached.error, unreached.words, answered=stream is not None)

    def _own(self, content: Content, endpoint: str) -> bytes:
        stream = content.stream_of(endpoint)
        if stream is not None:
            return stream.data
        if content.unreached_of(endpoint) is None:
            known = ", ".join(content.endpoints) or "no machine"
            raise self._not_examined(
                ErrorClass.UNREACHABLE, f"{self._path.name} holds the answer of {known}, not of {endpoint}"
            )
        return b""

    def _not_examined(self, error: ErrorClass, words: str, *, answered: bool = False) -> TransportError:
        self.facts.reached = answered
        return TransportError(error, words or "the script that was run there could not examine it")
