"""A series of samples of one section, as `checkup sample` took them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from checkup.api import JSON, NotChecked, Sampled, Section

F = TypeVar("F")
S = TypeVar("S", bound="Series[Any]")

MOST_SAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Sample(Generic[F]):
    at: datetime
    facts: F


@dataclass(frozen=True, kw_only=True)
class Series(Generic[F]):
    """Facts at several moments, the earliest first; `missed` samples brought nothing. A section's own facts
    are a subclass without further fields."""

    samples: tuple[Sample[F], ...]
    missed: int = field(default=0)

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return (self.samples[-1].at - self.samples[0].at).total_seconds() if self.samples else 0.0


def series_of(section: Section[F], facts: type[S]) -> Section[S]:
    """The section that holds the samples of another; `facts` is its subclass of Series."""

    def parse(raw: JSON, source: str, version: int) -> S:
        if not isinstance(raw, dict):
            raise ValueError("not an object of samples")
        given, missed = raw["samples"], raw.get("missed", 0)
        if not isinstance(given, list) or len(given) > MOST_SAMPLES or not isinstance(missed, int):
            raise ValueError("not a list of samples")
        samples = sorted((_sample(section, one) for one in given), key=lambda one: one.at)
        return facts(samples=tuple(samples), missed=missed)

    return Section(
        name=f"{section.name}-sampled",
        facts=facts,
        collect={"sampled": Sampled(section.name)},
        parse=parse,
        privacy=section.privacy,
    )


def _sample(section: Section[F], given: JSON) -> Sample[F]:
    if not isinstance(given, dict):
        raise ValueError("a sample that is not an object")
    at, source, version = given["at"], given["source"], given["version"]
    if not isinstance(at, str) or not isinstance(source, str) or not isinstance(version, int):
        raise ValueError("a sample that does not say when and by what it was taken")
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    parse: Callable[[JSON, str, int], F] = section.parse
    return Sample(moment, parse(given["raw"], source, version))


LEAST_SAMPLES = 3


def too_short(series: Series[Any], least_minutes: float) -> NotChecked | None:
    """What to say of a series that is no busy hour."""
    minutes = series.seconds / 60
    if len(series.samples) >= LEAST_SAMPLES and minutes >= least_minutes:
        return None
    return NotChecked(
        reason=f"{len(series.samples)} samples over {minutes:.0f} minutes say too little; at least "
        f"{least_minutes:g} minutes are needed (`checkup sample SITE.YAML --for 2h`)"
    )
