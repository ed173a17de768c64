"""What is wrong with a site file, and where: line, column, key path, message, hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file as an editor shows it; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Where each value of a file stands. `("hosts", 0, "id")` is the id of the first host."""

    values: Mapping[KeyPath, Position]
    keys: Mapping[KeyPath, Position]

    def at(self, keypath: KeyPath) -> Position:
        """The place of a value, or of the nearest thing around it that the file has.

        A list or mapping that spans several lines is found by its key.
        """
        return self._nearest(self.values, keypath)

    def key_at(self, keypath: KeyPath) -> Position:
        """The place of a key, for what is wrong with the key and not with its value."""
        return self.keys.get(keypath) or self.at(keypath)

    def __contains__(self, keypath: object) -> bool:
        return keypath in self.values

    @staticmethod
    def _nearest(places: Mapping[KeyPath, Position], keypath: KeyPath) -> Position:
        around = (keypath[:length] for length in range(len(keypath), -1, -1))
        return next((places[path] for path in around if path in places), Position(1, 1))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `position` is None where the file as a whole is meant.

    No field repeats a value of the file: it could be a secret in the wrong place.
    """

    position: Position | None
    keypath: KeyPath
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.keypath)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class SiteFileError(Exception):
    """Everything that is wrong with one site file; a line each, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], path: PurePath | str) -> None:
        self.problems: list[Problem] = sorted(problems, key=_in_file_order)
        self.path = path
        super().__init__(self.problems, path)

    def __str__(self) -> str:
        return "\n".join(f"{self._place(problem.position)}: {problem}" for problem in self.problems)

    def _place(self, position: Position | None) -> str:
        return f"{self.path}:{position.line}:{position.column}" if position else str(self.path)


def _in_file_order(problem: Problem) -> Position:
    return problem.position or Position(0, 0)


def nearest(name: object, valid: Iterable[str]) -> str:
    """A hint that names the closest valid name, or all of them where none is close and they are few."""
    names = list(valid)
    close = difflib.get_close_matches(str(name)[:100], names, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"valid here: {', '.join(names)}" if 0 < len(names) <= 20 else ""


def is_close(name: object, valid: Sequence[str], *, cutoff: float = 0.6) -> bool:
    """True if `name` looks like one of the valid names."""
    return bool(difflib.get_close_matches(str(name)[:100], valid, n=1, cutoff=cutoff))
