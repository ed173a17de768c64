"""Damage planted in copies of sound files: one kind on one kind of page, and what must be named for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkup.jet.definition import Definition
from checkup.jet.formats import (
    CATALOGUE_PAGE,
    KIND_INDEX_LEAF,
    KIND_INDEX_NODE,
    SLOT_OFFSET_MASK,
    SLOT_POINTER,
    Format,
)
from checkup.jet.opening import AccessFile, open_file
from checkup.jet.partition import (
    DATA,
    DEFINITION,
    INDEX,
    KINDS,
    LONG_VALUES,
    MAP,
    MAP_ROWS,
    Partition,
    Share,
    Structure,
    partition,
    read_structure,
)
from checkup.jet.problems import Findings, Problem
from checkup.jet.rows import RowPointer, row_bytes, slots
from tests.jet.made import BytesSource

FAR_PAGE = 0x00FF_FFF0 >> 8


@dataclass(frozen=True)
class Survey:
    """A sound file, and whose its pages are."""

    data: bytes
    file: AccessFile
    structure: Structure
    partition: Partition

    @property
    def layout(self) -> Format:
        return self.file.header.layout

    def page(self, number: int) -> bytes:
        size = self.layout.page_size
        return self.data[number * size : (number + 1) * size]

    def of_role(self, role: int) -> list[int]:
        """Page 1, whose loss is the loss of everything else's map, left apart."""
        return [number for number in np.flatnonzero(self.partition.role == role).tolist() if number > 1]

    def with_rows(self, role: int) -> list[int]:
        """Pages of data or long values that hold a live row."""
        return [page for page in self.of_role(role) if any(slot.use == "row" for slot in self.slots(page))]

    def with_entries(self) -> list[int]:
        layout = self.layout
        return [
            page
            for page in self.of_role(INDEX)
            if any(self.page(page)[layout.index_bits : layout.index_entries])
        ]

    def slots(self, page: int) -> Any:
        return slots(self.page(page), self.layout)

    def share(self, page: int) -> Share:
        return self.partition.shares[int(self.partition.share[page])]


def survey(data: bytes) -> Survey:
    file = open_file(BytesSource(data))
    findings = Findings()
    structure = read_structure(file, findings)
    assert structure is not None
    placed = partition(file, structure, findings)
    assert not [problem for problem in findings.problems() if problem.is_damage]
    return Survey(data, file, structure, placed)


@dataclass(frozen=True)
class Planted:
    """The damaged bytes, and what must be named: one of these pages (by itself, as the other page concerned,
    or as a table), one of these owners, one of these kinds."""

    data: bytes
    pages: frozenset[int]
    owners: frozenset[int | None]
    kinds: frozenset[str]

    def is_named_by(self, problem: Problem) -> bool:
        pages = {*range(problem.page, problem.page + problem.pages), *problem.numbers, problem.owner}
        return (
            problem.is_damage
            and not self.pages.isdisjoint(page for page in pages if page is not None)
            and problem.owner in self.owners
            and problem.kind in self.kinds
        )


Plant = Callable[[Survey, random.Random], Planted | None]


@dataclass(frozen=True)
class Damage:
    """`name` and `page_kind` are the words of the documentation; `plant` gives None where a file has no
    place for it."""

    name: str
    page_kind: str
    plant: Plant


def _planted(survey: Survey, changes: dict[int, bytes], *more: int) -> Planted:
    """Whole pages replaced; each of them, or of `more`, may be named."""
    size = survey.layout.page_size
    data = bytearray(survey.data)
    for number, page in changes.items():
        data[number * size : (number + 1) * size] = page[:size].ljust(size, b"\0")
    return _named(survey, bytes(data), *changes, *more)


def _named(survey: Survey, data: bytes, *pages: int) -> Planted:
    owners = {survey.partition.owner_of(page) for page in pages}
    # Damage on a later page of a definition may be told of its first page.
    firsts = [survey.partition.owner_of(page) for page in pages if survey.partition.role[page] == DEFINITION]
    pages = (*pages, *(first for first in firsts if first is not None))
    if owners == {None}:  # a page of maps serves many: whose map it was that suffers is told
        owners |= set(survey.structure.definitions)
    kinds = {survey.partition.kind_of(page) for page in pages}
    if CATALOGUE_PAGE in pages:  # where all is read from: told of the rows that cannot be read any more
        kinds.add("data")
    return Planted(data, frozenset(pages), frozenset(owners), frozenset(kinds))


