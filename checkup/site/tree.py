"""YAML text to plain data and the place of every value.

A site file is data only. It is built from the parser's events, so that nothing is ever constructed
from a tag, and what is too deep, too large or refers to itself is refused before it exists. Plain
scalars follow the core schema of YAML 1.2: `NO` and `17:00` are text, dates too.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from checkup.api import JSON
from checkup.site.problems import KeyPath, Position, Problem, SourceMap
from checkup.site.yaml_events import Event, NotYaml, parse

MAX_ALIASES = 50
MAX_DEPTH = 20
MAX_VALUES = 100_000

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# More digits than fit 64 bits are no number that anybody means; they stay text.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_BASED = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LINE_END = re.compile(r"\r\n|\r|\n")
# C0 and C1 controls but tab and line ends, and halves of surrogate pairs.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Unreadable(Exception):
    """The text is no YAML that could be a site file; nothing after this place was read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Tree:
    """A file's plain data, the place of every value, and what was wrong but did not stop the reading."""

    data: JSON
    source: SourceMap
    problems: tuple[Problem, ...]


def read(text: str) -> Tree:
    """Read one YAML document; raises `Unreadable`."""
    builder = _Builder(text)
    try:
        for event in parse(text):
            builder.take(event)
    except NotYaml as error:
        raise builder.stop(error.index, error.message, error.hint) from None
    return Tree(builder.root, SourceMap(builder.values, builder.keys), tuple(builder.problems))


def scalar(text: str) -> JSON:
    """The value of a plain (unquoted) scalar."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being filled. `size` counts the values in it, aliases written out.

    In a mapping, `key` is the one whose value comes next; `refused` means that there is such a key
    but its value is read only to be dropped.
    """

    data: list[JSON] | dict[str, JSON]
    path: KeyPath
    anchor: str
    size: int = 1
    key: str | None = None
    refused: bool = False

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.data, dict) and self.key is None and not self.refused


@dataclass(slots=True)
class _Anchored:
    data: JSON
    size: int


@dataclass
class _Builder:
    text: str
    root: JSON = None
    values: dict[KeyPath, Position] = field(default_factory=dict[KeyPath, Position])
    keys: dict[KeyPath, Position] = field(default_factory=dict[KeyPath, Position])
    problems: list[Problem] = field(default_factory=list[Problem])
    stack: list[_Open] = field(default_factory=list[_Open])
    # None while the anchored list or mapping is still open
    anchors: dict[str, _Anchored | None] = field(default_factory=dict[str, "_Anchored | None"])
    aliases: int = 0
    documents: int = 0

    def __post_init__(self) -> None:
        self.line_starts = [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def take(self, event: Event) -> None:
        if event.tagged:
            self._complain(event, "a tag (!...)", "a site file is data only: remove it")
        match event.kind:
            case "document":
                self._document(event)
            case "scalar":
                self._scalar(event)
            case "alias":
                self._alias(event)
            case "list" | "mapping":
                self._start(event)
            case "end":
                self._end(event)

    def stop(self, index: int, message: str, hint: str) -> Unreadable:
        return Unreadable(Problem(self._position(index), (), message, hint))

    def _complain(self, event: Event, message: str, hint: str) -> None:
        self.problems.append(Problem(self._position(event.index), self._path(), message, hint))

    def _position(self, index: int) -> Position:
        inside = min(index, max(len(self.text) - 1, 0))
        line = bisect_right(self.line_starts, inside)
        return Position(line, inside - self.line_starts[line - 1] + 1)

    def _path(self) -> KeyPath:
        """The path of the value that comes next; of the mapping, where a key comes next."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.data, list):
            return (*top.path, len(top.data))
        return top.path if top.key is None else (*top.path, top.key)

    def _document(self, event: Event) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self.stop(event.index, "a second document begins here", "one site a file; remove the ---")
        if event.version not in (None, (1, 2)):
            raise self.stop(0, "written for another version of YAML", "remove the %YAML line")

    def _alias(self, event: Event) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self.stop(event.index, f"more than {MAX_ALIASES} aliases (*name)", "write the values out")
        if self._awaits_key():
            raise self.stop(event.index, "an alias (*name) as a key", "write the key out")
        if event.anchor not in self.anchors:
            hint = "text that begins with * needs quotes"
            raise self.stop(event.index, "an alias (*name) to an anchor (&name) that is not there", hint)
        anchored = self.anchors[event.anchor]
        if anchored is None:
            raise self.stop(event.index, "an alias inside of what it stands for", "write the values out")
        self._note(self._position(event.index))
        self._place(anchored.data, anchored.size, event)

    def _scalar(self, event: Event) -> None:
        data = scalar(event.text) if event.plain else event.text
        if _CONTROL.search(event.text):
            self._complain(event, "an invisible control character", "remove it")
            data = _CONTROL.sub("", event.text)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(data, 1)
        if self._awaits_key():
            self._key(data, event)
            return
        self._note(self._position(event.index))
        self._place(data, 1, event)

    def _awaits_key(self) -> bool:
        return bool(self.stack) and self.stack[-1].awaits_key

    def _key(self, key: JSON, event: Event) -> None:
        top = self.stack[-1]
        if not isinstance(key, str):
            self._complain(event, "a key that is not text", "put it in quotes")
            top.refused = True
        elif key in top.data:
            first = self.keys.get((*top.path, key), self._position(event.index))
            self._complain(event, "the same key a second time", f"first on line {first.line}; keep one")
            top.refused = True
        else:
            top.key = key
            if not self._dropping():
                self.keys[(*top.path, key)] = self._position(event.index)

    def _start(self, event: Event) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self.stop(event.index, f"nested deeper than {MAX_DEPTH} levels", "close the brackets")
        if self._awaits_key():
            raise self.stop(event.index, "a list or mapping as a key", "text in brackets needs quotes")
        if event.anchor:
            self.anchors[event.anchor] = None
        path = self._path()
        by_key = event.block and path in self.keys
        self._note(self.keys[path] if by_key else self._position(event.index))
        data: list[JSON] | dict[str, JSON] = {} if event.kind == "mapping" else []
        self.stack.append(_Open(data, path, event.anchor))

    def _end(self, event: Event) -> None:
        closed = self.stack.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = _Anchored(closed.data, closed.size)
        self._place(closed.data, closed.size, event)

    def _dropping(self) -> bool:
        return any(opened.refused for opened in self.stack)

    def _note(self, position: Position) -> None:
        if not self._dropping():
            self.values[self._path()] = position

    def _place(self, data: JSON, size: int, event: Event) -> None:
        """Put a finished value into the list or mapping around it."""
        if not self.stack:
            self.root = data
            return
        top = self.stack[-1]
        top.size += size
        # What an alias repeats counts each time: a few aliases of aliases make a bomb.
        if top.size > MAX_VALUES:
            raise self.stop(event.index, f"more than {MAX_VALUES:,} values", "write the site in fewer words")
        if isinstance(top.data, list):
            top.data.append(data)
        elif top.key is not None:
            top.data[top.key] = data
        top.key, top.refused = None, False
