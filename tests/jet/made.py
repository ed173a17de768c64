"""Small Access files made here, in Jet 3 or Jet 4, for what no real file has: credentials, loops, damage.

Only what the reader reads is made: a header, the map of free pages, definitions, usage maps, rows, long
values. Each page is laid out so that the rules of sound pages hold.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checkup.jet.encryption import header_mask
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.local import LocalSource
from checkup.jet.opening import AccessFile, open_file
from checkup.jet.source import Range, SourceError, Stat

BOOLEAN, BYTE, INTEGER, LONG, DATE, BINARY, TEXT, OLE, MEMO = 1, 2, 3, 4, 8, 9, 10, 11, 12
FIXED_SIZES = {BYTE: 1, INTEGER: 2, LONG: 4, DATE: 8}
RowValue = int | str | bytes | None

CATALOGUE = (
    ("Id", LONG),
    ("ParentId", LONG),
    ("Name", TEXT),
    ("Type", INTEGER),
    ("Flags", LONG),
    ("DateCreate", DATE),
    ("DateUpdate", DATE),
    ("ForeignName", TEXT),
    ("Connect", MEMO),
    ("Database", MEMO),
    ("LvProp", OLE),
)


class BytesSource:
    """A file in memory; what it holds may be changed between reads. Keeps the rounds it was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.rounds: list[list[Range]] = []
        self.closed = False

    @property
    def name(self) -> str:
        return "made.mdb"

    def stat(self) -> Stat:
        return Stat(size_bytes=len(self.data), modified=None)

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        if self.closed:
            raise SourceError("gone", "closed")
        self.rounds.append(list(ranges))
        return [self.data[offset : offset + length] for offset, length in ranges]

    def close(self) -> None:
        self.closed = True


@dataclass
class MadeFile:
    """Pages by number; `data()` is the file."""

    layout: Format = JET4
    pages: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def data(self) -> bytes:
        empty = bytes(self.layout.page_size)
        return b"".join(self.pages.get(number, empty) for number in range(max(self.pages) + 1))

    def source(self) -> BytesSource:
        return BytesSource(self.data())

    def open(self) -> AccessFile:
        return open_file(self.source())


def header(
    layout: Format = JET4, *, version: int | None = None, changes: Mapping[int, bytes] | None = None
) -> bytes:
    """A first page; `changes` are made in what lies under the mask, by offset. Created on 2020-01-01."""
    page = bytearray(layout.page_size)
    page[0:4] = b"\x00\x01\x00\x00"
    page[4:20] = b"Standard Jet DB\0"
    page[0x14] = (0 if layout is JET3 else 1) if version is None else version
    if page[0x14] > 1:
        page[4:20] = b"Standard ACE DB\0"
    plain = bytearray(layout.page_size)
    plain[layout.collation : layout.collation + 2] = (1033).to_bytes(2, "little")
    plain[0x3C:0x3E] = (1252).to_bytes(2, "little")
    if layout.created is not None:
        plain[layout.created : layout.created + 8] = struct.pack("<d", 43831.0)
        plain[0x42 : 0x42 + 40] = (43831).to_bytes(4, "little") * 10
    for at, value in (changes or {}).items():
        plain[at : at + len(value)] = value
    mask = header_mask(layout.mask_length)
    for place, byte in enumerate(mask):
        page[0x18 + place] = plain[0x18 + place] ^ byte
    page[layout.commit_words : layout.commit_words + 512] = b"\x00\x01" * 256
    for at, value in (changes or {}).items():
        if at >= 0x18 + layout.mask_length:
            page[at : at + len(value)] = value
    return bytes(page)


def data_page(
    layout: Format, owner: int | bytes, rows: Sequence[bytes], flags: Mapping[int, int] | None = None
) -> bytes:
    """Rows from the end of the page on; `flags` by row."""
    page = bytearray(layout.page_size)
    page[0:2] = b"\x01\x01"
    page[4:8] = owner if isinstance(owner, bytes) else owner.to_bytes(4, "little")
    end = layout.page_size
    for place, row in enumerate(rows):
        end -= len(row)
        page[end : end + len(row)] = row
        slot = layout.slots + 2 * place
        page[slot : slot + 2] = (end | (flags or {}).get(place, 0)).to_bytes(2, "little")
    page[layout.row_count : layout.row_count + 2] = len(rows).to_bytes(2, "little")
    free = end - layout.slots - 2 * len(rows)
    assert free >= 0, "too many rows for a page"
    page[2:4] = free.to_bytes(2, "little")
    return bytes(page)


def pointer(page: int, row: int) -> bytes:
    return (page << 8 | row).to_bytes(4, "little")


