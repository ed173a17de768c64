"""The cache of pages: rounds, runs, gaps, budgets."""

from __future__ import annotations

import pytest

from checkup.jet.formats import JET4
from checkup.jet.pages import Budget, Pages
from checkup.jet.source import SourceError
from tests.jet.made import BytesSource

SIZE = JET4.page_size


def numbered(count: int, tail: bytes = b"") -> BytesSource:
    return BytesSource(b"".join(bytes([number]) * SIZE for number in range(count)) + tail)


def test_pages_are_asked_for_in_one_round_and_neighbours_in_one_request() -> None:
    source = numbered(20)
    pages = Pages(source, JET4)
    found = pages.get([7, 3, 4, 5, 12, 3])
    assert {number: page[0] for number, page in found.items()} == {7: 7, 3: 3, 4: 4, 5: 5, 12: 12}
    assert source.rounds == [[(3 * SIZE, 3 * SIZE), (7 * SIZE, SIZE), (12 * SIZE, SIZE)]]
    assert (pages.counters.bytes, pages.counters.requests, pages.counters.rounds) == (5 * SIZE, 3, 1)


def test_what_is_cached_is_not_asked_for_again_unless_told_to() -> None:
    source = numbered(5)
    pages = Pages(source, JET4)
    pages.get([1, 2])
    assert pages.get([1, 2])[2][0] == 2
    assert len(source.rounds) == 1
    source.data = bytes([9]) * len(source.data)
    assert pages.one(1) == bytes([1]) * SIZE
    assert pages.again(1) == bytes([9]) * SIZE
    assert pages.one(1) == bytes([9]) * SIZE
    assert len(source.rounds) == 2


def test_a_page_that_the_file_has_not_or_only_in_part_is_left_out() -> None:
    pages = Pages(numbered(3, tail=b"x" * 100), JET4)
    assert sorted(pages.get([1, 2, 3, 4, -1, JET4.most_pages])) == [1, 2]
    assert pages.one(3) is None


def test_gaps_are_read_along_only_where_that_is_allowed_and_cheaper() -> None:
    for gap_pages, cost, requests in ((0, 10**6, 2), (2, 2 * SIZE, 1), (2, SIZE, 2), (8, 0, 2)):
        source = numbered(20)
        pages = Pages(source, JET4, gap_pages=gap_pages, request_cost_bytes=cost)
        assert sorted(pages.get([1, 4])) == [1, 4]
        assert len(source.rounds[0]) == requests
    assert pages.one(2) is not None


def test_one_request_is_not_longer_than_a_megabyte() -> None:
    source = BytesSource(bytes(600 * SIZE))
    assert len(Pages(source, JET4).get(range(600))) == 600
    assert [length for _, length in source.rounds[0]] == [1 << 20, 1 << 20, 88 * SIZE]


def test_a_budget_of_bytes_is_kept_before_anything_is_asked() -> None:
    source = numbered(9)
    pages = Pages(source, JET4, budget=Budget(bytes=3 * SIZE))
    pages.get([0, 1])
    with pytest.raises(SourceError) as caught:
        pages.get([2, 3])
    assert caught.value.kind == "budget"
    assert len(source.rounds) == 1
    assert sorted(pages.get([0, 1, 2])) == [0, 1, 2]


def test_a_budget_of_rounds_is_kept() -> None:
    pages = Pages(numbered(9), JET4, budget=Budget(rounds=1))
    pages.one(1)
    pages.one(1)
    with pytest.raises(SourceError, match="round"):
        pages.one(2)


def test_the_cache_is_bounded_and_drops_what_was_used_least_lately() -> None:
    source = numbered(9)
    pages = Pages(source, JET4, cache_bytes=2 * SIZE)
    assert len(pages.get([1, 2, 3])) == 3
    pages.get([2])
    pages.get([4])
    source.rounds.clear()
    pages.get([2, 4])
    assert source.rounds == []
    pages.get([3])
    assert len(source.rounds) == 1
