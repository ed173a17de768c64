"""Whose every page is, and what for: from definitions and usage maps, without one page of anyone's rows.

A file of 2 GB is 524,288 pages; the maps that tell about them are some hundred pages. They are read in as few
rounds as they depend on each other: the first pages, the catalogue's map, its bitmaps where it is large, its
rows, rows that lie elsewhere, all definitions, all maps, all bitmaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.damage import Damage
from checkup.jet.definition import Definition, read_definitions
from checkup.jet.formats import CATALOGUE_PAGE, GLOBAL_MAP_PAGE, HEADER_PAGE
from checkup.jet.links import local_definition_page
from checkup.jet.objects import ObjectList, read_objects
from checkup.jet.opening import AccessFile
from checkup.jet.problems import Depth, Findings, Kind, Problem, ProblemCode, of_damage
from checkup.jet.read_ahead import ReadAhead
from checkup.jet.rows import RowPointer
from checkup.jet.usage_map import GLOBAL_MAP, UsageMap, read_maps

Numbers = NDArray[Any]

# Roles: what a page is for. The order is that of claims: an earlier one is believed against a later one.
ORPHAN: Final = 0
HEADER: Final = 1
MAP_ROWS: Final = 2
DEFINITION: Final = 3
MAP: Final = 4
DATA: Final = 5
INDEX: Final = 6
LONG_VALUES: Final = 7
FREE: Final = 8

KINDS: Final[tuple[Kind, ...]] = (
    "none",
    "file",
    "map-rows",
    "definition",
    "map",
    "data",
    "index",
    "long-values",
    "free",
)
"""The name of each role."""

MOST_TABLES: Final = 32_768  # objects of a file (Microsoft, "Access specifications")


@dataclass(frozen=True)
class Share:
    """The pages that one owner has for one purpose. `part` is the index data number or the column number.

    `runs`: stretches of pages without a gap; 1 is a table in one piece. `last` is -1 where there is none.
    """

    role: int
    owner: int
    part: int | None
    pages: int
    runs: int
    first: int
    last: int

    @property
    def kind(self) -> Kind:
        return KINDS[self.role]


@dataclass(frozen=True)
class Partition:
    """`role`, `owner` (definition page; 0 where there is none) and `share` (place in `shares`, -1 where none)
    of every page. `complete`: no definition and no map was unreadable, so that an orphan really is one."""

    role: NDArray[np.uint8]
    owner: NDArray[np.int32]
    share: NDArray[np.int32]
    shares: tuple[Share, ...]
    complete: bool

    def __len__(self) -> int:
        return len(self.role)

    def count(self, role: int) -> int:
        return int(np.count_nonzero(self.role == role))

    def pages_of(self, share: int) -> Numbers:
        return np.flatnonzero(self.share == share)

    def kind_of(self, page: int) -> Kind:
        return KINDS[int(self.role[page])] if 0 <= page < len(self) else "none"

    def owner_of(self, page: int) -> int | None:
        """None where nobody owns it."""
        owner = int(self.owner[page]) if 0 <= page < len(self) else 0
        return owner or None


@dataclass(frozen=True)
class Structure:
    """What the partition is made of, and what deeper checks go by. `definitions` are the readable ones.

    `linked` are the pages of definitions that the file keeps of tables on servers: they have no pages of
    their own here. `index_refused`: the source does not give pages of the catalogue's indexes.
    """

    objects: ObjectList
    definitions: Mapping[int, Definition]
    maps: Mapping[RowPointer, UsageMap | Damage]
    unreadable: tuple[int, ...]  # definition pages
    linked: tuple[int, ...]
    index_refused: bool


def read_structure(file: AccessFile, findings: Findings, *, maps: bool = True) -> Structure | None:
    """The catalogue, all definitions, and all maps if wanted; None where the catalogue cannot be read.

    Raises SourceError.
    """
    pages, encoding = file.pages, file.header.text_encoding
    catalogue = read_definitions(pages, (CATALOGUE_PAGE,), encoding)[CATALOGUE_PAGE]
    if isinstance(catalogue, Damage):
        findings.add(of_damage(_of(catalogue, CATALOGUE_PAGE), "definition", "catalogue"))
        return None
    ahead = ReadAhead(catalogue if maps else None)
    # The bitmaps of the free pages come in the round of the catalogue's own.
    first = (GLOBAL_MAP, catalogue.owned_map) if maps else (catalogue.owned_map,)
    ahead.together_with(pages, [pointer.page for pointer in first])
    read_maps(pages, first)
    objects = read_objects(file)
    if isinstance(objects, Damage):
        findings.add(of_damage(_of(objects, CATALOGUE_PAGE), "definition", "catalogue"))
        return None
    for damage in objects.damages:
        kind: Kind = "map-rows" if damage.page == catalogue.owned_map.page else "data"
        findings.add(of_damage(_of(damage, CATALOGUE_PAGE), kind, "catalogue"))
    numbers = _definition_pages(objects, findings)
    links = _linked_pages(objects, numbers, file.page_count)
    ahead.together_with(pages, [*numbers, *links])
    definitions: dict[int, Definition] = {}
    unreadable: list[int] = []
    for number, outcome in read_definitions(pages, numbers, encoding).items():
        if isinstance(outcome, Damage):
            findings.add(of_damage(_of(outcome, number), "definition", "catalogue"))
            unreadable.append(number)
        else:
            definitions[number] = outcome
    outcomes: Mapping[RowPointer, UsageMap | Damage] = {}
    if maps:
        pointers = [pointer for definition in definitions.values() for pointer in definition.map_pointers()]
        ahead.together_with(pages, [pointer.page for pointer in pointers])
        outcomes = read_maps(pages, [GLOBAL_MAP, *pointers])
    kept = read_definitions(pages, links, encoding).values() if links else ()
    # One that cannot be read costs nobody a row: the link is made anew.
    linked = tuple(page for one in kept if isinstance(one, Definition) for page in one.chain)
    return Structure(objects, definitions, outcomes, tuple(unreadable), linked, ahead.refused)


def _linked_pages(catalogue: ObjectList, numbers: Iterable[int], page_count: int) -> list[int]:
    """Where the file's own definitions of tables on servers begin."""
    pages = (local_definition_page(item.id, page_count) for item in catalogue.of_kind("odbc-link"))
    known = set(numbers)
    return [page for page in pages if page is not None and page not in known]


