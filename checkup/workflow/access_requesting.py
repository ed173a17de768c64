"""`checkup access-request`: the papers for the client's IS staff. Contacts nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from checkup import __version__
from checkup.api import Visit
from checkup.contract.due import next_visit
from checkup.plan import Plan
from checkup.report.document import Document, WrittenDocument, write_document
from checkup.site import Site
from checkup.workflow.access_documents import accounts, request_parts
from checkup.workflow.access_needs import SiteNeeds, site_needs, visits
from checkup.workflow.assessing import NothingCollected, site_of
from checkup.workflow.bundle_instructions import contact_line
from checkup.workflow.bundling import start_of
from checkup.workflow.collecting import plan_of, plan_run
from checkup.workflow.prepare import Prepared, existing_store, prepare
from checkup.workflow.visit_notice import Sent, after_parts, how_to_stop, notice_parts
from checkup.workflow.visits import due_for

if TYPE_CHECKING:
    from checkup.store import RunRecord, Store


@dataclass(frozen=True, kw_only=True)
class PaperWish:
    """Which paper, and what only people know. `on`, `begins` and `ends` are at the site's own clock."""

    site_file: Path
    notice: bool = False
    after: str = ""
    on: date | None = None
    begins: time | None = None
    ends: time | None = None
    from_address: str = ""
    output: Path | None = None
    store: str | None = None


def write_paper(wish: PaperWish, now: datetime) -> WrittenDocument:
    """Write the paper that is wished for, as PDF and HTML.

    Raises NothingCollected for a run that the store does not have, OSError where it cannot be written.
    """
    prepared = prepare(wish.site_file, now)
    with existing_store(wish.store) as store:
        if wish.after:
            document, name = _after(wish, prepared, store, now)
        elif wish.notice:
            document, name = _notice(wish, prepared, store, now)
        else:
            document, name = _request(wish, prepared, store, now)
    return write_document(document, wish.output or Path("reports") / f"{prepared.site.site.id}_{name}.pdf")


def needs_of(prepared: Prepared, store: Store | None, now: datetime, *kinds: Visit) -> SiteNeeds:
    plans = [plan_run(prepared, store, visit, now) for visit in kinds or visits()]
    return site_needs(prepared.site, prepared.catalogue, plans)


# --- the request --------------------------------------------------------------------------------


def _request(wish: PaperWish, prepared: Prepared, store: Store | None, now: datetime) -> tuple[Document, str]:
    needs = needs_of(prepared, store, now)
    site = prepared.site
    document = replace(
        _paper(site, "Access request for the check-ups", now),
        lead=(
            "This is what the check-ups of your contract need to be allowed on your machines, and no more. "
            "It was computed from the checks that are planned for this site. Everything can be granted for "
            "the hours of a visit only, and everything says how it is taken back."
        ),
        facts=_facts(
            site, {"Accounts": ", ".join(accounts(needs.machines)), "Comes from": wish.from_address}
        ),
        parts=tuple(request_parts(needs, wish.from_address)),
    )
    return document, "access-request"


# --- before a visit -----------------------------------------------------------------------------


def _notice(wish: PaperWish, prepared: Prepared, store: Store | None, now: datetime) -> tuple[Document, str]:
    site = prepared.site
    coming = next_visit(due_for(site, store, now), Visit.INTERIM)
    visit = coming.visit if coming else Visit.INTERIM
    due = coming.due_on if coming and coming.due_on else site.day(now)
    day = wish.on or max(due, site.day(now))
    begins = datetime.combine(day, wish.begins or time(12), ZoneInfo(site.site.timezone))
    plan = plan_run(prepared, store, visit, start_of(begins))
    needs = site_needs(site, prepared.catalogue, [plan])
    seen = bool(store and store.runs(site.site.id))
    document = replace(
        _paper(site, f"Notice of a check-up on {day.day} {day:%B %Y}", now),
        lead=(
            "On this day your machines are read for the check-up of your contract. It only reads and changes "
            "nothing. Please tell whoever watches your alarms."
        ),
        facts=_facts(
            site,
            {
                "When": _when(day, wish, site),
                "From where": wish.from_address or "the address agreed with you",
                "Account": ", ".join(accounts(needs.machines)) or "none",
                "Visit": visit.value,
                "To stop it": how_to_stop(needs, contact_line(site)),
            },
        ),
        parts=tuple(notice_parts(needs, script_hashes(plan), wish.from_address, hashes_are_final=seen)),
    )
    return document, f"visit-notice_{day:%Y-%m-%d}"