def inline_map(numbers: Sequence[int], first: int = 0, size: int = 64) -> bytes:
    bits = bytearray(size)
    for number in numbers:
        bits[(number - first) >> 3] |= 1 << ((number - first) & 7)
    return b"\x00" + first.to_bytes(4, "little") + bits


def reference_map(pages: Sequence[int]) -> bytes:
    return b"\x01" + b"".join(page.to_bytes(4, "little") for page in pages)


def map_page(layout: Format, places: Sequence[int]) -> bytes:
    """A page of bits; `places` count from the first page that it tells of."""
    bits = bytearray(layout.page_size - 4)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return b"\x05\x01\x00\x00" + bits


@dataclass(frozen=True)
class MadeIndex:
    name: str
    columns: tuple[int, ...]
    kind: int = 0  # 1 primary, 2 foreign
    flags: int = 0x80
    root: int = 0
    map: tuple[int, int] = (0, 0)
    other_index: int = -1
    other_table: int = 0


def definition(
    layout: Format,
    columns: Sequence[tuple[str, int]],
    *,
    rows: int = 0,
    owned: tuple[int, int] = (0, 0),
    free: tuple[int, int] = (0, 0),
    indexes: Sequence[MadeIndex] = (),
    column_maps: Sequence[tuple[int, tuple[int, int], tuple[int, int]]] = (),
    system: bool = False,
) -> bytes:
    """The joined bytes of a definition, from the first page's start on; `definition_pages` cuts them."""
    head = bytearray(layout.definition_end)
    head[0:2] = b"\x02\x01"

    def put(at: int, value: int, size: int) -> None:
        head[at : at + size] = value.to_bytes(size, "little")

    variable = [name for name, kind in columns if kind not in FIXED_SIZES and kind != BOOLEAN]
    put(layout.definition_rows, rows, 4)
    put(layout.definition_kind, 0x53 if system else 0x4E, 1)
    put(layout.definition_most_columns, len(columns), 2)
    put(layout.definition_variable_columns, len(variable), 2)
    put(layout.definition_columns, len(columns), 2)
    put(layout.definition_indexes, len(indexes), 4)
    put(layout.definition_index_data, len(indexes), 4)
    put(layout.definition_owned_map, owned[0] << 8 | owned[1], 4)
    put(layout.definition_free_map, free[0] << 8 | free[1], 4)
    body = bytearray(layout.index_count_size * len(indexes))
    offset = 0
    for number, (name, kind) in enumerate(columns):
        record = bytearray(layout.column_size)
        record[0] = kind
        record[layout.column_number : layout.column_number + 2] = number.to_bytes(2, "little")
        fixed = kind in FIXED_SIZES or kind == BOOLEAN
        record[layout.column_flags] = 0x03 if fixed else 0x02
        if fixed:
            at = layout.column_fixed_offset
            record[at : at + 2] = offset.to_bytes(2, "little")
            offset += FIXED_SIZES.get(kind, 0)
        else:
            at = layout.column_variable_index
            record[at : at + 2] = variable.index(name).to_bytes(2, "little")
        length = FIXED_SIZES.get(kind, 0 if kind != TEXT else 100)
        record[layout.column_length : layout.column_length + 2] = length.to_bytes(2, "little")
        body += record
    for name, _ in columns:
        body += _name(layout, name)
    for index in indexes:
        record = bytearray(layout.index_data_size)
        for place in range(10):
            at = layout.index_data_columns + 3 * place
            used = place < len(index.columns)
            record[at : at + 2] = (index.columns[place] if used else 0xFFFF).to_bytes(2, "little")
            record[at + 2] = int(used)
        record[layout.index_data_map : layout.index_data_map + 4] = pointer(*index.map)
        record[layout.index_data_root : layout.index_data_root + 4] = index.root.to_bytes(4, "little")
        record[layout.index_data_flags] = index.flags
        body += record
    for number, index in enumerate(indexes):
        record = bytearray(layout.index_size)
        at = layout.index_number
        record[at : at + 4] = number.to_bytes(4, "little")
        record[at + 4 : at + 8] = number.to_bytes(4, "little")
        record[at + 9 : at + 13] = index.other_index.to_bytes(4, "little", signed=True)
        record[at + 13 : at + 17] = index.other_table.to_bytes(4, "little")
        record[at + 19] = index.kind
        body += record
    for index in indexes:
        body += _name(layout, index.name)
    for number, of_values, with_room in column_maps:
        body += number.to_bytes(2, "little") + pointer(*of_values) + pointer(*with_room)
    body += b"\xff\xff"
    head[layout.definition_length : layout.definition_length + 4] = (len(head) + len(body)).to_bytes(
        4, "little"
    )
    return bytes(head + body)


