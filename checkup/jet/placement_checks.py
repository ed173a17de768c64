"""Pages against the maps: is each page of the kind and the owner that the maps say, and sound in itself?

Released and orphaned pages may hold anything (they keep what they held) and are never judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.definition import Definition
from checkup.jet.formats import (
    KIND_DATA,
    KIND_DEFINITION,
    KIND_HEADER,
    KIND_INDEX_LEAF,
    KIND_INDEX_NODE,
    KIND_MAP,
)
from checkup.jet.index_keys import trees_of
from checkup.jet.page_checks import LONG_VALUES as LONG_VALUE_PAGES
from checkup.jet.page_checks import NOT_READ, PageTable, add_faults
from checkup.jet.pages import Pages
from checkup.jet.partition import (
    DATA,
    DEFINITION,
    INDEX,
    KINDS,
    LONG_VALUES,
    MAP,
    MAP_ROWS,
    ORPHAN,
    Partition,
)
from checkup.jet.problems import MOST_OF_A_CODE, Depth, Findings, Problem, ProblemCode

Numbers = NDArray[Any]

_KIND_OF_ROLE: Final = {
    MAP_ROWS: KIND_DATA,
    DEFINITION: KIND_DEFINITION,
    MAP: KIND_MAP,
    DATA: KIND_DATA,
    LONG_VALUES: KIND_DATA,
}
_WANTED_KINDS: Final[NDArray[np.uint8]] = np.array(
    [_KIND_OF_ROLE.get(role, KIND_HEADER) for role in range(len(KINDS))], np.uint8
)
_MOST_PAIRS: Final = MOST_OF_A_CODE
"""Pages that look alike and are compared byte by byte."""


@dataclass(frozen=True, kw_only=True)
class TableTotals:
    """What the pages of a table hold, by its own page. Rows that lie elsewhere count once."""

    owner: int
    data_pages: int
    live_rows: int
    moved_rows: int
    deleted_rows: int
    deleted_bytes: int
    free_bytes: int
    index_pages: int
    long_value_pages: int
    long_value_free_bytes: int


def check_placement(
    numbers: Numbers, table: PageTable, partition: Partition, findings: Findings, depth: Depth
) -> NDArray[np.bool_]:
    """Judges the pages of these numbers, whose rows of `table` are in the same order; answers which are
    sound, and which nobody judges."""
    role, owner = partition.role[numbers], partition.owner[numbers]
    is_role: NDArray[np.bool_] = role == INDEX
    wanted_kind: Numbers = _WANTED_KINDS[role]
    judged = is_role | (wanted_kind != KIND_HEADER)
    is_index = (table.kind == KIND_INDEX_NODE) | (table.kind == KIND_INDEX_LEAF)
    wanted_owner = np.where(role == LONG_VALUES, LONG_VALUE_PAGES, owner)
    has_owner = (role == DATA) | is_role | (role == LONG_VALUES)
    of_owner = ~has_owner | (table.owner == wanted_owner)
    # Some writers take the kind and the mark from an index page that they emptied, and leave its owner.
    emptied = is_role & (table.kind == KIND_HEADER) & of_owner & (owner > 0)
    judged &= ~emptied
    of_kind = (is_role & is_index) | (~is_role & (table.kind == wanted_kind))
    wrong: NDArray[np.bool_] = judged & ((table.faults != 0) | ~of_kind | ~of_owner)
    for place in np.flatnonzero(wrong).tolist():
        page, faults = int(numbers[place]), int(table.faults[place])
        if faults & NOT_READ:
            faults = NOT_READ
        elif not of_kind[place]:
            _mistaken(partition, findings, "page-kind", page, depth, int(table.kind[place]))
            continue
        elif not of_owner[place]:
            _mistaken(partition, findings, "page-owner", page, depth, int(table.owner[place]))
            continue
        owner, part = partition.owner_of(page), _part(partition, page)
        add_faults(findings, faults, page, partition.kind_of(page), depth, owner, part)
    return ~wrong


def _mistaken(
    partition: Partition, findings: Findings, code: ProblemCode, page: int, depth: Depth, found: int
) -> None:
    findings.add(
        Problem(
            code=code,
            page=page,
            kind=partition.kind_of(page),
            depth=depth,
            owner=partition.owner_of(page),
            part=_part(partition, page),
            numbers=(found,),
        )
    )


def check_mistaken_definitions(
    numbers: Numbers,
    table: PageTable,
    partition: Partition,
    definitions: Mapping[int, Definition],
    findings: Findings,
) -> None:
    """Tables of which every page says that it is one other table's: then the definition is the one that lies
    in a wrong place. `table` is that of the whole file."""
    role = partition.role[numbers]
    kind = table.kind[numbers]
    of_table = ((role == DATA) & (kind == KIND_DATA)) | (
        (role == INDEX) & ((kind == KIND_INDEX_LEAF) | (kind == KIND_INDEX_NODE))
    )
    owned = numbers[of_table]
    owner, said = partition.owner[owned].astype(np.int64), table.owner[owned].astype(np.int64)
    loyal = np.unique(owner[owner == said])
    for page in np.setdiff1d(owner, loyal).tolist():
        others: list[int] = np.unique(said[owner == page]).tolist()
        if len(others) == 1 and others[0] in definitions:
            findings.add(
                Problem(
                    code="definition-mistaken",
                    page=page,
                    kind="definition",
                    depth="pages",
                    owner=page,
                    numbers=(others[0],),
                )
            )


def check_copies(
    pages: Pages,
    table: PageTable,
    partition: Partition,
    definitions: Mapping[int, Definition],
    findings: Findings,
) -> None:
    """Pages with the same bytes, where no two can have them: with rows of a table whose keys are unique, or
    with entries of one index. A few are read again to be sure. Raises SourceError."""
    unique = [page for page, one in definitions.items() if any(tree.no_duplicates for tree in trees_of(one))]
    data = (partition.role == DATA) & np.isin(partition.owner, unique) & (table.live_rows > 0)
    index = (partition.role == INDEX) & (table.entries > 0)
    numbers = np.flatnonzero((data | index) & (table.kind != KIND_HEADER))
    numbers = numbers[_repeated(table.digest[numbers])]
    order = np.lexsort((numbers, table.digest[numbers], partition.share[numbers]))
    numbers = numbers[order]
    alike = (table.digest[numbers[1:]] == table.digest[numbers[:-1]]) & (
        partition.share[numbers[1:]] == partition.share[numbers[:-1]]
    )
    places = np.flatnonzero(alike)[:_MOST_PAIRS]
    pairs: list[tuple[int, int]] = np.stack((numbers[places], numbers[places + 1]), axis=1).tolist()
    found = pages.get(number for pair in pairs for number in pair)
    for first, second in pairs:
        if first in found and found[first] == found.get(second):
            _mistaken(partition, findings, "page-twice", second, "pages", first)


def _repeated(digests: NDArray[np.uint64]) -> Numbers:
    """Where those are that occur more than once: seldom any, and sorting numbers alone is quick."""
    ordered = np.sort(digests)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.flatnonzero(np.isin(digests, twice)) if len(twice) else np.zeros(0, np.int64)


def check_unlisted(table: PageTable, partition: Partition, findings: Findings) -> None:
    """Definitions on pages that are nobody's: of a table that was dropped, or that the catalogue lost."""
    if not partition.complete:
        return
    for page in np.flatnonzero((partition.role == ORPHAN) & (table.kind == KIND_DEFINITION)).tolist():
        findings.add(Problem(code="definition-unlisted", page=page, kind="none", depth="pages"))


