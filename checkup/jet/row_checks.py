"""Every row in bulk: whether its own directory can be, where its pointers and long values lead, and what the
indexes should say of it.

A row tells how many columns it has, has their fixed bytes, then the variable ones, then where each of these
starts, how many there are, and the mask of those that are not null (see `values`). All rows of a chunk of the
file are looked at together; what they refer to elsewhere is collected and followed when the file is through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.definition import TYPE_BOOLEAN, Definition
from checkup.jet.formats import (
    JET3,
    KIND_DATA,
    SLOT_DELETED,
    SLOT_FLAGS,
    SLOT_OFFSET_MASK,
    SLOT_POINTER,
    SLOT_TARGET,
    Format,
)
from checkup.jet.index_keys import KeyForm, RowSums, Tree, keys_of_values, mixed
from checkup.jet.long_values import HEAD_BYTES
from checkup.jet.page_checks import LONG_VALUES as LONG_VALUE_PAGES
from checkup.jet.page_checks import NOT_READ, SLOT_BOUNDS, SLOT_ORDER, PageTable
from checkup.jet.partition import DATA, LONG_VALUES, Partition
from checkup.jet.problems import Findings, Problem, ProblemCode
from checkup.jet.value_checks import INLINE, LENGTH_MASK, Fields, ValueChecks, ValueRows

Numbers = NDArray[Any]

_PADDING: Final = 16  # bytes that may be looked at behind the last page
_MOST_COLUMNS: Final = 256
_POINTER_BYTES: Final = 4


@dataclass(frozen=True)
class _Key:
    """How the rows of a table say what an index should have of them."""

    tree: int
    form: KeyForm
    columns: tuple[int, ...]  # numbers of all its columns, where it leaves out rows that are null in all


@dataclass(frozen=True)
class _LongColumn:
    number: int
    variable_index: int
    share: int


@dataclass(frozen=True)
class _Table:
    keys: tuple[_Key, ...]
    long_columns: tuple[_LongColumn, ...]


@dataclass(frozen=True)
class _Rows:
    """Rows of a chunk: where their bytes are in it, whose they are, and their place in the file."""

    start: Numbers
    end: Numbers
    table: Numbers
    pointer: Numbers  # page and row
    is_target: NDArray[np.bool_]

    def only(self, which: Numbers) -> _Rows:
        return _Rows(
            self.start[which], self.end[which], self.table[which], self.pointer[which], self.is_target[which]
        )


@dataclass(frozen=True)
class _Shape:
    """Of rows: number of columns, where the null mask starts, whether there are variable columns, where it is
    told how many, how many, and where the first entry of their directory is. In Jet 3, how many jumps."""

    columns: Numbers
    mask_at: Numbers
    has_variable: NDArray[np.bool_]
    count_at: Numbers
    variable: Numbers
    first_at: Numbers
    jumps: Numbers | None


class RowChecks:
    """`chunk` is given every chunk of the file once, in any order; then `finish`."""

    def __init__(
        self,
        layout: Format,
        partition: Partition,
        definitions: Mapping[int, Definition],
        trees: Sequence[Tree],
        sums: RowSums,
        findings: Findings,
    ) -> None:
        self.values = ValueChecks(partition, findings)
        self.unread: NDArray[np.bool_] = np.zeros(len(partition), np.bool_)
        """Pages with rows that could not be read: the indexes are not compared with them."""
        self._layout = layout
        self._partition = partition
        self._sums = sums
        self._findings = findings
        tables = list(definitions.values())
        shares = {(share.role, share.owner, share.part): at for at, share in enumerate(partition.shares)}
        self._tables = [_table(definition, trees, shares) for definition in tables]
        self._table_of_owner: dict[int, int] = {table.page: at for at, table in enumerate(tables)}
        self._owners = [table.page for table in tables]
        self._most_columns: Numbers = np.array([table.most_columns for table in tables], np.int64)
        self._variable: Numbers = np.array([table.variable_columns for table in tables], np.int64)
        self._first_variable: Numbers = np.array([_first_variable(table) for table in tables], np.int64)
        self._fixed_ends: Numbers = np.array([_fixed_ends(table, layout) for table in tables], np.int64)
        self._table_of_page: NDArray[np.int32] = self._tables_of_pages()
        self._pointers: list[tuple[Numbers, Numbers, Numbers]] = []  # home, target, table
        self._targets: list[tuple[Numbers, Numbers]] = []  # body, table
        self._moved: list[tuple[int, Numbers, Numbers]] = []  # tree, body, key

    def _tables_of_pages(self) -> NDArray[np.int32]:
        of_share: Numbers = np.array(
            [
                self._table_of_owner.get(share.owner, -1) if share.role == DATA else -1
                for share in self._partition.shares
            ]
            + [-1],
            np.int32,
        )
        return of_share[self._partition.share]

    def chunk(self, raw: bytes, first: int, table: PageTable) -> None:
        """The pages from `first` on, with what `page_checks` says of them."""
        numbers = np.arange(first, first + len(table))
        role = self._partition.role[numbers]
        sound = (table.faults & (SLOT_ORDER | SLOT_BOUNDS | NOT_READ)) == 0
        sound &= table.kind == KIND_DATA
        of_table = self._table_of_page[numbers]
        data = np.flatnonzero(
            sound & (of_table >= 0) & (table.owner == self._partition.owner[numbers].astype(np.uint32))
        )
        values = np.flatnonzero(sound & (role == LONG_VALUES) & (table.owner == LONG_VALUE_PAGES))
        size = self._layout.page_size
        flat: NDArray[np.uint8] = np.frombuffer(raw[: len(table) * size] + bytes(_PADDING), np.uint8)
        if len(values):
            self._value_rows(flat, numbers, values)
        if len(data):
            self._data_rows(flat, numbers, data, of_table)

    def finish(self) -> None:
        """What could not be decided before every page was seen."""
        self._follow_pointers()
        self.values.resolve()

    def _slots(self, flat: Numbers, pages: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
        """Of all rows of these pages: page, row, start, end (in the chunk), flags."""
        layout = self._layout
        words = flat[:-_PADDING].view("<u2")
        at = pages * (layout.page_size // 2)
        counts = words[at + layout.row_count // 2].astype(np.int64)
        page: Numbers = np.repeat(pages, counts)
        row = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
        slots = words[np.repeat(at + layout.slots // 2, counts) + row]
        start = (slots & SLOT_OFFSET_MASK).astype(np.int64)
        end = np.where(row == 0, layout.page_size, np.roll(start, 1))
        base = page * layout.page_size
        return page, row, base + start, base + end, slots & SLOT_FLAGS

    def _value_rows(self, flat: Numbers, numbers: Numbers, pages: Numbers) -> None:
        page, _, start, end, flags = self._slots(flat, pages)
        lengths = np.where(flags == SLOT_DELETED, 0, end - start)
        following = np.where(lengths >= _POINTER_BYTES, _u32(flat, np.minimum(start, len(flat) - 4)), 0)
        counts = np.bincount(page, minlength=int(pages[-1]) + 1)[pages]
        rows = ValueRows(numbers[pages], counts, lengths.astype(np.uint16), following.astype(np.uint32))
        self.values.add_rows(rows)

    def _data_rows(self, flat: Numbers, numbers: Numbers, pages: Numbers, of_table: Numbers) -> None:
        page, row, start, end, flags = self._slots(flat, pages)
        rows = _Rows(start, end, of_table[page], numbers[page] << 8 | row & 0xFF, (flags & SLOT_TARGET) != 0)
        pointers = np.flatnonzero(flags == SLOT_POINTER)
        if len(pointers):
            self._pointer_rows(flat, rows.only(pointers))
        bodies = np.flatnonzero((flags == 0) | (flags == SLOT_TARGET))
        rows = rows.only(bodies)
        shape, good = self._shapes(flat, rows)
        if not good.all():
            for place in np.flatnonzero(~good).tolist():
                self._row_problem("row-shape", int(rows.pointer[place]), int(rows.table[place]))
            good = np.flatnonzero(good)
            rows, shape = rows.only(good), _only(shape, good)
        targets = rows.is_target
        if targets.any():
            self._targets.append((rows.pointer[targets], rows.table[targets]))
        present: list[int] = np.unique(rows.table).tolist()
        for number in present:
            self._of_table(flat, rows, shape, number, alone=len(present) == 1)

    def _of_table(self, flat: Numbers, rows: _Rows, shape: _Shape, number: int, *, alone: bool) -> None:
        table = self._tables[number]
        if not table.keys and not table.long_columns:
            return
        if not alone:
            which = np.flatnonzero(rows.table == number)
            rows, shape = rows.only(which), _only(shape, which)
        for key in table.keys:
            self._index_rows(flat, rows, shape, key)
        for column in table.long_columns:
            self._long_values(flat, rows, shape, column)

    def _pointer_rows(self, flat: Numbers, rows: _Rows) -> None:
        there = rows.end - rows.start >= _POINTER_BYTES
        for place in np.flatnonzero(~there).tolist():
            self._row_problem("row-shape", int(rows.pointer[place]), int(rows.table[place]))
        rows = rows.only(there)
        self._pointers.append((rows.pointer, _u32(flat, rows.start), rows.table))

    def _shapes(self, flat: Numbers, rows: _Rows) -> tuple[_Shape, NDArray[np.bool_]]:
        """The directory of each row, and whether it can be."""
        size, start, end, table = self._layout.count_size, rows.start, rows.end, rows.table
        columns = _count(flat, start, size)
        mask_at = end - ((columns + 7) >> 3)
        good = (columns > 0) & (columns <= self._most_columns[table]) & (mask_at >= start + size)
        # A table that got its first variable column later has rows without that part.
        has_variable = good & (self._variable[table] > 0) & (columns > self._first_variable[table])
        count_at = np.where(has_variable, mask_at - size, start)
        variable = np.where(has_variable, _count(flat, count_at, size), 0)
        jumps: Numbers | None = None
        first_at = count_at - size
        if self._layout is JET3:
            jumps = np.where(has_variable, (end - start - 1) // 256, 0)
            first_at = count_at - jumps - 1
            unused = (first_at - start - variable) // 256 < jumps
            jumps = np.where(unused & (jumps > 0), jumps - 1, jumps)
        directory_at = np.where(has_variable, first_at - size * variable, mask_at)
        good &= (variable <= self._variable[table]) & (directory_at >= start + size)
        has_variable &= good
        shape = _Shape(columns, mask_at, has_variable, count_at, np.where(good, variable, 0), first_at, jumps)
        fixed_end = self._fixed_ends[table, np.minimum(columns, _MOST_COLUMNS)]
        first = np.where(has_variable, _offsets(flat, shape, np.zeros_like(variable), size), fixed_end)
        last = np.where(has_variable, _offsets(flat, shape, shape.variable, size), first)
        good &= (first >= fixed_end) & (last <= directory_at - start)
        good &= has_variable | (fixed_end <= mask_at - start)
        good &= self._ascending(flat, shape, good & has_variable)
        return shape, good

    def _ascending(self, flat: Numbers, shape: _Shape, which: Numbers) -> NDArray[np.bool_]:
        """Whether each variable column starts where or behind where the one before it starts."""
        rows = np.flatnonzero(which)
        answer: NDArray[np.bool_] = np.ones(len(which), np.bool_)
        if not len(rows):
            return answer
        counts = shape.variable[rows] + 1
        firsts = np.cumsum(counts) - counts
        number = np.arange(int(counts.sum()))
        if shape.jumps is None:
            # As below, without what only jumps need.
            size = self._layout.count_size
            at = np.repeat(shape.first_at[rows] + size * firsts, counts) - size * number
            offsets = _count(flat, at, size)
        else:
            place = number - np.repeat(firsts, counts)
            offsets = _offsets(flat, _only(shape, np.repeat(rows, counts)), place, self._layout.count_size)
        falls = offsets[1:] < offsets[:-1]
        falls[firsts[1:] - 1] = False  # from one row to the next
        if falls.any():
            answer[np.repeat(rows, counts)[1:][falls]] = False
        return answer

    def _index_rows(self, flat: Numbers, rows: _Rows, shape: _Shape, key: _Key) -> None:
        form = key.form
        if form.size:
            not_null = _is_set(flat, shape, form.column)
            if form.variable_index < 0:
                at = rows.start + self._layout.count_size + form.offset
            else:
                not_null &= shape.variable > form.variable_index
                place = np.minimum(form.variable_index, shape.variable)
                at = rows.start + _offsets(flat, shape, place, self._layout.count_size)
            values = _fixed_number(flat, np.minimum(at, len(flat) - 8), form.size)
            keys = keys_of_values(values, ~not_null, form)
        else:
            keys = np.zeros(len(rows.start), np.uint64)
        counted = ~rows.is_target
        if key.columns:
            some: Numbers = np.zeros(len(rows.start), np.bool_)
            for column in key.columns:
                some |= _is_set(flat, shape, column)
        else:
            some = np.ones(len(rows.start), np.bool_)
        moved = rows.is_target & some
        if moved.any():
            self._moved.append((key.tree, rows.pointer[moved], keys[moved]))
        counted &= some
        pointers = rows.pointer[counted]
        trees = np.full(len(pointers), key.tree)
        self._sums.add(trees, pointers >> 8, mixed(pointers, keys[counted]))

    def _long_values(self, flat: Numbers, rows: _Rows, shape: _Shape, column: _LongColumn) -> None:
        has = _is_set(flat, shape, column.number) & (shape.variable > column.variable_index)
        which = np.flatnonzero(has)
        if not len(which):
            return
        rows, shape = rows.only(which), _only(shape, which)
        size = self._layout.count_size
        place = np.full(len(which), column.variable_index)
        start = _offsets(flat, shape, place, size)
        length = _offsets(flat, shape, place + 1, size) - start
        at = rows.start + start
        cut = length < HEAD_BYTES
        head = np.where(cut, INLINE, _u32(flat, np.minimum(at, len(flat) - HEAD_BYTES)))
        inline = (head & INLINE) != 0
        cut |= inline & ~cut & (length - HEAD_BYTES != head & LENGTH_MASK)
        for row in np.flatnonzero(cut).tolist():
            self._row_problem("value-cut", int(rows.pointer[row]), int(rows.table[row]), column.number)
        elsewhere = ~inline & ~cut
        self.values.add_fields(
            Fields(
                home=rows.pointer[elsewhere].astype(np.uint32),
                pointer=_u32(flat, at[elsewhere] + 4),
                head=head[elsewhere].astype(np.uint32),
                share=np.full(int(elsewhere.sum()), column.share, np.int32),
            )
        )

    def _follow_pointers(self) -> None:
        """Each pointer leads to a body of its own on a page of the same table (observed)."""
        nothing: Numbers = np.zeros(0, np.int64)
        homes = np.concatenate([nothing, *(part[0] for part in self._pointers)])
        aims = np.concatenate([nothing, *(part[1].astype(np.int64) for part in self._pointers)])
        tables = np.concatenate([nothing, *(part[2] for part in self._pointers)])
        bodies = np.concatenate([nothing, *(part[0] for part in self._targets)])
        of_bodies = np.concatenate([nothing, *(part[1] for part in self._targets)])
        order = np.argsort(bodies, kind="stable")
        bodies, of_bodies = bodies[order], of_bodies[order]
        place = np.searchsorted(bodies, aims)
        inside = place < len(bodies)
        place = np.where(inside, place, 0)
        good = inside.copy()
        if len(bodies):
            good &= (bodies[place] == aims) & (of_bodies[place] == tables)
        for at in np.flatnonzero(~good).tolist():
            self._row_problem("row-pointer", int(homes[at]), int(tables[at]), *_place(int(aims[at])))
        homes, aims, tables = homes[good], aims[good], tables[good]
        order = np.argsort(aims, kind="stable")
        homes, aims, tables = homes[order], aims[order], tables[order]
        for at in (np.flatnonzero(np.diff(aims) == 0) + 1).tolist():
            self._row_problem("row-pointer-shared", int(homes[at]), int(tables[at]), *_place(int(aims[at])))
        lost = np.flatnonzero(~np.isin(bodies, aims))
        for at in lost.tolist():
            self._row_problem("row-target-lost", int(bodies[at]), int(of_bodies[at]))
        for tree, moved, keys in self._moved:
            at = np.searchsorted(aims, moved)
            found = at < len(aims)
            at = np.where(found, at, 0)
            if len(aims):
                found &= aims[at] == moved
            home = homes[at[found]]
            self._sums.add(np.full(len(home), tree), home >> 8, mixed(home, keys[found]))

    def _row_problem(self, code: ProblemCode, pointer: int, table: int, *numbers: int) -> None:
        if code == "row-shape":
            self.unread[pointer >> 8] = True
        if self._findings.full(code):
            self._findings.count_more(code, 1)
            return
        self._findings.add(
            Problem(
                code=code,
                page=pointer >> 8,
                kind="data",
                depth="rows",
                owner=self._owners[table],
                numbers=(pointer & 0xFF, *numbers),
            )
        )


def compare_sums(
    trees: Sequence[Tree],
    whole: Sequence[bool],
    from_rows: RowSums,
    from_entries: RowSums,
    left_out: NDArray[np.bool_],
    findings: Findings,
) -> None:
    """Where an index that could be read whole does not say what the rows say, page by page of its table.
    `left_out`: pages whose rows could not be read."""
    for number, tree in enumerate(trees):
        if not whole[number]:
            continue
        row_sums, rows = from_rows.of(number, tree.owner)
        entry_sums, entries = from_entries.of(number, tree.owner)
        pages = from_rows.pages[tree.owner]
        differ = np.flatnonzero(((row_sums != entry_sums) | (rows != entries)) & ~left_out[pages])
        for place in differ.tolist():
            same_count = rows[place] == entries[place]
            numbers = (tree.part, int(rows[place]))
            findings.add(
                Problem(
                    code="index-keys" if same_count else "index-rows",
                    page=int(pages[place]),
                    kind="data",
                    depth="rows",
                    owner=tree.owner,
                    part=None,
                    numbers=numbers if same_count else (*numbers, int(entries[place])),
                )
            )


def _table(
    definition: Definition, trees: Sequence[Tree], shares: Mapping[tuple[int, int, int | None], int]
) -> _Table:
    keys: list[_Key] = []
    for number, tree in enumerate(trees):
        if tree.owner == definition.page:
            columns = definition.index_data[tree.part].columns if tree.ignores_nulls else ()
            keys.append(_Key(number, tree.key, tuple(one.number for one in columns)))
    long_columns = tuple(
        _LongColumn(column.number, column.variable_index, shares[LONG_VALUES, definition.page, column.number])
        for column in definition.columns
        if column.is_long_value and (LONG_VALUES, definition.page, column.number) in shares
    )
    return _Table(tuple(keys), long_columns)


def _first_variable(definition: Definition) -> int:
    numbers = [column.number for column in definition.columns if not column.is_fixed]
    return min(numbers, default=_MOST_COLUMNS)


def _fixed_ends(definition: Definition, layout: Format) -> list[int]:
    """By number of columns of a row: how many bytes its fixed columns and its count take."""
    ends = [layout.count_size] * (_MOST_COLUMNS + 1)
    for column in definition.columns:
        if column.is_fixed and column.type != TYPE_BOOLEAN and column.number < _MOST_COLUMNS:
            end = layout.count_size + column.fixed_offset + column.length
            for columns in range(column.number + 1, _MOST_COLUMNS + 1):
                ends[columns] = max(ends[columns], end)
    return ends


def _only(shape: _Shape, which: Numbers) -> _Shape:
    return _Shape(
        shape.columns[which],
        shape.mask_at[which],
        shape.has_variable[which],
        shape.count_at[which],
        shape.variable[which],
        shape.first_at[which],
        None if shape.jumps is None else shape.jumps[which],
    )


def _offsets(flat: Numbers, shape: _Shape, place: Numbers, size: int) -> Numbers:
    """Where variable columns start, from the start of their rows; `place` runs to the end of the last one."""
    offsets = _count(flat, np.maximum(shape.first_at - size * place, 0), size)
    if shape.jumps is None:
        return offsets
    for jump in range(int(shape.jumps.max(initial=0))):
        at = np.maximum(shape.count_at - 1 - jump, 0)
        offsets = offsets + np.where((jump < shape.jumps) & (flat[at] <= place), 256, 0)
    return offsets


def _is_set(flat: Numbers, shape: _Shape, column: int) -> NDArray[np.bool_]:
    """Whether a column is not null."""
    at = np.minimum(shape.mask_at + (column >> 3), len(flat) - 1)
    return (shape.columns > column) & ((flat[at] >> (column & 7)) & 1 == 1)


def _place(pointer: int) -> tuple[int, int]:
    return pointer >> 8, pointer & 0xFF


def _count(flat: Numbers, at: Numbers, size: int) -> Numbers:
    """A number of one or two bytes at any address."""
    return (flat[at] if size == 1 else _view(flat, "<u2")[at]).astype(np.int64)


def _u32(flat: Numbers, at: Numbers) -> Numbers:
    return _view(flat, "<u4")[at]


def _fixed_number(flat: Numbers, at: Numbers, size: int) -> NDArray[np.uint64]:
    return _view(flat, f"<u{size}")[at].astype(np.uint64)


def _view(flat: Numbers, kind: str) -> Numbers:
    """Numbers at every address, whether it is a multiple of their size or not."""
    return np.ndarray((len(flat) - np.dtype(kind).itemsize + 1,), kind, flat.data, 0, (1,))
