"""Table definitions: columns, indexes, and where the maps of a table's pages are.

A definition may go on over several pages; it is joined, and then read from one buffer. All definitions are
read side by side: one round per page of the longest chain.

Source: mdbtools, "TDEF Pages"; jackcess TableImpl, ColumnImpl, IndexData, IndexImpl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from checkup.jet.damage import Damage, DamageError
from checkup.jet.fields import CutError, i16, i32, piece, u8, u16, u32
from checkup.jet.formats import INDEX_MOST_COLUMNS, JET3, KIND_DEFINITION, MOST_COLUMNS, Format
from checkup.jet.pages import Pages
from checkup.jet.rows import RowPointer

# 255 columns and 32 indexes with the longest names there can be take 60 KB.
MOST_DEFINITION_PAGES: Final = 64
# Of all definitions that are read at once: 32 MB, so that no file can claim more memory than that.
MOST_PAGES_AT_ONCE: Final = 8192
# Of index data and indexes: the limit for people is 32; each relationship may add a name to the same data.
MOST_INDEX_ENTRIES: Final = 1000

_NEXT: Final = 4  # of a definition page: the page that goes on
_SYSTEM: Final = 0x53  # "S"; "N" is a user's
_NO_COLUMN: Final = -1
_MAPS_END: Final = 0xFFFF

# Column flags (jackcess ColumnImpl)
_FIXED: Final = 0x01
_AUTONUMBER: Final = 0x04
_REPLICATION: Final = 0x10
_AUTO_GUID: Final = 0x40
_HYPERLINK: Final = 0x80
_COMPRESSED: Final = 0x01  # extended flags
_CALCULATED: Final = 0xC0

# Index flags (jackcess IndexData)
_UNIQUE: Final = 0x01
_IGNORES_NULLS: Final = 0x02
_REQUIRED: Final = 0x08

TYPE_BOOLEAN: Final = 0x01
TYPE_BYTE: Final = 0x02
TYPE_INTEGER: Final = 0x03
TYPE_LONG: Final = 0x04
TYPE_MONEY: Final = 0x05
TYPE_FLOAT: Final = 0x06
TYPE_DOUBLE: Final = 0x07
TYPE_DATE: Final = 0x08
TYPE_BINARY: Final = 0x09
TYPE_TEXT: Final = 0x0A
TYPE_OLE: Final = 0x0B
TYPE_MEMO: Final = 0x0C
TYPE_GUID: Final = 0x0F
TYPE_NUMERIC: Final = 0x10
TYPE_COMPLEX: Final = 0x12
TYPE_BIG_INTEGER: Final = 0x13
TYPE_EXTENDED_DATE: Final = 0x14

TYPE_NAMES: Final[Mapping[int, str]] = {  # jackcess DataType
    TYPE_BOOLEAN: "boolean",
    TYPE_BYTE: "byte",
    TYPE_INTEGER: "integer",
    TYPE_LONG: "long",
    TYPE_MONEY: "currency",
    TYPE_FLOAT: "float",
    TYPE_DOUBLE: "double",
    TYPE_DATE: "date",
    TYPE_BINARY: "binary",
    TYPE_TEXT: "text",
    TYPE_OLE: "ole",
    TYPE_MEMO: "memo",
    TYPE_GUID: "guid",
    TYPE_NUMERIC: "numeric",
    TYPE_COMPLEX: "complex",
    TYPE_BIG_INTEGER: "big-integer",
    TYPE_EXTENDED_DATE: "extended-date",
}


class Column(NamedTuple):
    """`number` is the column's place in the null mask and in rows, and the name by which indexes and maps
    call it; columns that were deleted leave gaps in it. `length` in bytes as declared."""

    name: str
    type: int
    number: int
    variable_index: int
    fixed_offset: int
    length: int
    is_fixed: bool
    is_autonumber: bool
    is_replication: bool
    is_auto_guid: bool
    is_hyperlink: bool
    is_compressed: bool
    is_calculated: bool
    precision: int | None
    scale: int | None
    complex_id: int | None

    @property
    def type_name(self) -> str:
        return TYPE_NAMES.get(self.type, f"type-{self.type}")

    @property
    def is_long_value(self) -> bool:
        return self.type in (TYPE_OLE, TYPE_MEMO)


class IndexColumn(NamedTuple):
    number: int
    ascending: bool


class IndexData(NamedTuple):
    """A tree of index pages. `unique_entries` is a count that grows and is never taken back."""

    columns: tuple[IndexColumn, ...]
    map: RowPointer
    root: int
    flags: int
    unique_entries: int

    @property
    def is_unique(self) -> bool:
        return bool(self.flags & _UNIQUE)

    @property
    def ignores_nulls(self) -> bool:
        return bool(self.flags & _IGNORES_NULLS)

    @property
    def is_required(self) -> bool:
        return bool(self.flags & _REQUIRED)


class IndexRelation(NamedTuple):
    """The other end of a relationship that an index serves. `kind` is the file's own number."""

    kind: int
    other_index: int
    other_table_page: int
    cascades_updates: bool
    cascades_deletes: bool