def _one(chance: random.Random, pages: list[int]) -> int | None:
    return chance.choice(pages) if pages else None


def _two_of_a_share(survey: Survey, chance: random.Random, pages: list[int]) -> tuple[int, int] | None:
    """Of one table or index, with different bytes."""
    by_share: dict[int, list[int]] = {}
    for page in pages:
        by_share.setdefault(int(survey.partition.share[page]), []).append(page)
    groups = [group for group in by_share.values() if len(group) > 1]
    if not groups:
        return None
    first, second = chance.sample(chance.choice(groups), 2)
    return None if survey.page(first) == survey.page(second) else (first, second)


def _two_of_different_shares(
    survey: Survey, chance: random.Random, pages: list[int]
) -> tuple[int, int] | None:
    chance.shuffle(pages)
    for first in pages:
        for second in pages:
            one, other = survey.partition.share[first], survey.partition.share[second]
            if one != other and survey.page(first) != survey.page(second):
                return first, second
    return None


# What is planted on whole pages


def _zeroed(role: int) -> Plant:
    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        page = _one(chance, survey.of_role(role))
        return None if page is None else _planted(survey, {page: b""})

    return plant


def _overwritten(role: int) -> Plant:
    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        page = _one(chance, survey.of_role(role))
        return None if page is None else _planted(survey, {page: chance.randbytes(survey.layout.page_size)})

    return plant


def _torn(role: int) -> Plant:
    """The last sectors of the page are those of another one."""

    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        page = _one(chance, survey.with_rows(role) if role != INDEX else survey.with_entries())
        if page is None:
            return None
        layout = survey.layout
        cut = layout.page_size // 2
        if role == INDEX:
            cut = layout.index_entries + 8
        other = chance.randbytes(layout.page_size)
        return _planted(survey, {page: survey.page(page)[:cut] + other[cut:]})

    return plant


def _swapped(role: int, *, same: bool) -> Plant:
    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        pair = _pair(survey, chance, role, same=same)
        if pair is None:
            return None
        first, second = pair
        return _planted(survey, {first: survey.page(second), second: survey.page(first)})

    return plant


def _copied(role: int, *, same: bool) -> Plant:
    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        pair = _pair(survey, chance, role, same=same)
        if pair is None:
            return None
        first, second = pair
        # Of two alike pages or definitions it cannot be told which is the copy.
        either = same or role == DEFINITION
        return _planted(survey, {second: survey.page(first)}, *((first,) if either else ()))

    return plant


def _pair(survey: Survey, chance: random.Random, role: int, *, same: bool) -> tuple[int, int] | None:
    if role == INDEX:
        pages = survey.with_entries()
    else:
        pages = survey.with_rows(role) if role in (DATA, LONG_VALUES) else survey.of_role(role)
    return (_two_of_a_share if same else _two_of_different_shares)(survey, chance, pages)


# What is planted in one place


def _put(page: bytes, at: int, value: int, size: int) -> bytes:
    return page[:at] + value.to_bytes(size, "little") + page[at + size :]


def _flipped_free_word(role: int) -> Plant:
    def plant(survey: Survey, chance: random.Random) -> Planted | None:
        page = _one(chance, survey.of_role(role))
        if page is None:
            return None
        data = survey.page(page)
        word = int.from_bytes(data[2:4], "little") ^ 1 << chance.randrange(11)
        return _planted(survey, {page: _put(data, 2, word, 2)})

    return plant


