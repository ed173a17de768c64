"""`checkup deliver`: the reviewed report, laid down with an e-mail draft. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from checkup.assessment import Assessment, Priority
from checkup.contract.visits import VISITS
from checkup.deliver.draft import DeliveryError, DeliveryHeader, Person
from checkup.deliver.folder import Delivered, deliver
from checkup.site import Site
from checkup.site.models import Contact
from checkup.workflow.assessing import VisitRuns, site_of, visit_runs
from checkup.workflow.check_up import latest_record
from checkup.workflow.reporting import report_input, write_report

if TYPE_CHECKING:
    from checkup.store import Store


def deliver_visit(store: Store, name: str, folder: Path, clock: Callable[[], datetime]) -> Delivered:
    """Make the delivery folder of a visit, record it, and close the visit.

    The report is made anew from the store, so what is delivered is what was recorded. Raises
    DeliveryError where there is no PDF to deliver.
    """
    of = visit_runs(store, name)
    record = latest_record(store, of)
    assessment = store.assessment(record.id)
    site = site_of(of.newest)
    with TemporaryDirectory() as scratch:
        written = write_report(report_input(store, of, assessment), Path(scratch), "report")
        if written.pdf is None:
            raise DeliveryError(f"there is no PDF to deliver: {written.problem}")
        delivered = deliver(
            written.pdf.read_bytes(),
            written.html.read_text(encoding="utf-8"),
            written.json.read_bytes(),
            _header(site, of, assessment, record.id),
            folder,
        )
    now = clock()
    store.record_delivery(record.id, now, str(delivered.folder), delivered.sha256, "folder")
    store.close_visit(of.visit_id, now)
    return delivered


def _header(site: Site, of: VisitRuns, assessment: Assessment, number: int) -> DeliveryHeader:
    contacts = site.contacts
    return DeliveryHeader(
        site_id=site.site.id,
        site_name=site.site.name,
        visit=of.visit,
        visit_title=VISITS[of.visit].title,
        date=site.day(assessment.clock),
        report_number=f"{site.site.id}-{number}",
        sender=_person(contacts.engineer) or Person(name=site.report.prepared_by or ""),
        to=tuple(filter(None, (_person(contacts.practice_manager),))),
        cc=tuple(filter(None, (_person(contacts.is_staff),))),
        findings={priority: assessment.counts[priority.value] for priority in Priority},
        planned=assessment.totals.planned,
        not_checked=assessment.totals.not_checked,
    )


def _person(contact: Contact | None) -> Person | None:
    if contact is None:
        return None
    return Person(name=contact.name or "", email=contact.email or "", phone=contact.phone or "")
