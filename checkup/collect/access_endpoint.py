"""An Access file as an endpoint: one reading, by its own way or from pages that its machine handed out."""

from __future__ import annotations

from collections.abc import Sequence

from checkup.api import AccessFile, ErrorClass
from checkup.collect.access_target import ReadFile, read_file, reading_text
from checkup.collect.endpoint_record import EndpointRecord
from checkup.collect.served_pages import HandedOut, handed_out_text, read_served
from checkup.transports.session import ConnectionFacts, TransportError


def look_into_file(record: EndpointRecord, facts: ConnectionFacts, handed_out: HandedOut | None) -> None:
    """One reading, as deep as the deepest section asks; the sections are cut from it."""
    asked = [
        (section, collector)
        for section in record.plan.sections
        if isinstance(collector := record.around.sections[section.name].collect.get("access"), AccessFile)
    ]
    if not asked:
        return
    try:
        made = _read(record, facts, handed_out, [collector for _, collector in asked])
    except TransportError as error:
        record.error = error
        return
    record.complete = True
    for section, collector in asked:
        found = made.cut(collector)
        record.keep(section, found.quality, raw=found.raw, reason=found.reason)


def _read(
    record: EndpointRecord,
    facts: ConnectionFacts,
    handed_out: HandedOut | None,
    collectors: Sequence[AccessFile],
) -> ReadFile:
    """Raises TransportError."""
    plan = record.plan
    if not plan.carrier:
        with record.ledger(reading_text(plan, collectors).encode("utf-8")) as count:
            made = read_file(record.around.open_file, plan, facts, collectors)
            count(made.bytes_read)
        return made
    facts.address = plan.carrier
    if handed_out is None:
        raise TransportError(
            ErrorClass.UNREACHABLE,
            f"its pages come with the answer of {plan.carrier}, which was not asked again: start a new run",
        )
    record.collected_at = handed_out.collected_at
    file = handed_out.file_of(plan)
    facts.reached = True
    with record.ledger(handed_out_text(plan, handed_out, file, collectors).encode("utf-8")) as count:
        count(len(file.pages) * file.page_bytes)
        return read_served(file, plan, collectors)
