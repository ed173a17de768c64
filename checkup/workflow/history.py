"""What is in the store, for people: the runs, and the difference between two visits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from checkup.api import JSON
from checkup.assessment import Assessment, ItemResult, Trend

if TYPE_CHECKING:
    from checkup.store import Store


@dataclass(frozen=True, kw_only=True)
class PastRun:
    run_id: str
    site: str
    visit: str
    started_at: datetime
    state: str
    findings: dict[str, int]
    delivered: bool

    def line(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.findings.items() if count)
        delivered = ", delivered" if self.delivered else ""
        when = f"{self.started_at:%Y-%m-%d %H:%M} UTC"
        return f"{self.run_id}  {when}  {self.site}  {self.visit}  {self.state}{delivered}  {counts}".rstrip()

    def as_json(self) -> dict[str, JSON]:
        return {
            "run": self.run_id,
            "site": self.site,
            "visit": self.visit,
            "started_at": self.started_at.isoformat(),
            "state": self.state,
            "delivered": self.delivered,
            "findings": dict(self.findings),
        }


def past_runs(store: Store, site: str | None) -> list[PastRun]:
    """Every run, newest first, with the findings of its visit's newest assessment."""
    counts: dict[int, dict[str, int]] = {}
    delivered: set[int] = set()
    runs = store.runs(site)
    for name in dict.fromkeys(run.site for run in runs):
        for record in sorted(store.assessments(name), key=lambda r: (r.created_at, r.id)):
            counts[record.visit_id] = finding_counts(store.assessment(record.id))
            if record.delivered:
                delivered.add(record.visit_id)
    return [
        PastRun(
            run_id=run.id,
            site=run.site,
            visit=run.visit.value,
            started_at=run.started_at,
            state=str(run.state),
            findings=counts.get(run.visit_id, {}),
            delivered=run.visit_id in delivered,
        )
        for run in runs
    ]


def finding_counts(assessment: Assessment) -> dict[str, int]:
    """Findings by priority, waived ones apart."""
    return {**assessment.counts, "waived": len(assessment.findings) - len(assessment.open_findings)}


def changes(assessment: Assessment) -> Iterator[str]:
    """What changed since the visit it was compared with, a line each."""
    order = (
        Trend.NEW,
        Trend.REOPENED,
        Trend.WORSENED,
        Trend.IMPROVED,
        Trend.PERSISTS,
        Trend.NOT_COMPARABLE,
        Trend.FIRST,
    )
    for trend in order:
        for finding in assessment.findings:
            if finding.trend is trend:
                yield _line(trend.value, finding)
    for gone in assessment.resolved:
        yield f"{'resolved':18} {gone.priority.value:5} {_place(gone.target, gone.item)}  {gone.probe}"


def _line(state: str, finding: ItemResult) -> str:
    priority = finding.ranking.priority.value if finding.ranking else ""
    return f"{state:18} {priority:5} {_place(finding.target, finding.item)}  {finding.probe}"


def _place(target: str, item: str) -> str:
    return f"{target or 'the site'} {item}".strip()