def _definition_pages(catalogue: ObjectList, findings: Findings) -> list[int]:
    named: dict[int, int] = {CATALOGUE_PAGE: 0}
    for item in catalogue.of_kind("table"):
        named[item.definition_page] = named.get(item.definition_page, 0) + 1
    for number, objects in named.items():
        if objects > 1:
            findings.add(
                Problem(
                    code="definition-shared",
                    page=number,
                    kind="definition",
                    depth="catalogue",
                    owner=number,
                    numbers=(objects,),
                )
            )
    return list(named)[:MOST_TABLES]


def _of(damage: Damage, owner: int | None) -> Damage:
    return Damage(code=damage.code, page=damage.page, owner=damage.owner or owner, numbers=damage.numbers)


@dataclass(frozen=True)
class _Claim:
    """Pages that someone says are theirs."""

    role: int
    owner: int
    part: int | None
    numbers: Numbers


@dataclass
class _Ledger:
    """The partition in the making."""

    pages: int
    findings: Findings
    shares: list[Share] = field(default_factory=list[Share])
    complete: bool = True

    def __post_init__(self) -> None:
        self.role: NDArray[np.uint8] = np.zeros(self.pages, np.uint8)
        self.owner: NDArray[np.int32] = np.zeros(self.pages, np.int32)
        self.share: NDArray[np.int32] = np.full(self.pages, -1, np.int32)

    def take(self, claim: _Claim) -> None:
        if not len(claim.numbers):
            self.shares.append(_share(claim, claim.numbers))
            return
        beyond = claim.numbers >= self.pages
        if beyond.any():
            kind, owner = KINDS[claim.role], claim.owner or None
            add_runs(self.findings, "page-beyond-end", claim.numbers[beyond], kind, "maps", owner, claim.part)
        numbers = claim.numbers[~beyond]
        taken = self.role[numbers] != ORPHAN
        if taken.any():
            self._contested(numbers[taken], claim)
            numbers = numbers[~taken]
        self.role[numbers] = claim.role
        self.owner[numbers] = claim.owner
        self.share[numbers] = len(self.shares)
        self.shares.append(_share(claim, numbers))

    def _contested(self, numbers: Numbers, claim: _Claim) -> None:
        second = (claim.owner, claim.role, -1 if claim.part is None else claim.part)
        for page in numbers.tolist():
            if self.findings.full("page-owned-twice"):
                self.findings.count_more("page-owned-twice", len(numbers))
                return
            holder = self.shares[self.share[page]] if self.share[page] >= 0 else None
            self.findings.add(
                Problem(
                    code="page-owned-twice",
                    page=page,
                    kind=KINDS[int(self.role[page])],
                    depth="maps",
                    owner=int(self.owner[page]) or None,
                    part=None if holder is None else holder.part,
                    numbers=second,
                )
            )

    def fixed(self, numbers: Iterable[int], role: int) -> None:
        """Pages that serve the file or several owners: of no share."""
        for number in numbers:
            if 0 <= number < self.pages:
                self.role[number] = role


