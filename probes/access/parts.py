"""Reads the parts of a reading of an Access file, strictly.

Whatever is not of the kind named raises ValueError, KeyError where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from checkup.api import JSON, Depth

Part = Mapping[str, JSON]

MOST_ELEMENTS = 200_000
MOST_CHARACTERS = 2_000
MOST_WHOLE = 2**53  # what every reader of JSON keeps exactly
MOST_NAMED = 8  # names in one line of a report; the rest is counted

DEPTHS: tuple[Depth, ...] = ("header", "catalogue", "maps", "sample", "index", "pages", "rows")


def part(raw: JSON | Part, name: str) -> Part:
    """An object by its name."""
    found = part_or_none(raw, name)
    if found is None:
        raise ValueError(f"{name} is null")
    return found


def part_or_none(raw: JSON | Part, name: str) -> Part | None:
    """An object by its name; None where it is null: the file was not read as deep as that."""
    if not isinstance(raw, Mapping):
        raise ValueError("not an object of parts")
    found = raw[name]
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found


def objects(holder: JSON | Part, name: str) -> list[Part]:
    """A list of objects by its name; null for none."""
    taken: list[Part] = []
    for one in elements(holder, name):
        if not isinstance(one, dict):
            raise ValueError(f"{name} holds something that is not an object")
        taken.append(one)
    return taken


def elements(holder: JSON | Part, name: str) -> Sequence[JSON]:
    """A list by its name; null for none."""
    if not isinstance(holder, Mapping):
        raise ValueError(f"nothing that could hold {name}")
    found = holder[name]
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > MOST_ELEMENTS:
        raise ValueError(f"{name} is not a list")
    return found


def texts(holder: Part, name: str) -> tuple[str, ...]:
    return tuple(_text(one, name) for one in elements(holder, name))


def wholes(holder: Part, name: str) -> tuple[int, ...]:
    return tuple(_whole(one, name, -MOST_WHOLE) for one in elements(holder, name))


def text(holder: Part, name: str) -> str:
    return _text(holder[name], name)


def text_or_none(holder: Part, name: str) -> str | None:
    return None if holder[name] is None else text(holder, name)


def word(holder: Part, name: str, known: frozenset[str]) -> str:
    """A text that is one of the words known."""
    given = text(holder, name)
    if given not in known:
        raise ValueError(f"{name} {given[:40]!r} is none of {', '.join(sorted(known))}")
    return given


def whole(holder: Part, name: str, least: int = 0) -> int:
    return _whole(holder[name], name, least)


def whole_or_none(holder: Part, name: str, least: int = 0) -> int | None:
    return None if holder[name] is None else whole(holder, name, least)


def flag(holder: Part, name: str) -> bool:
    value = holder[name]
    if not isinstance(value, bool):
        raise ValueError(f"{name} is not a truth value")
    return value


def flag_or_none(holder: Part, name: str) -> bool | None:
    return None if holder[name] is None else flag(holder, name)


def instant_or_none(holder: Part, name: str) -> datetime | None:
    """A moment in ISO 8601, UTC where it has no zone."""
    given = text_or_none(holder, name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name} is out of time") from error


def depth(holder: Part, name: str = "depth") -> Depth:
    """How deep the file was looked into, one of DEPTHS."""
    given = text(holder, name)
    for known in DEPTHS:
        if given == known:
            return known
    raise ValueError(f"{name} {given[:40]!r} is none of {', '.join(DEPTHS)}")


def reaches(reached: Depth, wanted: Depth) -> bool:
    """Was a file looked into at least as deep as wanted?"""
    return DEPTHS.index(reached) >= DEPTHS.index(wanted)


def named(names: Sequence[str]) -> str:
    """Some names for a line of the report, the rest counted."""
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _text(value: JSON, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value[:MOST_CHARACTERS]


def _whole(value: JSON, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_WHOLE:
        raise ValueError(f"{name} is not a whole number from {least}")
    return value
