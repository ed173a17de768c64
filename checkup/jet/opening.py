"""Opening a file: its size, its first pages in one round, its header, and the cache over the rest."""

from __future__ import annotations

from typing import Final, NamedTuple

from checkup.jet.formats import CATALOGUE_PAGE, HEADER_PAGE, LARGEST_PAGE
from checkup.jet.header import Header, read_header
from checkup.jet.pages import CACHE_BYTES, Budget, Counters, Pages, check_budget, count_round
from checkup.jet.source import Source, Stat

# The header, the map of free pages and the definition of the catalogue: what every deeper look needs first
# comes with the header, for 12 KB. Nor has a Jet 3 file anyone's rows there: its pages 3 to 5 are the
# definitions of the three other tables that every file starts with (observed).
FIRST_BYTES: Final = (CATALOGUE_PAGE + 1) * LARGEST_PAGE


class AccessFile(NamedTuple):
    """An opened file: what it was when it was opened, and its pages."""

    stat: Stat
    header: Header
    pages: Pages

    @property
    def page_count(self) -> int:
        """Whole pages, by the size when it was opened."""
        return self.stat.size_bytes // self.header.page_size

    @property
    def trailing_bytes(self) -> int:
        """Bytes after the last whole page; none in a sound file (jackcess PageChannel allocateNewPage)."""
        return self.stat.size_bytes % self.header.page_size


def open_file(
    source: Source,
    *,
    budget: Budget | None = None,
    cache_bytes: int = CACHE_BYTES,
    gap_pages: int = 0,
    request_cost_bytes: int = 0,
) -> AccessFile:
    """One round. Raises NotAccessError, and SourceError."""
    counters = Counters()
    stat = source.stat()
    first = [(0, FIRST_BYTES)]
    check_budget(budget or Budget(), counters, FIRST_BYTES)
    answers = source.read(first)
    count_round(counters, first, answers)
    start = answers[0]
    header = read_header(start[:LARGEST_PAGE])
    pages = Pages(
        source,
        header.layout,
        budget=budget,
        cache_bytes=cache_bytes,
        gap_pages=gap_pages,
        request_cost_bytes=request_cost_bytes,
        counters=counters,
    )
    # The last page may have come in part: what the file's end cut off is never a page.
    for number in range(HEADER_PAGE, len(start) // header.page_size):
        pages.keep(number, start[number * header.page_size : (number + 1) * header.page_size])
    return AccessFile(stat, header, pages)


def header_again(file: AccessFile) -> Header:
    """The header as it is now: commit words that moved mean that someone writes. Raises like `open_file`."""
    return read_header(file.pages.again(HEADER_PAGE) or b"")