def table_totals(
    table: PageTable, partition: Partition, definitions: Mapping[int, Definition]
) -> tuple[TableTotals, ...]:
    """By table, in the order of the definitions."""
    size = int(partition.owner.max(initial=0)) + 1
    pages = {role: np.flatnonzero(partition.role == role) for role in (DATA, INDEX, LONG_VALUES)}
    owners = {role: partition.owner[numbers] for role, numbers in pages.items()}

    def summed(role: int, column: Numbers | None = None) -> Numbers:
        weights = None if column is None else column[pages[role]]
        return np.bincount(owners[role], weights, size).astype(np.int64)

    data_pages, index_pages, value_pages = summed(DATA), summed(INDEX), summed(LONG_VALUES)
    live, moved = summed(DATA, table.live_rows), summed(DATA, table.pointer_rows)
    deleted, deleted_bytes = summed(DATA, table.deleted_rows), summed(DATA, table.deleted_bytes)
    free, value_free = summed(DATA, table.free_bytes), summed(LONG_VALUES, table.free_bytes)
    return tuple(
        TableTotals(
            owner=owner,
            data_pages=int(data_pages[owner]),
            live_rows=int(live[owner]),
            moved_rows=int(moved[owner]),
            deleted_rows=int(deleted[owner]),
            deleted_bytes=int(deleted_bytes[owner]),
            free_bytes=int(free[owner]),
            index_pages=int(index_pages[owner]),
            long_value_pages=int(value_pages[owner]),
            long_value_free_bytes=int(value_free[owner]),
        )
        for owner in definitions
        if owner < size
    )


def check_row_counts(
    totals: tuple[TableTotals, ...],
    definitions: Mapping[int, Definition],
    partition: Partition,
    sound: NDArray[np.bool_],
    findings: Findings,
) -> None:
    """The count in a definition against the rows there are; not where a page of the table is not sound."""
    unsound = set(partition.owner[~sound].tolist())
    for one in totals:
        declared = definitions[one.owner].row_count
        if one.live_rows != declared and one.owner not in unsound:
            findings.add(
                Problem(
                    code="row-count",
                    page=one.owner,
                    kind="definition",
                    depth="pages",
                    owner=one.owner,
                    numbers=(declared, one.live_rows),
                )
            )


def _part(partition: Partition, page: int) -> int | None:
    share = int(partition.share[page])
    return partition.shares[share].part if share >= 0 else None
