"""Slots and rows of data pages."""

from __future__ import annotations

import pytest

from checkup.jet import rows
from checkup.jet.damage import Damage
from checkup.jet.formats import JET3, JET4, SLOT_DELETED, SLOT_POINTER, SLOT_TARGET, Format
from checkup.jet.pages import Pages
from checkup.jet.rows import RowPointer, TableRows, read_rows, row_bytes, slots
from tests.jet.made import BytesSource, MadeFile, data_page, pointer

TABLE = 5


def read(layout: Format, pages: dict[int, bytes], numbers: list[int]) -> TableRows:
    return read_rows(Pages(BytesSource(MadeFile(layout, pages).data()), layout), TABLE, numbers)


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_live_rows_alone_are_rows(layout: Format) -> None:
    page = data_page(layout, TABLE, [b"one", b"gone", b"body", b"four"], {1: SLOT_DELETED, 2: SLOT_TARGET})
    assert [slot.use for slot in slots(page, layout)] == ["row", "deleted", "target", "row"]
    found = read(layout, {6: page}, [6])
    assert [(row.at, row.data) for row in found.rows] == [((6, 0), b"one"), ((6, 3), b"four")]
    assert found.damages == ()


def test_a_row_that_lies_elsewhere_keeps_its_place() -> None:
    pages = {
        6: data_page(JET4, TABLE, [b"one", pointer(7, 1) + b"slack", b"three"], {1: SLOT_POINTER}),
        7: data_page(JET4, TABLE, [b"seven", b"two, grown"], {1: SLOT_TARGET}),
    }
    found = read(JET4, pages, [6])
    assert [row.data for row in found.rows] == [b"one", b"two, grown", b"three"]
    assert found.damages == ()


@pytest.mark.parametrize(
    ("target", "flags"),
    [
        ((7, 1), SLOT_DELETED),
        ((7, 1), 0),
        ((7, 9), SLOT_TARGET),
        ((900, 0), SLOT_TARGET),
        ((6, 0), SLOT_TARGET),
    ],
)
def test_a_pointer_to_nothing_is_named(target: tuple[int, int], flags: int) -> None:
    """Also the pointer to itself: (6, 0)."""
    pages = {
        6: data_page(JET4, TABLE, [pointer(*target)], {0: SLOT_POINTER}),
        7: data_page(JET4, TABLE, [b"a", b"b"], {1: flags}),
    }
    found = read(JET4, pages, [6])
    assert found.rows == ()
    assert found.damages == (Damage(code="row-pointer", page=6, owner=TABLE, numbers=(0, *target)),)


def test_pages_of_others_are_not_read_as_this_table() -> None:
    pages = {
        6: data_page(JET4, 77, [b"not ours"]),
        7: b"\x04\x01" + bytes(JET4.page_size - 2),
        8: data_page(JET4, b"LVAL", [b"x"]),
    }
    found = read(JET4, pages, [6, 7, 8, 9])
    assert found.rows == ()
    assert [(damage.code, damage.page) for damage in found.damages] == [
        ("page-owner", 6),
        ("page-kind", 7),
        ("page-owner", 8),
        ("page-missing", 9),
    ]


def test_slots_that_cannot_be_give_no_bytes() -> None:
    page = bytearray(data_page(JET4, TABLE, [b"one", b"two", b"three"]))
    middle = JET4.slots + 2
    page[middle : middle + 2] = (JET4.page_size - 1).to_bytes(2, "little")
    found = read(JET4, {6: bytes(page)}, [6])
    assert [row.data for row in found.rows] == [b"one"]
    assert [damage.numbers for damage in found.damages] == [(1,), (2,)]
    page[middle : middle + 2] = (3).to_bytes(2, "little")
    assert row_bytes(bytes(page), 1, JET4) == b""


def test_a_count_of_rows_beyond_the_page_is_bounded() -> None:
    page = bytearray(data_page(JET4, TABLE, [b"one"]))
    page[JET4.row_count : JET4.row_count + 2] = b"\xff\xff"
    assert len(slots(bytes(page), JET4)) == (JET4.page_size - JET4.slots) // 2
    assert row_bytes(bytes(page), 60_000, JET4) == b""


def test_more_rows_than_a_small_table_has_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 3)
    pages = {number: data_page(JET4, TABLE, [b"a", b"b"]) for number in range(6, 12)}
    found = read(JET4, pages, list(range(6, 12)))
    assert len(found.rows) == 4
    assert found.damages == (Damage(code="table-long", page=TABLE, owner=TABLE, numbers=(4,)),)


def test_a_row_pointer_is_a_page_and_a_row() -> None:
    assert RowPointer.of(0x00123407) == (0x1234, 7)
