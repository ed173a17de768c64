"""One endpoint: a machine, an Access file or a SQL instance, and what was planned for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.api import ErrorClass, Psutil, Quality
from checkup.collect.access_endpoint import look_into_file
from checkup.collect.endpoint_record import EndpointRecord, LedgerEnd
from checkup.collect.events import EndpointStarted
from checkup.collect.machine_endpoint import MachineVisit
from checkup.collect.served_pages import HandedOut
from checkup.collect.sql_endpoint import look_into_instance
from checkup.collect.surroundings import Surroundings
from checkup.plan import SQL_PLATFORMS, EndpointPlan
from checkup.snapshot import EndpointSnapshot
from checkup.transports.session import ConnectionFacts, TransportError


@dataclass(frozen=True)
class Examined:
    """What is kept of one endpoint, and how the commands ended that were sent to it."""

    snapshot: EndpointSnapshot
    ledger_ends: tuple[LedgerEnd, ...]


def examine(plan: EndpointPlan, around: Surroundings) -> Examined:
    """Everything planned for one endpoint. Never raises for anything the other side does."""
    return _examined(EndpointRecord(plan, around))


def examine_group(plans: Sequence[EndpointPlan], around: Surroundings) -> Iterator[Examined]:
    """A machine, then each of the files whose pages its answer brings: these are held until this ends, and
    nowhere else."""
    record = EndpointRecord(plans[0], around)
    machine = MachineVisit(record)
    yield _examined(record, machine)
    for file in plans[1:]:
        around.emit(EndpointStarted(file.endpoint, len(file.sections)))
        yield _examined(EndpointRecord(file, around), handed_out=machine.brought())


def _examined(
    record: EndpointRecord, machine: MachineVisit | None = None, handed_out: HandedOut | None = None
) -> Examined:
    try:
        snapshot = _look(record, machine or MachineVisit(record), handed_out)
    finally:
        error = record.error.error if record.error else None
        record.around.left(record.plan, bool(record.hello), error)
    return Examined(snapshot, tuple(record.ledger_ends))


def _look(record: EndpointRecord, machine: MachineVisit, handed_out: HandedOut | None) -> EndpointSnapshot:
    plan = record.plan
    started = record.around.clock()
    facts = ConnectionFacts(transport=plan.transport)
    if plan.opted_out:
        record.error = TransportError(ErrorClass.OPTED_OUT, plan.opted_out)
    else:
        _local_sections(record)
        if plan.platform == "access":
            look_into_file(record, facts, handed_out)
        elif plan.platform in SQL_PLATFORMS:
            look_into_instance(record, facts)
        else:
            facts = machine.run(facts)
    if record.error is not None:
        facts.error, facts.detail = record.error.error, record.error.detail
    _connection_sections(record, facts)
    _missing_sections(record)
    return record.snapshot(started, facts)


# --- sections that do not travel ----------------------------------------------------------------


def _local_sections(record: EndpointRecord) -> None:
    for planned in record.plan.sections:
        if planned.source != "local":
            continue
        collector = record.around.sections[planned.name].collect["local"]
        assert isinstance(collector, Psutil)
        try:
            record.keep(planned, Quality.OK, raw=collector.read())
        except PermissionError:
            reason = "the operating system refused"
            record.keep(planned, Quality.DENIED, reason=reason, error=ErrorClass.DENIED)
        except Exception as error:  # noqa: BLE001 - psutil's errors differ by platform; none may end the run
            denied = type(error).__name__ == "AccessDenied"
            quality = Quality.DENIED if denied else Quality.BAD_OUTPUT
            record.keep(planned, quality, reason=f"psutil: {type(error).__name__}")


def _connection_sections(record: EndpointRecord, facts: ConnectionFacts) -> None:
    for planned in record.plan.sections:
        if planned.source == "connection":
            record.keep(planned, Quality.OK, raw=dict(facts.as_json()))


def _missing_sections(record: EndpointRecord) -> None:
    """Whatever did not arrive is said to be missing, with the reason."""
    for planned in record.plan.sections:
        if record.has(planned):
            continue
        if not planned.source:
            reason = f"there is no collector for {record.plan.transport}, {record.plan.platform}"
            record.keep(planned, Quality.UNREACHABLE, reason=reason, error=ErrorClass.UNSUPPORTED)
        elif record.error is not None:
            record.keep(planned, Quality.UNREACHABLE, reason=record.error.detail, error=record.error.error)
        elif planned.left_out:
            reason = planned.left_out
            record.keep(planned, Quality.UNREACHABLE, reason=reason, error=ErrorClass.OPTED_OUT)
        else:
            record.keep(planned, Quality.UNREACHABLE, reason="the answer does not hold this section")