IndexKind = Literal["normal", "primary", "foreign"]


class Index(NamedTuple):
    """What people call an index: a name, and which data it goes by. Several may share the data."""

    name: str
    number: int
    data_number: int
    kind: IndexKind
    relation: IndexRelation | None


class ColumnMaps(NamedTuple):
    """The maps of the pages that hold the long values of one column."""

    column_number: int
    owned: RowPointer
    free: RowPointer


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One table as its definition has it. `page` is the table's identity in the file.

    `row_count` is kept by the engine and is now and then off by a few in sound files; `most_columns` counts
    the columns that were deleted since the last compaction, too. `parts_end` is where the parts end that
    were read: in sound files at `length` exactly (observed in some 900 definitions).
    """

    page: int
    chain: tuple[int, ...]
    length: int
    row_count: int
    last_autonumber: int
    last_complex_autonumber: int | None
    is_system: bool
    most_columns: int
    variable_columns: int
    owned_map: RowPointer
    free_map: RowPointer
    columns: tuple[Column, ...]
    index_data: tuple[IndexData, ...]
    indexes: tuple[Index, ...]
    column_maps: tuple[ColumnMaps, ...]
    parts_end: int

    @cached_property
    def column_by_number(self) -> Mapping[int, Column]:
        return {column.number: column for column in self.columns}

    def column(self, name: str) -> Column | None:
        """By its name, whatever its case."""
        return self._column_by_name.get(name.casefold())

    @cached_property
    def _column_by_name(self) -> Mapping[str, Column]:
        return {column.name.casefold(): column for column in self.columns}

    def map_pointers(self) -> tuple[RowPointer, ...]:
        """Every usage map that the definition names: data, free space, indexes, long values."""
        pointers = [self.owned_map, self.free_map, *(data.map for data in self.index_data)]
        for maps in self.column_maps:
            pointers += [maps.owned, maps.free]
        return tuple(pointer for pointer in pointers if pointer.page)


class DefinitionStart(NamedTuple):
    """What the first page of a definition tells without the others."""

    page: int
    next_page: int
    length: int
    row_count: int
    last_autonumber: int
    is_system: bool
    column_count: int
    owned_map: RowPointer
    free_map: RowPointer


def read_starts(pages: Pages, numbers: Iterable[int]) -> dict[int, DefinitionStart | Damage]:
    """The first page of each definition, in one round: enough for row counts and the maps of data pages."""
    wanted = tuple(dict.fromkeys(numbers))
    found = pages.get(wanted)
    return {number: _start_or_damage(number, found.get(number), pages.layout) for number in wanted}


def read_definitions(
    pages: Pages, numbers: Iterable[int], text_encoding: str
) -> dict[int, Definition | Damage]:
    """All definitions, in as many rounds as the longest of them has pages. Raises SourceError.

    `text_encoding` is that of names in Jet 3; later ones are UTF-16.
    """
    chains: dict[int, list[int]] = {number: [number] for number in dict.fromkeys(numbers)}
    joined: dict[int, bytearray] = {number: bytearray() for number in chains}
    outcome: dict[int, Definition | Damage] = {}
    following: dict[int, int] = {number: number for number in chains}
    read = 0
    while following:
        for first in tuple(following)[max(0, MOST_PAGES_AT_ONCE - read) :]:
            outcome[first] = Damage(
                code="definition-many", page=following.pop(first), owner=first, numbers=(read,)
            )
        read += len(following)
        found = pages.get(following.values())
        next_round: dict[int, int] = {}
        for first, number in following.items():
            damage = _page_damage(found.get(number), number, first)
            if damage is not None:
                outcome[first] = damage
                continue
            page = found[number]
            joined[first] += page if number == first else page[pages.layout.definition_continues :]
            following_page = u32(page, _NEXT)
            if not following_page:
                continue
            damage = _chain_damage(chains[first], following_page)
            if damage is not None:
                outcome[first] = damage
                continue
            chains[first].append(following_page)
            next_round[first] = following_page
        following = next_round
    for first, chain in chains.items():
        if first not in outcome:
            outcome[first] = _definition_or_damage(
                tuple(chain), bytes(joined[first]), pages.layout, text_encoding
            )
    return {first: outcome[first] for first in chains}


def _page_damage(page: bytes | None, number: int, owner: int) -> Damage | None:
    if page is None:
        return Damage(code="page-missing", page=number, owner=owner)
    if page[0] != KIND_DEFINITION:
        return Damage(code="page-kind", page=number, owner=owner, numbers=(page[0],))
    return None


def _chain_damage(chain: list[int], following_page: int) -> Damage | None:
    if following_page in chain:
        return Damage(code="definition-loop", page=chain[-1], owner=chain[0], numbers=(following_page,))
    if len(chain) >= MOST_DEFINITION_PAGES:
        return Damage(code="definition-long", page=chain[-1], owner=chain[0], numbers=(len(chain),))
    return None


def _start_or_damage(number: int, page: bytes | None, layout: Format) -> DefinitionStart | Damage:
    damage = _page_damage(page, number, number)
    if damage is not None or page is None:
        return damage or Damage(code="page-missing", page=number, owner=number)
    return DefinitionStart(
        page=number,
        next_page=u32(page, _NEXT),
        length=u32(page, layout.definition_length),
        row_count=u32(page, layout.definition_rows),
        last_autonumber=u32(page, layout.definition_autonumber),
        is_system=page[layout.definition_kind] == _SYSTEM,
        column_count=u16(page, layout.definition_columns),
        owned_map=RowPointer.of(u32(page, layout.definition_owned_map)),
        free_map=RowPointer.of(u32(page, layout.definition_free_map)),
    )


def _definition_or_damage(
    chain: tuple[int, ...], joined: bytes, layout: Format, text_encoding: str
) -> Definition | Damage:
    try:
        return parse_definition(chain, joined, layout, text_encoding)
    except DamageError as error:
        return error.damage


def parse_definition(chain: tuple[int, ...], joined: bytes, layout: Format, text_encoding: str) -> Definition:
    """A definition from its joined pages. Raises DamageError."""
    try:
        return _Parser(chain, joined, layout, text_encoding).definition()
    except CutError as cut:
        damage = Damage(code="definition-cut", page=chain[0], owner=chain[0], numbers=(cut.at, cut.there_are))
        raise DamageError(damage) from cut


class _Parser:
    """Walks the parts of a definition in their order; `at` is where the next one starts."""

    def __init__(self, chain: tuple[int, ...], data: bytes, layout: Format, text_encoding: str) -> None:
        self.chain = chain
        self.data = data
        self.layout = layout
        self.encoding = text_encoding if layout is JET3 else "utf-16-le"
        self.at = layout.definition_end

    def definition(self) -> Definition:
        layout, data = self.layout, self.data
        column_count = u16(data, layout.definition_columns)
        data_count = u32(data, layout.definition_index_data)
        index_count = u32(data, layout.definition_indexes)
        if column_count > MOST_COLUMNS:
            raise self.damage("definition-count", column_count)
        if max(data_count, index_count) > MOST_INDEX_ENTRIES:
            raise self.damage("definition-count", max(data_count, index_count))
        unique_entries = self.unique_entries(data_count)
        columns = self.columns(column_count)
        index_data = tuple(self.index_data(entries) for entries in unique_entries)
        indexes = self.indexes(index_count, data_count)
        complex_autonumber = layout.definition_complex_autonumber
        return Definition(
            page=self.chain[0],
            chain=self.chain,
            length=u32(data, layout.definition_length),
            row_count=u32(data, layout.definition_rows),
            last_autonumber=u32(data, layout.definition_autonumber),
            last_complex_autonumber=None if complex_autonumber is None else u32(data, complex_autonumber),
            is_system=u8(data, layout.definition_kind) == _SYSTEM,
            most_columns=u16(data, layout.definition_most_columns),
            variable_columns=u16(data, layout.definition_variable_columns),
            owned_map=RowPointer.of(u32(data, layout.definition_owned_map)),
            free_map=RowPointer.of(u32(data, layout.definition_free_map)),
            columns=columns,
            index_data=index_data,
            indexes=indexes,
            column_maps=self.column_maps(),
            parts_end=self.at,
        )

    def damage(self, code: Literal["definition-count"], number: int) -> DamageError:
        return DamageError(Damage(code=code, page=self.chain[0], owner=self.chain[0], numbers=(number,)))

    def take(self, length: int) -> bytes:
        taken = piece(self.data, self.at, length)
        self.at += length
        return taken

    def name(self) -> str:
        size = self.layout.name_length_size
        length = int.from_bytes(self.take(size), "little")
        return self.take(length).decode(self.encoding, "replace")

    def unique_entries(self, count: int) -> list[int]:
        return [u32(self.take(self.layout.index_count_size), 4) for _ in range(count)]

    def columns(self, count: int) -> tuple[Column, ...]:
        records = [self.take(self.layout.column_size) for _ in range(count)]
        return tuple(self.column(record, self.name()) for record in records)

    def column(self, record: bytes, name: str) -> Column:
        layout = self.layout
        flags = u8(record, layout.column_flags)
        extended_at = layout.column_extended_flags
        extended = 0 if extended_at is None else u8(record, extended_at)
        kind = record[0]
        numeric, is_complex = kind == TYPE_NUMERIC, kind == TYPE_COMPLEX
        return Column(
            name=name,
            type=kind,
            number=u16(record, layout.column_number),
            variable_index=u16(record, layout.column_variable_index),
            fixed_offset=u16(record, layout.column_fixed_offset),
            length=u16(record, layout.column_length),
            is_fixed=bool(flags & _FIXED),
            is_autonumber=bool(flags & _AUTONUMBER) and not is_complex,
            is_replication=bool(flags & _REPLICATION),
            is_auto_guid=bool(flags & _AUTO_GUID),
            is_hyperlink=bool(flags & _HYPERLINK),
            is_compressed=bool(extended & _COMPRESSED),
            is_calculated=extended & _CALCULATED == _CALCULATED,
            precision=record[layout.column_extra] if numeric else None,
            scale=record[layout.column_extra + 1] if numeric else None,
            complex_id=u32(record, layout.column_extra) if is_complex else None,
        )

    def index_data(self, unique_entries: int) -> IndexData:
        layout = self.layout
        record = self.take(layout.index_data_size)
        columns: list[IndexColumn] = []
        for place in range(INDEX_MOST_COLUMNS):
            at = layout.index_data_columns + 3 * place
            number = i16(record, at)
            if number != _NO_COLUMN:
                columns.append(IndexColumn(number, ascending=record[at + 2] == 1))
        return IndexData(
            columns=tuple(columns),
            map=RowPointer.of(u32(record, layout.index_data_map)),
            root=u32(record, layout.index_data_root),
            flags=u8(record, layout.index_data_flags),
            unique_entries=unique_entries,
        )

    def indexes(self, count: int, data_count: int) -> tuple[Index, ...]:
        records = [self.take(self.layout.index_size) for _ in range(count)]
        indexes = tuple(self.index(record, self.name()) for record in records)
        for index in indexes:
            if index.data_number >= data_count:
                raise self.damage("definition-count", index.data_number)
        return indexes

    def index(self, record: bytes, name: str) -> Index:
        at = self.layout.index_number
        other_index, other_table_page = i32(record, at + 9), u32(record, at + 13)
        kinds: dict[int, IndexKind] = {1: "primary", 2: "foreign"}
        return Index(
            name=name,
            number=u32(record, at),
            data_number=u32(record, at + 4),
            kind=kinds.get(record[at + 19], "normal"),
            relation=IndexRelation(
                kind=record[at + 8],
                other_index=other_index,
                other_table_page=other_table_page,
                cascades_updates=record[at + 17] != 0,
                cascades_deletes=record[at + 18] != 0,
            )
            if other_index != _NO_COLUMN
            else None,
        )

    def column_maps(self) -> tuple[ColumnMaps, ...]:
        """Up to the end mark; a definition that simply ends here has no more of them."""
        maps: list[ColumnMaps] = []
        while self.at + 2 <= len(self.data) and len(maps) <= MOST_COLUMNS:
            number = u16(self.take(2), 0)
            if number == _MAPS_END:
                break
            record = self.take(8)
            maps.append(ColumnMaps(number, RowPointer.of(u32(record, 0)), RowPointer.of(u32(record, 4))))
        return tuple(maps)
