"""The YAML parser: text to a stream of typed events, or the place where it stops being YAML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

Kind = Literal["document", "scalar", "alias", "list", "mapping", "end"]

_KINDS: tuple[tuple[type, Kind], ...] = (
    (events.DocumentStartEvent, "document"),
    (events.ScalarEvent, "scalar"),
    (events.AliasEvent, "alias"),
    (events.SequenceStartEvent, "list"),
    (events.MappingStartEvent, "mapping"),
    (events.CollectionEndEvent, "end"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One step through a document. `index` counts characters from the start of the text."""

    kind: Kind
    index: int
    anchor: str = ""  # of an alias: the anchor it repeats
    text: str = ""  # of a scalar
    plain: bool = False  # a scalar without quotes
    tagged: bool = False
    block: bool = False  # a list or mapping by indentation, not in brackets or braces
    version: tuple[int, int] | None = None  # of a document


class NotYaml(Exception):
    """The text is no YAML from `index` on. Neither text repeats a piece of the file."""

    def __init__(self, index: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message
        self.hint = hint


def parse(text: str) -> Iterator[Event]:
    """The events of a text, one by one, so that the caller can stop at any. Raises NotYaml."""
    yaml: Any = YAML(typ="safe", pure=True)  # the parser has no usable types
    try:
        for event in yaml.parse(text):
            for known, kind in _KINDS:
                if isinstance(event, known):
                    yield _event(kind, event)
    except MarkedYAMLError as error:
        raise _not_yaml(error) from None
    except ReaderError as error:
        place: Any = error
        raise NotYaml(place.position, "a character that YAML does not allow", "remove it") from None
    except (YAMLError, ValueError, OverflowError):
        # An escape beyond the last character of Unicode ends in chr(), without a place.
        raise NotYaml(len(text), "not valid YAML", "look for a wrong \\ in double quotes") from None


def _event(kind: Kind, event: Any) -> Event:
    return Event(
        kind=kind,
        index=event.start_mark.index,
        anchor=getattr(event, "anchor", None) or "",
        text=event.value if kind == "scalar" else "",
        plain=kind == "scalar" and event.implicit[0],
        tagged=getattr(event, "tag", None) is not None,
        block=kind in ("list", "mapping") and not event.flow_style,
        version=event.version if kind == "document" else None,
    )


# What the parser says, by a part of its text. Its own words are never passed on: they may hold a
# piece of the file (the name of an alias, a tag), and so a piece of a misplaced secret.
_EXPLANATIONS = (
    ("'\\t'", "a tab", "indent with spaces, never with tabs"),
    ("mapping values are not allowed", "a second `: ` on one line", "put text that contains `: ` in quotes"),
    ("cannot start any token", "a character that plain text cannot begin with", "put the text in quotes"),
    ("unknown escape", "an unknown escape after \\", "use single quotes for paths with \\"),
    ("a quoted scalar", "a quotation mark that is never closed", "close the quotes"),
    ("a simple key", "a line without a `: `", "write `key: value`"),
    ("expected <block end>", "wrong indentation", "give keys of one level the same indentation"),
    ("a flow", "a bracket or brace that is not closed, or a missing comma", "close it before this place"),
    ("tag", "a tag (!...)", "text that begins with ! needs quotes"),
    ("alias", "an unreadable alias", "text that begins with * needs quotes"),
    ("anchor", "an unreadable anchor", "text that begins with & needs quotes"),
    ("directive", "an unreadable % line", "text that begins with % needs quotes"),
)


def _not_yaml(error: Any) -> NotYaml:
    mark = error.problem_mark or error.context_mark
    index = mark.index if mark else 0
    said = f"{error.context} {error.problem}"
    for part, message, hint in _EXPLANATIONS:
        if part in said:
            return NotYaml(index, message, hint)
    return NotYaml(index, "not valid YAML from here on", "look at the indentation, colons and quotes")
