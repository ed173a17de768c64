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

CHUNK_BYTES: Final = 1 << 22  # a smaller one costs more calls, a larger one leaves the cache
_USUAL_ROWS: Final = 24  # pages with more are handled apart, so that one crowded page costs its chunk nothing

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
    if only is not None:
        chunks = [chunk for chunk in chunks if only[chunk.start : chunk.stop].any()]
    if threads == 1:
        for chunk in chunks:
            _scan(read, layout, chunk, table, also)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for work in [pool.submit(_scan, read, layout, chunk, table, also) for chunk in chunks]:
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
        _fill(whole, layout, table.only(judged), digests=False)
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
    read: ChunkSource, layout: Format, chunk: range, table: PageTable, also: ChunkReader | None
) -> None:
    size = layout.page_size
    raw = read(chunk.start * size, len(chunk) * size)
    whole = len(raw) // size
    rows = table.only(slice(chunk.start, chunk.start + whole))
    _fill(raw, layout, rows, digests=True)
    table.faults[chunk.start + whole : chunk.stop] |= NOT_READ
    if chunk.start == 0:
        table.faults[:1] &= NOT_READ  # the header page has a form of its own
    if also is not None:
        also(raw, chunk.start, rows)


def _fill(raw: bytes, layout: Format, table: PageTable, *, digests: bool) -> None:
    pages = len(table)
    if not pages:
        return
    block: Numbers = np.frombuffer(raw, np.uint8, pages * layout.page_size).reshape(pages, layout.page_size)
    words: Numbers = block.view("<u2")
    table.kind[:] = block[:, 0]
    table.owner[:] = block.view("<u4")[:, 1]
    table.faults[block[:, 1] != WRITTEN] |= NOT_MARKED
    if digests:
        np.add.reduce(block.view("<u8"), axis=1, out=table.digest)
    data: Numbers = np.flatnonzero(table.kind == KIND_DATA)
    index: Numbers = np.flatnonzero((table.kind == KIND_INDEX_LEAF) | (table.kind == KIND_INDEX_NODE))
    for some in (data, index):
        table.free_bytes[some] = words[some, 1]
    _index_pages(block, layout, table, index)
    counts = words[data, layout.row_count // 2]
    most = (layout.page_size - layout.slots) // 2
    table.faults[data[counts > most]] |= SLOT_BOUNDS
    empty = data[counts == 0]
    table.faults[empty[table.free_bytes[empty] != layout.page_size - layout.slots]] |= FREE_WORD
    for least, limit in ((1, _USUAL_ROWS), (_USUAL_ROWS + 1, most)):
        which = (counts >= least) & (counts <= limit)
        _row_directories(words, layout, table, data[which], counts[which])


def _row_directories(
    words: Numbers, layout: Format, table: PageTable, pages: Numbers, counts: Numbers
) -> None:
    """Rows lie from the end of the page downwards, each up against the one before (mdbtools "Data Pages")."""
    if not len(pages):
        return
    most = int(counts.max())
    first = layout.slots // 2
    slots: Numbers = words[pages, first : first + most]
    there: Numbers = np.arange(most, dtype=np.uint16) < counts[:, None]
    starts: Numbers = slots & SLOT_OFFSET_MASK
    ends: Numbers = np.empty_like(starts)
    ends[:, 0] = layout.page_size
    ends[:, 1:] = starts[:, :-1]
    table.faults[pages[((starts > ends) & there).any(axis=1)]] |= SLOT_ORDER

    lowest = starts[np.arange(len(pages)), counts - 1].astype(np.int32)
    directory_ends = layout.slots + 2 * counts.astype(np.int32)
    free = lowest - directory_ends
    table.faults[pages[free < 0]] |= SLOT_BOUNDS
    table.faults[pages[free != table.free_bytes[pages]]] |= FREE_WORD

    flags: Numbers = np.where(there, slots & SLOT_FLAGS, 0)
    pointer_or_deleted = (flags & SLOT_POINTER) != 0
    target_or_deleted = (flags & SLOT_TARGET) != 0
    if not target_or_deleted.any():
        table.live_rows[pages] = counts
        table.pointer_rows[pages] = pointer_or_deleted.sum(axis=1)
        return
    deleted = pointer_or_deleted & target_or_deleted
    table.deleted_rows[pages] = deleted.sum(axis=1)
    table.deleted_bytes[pages] = np.where(deleted, ends - starts, 0).sum(axis=1)
    table.pointer_rows[pages] = pointer_or_deleted.sum(axis=1) - table.deleted_rows[pages]
    table.target_rows[pages] = target_or_deleted.sum(axis=1) - table.deleted_rows[pages]
    table.live_rows[pages] = counts - target_or_deleted.sum(axis=1)


def _index_pages(block: Numbers, layout: Format, table: PageTable, pages: Numbers) -> None:
    """A bit for every byte behind which an entry ends (mdbtools "Indices"); free space starts at the last."""
    if not len(pages):
        return
    bits: Numbers = block[pages, layout.index_bits : layout.index_entries]
    table.entries[pages] = np.bitwise_count(bits).sum(axis=1)
    backwards: Numbers = (bits != 0)[:, ::-1]
    last_byte = layout.index_bits_length - 1 - backwards.argmax(axis=1)
    highest: Numbers = _HIGHEST_BIT[bits[np.arange(len(pages)), last_byte]]
    entries_end = np.where(table.entries[pages] > 0, 8 * last_byte + highest, 0)
    free = layout.page_size - layout.index_entries - entries_end
    table.faults[pages[free < 0]] |= ENTRY_BITS
    table.faults[pages[free != table.free_bytes[pages]]] |= FREE_WORD


_HIGHEST_BIT: Numbers = np.array([0, *(value.bit_length() - 1 for value in range(1, 256))], np.int64)
