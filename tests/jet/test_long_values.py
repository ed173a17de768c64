"""Memo and OLE fields, in the row, in one row elsewhere, in chains; and what can go wrong."""

from __future__ import annotations

import pytest

from checkup.jet import long_values
from checkup.jet.damage import Damage
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.long_values import read_long_values
from checkup.jet.pages import Pages
from checkup.jet.values import LongBytes
from tests.jet.made import BytesSource, MadeFile, data_page, distant_value, inline_value, pointer


def pages_of(layout: Format, rows: dict[int, list[bytes]]) -> Pages:
    made = {number: data_page(layout, b"LVAL", of_page) for number, of_page in rows.items()}
    made[2] = data_page(layout, 9, [b"of a table"])
    return Pages(BytesSource(MadeFile(layout, made).data()), layout)


def one(pages: Pages, field: bytes) -> bytes | Damage | None:
    return read_long_values(pages, [LongBytes(field)])[0]


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_the_three_kinds(layout: Format) -> None:
    pages = pages_of(
        layout, {7: [b"x", b"single"], 8: [pointer(9, 0) + b"first "], 9: [pointer(0, 0) + b"last"]}
    )
    fields = [
        LongBytes(inline_value(b"inline")),
        None,
        LongBytes(distant_value(6, 7, 1)),
        LongBytes(distant_value(10, 8, 0, chain=True)),
    ]
    assert read_long_values(pages, fields) == [b"inline", None, b"single", b"first last"]
    assert pages.counters.rounds == 2


def test_a_value_ends_where_it_says() -> None:
    pages = pages_of(JET4, {7: [b"single, slack", pointer(7, 1) + b"chain, slack"]})
    assert one(pages, inline_value(b"abc") + b"slack") == b"abc"
    assert one(pages, distant_value(6, 7, 0)) == b"single"
    assert one(pages, distant_value(5, 7, 1, chain=True)) == b"chain"


def test_what_is_wrong_is_named() -> None:
    pages = pages_of(
        JET4,
        {
            7: [b"123456", pointer(7, 1) + b"round", pointer(7, 3) + b"and ", pointer(7, 2) + b"round"],
            8: [b"abc", pointer(99, 0) + b"lost", pointer(0, 0) + b"longer than it says"],
        },
    )
    assert one(pages, b"short") == Damage(code="value-cut", page=0, numbers=(5,))
    assert one(pages, distant_value(7, 7, 0)) == Damage(code="value-length", page=7, numbers=(7, 6))
    assert one(pages, distant_value(6, 7, 99)) == Damage(code="value-pointer", page=7, numbers=(99,))
    assert one(pages, distant_value(6, 2, 0)) == Damage(code="page-kind", page=2, numbers=(1,))
    assert one(pages, distant_value(6, 50, 0)) == Damage(code="page-missing", page=50)
    assert one(pages, distant_value(900, 7, 1, chain=True)) == Damage(code="value-loop", page=7, numbers=(1,))
    assert one(pages, distant_value(900, 7, 2, chain=True)) == Damage(code="value-loop", page=7, numbers=(2,))
    assert one(pages, distant_value(9, 8, 0, chain=True)) == Damage(
        code="value-pointer", page=8, numbers=(0,)
    )
    assert one(pages, distant_value(9, 8, 1, chain=True)) == Damage(code="page-missing", page=99)
    assert one(pages, distant_value(30, 8, 2, chain=True)) == Damage(
        code="value-length", page=8, numbers=(30, 19)
    )
    assert one(pages, inline_value(b"abc")[:-1]) == Damage(code="value-length", page=0, numbers=(3, 2))


def test_a_chain_of_crumbs_ends() -> None:
    rows = {number: [pointer(number + 1, 0) + b"."] for number in range(10, 200)}
    found = one(pages_of(JET4, rows), distant_value(1000, 10, 0, chain=True))
    assert isinstance(found, Damage)
    assert found.code == "value-long"


def test_values_longer_than_wanted_are_left_out_before_anything_is_read() -> None:
    pages = pages_of(JET4, {7: [b"x"]})
    assert read_long_values(pages, [LongBytes(distant_value(2000, 7, 0))], most_bytes=1999) == [None]
    assert pages.counters.rounds == 0


def test_all_values_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_values, "MOST_BYTES_AT_ONCE", 10)
    pages = pages_of(JET4, {7: [b"123456"]})
    found = read_long_values(pages, [LongBytes(distant_value(6, 7, 0))] * 2)
    assert found == [b"123456", Damage(code="value-many", page=7, numbers=(6,))]
