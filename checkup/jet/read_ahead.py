"""The pages of the catalogue's own indexes, asked for in rounds that the maps need anyhow.

They hold names of objects and nothing of anyone's rows, and there are few of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from checkup.jet.definition import Definition
from checkup.jet.formats import KIND_INDEX_NODE
from checkup.jet.index_entries import parse_entries
from checkup.jet.pages import Pages
from checkup.jet.source import SourceError

MOST_AHEAD: Final = 512  # pages of one level: the catalogue of a very large application has some dozens


class ReadAhead:
    """The levels of the catalogue's trees, each asked for together with something else that is needed.

    `refused`: the source would not give index pages, which is its right; then nothing more is asked.
    """

    def __init__(self, definition: Definition | None) -> None:
        """Of nothing, reads nothing ahead."""
        data = definition.index_data if definition else ()
        self.refused = False
        self._next = sorted({one.root for one in data if one.root})

    def together_with(self, pages: Pages, needed: Iterable[int]) -> None:
        """Gets the next level and these pages in one round, into the cache. Raises SourceError."""
        level = [] if self.refused else self._next[:MOST_AHEAD]
        self._next = []
        if not level:
            pages.get(needed)
            return
        wanted = tuple(needed)
        try:
            found = pages.get((*wanted, *level))
        except SourceError as error:
            if error.kind != "budget":
                raise
            self.refused = True
            pages.get(wanted)
            return
        nodes = [found[page] for page in level if page in found and found[page][0] == KIND_INDEX_NODE]
        entries = parse_entries(nodes, pages.layout)
        below: set[int] = set(entries.children().tolist())
        tail = pages.layout.index_tail
        below.update(int.from_bytes(page[tail : tail + 4], "little") for page in nodes)
        self._next = sorted(below - {0})
