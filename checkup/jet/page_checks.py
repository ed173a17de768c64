"""Every page looked at by itself, in bulk: its kind, owner, free-space word, row directory or entry count.

A file has no check sums, but every page tells its free space, and that word follows from the row directory
(data pages) or from the entry bits (index pages): it was exact on every page of the corpora, pages that were
released long ago included (observed). So a page that was overwritten, torn or zeroed gives itself away.

What is found here is about bytes only. Whether a page counts at all (a released page may hold anything), and
whether its kind and owner are the right ones, is judged against the maps, in `integrity`.

Costs little more than twice the time of reading the file: whole chunks are handled by numpy, no page by
Python, and no more than a chunk per thread and some twenty bytes per page are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.formats import (
    KIND_DATA,
    KIND_INDEX_LEAF,
    KIND_INDEX_NODE,
    LONG_VALUE_OWNER,
    SLOT_FLAGS,
    SLOT_OFFSET_MASK,
    SLOT_POINTER,
    SLOT_TARGET,
    WRITTEN,
    Format,
)
from checkup.jet.problems import Depth, Findings, Kind, Problem, ProblemCode

LONG_VALUES: Final = int.from_bytes(LONG_VALUE_OWNER, "little")
"""The owner that pages of long values name."""

# Bits of `PageTable.faults`
NOT_READ: Final = 1  # the file ended before it
NOT_MARKED: Final = 2  # byte 1 is not what every written page has
FREE_WORD: Final = 4  # the free-space word is not the space that is free
SLOT_ORDER: Final = 8  # a row starts behind the one before it, or behind the page
SLOT_BOUNDS: Final = 16  # more rows than fit, or a row inside the row directory
ENTRY_BITS: Final = 32  # an index entry ends behind the page

CHUNK_BYTES: Final = 1 << 22  # of one read: a smaller one costs more calls, a larger one leaves the cache
_CHUNKS_TOGETHER: Final = 8
_HEAD_BYTES: Final = 128  # of each page: its first numbers, and the slots of up to 57 rows

# Pages with more rows are looked at apart, so that one crowded page costs the others nothing.
_FEW_ROWS: Final = 8
_SOME_ROWS: Final = 24
_MANY_ROWS: Final = 256

Numbers = NDArray[Any]
ChunkSource = Callable[[int, int], bytes]
"""From an offset, so many bytes, fewer where the file ends."""

ChunkReader = Callable[[bytes, int, "PageTable"], None]
"""Takes a chunk, the number of its first page, and what was found of its pages."""


@dataclass(frozen=True)
class PageTable:
    """One number per page and column. Rows and bytes are zero but on data pages, `entries` but on index
    pages; so are their owners, but that a page of neither kind has what stands in the same place."""

    kind: NDArray[np.uint8]
    faults: NDArray[np.uint8]
    owner: NDArray[np.uint32]  # of data and index pages; LONG_VALUES on pages of long values
    free_bytes: NDArray[np.uint16]  # as the page says
    live_rows: NDArray[np.uint16]  # rows proper and pointers to rows that lie elsewhere
    pointer_rows: NDArray[np.uint16]  # those among them that are pointers
    target_rows: NDArray[np.uint16]  # bodies that a pointer leads to
    deleted_rows: NDArray[np.uint16]
    deleted_bytes: NDArray[np.uint16]  # still held by deleted rows
    entries: NDArray[np.uint16]
    digest: NDArray[np.uint64]  # of the whole page: alike where pages are, seldom otherwise

    @classmethod
    def empty(cls, pages: int) -> PageTable:
        small, counts = np.uint8, np.uint16
        return cls(
            kind=np.zeros(pages, small),
            faults=np.zeros(pages, small),
            owner=np.zeros(pages, np.uint32),
            free_bytes=np.zeros(pages, counts),
            live_rows=np.zeros(pages, counts),
            pointer_rows=np.zeros(pages, counts),
            target_rows=np.zeros(pages, counts),
            deleted_rows=np.zeros(pages, counts),
            deleted_bytes=np.zeros(pages, counts),
            entries=np.zeros(pages, counts),
            digest=np.zeros(pages, np.uint64),
        )

    def __len__(self) -> int:
        return len(self.kind)

    def only(self, which: Numbers | slice) -> PageTable:
        """The rows of some pages; those of a slice are the table's own, not copies."""
        return PageTable(**{name: column[which] for name, column in vars(self).items()})


def scan(
    read: ChunkSource,
    layout: Format,
    pages: int,
    *,
    threads: int = 1,
    only: NDArray[np.bool_] | None = None,
    also: ChunkReader | None = None,
) -> PageTable:
    """Reads the first `pages` pages once, in order, and says what each of them is. Raises SourceError.

    `only`: chunks without any of these pages are not read, and their rows of the table stay zero. `also` gets
    every chunk, its first page and its rows of the table, from one thread at a time only if there is one.
    """
    table = PageTable.empty(pages)
    step = CHUNK_BYTES // layout.page_size
    chunks = [range(first, min(first + step, pages)) for first in range(0, pages, step)]
    together = 1 if also or only is not None else _CHUNKS_TOGETHER
    batches = [chunks[first : first + together] for first in range(0, len(chunks), together)]
    if only is not None:
        batches = [[chunk] for [chunk] in batches if only[chunk.start : chunk.stop].any()]
    if threads == 1:
        for batch in batches:
            _scan(read, layout, batch, table, also)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for work in [pool.submit(_scan, read, layout, batch, table, also) for batch in batches]:
                work.result()
    return table


