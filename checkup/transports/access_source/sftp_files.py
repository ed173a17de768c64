"""Access files by SFTP, over an SSH connection that is open already (see `ssh_link`)."""

from __future__ import annotations

import re
import stat as modes
import threading
from collections.abc import Sequence
from pathlib import PurePosixPath

from paramiko import ChannelException, SSHException

from checkup.api import ErrorClass
from checkup.jet.folder_rights import FolderRights, rights_by_mode
from checkup.jet.lock_file import MOST_BYTES as MOST_LOCK_BYTES
from checkup.jet.source import Range, SourceError, SourceErrorKind, Stat
from checkup.transports.access_source import sftp
from checkup.transports.access_source.files import (
    ROUND_S,
    LockFileBytes,
    lock_paths,
)
from checkup.transports.access_source.sftp import Answer, Attributes, Code, Data, Handle, Sftp, Status
from checkup.transports.session import ConnectionFacts, Deadlines, TransportError
from checkup.transports.ssh_link import Link

# paramiko asks for more only when a tenth of the window was read; with its own window that would be a word
# of ours in the middle of every large answer.
WINDOW = 64 * 1024**2

# How often a server may answer with less than it was asked for.
MOST_ROUNDS = 20

Piece = tuple[int, int, int]
"""Which of the ranges it belongs to, offset, length."""

_KINDS: dict[int, tuple[SourceErrorKind, str]] = {
    Code.NO_SUCH_FILE: ("gone", "there is no such file"),
    Code.PERMISSION_DENIED: ("denied", "the account may not read it"),
    Code.UNSUPPORTED: ("broken", "the server cannot do that"),
}


def open_sftp(
    link: Link,
    facts: ConnectionFacts,
    deadlines: Deadlines | None = None,
    *,
    round_s: float = ROUND_S,
    close_link: bool = False,
) -> SftpFiles:
    """An SFTP session beside whatever else runs over this connection. Raises TransportError.

    With `close_link` the connection is closed with the files; else it is left to whoever opened it.
    """
    deadlines = deadlines or Deadlines()
    try:
        channel = link.transport.open_session(window_size=WINDOW, timeout=deadlines.channel_s)
    except ChannelException as error:
        kind = ErrorClass.DENIED if error.code == 1 else ErrorClass.QUOTA  # 1: administratively prohibited
        raise TransportError(kind, f"{link.where} opens no session for SFTP") from None
    except (SSHException, OSError, EOFError) as error:
        late = "imeout" in str(error)
        raise TransportError(
            ErrorClass.TIMEOUT if late else ErrorClass.DROPPED,
            f"{link.where} opened no session for SFTP{' in time' if late else ', the connection broke'}",
        ) from None
    with link.closed_after(deadlines.channel_s) as expired:
        try:
            channel.invoke_subsystem("sftp")
        except (SSHException, OSError, EOFError):
            if expired.is_set():
                raise TransportError(
                    ErrorClass.TIMEOUT, f"{link.where} did not start SFTP within {deadlines.channel_s:g} s"
                ) from None
            channel.close()
            if not link.transport.is_active():
                raise TransportError(
                    ErrorClass.DROPPED, f"the connection to {link.where} broke when SFTP was to start"
                ) from None
            raise TransportError(
                ErrorClass.DISABLED,
                f"{link.where} gives this account no SFTP: its SSH server needs the subsystem sftp",
            ) from None
    session = Sftp(link, channel, round_s)
    try:
        session.begin()
    except SourceError as error:
        session.close()
        kind = ErrorClass.TIMEOUT if error.kind == "timeout" else ErrorClass.PROTOCOL
        raise TransportError(kind, error.detail) from None
    return SftpFiles(link, session, facts, close_link)


class SftpFiles:
    """See `Files`; made by `open_sftp`."""

    def __init__(self, link: Link, session: Sftp, facts: ConnectionFacts, close_link: bool) -> None:
        self.facts = facts
        self._close_link = close_link
        self._link = link
        self._session = session
        self._turn = threading.Lock()

    def open(self, path: str) -> SftpSource:
        path = remote_path(path)
        name = f"sftp://{self._link.where}/{path.lstrip('/')}"
        with self._turn:
            # Looked at first: opening a named pipe would hold the server up.
            (found,) = self._session.ask([sftp.status_of(path)])
            if not isinstance(found, Attributes):
                raise _failure(found, name)
            if not _is_file(found):
                raise SourceError("gone", f"{name}: this is no file")
            (opened,) = self._session.ask([sftp.open_for_reading(path)])
        if not isinstance(opened, Handle):
            raise _failure(opened, name)
        return SftpSource(self._session, self._turn, opened.value, path, name)

    def lock_file(self, path: str) -> LockFileBytes | None:
        places = lock_paths(remote_path(path))
        with self._turn:
            found = self._session.ask([sftp.status_of(place) for place in places])
            for place, attributes in zip(places, found, strict=True):
                if isinstance(attributes, Attributes) and _is_file(attributes):
                    return self._read_lock(place)
                if isinstance(attributes, Status) and attributes.code != Code.NO_SUCH_FILE:
                    raise _failure(attributes, PurePosixPath(place).name)
        return None

    def folder_rights(self, path: str) -> FolderRights | None:
        """By mode; those that an SSH server on Windows gives are made up."""
        place = remote_path(path)
        if re.match(r"/[A-Za-z]:/", place):
            return None
        folder = str(PurePosixPath(place).parent)
        try:
            with self._turn:
                found = self._session.ask([sftp.status_of(place), sftp.status_of(folder)])
        except SourceError:
            return None
        known = [one.mode for one in found if isinstance(one, Attributes) and one.mode is not None]
        return rights_by_mode(*known) if len(known) == len(found) else None

    def close(self) -> None:
        self._session.close()
        if self._close_link:
            self._link.close()

    def _read_lock(self, place: str) -> LockFileBytes | None:
        name = PurePosixPath(place).name
        (opened,) = self._session.ask([sftp.open_for_reading(place)])
        if isinstance(opened, Status) and opened.code == Code.NO_SUCH_FILE:
            return None  # the last user has just left
        if not isinstance(opened, Handle):
            raise _failure(opened, name)
        attributes, content, _ = self._session.ask(
            [
                sftp.status_of_open(opened.value),
                sftp.read(opened.value, 0, MOST_LOCK_BYTES),
                sftp.close(opened.value),
            ]
        )
        if not isinstance(attributes, Attributes):
            raise _failure(attributes, name)
        return LockFileBytes(name=name, stat=attributes.stat, content=_bytes_of(content, name))


