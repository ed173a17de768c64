"""Runs a probe on a sample: the engine's own rules, on one recorded case."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Any

from checkup.analyse.judge import World, judge_site, judge_target
from checkup.api import Point, Scope
from checkup.assessment import ItemResult, Outcome
from checkup.catalogue import Catalogue, Entry, LevelsInForce
from checkup.snapshot import SectionSnapshot
from checkup.testing.samples import Sample, SampleError, SampleSection, differences, load


def run_sample(entry: Entry, catalogue: Catalogue, path: Path) -> list[str]:
    """The differences between what the probe says on this sample and what the sample expects."""
    sample = load(path)
    results = run(entry, catalogue, sample)
    unfilled = [text for one in results for text in _unfilled(entry, one)]
    return differences(sample.expect, results) + unfilled


def run(entry: Entry, catalogue: Catalogue, sample: Sample) -> Sequence[ItemResult]:
    """One check, closed as the engine closes it."""
    levels = _levels(entry, sample)
    world = World(
        catalogue=catalogue,
        targets={one.target.id: one.target for one in sample.targets},
        snapshots=_snapshots(sample.collected_at, {one.target.id: one.sections for one in sample.targets}),
        now=sample.now,
        history=_history(entry, sample),
        previous=_snapshots(
            sample.previous_at or sample.now, {one.target.id: one.previous for one in sample.targets}
        ),
        previous_at=sample.previous_at,
    )
    targets = [one.target for one in sample.targets]
    if entry.probe.scope is Scope.SITE:
        return judge_site(entry, targets, levels, world).results
    return judge_target(entry, targets[0], levels, world).results


def _levels(entry: Entry, sample: Sample) -> LevelsInForce:
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in sample.levels.items()}
    try:
        return LevelsInForce(dataclasses.replace(entry.probe.levels, **given), {})
    except TypeError as problem:
        raise SampleError(f"{sample.path}: levels: {problem}") from problem


def _snapshots(
    at: datetime, sections: Mapping[str, Mapping[str, SampleSection]]
) -> dict[tuple[str, str], SectionSnapshot]:
    return {
        (target, name): SectionSnapshot(
            target=target,
            section=name,
            version=one.version,
            source=one.source,
            quality=one.quality,
            collected_at=at,
            raw=one.raw,
            error=one.error,
            reason=one.reason,
        )
        for target, by_name in sections.items()
        for name, one in by_name.items()
    }


def _history(entry: Entry, sample: Sample) -> dict[tuple[str, str, str, str], Sequence[Point]]:
    return {
        (entry.probe.id, one.target.id, metric, item): points
        for one in sample.targets
        for metric, items in sample.history.items()
        for item, points in items.items()
    }


def _unfilled(entry: Entry, result: ItemResult) -> Iterator[str]:
    """Values that a message names and the evidence does not have."""
    if result.outcome is not Outcome.FINDING:
        return
    messages: Mapping[str, Any] = entry.probe.messages
    if result.message not in messages:
        yield f"finding for {result.item!r} names message {result.message!r}, which the probe does not have"
        return
    for _, name, _, _ in Formatter().parse(messages[result.message]):
        if name and name not in {"item", "target", *result.evidence}:
            yield f"message {result.message!r} needs {{{name}}}, which is not in the evidence"
