"""Usage maps: which pages a table, an index or a long-value column owns, and which are free.

A map is a row on a data page. Its first byte says how it goes on: 0, the number of the first page and a
bitmap; 1, the numbers of pages that hold nothing but bitmaps. All maps are read side by side, in two rounds.

Source: mdbtools, "Page Usage Maps"; jackcess UsageMap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from checkup.jet.damage import Damage, DamageError
from checkup.jet.formats import (
    GLOBAL_MAP_PAGE,
    KIND_DATA,
    KIND_MAP,
    MAP_BITS_OFFSET,
    MAP_INLINE,
    MAP_REFERENCE,
    Format,
)
from checkup.jet.pages import Pages
from checkup.jet.rows import RowPointer, row_bytes

GLOBAL_MAP: Final = RowPointer(GLOBAL_MAP_PAGE, 0)
"""The map of free pages. Where it is inline, pages past its window are free too, should they exist: Access
extends it when it needs to (jackcess UsageMap GlobalInlineHandler)."""

# Of all maps that are read at once; the maps of a file of 2 GB with 300 tables take some 8 MB.
MOST_BYTES_AT_ONCE: Final = 64 << 20

_BITS_OF: Final = tuple(tuple(bit for bit in range(8) if value >> bit & 1) for value in range(256))


@dataclass(frozen=True)
class Bits:
    """A stretch of a map: bit i of `data`, lowest bit of each byte first, stands for page `first` + i."""

    first: int
    data: bytes

    @property
    def end(self) -> int:
        """The page after the last one it tells of."""
        return self.first + 8 * len(self.data)

    def count(self) -> int:
        return int.from_bytes(self.data, "little").bit_count()

    def __iter__(self) -> Iterator[int]:
        for place, value in enumerate(self.data):
            if value:
                base = self.first + 8 * place
                for bit in _BITS_OF[value]:
                    yield base + bit


@dataclass(frozen=True)
class UsageMap:
    """`map_pages` are the pages that hold its bitmaps, `damages` what could not be read of it."""

    pointer: RowPointer
    kind: Literal["inline", "reference"]
    stretches: tuple[Bits, ...]
    map_pages: tuple[int, ...]
    damages: tuple[Damage, ...] = ()

    def count(self) -> int:
        return sum(bits.count() for bits in self.stretches)

    def __iter__(self) -> Iterator[int]:
        """The pages, ascending."""
        for bits in self.stretches:
            yield from bits

    def __contains__(self, page: object) -> bool:
        if not isinstance(page, int):
            return False
        for bits in self.stretches:
            if bits.first <= page < bits.end:
                place = page - bits.first
                return bool(bits.data[place >> 3] >> (place & 7) & 1)
        return False


def read_maps(pages: Pages, pointers: Iterable[RowPointer]) -> dict[RowPointer, UsageMap | Damage]:
    """All maps: one round for the rows that describe them, one for the pages with bitmaps.

    Raises SourceError.
    """
    wanted = tuple(dict.fromkeys(pointers))
    described = pages.get(pointer.page for pointer in wanted)
    outcome: dict[RowPointer, UsageMap | Damage] = {}
    references: dict[RowPointer, tuple[tuple[int, int], ...]] = {}
    room = MOST_BYTES_AT_ONCE
    for pointer in wanted:
        try:
            row = _map_row(described.get(pointer.page), pointer, pages.layout)
            places = _bitmap_pages(row, pages.layout) if row[0] == MAP_REFERENCE else ()
            room -= len(row) + len(places) * pages.layout.page_size
            if room < 0:
                outcome[pointer] = Damage(code="map-many", page=pointer.page, numbers=(pointer.row,))
            elif row[0] == MAP_REFERENCE:
                references[pointer] = places
            else:
                outcome[pointer] = _inline(pointer, row)
        except DamageError as error:
            outcome[pointer] = error.damage
    bitmaps = pages.get(page for places in references.values() for _, page in places)
    for pointer, places in references.items():
        outcome[pointer] = _referenced(pointer, places, bitmaps, pages.layout)
    return {pointer: outcome[pointer] for pointer in wanted}


def _map_row(page: bytes | None, pointer: RowPointer, layout: Format) -> bytes:
    if page is None:
        raise DamageError(Damage(code="page-missing", page=pointer.page))
    if page[0] != KIND_DATA:
        raise DamageError(Damage(code="page-kind", page=pointer.page, numbers=(page[0],)))
    row = row_bytes(page, pointer.row, layout)
    if not row:
        raise DamageError(Damage(code="map-row-missing", page=pointer.page, numbers=(pointer.row,)))
    if row[0] not in (MAP_INLINE, MAP_REFERENCE) or (row[0] == MAP_INLINE and len(row) < 5):
        raise DamageError(Damage(code="map-kind", page=pointer.page, numbers=(pointer.row, row[0])))
    return row


def _inline(pointer: RowPointer, row: bytes) -> UsageMap:
    return UsageMap(pointer, "inline", (Bits(int.from_bytes(row[1:5], "little"), row[5:]),), ())


def _bitmap_pages(row: bytes, layout: Format) -> tuple[tuple[int, int], ...]:
    """Place and number of each bitmap page; no more of them than the largest file has."""
    most = -(-layout.most_pages // layout.map_page_covers)
    numbers = [int.from_bytes(row[at : at + 4], "little") for at in range(1, len(row) - 3, 4)]
    return tuple((place, page) for place, page in enumerate(numbers[:most]) if page)


def _referenced(
    pointer: RowPointer, places: tuple[tuple[int, int], ...], bitmaps: dict[int, bytes], layout: Format
) -> UsageMap:
    stretches: list[Bits] = []
    damages: list[Damage] = []
    seen: set[int] = set()
    for place, number in places:
        page = bitmaps.get(number)
        if number in seen:
            damages.append(Damage(code="map-page-twice", page=pointer.page, numbers=(pointer.row, number)))
        elif page is None:
            damages.append(Damage(code="page-missing", page=number, numbers=(*pointer,)))
        elif page[0] != KIND_MAP:
            damages.append(Damage(code="page-kind", page=number, numbers=(page[0],)))
        else:
            stretches.append(Bits(place * layout.map_page_covers, page[MAP_BITS_OFFSET:]))
        seen.add(number)
    return UsageMap(pointer, "reference", tuple(stretches), tuple(seen), tuple(damages))