class SftpSource:
    """See `jet.source.Source`."""

    def __init__(self, session: Sftp, turn: threading.Lock, handle: bytes, path: str, name: str) -> None:
        self._session = session
        self._turn = turn
        self._handle: bytes | None = handle
        self._path = path
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def stat(self) -> Stat:
        """Of the open file, as long as it still is what stands under its name."""
        now, named = self._both()
        if named != now:
            # Somebody may have written between the two looks; another file stays another.
            again, named = self._both()
            if again == now and named != now:
                raise SourceError("gone", f"{self._name}: another file has taken its place")
            now = again
        return now.stat

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        answers = [bytearray() for _ in ranges]
        wanted = [(place, *piece) for place, one in enumerate(ranges) for piece in _pieces(*one)]
        with self._turn:
            for _ in range(MOST_ROUNDS):
                wanted = self._round(answers, wanted)
                if not wanted:
                    return [bytes(one) for one in answers]
        raise SourceError("broken", f"{self._name}: the server hands out too little at a time")

    def close(self) -> None:
        with self._turn:
            handle, self._handle = self._handle, None
            if handle is not None:
                try:
                    self._session.ask([sftp.close(handle)], round_s=sftp.CLOSING_S)
                except SourceError:
                    return  # the connection is gone, and with it whatever was open

    def _round(self, answers: list[bytearray], wanted: Sequence[Piece]) -> list[Piece]:
        """Add what comes to the answers; returns what is still missing.

        A server may answer with less than was asked for in the middle of a file, and some do. The size that
        is asked for in the same round tells that from the file's end.
        """
        if not wanted:
            return []
        handle = self._open_handle()
        *got, status = self._session.ask(
            [sftp.read(handle, offset, length) for _, offset, length in wanted]
            + [sftp.status_of_open(handle)]
        )
        if not isinstance(status, Attributes):
            raise _failure(status, self._name)
        missing: list[Piece] = []
        ended = -1
        for (place, offset, length), answer in zip(wanted, got, strict=True):
            data = _bytes_of(answer, self._name)
            if len(data) > length:
                raise SourceError("broken", f"{self._name}: the server sent more than was asked for")
            if place == ended:
                continue  # the file ended before this piece, and has grown since
            if missing and missing[-1][0] == place:
                missing.append((place, offset, length))  # behind a gap: asked for again, to keep the order
                continue
            answers[place] += data
            if len(data) < length:
                if data and offset + len(data) < status.stat.size_bytes:
                    missing.append((place, offset + len(data), length - len(data)))
                else:
                    ended = place
        return missing

    def _both(self) -> tuple[Attributes, Attributes]:
        with self._turn:
            named, now = self._session.ask(
                [sftp.status_of(self._path), sftp.status_of_open(self._open_handle())]
            )
        for one in (now, named):
            if not isinstance(one, Attributes):
                raise _failure(one, self._name)
        assert isinstance(now, Attributes)
        assert isinstance(named, Attributes)
        return now, named

    def _open_handle(self) -> bytes:
        if self._handle is None:
            raise SourceError("broken", f"{self._name} was closed")
        return self._handle


def remote_path(path: str) -> str:
    """A path as SFTP has it: D:\\Data\\x.accdb is /D:/Data/x.accdb to the SSH server of Windows."""
    if re.match(r"[A-Za-z]:[\\/]", path):
        return "/" + path.replace("\\", "/")
    return path


def _pieces(offset: int, length: int) -> list[Range]:
    return [
        (start, min(sftp.READ_BYTES, offset + length - start))
        for start in range(offset, offset + length, sftp.READ_BYTES)
    ]


def _is_file(attributes: Attributes) -> bool:
    return attributes.mode is None or modes.S_ISREG(attributes.mode)


def _bytes_of(answer: Answer, name: str) -> bytes:
    if isinstance(answer, Data):
        return answer.value
    if isinstance(answer, Status) and answer.code == Code.END_OF_FILE:
        return b""
    raise _failure(answer, name)


def _failure(answer: Answer, name: str) -> SourceError:
    if isinstance(answer, Status):
        kind, why = _KINDS.get(answer.code, ("broken", f"the server could not do it (status {answer.code})"))
        return SourceError(kind, f"{name}: {why}")
    return SourceError("broken", f"{name}: the server answered something else than was asked")