def partition(file: AccessFile, structure: Structure, findings: Findings) -> Partition:
    """Places every page. Reads nothing."""
    ledger = _Ledger(min(file.page_count, file.header.layout.most_pages), findings)
    ledger.complete = not structure.unreadable
    ledger.fixed((HEADER_PAGE,), HEADER)
    ledger.fixed((GLOBAL_MAP_PAGE, *(pointer.page for pointer in structure.maps)), MAP_ROWS)
    for definition in structure.definitions.values():
        ledger.take(_Claim(DEFINITION, definition.page, None, np.array(definition.chain, np.int64)))
    uses = tuple(_uses(structure.definitions.values()))
    told = _Expansion(structure.maps, ledger, findings)
    free = told.numbers(_Use(GLOBAL_MAP, FREE, 0, None))
    numbers = {use: told.numbers(use) for use in uses if use.pointer.page}
    for use in uses:
        owned = numbers.get(use)
        if owned is not None and not use.tells_space:
            ledger.take(_Claim(use.role, use.owner, use.part, owned))
    _check_spaces(uses, numbers, findings)
    _check_roots(structure, numbers, findings)
    _place_free(free, structure.maps[GLOBAL_MAP], ledger)
    for page in structure.linked:
        if page < ledger.pages and ledger.role[page] == ORPHAN:
            ledger.fixed((page,), DEFINITION)
    result = Partition(ledger.role, ledger.owner, ledger.share, tuple(ledger.shares), ledger.complete)
    if result.complete:
        add_runs(findings, "page-orphan", np.flatnonzero(result.role == ORPHAN), "none", "maps")
    return result


def map_numbers(usage: UsageMap) -> Numbers:
    """The pages of a map, ascending."""
    parts = [
        bits.first + np.flatnonzero(np.unpackbits(np.frombuffer(bits.data, np.uint8), bitorder="little"))
        for bits in usage.stretches
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def add_runs(
    findings: Findings,
    code: ProblemCode,
    numbers: Numbers,
    kind: Kind,
    depth: Depth,
    owner: int | None = None,
    part: int | None = None,
) -> None:
    """One problem for each stretch of pages without a gap; `numbers` ascending."""
    if not len(numbers):
        return
    starts = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)
    lengths = np.diff(starts, append=len(numbers))
    for place, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        if findings.full(code):
            findings.count_more(code, len(starts) - place)
            return
        findings.add(
            Problem(
                code=code,
                page=int(numbers[start]),
                pages=length,
                kind=kind,
                depth=depth,
                owner=owner,
                part=part,
            )
        )


def _share(claim: _Claim, numbers: Numbers) -> Share:
    if not len(numbers):
        return Share(claim.role, claim.owner, claim.part, 0, 0, -1, -1)
    ordered = np.sort(numbers)
    runs = 1 + int(np.count_nonzero(ordered[1:] - ordered[:-1] != 1))
    return Share(claim.role, claim.owner, claim.part, len(numbers), runs, int(ordered[0]), int(ordered[-1]))


@dataclass(frozen=True)
class _Use:
    """What a map is for. `tells_space`: it has the pages with free space, a part of those owned."""

    pointer: RowPointer
    role: int
    owner: int
    part: int | None
    tells_space: bool = False


