"""An index and a row say the same key as one number, whatever its type and direction."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from checkup.jet.formats import JET3, JET4, KIND_INDEX_LEAF, KIND_INDEX_NODE, Format
from checkup.jet.index_entries import Entries, parse_entries
from checkup.jet.index_keys import KeyForm, keys_of_entries, keys_of_values, mixed, strange_entries
from tests.jet.sound import index_page

PLACE = b"\x00\x01\x02\x03"  # page 0x102, row 3


def parsed(entries: list[bytes], layout: Format = JET4, kind: int = KIND_INDEX_LEAF) -> Entries:
    return parse_entries([index_page(layout, kind, 5, entries)], layout)


def form(size: int, *, ascending: bool, signed: bool = True, floating: bool = False) -> KeyForm:
    return KeyForm(0, 0, -1, size, ascending, signed, floating, alone=True)


def keys_in(entries: Entries, one: KeyForm) -> list[int]:
    every = np.ones(len(entries), np.int64)
    keys = keys_of_entries(entries, every * one.size, every == one.ascending, every == one.floating)
    return keys.tolist()


def key_of(raw: bytes, one: KeyForm) -> int:
    values = np.array([int.from_bytes(raw, "little")], np.uint64)
    return int(keys_of_values(values, np.array([False]), one)[0])


# The bytes of each value in an ascending index, as Access writes them; descending, all bits are turned round.
ASCENDING = [
    ("long 1", struct.pack("<i", 1), form(4, ascending=True), "80000001"),
    ("long -1", struct.pack("<i", -1), form(4, ascending=True), "7fffffff"),
    ("integer -2", struct.pack("<h", -2), form(2, ascending=True), "7ffe"),
    ("byte 200", bytes([200]), form(1, ascending=True, signed=False), "c8"),
    ("currency 1", struct.pack("<q", 10_000), form(8, ascending=True), "8000000000002710"),
    ("double 1", struct.pack("<d", 1.0), form(8, ascending=True, floating=True), "bff0000000000000"),
    ("double -1", struct.pack("<d", -1.0), form(8, ascending=True, floating=True), "400fffffffffffff"),
    ("float -1", struct.pack("<f", -1.0), form(4, ascending=True, floating=True), "407fffff"),
]


@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
@pytest.mark.parametrize(
    ("raw", "ascending", "key"), [case[1:] for case in ASCENDING], ids=[case[0] for case in ASCENDING]
)
def test_row_and_entry_say_the_same_number(raw: bytes, ascending: KeyForm, key: str, layout: Format) -> None:
    value = bytes.fromhex(key)
    entries = parsed([b"\x7f" + value + PLACE], layout)
    assert keys_in(entries, ascending) == [key_of(raw, ascending)]
    turned = bytes(byte ^ 0xFF for byte in value)
    descending = form(ascending.size, ascending=False, signed=ascending.signed, floating=ascending.floating)
    entries = parsed([b"\x80" + turned + PLACE], layout)
    assert keys_in(entries, descending) == [key_of(raw, descending)]


def test_both_zeros_of_a_floating_number_are_one() -> None:
    one = form(8, ascending=True, floating=True)
    assert key_of(struct.pack("<d", 0.0), one) == key_of(struct.pack("<d", -0.0), one)


def test_a_null_is_no_value() -> None:
    one = form(4, ascending=True)
    [null, value] = keys_in(parsed([b"\x00" + PLACE, b"\x7f\x80\x00\x00\x00" + PLACE]), one)
    assert null != value
    nulls = keys_of_values(np.array([7], np.uint64), np.array([True]), one)
    assert nulls.tolist() == [null]


def test_entries_that_share_their_beginning_are_whole() -> None:
    wanted = sorted(
        b"\x7f" + (0x80000000 + key).to_bytes(4, "big") + place.to_bytes(3, "big") + bytes([row])
        for key in (1, 2)
        for place in (0x102, 0x103)
        for row in range(20)
    )
    entries = parsed(wanted)
    assert [entries.whole(entry) for entry in range(len(entries))] == wanted
    assert entries.pointers().tolist() == [int.from_bytes(entry[-4:], "big") for entry in wanted]
    assert keys_in(entries, form(4, ascending=True)) == [
        int.from_bytes(entry[1:5], "big") for entry in wanted
    ]
    assert len(entries.not_less(np.arange(len(wanted) - 1))) == 0


def test_a_pointer_may_be_shared_in_part() -> None:
    """Of entries with one key on one page only the row is stored."""
    wanted = [b"\x7f\x80\x00\x00\x01\x00\x01\x02" + bytes([row]) for row in range(9)]
    entries = parsed(wanted)
    assert entries.shared.max() == 8
    assert entries.pointers().tolist() == [0x10200 + row for row in range(9)]
    assert entries.alike(np.arange(8)).tolist() == list(range(8))


def test_children_of_a_node() -> None:
    wanted = [b"\x7f\x80\x00\x00" + bytes([key]) + PLACE + (70 + key).to_bytes(4, "big") for key in range(3)]
    entries = parsed(wanted, JET3, KIND_INDEX_NODE)
    assert entries.children().tolist() == [70, 71, 72]
    assert entries.whole(1) == wanted[1][:-4]


@pytest.mark.parametrize("length", [9, 12, 20, 60])
def test_order_is_that_of_bytes_however_late_they_differ(length: int) -> None:
    first = b"\x7f" + bytes(length)
    keys = [first + b"\x01", first + b"\x02", first + b"\x02\x05", first + b"\x01\x09"]
    entries = parsed([key + PLACE for key in keys])
    assert entries.not_less(np.arange(3)).tolist() == [2]
    assert entries.alike(np.arange(3)).tolist() == []


@pytest.mark.parametrize(
    ("entry", "strange"),
    [
        (b"\x7f\x80\x00\x00\x01" + PLACE, False),
        (b"\x00" + PLACE, False),
        (b"\x80\x80\x00\x00\x01" + PLACE, True),
        (b"\x7f\x80\x00\x01" + PLACE, True),
        (b"\x00\x00" + PLACE, True),
    ],
)
def test_entries_that_cannot_be(entry: bytes, strange: bool) -> None:
    size, yes = np.array([4]), np.array([True])
    assert (len(strange_entries(parsed([entry]), size, yes, yes)) == 1) == strange


def test_pages_whose_entries_cannot_be_are_set_apart() -> None:
    good = index_page(JET4, KIND_INDEX_LEAF, 5, [b"\x7f\x01" + PLACE])
    two = bytearray(index_page(JET4, KIND_INDEX_LEAF, 5, [b"\x7f\x01" + PLACE, b"\x7f\x02" + PLACE]))
    two[JET4.index_prefix] = 200
    assert parse_entries([bytes(two), good], JET4).broken.tolist() == [True, False]


def test_sums_tell_which_rows_and_which_keys() -> None:
    rows, keys = np.array([0x700, 0x701]), np.array([5, 6], np.uint64)
    total = int(mixed(rows, keys).sum())
    assert total == int(mixed(rows[::-1], keys[::-1]).sum())
    assert total != int(mixed(rows, keys[::-1]).sum())
    assert total != int(mixed(rows + 1, keys).sum())
