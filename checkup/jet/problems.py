"""What an examination of a file brings up: frozen data for others to word. No values of anyone's rows."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from checkup.jet.damage import Damage, DamageCode

Depth = Literal["header", "catalogue", "maps", "sample", "index", "pages", "rows"]
"""How deep to look. header: the first page. catalogue: definitions and the list of objects. maps: whose every
page is, from definitions and usage maps alone. sample: random pages of every owner. index: every index page.
pages: every page by itself. rows: every row, long value and index entry, and whether they agree."""

Kind = Literal["file", "map-rows", "map", "definition", "data", "index", "long-values", "free", "none"]
"""What a page is for, by the maps. file: the file as a whole. map-rows: a page of rows that are usage maps.
none: nobody's."""

ProblemCode = (
    DamageCode
    | Literal[
        # header
        "file-cut",  # bytes after the last whole page; numbers: how many
        "file-long",  # longer than any file can be: pages from here on were not looked at; numbers: bytes
        # catalogue
        "definition-shared",  # two objects name this definition; numbers: objects
        # maps
        "page-owned-twice",  # numbers: owner, role and part (or -1) of the second claim
        "page-owned-free",  # owned, and on the list of free pages
        "page-beyond-end",  # owned, but the file ends before it
        "map-shared",  # a map that an earlier definition has; numbers: page and row, that one
        "index-root-unowned",  # the root of an index is not among its pages
        "free-space-unowned",  # said to have free space for a table that does not own it
        "catalogue-entry-missing",  # not in the catalogue's index; numbers: row, part, 1 if primary
        "catalogue-entry-stale",  # an index entry that leads to no object; numbers: row, part
        "page-orphan",  # neither owned nor free: lost space, no harm
        # sample, pages
        "page-unmarked",  # without the mark of a written page
        "page-free-word",  # its free-space word is not its free space
        "page-row-order",  # a row starts behind the one before it
        "page-row-bounds",  # more rows than fit, or a row in the row directory
        "page-entry-bits",  # an index entry ends behind the page
        "definition-mistaken",  # all pages of this table name one other as theirs; numbers: that one
        "page-twice",  # the same bytes as another page where no two can be alike; numbers: the other page
        "definition-unlisted",  # a definition that no object names: of a table that was dropped, or lost
        "row-count",  # numbers: rows by the definition, rows there are
        # index
        "index-loop",  # reached a second time in one tree
        "index-shared",  # reached from two trees; numbers: owner and part of the first
        "index-unowned",  # reached, but not on the map of its index
        "index-unreached",  # on the map of its index, but not reached: emptied by some writers, no harm
        "index-level",  # nodes and leaves at one distance from the root, or no leaf at any
        "index-link",  # numbers: previous and next as said, previous and next in the tree
        "index-entry",  # entries that cannot be; numbers: place of the first, none where none can be read
        "index-order",  # numbers: place of the first entry that is not greater than the one before
        "index-bounds",  # entries outside of what the node above leaves to the page
        "index-pointer",  # numbers: place of the entry, page and row pointed to
        "index-duplicate",  # equal keys where none may be; numbers: place of the second
        "index-count",  # numbers: entries here, entries of another index of the table
        # rows
        "row-shape",  # the row's own directory cannot be; numbers: row
        "row-pointer-shared",  # two rows lead to one body; numbers: row, page and row pointed to
        "row-target-lost",  # a row body that nothing leads to; numbers: row
        "index-rows",  # rows of a data page and entries that point there; numbers: rows, entries
        "index-keys",  # as many, but for other rows or other values; numbers: rows
        "value-shared",  # two fields lead to one row, or a chain to itself; numbers: page and row
        "value-unowned",  # the pages of another column or table; numbers: page and row
    ]
)

INFORMATION: Final[frozenset[ProblemCode]] = frozenset(
    (
        "page-orphan",
        "definition-unlisted",
        "row-count",
        "index-unreached",
        "row-target-lost",
    )
)
"""What occurs in sound files: space to be had back, counts that were never exact, traces of other writers."""

MOST_OF_A_CODE: Final = 200
"""Problems of one code that are kept; the rest is counted."""


class Problem(NamedTuple):
    """One thing that does not hold.

    `page` is the first of `pages` pages in a row; `owner` the definition page of the table concerned, None
    where there is none or nobody knows; `part` the index data number or column number where `kind` is index
    or long-values; `depth` the least depth that shows it. What `numbers` are stands at the code.
    """

    code: ProblemCode
    page: int
    kind: Kind
    depth: Depth
    owner: int | None = None
    part: int | None = None
    pages: int = 1
    numbers: tuple[int, ...] = ()

    @property
    def is_damage(self) -> bool:
        return self.code not in INFORMATION


def of_damage(damage: Damage, kind: Kind, depth: Depth, part: int | None = None) -> Problem:
    """What a reader of one structure met, as a problem of the file."""
    return Problem(
        code=damage.code,
        page=damage.page,
        kind=kind,
        depth=depth,
        owner=damage.owner,
        part=part,
        numbers=damage.numbers,
    )


class Findings:
    """Collects problems, each once, and keeps no more than `MOST_OF_A_CODE` of one code: a file may be
    nothing but damage."""

    def __init__(self) -> None:
        self.counts: dict[ProblemCode, int] = {}
        self._kept: dict[Problem, None] = {}

    def add(self, problem: Problem) -> None:
        if problem in self._kept:
            return
        count = self.counts.get(problem.code, 0)
        self.counts[problem.code] = count + 1
        if count < MOST_OF_A_CODE:
            self._kept[problem] = None

    def full(self, code: ProblemCode) -> bool:
        """Whether more of this code would only be counted."""
        return self.counts.get(code, 0) >= MOST_OF_A_CODE

    def count_more(self, code: ProblemCode, more: int) -> None:
        """Further ones that nobody will look at one by one."""
        self.counts[code] = self.counts.get(code, 0) + more

    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._kept)


DEPTHS: Final[tuple[Depth, ...]] = get_args(Depth)
