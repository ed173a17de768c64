"""Whether an index says what the rows say: keys as one number, and sums of them that tell without sorting.

An entry starts with a byte for null or value, then the value's bytes, highest first, so that bytes compare as
values do: the sign bit turned round, all bits of a negative floating number, and all bits again where the
column descends (jackcess IndexData, column descriptors). Of columns whose bytes follow from the value without
a collation, the first of an index is compared; of the others only which rows there are.

Each row gives a number mixed from its place and its key; these are summed per data page, once from the rows
and once from the entries. Where the sums of a page differ, the index does not speak of the rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.definition import (
    TYPE_BYTE,
    TYPE_DATE,
    TYPE_DOUBLE,
    TYPE_FLOAT,
    Definition,
    IndexData,
)
from checkup.jet.index_entries import POINTER_BYTES, Entries
from checkup.jet.values import FIXED_SIZES

Numbers = NDArray[Any]
Keys = NDArray[np.uint64]

_FLOATING: Final = (TYPE_FLOAT, TYPE_DOUBLE, TYPE_DATE)

_VALUE_ASCENDING: Final = 0x7F
_VALUE_DESCENDING: Final = 0x80
_NULL_ASCENDING: Final = 0x00
_NULL_DESCENDING: Final = 0xFF

_NULL: Final = np.uint64(0x6E756C6C6E756C6C)  # any number that no key is likely to be
_ODD_1: Final = np.uint64(0x9E3779B97F4A7C15)
_ODD_2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_ODD_3: Final = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class KeyForm:
    """How the first column of an index is compared; `size` 0: not at all. `offset` is its place within the
    fixed bytes of a row; where it is among the variable columns, `variable_index` is its place there, else -1
    (numbers among them occur in files that Access 97 wrote). `alone`: the index has no other column."""

    column: int  # number
    offset: int
    variable_index: int
    size: int
    ascending: bool
    signed: bool
    floating: bool
    alone: bool


def key_form(definition: Definition, data: IndexData) -> KeyForm:
    first = data.columns[0] if data.columns else None
    column = definition.column_by_number.get(first.number) if first else None
    if first is None or column is None:
        return KeyForm(-1, 0, -1, 0, first is None or first.ascending, False, False, False)
    return KeyForm(
        column=column.number,
        offset=column.fixed_offset,
        variable_index=-1 if column.is_fixed else column.variable_index,
        size=FIXED_SIZES.get(column.type, 0),
        ascending=first.ascending,
        signed=column.type != TYPE_BYTE,
        floating=column.type in _FLOATING,
        alone=len(data.columns) == 1,
    )


def keys_of_values(values: Keys, is_null: NDArray[np.bool_], form: KeyForm) -> Keys:
    """From the bytes of the values as rows have them, read as unsigned numbers."""
    sign = np.uint64(1 << (8 * form.size - 1))
    keys = values ^ sign if form.signed else values.copy()
    if form.floating:
        negative = (values & sign) != 0
        keys[negative] = ~values[negative] & (sign | (sign - np.uint64(1)))
        keys = _one_zero(keys, sign)
    keys[is_null] = _NULL
    return keys


def keys_of_entries(entries: Entries, size: Numbers, ascending: Numbers, floating: Numbers) -> Keys:
    """`size`, `ascending` and `floating` for each entry, as its index has them; 0 where size is 0.

    An entry too short for its key gives some number, which will be the wrong one.
    """
    base, shared = entries.base[entries.page], entries.shared
    from_first = np.clip(shared - 1, 0, 8)
    stored = entries.view(">u8", entries.start + np.where(shared > 0, 0, 1)).astype(np.uint64)
    kept = entries.view(">u8", base + 1).astype(np.uint64) & _TOP[from_first]
    word = kept | np.where(from_first < 8, stored >> (8 * np.minimum(from_first, 7)).astype(np.uint64), 0)
    bits = np.uint64(8) * size.astype(np.uint64)
    keys = np.where(size > 0, word >> (np.uint64(64) - np.maximum(bits, np.uint64(8))), np.uint64(0))
    if not ascending.all():
        mask = _TOP[size] >> (np.uint64(64) - np.maximum(bits, np.uint64(8)))
        keys = np.where(ascending, keys, ~keys & mask)
    if floating.any():
        sign = np.uint64(1) << (np.maximum(bits, np.uint64(8)) - np.uint64(1))
        keys = np.where(floating, _one_zero(keys, sign), keys)
    keys[entries.first_bytes != np.where(ascending, _VALUE_ASCENDING, _VALUE_DESCENDING)] = _NULL
    keys[size == 0] = 0
    return keys


def strange_entries(entries: Entries, size: Numbers, ascending: Numbers, alone: Numbers) -> Numbers:
    """Those that do not start with null or value, or do not have the length that their only column gives."""
    first = entries.first_bytes
    is_value = first == np.where(ascending, _VALUE_ASCENDING, _VALUE_DESCENDING)
    is_null = first == np.where(ascending, _NULL_ASCENDING, _NULL_DESCENDING)
    wanted = 1 + np.where(is_value, size, 0) + POINTER_BYTES + entries.tail
    wrong_length = alone & (size > 0) & (entries.length != wanted)
    return np.flatnonzero((~is_value & ~is_null) | wrong_length)


def mixed(pointers: Numbers, keys: Keys) -> Keys:
    """One number for each row and key; sums of them agree where the rows and keys do."""
    number = pointers.astype(np.uint64) * _ODD_1 + keys * _ODD_2
    number ^= number >> np.uint64(31)
    number *= _ODD_3
    number ^= number >> np.uint64(32)
    return number


def _one_zero(keys: Keys, sign: Numbers | np.uint64) -> Keys:
    """A floating zero has two forms; one of them will do."""
    return np.where(keys == sign - np.uint64(1), sign, keys)


_TOP: Final[Keys] = np.array([(1 << 64) - (1 << 8 * (8 - kept)) for kept in range(9)], np.uint64)


@dataclass(frozen=True)
class Tree:
    """An index of a table: where its tree starts and what holds of its entries.

    `no_duplicates`: its keys are unique, and no null excuses equal ones.
    """

    owner: int
    part: int
    root: int
    no_duplicates: bool
    ignores_nulls: bool
    key: KeyForm


def trees_of(definition: Definition) -> tuple[Tree, ...]:
    primary = {index.data_number for index in definition.indexes if index.kind == "primary"}
    return tuple(
        Tree(
            owner=definition.page,
            part=number,
            root=data.root,
            no_duplicates=number in primary or (data.is_unique and data.is_required),
            ignores_nulls=data.ignores_nulls,
            key=key_form(definition, data),
        )
        for number, data in enumerate(definition.index_data)
    )


class RowSums:
    """Per index and data page of its table: how many rows, and the sum of their mixed numbers."""

    def __init__(self, trees: tuple[Tree, ...], share: NDArray[np.int32], data_share: dict[int, int]) -> None:
        """`share` is that of every page, `data_share` the share of the data pages of each owner."""
        self.place = np.zeros(len(share), np.int32)  # of a page among those of its share
        self.pages: dict[int, Numbers] = {}
        bases: list[int] = []
        total = 0
        for tree in trees:
            if tree.owner not in self.pages:
                wanted = data_share.get(tree.owner, -1)
                pages = np.flatnonzero(share == wanted) if wanted >= 0 else np.zeros(0, np.int64)
                self.pages[tree.owner] = pages
                self.place[pages] = np.arange(len(pages))
            bases.append(total)
            total += len(self.pages[tree.owner])
        self.bases: NDArray[np.int64] = np.array(bases, np.int64)
        self.sums: Keys = np.zeros(total, np.uint64)
        self.counts: NDArray[np.uint32] = np.zeros(total, np.uint32)

    def add(self, trees: Numbers, pages: Numbers, numbers: Keys) -> None:
        """One row each: its tree, its page, which must be a data page of the tree's table, its number."""
        at = self.bases[trees] + self.place[pages]
        np.add.at(self.sums, at, numbers)
        np.add.at(self.counts, at, np.uint32(1))  # a plain 1 takes fifty times as long

    def of(self, tree: int, owner: int) -> tuple[Keys, Numbers]:
        """Sums and counts by the pages of the table."""
        part = slice(int(self.bases[tree]), int(self.bases[tree]) + len(self.pages[owner]))
        return self.sums[part], self.counts[part]