def judge(numbers: Sequence[int], pages: Sequence[bytes], layout: Format) -> PageTable:
    """The same for single pages that were read already; the table's rows are in the order of `pages`.

    `numbers` are theirs in the file: page 0 is judged by `header`, not here.
    """
    table = PageTable.empty(len(pages))
    step = CHUNK_BYTES // layout.page_size
    for first in range(0, len(pages), step):
        some = pages[first : first + step]
        whole = b"".join(page.ljust(layout.page_size, b"\0") for page in some)
        judged = slice(first, first + len(some))
        gathered = _Gathered(layout, table.only(judged))
        gathered.take(whole, len(some), 0, digests=False)
        gathered.judge()
        short = [first + at for at, page in enumerate(some) if len(page) < layout.page_size]
        table.faults[short] |= NOT_READ
    table.faults[[at for at, number in enumerate(numbers) if number == 0]] = 0
    return table


FAULT_CODES: Final[Mapping[int, ProblemCode]] = {
    NOT_READ: "page-missing",
    NOT_MARKED: "page-unmarked",
    FREE_WORD: "page-free-word",
    SLOT_ORDER: "page-row-order",
    SLOT_BOUNDS: "page-row-bounds",
    ENTRY_BITS: "page-entry-bits",
}


def add_faults(
    findings: Findings,
    faults: int,
    page: int,
    kind: Kind,
    depth: Depth,
    owner: int | None,
    part: int | None,
) -> None:
    """One problem for each bit of a page's faults."""
    for bit, code in FAULT_CODES.items():
        if faults & bit:
            findings.add(Problem(code=code, page=page, kind=kind, depth=depth, owner=owner, part=part))


def _scan(
    read: ChunkSource, layout: Format, chunks: Sequence[range], table: PageTable, also: ChunkReader | None
) -> None:
    """Chunks that follow each other."""
    size, first = layout.page_size, chunks[0].start
    rows = table.only(slice(first, chunks[-1].stop))
    gathered = _Gathered(layout, rows)
    raw, whole = b"", 0
    for chunk in chunks:
        raw = b""  # one chunk goes before the next one comes: its memory is used again
        raw = read(chunk.start * size, len(chunk) * size)
        whole = len(raw) // size
        gathered.take(raw, whole, chunk.start - first, digests=True)
        gathered.unread(slice(chunk.start - first + whole, chunk.stop - first))
    gathered.judge()
    if first == 0:
        table.faults[:1] &= NOT_READ  # the header page has a form of its own
    if also is not None:
        last = chunks[-1].start
        also(raw, last, table.only(slice(last, last + whole)))


