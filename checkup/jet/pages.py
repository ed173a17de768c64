"""A cache of pages over a source: asks for many pages in one round, counts what it costs, keeps to a budget.

What is encrypted is not decoded here or elsewhere: such a file is read no further than its header.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from checkup.jet.formats import Format
from checkup.jet.source import Range, Source, SourceError

CACHE_BYTES: Final = 64 << 20
MOST_RUN_BYTES: Final = 1 << 20  # of one request
MOST_GAP_PAGES: Final = 8


class Budget(NamedTuple):
    """The most that may be read; None is no limit."""

    bytes: int | None = None
    rounds: int | None = None


@dataclass
class Counters:
    """What was asked of the source so far. A round is one call of the source, however many requests it has:
    what needs the answer of an earlier one comes in a later one."""

    bytes: int = 0
    requests: int = 0
    rounds: int = 0


class Pages:
    """The pages of one file.

    `gap_pages`: pages nobody asked for that may be read along to save a request. 0 unless the caller may
    see every kind of page: what lies in a gap may be a page of patient data. A gap is read along only where
    its bytes cost less than one more request (`request_cost_bytes`).
    """

    def __init__(
        self,
        source: Source,
        layout: Format,
        *,
        budget: Budget | None = None,
        cache_bytes: int = CACHE_BYTES,
        gap_pages: int = 0,
        request_cost_bytes: int = 0,
        counters: Counters | None = None,
    ) -> None:
        self.layout = layout
        self.counters = counters or Counters()
        self._source = source
        self._budget = budget or Budget()
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._most_cached = max(1, cache_bytes // layout.page_size)
        self._gap_pages = min(gap_pages, MOST_GAP_PAGES, request_cost_bytes // layout.page_size)

    def get(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """The pages, in one round at most; a page that the file does not have, or not whole, is left out.

        Raises SourceError; of kind "budget" before anything is asked for that would exceed it (what was read
        before stays in the cache).
        """
        pages: dict[int, bytes] = {}
        missing: list[int] = []
        for number in dict.fromkeys(numbers):
            page = self._cached(number)
            if page is not None:
                pages[number] = page
            elif 0 <= number < self.layout.most_pages:
                missing.append(number)
        if missing:
            pages.update(self._read(sorted(missing)))
        return pages

    def held(self, numbers: Iterable[int]) -> dict[int, bytes]:
        """Those of the pages that were read and are still in the cache."""
        found = ((number, self._cached(number)) for number in numbers)
        return {number: page for number, page in found if page is not None}

    def one(self, number: int) -> bytes | None:
        """One page, None where the file does not have it whole."""
        return self.get((number,)).get(number)

    def again(self, number: int) -> bytes | None:
        """The page as it is in the file now, whatever is cached. Raises SourceError."""
        self.forget((number,))
        return self.one(number)

    def forget(self, numbers: Iterable[int]) -> None:
        """Drops pages from the cache, so that they are read again when next asked for."""
        for number in numbers:
            self._cache.pop(number, None)

    def keep(self, number: int, page: bytes) -> None:
        """Puts a page that was read by other means into the cache."""
        self._cache[number] = page
        self._cache.move_to_end(number)
        while len(self._cache) > self._most_cached:
            self._cache.popitem(last=False)

    def _cached(self, number: int) -> bytes | None:
        page = self._cache.get(number)
        if page is not None:
            self._cache.move_to_end(number)
        return page

    def _read(self, wanted: list[int]) -> dict[int, bytes]:
        size = self.layout.page_size
        runs = _runs(wanted, self._gap_pages, MOST_RUN_BYTES // size)
        answers = self._ask([(first * size, count * size) for first, count in runs])
        asked = frozenset(wanted)
        pages: dict[int, bytes] = {}
        for (first, count), answer in zip(runs, answers, strict=True):
            for number in range(first, first + count):
                at = (number - first) * size
                page = answer[at : at + size]
                if len(page) < size:
                    break
                self.keep(number, page)
                if number in asked:
                    pages[number] = page
        return pages

    def _ask(self, ranges: list[Range]) -> list[bytes]:
        total = sum(length for _, length in ranges)
        check_budget(self._budget, self.counters, total)
        answers = self._source.read(ranges)
        count_round(self.counters, ranges, answers)
        return answers


def check_budget(budget: Budget, counters: Counters, more_bytes: int) -> None:
    """Raises SourceError where one more round of so many bytes would exceed the budget."""
    if budget.bytes is not None and counters.bytes + more_bytes > budget.bytes:
        raise SourceError(
            "budget", f"{more_bytes} more bytes would exceed {budget.bytes} bytes ({counters.bytes} are read)"
        )
    if budget.rounds is not None and counters.rounds >= budget.rounds:
        raise SourceError("budget", f"one more round would exceed {budget.rounds}")


def count_round(counters: Counters, ranges: list[Range], answers: list[bytes]) -> None:
    counters.bytes += sum(len(answer) for answer in answers)
    counters.requests += len(ranges)
    counters.rounds += 1


def _runs(numbers: list[int], gap_pages: int, most_pages: int) -> list[tuple[int, int]]:
    """Sorted page numbers as (first, count), with gaps of at most `gap_pages` read along."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs:
            first, count = runs[-1]
            if number - (first + count) <= gap_pages and number - first < most_pages:
                runs[-1] = (first, number - first + 1)
                continue
        runs.append((number, 1))
    return runs
