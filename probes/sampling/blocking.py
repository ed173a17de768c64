"""Who waited for whom in a busy hour: the same question of each engine.

A sample sees who waits at its moment, and for how long already: what began and ended between two samples is
not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from checkup.api import (
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Text,
    Value,
    Visit,
    Worse,
)
from probes.sampling.intervals import watched
from probes.sampling.series import Series, too_short

F = TypeVar("F")

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One session that waits for another; `ahead` is who keeps it waiting, or who waits, as it is known."""

    seconds: float
    ahead: str


@dataclass(frozen=True, slots=True)
class BlockingLevels:
    longest_s: float = 30.0  # where users give up; our own experience
    share: float = 0.10  # of the samples in which somebody had waited, for at least
    felt_s: float = 5.0  # so long that a person notices; both our own experience
    least_minutes: float = 15.0  # shorter is no busy hour


def judge_blocking(
    series: Series[F], waiting: Callable[[F], Sequence[Waiting]], levels: BlockingLevels
) -> Iterator[Result]:
    if short := too_short(series, levels.least_minutes):
        yield short
        return
    found = [(sample.at, waiting(sample.facts)) for sample in series.samples]
    felt = [(at, those) for at, those in found if any(one.seconds >= levels.felt_s for one in those)]
    longest, longest_at = max(
        ((one.seconds, at) for at, those in found for one in those), default=(0.0, series.samples[0].at)
    )
    share = Ratio(len(felt) / len(found))
    evidence: dict[str, Value] = {
        **watched(series, ()),
        "longest": Duration(round(longest, 1)),
        "blocked": Number(len(felt)),
        "share": share,
        "most": Number(max(len(those) for _, those in found)),
    }
    yield Metric(name="longest", value=Duration(round(longest, 1)))
    yield Metric(name="share", value=share)
    if longest < levels.longest_s and share.value < levels.share:
        yield Passed(evidence=evidence)
        return
    ahead = sorted({one.ahead or "unknown" for _, those in felt for one in those})
    rest = f" and {len(ahead) - MOST_NAMED} more" if len(ahead) > MOST_NAMED else ""
    yield Finding(
        impact=Impact.LIMITED,
        message="blocked",
        evidence={
            **evidence,
            "at": Instant(longest_at),
            "ahead": Text((", ".join(ahead[:MOST_NAMED]) + rest) or "unknown"),
        },
        value=Duration(round(longest, 1)),
        worse=Worse.HIGHER,
    )


def blocking_probe(
    kind: str,
    check: Callable[..., Iterator[Result]],
    *,
    ahead: str,
    remedy: str,
    rights: str,
    references: tuple[str, ...],
) -> Probe[BlockingLevels]:
    """The probe of one engine; `ahead` is the sentence that names who was in the way."""
    return Probe(
        id=f"{kind}.busy-blocking",
        title="In a busy hour nobody waits long for another user",
        check=check,
        levels=BlockingLevels(),
        kind=kind,
        visits=frozenset({Visit.TUNE_UP}),
        messages={
            "blocked": "In {blocked} of {samples} samples somebody had waited for another user, up to "
            f"{{longest}} (at {{at}}) and {{most}} at once; {ahead}: {{ahead}}."
        },
        why="Whoever waits for another's lock sits before a screen that stands still.",
        remedy=remedy,
        verify="`checkup sample` at the same hour of another week, then a tune-up: nobody waits that long.",
        rights=rights,
        references=references,
    )
