"""Lines and trees as wide as the terminal, without rich: its import takes longer than many a short answer."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import typer

_LEAST_WIDTH: Final = 20  # of a text, however deep it stands
# What stands before a branch and below it, for all but the last one, then for the last.
_GUIDES: Final = (("├── ", "│   "), ("└── ", "    "))
_PLAIN_GUIDES: Final = (("+-- ", "|   "), ("`-- ", "    "))


@dataclass(frozen=True)
class Branch:
    """A text, and what stands below it."""

    text: str
    branches: list[Branch] = field(default_factory=lambda: [])

    def add(self, text: str) -> Branch:
        branch = Branch(text)
        self.branches.append(branch)
        return branch


def print_line(text: str = "", *, by: int = 0, bold: bool = False) -> None:
    """One text on as many lines as it needs, `by` columns from the left."""
    for line in _wrapped(text, _width() - by):
        typer.secho(" " * by + line, bold=bold)


def print_tree(root: Branch) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    guides = _GUIDES if encoding.lower().startswith("utf") else _PLAIN_GUIDES
    for line in _lines(root, _width(), guides):
        typer.echo(line)


def _lines(root: Branch, width: int, guides: tuple[tuple[str, str], tuple[str, str]]) -> Iterator[str]:
    yield from _wrapped(root.text, width)
    last = len(root.branches) - 1
    for place, branch in enumerate(root.branches):
        before, below = guides[place == last]
        for number, line in enumerate(_lines(branch, width - len(below), guides)):
            yield (below if number else before) + line


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, _LEAST_WIDTH), break_on_hyphens=False) or [""]


def _width() -> int:
    return shutil.get_terminal_size().columns
