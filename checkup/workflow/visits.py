"""Which visit a run belongs to: asked for, or what the contract says is due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from checkup.api import Visit
from checkup.contract.business_days import business_calendar
from checkup.contract.due import ContractEvents, DueVisit, due_visits, visit_now, visit_to_run
from checkup.contract.visits import Package
from checkup.site import Site

if TYPE_CHECKING:
    from checkup.store import Store


def events_of(site: Site, store: Store | None, now: datetime) -> ContractEvents:
    """The contract's events: those of the site file, and the visits closed in the store."""
    delivered = [(Visit(event.visit), event.on) for event in site.contract.delivered]
    if store is not None:
        delivered += [
            (visit.visit, site.day(visit.closed_at))
            for visit in store.visits(site.site.id)
            if visit.closed_at is not None and visit.closed_at <= now and visit.visit is not Visit.INTERIM
        ]
    return ContractEvents(
        package=Package(site.contract.package),
        installed=site.contract.installed,
        onsite=tuple(site.contract.onsite),
        delivered=tuple(delivered),
    )


def due_for(site: Site, store: Store | None, now: datetime) -> tuple[DueVisit, ...]:
    info = site.site
    calendar = business_calendar(
        info.country, info.subdivision, observed=info.observed, closed_days=info.closed_days
    )
    return due_visits(events_of(site, store, now), calendar, site.day(now))


def chosen_visit(wanted: str, site: Site, store: Store | None, now: datetime) -> Visit:
    """The visit named, or with "auto" the one that is due; an interim run where none is."""
    if wanted != "auto":
        return Visit(wanted)
    return visit_now(due_for(site, store, now), site.day(now))


def unattended_visit(site: Site, store: Store, now: datetime) -> Visit | None:
    """What `run --due` starts tonight; None where nothing is due or the visit was collected already."""
    collected = [
        (run.visit, site.day(run.started_at))
        for run in store.runs(site.site.id)
        if run.state == "complete" and _brought_something(store, run.visit_id)
    ]
    return visit_to_run(due_for(site, store, now), site.day(now), collected)


def _brought_something(store: Store, visit_id: int) -> bool:
    """Whether any check of the visit was made; a night with the VPN down does not use the visit up."""
    visit = store.visit(visit_id)
    records = [record for record in store.assessments(visit.site) if record.visit_id == visit_id]
    return any(store.assessment(record.id).totals.passed for record in records[:1])
