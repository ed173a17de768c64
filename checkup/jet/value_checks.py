"""Long values in bulk: whether every field leads to bytes of the length it says, on pages of its own column,
and to rows that nothing else leads to.

One pass over the file gives the fields (from rows) and the rows of the long-value pages; then the chains are
followed in memory, all at once. A row that was reached once is not followed again: no loop, and no more work
than there are rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.partition import Partition
from checkup.jet.problems import Findings, Problem, ProblemCode

Numbers = NDArray[Any]

# The head of a field: its first four bytes (see `long_values`).
INLINE: Final = 0x80000000
SINGLE: Final = 0x40000000
LENGTH_MASK: Final = 0x3FFFFFFF
_NEXT_BYTES: Final = 4  # in front of each row of a chain

MOST_FIELDS: Final = 4_000_000  # 64 MB; a file of 2 GB has no more values of a usual size
MOST_ROWS: Final = 8_000_000
_FEW: Final = 8  # chains that are followed one by one


@dataclass(frozen=True)
class Fields:
    """Fields whose value lies elsewhere: the row that has them, where they lead, length and kind as stored,
    and the share of pages that their column has."""

    home: Numbers
    pointer: Numbers
    head: Numbers
    share: Numbers


@dataclass(frozen=True)
class ValueRows:
    """The rows of some pages of long values: lengths, and the four bytes that are the next pointer in chains.
    `pages`, and how many rows each has; rows in order. A deleted row has length 0."""

    pages: Numbers
    counts: Numbers
    lengths: Numbers
    following: Numbers


class ValueChecks:
    """Collects what the pass brings, then resolves it. `left_out`: fields that were too many to be held."""

    def __init__(self, partition: Partition, findings: Findings) -> None:
        self._partition = partition
        self._findings = findings
        self._fields: list[Fields] = []
        self._rows: list[ValueRows] = []
        self._field_count = 0
        self._row_count = 0
        self.left_out = 0

    def add_fields(self, fields: Fields) -> None:
        if self._field_count + len(fields.home) > MOST_FIELDS:
            self.left_out += len(fields.home)
            return
        self._field_count += len(fields.home)
        self._fields.append(fields)

    def add_rows(self, rows: ValueRows) -> None:
        self._row_count += len(rows.lengths)
        if self._row_count <= MOST_ROWS:
            self._rows.append(rows)

    def resolve(self) -> None:
        if not self._fields:
            return
        if self._row_count > MOST_ROWS:
            self.left_out += self._field_count
            return
        fields = Fields(
            *(np.concatenate(column) for column in zip(*map(_columns, self._fields), strict=True))
        )
        self._fields.clear()
        _Resolution(self._partition, self._findings, fields, self._rows).all()


def _columns(fields: Fields) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    return fields.home, fields.pointer, fields.head, fields.share


class _Resolution:
    def __init__(
        self, partition: Partition, findings: Findings, fields: Fields, rows: list[ValueRows]
    ) -> None:
        self.partition = partition
        self.findings = findings
        self.fields = fields
        self.base: NDArray[np.int64] = np.full(len(partition), -1, np.int64)
        self.count: NDArray[np.int64] = np.zeros(len(partition), np.int64)
        nothing: list[Numbers] = [np.zeros(0, np.uint32)]
        self.length: Numbers = np.concatenate([part.lengths for part in rows] or nothing).astype(np.int64)
        self.following: Numbers = np.concatenate([part.following for part in rows] or nothing)
        total = 0
        for part in rows:
            self.base[part.pages] = total + np.cumsum(part.counts) - part.counts
            self.count[part.pages] = part.counts
            total += len(part.lengths)
        self.seen: NDArray[np.bool_] = np.zeros(total, np.bool_)

    def all(self) -> None:
        fields = self.fields
        which = np.arange(len(fields.home))
        single = (fields.head & SINGLE) != 0
        wanted = (fields.head & LENGTH_MASK).astype(np.int64)
        which, rows = self._enter(which, fields.pointer)
        found = self.length[rows]
        ones = single[which]
        self._lengths(which[ones], wanted[which[ones]], found[ones])
        chained, rows = which[~ones], rows[~ones]
        self._chains(chained, rows, wanted)

    def _chains(self, which: Numbers, rows: Numbers, wanted: Numbers) -> None:
        """Follows all chains a row at a time; `got` counts the bytes of each."""
        got: NDArray[np.int64] = np.zeros(len(wanted), np.int64)
        while len(which) > _FEW:
            got[which] += self.length[rows] - _NEXT_BYTES
            following = self.following[rows]
            goes_on = (following != 0) & (got[which] <= wanted[which])
            ended = which[~goes_on]
            self._lengths(ended, wanted[ended], got[ended])
            which, rows = self._enter(which[goes_on], following[goes_on])
        for field, row in zip(which.tolist(), rows.tolist(), strict=True):
            self._chain(field, row, int(wanted[field]), int(got[field]))

    def _chain(self, field: int, row: int, wanted: int, got: int) -> None:
        while True:
            got += int(self.length[row]) - _NEXT_BYTES
            pointer = int(self.following[row])
            if pointer == 0 or got > wanted:
                break
            page, place = pointer >> 8, pointer & 0xFF
            code = self._why_not(page, place, int(self.fields.share[field]))
            if code is not None:
                self._problem(code, field, pointer)
                return
            row = int(self.base[page]) + place
            if self.seen[row]:
                self._problem("value-shared", field, pointer)
                return
            self.seen[row] = True
        if got != wanted:
            self._problem("value-length", field, int(self.fields.pointer[field]), wanted, got)

    def _why_not(self, page: int, place: int, share: int) -> ProblemCode | None:
        if page >= len(self.partition) or place >= self.count[page]:
            return "value-pointer"
        if self.partition.share[page] != share:
            return "value-unowned"
        return None if self.length[self.base[page] + place] else "value-pointer"

    def _enter(self, which: Numbers, pointers: Numbers) -> tuple[Numbers, Numbers]:
        """The fields whose next row is there and new, and that row."""
        page, place = (pointers >> 8).astype(np.int64), (pointers & 0xFF).astype(np.int64)
        inside = page < len(self.partition)
        page = np.where(inside, page, 0)
        there = inside & (place < self.count[page])
        row = np.where(there, self.base[page] + place, 0)
        if len(self.length):
            there &= self.length[row] > 0
        owned = self.partition.share[page] == self.fields.share[which]
        for at in np.flatnonzero(~there).tolist():
            self._problem("value-pointer", int(which[at]), int(pointers[at]))
        for at in np.flatnonzero(there & ~owned).tolist():
            self._problem("value-unowned", int(which[at]), int(pointers[at]))
        good = np.flatnonzero(there & owned)
        first: Numbers = np.zeros(len(good), np.bool_)
        first[np.unique(row[good], return_index=True)[1]] = True
        fresh = first & ~self.seen[row[good]]
        for at in good[~fresh].tolist():
            self._problem("value-shared", int(which[at]), int(pointers[at]))
        kept = good[fresh]
        self.seen[row[kept]] = True
        return which[kept], row[kept]

    def _lengths(self, which: Numbers, wanted: Numbers, found: Numbers) -> None:
        for at in np.flatnonzero(wanted != found).tolist():
            field = int(which[at])
            pointer = int(self.fields.pointer[field])
            self._problem("value-length", field, pointer, int(wanted[at]), int(found[at]))

    def _problem(self, code: ProblemCode, field: int, pointer: int, *numbers: int) -> None:
        if self.findings.full(code):
            self.findings.count_more(code, 1)
            return
        home = int(self.fields.home[field])
        share = self.partition.shares[int(self.fields.share[field])]
        self.findings.add(
            Problem(
                code=code,
                page=home >> 8,
                kind="long-values",
                depth="rows",
                owner=share.owner,
                part=share.part,
                numbers=(home & 0xFF, pointer >> 8, pointer & 0xFF, *numbers),
            )
        )
