"""The visit that what comes by hand belongs to: the one under way, before one that the contract calls due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from checkup.api import Visit
from checkup.site import Site
from checkup.workflow.collecting import STAYS_OPEN
from checkup.workflow.visits import chosen_visit

if TYPE_CHECKING:
    from checkup.store import Store


def open_visit_or(wanted: str, site: Site, store: Store | None, now: datetime) -> Visit:
    """The visit named; with "auto" the one that is open in the store, else the one that is due.

    A late answer belongs to the visit whose other machines were examined last week, whether or not that
    visit is what the contract calls due today.
    """
    if wanted == "auto" and store is not None:
        open_ones = [
            visit
            for visit in store.visits(site.site.id)
            if visit.closed_at is None
            and visit.visit is not Visit.INTERIM
            and now - visit.opened_at < STAYS_OPEN
        ]
        if open_ones:
            return open_ones[-1].visit
    return chosen_visit(wanted, site, store, now)
