"""Rows to records, and snapshots to rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.store.records import AssessmentRecord, DeliveryRecord, LedgerEntry, Owner, RunRecord, VisitRecord


def run_values(run: RunRecord) -> dict[str, Any]:
    return {
        "id": run.id,
        "site": run.site,
        "visit_id": run.visit_id,
        "visit": run.visit,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "state": run.state,
        "tool_version": run.tool_version,
        "site_json": run.site_json,
        "plan_json": run.plan_json,
        "station_json": run.station_json,
    }


def owner_values(owner: Owner) -> dict[str, Any]:
    return {"owner_host": owner.host, "owner_pid": owner.pid, "owner_started_at": owner.started_at}


def run_record(row: Row[Any]) -> RunRecord:
    return RunRecord(
        id=row.id,
        site=row.site,
        visit_id=row.visit_id,
        visit=row.visit,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=row.state,
        tool_version=row.tool_version,
        site_json=row.site_json,
        plan_json=row.plan_json,
        station_json=row.station_json,
        owner=owner_of(row),
    )


def owner_of(row: Row[Any]) -> Owner:
    return Owner(host=row.owner_host, pid=row.owner_pid, started_at=row.owner_started_at)


def ledger_values(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "run_id": entry.run,
        "endpoint": entry.endpoint,
        "transport": entry.transport,
        "at": entry.at,
        "sha256": entry.sha256,
        "sent_bytes": entry.sent_bytes,
        "returned_bytes": entry.returned_bytes,
        "ended_at": entry.ended_at,
        "outcome": entry.outcome,
    }


def ledger_entry(row: Row[Any]) -> LedgerEntry:
    return LedgerEntry(
        id=row.id,
        run=row.run_id,
        endpoint=row.endpoint,
        transport=row.transport,
        at=row.at,
        sha256=row.sha256,
        sent_bytes=row.sent_bytes,
        returned_bytes=row.returned_bytes,
        ended_at=row.ended_at,
        outcome=row.outcome,
    )


def endpoint_values(run_id: str, snapshot: EndpointSnapshot) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "endpoint": snapshot.endpoint,
        "started_at": snapshot.started_at,
        "finished_at": snapshot.finished_at,
        "complete": snapshot.complete,
        "error": snapshot.error,
        "noise_bytes": snapshot.noise_bytes,
        "details": {
            "targets": list(snapshot.targets),
            "connection": dict(snapshot.connection),
            "hello": dict(snapshot.hello),
            "noise": snapshot.noise,
            "reason": snapshot.reason,
        },
    }


def section_values(endpoint_snapshot_id: int, position: int, section: SectionSnapshot) -> dict[str, Any]:
    place = {"endpoint_snapshot_id": endpoint_snapshot_id, "position": position}
    return place | _section_values(section)


def sample_values(run_id: str, endpoint: str, section: SectionSnapshot) -> dict[str, Any]:
    return {"run_id": run_id, "endpoint": endpoint} | _section_values(section)


def _section_values(section: SectionSnapshot) -> dict[str, Any]:
    return {
        "target": section.target,
        "section": section.section,
        "version": section.version,
        "source": section.source,
        "quality": section.quality,
        "collected_at": section.collected_at,
        "raw": section.raw,
        "error": section.error,
        "reason": section.reason,
        "milliseconds": section.milliseconds,
        "payload_bytes": section.payload_bytes,
    }


def endpoint_snapshot(row: Row[Any], sections: Sequence[SectionSnapshot]) -> EndpointSnapshot:
    details = row.details
    return EndpointSnapshot(
        endpoint=row.endpoint,
        targets=tuple(details["targets"]),
        started_at=row.started_at,
        finished_at=row.finished_at,
        complete=row.complete,
        sections=tuple(sections),
        connection=details["connection"],
        hello=details["hello"],
        noise=details["noise"],
        noise_bytes=row.noise_bytes,
        error=row.error,
        reason=details["reason"],
    )


def section_snapshot(row: Row[Any]) -> SectionSnapshot:
    return SectionSnapshot(
        target=row.target,
        section=row.section,
        version=row.version,
        source=row.source,
        quality=row.quality,
        collected_at=row.collected_at,
        raw=row.raw,
        error=row.error,
        reason=row.reason,
        milliseconds=row.milliseconds,
        payload_bytes=row.payload_bytes,
    )


def visit_record(row: Row[Any]) -> VisitRecord:
    return VisitRecord(
        id=row.id, site=row.site, visit=row.visit, opened_at=row.opened_at, closed_at=row.closed_at
    )


def assessment_record(row: Row[Any]) -> AssessmentRecord:
    return AssessmentRecord(
        id=row.id,
        visit_id=row.visit_id,
        visit=row.visit,
        clock=row.clock,
        created_at=row.created_at,
        tool_version=row.tool_version,
        delivered=row.delivered,
    )


def delivery_record(row: Row[Any]) -> DeliveryRecord:
    return DeliveryRecord(
        assessment_id=row.assessment_id, at=row.at, folder=row.folder, sha256=row.sha256, how=row.how
    )
