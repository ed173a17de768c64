"""The entries of many index pages at once.

A bit mask says behind which bytes an entry ends; all entries but the first of a page leave out the bytes that
they share with the first. An entry is its key, three bytes of a page number and one of a row, highest byte
first; on a node follow four bytes of a child page. Entries compare as bytes do (mdbtools, "Indices"; jackcess
IndexData readDataPage).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.formats import JET3, KIND_INDEX_NODE, Format

Numbers = NDArray[Any]

POINTER_BYTES: Final = 4
CHILD_BYTES: Final = 4
_SHORTEST_KEY: Final = 1  # the byte that tells a null from a value
_AHEAD: Final = 16  # bytes that may be looked at behind an entry


@dataclass(frozen=True)
class Entries:
    """The entries of some pages, in order. Per entry: `page` its page's place among those parsed, `start` and
    `end` of the bytes that are stored, and `shared`, the bytes left out. Per page: `base`, where the first
    entry starts, `first`, its place among the entries, and `count`; `broken` pages have no entries here."""

    raw: bytes
    page: Numbers
    start: Numbers
    end: Numbers
    shared: Numbers
    tail: Numbers  # bytes of the entry that follow its row pointer
    base: Numbers
    first: Numbers
    count: Numbers
    broken: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.page)

    @cached_property
    def length(self) -> Numbers:
        """Of the whole entry."""
        return self.shared + self.end - self.start

    def whole(self, entry: int) -> bytes:
        """All bytes of one entry, the child page left out: what order is about."""
        base, start = int(self.base[self.page[entry]]), int(self.start[entry])
        end = int(self.end[entry]) - int(self.tail[entry])
        shared = int(self.shared[entry]) + min(0, end - start)
        return self.raw[base : base + shared] + self.raw[start:end]

    def pointers(self) -> NDArray[np.uint32]:
        """Page and row, the row in the lowest byte."""
        return self._number(self.length - self.tail - POINTER_BYTES)

    def children(self) -> NDArray[np.uint32]:
        """Of entries on nodes; of no meaning elsewhere."""
        return self._number(self.length - CHILD_BYTES)

    @cached_property
    def first_bytes(self) -> Numbers:
        """The byte of each entry that tells a null from a value."""
        return self.view("u1", np.where(self.shared > 0, self.base[self.page], self.start))

    def _number(self, at: Numbers) -> NDArray[np.uint32]:
        """Four bytes from `at` on in each whole entry, of which the first ones may be shared."""
        address = self.start + at - self.shared
        number = self.view(">u4", np.maximum(address, self.start)).astype(np.uint32)
        divided = np.flatnonzero(address < self.start)
        for entry in divided.tolist():
            base, start = int(self.base[self.page[entry]]), int(self.start[entry])
            shared, place = int(self.shared[entry]), int(at[entry])
            data = self.raw[base + place : base + shared] + self.raw[start : start + 4]
            number[entry] = int.from_bytes(data[:4], "big")
        return number

    def view(self, kind: str, at: Numbers) -> Numbers:
        """Numbers at any addresses, whether they are multiples of their size or not."""
        size = np.dtype(kind).itemsize
        return np.ndarray((len(self.raw) - size + 1,), kind, self.raw, 0, (1,))[at]

    def not_less(self, pairs: Numbers) -> Numbers:
        """Those of these entries that are not less than the one that follows in the same page."""
        return pairs[self._compare(pairs, 0) >= 0]

    def alike(self, pairs: Numbers) -> Numbers:
        """Those of these entries of leaves whose key is that of the entry that follows in the same page."""
        return pairs[self._compare(pairs, POINTER_BYTES) == 0]

    def _compare(self, pairs: Numbers, left_out: int) -> Numbers:
        """-1, 0 or 1 for each: the entry against its follower, but for `left_out` bytes at their ends.

        Eight bytes at a time from behind those that the whole page shares; seldom more than twice. The first
        eight are looked at once for all entries, as nearly each is compared with two others.
        """
        answer: NDArray[np.int8] = np.zeros(len(pairs), np.int8)
        if not len(pairs):
            return answer
        windows, left = self._window(slice(None), 0, left_out)
        mine, mine_left, other, other_left = windows[pairs], left[pairs], windows[pairs + 1], left[pairs + 1]
        open_pairs: Numbers = np.arange(len(pairs))
        at = 0
        while len(open_pairs):
            if at:
                mine, mine_left = self._window(pairs[open_pairs], at, left_out)
                other, other_left = self._window(pairs[open_pairs] + 1, at, left_out)
            ended = (mine_left <= 8) & (other_left <= 8)
            less = (mine < other) | ((mine == other) & ended & (mine_left < other_left))
            more = (mine > other) | ((mine == other) & ended & (mine_left > other_left))
            answer[open_pairs[less]] = -1
            answer[open_pairs[more]] = 1
            open_pairs = open_pairs[~less & ~more & ~ended]
            at += 8
        return answer

    def _window(self, which: Numbers | slice, offset: int, left_out: int) -> tuple[Numbers, Numbers]:
        """Eight bytes as a number that compares as they do, and how many bytes are left from there on; what
        lies behind the entry counts as zeros."""
        at = self._own_at[which] + offset
        left = np.maximum(self._own_bytes[which] - (offset + left_out), 0)
        window = self.view(">u8", np.minimum(at, len(self.raw) - 8)).astype(np.uint64)
        return window & _MASKS[np.minimum(left, 8)], left

    @cached_property
    def _own_at(self) -> Numbers:
        """Where the bytes start that an entry does not share with all others of its page."""
        return self.start + np.where(self.shared == 0, self.shared_of_page[self.page], 0)

    @cached_property
    def _own_bytes(self) -> Numbers:
        """How many there are, with the row pointer and without the child page."""
        return self.end - self.tail - self._own_at

    @cached_property
    def shared_of_page(self) -> Numbers:
        """Bytes that all entries of a page have in common by its word, per page."""
        shared = np.zeros(len(self.base), np.int64)
        np.maximum.at(shared, self.page, self.shared)
        return shared


_MASKS: Final[Numbers] = np.array([(1 << 64) - (1 << 8 * (8 - kept)) for kept in range(9)], np.uint64)
"""By number of bytes: those kept from the front of a number of eight."""


def parse_entries(pages: Sequence[bytes], layout: Format) -> Entries:
    """The entries of whole pages that are index pages by their kind."""
    size, width = layout.page_size, 8 * layout.index_bits_length
    raw = b"".join((*pages, bytes(_AHEAD)))
    flat: NDArray[np.uint8] = np.frombuffer(raw, np.uint8)
    block: Numbers = flat[: len(pages) * size].reshape(len(pages), size)
    marks: Numbers = block[:, layout.index_bits : layout.index_entries]
    bits = np.unpackbits(marks, axis=1, bitorder="little").view(np.bool_)
    counts = np.bitwise_count(marks).sum(axis=1, dtype=np.int64)
    page: Numbers = np.repeat(np.arange(len(pages)), counts)
    end: Numbers = np.flatnonzero(bits) - page * width
    is_node = block[:, 0] == KIND_INDEX_NODE
    is_first = np.diff(page, prepend=-1) != 0
    start = np.where(is_first, 0, np.roll(end, 1))
    # Jet 3 has the length in one byte; the byte behind it tells nodes from leaves (observed).
    shared_by_page = block[:, layout.index_prefix].astype(np.int64)
    if layout is not JET3:
        shared_by_page += block[:, layout.index_prefix + 1].astype(np.int64) << 8
    shared = np.where(is_first, 0, shared_by_page[page])
    tail = np.where(is_node[page], CHILD_BYTES, 0)
    first_length = np.zeros(len(pages), np.int64)
    first_length[page[is_first]] = end[is_first]
    broken = np.zeros(len(pages), np.bool_)
    broken[page[end > size - layout.index_entries]] = True
    broken[page[shared > first_length[page]]] = True
    broken[page[shared + end - start < _SHORTEST_KEY + POINTER_BYTES + tail]] = True
    if broken.any():
        sound = ~broken[page]
        page, start, end, shared, tail = (column[sound] for column in (page, start, end, shared, tail))
        counts[broken] = 0
    base = np.arange(len(pages), dtype=np.int64) * size + layout.index_entries
    return Entries(
        raw=raw,
        page=page,
        start=base[page] + start,
        end=base[page] + end,
        shared=shared,
        tail=tail,
        base=base,
        first=np.cumsum(counts) - counts,
        count=counts,
        broken=broken,
    )