def _cut_in_a_page(survey: Survey, chance: random.Random) -> Planted:
    size, count = survey.layout.page_size, len(survey.partition)
    keep = chance.randrange(count // 2, count)
    data = survey.data[: keep * size + chance.randrange(1, size)]
    return Planted(data, frozenset((keep,)), frozenset((None,)), frozenset(("file",)))


def _cut_between_pages(survey: Survey, chance: random.Random) -> Planted | None:
    """Behind the first page that somebody owns of those to be lost."""
    size, placed = survey.layout.page_size, survey.partition
    owned = [
        page
        for page in range(len(placed) // 2, len(placed))
        if placed.role[page] in (DATA, INDEX, LONG_VALUES)
    ]
    page = _one(chance, owned)
    if page is None:
        return None
    lost = range(page, len(placed))
    return _named(survey, survey.data[: page * size], *(one for one in lost if placed.owner_of(one)))


def _owned_twice(survey: Survey, chance: random.Random) -> Planted | None:
    """A bit more in a table's inline map, for a page that another one owns."""
    tables = list(survey.structure.definitions.values())
    chance.shuffle(tables)
    for table in tables:
        start, at = _bits(survey, table.owned_map)
        theirs = [
            page
            for page in survey.of_role(DATA)
            if survey.partition.owner_of(page) != table.page and start <= page < start + 8 * 32
        ]
        page = _one(chance, theirs)
        if at is None or page is None:
            continue
        changed = _set_bit(survey, table.owned_map, at, page - start)
        owners = frozenset((survey.partition.owner_of(page), table.page))
        return Planted(changed.data, frozenset((page,)), owners, frozenset(("data",)))
    return None


def _owned_and_free(survey: Survey, chance: random.Random) -> Planted | None:
    start, at = _bits(survey, RowPointer(1, 0))
    page = _one(chance, [page for page in survey.of_role(DATA) if start <= page < start + 8 * 32])
    if at is None or page is None:
        return None
    changed = _set_bit(survey, RowPointer(1, 0), at, page - start)
    return _named(survey, changed.data, page)


def _bits(survey: Survey, pointer: RowPointer) -> tuple[int, int | None]:
    """First page and offset of the bits of an inline map, within its page."""
    page = survey.page(pointer.page)
    row = row_bytes(page, pointer.row, survey.layout)
    if not row or row[0] != 0:
        return 0, None
    slot = survey.layout.slots + 2 * pointer.row
    start = int.from_bytes(page[slot : slot + 2], "little") & SLOT_OFFSET_MASK
    return int.from_bytes(row[1:5], "little"), start + 5


def _set_bit(survey: Survey, pointer: RowPointer, at: int, bit: int) -> Planted:
    page = bytearray(survey.page(pointer.page))
    page[at + (bit >> 3)] |= 1 << (bit & 7)
    return _planted(survey, {pointer.page: bytes(page)})


def _broken_leaf_link(survey: Survey, chance: random.Random) -> Planted | None:
    leaves = [page for page in survey.with_entries() if survey.page(page)[0] == KIND_INDEX_LEAF]
    page = _one(chance, leaves)
    if page is None:
        return None
    at = chance.choice((survey.layout.index_previous, survey.layout.index_next))
    number = int.from_bytes(survey.page(page)[at : at + 4], "little")
    return _planted(survey, {page: _put(survey.page(page), at, number ^ 1 << chance.randrange(8), 4)})


def _entry_past_the_end(survey: Survey, chance: random.Random) -> Planted | None:
    """The row pointer of the last entry of a leaf."""
    leaves = [page for page in survey.with_entries() if survey.page(page)[0] == KIND_INDEX_LEAF]
    page = _one(chance, leaves)
    if page is None:
        return None
    data, layout = survey.page(page), survey.layout
    mask = int.from_bytes(data[layout.index_bits : layout.index_entries], "little")
    end = layout.index_entries + mask.bit_length() - 1
    return _planted(survey, {page: data[: end - 4] + b"\xff\xff\xf0" + data[end - 1 :]})


def _pointer_past_the_end(survey: Survey, chance: random.Random) -> Planted | None:
    places = [
        (page, slot) for page in survey.of_role(DATA) for slot in survey.slots(page) if slot.use == "pointer"
    ]
    if not places:
        return None
    page, slot = chance.choice(places)
    return _planted(survey, {page: _put(survey.page(page), slot.start, FAR_PAGE << 8, 4)})


def _two_pointers_to_one_body(survey: Survey, chance: random.Random) -> Planted | None:
    by_owner: dict[int | None, list[tuple[int, Any]]] = {}
    for page in survey.of_role(DATA):
        for slot in survey.slots(page):
            if slot.use == "pointer":
                by_owner.setdefault(survey.partition.owner_of(page), []).append((page, slot))
    groups = [group for group in by_owner.values() if len(group) > 1]
    if not groups:
        return None
    (first, one), (second, other) = chance.sample(chance.choice(groups), 2)
    data = survey.page(first) if first != second else survey.page(second)
    target = data[one.start : one.start + 4]
    page = survey.page(second)
    changed = page[: other.start] + target + page[other.start + 4 :]
    return _planted(survey, {second: changed}, first)


def _lost_slot(survey: Survey, chance: random.Random) -> Planted | None:
    """A row is marked as one that lies elsewhere, though it lies here."""
    page = _one(chance, survey.with_rows(DATA))
    if page is None:
        return None
    slot = chance.choice([slot for slot in survey.slots(page) if slot.use == "row"])
    at = survey.layout.slots + 2 * slot.row
    return _planted(survey, {page: _put(survey.page(page), at, slot.start | SLOT_POINTER, 2)})


def _deleted_row(survey: Survey, chance: random.Random) -> Planted | None:
    """A row is marked deleted, and the indexes still have it."""
    indexed = [table for table in survey.structure.definitions.values() if _full_indexes(table)]
    owners = {table.page for table in indexed}
    page = _one(
        chance, [page for page in survey.with_rows(DATA) if survey.partition.owner_of(page) in owners]
    )
    if page is None:
        return None
    slot = chance.choice([slot for slot in survey.slots(page) if slot.use == "row"])
    at = survey.layout.slots + 2 * slot.row
    return _planted(survey, {page: _put(survey.page(page), at, slot.start | 0xC000, 2)})


def _full_indexes(table: Definition) -> bool:
    return any(not data.ignores_nulls for data in table.index_data)


def _changed_key(survey: Survey, chance: random.Random) -> Planted | None:
    """One bit in a number that an index is kept by."""
    places: list[tuple[int, int]] = []
    for table in survey.structure.definitions.values():
        columns = [data.columns[0].number for data in table.index_data if data.columns]
        keys = [table.column_by_number.get(number) for number in columns]
        offsets = [key.fixed_offset for key in keys if key is not None and key.type == 4 and key.is_fixed]
        for page in survey.with_rows(DATA):
            if offsets and survey.partition.owner_of(page) == table.page:
                rows = [slot for slot in survey.slots(page) if slot.use == "row"]
                count = survey.layout.count_size
                places += [(page, slot.start + count + at) for slot in rows for at in offsets]
    if not places:
        return None
    page, at = chance.choice(places)
    data = survey.page(page)
    return _planted(survey, {page: _put(data, at, data[at] ^ 1 << chance.randrange(8), 1)})


def _catalogue_entry_lost(survey: Survey, chance: random.Random) -> Planted | None:
    """The last entry of a leaf of the catalogue's own index goes, all counts and free words right."""
    leaves = [
        page
        for page in survey.with_entries()
        if survey.partition.owner_of(page) == 2 and survey.page(page)[0] == KIND_INDEX_LEAF
    ]
    page = _one(chance, leaves)
    if page is None:
        return None
    data, layout = survey.page(page), survey.layout
    bits = slice(layout.index_bits, layout.index_entries)
    mask = int.from_bytes(data[bits], "little")
    last = mask.bit_length() - 1
    mask ^= 1 << last
    left = mask.bit_length() - 1 if mask else 0
    free = int.from_bytes(data[2:4], "little") + last - left
    end = layout.index_entries + last
    row_page = int.from_bytes(data[end - 4 : end - 1], "big")
    changed = data[:2] + free.to_bytes(2, "little") + data[4 : bits.start]
    changed += mask.to_bytes(layout.index_bits_length, "little") + data[bits.stop :]
    return _planted(survey, {page: changed}, row_page)


# Loops


def _definition_loop(survey: Survey, chance: random.Random) -> Planted | None:
    """A definition that goes on, goes on on itself."""
    long = [table for table in survey.structure.definitions.values() if len(table.chain) > 1]
    if not long:
        return None
    table = chance.choice(long)
    last = table.chain[-1]
    back = chance.choice(table.chain)
    return _planted(survey, {last: _put(survey.page(last), 4, back, 4)}, *table.chain)


def _value_loop(survey: Survey, chance: random.Random) -> Planted | None:
    """The first row of a chain of long values is its own next one."""
    pages = [
        page
        for page in survey.with_rows(LONG_VALUES)
        if len(survey.slots(page)) == 1
        and 0 < _u32(survey.page(page), survey.slots(page)[0].start) >> 8 < len(survey.partition)
        and survey.partition.role[_u32(survey.page(page), survey.slots(page)[0].start) >> 8] == LONG_VALUES
    ]
    page = _one(chance, pages)
    if page is None:
        return None
    changed = _put(survey.page(page), survey.slots(page)[0].start, page << 8, 4)
    return _planted(survey, {page: changed})


def _map_loop(survey: Survey, chance: random.Random) -> Planted | None:
    """A map in several pages names one page of bits twice."""
    references = [
        (pointer, table.page)
        for table in survey.structure.definitions.values()
        for pointer in table.map_pointers()
        if row_bytes(survey.page(pointer.page), pointer.row, survey.layout)[:1] == b"\x01"
    ]
    if not references:
        return None
    pointer, _ = chance.choice(references)
    page = survey.page(pointer.page)
    slot = survey.layout.slots + 2 * pointer.row
    start = int.from_bytes(page[slot : slot + 2], "little") & SLOT_OFFSET_MASK
    first = _u32(page, start + 1)
    return _planted(survey, {pointer.page: _put(page, start + 5, first, 4)}, first)


def _index_loop(survey: Survey, chance: random.Random) -> Planted | None:
    """A node's last child is the node."""
    nodes = [page for page in survey.of_role(INDEX) if survey.page(page)[0] == KIND_INDEX_NODE]
    page = _one(chance, nodes)
    if page is None:
        return None
    return _planted(survey, {page: _put(survey.page(page), survey.layout.index_tail, page, 4)})


def _u32(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "little")


_WHOLE_PAGES = (DATA, INDEX, LONG_VALUES, DEFINITION, MAP_ROWS, MAP)


def _all() -> Iterator[Damage]:
    yield Damage("file cut within a page", "file", _cut_in_a_page)
    yield Damage("file cut between pages", "any", _cut_between_pages)
    for name, plant in (("filled with zeros", _zeroed), ("overwritten", _overwritten)):
        for role in _WHOLE_PAGES:
            yield Damage(f"page {name}", KINDS[role], plant(role))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("page torn, its second part overwritten", KINDS[role], _torn(role))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("pages of two owners swapped", KINDS[role], _swapped(role, same=False))
    yield Damage("pages of two owners swapped", KINDS[DEFINITION], _swapped(DEFINITION, same=False))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("pages of one owner swapped", KINDS[role], _swapped(role, same=True))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("page replaced by one of another owner", KINDS[role], _copied(role, same=False))
    yield Damage("page replaced by one of another owner", KINDS[DEFINITION], _copied(DEFINITION, same=False))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("page replaced by one of the same owner", KINDS[role], _copied(role, same=True))
    for role in (DATA, INDEX, LONG_VALUES):
        yield Damage("bit of the free-space word flipped", KINDS[role], _flipped_free_word(role))
    yield Damage("page owned twice", "data", _owned_twice)
    yield Damage("page owned, and on the list of free pages", "data", _owned_and_free)
    yield Damage("row pointer past the end of the file", "data", _pointer_past_the_end)
    yield Damage("two row pointers to one row body", "data", _two_pointers_to_one_body)
    yield Damage("row marked as a pointer", "data", _lost_slot)
    yield Damage("row deleted, its index entries not", "data", _deleted_row)
    yield Damage("bit of an indexed number flipped", "data", _changed_key)
    yield Damage("link between leaves broken", "index", _broken_leaf_link)
    yield Damage("entry that points past the end of the file", "index", _entry_past_the_end)
    yield Damage("entry of the catalogue's index lost", "index", _catalogue_entry_lost)
    yield Damage("loop", "definition", _definition_loop)
    yield Damage("loop", "map", _map_loop)
    yield Damage("loop", "index", _index_loop)
    yield Damage("loop", "long-values", _value_loop)


DAMAGES = tuple(_all())
