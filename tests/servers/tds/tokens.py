"""The tokens of an answer ([MS-TDS] 2.2.7)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum, IntFlag

from .answers import Column
from .collations import Collation
from .data_types import DataType

_RETURN_STATUS = 0x79
_COLUMNS = 0x81
_ORDER = 0xA9
_ERROR = 0xAA
_INFO = 0xAB
_RETURN_VALUE = 0xAC
_LOGIN_ACKNOWLEDGED = 0xAD
_FEATURES_ACKNOWLEDGED = 0xAE
_ROW = 0xD1
_ROW_WITH_NULLS_IN_BITS = 0xD2
_ENVIRONMENT = 0xE3

_NULLABLE = 0x0001
_UPDATEABLE_UNKNOWN = 0x0008
_LAST_FEATURE = 0xFF


class Done(IntEnum):
    """Which of the three ends: of a statement in a batch, of a procedure, of a statement in a procedure."""

    STATEMENT = 0xFD
    PROCEDURE = 0xFE
    IN_PROCEDURE = 0xFF


class DoneStatus(IntFlag):
    FINAL = 0x00
    MORE = 0x01
    ERROR = 0x02
    COUNT = 0x10
    ATTENTION = 0x20


class Command(IntEnum):
    """What a DONE says was done: the server's own numbers, of which drivers know SELECT."""

    NONE = 0x00
    SELECT = 0xC1


class Change(IntEnum):
    """Kinds of ENVCHANGE, 2.2.7.9."""

    DATABASE = 1
    LANGUAGE = 2
    PACKET_SIZE = 4
    COLLATION = 7
    BEGIN_TRANSACTION = 8
    COMMIT_TRANSACTION = 9
    ROLLBACK_TRANSACTION = 10


def short_text(text: str) -> bytes:
    """B_VARCHAR."""
    return bytes([len(text.encode("utf-16-le")) // 2]) + text.encode("utf-16-le")


def _text(text: str) -> bytes:
    """US_VARCHAR."""
    data = text.encode("utf-16-le")
    return struct.pack("<H", len(data) // 2) + data


def _sized(token: int, body: bytes) -> bytes:
    return struct.pack("<BH", token, len(body)) + body


def done(end: Done, status: DoneStatus, command: Command = Command.NONE, rows: int | None = None) -> bytes:
    """`rows`: the count, where there is one to be told."""
    if rows is not None:
        status |= DoneStatus.COUNT
    return struct.pack("<BHHQ", end, status, command, rows or 0)


def message(
    number: int, state: int, severity: int, text: str, server: str, procedure: str, line: int
) -> bytes:
    """INFO up to severity 10, ERROR above."""
    body = struct.pack("<iBB", number, state, severity) + _text(text)
    body += short_text(server) + short_text(procedure) + struct.pack("<i", line)
    return _sized(_INFO if severity <= 10 else _ERROR, body)


def columns(described: Sequence[Column]) -> bytes:
    """COLMETADATA."""
    parts = [struct.pack("<BH", _COLUMNS, len(described))]
    for column in described:
        flags = _UPDATEABLE_UNKNOWN | (_NULLABLE if column.nullable else 0)
        parts += (
            struct.pack("<IH", 0, flags),
            column.type.describe(column.nullable),
            short_text(column.name),
        )
    return b"".join(parts)


def row(described: Sequence[Column], values: Sequence[object]) -> bytes:
    """ROW, or NBCROW where that is shorter, as a real server chooses. Raises ValueError and TypeError."""
    if len(values) != len(described):
        raise ValueError(f"{len(values)} values for {len(described)} columns")
    encoded = [
        column.type.encode(value, column.nullable) for column, value in zip(described, values, strict=True)
    ]
    nulls = [index for index, value in enumerate(values) if value is None]
    bits = bytearray((len(values) + 7) // 8)
    if sum(len(encoded[index]) for index in nulls) <= len(bits):
        return b"".join([bytes([_ROW]), *encoded])
    for index in nulls:
        bits[index // 8] |= 1 << index % 8
        encoded[index] = b""
    return b"".join([bytes([_ROW_WITH_NULLS_IN_BITS]), bits, *encoded])


def order(ordinals: Sequence[int]) -> bytes:
    """ORDER: the numbers, from 1, of the columns by which the rows are ordered."""
    return _sized(_ORDER, struct.pack(f"<{len(ordinals)}H", *ordinals))


def return_status(status: int) -> bytes:
    return struct.pack("<Bi", _RETURN_STATUS, status)


def return_value(ordinal: int, name: str, kind: DataType, value: object) -> bytes:
    """RETURNVALUE of an output parameter."""
    head = struct.pack("<BH", _RETURN_VALUE, ordinal) + short_text(name)
    return head + struct.pack("<BIH", 1, 0, _NULLABLE) + kind.describe(True) + kind.encode(value)


def environment_text(change: Change, new: str, old: str) -> bytes:
    return _sized(_ENVIRONMENT, bytes([change]) + short_text(new) + short_text(old))


def environment_bytes(change: Change, new: bytes, old: bytes) -> bytes:
    body = bytes([change, len(new)]) + new + bytes([len(old)]) + old
    return _sized(_ENVIRONMENT, body)


def environment_collation(collation: Collation) -> bytes:
    return environment_bytes(Change.COLLATION, collation.wire, b"")


def login_acknowledged(tds: int, version: tuple[int, int, int]) -> bytes:
    major, minor, build = version
    body = b"\x01" + struct.pack(">I", tds) + short_text("Microsoft SQL Server")
    return _sized(_LOGIN_ACKNOWLEDGED, body + struct.pack(">BBH", major, minor, build))


def feature_acknowledged(feature: int, data: bytes) -> bytes:
    body = struct.pack("<BI", feature, len(data)) + data
    return bytes([_FEATURES_ACKNOWLEDGED]) + body + bytes([_LAST_FEATURE])
