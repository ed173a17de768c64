"""Is the file sound? One examination, as deep as asked for, that names all damage by page, owner and kind.

A file may be written to while it is read, and its pages change one by one. So what is found is looked at
twice, the second time from new pages: only what is still wrong, on a page whose bytes are still the same, is
damage. What changed, or went away, was in motion.

Nothing is ever called sound that was not looked at: what was left out, and why, is in the answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from checkup.jet.catalogue_index import check_catalogue_index
from checkup.jet.definition import Definition
from checkup.jet.formats import CATALOGUE_PAGE
from checkup.jet.header import Header, NotAccessError
from checkup.jet.index_checks import Walked, walk
from checkup.jet.index_keys import RowSums, Tree, trees_of
from checkup.jet.opening import AccessFile, open_file
from checkup.jet.page_checks import ChunkReader, PageTable, scan
from checkup.jet.pages import Budget, Counters, check_budget, count_round
from checkup.jet.partition import DATA, INDEX, Partition, Structure, partition, read_structure
from checkup.jet.placement_checks import (
    TableTotals,
    check_copies,
    check_mistaken_definitions,
    check_placement,
    check_row_counts,
    check_unlisted,
    table_totals,
)
from checkup.jet.problems import Depth, Findings, Problem, ProblemCode
from checkup.jet.row_checks import RowChecks, compare_sums
from checkup.jet.sampling import Estimate, SamplePlan, sample
from checkup.jet.source import Source, SourceError, SourceErrorKind, Stat

Numbers = NDArray[Any]

UNSEEN: Final = -1  # in place of a page's check sum

State = Literal["sound", "damaged", "in-motion", "incomplete"]
"""damaged: something is wrong and stays wrong. in-motion: only what changed while it was read. incomplete:
nothing wrong where it was looked, and not everything that this depth asks for was looked at."""

LeftOutReason = Literal["encrypted", "catalogue-unreadable", "too-many-values"] | SourceErrorKind

STAGES: Final[Mapping[Depth, tuple[Depth, ...]]] = {
    "header": ("header",),
    "catalogue": ("header", "catalogue"),
    "maps": ("header", "catalogue", "maps"),
    "sample": ("header", "catalogue", "maps", "sample"),
    "index": ("header", "catalogue", "maps", "index"),
    "pages": ("header", "catalogue", "maps", "pages"),
    "rows": ("header", "catalogue", "maps", "index", "pages", "rows"),
}


@dataclass(frozen=True)
class LeftOut:
    """A stage that was not done, or not whole."""

    stage: Depth
    reason: LeftOutReason
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """The answer. `problems` are what stands, information included; `counts` how many there were of each
    code, kept or not. `moved`: the file was written to between the first read and the last.

    `partition` from depth maps on, `totals` and `page_sums` (a sum over each page) from pages on, `estimates`
    at sample.
    """

    depth: Depth
    header: Header
    stat: Stat
    done: tuple[Depth, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    in_motion: tuple[Problem, ...]
    counts: Mapping[ProblemCode, int]
    moved: bool
    structure: Structure | None
    partition: Partition | None
    totals: tuple[TableTotals, ...]
    estimates: tuple[Estimate, ...]
    counters: Counters
    page_sums: NDArray[np.uint64] | None

    @property
    def damages(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.is_damage)

    @property
    def state(self) -> State:
        if self.damages:
            return "damaged"
        if self.in_motion:
            return "in-motion"
        return "incomplete" if self.left_out else "sound"


@dataclass(frozen=True)
class Plan:
    """How to look. `threads` for reading all pages; `budget` is that of one look, and there may be two."""

    depth: Depth
    budget: Budget = field(default_factory=Budget)
    threads: int = 1
    sample: SamplePlan = field(default_factory=SamplePlan)
    gap_pages: int = 0
    request_cost_bytes: int = 0


def examine(
    source: Source,
    plan: Plan,
    pause: Callable[[], None] = lambda: None,
    *,
    opened: AccessFile | None = None,
) -> Integrity:
    """Looks, and where anything is wrong pauses and looks again at what is concerned.

    `opened`: the file, where it was opened a moment ago; it saves asking for its size and time once more.
    Its pages then keep to their own budget, and have read their own first pages.

    Raises NotAccessError where the file is no Access file, SourceError where not even its first page could
    be read; what fails later is left out of the answer.
    """
    first = _Look(source, plan, None, opened)
    damages = first.damages()
    if not damages:
        return first.answer(first.findings.problems(), ())
    prints = first.prints(damages)
    pause()
    try:
        second = _Look(source, plan, _Concern.of(damages))
        return _settled(first, second, damages, prints, second.prints(damages))
    except SourceError as error:
        first.left_out.append(LeftOut("header", error.kind, error.detail))
    except NotAccessError as error:
        first.left_out.append(LeftOut("header", "gone", error.detail))
    return first.answer(first.informations(), tuple(damages), moved=True)


@dataclass(frozen=True)
class _Concern:
    """What is looked at a second time: these pages, and all pages and indexes of these tables."""

    owners: frozenset[int]
    pages: frozenset[int]

    @classmethod
    def of(cls, problems: list[Problem]) -> _Concern:
        owners = {problem.owner for problem in problems if problem.owner is not None}
        owners |= {problem.numbers[0] for problem in problems if problem.code == "index-shared"}
        pages = {page for problem in problems for page in (problem.page, *_other_page(problem))}
        return cls(frozenset(owners), frozenset(pages))

    def mask(self, placed: Partition) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = np.isin(placed.owner, sorted(self.owners))
        mask[[page for page in self.pages if page < len(placed)]] = True
        return mask


def _other_page(problem: Problem) -> tuple[int, ...]:
    return problem.numbers if problem.code == "page-twice" else ()


class _Look:
    """One look at the file, stage by stage; a stage that fails ends it."""

    def __init__(
        self, source: Source, plan: Plan, concern: _Concern | None, opened: AccessFile | None = None
    ) -> None:
        self.source = source
        self.plan = plan
        self.concern = concern
        self.findings = Findings()
        self.lock = Lock()
        self.done: list[Depth] = []
        self.left_out: list[LeftOut] = []
        self.structure: Structure | None = None
        self.partition: Partition | None = None
        self.table: PageTable | None = None
        self.totals: tuple[TableTotals, ...] = ()
        self.estimates: tuple[Estimate, ...] = ()
        self.trees: tuple[Tree, ...] = ()
        self.walked: Walked | None = None
        self.entry_sums: RowSums | None = None
        self.file: AccessFile = opened or open_file(
            source,
            budget=plan.budget,
            gap_pages=plan.gap_pages,
            request_cost_bytes=plan.request_cost_bytes,
        )
        self._stages()

    def _stages(self) -> None:
        works: Mapping[Depth, Callable[[], LeftOutReason | None]] = {
            "header": self._header,
            "catalogue": self._catalogue,
            "maps": self._maps,
            "sample": self._sample,
            "index": self._index,
            "pages": self._pages,
            "rows": self._rows,
        }
        stages = STAGES[self.plan.depth]
        for place, stage in enumerate(stages):
            try:
                reason, detail = works[stage](), ""
            except SourceError as error:
                reason, detail = error.kind, error.detail
            if reason is None:
                self.done.append(stage)
                continue
            self.left_out += [LeftOut(left, reason, detail) for left in stages[place:]]
            return

    def _header(self) -> LeftOutReason | None:
        if self.file.trailing_bytes:
            cut = (self.file.trailing_bytes,)
            page = self.file.page_count
            self.findings.add(Problem(code="file-cut", page=page, kind="file", depth="header", numbers=cut))
        most = self.file.header.layout.most_pages
        if self.file.page_count > most:
            size = (self.file.stat.size_bytes,)
            self.findings.add(Problem(code="file-long", page=most, kind="file", depth="header", numbers=size))
        return None

    def _catalogue(self) -> LeftOutReason | None:
        if not self.file.header.readable:
            return "encrypted"
        maps = len(STAGES[self.plan.depth]) > STAGES["catalogue"].index("catalogue") + 1
        self.structure = read_structure(self.file, self.findings, maps=maps)
        return "catalogue-unreadable" if self.structure is None else None

    def _maps(self) -> LeftOutReason | None:
        structure = self._structure()
        self.partition = partition(self.file, structure, self.findings)
        catalogue = structure.definitions.get(CATALOGUE_PAGE)
        if structure.index_refused:
            self.left_out.append(LeftOut("maps", "budget", "the catalogue's own indexes"))
        elif catalogue is not None:
            check_catalogue_index(self.file.pages, catalogue, self.partition, self.findings)
        return None

    def _sample(self) -> LeftOutReason | None:
        self.estimates = sample(self.file.pages, self._partition(), self.plan.sample, self.findings)
        return None

    def _index(self) -> LeftOutReason | None:
        placed = self._partition()
        self.trees = tuple(tree for table in self._tables().values() for tree in trees_of(table))
        self.entry_sums = self._sums() if self.plan.depth == "rows" else None
        self.walked = walk(self.file.pages, placed, self.trees, self.findings, "index", sums=self.entry_sums)
        return None

    def _pages(self) -> LeftOutReason | None:
        if self.plan.depth != "rows":
            self._judge(self._scan(None))
        return None

    def _rows(self) -> LeftOutReason | None:
        """The pages are read once, for both."""
        placed = self._partition()
        row_sums = self._sums()
        layout = self.file.header.layout
        checks = RowChecks(layout, placed, self._tables(), self.trees, row_sums, self.findings)
        unsound = ~self._judge(self._scan(checks.chunk))
        checks.finish()
        if self.walked is not None and self.entry_sums is not None:
            unsound |= checks.unread
            compare_sums(self.trees, self.walked.whole, row_sums, self.entry_sums, unsound, self.findings)
        if checks.values.left_out:
            self.left_out.append(LeftOut("rows", "too-many-values", str(checks.values.left_out)))
        return None

    def _scan(self, also: ChunkReader | None) -> PageTable:
        placed = self._partition()
        self.table = scan(
            self._read,
            self.file.header.layout,
            len(placed),
            threads=1 if also else self.plan.threads,
            only=None if self.concern is None else self.concern.mask(placed),
            also=also,
        )
        return self.table

    def _read(self, offset: int, length: int) -> bytes:
        """For whole chunks, past the cache; within the same budget and counted with the rest."""
        ranges = [(offset, length)]
        with self.lock:
            check_budget(self.plan.budget, self.file.pages.counters, length)
        answers = self.source.read(ranges)
        with self.lock:
            count_round(self.file.pages.counters, ranges, answers)
        return answers[0]

    def _judge(self, table: PageTable) -> NDArray[np.bool_]:
        """Which pages are sound, and which nobody judges."""
        placed, definitions = self._partition(), self._structure().definitions
        numbers = np.arange(len(placed))
        if self.concern is not None:
            numbers = np.flatnonzero(self.concern.mask(placed))
        sound: NDArray[np.bool_] = np.ones(len(placed), np.bool_)
        sound[numbers] = check_placement(numbers, table.only(numbers), placed, self.findings, "pages")
        check_mistaken_definitions(numbers, table, placed, definitions, self.findings)
        check_copies(self.file.pages, table, placed, definitions, self.findings)
        if self.concern is None:
            check_unlisted(table, placed, self.findings)
            self.totals = table_totals(table, placed, definitions)
            check_row_counts(self.totals, definitions, placed, sound, self.findings)
        return sound

    def _tables(self) -> Mapping[int, Definition]:
        definitions = self._structure().definitions
        if self.concern is None:
            return definitions
        return {page: one for page, one in definitions.items() if page in self.concern.owners}

    def _sums(self) -> RowSums:
        placed = self._partition()
        shares = {share.owner: at for at, share in enumerate(placed.shares) if share.role == DATA}
        return RowSums(self.trees, placed.share, shares)

    def _structure(self) -> Structure:
        assert self.structure is not None
        return self.structure

    def _partition(self) -> Partition:
        assert self.partition is not None
        return self.partition

    def damages(self) -> list[Problem]:
        return [problem for problem in self.findings.problems() if problem.is_damage]

    def informations(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.findings.problems() if not problem.is_damage)

    def prints(self, problems: list[Problem]) -> dict[int, int]:
        """A number for the bytes of each page concerned, as this look saw them; UNSEEN for a page that no
        look to this depth reads: it may be one of rows, and nothing that was found is from it."""
        numbers = {problem.page for problem in problems}
        found = self.file.pages.held(numbers)
        found |= self.file.pages.get(number for number in numbers if self._is_read(number))
        known = {number: zlib.crc32(page) for number, page in found.items()}
        there = (number for number in numbers if number < self.file.page_count)
        return {**dict.fromkeys(there, UNSEEN), **known}

    def _is_read(self, number: int) -> bool:
        """Does a look to this depth read the page, whatever it finds?"""
        if self.plan.depth != "index" or self.partition is None:
            return self.plan.depth in ("pages", "rows")
        return number < len(self.partition) and int(self.partition.role[number]) == INDEX

    def answer(
        self, problems: tuple[Problem, ...], in_motion: tuple[Problem, ...], *, moved: bool = False
    ) -> Integrity:
        counts = dict(self.findings.counts)
        for problem in in_motion:
            counts[problem.code] = counts.get(problem.code, 0) - 1
        return Integrity(
            depth=self.plan.depth,
            header=self.file.header,
            stat=self.file.stat,
            done=tuple(self.done),
            left_out=tuple(self.left_out),
            problems=problems,
            in_motion=in_motion,
            counts={code: count for code, count in counts.items() if count > 0},
            moved=moved or self._stat_moved(),
            structure=self.structure,
            partition=self.partition,
            totals=self.totals,
            estimates=self.estimates,
            counters=self.file.pages.counters,
            page_sums=None if self.table is None else self.table.digest,
        )

    def _stat_moved(self) -> bool:
        try:
            return self.source.stat() != self.file.stat
        except SourceError:
            return True


def _settled(
    first: _Look,
    second: _Look,
    damages: list[Problem],
    prints: Mapping[int, int],
    prints_again: Mapping[int, int],
) -> Integrity:
    """What both looks found, on pages that did not change in between; of a page that is not there, in a file
    that did not grow or shrink."""
    again = {_identity(problem) for problem in second.damages()}
    known = {_identity(problem) for problem in damages}
    same_size = first.file.stat.size_bytes == second.file.stat.size_bytes
    stands: list[Problem] = []
    in_motion: list[Problem] = []
    for problem in damages:
        print_ = prints.get(problem.page)
        same = print_ == prints_again.get(problem.page) and (print_ is not None or same_size)
        (stands if same and _identity(problem) in again else in_motion).append(problem)
    in_motion += [problem for problem in second.damages() if _identity(problem) not in known]
    moved = (
        bool(in_motion)
        or first.file.header.commit_words != second.file.header.commit_words
        or first.file.stat != second.file.stat
    )
    for left in second.left_out:
        if left not in first.left_out:
            first.left_out.append(left)
    return first.answer((*stands, *first.informations()), tuple(in_motion), moved=moved)


def _identity(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.page, problem.kind, problem.owner, problem.part
