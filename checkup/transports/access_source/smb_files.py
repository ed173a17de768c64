# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# (smbprotocol has no types.)
"""Access files on a share, by SMB 2 or 3 through smbprotocol.

A file is opened for reading, and everybody else may go on reading, writing and deleting it: smbprotocol's own
way to open a file would shut everybody out. No oplock and no lease is asked for, nothing is locked.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from smbprotocol.connection import Request
from smbprotocol.create_contexts import (
    SMB2CreateQueryMaximalAccessRequest,
    SMB2CreateQueryMaximalAccessResponse,
)
from smbprotocol.exceptions import SMBException, SMBResponseException
from smbprotocol.file_info import FileInformationClass, InfoType
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    RequestedOplockLevel,
    ShareAccess,
    SMB2CloseRequest,
    SMB2CreateResponse,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2ReadRequest,
    SMB2ReadResponse,
)
from smbprotocol.tree import TreeConnect

from checkup.jet.folder_rights import FolderRights
from checkup.jet.lock_file import MOST_BYTES as MOST_LOCK_BYTES
from checkup.jet.source import Range, SourceError, Stat
from checkup.transports.access_source.files import (
    MOST_BYTES,
    MOST_REQUESTS,
    ROUND_S,
    LockFileBytes,
    lock_paths,
    round_limit_s,
)
from checkup.transports.access_source.smb_errors import (
    DELETE_PENDING,
    END_OF_FILE,
    NO_SUCH_FILE,
    file_error,
)
from checkup.transports.access_source.smb_link import SmbLink
from checkup.transports.session import ConnectionFacts

_EVERYBODY_ELSE_MAY = (
    ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
)

CREDIT_BYTES = 64 * 1024  # what one credit pays for ([MS-SMB2], 3.1.5.2)
READ_BYTES = 1024**2
CLOSE_S = 5.0

# [MS-FSCC], 2.4.2: FileAllInformation begins with the times (2.4.7) and goes on with the sizes (2.4.41);
# its end is the file's name.
_ALL_INFORMATION_BYTES = 4096
_CREATED, _WRITTEN, _ATTRIBUTES, _SIZE, _LINKS, _DELETED, _KNOWN = 0, 16, 32, 48, 56, 60, 64
_READ_ONLY = 0x1  # [MS-FSCC], 2.6
# [MS-SMB2], 2.2.13.1: of a file, and of a folder
_READ_ATTRIBUTES, _WRITE_DATA, _DELETE = 0x80, 0x2, 0x10000
_ADD_FILE, _DELETE_CHILD = 0x2, 0x40
_TICKS_A_S = 10_000_000
_FROM_1601_TO_1970_S = 11_644_473_600


@dataclass(frozen=True)
class _Information:
    """`names`: how many the file has; some file systems do not count them and say 0."""

    stat: Stat
    deleted: bool
    names: int


class SmbFiles:
    """See `Files`; a path begins with the share: "data/folder/clinic_be.accdb"."""

    def __init__(self, link: SmbLink, facts: ConnectionFacts, round_s: float = ROUND_S) -> None:
        self.facts = facts
        self._link = link
        self._round_s = round_s
        self._turn = threading.Lock()

    def open(self, path: str) -> SmbSource:
        share, below = _parts(path)
        name = f"smb://{self._link.where}/{share}/{below}".replace("\\", "/")
        with self._turn:
            tree = self._link.share(share, self._round_s)
            handle = Open(tree, below)
            with self._link.bounded(self._round_s, name):
                message, opened = _create(handle)
                (request,) = self._link.send([message], tree)
                opened(request)
        return SmbSource(self._link, self._turn, tree, handle, name, self._round_s)

    def lock_file(self, path: str) -> LockFileBytes | None:
        share, below = _parts(path)
        with self._turn:
            tree = self._link.share(share, self._round_s)
            for place in lock_paths(below):
                found = self._read_lock(tree, place)
                if found is not None:
                    return found
        return None

    def folder_rights(self, path: str) -> FolderRights | None:
        """What the server says the account may do at most: asked for with the file and its folder opened for
        their attributes alone, and closed in the same round."""
        try:
            share, below = _parts(path)
            with self._turn:
                tree = self._link.share(share, self._round_s)
                file = self._most_access(tree, below, CreateOptions.FILE_NON_DIRECTORY_FILE)
                folder = self._most_access(tree, below.rpartition("\\")[0], CreateOptions.FILE_DIRECTORY_FILE)
        except (SourceError, ValueError, SMBException):
            return None
        if file is None or folder is None:
            return None
        return FolderRights(
            basis="login",
            write=bool(file & _WRITE_DATA),
            create=bool(folder & _ADD_FILE),
            # A file made there inherits what the data file has: the right to delete it is with either.
            delete=bool(file & _DELETE or folder & _DELETE_CHILD),
        )

    def _most_access(self, tree: TreeConnect, place: str, options: int) -> int | None:
        """The mask; None where the server does not tell it."""
        handle = Open(tree, place)
        message, _ = cast(
            "tuple[Any, object]",
            handle.create(
                ImpersonationLevel.Impersonation,
                _READ_ATTRIBUTES,
                0,
                _EVERYBODY_ELSE_MAY,
                CreateDisposition.FILE_OPEN,
                options,
                create_contexts=[SMB2CreateQueryMaximalAccessRequest()],
                oplock_level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_NONE,
                send=False,
            ),
        )
        with self._link.bounded(self._round_s, place):
            opened, closed = self._link.send([message, _close(handle)], tree, related=True)
            status, answer = _answer(self._link, opened)
            _answer(self._link, closed)
        if status:
            return None
        response = SMB2CreateResponse()
        response.unpack(answer["data"].get_value())
        for context in response["buffer"].get_value():
            told = context.get_context_data()
            # [MS-SMB2], 2.2.14.2.5: a status, then the mask.
            told_it = isinstance(told, SMB2CreateQueryMaximalAccessResponse)
            if told_it and not told["query_status"].get_value():
                return int(told["maximal_access"].get_value())
        return None

    def close(self) -> None:
        self._link.close()

    def _read_lock(self, tree: TreeConnect, place: str) -> LockFileBytes | None:
        """Opened, read and closed in one round: nobody finds it in use by us."""
        name = place.rpartition("\\")[2]
        handle = Open(tree, place)
        messages = [
            _create(handle)[0],
            _all_information(handle),
            _read(handle, 0, MOST_LOCK_BYTES),
            _close(handle),
        ]
        with self._link.bounded(self._round_s, name, MOST_LOCK_BYTES):
            requests = self._link.send(messages, tree, related=True)
            (opened, _), information, content, _ = [_answer(self._link, one) for one in requests]
            if opened in NO_SUCH_FILE:
                return None
            if opened:
                raise file_error(opened, name)
            stat = _information(*information, name).stat
            return LockFileBytes(name=name, stat=stat, content=_data(*content, name))


class SmbSource:
    """See `jet.source.Source`."""

    def __init__(
        self,
        link: SmbLink,
        turn: threading.Lock,
        tree: TreeConnect,
        handle: Open,
        name: str,
        round_s: float,
    ) -> None:
        self._link = link
        self._turn = turn
        self._tree = tree
        self._handle: Open | None = handle
        self._name = name
        self._round_s = round_s
        self._names = 0

    @property
    def name(self) -> str:
        return self._name

    def stat(self) -> Stat:
        with self._turn:
            return self._round([])[1].stat

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        with self._turn:
            largest = self._largest()
            pieces = [(place, *piece) for place, one in enumerate(ranges) for piece in _pieces(*one, largest)]
            got, _ = self._round([(offset, length) for _, offset, length in pieces])
        answers = [bytearray() for _ in ranges]
        ended = -1
        for (place, _, length), data in zip(pieces, got, strict=True):
            if place != ended:  # else the file ended before this piece, and has grown since
                answers[place] += data
                if len(data) < length:
                    ended = place
        return [bytes(one) for one in answers]

    def close(self) -> None:
        with self._turn:
            self._let_go()

    def _round(self, pieces: Sequence[Range]) -> tuple[list[bytes], _Information]:
        """All pieces, and in the same round how the file is.

        The server may have been told to delete it. It then stays until the last one lets go, and nobody may
        make a new one of this name until then (a compaction wants just that): so we let go at once.
        """
        handle = self._open_handle()
        expected = sum(length for _, length in pieces)
        with self._link.bounded(round_limit_s(self._round_s, expected), self._name, expected):
            messages = [_all_information(handle), *(_read(handle, *piece) for piece in pieces)]
            status, *answers = self._answers(messages)
            information = _information(*status, self._name)
            had_names, self._names = self._names, information.names
            if not information.deleted and (information.names or not had_names):
                return [
                    _data(*answer, self._name, length)
                    for answer, (_, length) in zip(answers, pieces, strict=True)
                ], information
        self._let_go()
        raise file_error(DELETE_PENDING, self._name)

    def _largest(self) -> int:
        """How much one request may ask for."""
        connection = self._link.connection
        most = CREDIT_BYTES
        if connection.supports_multi_credit:
            most = min(READ_BYTES, CREDIT_BYTES * max(1, self._link.credits // 2))
        most = min(most, cast("int", connection.max_read_size))
        if most < CREDIT_BYTES // 4:
            raise SourceError("broken", f"{self._name}: the server hands out too little at a time")
        return most

    def _answers(self, messages: Sequence[Any]) -> list[tuple[int, Any]]:
        """Status and answer of each; as much as possible is under way at once."""
        answers: list[tuple[int, Any]] = []
        underway: list[tuple[Request, int]] = []
        waiting = list(messages)[::-1]
        while waiting or underway:
            burst = list(self._fitting(waiting, underway))
            if burst:
                sent = self._link.send(burst, self._tree)
                underway += [(one, _length(message)) for one, message in zip(sent, burst, strict=True)]
            request, _ = underway.pop(0)
            answers.append(_answer(self._link, request))
        return answers

    def _fitting(self, waiting: list[Any], underway: list[tuple[Request, int]]) -> Iterator[Any]:
        """Takes from the end of `waiting` what may be sent now: always one where nothing is under way."""
        left = self._link.credits
        requests, nbytes = len(underway), sum(length for _, length in underway)
        while waiting:
            length = _length(waiting[-1])
            price = max(1, -(-length // CREDIT_BYTES))
            too_much = price > left or requests >= MOST_REQUESTS or nbytes + length > MOST_BYTES
            if requests and too_much:
                return
            yield waiting.pop()
            left, requests, nbytes = left - price, requests + 1, nbytes + length

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            with self._link.bounded(CLOSE_S, self._name):
                (request,) = self._link.send([_close(handle)], self._tree)
                _answer(self._link, request)
        except SourceError:
            return  # the connection is gone, and with it whatever was open

    def _open_handle(self) -> Open:
        if self._handle is None:
            raise SourceError("broken", f"{self._name} was closed")
        return self._handle


# --- requests ----------------------------------------------------------------------------------


def _create(handle: Open) -> tuple[Any, Callable[[Request], object]]:
    """The request, and what takes in its answer."""
    made = handle.create(
        ImpersonationLevel.Impersonation,
        FilePipePrinterAccessMask.GENERIC_READ,
        0,
        _EVERYBODY_ELSE_MAY,
        CreateDisposition.FILE_OPEN,
        CreateOptions.FILE_NON_DIRECTORY_FILE,
        oplock_level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_NONE,
        send=False,
    )
    return cast("tuple[Any, Callable[[Request], object]]", made)


def _read(handle: Open, offset: int, length: int) -> Any:
    message, _ = handle.read(offset, length, send=False)
    return message


def _close(handle: Open) -> Any:
    message = SMB2CloseRequest()
    message["file_id"] = handle.file_id
    return message


def _all_information(handle: Open) -> Any:
    message = SMB2QueryInfoRequest()
    message["info_type"] = InfoType.SMB2_0_INFO_FILE
    message["file_info_class"] = FileInformationClass.FILE_ALL_INFORMATION
    message["file_id"] = handle.file_id
    message["output_buffer_length"] = _ALL_INFORMATION_BYTES
    return message


def _length(message: Any) -> int:
    return int(message["length"].get_value()) if isinstance(message, SMB2ReadRequest) else 0


# --- answers -----------------------------------------------------------------------------------


def _answer(link: SmbLink, request: Request) -> tuple[int, Any]:
    """The status, and the answer where that is 0."""
    try:
        return 0, link.connection.receive(request)
    except SMBResponseException as error:
        return error.status, None


def _data(status: int, answer: Any, name: str, most: int = MOST_LOCK_BYTES) -> bytes:
    if status == END_OF_FILE:
        return b""
    if status:
        raise file_error(status, name)
    response = SMB2ReadResponse()
    response.unpack(answer["data"].get_value())
    data = bytes(response["buffer"].get_value())
    if len(data) > most:
        raise SourceError("broken", f"{name}: the server sent more than was asked for")
    return data


def _information(status: int, answer: Any, name: str) -> _Information:
    if status:
        raise file_error(status, name)
    response = SMB2QueryInfoResponse()
    response.unpack(answer["data"].get_value())
    data = bytes(response["buffer"].get_value())
    if len(data) < _KNOWN:
        raise SourceError("broken", f"{name}: the server sent less than was asked for")
    (attributes,) = struct.unpack_from("<I", data, _ATTRIBUTES)
    (size,) = struct.unpack_from("<Q", data, _SIZE)
    (names,) = struct.unpack_from("<I", data, _LINKS)
    stat = Stat(
        size_bytes=size,
        modified=_time(data, _WRITTEN),
        created=_time(data, _CREATED),
        read_only=bool(attributes & _READ_ONLY),
    )
    return _Information(stat, bool(data[_DELETED]), names)


def _time(data: bytes, at: int) -> float | None:
    """0 where a file system keeps no such time."""
    (ticks,) = struct.unpack_from("<Q", data, at)
    return ticks / _TICKS_A_S - _FROM_1601_TO_1970_S if ticks else None


def _parts(path: str) -> tuple[str, str]:
    """The share, and the path below it as SMB has it. Raises SourceError."""
    share, _, below = path.replace("/", "\\").strip("\\").partition("\\")
    if not share or not below:
        raise SourceError("gone", f"{path} names no file on a share: write share/folder/file.accdb")
    return share, below


def _pieces(offset: int, length: int, largest: int) -> list[Range]:
    return [
        (start, min(largest, offset + length - start)) for start in range(offset, offset + length, largest)
    ]
