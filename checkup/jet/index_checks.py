"""Every index walked from its root, level by level and all indexes side by side: kind and owner of each page,
order within and across pages, links between neighbours, bounds that parents set, row pointers, counts, keys
that must not repeat. Every page is visited once, so that no loop holds the walk up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.formats import KIND_INDEX_LEAF, KIND_INDEX_NODE
from checkup.jet.index_entries import POINTER_BYTES, Entries, parse_entries
from checkup.jet.index_keys import RowSums, Tree, keys_of_entries, mixed, strange_entries
from checkup.jet.page_checks import add_faults, judge
from checkup.jet.pages import Pages
from checkup.jet.partition import DATA, INDEX, Partition, add_runs
from checkup.jet.problems import Depth, Findings, Problem, ProblemCode

Numbers = NDArray[Any]

BATCH_PAGES: Final = 256
MOST_LEVELS: Final = 32  # a file of 2 GB has no room for a tree of more than six
_UNKNOWN: Final = -1  # in place of the number of a page that cannot be known


@dataclass(frozen=True)
class Walked:
    """What came of the walk, by tree: leaf entries there are, and whether every page of it could be read.

    `pointers` of all entries, page and row in one number, where they were asked for."""

    entries: tuple[int, ...]
    whole: tuple[bool, ...]
    pointers: tuple[Numbers, ...]


def walk(
    pages: Pages,
    partition: Partition,
    trees: Sequence[Tree],
    findings: Findings,
    depth: Depth,
    *,
    sums: RowSums | None = None,
    keep_pointers: bool = False,
) -> Walked:
    """Reads every page of every tree once, in batches. Raises SourceError."""
    return _Walk(pages, partition, trees, findings, depth, sums, keep_pointers).all()


@dataclass(frozen=True)
class _Visit:
    """A page to come. Its entries are greater than `above` and at most `most`, where these are known."""

    tree: int
    page: int
    above: bytes | None
    most: bytes | None


@dataclass
class _Edge:
    """The page before in the same tree and on the same level."""

    page: int = 0
    last: bytes | None = None
    kind: int | None = None


class _Walk:
    def __init__(
        self,
        pages: Pages,
        partition: Partition,
        trees: Sequence[Tree],
        findings: Findings,
        depth: Depth,
        sums: RowSums | None,
        keep_pointers: bool,
    ) -> None:
        self.pages = pages
        self.partition = partition
        self.trees = trees
        self.findings = findings
        self.depth: Depth = depth
        self.sums = sums
        self.entries = [0] * len(trees)
        self.whole = [True] * len(trees)
        self.pointers: list[list[Numbers]] | None = [[] for _ in trees] if keep_pointers else None
        self.visited_by: NDArray[np.int32] = np.full(len(partition), -1, np.int32)
        shares = {(share.role, share.owner, share.part): at for at, share in enumerate(partition.shares)}
        self.index_share = [shares.get((INDEX, tree.owner, tree.part), -1) for tree in trees]
        self.data_share: Numbers = np.array([shares.get((DATA, tree.owner, None), -1) for tree in trees])
        self.is_unique: Numbers = np.array([tree.no_duplicates for tree in trees], np.bool_)
        self.key_size: Numbers = np.array([tree.key.size for tree in trees], np.int64)
        self.key_ascending: Numbers = np.array([tree.key.ascending for tree in trees], np.bool_)
        self.key_alone: Numbers = np.array([tree.key.alone for tree in trees], np.bool_)
        self.key_floating: Numbers = np.array([tree.key.floating for tree in trees], np.bool_)

    def all(self) -> Walked:
        level = [_Visit(number, tree.root, None, None) for number, tree in enumerate(self.trees)]
        for _ in range(MOST_LEVELS):
            edges = [_Edge() for _ in self.trees]
            below: list[_Visit] = []
            for first in range(0, len(level), BATCH_PAGES):
                batch = range(first, min(first + BATCH_PAGES, len(level)))
                below += self._batch(level, batch, edges)
            level = below
            if all(visit.page == _UNKNOWN for visit in level):
                break
        for visit in level:
            if visit.page != _UNKNOWN:
                self._problem("index-level", visit)
                self.whole[visit.tree] = False
        self._unreached()
        self._counts()
        kept = self.pointers or [[] for _ in self.trees]
        nothing: Numbers = np.zeros(0, np.uint32)
        return Walked(
            tuple(self.entries), tuple(self.whole), tuple(np.concatenate([nothing, *some]) for some in kept)
        )

    def _batch(self, level: list[_Visit], batch: range, edges: list[_Edge]) -> list[_Visit]:
        wanted = [at for at in batch if self._admitted(level[at])]
        found = self.pages.get(level[at].page for at in wanted)
        there = [at for at in wanted if self._usable(level[at], found.get(level[at].page))]
        data = [found[level[at].page] for at in there]
        entries = parse_entries(data, self.pages.layout)
        numbers = [level[at].page for at in there]
        self._page_faults(numbers, data, [level[at] for at in there])
        self._order(entries, [level[at] for at in there])
        below: list[_Visit] = []
        # Most pages are leaves, and most batches hold nothing else.
        has_nodes = any(page[0] == KIND_INDEX_NODE for page in data)
        children: list[int] = entries.children().tolist() if has_nodes else []
        place_of = {at: place for place, at in enumerate(there)}
        for at in batch:
            visit, place = level[at], place_of.get(at)
            edge = edges[visit.tree]
            if place is None or entries.broken[place]:
                if place is not None:
                    self._problem("index-entry", visit)
                self.whole[visit.tree] = False
                edges[visit.tree] = _Edge(_UNKNOWN, None, edge.kind)
                below.append(_Visit(visit.tree, _UNKNOWN, None, None))
                continue
            page = data[place]
            if edge.kind is not None and edge.kind != page[0]:
                self._problem("index-level", visit)
            self._links(level, at, page, edge)
            edges[visit.tree] = _Edge(visit.page, self._bounds(entries, place, visit, edge, page), page[0])
            if page[0] == KIND_INDEX_NODE:
                below += self._below(entries, place, visit, page, children)
        self._leaves(entries, data, [level[at] for at in there])
        return below

    def _admitted(self, visit: _Visit) -> bool:
        if visit.page == _UNKNOWN:
            return False
        if visit.page >= len(self.partition):
            self._problem("page-missing", visit)
            return False
        before = int(self.visited_by[visit.page])
        if before == visit.tree:
            self._problem("index-loop", visit)
        elif before >= 0:
            first = self.trees[before]
            self._problem("index-shared", visit, first.owner, first.part)
        self.visited_by[visit.page] = visit.tree
        return before < 0

    def _usable(self, visit: _Visit, page: bytes | None) -> bool:
        tree = self.trees[visit.tree]
        if page is None:
            self._problem("page-missing", visit)
            return False
        if page[0] not in (KIND_INDEX_NODE, KIND_INDEX_LEAF):
            self._problem("page-kind", visit, page[0])
            return False
        owner = int.from_bytes(page[4:8], "little")
        if owner != tree.owner:
            self._problem("page-owner", visit, owner)
            return False
        if self.partition.share[visit.page] != self.index_share[visit.tree]:
            self._problem("index-unowned", visit)
        return True

    def _page_faults(self, numbers: list[int], data: list[bytes], visits: list[_Visit]) -> None:
        judged = judge(numbers, data, self.pages.layout)
        for place in np.flatnonzero(judged.faults).tolist():
            tree = self.trees[visits[place].tree]
            add_faults(
                self.findings,
                int(judged.faults[place]),
                numbers[place],
                "index",
                self.depth,
                tree.owner,
                tree.part,
            )

    def _order(self, entries: Entries, visits: list[_Visit]) -> None:
        """The form and the order of entries within each page; one problem a page."""
        tree = np.array([visit.tree for visit in visits], np.int64)
        told: set[int] = set()
        of_entry = tree[entries.page]
        size, ascending = self.key_size[of_entry], self.key_ascending[of_entry]
        for entry in strange_entries(entries, size, ascending, self.key_alone[of_entry]).tolist():
            page = int(entries.page[entry])
            if page not in told:
                told.add(page)
                self._problem("index-entry", visits[page], entry - int(entries.first[page]))
        same_page = np.flatnonzero(entries.page[1:] == entries.page[:-1])
        for entry in entries.not_less(same_page).tolist():
            page = int(entries.page[entry])
            if page not in told:
                told.add(page)
                self._problem("index-order", visits[page], entry + 1 - int(entries.first[page]))
        unique = self.is_unique[tree[entries.page[same_page]]] & (entries.tail[same_page] == 0)
        for entry in entries.alike(same_page[unique]).tolist():
            page = int(entries.page[entry])
            self._problem("index-duplicate", visits[page], entry + 1 - int(entries.first[page]))

    def _links(self, level: list[_Visit], at: int, page: bytes, edge: _Edge) -> None:
        layout, visit = self.pages.layout, level[at]
        follower = level[at + 1] if at + 1 < len(level) else None
        following = follower.page if follower is not None and follower.tree == visit.tree else 0
        said = tuple(
            int.from_bytes(page[offset : offset + 4], "little")
            for offset in (layout.index_previous, layout.index_next)
        )
        there = (edge.page, following)
        if any(number not in (one, _UNKNOWN) for one, number in zip(said, there, strict=True)):
            self._problem("index-link", visit, *said, *there)

    def _bounds(self, entries: Entries, place: int, visit: _Visit, edge: _Edge, page: bytes) -> bytes | None:
        """The last entry of the page; compares the outermost ones with the neighbour and the node above."""
        count = int(entries.count[place])
        if not count:
            return edge.last
        first = entries.whole(int(entries.first[place]))
        last = entries.whole(int(entries.first[place]) + count - 1)
        if edge.last is not None and edge.last >= first:
            self._problem("index-order", visit, 0)
        elif edge.last is not None and self._repeats(edge.last, first, visit, page):
            self._problem("index-duplicate", visit, 0)
        below = visit.above is not None and first <= visit.above
        if below or (visit.most is not None and last > visit.most):
            self._problem("index-bounds", visit)
        return last

    def _repeats(self, last: bytes, first: bytes, visit: _Visit, page: bytes) -> bool:
        unique = bool(self.is_unique[visit.tree]) and page[0] == KIND_INDEX_LEAF
        return unique and _key(last) == _key(first)

    def _below(
        self, entries: Entries, place: int, visit: _Visit, page: bytes, children: list[int]
    ) -> list[_Visit]:
        first = int(entries.first[place])
        visits: list[_Visit] = []
        above = visit.above
        for entry in range(first, first + int(entries.count[place])):
            most = entries.whole(entry)
            visits.append(_Visit(visit.tree, children[entry], above, most))
            above = most
        offset = self.pages.layout.index_tail
        tail = int.from_bytes(page[offset : offset + 4], "little")
        if tail:
            visits.append(_Visit(visit.tree, tail, above, visit.most))
        return visits

    def _leaves(self, entries: Entries, data: list[bytes], visits: list[_Visit]) -> None:
        """Row pointers: to data pages of the same table, by its map."""
        is_leaf: Numbers = np.array([page[0] == KIND_INDEX_LEAF for page in data], np.bool_)
        if not is_leaf.any():
            return
        tree_of_page: Numbers = np.array([visit.tree for visit in visits], np.int64)
        for place in np.flatnonzero(is_leaf & ~entries.broken).tolist():
            self.entries[visits[place].tree] += int(entries.count[place])
        in_leaf = is_leaf[entries.page]
        tree = tree_of_page[entries.page]
        pointers = entries.pointers()
        page = (pointers >> 8).astype(np.int64)
        inside = page < len(self.partition)
        share = self.data_share[tree]
        # Where the table's own map is unreadable nothing is known of its pages.
        known = in_leaf & (share >= 0)
        owned = known & inside & (self.partition.share[np.where(inside, page, 0)] == share)
        wrong: list[int] = np.flatnonzero(known & ~owned).tolist()
        for entry in wrong:
            place = int(entries.page[entry])
            numbers = (entry - int(entries.first[place]), int(page[entry]), int(pointers[entry]) & 0xFF)
            self._problem("index-pointer", visits[place], *numbers)
        if self.pointers is not None:
            for place in np.flatnonzero(is_leaf).tolist():
                first = int(entries.first[place])
                self.pointers[visits[place].tree].append(pointers[first : first + int(entries.count[place])])
        if self.sums is not None:
            keys = keys_of_entries(
                entries, self.key_size[tree], self.key_ascending[tree], self.key_floating[tree]
            )
            self.sums.add(tree[owned], page[owned], mixed(pointers, keys)[owned])

    def _unreached(self) -> None:
        """Some writers leave pages that they emptied on the map of the index."""
        for number, tree in enumerate(self.trees):
            if self.whole[number] and self.index_share[number] >= 0:
                pages = self.partition.pages_of(self.index_share[number])
                left = pages[self.visited_by[pages] != number]
                add_runs(self.findings, "index-unreached", left, "index", self.depth, tree.owner, tree.part)

    def _counts(self) -> None:
        """Indexes of one table that leave nothing out have one entry for each of its rows, so as many."""
        most: dict[int, int] = {}
        full = [
            number for number, tree in enumerate(self.trees) if self.whole[number] and not tree.ignores_nulls
        ]
        for number in full:
            owner = self.trees[number].owner
            most[owner] = max(most.get(owner, 0), self.entries[number])
        for number in full:
            tree = self.trees[number]
            if self.entries[number] != most[tree.owner]:
                root = _Visit(number, tree.root, None, None)
                self._problem("index-count", root, self.entries[number], most[tree.owner])

    def _problem(self, code: ProblemCode, visit: _Visit, *numbers: int) -> None:
        tree = self.trees[visit.tree]
        self.findings.add(
            Problem(
                code=code,
                page=visit.page,
                kind="index",
                depth=self.depth,
                owner=tree.owner,
                part=tree.part,
                numbers=numbers,
            )
        )


def _key(entry: bytes) -> bytes:
    return entry[:-POINTER_BYTES]
