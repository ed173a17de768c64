"""The slots of a data page, the bytes of its rows, and all rows of a small table.

A slot is two bytes: an offset and two flags. Rows lie from the end of the page towards its start, in the
order of their slots; a row ends where the one before it starts.

Source: mdbtools, "Data Pages"; jackcess TableImpl; observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from checkup.jet.damage import Damage
from checkup.jet.fields import u16
from checkup.jet.formats import KIND_DATA, SLOT_FLAGS, SLOT_OFFSET_MASK, SLOT_POINTER, SLOT_TARGET, Format
from checkup.jet.pages import Pages

_OWNER = 4  # of a data page: the definition page of its table

MOST_ROWS: Final = 200_000  # of a small table: six times the objects that a file can have

SlotUse = Literal["row", "pointer", "target", "deleted"]
"""pointer: the row lies elsewhere, four bytes here say where. target: the body of such a row, reached only
through its pointer."""


class RowPointer(NamedTuple):
    """A row of a page; page 0 is no row."""

    page: int
    row: int

    @classmethod
    def of(cls, number: int) -> RowPointer:
        """From its 32 bits: the row in the lowest byte (jackcess UsageMap read)."""
        return cls(number >> 8, number & 0xFF)


class Slot(NamedTuple):
    """Where a row lies: `page[start:end]`; bounds that cannot be have start > end, or end in the slots."""

    row: int
    start: int
    end: int
    use: SlotUse


class Row(NamedTuple):
    """The bytes of a live row. `at` is where the table has it, wherever the bytes lie."""

    at: RowPointer
    data: bytes


class TableRows(NamedTuple):
    """The rows of a table that could be read, and what stood in the way of others."""

    rows: tuple[Row, ...]
    damages: tuple[Damage, ...]


def slot_count(page: bytes, layout: Format) -> int:
    """Rows that the page says it has, not more than it has room for."""
    return min(u16(page, layout.row_count), (layout.page_size - layout.slots) // 2)


def slots(page: bytes, layout: Format) -> tuple[Slot, ...]:
    found: list[Slot] = []
    end = layout.page_size
    for row in range(slot_count(page, layout)):
        word = u16(page, layout.slots + 2 * row)
        start = word & SLOT_OFFSET_MASK
        found.append(Slot(row, start, end, _use(word)))
        end = start
    return tuple(found)


def row_bytes(page: bytes, row: int, layout: Format) -> bytes:
    """The bytes of a row, whatever its use; none where the page has no such row or its bounds cannot be."""
    count = slot_count(page, layout)
    if not 0 <= row < count:
        return b""
    start = u16(page, layout.slots + 2 * row) & SLOT_OFFSET_MASK
    end = layout.page_size if row == 0 else u16(page, layout.slots + 2 * (row - 1)) & SLOT_OFFSET_MASK
    first_possible = layout.slots + 2 * count
    return page[start:end] if first_possible <= start <= end <= layout.page_size else b""


def read_rows(pages: Pages, table: int, numbers: Iterable[int]) -> TableRows:
    """All live rows on these data pages of one table, in order: one round for the pages, one for rows that
    lie elsewhere. `table` is its definition page. No more than MOST_ROWS. Raises SourceError."""
    wanted = tuple(numbers)
    found = pages.get(wanted)
    rows: list[Row] = []
    damages: list[Damage] = []
    pointed: dict[RowPointer, RowPointer] = {}
    for number in wanted:
        if len(rows) + len(pointed) > MOST_ROWS:
            damages.append(Damage(code="table-long", page=table, owner=table, numbers=(len(rows),)))
            break
        page = found.get(number)
        damage = data_page_damage(page, number, table)
        if damage is not None or page is None:
            damages += [damage] if damage else []
            continue
        lowest = pages.layout.page_size
        for slot in slots(page, pages.layout):
            in_order = slot.start <= lowest >= slot.end  # else rows would overlap
            lowest = min(lowest, slot.start)
            at = RowPointer(number, slot.row)
            if slot.use not in ("row", "pointer"):
                continue
            data = row_bytes(page, slot.row, pages.layout)
            if not in_order or len(data) < (4 if slot.use == "pointer" else 1):
                damages.append(Damage(code="row-missing", page=number, owner=table, numbers=(slot.row,)))
            elif slot.use == "row":
                rows.append(Row(at, data))
            else:
                pointed[at] = RowPointer.of(int.from_bytes(data[:4], "little"))
    elsewhere, lost = _pointed_rows(pages, table, pointed)
    return TableRows(tuple(sorted((*rows, *elsewhere), key=_place)), (*damages, *lost))


def data_page_damage(page: bytes | None, number: int, table: int) -> Damage | None:
    """What speaks against this being a data page of that table."""
    if page is None:
        return Damage(code="page-missing", page=number, owner=table)
    if page[0] != KIND_DATA:
        return Damage(code="page-kind", page=number, owner=table, numbers=(page[0],))
    owner = int.from_bytes(page[_OWNER : _OWNER + 4], "little")
    if owner != table:
        return Damage(code="page-owner", page=number, owner=table, numbers=(owner,))
    return None


def _pointed_rows(
    pages: Pages, table: int, pointed: Mapping[RowPointer, RowPointer]
) -> tuple[list[Row], list[Damage]]:
    """A pointer leads to a body, never to another pointer (observed), so there is no chain to loop in."""
    found = pages.get(target.page for target in pointed.values())
    rows: list[Row] = []
    damages: list[Damage] = []
    for at, target in pointed.items():
        page = found.get(target.page)
        body = b""
        if page is not None and data_page_damage(page, target.page, table) is None:
            body = _target_bytes(page, target.row, pages.layout)
        if body:
            rows.append(Row(at, body))
        else:
            numbers = (at.row, *target)
            damages.append(Damage(code="row-pointer", page=at.page, owner=table, numbers=numbers))
    return rows, damages


def _target_bytes(page: bytes, row: int, layout: Format) -> bytes:
    if row >= slot_count(page, layout) or _use(u16(page, layout.slots + 2 * row)) != "target":
        return b""
    return row_bytes(page, row, layout)


def _place(row: Row) -> RowPointer:
    return row.at


def _use(word: int) -> SlotUse:
    flags = word & SLOT_FLAGS
    if flags == SLOT_POINTER:
        return "pointer"
    if flags == SLOT_TARGET:
        return "target"
    return "deleted" if flags else "row"
