"""Which pages belong to what: usage maps of both kinds, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkup.jet import usage_map
from checkup.jet.damage import Damage
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.rows import RowPointer
from checkup.jet.usage_map import GLOBAL_MAP, UsageMap, read_maps
from tests.jet.corpora import corpus_file, readable_params
from tests.jet.made import MadeFile, clinic_file, data_page, inline_map, map_page, open_path, reference_map


def with_maps(layout: Format, *rows: bytes) -> MadeFile:
    """Maps on page 7, rows from 0."""
    made = clinic_file(layout)
    made.pages[7] = data_page(layout, 0, rows)
    return made


def read(made: MadeFile, row: int, page: int = 7) -> UsageMap | Damage:
    pointer = RowPointer(page, row)
    return read_maps(made.open().pages, [pointer])[pointer]


def whole(found: UsageMap | Damage) -> UsageMap:
    assert isinstance(found, UsageMap)
    return found


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_an_inline_map_counts_from_its_first_page(layout: Format) -> None:
    found = whole(read(with_maps(layout, b"\x00" * 69, inline_map([1003, 1000, 1511], first=1000)), 1))
    assert list(found) == [1000, 1003, 1511]
    assert (found.kind, found.count(), found.map_pages) == ("inline", 3, ())
    assert 1003 in found and 1004 not in found and 5 not in found and "1003" not in found
    assert (found.stretches[0].first, found.stretches[0].end) == (1000, 1512)


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_a_reference_map_has_a_page_for_each_stretch(layout: Format) -> None:
    made = with_maps(layout, reference_map([8, 0, 9, 0]))
    made.pages |= {8: map_page(layout, [0, 700]), 9: map_page(layout, [3, layout.map_page_covers - 1])}
    file = made.open()
    found = whole(read_maps(file.pages, [RowPointer(7, 0)])[RowPointer(7, 0)])
    first = 2 * layout.map_page_covers
    assert list(found) == [0, 700, first + 3, 3 * layout.map_page_covers - 1]
    assert (found.kind, found.count(), found.map_pages, found.damages) == ("reference", 4, (8, 9), ())
    assert 700 in found and first + 4 not in found and layout.map_page_covers not in found


def test_all_maps_cost_two_rounds() -> None:
    made = with_maps(JET4, reference_map([8]), reference_map([9]), inline_map([3]))
    made.pages |= {8: map_page(JET4, [1]), 9: map_page(JET4, [2])}
    file = made.open()
    found = read_maps(file.pages, [RowPointer(7, 0), RowPointer(7, 1), RowPointer(7, 2), RowPointer(3, 0)])
    assert [list(whole(one)) for one in found.values()] == [[1], [2], [3], [4]]
    assert file.pages.counters.rounds == 1 + 2


def test_what_is_wrong_with_a_map_is_named() -> None:
    made = with_maps(JET4, b"\x07" * 69, reference_map([8, 8, 6, 5000]), b"\x00\x01")
    made.pages[8] = map_page(JET4, [1])
    assert read(made, 0) == Damage(code="map-kind", page=7, numbers=(0, 7))
    assert read(made, 2) == Damage(code="map-kind", page=7, numbers=(2, 0))
    assert read(made, 9) == Damage(code="map-row-missing", page=7, numbers=(9,))
    assert read(made, 0, page=5) == Damage(code="page-kind", page=5, numbers=(2,))
    assert read(made, 0, page=900) == Damage(code="page-missing", page=900)
    partly = whole(read(made, 1))
    assert list(partly) == [1]
    assert partly.damages == (
        Damage(code="map-page-twice", page=7, numbers=(1, 8)),
        Damage(code="page-kind", page=6, numbers=(1,)),
        Damage(code="page-missing", page=5000, numbers=(7, 1)),
    )


def test_a_map_that_names_itself_ends() -> None:
    """There is one step from a map to its bitmaps, so no way to go round."""
    found = whole(read(with_maps(JET4, reference_map([7, 7])), 0))
    assert list(found) == [] and [damage.code for damage in found.damages] == ["page-kind", "map-page-twice"]


def test_maps_do_not_take_more_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_map, "MOST_BYTES_AT_ONCE", 3 * JET4.page_size)
    made = with_maps(JET4, *[reference_map([8])] * 5)
    made.pages[8] = map_page(JET4, [1])
    pointers = [RowPointer(7, row) for row in range(5)]
    found = read_maps(made.open().pages, pointers)
    assert [isinstance(found[pointer], UsageMap) for pointer in pointers] == [True, True, False, False, False]
    assert found[pointers[4]] == Damage(code="map-many", page=7, numbers=(4,))


@pytest.mark.parametrize("path", readable_params())
def test_the_map_of_free_pages_can_be_read_everywhere(path: Path) -> None:
    file = open_path(path)
    found = whole(read_maps(file.pages, [GLOBAL_MAP])[GLOBAL_MAP])
    assert found.damages == ()
    assert not {0, 1, 2} & set(found)


def test_a_real_map_of_free_pages_by_reference() -> None:
    file = open_path(corpus_file("V2000/testRefGlobalV2000.mdb"))
    found = whole(read_maps(file.pages, [GLOBAL_MAP])[GLOBAL_MAP])
    assert found.kind == "reference"
