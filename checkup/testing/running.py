"""Runs a probe on a sample: what the engine does with a run's snapshots, on one recorded case."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar, cast

from checkup.api import (
    ErrorClass,
    Finding,
    Forecast,
    Metric,
    NotApplicable,
    NotChecked,
    NotEnoughHistory,
    Passed,
    PerTarget,
    Point,
    Probe,
    Quality,
    Result,
    Scope,
    Section,
    Target,
)
from checkup.assessment import Outcome
from checkup.testing.samples import (
    SITE,
    Closed,
    Sample,
    SampleError,
    SampleSection,
    SampleTarget,
    differences,
    load,
)

F = TypeVar("F")
SectionsByType = Mapping[type[Any], Section[Any]]
NEEDED_POINTS = 3


def by_facts(sections: Sequence[Section[Any]]) -> SectionsByType:
    return {section.facts: section for section in sections}


def run_sample(probe: Probe[Any], sections: SectionsByType, path: Path) -> list[str]:
    """The differences between what the probe says on this sample and what the sample expects."""
    sample = load(path)
    results = run(probe, sections, sample)
    if not results:
        return [
            "the probe said nothing: yield at least one result, NotApplicable if there is nothing to judge"
        ]
    return differences(sample.expect, results) + [text for one in results for text in _unfilled(probe, one)]


def _unfilled(probe: Probe[Any], result: Closed) -> Iterator[str]:
    """Values that a message names and the evidence does not have."""
    if result.outcome is not Outcome.FINDING:
        return
    if result.message not in probe.messages:
        yield f"finding for {result.item!r} names message {result.message!r}, which the probe does not have"
        return
    for _, name, _, _ in Formatter().parse(probe.messages[result.message]):
        if name and name not in {"item", "target", *result.evidence}:
            yield f"message {result.message!r} needs {{{name}}}, which is not in the evidence"


# --- which facts a check asks for -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """One fact type; `name` is the field that takes it, or "" where the check takes it itself."""

    facts: type[Any]
    name: str = ""
    optional: bool = False


def needs(probe: Probe[Any], sections: SectionsByType) -> tuple[type[Any] | None, tuple[Need, ...]]:
    """The dataclass of several facts (or None) and the facts in it. Raises LookupError on an unknown type."""
    hints = typing.get_type_hints(probe.check)
    asked = next(iter(hints.values()))
    if typing.get_origin(asked) is PerTarget:
        (asked,) = typing.get_args(asked)
    if asked in sections:
        return None, (Need(asked),)
    if not dataclasses.is_dataclass(asked):
        raise LookupError(f"{probe.id}: no section yields {asked!r}")
    found = tuple(_need(name, hint) for name, hint in typing.get_type_hints(asked).items())
    for need in found:
        if need.facts not in sections:
            raise LookupError(f"{probe.id}: no section yields {need.facts.__name__}")
    return cast(type[Any], asked), found


def _need(name: str, hint: Any) -> Need:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (facts,) = (one for one in typing.get_args(hint) if one is not type(None))
        return Need(facts, name, optional=True)
    return Need(hint, name)


# --- the context of a sample ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SampleContext:
    target: Target
    now: datetime
    collected_at: datetime
    previous_at: datetime | None = None
    points: Mapping[str, Mapping[str, tuple[Point, ...]]] = field(default_factory=dict[str, Any])
    forecasts: Mapping[str, Forecast] = field(default_factory=dict[str, Forecast])
    earlier: Mapping[type[Any], Any] = field(default_factory=dict[type[Any], Any])

    def history(self, metric: str, item: str = "") -> Sequence[Point]:
        return self.points.get(metric, {}).get(item, ())

    def previous(self, facts: type[F]) -> F | None:
        return self.earlier.get(facts)

    def forecast(
        self, metric: str, current: float, limit: float, item: str = ""
    ) -> Forecast | NotEnoughHistory:
        given = self.forecasts.get(item)
        return given or NotEnoughHistory(len(self.history(metric, item)), NEEDED_POINTS)


# --- running ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """Facts of one target, or why there are none. `partial` facts carry no pass."""

    facts: Any = None
    quality: Quality = Quality.OK
    reason: str = ""
    error: ErrorClass | None = None
    partial: bool = False


def run(probe: Probe[Any], sections: SectionsByType, sample: Sample) -> list[Closed]:
    """Close one probe over one sample by the rules of the engine."""
    try:
        levels = dataclasses.replace(probe.levels, **sample.levels)
    except TypeError as problem:
        raise SampleError(f"{sample.path}: levels: {problem}") from problem
    read = {one.target.id: _read(probe, sections, one) for one in sample.targets}
    if probe.scope is Scope.SITE:
        return _run_site(probe, levels, sample, read)
    (one,) = sample.targets
    given = read[one.target.id]
    if given.facts is None:
        return [_closed(one.target.id, given)]
    context = _context(sample, one, sections)
    results = probe.check(given.facts, levels, context)
    return [_outcome(one.target.id, result, given) for result in _without_metrics(results)]


def _run_site(probe: Probe[Any], levels: Any, sample: Sample, read: Mapping[str, _Read]) -> list[Closed]:
    missing = [_closed(target, given) for target, given in read.items() if given.facts is None]
    facts = PerTarget({target: given.facts for target, given in read.items() if given.facts is not None})
    context = SampleContext(
        target=Target(id=SITE, kind="site"),
        now=sample.now,
        collected_at=sample.collected_at,
        points=sample.history,
    )
    whole = _Read(partial=any(one.outcome is Outcome.NOT_CHECKED for one in missing))
    results = _without_metrics(probe.check(facts, levels, context))
    return [_outcome(SITE, result, whole) for result in results] + missing


def _without_metrics(results: Iterator[Result]) -> Iterator[Finding | Passed | NotApplicable | NotChecked]:
    for result in results:
        if not isinstance(result, Metric):
            yield result


def _context(sample: Sample, one: SampleTarget, sections: SectionsByType) -> SampleContext:
    named = {section.name: section for section in sections.values()}
    earlier = {named[name].facts: _parse(named[name], raw) for name, raw in one.previous.items()}
    return SampleContext(
        target=one.target,
        now=sample.now,
        collected_at=sample.collected_at,
        previous_at=sample.previous_at,
        points=sample.history,
        forecasts=sample.forecasts,
        earlier=earlier,
    )


def _parse(section: Section[Any], given: SampleSection) -> Any:
    return section.parse(given.raw, given.source, given.version)


def _read(probe: Probe[Any], sections: SectionsByType, one: SampleTarget) -> _Read:
    bundle, asked = needs(probe, sections)
    facts: dict[str, Any] = {}
    partial = _Read()
    for need in asked:
        given = one.sections.get(sections[need.facts].name)
        read = _read_section(sections[need.facts], given)
        if read.facts is None and not need.optional:
            return read
        if read.partial and not need.optional:
            partial = read
        facts[need.name] = read.facts
    whole = bundle(**facts) if bundle else facts[""]
    return dataclasses.replace(partial, facts=whole)


def _read_section(section: Section[Any], given: SampleSection | None) -> _Read:
    if given is None:
        return _Read(quality=Quality.BAD_OUTPUT, reason="the section is missing", error=ErrorClass.BAD_OUTPUT)
    if given.quality not in (Quality.OK, Quality.PARTIAL):
        return _Read(quality=given.quality, reason=given.reason, error=given.error)
    try:
        facts = _parse(section, given)
    except (ValueError, LookupError, TypeError, ArithmeticError) as problem:
        return _Read(quality=Quality.BAD_OUTPUT, reason=str(problem), error=ErrorClass.BAD_OUTPUT)
    return _Read(facts, given.quality, given.reason, partial=given.quality is Quality.PARTIAL)


ERROR_OF = {
    Quality.DENIED: ErrorClass.DENIED,
    Quality.FILTERED: ErrorClass.DENIED,
    Quality.TIMEOUT: ErrorClass.TIMEOUT,
    Quality.BAD_OUTPUT: ErrorClass.BAD_OUTPUT,
    Quality.UNREACHABLE: ErrorClass.UNREACHABLE,
}


def _closed(target: str, given: _Read) -> Closed:
    if given.quality in (Quality.ABSENT, Quality.UNSUPPORTED):
        return Closed(outcome=Outcome.NOT_APPLICABLE, target=target, reason=given.reason)
    error = given.error or ERROR_OF[given.quality]
    return Closed(outcome=Outcome.NOT_CHECKED, target=target, reason=given.reason, error=error)


def _outcome(target: str, result: Finding | Passed | NotApplicable | NotChecked, given: _Read) -> Closed:
    match result:
        case Finding():
            return Closed(
                outcome=Outcome.FINDING,
                item=result.item,
                target=target,
                message=result.message,
                impact=result.impact,
                when=result.when,
                function=result.function,
                evidence=result.evidence,
            )
        case Passed():
            outcome = Outcome.NOT_CHECKED if given.partial else Outcome.PASSED
            reason = given.reason if given.partial else ""
            return Closed(
                outcome=outcome, item=result.item, target=target, evidence=result.evidence, reason=reason
            )
        case NotApplicable():
            return Closed(
                outcome=Outcome.NOT_APPLICABLE, item=result.item, target=target, reason=result.reason
            )
        case NotChecked():
            return Closed(
                outcome=Outcome.NOT_CHECKED,
                item=result.item,
                target=target,
                reason=result.reason,
                error=result.error,
            )