def definition_pages(layout: Format, joined: bytes, numbers: Sequence[int]) -> dict[int, bytes]:
    """The definition on its pages, in the order of `numbers`, each naming the next."""
    size = layout.page_size
    rest = joined[size:]
    parts = [joined[:size]]
    while rest:
        parts.append(b"\x02\x01\x00\x00\x00\x00\x00\x00" + rest[: size - 8])
        rest = rest[size - 8 :]
    assert len(parts) <= len(numbers), f"the definition needs {len(parts)} pages"
    pages: dict[int, bytes] = {}
    for place, part in enumerate(parts):
        following = numbers[place + 1] if place + 1 < len(parts) else 0
        page = bytearray(part.ljust(size, b"\0"))
        page[4:8] = following.to_bytes(4, "little")
        pages[numbers[place]] = bytes(page)
    return pages


def row(layout: Format, columns: Sequence[tuple[str, int]], values: Mapping[str, RowValue]) -> bytes:
    """A row with all columns; texts are encoded, bytes (long values with their heads) are not."""
    size = layout.count_size
    fixed, ends, variable = bytearray(), [0], bytearray()
    mask = bytearray((len(columns) + 7) // 8)
    for number, (name, kind) in enumerate(columns):
        value = values.get(name)
        if kind in FIXED_SIZES:
            raw = value if isinstance(value, bytes) else _fixed(kind, value)
            fixed += raw
        elif kind != BOOLEAN:
            variable += b"" if value is None else _variable(layout, value)
            ends.append(len(variable))
        if value not in (None, False):
            mask[number >> 3] |= 1 << (number & 7)
    start = size + len(fixed)
    tail = b"".join((start + end).to_bytes(size, "little") for end in reversed(ends))
    count = (len(ends) - 1).to_bytes(size, "little")
    if len(ends) == 1:
        tail, count = b"", b""
    made = len(columns).to_bytes(size, "little") + fixed + variable + tail + count + mask
    assert layout is not JET3 or len(made) <= 256, "rows with jumps are not made here"
    return made


def inline_value(data: bytes) -> bytes:
    """A long value that lies in its row."""
    return (len(data) | 0x80000000).to_bytes(4, "little") + bytes(8) + data


def distant_value(length: int, page: int, at: int, *, chain: bool = False) -> bytes:
    return (length | (0 if chain else 0x40000000)).to_bytes(4, "little") + pointer(page, at) + bytes(4)


def clinic_file(layout: Format = JET4, objects: Sequence[Mapping[str, RowValue]] = ()) -> MadeFile:
    """A file with one table, Patients (page 5, its rows on page 6), and further rows in the catalogue.

    Pages: 3 has the maps (row 0 of the catalogue, 1 of the table, 2 empty), 4 the catalogue's rows.
    """
    made = MadeFile(layout)
    rows = [
        {"Id": 2, "ParentId": 0x0F000001, "Name": "MSysObjects", "Type": 1, "Flags": -0x80000000},
        {"Id": 5, "ParentId": 0x0F000001, "Name": "Patients", "Type": 1, "Flags": 0},
        *objects,
    ]
    columns = (("Id", LONG), ("Name", TEXT), ("Seen", BOOLEAN))
    key = MadeIndex("PrimaryKey", (0,), kind=1, flags=0x89)
    made.pages |= {
        0: header(layout),
        1: data_page(layout, 0, [inline_map([])]),
        3: data_page(layout, 0, [inline_map([4]), inline_map([6]), inline_map([])]),
        4: data_page(layout, 2, [row(layout, CATALOGUE, values) for values in rows]),
        6: data_page(layout, 5, [row(layout, columns, {"Id": 1, "Name": "A", "Seen": True})]),
    }
    catalogue = definition(layout, CATALOGUE, rows=len(rows), owned=(3, 0), free=(3, 2), system=True)
    table = definition(layout, columns, rows=1, owned=(3, 1), free=(3, 2), indexes=[key])
    made.pages |= definition_pages(layout, catalogue, [2])
    made.pages |= definition_pages(layout, table, [5])
    return made


def open_path(path: Path) -> AccessFile:
    """A file of the disk, opened; it is closed when nobody has it any more."""
    return open_file(LocalSource(path))


def _name(layout: Format, name: str) -> bytes:
    raw = name.encode("cp1252" if layout is JET3 else "utf-16-le")
    return len(raw).to_bytes(layout.name_length_size, "little") + raw


def _fixed(kind: int, value: RowValue) -> bytes:
    number = value if isinstance(value, int) else 0
    return number.to_bytes(FIXED_SIZES[kind], "little", signed=number < 0)


def _variable(layout: Format, value: RowValue) -> bytes:
    if isinstance(value, str):
        return value.encode("cp1252" if layout is JET3 else "utf-16-le")
    assert isinstance(value, bytes)
    return value
