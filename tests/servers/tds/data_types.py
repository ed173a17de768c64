"""Data types: how a column is described and how its values travel ([MS-TDS] 2.2.5.4 to 2.2.5.6).

A column that cannot be NULL is described by the type of fixed length where there is one, as a real server
does, and by the type of variable length otherwise.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from .collations import LATIN, Collation

_EXACT = Context(prec=80)  # the usual one rounds to 28 digits
_BASE_DAY = dt.date(1900, 1, 1)
_PLP_CHUNK_BYTES = 8_000
_PLP_NULL = b"\xff" * 8
_MAXIMUM = 0xFFFF  # the declared length of a (max) type


@dataclass(frozen=True)
class DataType:
    """One type with its length, precision or scale, as in a column's declaration.

    `info`: TYPE_INFO where NULL is allowed; `fixed_info`: where it is not, if that differs. `body`: the
    bytes of a value; `prefix`: those of its length. `variant`: base type and properties in a sql_variant.
    """

    name: str
    info: bytes
    null: bytes
    body: Callable[[Any], bytes]
    prefix: str = "<B"  # struct format of the length; "" for the chunks of a (max) type
    fixed_info: bytes = b""
    variant: bytes = b""  # base type, number of properties, properties

    def describe(self, nullable: bool) -> bytes:
        return self.info if nullable or not self.fixed_info else self.fixed_info

    def encode(self, value: object, nullable: bool = True) -> bytes:
        """A value of a row. Raises TypeError or ValueError where the type cannot hold it."""
        if value is None:
            if not nullable:
                raise ValueError(f"NULL in a column of type {self.name} that allows none")
            return self.null
        body = self.body(value)
        if not nullable and self.fixed_info:
            return body
        return struct.pack(self.prefix, len(body)) + body if self.prefix else _chunks(body)


def _chunks(body: bytes) -> bytes:
    """PLP_BODY: the length, chunks, and an empty chunk as the end."""
    parts = [struct.pack("<Q", len(body))]
    for start in range(0, len(body), _PLP_CHUNK_BYTES):
        chunk = body[start : start + _PLP_CHUNK_BYTES]
        parts += (struct.pack("<I", len(chunk)), chunk)
    return b"".join([*parts, bytes(4)])


def _packed(layout: str) -> Callable[[Any], bytes]:
    def body(value: object) -> bytes:
        try:
            return struct.pack(layout, value)
        except struct.error as error:
            raise ValueError(f"{value!r}: {error}") from error

    return body


def _number(name: str, code: int, fixed: int, layout: str) -> DataType:
    return DataType(
        name,
        info=bytes([code, struct.calcsize(layout)]),
        null=b"\0",
        body=_packed(layout),
        fixed_info=bytes([fixed]),
        variant=bytes([fixed, 0]),
    )


BIT = _number("bit", 0x68, 0x32, "<?")
TINYINT = _number("tinyint", 0x26, 0x30, "<B")
SMALLINT = _number("smallint", 0x26, 0x34, "<h")
INT = _number("int", 0x26, 0x38, "<i")
BIGINT = _number("bigint", 0x26, 0x7F, "<q")
REAL = _number("real", 0x6D, 0x3B, "<f")
FLOAT = _number("float", 0x6D, 0x3E, "<d")


def decimal(precision: int, scale: int, *, name: str = "decimal") -> DataType:
    """decimal(p, s); a value with more decimals than `scale` is an error, never rounded."""
    size = 5 + 4 * sum(precision > limit for limit in (9, 19, 28))

    def body(value: Decimal | int) -> bytes:
        units = Decimal(value).scaleb(scale, _EXACT)
        if units != int(units) or abs(units) >= 10**precision:
            raise ValueError(f"{value} is no {name}({precision}, {scale})")
        return bytes([units >= 0]) + abs(int(units)).to_bytes(size - 1, "little")

    code = 0x6A if name == "decimal" else 0x6C
    return DataType(
        f"{name}({precision}, {scale})",
        info=bytes([code, size, precision, scale]),
        null=b"\0",
        body=body,
        variant=bytes([code, 2, precision, scale]),
    )


def numeric(precision: int, scale: int) -> DataType:
    return decimal(precision, scale, name="numeric")


def _money(value: Decimal | int) -> bytes:
    units = int(Decimal(value).scaleb(4))
    return struct.pack("<iI", units >> 32, units & 0xFFFFFFFF)


MONEY = DataType("money", b"\x6e\x08", b"\0", _money, fixed_info=b"\x3c", variant=b"\x3c\0")
SMALLMONEY = DataType(
    "smallmoney",
    b"\x6e\x04",
    b"\0",
    lambda value: struct.pack("<i", int(Decimal(value).scaleb(4))),
    fixed_info=b"\x7a",
    variant=b"\x7a\0",
)


def _day(day: dt.date) -> bytes:
    return (day.toordinal() - 1).to_bytes(3, "little")


def _units(time: dt.time | dt.datetime, scale: int) -> bytes:
    """The time of day in units of 10^-scale seconds; what a unit cannot hold is cut off."""
    microseconds = ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond
    units = microseconds * 10**scale // 1_000_000
    return units.to_bytes(_time_bytes(scale), "little")


def _time_bytes(scale: int) -> int:
    return 3 + (scale > 2) + (scale > 4)


def _datetime(value: dt.datetime) -> bytes:
    days = (value.date() - _BASE_DAY).days
    ticks = round((value - dt.datetime.combine(value, dt.time())) / dt.timedelta(seconds=1) * 300)
    return struct.pack("<iI", days, ticks)


def _smalldatetime(value: dt.datetime) -> bytes:
    return struct.pack("<HH", (value.date() - _BASE_DAY).days, value.hour * 60 + value.minute)


DATE = DataType("date", b"\x28", b"\0", _day, variant=b"\x28\0")
DATETIME = DataType("datetime", b"\x6f\x08", b"\0", _datetime, fixed_info=b"\x3d", variant=b"\x3d\0")
SMALLDATETIME = DataType(
    "smalldatetime", b"\x6f\x04", b"\0", _smalldatetime, fixed_info=b"\x3a", variant=b"\x3a\0"
)


def time(scale: int = 7) -> DataType:
    return DataType(
        f"time({scale})",
        bytes([0x29, scale]),
        b"\0",
        lambda value: _units(value, scale),
        variant=bytes([0x29, 1, scale]),
    )


def datetime2(scale: int = 7) -> DataType:
    return DataType(
        f"datetime2({scale})",
        bytes([0x2A, scale]),
        b"\0",
        lambda value: _units(value, scale) + _day(value.date()),
        variant=bytes([0x2A, 1, scale]),
    )


def datetimeoffset(scale: int = 7) -> DataType:
    """Of datetimes with a time zone; on the wire in UTC, with the offset in minutes beside it."""

    def body(value: dt.datetime) -> bytes:
        offset = value.utcoffset()
        if offset is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(dt.UTC)
        minutes = round(offset / dt.timedelta(minutes=1))
        return _units(utc, scale) + _day(utc.date()) + struct.pack("<h", minutes)

    return DataType(
        f"datetimeoffset({scale})", bytes([0x2B, scale]), b"\0", body, variant=bytes([0x2B, 1, scale])
    )


def _texts(
    name: str, code: int, length: int | None, unit_bytes: int, codec: str, collation: Collation, padded: bool
) -> DataType:
    """`length` in characters of `unit_bytes`; None is (max)."""
    size = None if length is None else length * unit_bytes

    def body(value: str) -> bytes:
        data = (value.ljust(length) if padded and length else value).encode(codec)
        if size is not None and len(data) > size:
            raise ValueError(f"{len(data)} bytes in {name}({length})")
        return data

    return DataType(
        f"{name}({'max' if length is None else length})",
        bytes([code]) + struct.pack("<H", _MAXIMUM if size is None else size) + collation.wire,
        _PLP_NULL if size is None else b"\xff\xff",
        body,
        prefix="" if size is None else "<H",
        variant=b"" if size is None else bytes([code, 7]) + collation.wire + struct.pack("<H", size),
    )


def nvarchar(length: int | None, collation: Collation = LATIN) -> DataType:
    return _texts("nvarchar", 0xE7, length, 2, "utf-16-le", collation, padded=False)


def nchar(length: int, collation: Collation = LATIN) -> DataType:
    return _texts("nchar", 0xEF, length, 2, "utf-16-le", collation, padded=True)


def varchar(length: int | None, collation: Collation = LATIN) -> DataType:
    return _texts("varchar", 0xA7, length, 1, collation.codec, collation, padded=False)


def char(length: int, collation: Collation = LATIN) -> DataType:
    return _texts("char", 0xAF, length, 1, collation.codec, collation, padded=True)


SYSNAME = nvarchar(128)


def _bytes(name: str, code: int, length: int | None, padded: bool) -> DataType:
    def body(value: bytes) -> bytes:
        data = value.ljust(length, b"\0") if padded and length else value
        if length is not None and len(data) > length:
            raise ValueError(f"{len(data)} bytes in {name}({length})")
        return data

    return DataType(
        f"{name}({'max' if length is None else length})",
        bytes([code]) + struct.pack("<H", _MAXIMUM if length is None else length),
        _PLP_NULL if length is None else b"\xff\xff",
        body,
        prefix="" if length is None else "<H",
        variant=b"" if length is None else bytes([code, 2]) + struct.pack("<H", length),
    )


def varbinary(length: int | None) -> DataType:
    return _bytes("varbinary", 0xA5, length, padded=False)


def binary(length: int) -> DataType:
    return _bytes("binary", 0xAD, length, padded=True)


def _uuid(value: UUID) -> bytes:
    return value.bytes_le


UNIQUEIDENTIFIER = DataType("uniqueidentifier", b"\x24\x10", b"\0", _uuid, variant=b"\x24\0")


def _xml(value: str) -> bytes:
    return value.encode("utf-16-le")


XML = DataType("xml", b"\xf1\0", _PLP_NULL, _xml, prefix="")  # without a schema


@dataclass(frozen=True)
class Variant:
    """A value of a sql_variant with the type that it has inside."""

    type: DataType
    value: object


def variant_of(value: object) -> Variant:
    """The type that the server's own functions would give such a value."""
    match value:
        case Variant():
            return value
        case bool():
            return Variant(BIT, value)
        case int():
            return Variant(INT if -(2**31) <= value < 2**31 else BIGINT, value)
        case float():
            return Variant(FLOAT, value)
        case str():
            return Variant(SYSNAME, value)
        case dt.datetime():
            return Variant(DATETIME if value.tzinfo is None else datetimeoffset(), value)
        case bytes():
            return Variant(varbinary(8000), value)
        case _:
            raise TypeError(f"say which type {value!r} has inside the sql_variant: Variant(type, value)")


def _variant(value: object) -> bytes:
    inside = variant_of(value)
    if not inside.type.variant:
        raise ValueError(f"{inside.type.name} cannot be inside a sql_variant")
    return inside.type.variant + inside.type.body(inside.value)


# The longest value is 8,000 bytes and its description ([MS-TDS] 2.2.5.5.4: 8009)
SQL_VARIANT = DataType("sql_variant", b"\x62" + struct.pack("<I", 8009), bytes(4), _variant, prefix="<I")
