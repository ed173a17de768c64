"""The parameters of a remote procedure call: their types and values read back ([MS-TDS] 2.2.5.4, 2.2.6.6)."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from uuid import UUID

from .packets import NotTds

_BY_REFERENCE = 0x01
_PLP_NULL = 0xFFFFFFFFFFFFFFFF
_BASE = dt.datetime(1900, 1, 1)

_INTEGERS: Mapping[int, str] = {1: "<B", 2: "<h", 4: "<i", 8: "<q"}
_FLOATS: Mapping[int, str] = {4: "<f", 8: "<d"}
_FIXED: Mapping[int, tuple[int, int]] = {  # type of fixed length: the same with a length, bytes
    0x30: (0x26, 1),
    0x32: (0x68, 1),
    0x34: (0x26, 2),
    0x38: (0x26, 4),
    0x7F: (0x26, 8),
    0x3B: (0x6D, 4),
    0x3E: (0x6D, 8),
    0x3A: (0x6F, 4),
    0x3D: (0x6F, 8),
    0x3C: (0x6E, 8),
    0x7A: (0x6E, 4),
}


@dataclass(frozen=True)
class Parameter:
    name: str
    value: object
    output: bool


class Reader:
    """Goes through the bytes of a call."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            raise NotTds("a call that ends too early")
        self._at += length
        return taken

    def number(self, layout: str) -> int:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def text(self, characters: int) -> str:
        return self.take(2 * characters).decode("utf-16-le")

    def parameter(self) -> Parameter:
        name = self.text(self.number("<B"))
        status = self.number("<B")
        return Parameter(name, self._value(), bool(status & _BY_REFERENCE))

    def _value(self) -> object:
        kind = self.number("<B")
        if kind in _FIXED:
            kind, size = _FIXED[kind]
            return _decode(kind, self.take(size), 0)
        if kind in _BYTE_LENGTH:
            return self._short(kind)
        if kind in _TEXTS or kind in _BINARIES:
            return self._long(kind)
        if kind in (0x63, 0x23, 0x22):  # ntext, text, image
            self.take(4)
            if kind != 0x22:
                self.take(5)
            length = self.number("<i")
            if length < 0:
                return None
            body = self.take(length)
            return body if kind == 0x22 else body.decode("utf-16-le" if kind == 0x63 else "cp1252")
        raise NotTds(f"a parameter of type 0x{kind:02X}")

    def _short(self, kind: int) -> object:
        scale = 0
        if kind in (0x6A, 0x6C):
            _, _, scale = self.take(3)
        elif kind != 0x28:  # a date has nothing here; a time its scale; the others their length
            scale = self.number("<B")
        body = self.take(self.number("<B"))
        return _decode(kind, body, scale) if body else None

    def _long(self, kind: int) -> object:
        declared = self.number("<H")
        if kind in _TEXTS:
            self.take(5)  # the collation
        body = self._chunks() if declared == 0xFFFF else self._sized()
        if body is None or kind in _BINARIES:
            return body
        return body.decode(_TEXTS[kind])

    def _sized(self) -> bytes | None:
        length = self.number("<H")
        return None if length == 0xFFFF else self.take(length)

    def _chunks(self) -> bytes | None:
        if self.number("<Q") == _PLP_NULL:
            return None
        body = b""
        while chunk := self.number("<I"):
            body += self.take(chunk)
        return body


_TEXTS: Mapping[int, str] = {0xE7: "utf-16-le", 0xEF: "utf-16-le", 0xA7: "cp1252", 0xAF: "cp1252"}
_BINARIES = frozenset({0xA5, 0xAD})


def _decode(kind: int, body: bytes, scale: int) -> object:
    return _BYTE_LENGTH[kind](body, scale)


def _decimal(body: bytes, scale: int) -> Decimal:
    units = Decimal(int.from_bytes(body[1:], "little")).scaleb(-scale, Context(prec=80))
    return units if body[0] else -units


def _datetime(body: bytes, _scale: int) -> dt.datetime:
    if len(body) == 4:
        days, minutes = struct.unpack("<HH", body)
        return _BASE + dt.timedelta(days=days, minutes=minutes)
    days, ticks = struct.unpack("<iI", body)
    return _BASE + dt.timedelta(days=days, microseconds=round(ticks / 300 * 1_000_000))


def _money(body: bytes, _scale: int) -> Decimal:
    if len(body) == 4:
        return Decimal(struct.unpack("<i", body)[0]).scaleb(-4)
    high, low = struct.unpack("<iI", body)
    return Decimal((high << 32) + low).scaleb(-4)


def _day(body: bytes) -> dt.date:
    return dt.date.fromordinal(int.from_bytes(body, "little") + 1)


def _time(body: bytes, scale: int) -> dt.timedelta:
    return dt.timedelta(microseconds=int.from_bytes(body, "little") * 1_000_000 // 10**scale)


def _datetime2(body: bytes, scale: int) -> dt.datetime:
    return dt.datetime.combine(_day(body[-3:]), dt.time()) + _time(body[:-3], scale)


def _datetimeoffset(body: bytes, scale: int) -> dt.datetime:
    (minutes,) = struct.unpack("<h", body[-2:])
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    return _datetime2(body[:-2], scale).replace(tzinfo=dt.UTC).astimezone(zone)


_BYTE_LENGTH: Mapping[int, Callable[[bytes, int], object]] = {
    0x24: lambda body, _: UUID(bytes_le=body),
    0x26: lambda body, _: struct.unpack(_INTEGERS[len(body)], body)[0],
    0x28: lambda body, _: _day(body),
    0x29: lambda body, scale: (_BASE + _time(body, scale)).time(),
    0x2A: _datetime2,
    0x2B: _datetimeoffset,
    0x68: lambda body, _: bool(body[0]),
    0x6A: _decimal,
    0x6C: _decimal,
    0x6D: lambda body, _: struct.unpack(_FLOATS[len(body)], body)[0],
    0x6E: _money,
    0x6F: _datetime,
}
