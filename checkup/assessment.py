"""What the analysis made of the snapshots: results closed, ranked and compared. Pure data.

The store keeps an assessment as JSON; the report is made from nothing else but this, the site and
the run's own record. `to_json` and `from_json` are exact inverses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from checkup.api import ErrorClass, Impact, Measured, Target, Value, Visit, When, Worse

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Outcome(StrEnum):
    FINDING = "finding"
    NOT_CHECKED = "not checked"
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"


# The outcome of a planned check is the worst of its items, in this order.
WORST_FIRST = (Outcome.FINDING, Outcome.NOT_CHECKED, Outcome.PASSED, Outcome.NOT_APPLICABLE)


class Priority(StrEnum):
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    NOTE = "note"


class Trend(StrEnum):
    FIRST = "first measurement"
    NEW = "new"
    PERSISTS = "persists"
    WORSENED = "worsened"
    IMPROVED = "improved"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """A priority and how it came about (reference: the contract's four tests)."""

    priority: Priority
    predicted: bool = False
    needs_decision: bool = False
    function: str = ""
    workaround: str = ""
    because: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waived:
    reason: str
    approved_by: str
    until: date
    lapsed: bool = False
    outgrown: bool = False

    @property
    def in_force(self) -> bool:
        return not (self.lapsed or self.outgrown)


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemResult:
    """One result on one item. The identity is (probe, target, item) within the site."""

    probe: str
    target: str
    item: str
    outcome: Outcome
    collected_at: datetime | None = None
    source: str = ""
    evidence: Mapping[str, Value] = field(default_factory=dict[str, Value])
    # findings
    message: str = ""
    impact: Impact | None = None
    when: When | None = None
    function: str = ""
    value: Measured | None = None
    worse: Worse | None = None
    targets: tuple[str, ...] = ()  # at site scope: the machines that it is about
    ranking: Ranking | None = None
    waived: Waived | None = None
    trend: Trend | None = None
    visits_seen: int = 1
    previous_value: Measured | None = None
    # not checked, not applicable
    reason: str = ""
    error: ErrorClass | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.probe, self.target, self.item


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricPoint:
    probe: str
    target: str
    name: str
    item: str
    value: Measured
    collected_at: datetime
    limit: float | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.probe, self.target, self.name, self.item


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A comparison of machines for the report: by target, one text for each column."""

    probe: str
    name: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOutcome:
    """One planned check: a (probe, target) pair, or (probe, "") at site scope."""

    probe: str
    target: str
    outcome: Outcome
    waived: bool = False
    levels: Mapping[str, str] = field(default_factory=dict[str, str])  # those that differ from the defaults


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeText:
    """What the report prints about a probe, kept with the assessment so that a report can be
    rebuilt when the probe is no longer installed."""

    id: str
    title: str
    why: str
    remedy: str
    verify: str
    messages: Mapping[str, str]
    levels: Mapping[str, str]
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    linted: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """A finding of the last comparable visit that the same probe, by the same method, now passes."""

    probe: str
    target: str
    item: str
    message: str
    evidence: Mapping[str, Value]
    priority: Priority


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The visit that this one is compared with."""

    visit: Visit
    at: datetime
    counts: Mapping[str, int]  # findings by priority, without waived ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """planned = passed + findings + not_applicable + not_checked. Waived ones are in findings."""

    planned: int
    passed: int
    findings: int
    not_applicable: int
    not_checked: int
    waived: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    site: str
    visit: Visit
    clock: datetime
    tool_version: str
    targets: tuple[Target, ...]
    checks: tuple[CheckOutcome, ...]
    results: tuple[ItemResult, ...]
    metrics: tuple[MetricPoint, ...]
    tables: tuple[Table, ...] = ()
    resolved: tuple[Resolved, ...] = ()
    compared_with: Comparison | None = None
    unused_waivers: tuple[str, ...] = ()
    probes: Mapping[str, ProbeText] = field(default_factory=dict[str, ProbeText])

    @property
    def findings(self) -> tuple[ItemResult, ...]:
        return tuple(r for r in self.results if r.outcome is Outcome.FINDING)

    @property
    def open_findings(self) -> tuple[ItemResult, ...]:
        """Without those that a waiver in force accepts."""
        return tuple(f for f in self.findings if not (f.waived and f.waived.in_force))

    @property
    def counts(self) -> dict[str, int]:
        """Open findings by priority."""
        counts = {priority.value: 0 for priority in Priority}
        for finding in self.open_findings:
            if finding.ranking:
                counts[finding.ranking.priority.value] += 1
        return counts

    @property
    def not_checked(self) -> tuple[ItemResult, ...]:
        return tuple(r for r in self.results if r.outcome is Outcome.NOT_CHECKED)

    @property
    def totals(self) -> Totals:
        def count(outcome: Outcome) -> int:
            return sum(1 for check in self.checks if check.outcome is outcome)

        return Totals(
            planned=len(self.checks),
            passed=count(Outcome.PASSED),
            findings=count(Outcome.FINDING),
            not_applicable=count(Outcome.NOT_APPLICABLE),
            not_checked=count(Outcome.NOT_CHECKED),
            waived=sum(1 for check in self.checks if check.waived),
        )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a check from those of its items; a check without an item is not checked."""
    found = set(outcomes)
    return next((o for o in WORST_FIRST if o in found), Outcome.NOT_CHECKED)


@cache
def _adapter() -> TypeAdapter[Assessment]:
    from pydantic import TypeAdapter

    return TypeAdapter(Assessment)


def to_json(assessment: Assessment) -> bytes:
    return _adapter().dump_json(assessment)


def from_json(data: bytes) -> Assessment:
    return _adapter().validate_json(data)