def script_hashes(plan: Plan) -> dict[str, str]:
    """What the ledger will call each machine's script; without machines that are sent nothing."""
    return {
        endpoint.endpoint: hashlib.sha256(endpoint.script).hexdigest()
        for endpoint in plan.endpoints
        if endpoint.transport != "bundle" and endpoint.scripted
    }


def _when(day: date, wish: PaperWish, site: Site) -> str:
    hours = f", {wish.begins:%H:%M}" if wish.begins else ""
    hours += f" to {wish.ends:%H:%M}" if wish.ends else ""
    return f"{day:%A}, {day.day} {day:%B %Y}{hours} ({site.site.timezone})"


# --- after it -----------------------------------------------------------------------------------


def _after(wish: PaperWish, prepared: Prepared, store: Store | None, now: datetime) -> tuple[Document, str]:
    if store is None:
        raise NothingCollected(
            "there is no store yet, so there is no run; `checkup history` lists what there is"
        )
    run = store.run(wish.after)
    if run.site != prepared.site.site.id:
        raise NothingCollected(f"run {wish.after} is of site {run.site!r}, not of this site file")
    site = site_of(run)
    plan = plan_of(run)
    needs = site_needs(site, prepared.catalogue, [plan])
    by_hand = [one.endpoint for one in plan.endpoints if one.transport == "bundle"]
    sent = [
        Sent(
            host=entry.endpoint,
            began=_clock(entry.at, site),
            ended=_clock(entry.ended_at, site) if entry.ended_at else "?",
            sent_bytes=entry.sent_bytes,
            returned_bytes=entry.returned_bytes,
            sha256=entry.sha256,
            outcome=entry.outcome,
        )
        for entry in store.ledger([run.id])
    ]
    document = replace(
        _paper(site, "What the check-up did", now),
        lead=(
            "The check-up is over. This is what ran on your machines, from our ledger, and what you may take "
            "back. The report has every command in its annex."
        ),
        facts=_facts(site, {"Run": run.id, "When": _span(run, site), "Visit": run.visit.value}),
        parts=tuple(after_parts(needs, sent, by_hand)),
    )
    return document, f"after-visit_{run.id}"


def _span(run: RunRecord, site: Site) -> str:
    day = site.day(run.started_at)
    ended = f" to {_clock(run.finished_at, site)}" if run.finished_at else ", not ended"
    return f"{day.day} {day:%B %Y}, {_clock(run.started_at, site)}{ended} ({site.site.timezone})"


def _clock(moment: datetime, site: Site) -> str:
    return f"{moment.astimezone(ZoneInfo(site.site.timezone)):%H:%M:%S}"


# --- what all have ------------------------------------------------------------------------------


def _paper(site: Site, title: str, now: datetime) -> Document:
    day = site.day(now)
    return Document(
        title=title,
        site=site.site.name,
        dateline=f"{day.day} {day:%B %Y} · {site.report.confidentiality}",
        author=site.report.prepared_by or contact_line(site),
        tool=f"checkup {__version__}",
        created=now.astimezone(UTC),
        lead="",
    )


def _facts(site: Site, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    staff = site.contacts.is_staff
    reach = ", ".join(filter(None, (staff.name, staff.phone, staff.email))) if staff else ""
    facts = {"For": reach, **given}
    if "To stop it" not in given:
        facts["Questions to"] = contact_line(site)
    return tuple((label, text) for label, text in facts.items() if text)
