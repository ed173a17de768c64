"""What changed since the last comparable visit.

Every finding is compared with the newest earlier assessment in which the same probe really looked
at the same target; a partial run therefore neither resolves nor invents anything. Another method
(source) is not comparable. `Resolved` only when the same probe, on the same target, by the same
method, passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from checkup.api import Worse
from checkup.assessment import (
    Assessment,
    Comparison,
    ItemResult,
    Outcome,
    Priority,
    Resolved,
    Trend,
)

# A value has to move by this share of the old one before we say that it got worse or better.
NOTABLE = 0.05
_RANK = {Priority.P1: 0, Priority.P2: 1, Priority.P3: 2, Priority.NOTE: 3}


def compare(results: Sequence[ItemResult], earlier: Sequence[Assessment]) -> list[ItemResult]:
    """The results with the findings' trend; `earlier` is newest first."""
    history = [_Index(assessment) for assessment in earlier]
    return [_compared(result, history) if result.outcome is Outcome.FINDING else result for result in results]


def resolved(results: Sequence[ItemResult], earlier: Sequence[Assessment]) -> Iterator[Resolved]:
    """Findings of each check's last comparable visit that pass now."""
    passed = {r.key: r.source for r in results if r.outcome is Outcome.PASSED}
    seen: set[tuple[str, str]] = set()
    for before in (_Index(assessment) for assessment in earlier):
        for (probe, target, item), finding in before.findings.items():
            now = passed.get((probe, target, item), passed.get((probe, target, "")))
            if (probe, target) not in seen and now == finding.source and finding.ranking:
                yield Resolved(
                    probe=probe,
                    target=target,
                    item=item,
                    message=finding.message,
                    evidence=finding.evidence,
                    priority=finding.ranking.priority,
                )
        seen |= set(before.sources)


def comparison(earlier: Sequence[Assessment]) -> Comparison | None:
    if not earlier:
        return None
    last = earlier[0]
    return Comparison(visit=last.visit, at=last.clock, counts=last.counts)


class _Index:
    """One earlier assessment, by key."""

    def __init__(self, assessment: Assessment) -> None:
        self.findings = {r.key: r for r in assessment.findings}
        self.sources = {
            (r.probe, r.target): r.source
            for r in assessment.results
            if r.outcome in (Outcome.PASSED, Outcome.FINDING, Outcome.NOT_APPLICABLE)
        }


def _compared(result: ItemResult, history: Sequence[_Index]) -> ItemResult:
    if not history:
        return replace(result, trend=Trend.FIRST)
    check = (result.probe, result.target)
    comparable = [index for index in history if index.sources.get(check) == result.source]
    if not comparable:
        return replace(result, trend=Trend.NOT_COMPARABLE)
    before = comparable[0].findings.get(result.key)
    if before is None:
        seen = any(result.key in index.findings for index in comparable[1:])
        return replace(result, trend=Trend.REOPENED if seen else Trend.NEW)
    return replace(
        result,
        trend=_moved(before, result),
        visits_seen=before.visits_seen + 1,
        previous_value=before.value,
    )


def _moved(before: ItemResult, now: ItemResult) -> Trend:
    if before.ranking and now.ranking and before.ranking.priority is not now.ranking.priority:
        worse = _RANK[now.ranking.priority] < _RANK[before.ranking.priority]
        return Trend.WORSENED if worse else Trend.IMPROVED
    if before.value is None or now.value is None or before.value.kind != now.value.kind:
        return Trend.PERSISTS
    change = now.value.value - before.value.value
    if abs(change) <= NOTABLE * abs(before.value.value):
        return Trend.PERSISTS
    return Trend.WORSENED if (change > 0) is (now.worse is not Worse.LOWER) else Trend.IMPROVED
