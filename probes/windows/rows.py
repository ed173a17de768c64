"""Reads rows of Windows' management classes, typed (over the batch) or as texts (over WS-Management).

Over WS-Management a number is its digits, a truth value `true` or `TRUE`, an array a list or, with one
element, a single text, and an empty property null. Whatever is none of that raises ValueError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from checkup.api import JSON

Row = Mapping[str, JSON]

MOST_ROWS = 100_000
MOST_ELEMENTS = 10_000
MOST_CHARACTERS = 2_000

# DMTF DSP0004, "datetime type": yyyymmddHHMMSS.ffffff+UUU, UUU being minutes from UTC; asterisks stand
# for what is not known.
_CIM = re.compile(r"([0-9]{14})\.([0-9]{6}|\*{6})([+-][0-9]{3}|[+-]\*{3})")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")
_NEVER = ("00000000", "16010101")  # the day that stands for "never": no date, or the first of a FILETIME


def rows(raw: JSON, name: str) -> list[Row]:
    """The rows of one class (or of one list in a fragment's output). KeyError where it was not there."""
    if not isinstance(raw, dict):
        raise ValueError("not an object of rows by class")
    found = raw[name]
    if found is None:
        raise KeyError(name)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or len(found) > MOST_ROWS:
        raise ValueError(f"{name} is not a list of rows")
    taken: list[Row] = []
    for row in found:
        if not isinstance(row, dict):
            raise ValueError(f"{name} holds something that is not a row")
        taken.append(row)
    return taken


def rows_or_none(raw: JSON, name: str) -> list[Row] | None:
    """The rows of one class; None where this Windows has no such class, or it was not asked."""
    if not isinstance(raw, dict):
        raise ValueError("not an object of rows by class")
    return None if raw.get(name) is None else rows(raw, name)


def first(raw: JSON, name: str) -> Row:
    """The first row of a class that every machine has one of. ValueError where there is none."""
    found = rows(raw, name)
    if not found:
        raise ValueError(f"{name} has no row")
    return found[0]


def number(value: JSON) -> int | None:
    """A whole number; null for a property without a value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**64:
        raise ValueError(f"not a whole number: {str(value)[:40]}")
    return value


def decimal(value: JSON) -> float | None:
    """A finite number; null for a property without a value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"not a number: {str(value)[:40]}")
    return float(value)


def flag(value: JSON) -> bool | None:
    """A truth value; null for a property without a value."""
    if value is None or isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word == "":
        return None
    if word not in ("true", "false"):
        raise ValueError(f"not a truth value: {str(value)[:40]}")
    return word == "true"


def text(value: JSON) -> str:
    """A text without outer blanks, cut at 2000 characters; "" for a property without a value."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"not a text: {str(value)[:40]}")
    return str(value)[:MOST_CHARACTERS].strip()


def texts(value: JSON) -> tuple[str, ...]:
    """The elements of an array; none for a property without a value."""
    if value is None:
        return ()
    elements = value if isinstance(value, list) else [value]
    if len(elements) > MOST_ELEMENTS:
        raise ValueError("an array of too many elements")
    return tuple(text(element) for element in elements)


def instant(value: JSON) -> datetime | None:
    """A moment, from CIM text or ISO 8601; null for none, and for the days that stand for "never"."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"not a date: {str(value)[:40]}")
    found = _CIM.fullmatch(value.strip())
    if found is None:
        return _iso(value.strip())
    digits, fraction, offset = found.groups()
    if digits.startswith(_NEVER):
        return None
    zone = UTC if "*" in offset else timezone(timedelta(minutes=int(offset)))
    moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=zone)
    return moment.replace(microsecond=0 if "*" in fraction else int(fraction))


def _iso(value: str) -> datetime | None:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"a date without a time zone: {value[:40]}")
    return None if moment.year <= 1601 else moment
