"""Memo and OLE fields: what lies in the row, in one row elsewhere, or in a chain of such rows.

The field in the row is a length with its kind in the two highest bits, a row pointer, four bytes unused, and
with the inline kind the bytes themselves. Rows of long values lie on pages whose owner field reads "LVAL";
those of a chain start with the pointer to the next. All values are read side by side: one round for each
row of the longest chain.

Source: mdbtools, "LVAL (Long Value) Pages"; jackcess LongValueColumnImpl.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from checkup.jet.damage import Damage, DamageError
from checkup.jet.formats import KIND_DATA, LONG_VALUE_OWNER, Format
from checkup.jet.pages import Pages
from checkup.jet.rows import RowPointer, row_bytes
from checkup.jet.values import LongBytes

HEAD_BYTES: Final = 12
MOST_BYTES: Final = 1 << 20  # of one value of the catalogue: properties of large tables take some 100 KB
MOST_BYTES_AT_ONCE: Final = 32 << 20  # of all values

_LENGTH_MASK: Final = 0x3FFFFFFF
_INLINE: Final = 0x80000000
_SINGLE: Final = 0x40000000
_NEXT_BYTES: Final = 4
# Rows of a chain that a value may have: writers fill pages (observed), a chain of crumbs is no chain.
_SPARE_ROWS: Final = 64
_LEAST_BYTES: Final = 256

Kind = Literal["inline", "single", "chain"]


class LongValue(NamedTuple):
    """Where a value lies. `inline` has its bytes where the row has them."""

    kind: Kind
    length: int
    pointer: RowPointer
    inline: bytes


def parse_long_value(field: LongBytes) -> LongValue | None:
    """None where the field is too short to be one."""
    data = field.data
    if len(data) < HEAD_BYTES:
        return None
    word = int.from_bytes(data[:4], "little")
    kind: Kind = "inline" if word & _INLINE else "single" if word & _SINGLE else "chain"
    pointer = RowPointer.of(int.from_bytes(data[4:8], "little"))
    return LongValue(kind, word & _LENGTH_MASK, pointer, data[HEAD_BYTES:] if kind == "inline" else b"")


def read_long_values(
    pages: Pages, fields: Sequence[LongBytes | None], most_bytes: int = MOST_BYTES
) -> list[bytes | Damage | None]:
    """The bytes of each; None for a null and for one that says it is longer than `most_bytes`.

    Damage names the page where the value goes wrong, 0 where the field itself does. Raises SourceError.
    """
    answers: list[bytes | Damage | None] = [None] * len(fields)
    open_chains: dict[int, _Chain] = {}
    room = MOST_BYTES_AT_ONCE
    for place, field in enumerate(fields):
        if field is None:
            continue
        value = parse_long_value(field)
        if value is None:
            answers[place] = Damage(code="value-cut", page=0, numbers=(len(field.data),))
        elif value.kind == "inline":
            short = Damage(code="value-length", page=0, numbers=(value.length, len(value.inline)))
            answers[place] = short if len(value.inline) < value.length else value.inline[: value.length]
        elif value.length <= most_bytes:
            room -= value.length
            if room < 0:
                answers[place] = Damage(code="value-many", page=value.pointer.page, numbers=(value.length,))
            else:
                open_chains[place] = _Chain(value)
    while open_chains:
        found = pages.get(chain.next.page for chain in open_chains.values())
        for place, chain in tuple(open_chains.items()):
            try:
                finished = chain.take(found.get(chain.next.page), pages.layout)
                answers[place] = bytes(chain.data[: chain.value.length]) if finished else None
            except DamageError as error:
                finished = True
                answers[place] = error.damage
            if finished:
                del open_chains[place]
    return answers


class _Chain:
    """One value on its way: `next` is the row to be read now."""

    def __init__(self, value: LongValue) -> None:
        self.value = value
        self.next = value.pointer
        self.data = bytearray()
        self.seen: set[RowPointer] = set()

    def take(self, page: bytes | None, layout: Format) -> bool:
        """Adds the row that `next` names; true when it was the last one. Raises DamageError."""
        here = self.next
        if here in self.seen:
            raise DamageError(Damage(code="value-loop", page=here.page, numbers=(here.row,)))
        self.seen.add(here)
        if len(self.seen) > _SPARE_ROWS + self.value.length // _LEAST_BYTES:
            raise DamageError(Damage(code="value-long", page=here.page, numbers=(len(self.seen),)))
        row = self._row(page, layout)
        if self.value.kind == "chain":
            if len(row) < _NEXT_BYTES:
                raise DamageError(Damage(code="value-pointer", page=here.page, numbers=(here.row,)))
            self.next = RowPointer.of(int.from_bytes(row[:_NEXT_BYTES], "little"))
            self.data += row[_NEXT_BYTES:]
            if self.next != (0, 0) and len(self.data) < self.value.length:
                return False
        else:
            self.data += row
        # Bytes past the length are slack (jackcess LongValueColumnImpl); none were seen in the corpora.
        if len(self.data) < self.value.length:
            numbers = (self.value.length, len(self.data))
            raise DamageError(Damage(code="value-length", page=self.value.pointer.page, numbers=numbers))
        return True

    def _row(self, page: bytes | None, layout: Format) -> bytes:
        here = self.next
        if page is None:
            raise DamageError(Damage(code="page-missing", page=here.page))
        if page[0] != KIND_DATA or page[4:8] != LONG_VALUE_OWNER:
            raise DamageError(Damage(code="page-kind", page=here.page, numbers=(page[0],)))
        row = row_bytes(page, here.row, layout)
        if not row:
            raise DamageError(Damage(code="value-pointer", page=here.page, numbers=(here.row,)))
        return row
