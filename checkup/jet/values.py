"""The values of a row, by its table's definition.

A row: the number of columns, the fixed columns, the variable ones, where each of these starts (from the
last to the first), how many there are, and a mask with a bit for each column that is not null. In Jet 3
numbers are one byte, and a table of jumps tells where offsets pass a multiple of 256.

Source: mdbtools, "Data Pages" and "Text Data Type"; jackcess TableImpl and ColumnImpl.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from checkup.jet.damage import Damage
from checkup.jet.definition import (
    TYPE_BIG_INTEGER,
    TYPE_BOOLEAN,
    TYPE_BYTE,
    TYPE_DATE,
    TYPE_DOUBLE,
    TYPE_FLOAT,
    TYPE_INTEGER,
    TYPE_LONG,
    TYPE_MEMO,
    TYPE_MONEY,
    TYPE_OLE,
    TYPE_TEXT,
    Column,
    Definition,
)
from checkup.jet.fields import CutError, piece, u8, u16
from checkup.jet.formats import JET3, Format
from checkup.jet.rows import Row

_DAY_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 the file knows no time zone
_MOST_DAYS: Final = 2_958_466  # the year 9999
_COMPRESSED: Final = b"\xff\xfe"
_INTEGERS: Final = frozenset({TYPE_BYTE, TYPE_INTEGER, TYPE_LONG, TYPE_MONEY, TYPE_BIG_INTEGER})
_FLOATS: Final = {TYPE_FLOAT: "<f", TYPE_DOUBLE: "<d", TYPE_DATE: "<d"}
FIXED_SIZES: Final = {  # in bytes, by type
    TYPE_BYTE: 1,
    TYPE_INTEGER: 2,
    TYPE_LONG: 4,
    TYPE_MONEY: 8,
    TYPE_BIG_INTEGER: 8,
    TYPE_FLOAT: 4,
    TYPE_DOUBLE: 8,
    TYPE_DATE: 8,
}


@dataclass(frozen=True)
class LongBytes:
    """A memo or OLE field as the row has it: its own head, and what may lie behind it. See `long_values`."""

    data: bytes = field(repr=False)  # may be a connection text with a password


Value = bool | int | float | str | bytes | datetime | LongBytes | None
"""What no system table needs stays bytes: numeric, GUID, complex, extended date, calculated columns."""


def row_values(
    row: Row, definition: Definition, names: Iterable[str], layout: Format, text_encoding: str
) -> dict[str, Value] | Damage:
    """The values of the named columns; a name that the table does not have is None, like a null."""
    try:
        shape = _shape(row.data, definition, layout)
        values: dict[str, Value] = {}
        for name in names:
            column = definition.column(name)
            values[name] = None if column is None else _value(row.data, column, shape, layout, text_encoding)
        return values
    except CutError as cut:
        numbers = (row.at.row, cut.at, cut.there_are)
        return Damage(code="row-cut", page=row.at.page, owner=definition.page, numbers=numbers)


def decode_text(data: bytes, layout: Format, text_encoding: str) -> str:
    """A text: Jet 3 in the code page; later UTF-16, or compressed: after FF FE one byte for a character,
    where each zero byte changes between one byte and UTF-16 (mdbtools, "Text Data Type")."""
    if layout is JET3:
        return data.decode(text_encoding, "replace")
    if not data.startswith(_COMPRESSED):
        return data.decode("utf-16-le", "replace")
    parts = data[len(_COMPRESSED) :].split(b"\0")
    return "".join(
        part.decode("utf-16-le" if place % 2 else "latin-1", "replace") for place, part in enumerate(parts)
    )


def decode_date(days: float) -> datetime | None:
    """Days since 1899-12-30; before that the fraction counts on from the day, not back."""
    if not math.isfinite(days) or abs(days) >= _MOST_DAYS:
        return None
    fraction, whole = math.modf(days)
    try:
        return _DAY_ZERO + timedelta(days=whole) + timedelta(days=abs(fraction))
    except OverflowError:
        return None


class _Shape(NamedTuple):
    columns: int
    not_null: bytes
    ends: tuple[int, ...]  # where each variable column starts, and where the last one ends


def _shape(data: bytes, definition: Definition, layout: Format) -> _Shape:
    size = layout.count_size
    columns = u8(data, 0) if size == 1 else u16(data, 0)
    mask_length = (columns + 7) // 8
    mask_at = len(data) - mask_length
    not_null = piece(data, mask_at, mask_length)
    if not definition.variable_columns:
        return _Shape(columns, not_null, ())
    count_at = mask_at - size
    if layout is JET3:
        return _Shape(columns, not_null, _jet3_ends(data, count_at))
    variable = u16(data, count_at)
    first = count_at - size
    return _Shape(columns, not_null, tuple(u16(data, first - size * place) for place in range(variable + 1)))


def _jet3_ends(data: bytes, count_at: int) -> tuple[int, ...]:
    """(mdbtools libmdb, reading of rows with jumps; jackcess TableImpl readJumpTableVarColOffset.)"""
    variable = u8(data, count_at)
    jumps = (len(data) - 1) // 256
    first = count_at - jumps - 1
    if (first - variable) // 256 < jumps:
        jumps -= 1  # the last jump is not used
    ends: list[int] = []
    used = 0
    for place in range(variable + 1):
        while used < jumps and u8(data, count_at - 1 - used) == place:
            used += 1
        ends.append(u8(data, first - place) + 256 * used)
    return tuple(ends)


def _value(data: bytes, column: Column, shape: _Shape, layout: Format, text_encoding: str) -> Value:
    number = column.number
    set_bit = number < shape.columns and bool(shape.not_null[number >> 3] >> (number & 7) & 1)
    if column.type == TYPE_BOOLEAN:
        return set_bit  # the mask is the value
    if not set_bit:
        return None
    return _decoded(_field(data, column, shape, layout), column, layout, text_encoding)


def _field(data: bytes, column: Column, shape: _Shape, layout: Format) -> bytes | None:
    """The bytes of a column. One of a fixed length may lie among the variable ones (observed in system
    tables)."""
    if column.is_fixed:
        length = FIXED_SIZES.get(column.type, column.length)
        return piece(data, layout.count_size + column.fixed_offset, length)
    place = column.variable_index
    if place + 1 >= len(shape.ends):
        return None
    start, end = shape.ends[place], shape.ends[place + 1]
    return piece(data, start, end - start)


def _decoded(field: bytes | None, column: Column, layout: Format, text_encoding: str) -> Value:
    kind = column.type
    if field is None or column.is_calculated:
        return field
    if kind == TYPE_TEXT:
        return decode_text(field, layout, text_encoding)
    if kind in (TYPE_MEMO, TYPE_OLE):
        return LongBytes(field)
    if kind in _INTEGERS:
        return int.from_bytes(piece(field, 0, FIXED_SIZES[kind]), "little", signed=kind != TYPE_BYTE)
    if kind in _FLOATS:
        number = float(struct.unpack(_FLOATS[kind], piece(field, 0, FIXED_SIZES[kind]))[0])
        return decode_date(number) if kind == TYPE_DATE else number
    return field
