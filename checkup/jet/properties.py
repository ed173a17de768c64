"""The properties of an object, of its columns, and of the file: what LvProp in the catalogue holds.

A mark, then chunks of a length and a kind: the list of names; values of the object; values of one column.

Source: mdbtools, "Properties"; jackcess PropertyMaps.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
    TYPE_TEXT,
)
from checkup.jet.fields import CutError, piece, u8, u16, u32
from checkup.jet.formats import Format
from checkup.jet.values import Value, decode_date, decode_text

_MARKS: Final = (b"MR2\0", b"KKD\0")
_NAMES: Final = 0x80
_CHUNK_HEAD: Final = 6
_INTEGERS: Final = (TYPE_BYTE, TYPE_INTEGER, TYPE_LONG, TYPE_MONEY, TYPE_BIG_INTEGER)
_FLOATS: Final = {(TYPE_FLOAT, 4): "<f", (TYPE_DOUBLE, 8): "<d", (TYPE_DATE, 8): "<d"}


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Properties(NamedTuple):
    """Values by name, of the object itself and of its columns."""

    own: Mapping[str, Value] = _NOTHING
    columns: Mapping[str, Mapping[str, Value]] = _NOTHING


def parse_properties(data: bytes, layout: Format, text_encoding: str) -> Properties | Damage:
    """Damage names page 0: the caller knows where the bytes came from."""
    try:
        return _parse(data, layout, text_encoding)
    except CutError as cut:
        return Damage(code="properties-cut", page=0, numbers=(cut.at, cut.there_are))


def _parse(data: bytes, layout: Format, text_encoding: str) -> Properties:
    if piece(data, 0, 4) not in _MARKS:
        raise CutError(0, len(data))
    names: list[str] = []
    own: dict[str, Value] = {}
    columns: dict[str, dict[str, Value]] = {}
    at = 4
    while at < len(data):
        length, kind = u32(data, at), u16(data, at + 4)
        if length < _CHUNK_HEAD:
            raise CutError(at, len(data))
        chunk = piece(data, at + _CHUNK_HEAD, length - _CHUNK_HEAD)
        at += length
        if kind == _NAMES:
            names = _names(chunk, layout, text_encoding)
        else:
            owner, values = _values(chunk, names, layout, text_encoding)
            if owner:
                columns.setdefault(owner, {}).update(values)
            else:
                own.update(values)
    return Properties(own, columns)


def _names(chunk: bytes, layout: Format, text_encoding: str) -> list[str]:
    names: list[str] = []
    at = 0
    while at < len(chunk):
        length = u16(chunk, at)
        names.append(decode_text(piece(chunk, at + 2, length), layout, text_encoding))
        at += 2 + length
    return names


def _values(
    chunk: bytes, names: list[str], layout: Format, text_encoding: str
) -> tuple[str, dict[str, Value]]:
    """Whose they are ("" for the object's own), and the values."""
    name_end = u32(chunk, 0)
    owner = ""
    if name_end > 6:
        owner = decode_text(piece(chunk, 6, u16(chunk, 4)), layout, text_encoding)
    values: dict[str, Value] = {}
    at = max(name_end, 6)
    while at < len(chunk):
        length, kind, place, size = (
            u16(chunk, at),
            u8(chunk, at + 3),
            u16(chunk, at + 4),
            u16(chunk, at + 6),
        )
        if length < 8 or place >= len(names):
            raise CutError(at, len(chunk))
        values[names[place]] = _value(piece(chunk, at + 8, size), kind, layout, text_encoding)
        at += length
    return owner, values


def _value(data: bytes, kind: int, layout: Format, text_encoding: str) -> Value:
    if kind == TYPE_BOOLEAN:
        return any(data)
    if kind in (TYPE_TEXT, TYPE_MEMO):
        return decode_text(data, layout, text_encoding)
    if kind in _INTEGERS:
        return int.from_bytes(data, "little", signed=kind != TYPE_BYTE)
    text = _FLOATS.get((kind, len(data)))
    if text is None:
        return data
    number = float(struct.unpack(text, data)[0])
    return decode_date(number) if kind == TYPE_DATE else number
