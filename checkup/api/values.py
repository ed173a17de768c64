"""Typed values: a result carries no formatted text, so the report can format, translate and reword later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size or an amount of data; printed in the unit that fits."""

    value: int
    kind: Literal["bytes"] = "bytes"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of a whole; 0.25 is printed as 25 %."""

    value: float
    kind: Literal["ratio"] = "ratio"


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number; `unit` is what a reader sees after it ("per core", "errors/day")."""

    value: float
    unit: str = ""
    kind: Literal["number"] = "number"


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds."""

    value: float
    kind: Literal["duration"] = "duration"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, time zone included; printed in the site's own zone."""

    value: datetime
    kind: Literal["instant"] = "instant"

    def __post_init__(self) -> None:
        if self.value.tzinfo is None:
            raise ValueError("an Instant needs a time zone")


@dataclass(frozen=True, slots=True)
class Day:
    """A date, the same in every time zone: of a table, a contract, a maker's support."""

    value: date
    kind: Literal["day"] = "day"

    def __post_init__(self) -> None:
        if isinstance(self.value, datetime):
            raise ValueError("a moment is an Instant")


@dataclass(frozen=True, slots=True)
class Text:
    """A name or a word."""

    value: str
    kind: Literal["text"] = "text"


Value = Bytes | Ratio | Number | Duration | Instant | Day | Text
Measured = Bytes | Ratio | Number | Duration