class _Gathered:
    """What tells whether pages are sound, taken from whole chunks: a few bytes of each page, one page beside
    the other. So most of the work has to do with a thirtieth of the bytes, and is done for many at once."""

    def __init__(self, layout: Format, table: PageTable) -> None:
        self._layout = layout
        self._table = table
        self._most_rows = (layout.page_size - layout.slots) // 2
        self._usual_rows = (_HEAD_BYTES - layout.slots) // 2
        self._heads: NDArray[np.uint64] = np.zeros((len(table), _HEAD_BYTES // 8), np.uint64)
        self._unread: list[slice] = []
        self._crowded: list[tuple[Numbers, Numbers]] = []  # pages, slots
        self._index: list[tuple[Numbers, Numbers]] = []  # pages, entry bits

    def take(self, raw: bytes, pages: int, at: int, *, digests: bool) -> None:
        """The first pages of a chunk; they are those of the table from `at` on."""
        if not pages:
            return
        layout, here = self._layout, slice(at, at + pages)
        block: Numbers = np.frombuffer(raw, np.uint64, pages * layout.page_size // 8).reshape(pages, -1)
        if digests:
            np.add.reduce(block, axis=1, out=self._table.digest[here])
        self._heads[here] = block[:, : _HEAD_BYTES // 8]
        kind: Numbers = self._heads.view(np.uint8)[here, 0]
        index = np.flatnonzero((kind == KIND_INDEX_LEAF) | (kind == KIND_INDEX_NODE))
        if len(index):
            bits = block.view(np.uint8)[index, layout.index_bits : layout.index_entries]
            self._index.append((index + at, bits))
        counts: Numbers = self._heads.view(np.uint16)[here, layout.row_count // 2]
        crowded = (kind == KIND_DATA) & (counts > self._usual_rows)
        if not crowded.any():
            return
        for least, limit in ((self._usual_rows, _MANY_ROWS), (_MANY_ROWS, self._most_rows)):
            which = np.flatnonzero(crowded & (counts > least) & (counts <= limit))
            if len(which):
                slots = layout.slots // 2
                wide = block.view(np.uint16)[which, slots : slots + int(counts[which].max())]
                self._crowded.append((which + at, wide))

    def unread(self, pages: slice) -> None:
        """The file, or a page, ended before they did."""
        self._unread.append(pages)

    def judge(self) -> None:
        """Fills the table's rows."""
        layout, table = self._layout, self._table
        heads: Numbers = self._heads.view(np.uint8)
        words: Numbers = self._heads.view(np.uint16)
        table.kind[:] = heads[:, 0]
        table.owner[:] = self._heads.view(np.uint32)[:, 1]
        table.faults[heads[:, 1] != WRITTEN] |= NOT_MARKED
        is_data = table.kind == KIND_DATA
        is_index = (table.kind == KIND_INDEX_LEAF) | (table.kind == KIND_INDEX_NODE)
        table.free_bytes[:] = np.where(is_data | is_index, words[:, 1], 0)
        for pages, bits in self._index:
            _index_pages(bits, layout, table, pages)
        data: Numbers = np.flatnonzero(is_data)
        counts: Numbers = words[data, layout.row_count // 2]
        table.faults[data[counts > self._most_rows]] |= SLOT_BOUNDS
        empty = data[counts == 0]
        table.faults[empty[table.free_bytes[empty] != layout.page_size - layout.slots]] |= FREE_WORD
        for least, limit in ((0, _FEW_ROWS), (_FEW_ROWS, _SOME_ROWS), (_SOME_ROWS, self._usual_rows)):
            which = data[(counts > least) & (counts <= limit)]
            if len(which):
                slots = words[which, layout.slots // 2 : layout.slots // 2 + limit]
                _row_directories(slots, words[which, layout.row_count // 2], layout, table, which)
        for pages, slots in self._crowded:
            _row_directories(slots, words[pages, layout.row_count // 2], layout, table, pages)
        for pages in self._unread:
            table.faults[pages] = NOT_READ


def _row_directories(
    slots: Numbers, counts: Numbers, layout: Format, table: PageTable, pages: Numbers
) -> None:
    """Rows lie from the end of the page downwards, each up against the one before (mdbtools "Data Pages").

    `slots` has a line for each page; those from its count on are something else."""
    places: Numbers = np.arange(slots.shape[1], dtype=np.uint16)
    # A line for each place, so that what is done page by page is done for neighbours in memory.
    words: Numbers = slots.T * (places[:, None] < counts)
    starts: Numbers = words & SLOT_OFFSET_MASK
    ends: Numbers = np.empty_like(starts)
    ends[0] = layout.page_size
    ends[1:] = starts[:-1]
    table.faults[pages[(starts > ends).any(axis=0)]] |= SLOT_ORDER

    lowest = starts[counts - 1, np.arange(len(pages))].astype(np.int32)
    free = lowest - (layout.slots + 2 * counts.astype(np.int32))
    table.faults[pages[free < 0]] |= SLOT_BOUNDS
    table.faults[pages[free != table.free_bytes[pages]]] |= FREE_WORD

    table.live_rows[pages] = counts
    flagged = np.flatnonzero(np.bitwise_or.reduce(words, axis=0) & SLOT_FLAGS)
    if not len(flagged):
        return
    pages, words = pages[flagged], words[:, flagged]
    pointer_or_deleted = (words & SLOT_POINTER) != 0
    target_or_deleted = (words & SLOT_TARGET) != 0
    deleted = pointer_or_deleted & target_or_deleted
    deleted_rows, targets = deleted.sum(axis=0), target_or_deleted.sum(axis=0)
    table.deleted_rows[pages] = deleted_rows
    table.deleted_bytes[pages] = np.where(deleted, ends[:, flagged] - starts[:, flagged], 0).sum(axis=0)
    table.pointer_rows[pages] = pointer_or_deleted.sum(axis=0) - deleted_rows
    table.target_rows[pages] = targets - deleted_rows
    table.live_rows[pages] -= targets.astype(np.uint16)


def _index_pages(bits: Numbers, layout: Format, table: PageTable, pages: Numbers) -> None:
    """A bit for every byte behind which an entry ends (mdbtools "Indices"); free space starts at the last."""
    table.entries[pages] = np.bitwise_count(bits).sum(axis=1)
    backwards: Numbers = (bits != 0)[:, ::-1]
    last_byte = layout.index_bits_length - 1 - backwards.argmax(axis=1)
    highest: Numbers = _HIGHEST_BIT[bits[np.arange(len(pages)), last_byte]]
    entries_end = np.where(table.entries[pages] > 0, 8 * last_byte + highest, 0)
    free = layout.page_size - layout.index_entries - entries_end
    table.faults[pages[free < 0]] |= ENTRY_BITS
    table.faults[pages[free != table.free_bytes[pages]]] |= FREE_WORD


_HIGHEST_BIT: Numbers = np.array([0, *(value.bit_length() - 1 for value in range(1, 256))], np.int64)
