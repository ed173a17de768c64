"""One visit's assessment, from what its runs left in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from checkup import __version__
from checkup.analyse.assess import Evidence, assess
from checkup.api import Visit
from checkup.assessment import Assessment
from checkup.catalogue import Catalogue
from checkup.site import Site, from_public_json
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.workflow.collecting import plan_of
from checkup.workflow.sampled import series, with_series

if TYPE_CHECKING:
    from checkup.store import AssessmentRecord, RunRecord, Store


class NothingCollected(Exception):
    """There is no run to analyse; the message says what to type."""


@dataclass(frozen=True, kw_only=True)
class VisitRuns:
    """A visit with its runs, the newest first."""

    visit_id: int
    visit: Visit
    runs: Sequence[RunRecord]

    @property
    def newest(self) -> RunRecord:
        return self.runs[0]

    @property
    def run_ids(self) -> list[str]:
        return [run.id for run in self.runs]


def visit_runs(store: Store, name: str) -> VisitRuns:
    """The visit that `name` belongs to: a run's id, or a site's id for its newest run."""
    runs = store.runs()
    run = next((r for r in runs if name == r.id or (name == r.site and plan_of(r).checks)), None)
    if run is None:
        raise NothingCollected(
            f"the store has no run and no site {name!r}; `checkup history` lists what there is"
        )
    return VisitRuns(
        visit_id=run.visit_id, visit=run.visit, runs=[r for r in runs if r.visit_id == run.visit_id]
    )


def site_of(run: RunRecord) -> Site:
    """The site as it was resolved for the run."""
    return from_public_json(run.site_json)


def assess_visit(
    store: Store,
    of: VisitRuns,
    catalogue: Catalogue,
    *,
    clock: datetime | None = None,
    unwritten: Iterable[EndpointSnapshot] = (),
) -> Assessment:
    """Judge all that the visit's runs brought. `clock` defaults to the newest run's start;
    `unwritten` are snapshots that the store could not take."""
    run = of.newest
    site = site_of(run)
    endpoints = [*store.snapshots(of.run_ids), *unwritten]
    planned = [plan_of(r) for r in of.runs]
    checks = {(c.probe, c.target): c for plan in reversed(planned) for c in plan.checks}
    targets = {t.id: t for plan in reversed(planned) for t in plan.targets}
    earlier = earlier_assessments(store, of)
    sampled = any(
        section.source == "sampled" for plan in planned for one in plan.endpoints for section in one.sections
    )
    evidence = Evidence(
        site=site,
        visit=of.visit,
        clock=clock or run.started_at,
        checks=[checks[key] for key in sorted(checks)],
        targets=[targets[key] for key in targets],
        sections=with_series(
            _sections(endpoints), series(store, store.visit(of.visit_id), catalogue) if sampled else ()
        ),
        earlier=[store.assessment(record.id) for record in earlier],
        previous=_sections(store.snapshots(_runs_of(store, site.site.id, earlier[0]))) if earlier else (),
    )
    return assess(evidence, catalogue, __version__)


def earlier_assessments(store: Store, of: VisitRuns) -> list[AssessmentRecord]:
    """One assessment of every earlier visit: the delivered one, else the newest; newest visit first."""
    oldest_run = of.runs[-1]
    chosen: dict[int, AssessmentRecord] = {}
    for record in sorted(
        store.assessments(oldest_run.site), key=lambda r: (r.delivered is not None, r.created_at, r.id)
    ):
        if record.visit_id != of.visit_id and record.clock < oldest_run.started_at:
            chosen[record.visit_id] = record
    return sorted(chosen.values(), key=lambda record: record.clock, reverse=True)


def _runs_of(store: Store, site: str, record: AssessmentRecord) -> list[str]:
    return [run.id for run in store.runs(site) if run.visit_id == record.visit_id]


def _sections(endpoints: Iterable[EndpointSnapshot]) -> list[SectionSnapshot]:
    return [section for endpoint in endpoints for section in endpoint.sections]
