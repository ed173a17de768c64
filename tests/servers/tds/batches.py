"""A batch taken to pieces, each statement with what surrounds it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One statement of a batch.

    `inner`: it stands in the string of an EXEC, so it is a scope of its own; `catch`: the text between BEGIN
    CATCH and END CATCH where it stands in a TRY; `then`: what follows that string in the TRY.
    """

    text: str
    check_id: str | None = None
    inner: bool = False
    catch: str | None = None
    then: str = ""


_MARKER = re.compile(r"/\*\s*checkup:([^\s*]+)\s*\*/")
_OPENING = (
    r"(?P<tried>BEGIN\s+TRY\s*;?\s*)?"
    r"(?P<inner>EXEC(?:UTE)?\s*(?:\(\s*N?'|\s(?:master\.)?(?:sys\.|dbo\.)?sp_executesql\s+(?:@\w+\s*=\s*)?N?'))?"
)
_OPENING_BEFORE = re.compile(rf"(?:(?<!\w){_OPENING})?\s*$", re.IGNORECASE)
_OPENING_AFTER = re.compile(rf"^\s*{_OPENING}", re.IGNORECASE)
_STRING_END = re.compile(r"((?:[^']|'')*)'")
_AFTER_STRING = re.compile(r"\s*\)?\s*;?")
_CATCH = re.compile(
    r"\s*;?\s*\bEND\s+TRY\s*;?\s*BEGIN\s+CATCH\b(?P<catch>.*?)\bEND\s+CATCH\b\s*;?", re.IGNORECASE | re.DOTALL
)
_SEPARATOR = re.compile(
    r"'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|\"(?:[^\"]|\"\")*\"|/\*.*?\*/|--[^\n]*|(;)", re.DOTALL
)


def normalised(text: str) -> str:
    """The form in which statements are compared: single spaces, no comments of ours, no end, lower case."""
    return " ".join(_MARKER.sub(" ", text).split()).strip("; ").casefold()


def pieces(batch: str) -> list[Piece]:
    """The batch split at its markers; what stands before the first one and is no opening is a piece, too."""
    markers = list(_MARKER.finditer(batch))
    if not markers:
        return [Piece(batch)]
    before = batch[: markers[0].start()]
    found: list[Piece] = []
    for marker, following in zip(markers, [*markers[1:], None], strict=True):
        opening = _OPENING_BEFORE.search(before)
        assert opening is not None  # it may be empty
        found += _plain(before[: opening.start()])
        body = batch[marker.end() : following.start() if following else len(batch)]
        piece, before = _piece(body, marker[1], opening)
        found.append(piece)
    return found + _plain(before)


def separated(text: str) -> list[str]:
    """The statements of a text without markers, split at its semicolons."""
    parts, start = [], 0
    for match in _SEPARATOR.finditer(text):
        if match[1]:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _plain(text: str) -> list[Piece]:
    return [Piece(text.strip())] if text.strip("; \t\r\n") else []


def _piece(body: str, check_id: str, before: re.Match[str]) -> tuple[Piece, str]:
    """The piece at the start of `body`, and the rest, which belongs to nobody or opens the next piece."""
    after = _OPENING_AFTER.match(body)
    assert after is not None  # it may be empty
    tried = bool(before["tried"] or after["tried"])
    inner = bool(before["inner"] or after["inner"])
    body = body[after.end() :]
    text, rest = body, ""
    if inner and (string := _STRING_END.match(body)):
        text, rest = string[1].replace("''", "'"), body[string.end() :]
        rest = rest[_AFTER_STRING.match(rest).end() :]  # pyright: ignore[reportOptionalMemberAccess]
    catch, then = None, ""
    if tried:
        end = _CATCH.search(rest if inner else body)
        if end:
            catch = end["catch"].strip("; \t\r\n")
            if inner:
                then = rest[: end.start()].strip("; \t\r\n")
            else:
                text = body[: end.start()]
            rest = (rest if inner else body)[end.end() :]
    elif not inner:
        opening = _OPENING_BEFORE.search(body)
        assert opening is not None
        text, rest = body[: opening.start()], body[opening.start() :]
    return Piece(text.strip(), check_id, inner, catch, then), rest
