"""What happened between two samples: differences of counters, and which of them say nothing.

A counter that is smaller than before was set back: by a restart, or by somebody who cleared it. The interval
says nothing of it then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from checkup.api import Duration, Instant, Number, SqlServer, Value
from probes.sampling.series import Series

F = TypeVar("F")

# Two moments of one start, told by two looks, differ by less: some engines tell whole seconds of uptime.
SAME_START_S = 30.0

Counters = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Interval:
    """What was counted from `begun` on for `seconds`, by name. `restarted`: nothing can be said."""

    begun: datetime
    seconds: float
    counted: Mapping[str, tuple[float, ...]]
    restarted: bool = False


def intervals(
    series: Series[F],
    counters: Callable[[F], Counters],
    *,
    restarted: Callable[[F, F], bool] = lambda before, after: False,
    appear: bool = False,
) -> list[Interval]:
    """The intervals of a series, the earliest first.

    A name whose counters fell is left out of that interval, and so is one that was not there before; with
    `appear`, that one began at nothing, because the server leaves out what is next to nothing.
    """
    made: list[Interval] = []
    for before, after in pairwise(series.samples):
        seconds = (after.at - before.at).total_seconds()
        if seconds <= 0:
            continue
        if restarted(before.facts, after.facts):
            made.append(Interval(before.at, seconds, {}, restarted=True))
            continue
        made.append(
            Interval(before.at, seconds, _counted(counters(before.facts), counters(after.facts), appear))
        )
    return made


def _counted(before: Counters, after: Counters, appear: bool) -> dict[str, tuple[float, ...]]:
    counted: dict[str, tuple[float, ...]] = {}
    for name, values in after.items():
        earlier = before.get(name, (0.0,) * len(values) if appear else None)
        if earlier is None or any(now < then for now, then in zip(values, earlier, strict=True)):
            continue
        counted[name] = tuple(now - then for now, then in zip(values, earlier, strict=True))
    return counted


def another_start(before: SqlServer, after: SqlServer) -> bool:
    """Was the instance started anew between two looks?"""
    if before.started_at is None or after.started_at is None:
        return False
    return abs((after.started_at - before.started_at).total_seconds()) > SAME_START_S


def usable(found: Sequence[Interval]) -> list[Interval]:
    return [one for one in found if not one.restarted]


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest of a value over the intervals, where it was, and what it is nearly always below."""

    value: float
    at: datetime
    seconds: float
    p95: float


def peak(found: Sequence[Interval], of: Callable[[Interval], float | None]) -> Peak | None:
    """None where no interval has a value."""
    known = [(value, one) for one in found if (value := of(one)) is not None]
    if not known:
        return None
    value, one = max(known, key=lambda pair: pair[0])
    return Peak(value, one.begun, one.seconds, percentile([value for value, _ in known], 0.95))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def rate(name: str, part: int = 0) -> Callable[[Interval], float | None]:
    """Of one counter, a second."""

    def of(one: Interval) -> float | None:
        counted = one.counted.get(name)
        return None if counted is None else counted[part] / one.seconds

    return of


def mean(name: str, part: int, least: int) -> Callable[[Interval], float | None]:
    """Of a counter of requests and, after it, one of their seconds: seconds of one request. None where there
    were fewer than `least`."""

    def of(one: Interval) -> float | None:
        counted = one.counted.get(name)
        if counted is None or counted[part] < least:
            return None
        return counted[part + 1] / counted[part]

    return of


def names(found: Sequence[Interval]) -> Iterator[str]:
    yield from dict.fromkeys(name for one in found for name in one.counted)


def watched(series: Series[Any], found: Sequence[Interval]) -> dict[str, Value]:
    """How much was looked at, for the evidence."""
    shown: dict[str, Value] = {"samples": Number(len(series.samples)), "watched": Duration(series.seconds)}
    if series.samples:
        shown["since"] = Instant(series.samples[0].at)
    restarts = sum(one.restarted for one in found)
    if restarts:
        shown["restarts"] = Number(restarts)
    return shown