def _uses(definitions: Iterable[Definition]) -> Iterator[_Use]:
    for definition in definitions:
        owner = definition.page
        yield _Use(definition.owned_map, DATA, owner, None)
        yield _Use(definition.free_map, DATA, owner, None, tells_space=True)
        for number, data in enumerate(definition.index_data):
            yield _Use(data.map, INDEX, owner, number)
        for maps in definition.column_maps:
            yield _Use(maps.owned, LONG_VALUES, owner, maps.column_number)
            yield _Use(maps.free, LONG_VALUES, owner, maps.column_number, tells_space=True)


class _Expansion:
    """Maps become page numbers, each row and each page of bitmaps once: what is named again is a problem and
    not expanded again, so that a file cannot make endless work out of little."""

    def __init__(
        self, maps: Mapping[RowPointer, UsageMap | Damage], ledger: _Ledger, findings: Findings
    ) -> None:
        self._maps = maps
        self._ledger = ledger
        self._findings = findings
        self._rows: dict[RowPointer, int] = {}  # by whom they were named first
        self._bitmaps: set[int] = set()

    def numbers(self, use: _Use) -> Numbers | None:
        """None where the map cannot be believed."""
        usage = self._maps[use.pointer]
        owner = use.owner or None
        if use.pointer in self._rows:
            self._findings.add(
                Problem(
                    code="map-shared",
                    page=use.owner,
                    kind="definition",
                    depth="maps",
                    owner=owner,
                    part=use.part,
                    numbers=(*use.pointer, self._rows[use.pointer]),
                )
            )
            self._ledger.complete = False
            return None
        self._rows[use.pointer] = use.owner
        for damage in (usage,) if isinstance(usage, Damage) else usage.damages:
            kind: Kind = "map-rows" if damage.page == use.pointer.page else "map"
            self._findings.add(of_damage(_of(damage, owner), kind, "maps", use.part))
            self._ledger.complete = False
        if isinstance(usage, Damage):
            return None
        self._ledger.take(_Claim(MAP, use.owner, None, np.array(sorted(usage.map_pages), np.int64)))
        if not self._bitmaps.isdisjoint(usage.map_pages):
            self._ledger.complete = False
            return None
        self._bitmaps.update(usage.map_pages)
        return map_numbers(usage)


def _check_spaces(uses: Iterable[_Use], numbers: Mapping[_Use, Numbers | None], findings: Findings) -> None:
    """A page that has free space for a table is one of that table's pages (observed, without exception)."""
    owned: Numbers | None = None
    for use in uses:
        if not use.tells_space:
            owned = numbers.get(use)
            continue
        spacious = numbers.get(use)
        if owned is not None and spacious is not None:
            strange = np.setdiff1d(spacious, owned, assume_unique=True)
            add_runs(findings, "free-space-unowned", strange, KINDS[use.role], "maps", use.owner, use.part)


def _check_roots(structure: Structure, numbers: Mapping[_Use, Numbers | None], findings: Findings) -> None:
    for definition in structure.definitions.values():
        for number, data in enumerate(definition.index_data):
            pages = numbers.get(_Use(data.map, INDEX, definition.page, number))
            if pages is not None and data.root not in pages:
                findings.add(
                    Problem(
                        code="index-root-unowned",
                        page=data.root,
                        kind="index",
                        depth="maps",
                        owner=definition.page,
                        part=number,
                    )
                )


def _place_free(numbers: Numbers | None, usage: UsageMap | Damage, ledger: _Ledger) -> None:
    """What the file lists as free, and what it has beyond the window of a list that is inline."""
    if numbers is None or isinstance(usage, Damage):
        ledger.complete = False
        return
    listed: Numbers = np.zeros(ledger.pages, np.bool_)
    listed[numbers[numbers < ledger.pages]] = True
    claimed = ledger.role != ORPHAN
    contested = np.flatnonzero(listed & claimed)
    shares: list[int] = np.unique(ledger.share[contested]).tolist()
    for share in shares:
        mine = contested[ledger.share[contested] == share]
        holder = ledger.shares[share] if share >= 0 else None
        add_runs(
            ledger.findings,
            "page-owned-free",
            mine,
            KINDS[int(ledger.role[mine[0]])],
            "maps",
            holder.owner if holder else None,
            holder.part if holder else None,
        )
    if usage.kind == "inline":
        listed[max((bits.end for bits in usage.stretches), default=0) :] = True
    ledger.role[listed & ~claimed] = FREE
