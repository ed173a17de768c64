"""A SQL instance as an endpoint: what its look brings goes into the record, section by section."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from checkup.api import ErrorClass, Quality, Sql
from checkup.clean import clean_line
from checkup.collect.endpoint_record import EndpointRecord, identity_check
from checkup.collect.sql_sessions import LedgerRow
from checkup.collect.surroundings import HOST_S
from checkup.plan import PlannedSection
from checkup.transports.session import ConnectionFacts, TransportError

if TYPE_CHECKING:
    from checkup.sql.engine import Instance


def look_into_instance(record: EndpointRecord, facts: ConnectionFacts) -> None:
    """Everything that is planned for the instance."""
    from checkup.collect.sql_target import SqlVisit
    from checkup.sql.engines import ENGINES

    engine = next(one for name, one in ENGINES.items() if name == record.plan.platform)
    planned: dict[str, PlannedSection] = {}
    collectors: dict[str, Sql] = {}
    for section in record.plan.sections:
        if section.left_out:
            record.keep(section, Quality.UNREACHABLE, reason=section.left_out, error=ErrorClass.OPTED_OUT)
            continue
        collector = record.around.sections[section.name].collect.get(engine.name)
        if section.source == engine.name and isinstance(collector, Sql):
            planned[section.name], collectors[section.name] = section, collector
    asked_at = record.around.clock()
    visit = SqlVisit(
        record.plan,
        engine,
        collectors,
        open=record.around.open_sql,
        facts=facts,
        ledger=lambda text: _ledger(record, text),
        greeted=lambda instance: _greeted(record, instance, engine.title, facts, asked_at),
    )
    record.around.watch.arm((record, "host"), HOST_S, visit.stop)
    try:
        for one in visit.run():
            record.keep(
                planned[one.name],
                one.quality,
                raw=one.raw,
                reason=one.reason,
                error=one.error,
                milliseconds=one.milliseconds,
                payload_bytes=one.size,
            )
        record.complete = True
    except TransportError as error:
        record.error = error
        if error.error is ErrorClass.IDENTITY:
            record.hello = {}
    finally:
        record.around.watch.disarm((record, "host"))


def _greeted(
    record: EndpointRecord, instance: Instance, title: str, facts: ConnectionFacts, asked_at: datetime
) -> None:
    product = {"mariadb": "MariaDB", "mysql": "MySQL"}.get(instance.edition, title)
    record.hello = {
        "platform": record.plan.platform,
        "kernel": clean_line(f"{product} {instance.version_text}"),
        "os_id": instance.edition,
        "user": clean_line(instance.login),
    }
    facts.identity = clean_line(instance.identity)
    pinned = record.around.pinned(record.plan.endpoint)
    # A server that tells more of itself since its last update is neither pinned nor compared.
    of_another_kind = pinned is not None and pinned.split(":")[0] != facts.identity.split(":")[0]
    facts.identity_check = "none" if of_another_kind else identity_check(facts.identity, pinned)
    if facts.identity_check == "mismatch":
        raise TransportError(
            ErrorClass.IDENTITY,
            f"another instance answers here: it says {facts.identity}, known is {pinned}; if it was "
            "really replaced, put its new `identity:` into the site file",
        )
    record.tell_time({"utc": f"{instance.asked_at.timestamp():.3f}"}, facts, asked_at)


@contextmanager
def _ledger(record: EndpointRecord, text: str) -> Generator[LedgerRow]:
    entry = record.around.sent(record.plan, text.encode("utf-8"))
    row = LedgerRow(outcome="interrupted")
    try:
        yield row
        row.outcome = LedgerRow().outcome
    finally:
        record.ended(entry, row.returned_bytes, row.outcome)
