"""The store. Every method is one transaction, and may be called from any thread."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from checkup.api import Visit
from checkup.assessment import Assessment, from_json, to_json
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.store import rows, tables
from checkup.store.database import Database, insert_row, insert_unless_there
from checkup.store.errors import StoreError
from checkup.store.owner import is_gone, this_process
from checkup.store.records import (
    AssessmentRecord,
    DeliveryRecord,
    LedgerEntry,
    RunRecord,
    RunState,
    VisitRecord,
)
from checkup.store.redaction import redacted


class Store:
    """Runs, ledger, snapshots, visits and assessments. What a method has saved, survives a crash."""

    def __init__(self, place: str, *, redact: Callable[[str], str], now: Callable[[], datetime]) -> None:
        self._database = Database(place, redact)
        self._redact = redact
        self._now = now
        self.place = self._database.place

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- runs -----------------------------------------------------------------------------------

    def together(self, doing: str) -> AbstractContextManager[None]:
        """What this thread saves within the block is saved as one, or not at all."""
        return self._database.together(doing)

    def begin_run(self, run: RunRecord) -> None:
        """Record a run as executed by this process."""
        values = rows.run_values(redacted(run, self._redact)) | rows.owner_values(this_process())
        with self._database.write(f"begin run {run.id}") as connection:
            self._database.require(connection, tables.visit, run.visit_id)
            connection.execute(insert(tables.run).values(values))

    def resume_run(self, run_id: str) -> RunRecord:
        """Take over a run that was interrupted, or whose process is gone; returns it, now running."""
        table = tables.run
        with self._database.write(f"resume run {run_id}") as connection:
            row = self._database.row(connection, table, run_id, lock=True)
            if row.state is RunState.RUNNING and not is_gone(owner := rows.owner_of(row)):
                raise StoreError(
                    f"run {run_id} is still running on {owner.host} (process {owner.pid}); "
                    "wait, or end it there"
                )
            if row.state in (RunState.COMPLETE, RunState.FAILED):
                raise StoreError(f"run {run_id} is {row.state} and cannot be resumed; start a new run")
            connection.execute(
                update(table)
                .where(table.c.id == run_id)
                .values(state=RunState.RUNNING, finished_at=None, **rows.owner_values(this_process()))
            )
        return self.run(run_id)

    def finish_run(
        self, run_id: str, state: RunState, at: datetime, *, station: Mapping[str, str] | None = None
    ) -> None:
        """End a run as complete, interrupted or failed; complete and failed are final.

        `station` is what was seen of the engineer's own machine during the run.
        """
        table = tables.run
        open_states = (RunState.RUNNING, RunState.INTERRUPTED)
        with self._database.write(f"finish run {run_id}") as connection:
            row = self._database.row(connection, table, run_id, lock=True)
            if state is RunState.RUNNING or row.state not in open_states:
                raise StoreError(f"run {run_id} is {row.state} and cannot become {state}")
            values = {"state": state, "finished_at": at, "station_json": redacted(station, self._redact)}
            connection.execute(update(table).where(table.c.id == run_id).values(values))

    def mark_interrupted(self, site: str) -> list[str]:
        """Mark the site's runs whose process on this host is gone, and return their ids.

        Runs of other hosts are left alone: their processes cannot be seen from here.
        """
        table = tables.run
        running = select(table).where(table.c.site == site, table.c.state == RunState.RUNNING)
        gone = [row.id for row in self._database.all("read the runs", running) if is_gone(rows.owner_of(row))]
        if gone:
            with self._database.write("mark the interrupted runs") as connection:
                connection.execute(
                    update(table)
                    .where(table.c.id.in_(gone), table.c.state == RunState.RUNNING)
                    .values(state=RunState.INTERRUPTED)
                )
        return gone

    def run(self, run_id: str) -> RunRecord:
        with self._database.read(f"read run {run_id}") as connection:
            return rows.run_record(self._database.row(connection, tables.run, run_id))

    def runs(self, site: str | None = None) -> list[RunRecord]:
        """All runs, or those of one site; the newest first."""
        table = tables.run
        query = select(table).order_by(table.c.started_at.desc(), table.c.id.desc())
        if site is not None:
            query = query.where(table.c.site == site)
        return [rows.run_record(row) for row in self._database.all("read the runs", query)]

    # --- ledger ---------------------------------------------------------------------------------

    def ledger_begin(self, entry: LedgerEntry) -> int:
        """Record a command that is about to be sent; it is on the disk when this returns.

        Give the exact bytes as `script`. They are kept redacted: where that changed them, what
        `script` gives back no longer has the hash it is kept under.
        """
        if entry.script is None or hashlib.sha256(entry.script).hexdigest() != entry.sha256:
            raise StoreError(f"cannot write the ledger for {entry.endpoint}: the hash is not the script's")
        values = rows.ledger_values(redacted(entry, self._redact))
        text = redacted(entry.script, self._redact).decode("utf-8", "surrogateescape")
        with self._database.write(f"write the ledger for {entry.endpoint}") as connection:
            self._database.require(connection, tables.run, entry.run)
            insert_unless_there(connection, tables.script, {"sha256": entry.sha256, "text": text})
            return insert_row(connection, tables.ledger, values)

    def ledger_end(self, entry_id: int, *, returned_bytes: int, ended_at: datetime, outcome: str) -> None:
        """Fill in how a command ended; once only."""
        table = tables.ledger
        with self._database.write(f"end entry {entry_id} of the ledger") as connection:
            ended = connection.execute(
                update(table)
                .where(table.c.id == entry_id, table.c.ended_at.is_(None))
                .values(returned_bytes=returned_bytes, ended_at=ended_at, outcome=self._redact(outcome))
            )
            if ended.rowcount != 1:
                raise StoreError(
                    f"entry {entry_id} of the ledger ({self.place}) is unknown or has ended before"
                )

    def ledger(self, run_ids: Sequence[str]) -> list[LedgerEntry]:
        """What was sent in these runs, in the order it was sent; without the scripts."""
        query = select(tables.ledger).where(tables.ledger.c.run_id.in_(run_ids)).order_by(tables.ledger.c.id)
        return [rows.ledger_entry(row) for row in self._database.all("read the ledger", query)]

    def script(self, sha256: str) -> bytes:
        """The script that was sent, with secrets redacted."""
        table = tables.script
        with self._database.read(f"read script {sha256}") as connection:
            row = connection.execute(select(table.c.text).where(table.c.sha256 == sha256)).one_or_none()
        if row is None:
            raise StoreError(f"the store {self.place} has no script {sha256}")
        return str(row.text).encode("utf-8", "surrogateescape")

    # --- snapshots ------------------------------------------------------------------------------

    def save_endpoint(self, run_id: str, snapshot: EndpointSnapshot) -> None:
        """Save all that came from one endpoint, or nothing. An endpoint is saved once in a run."""
        snapshot = redacted(snapshot, self._redact)
        with self._database.write(f"save endpoint {snapshot.endpoint}") as connection:
            self._database.require(connection, tables.run, run_id)
            values = rows.endpoint_values(run_id, snapshot)
            try:
                number = insert_row(connection, tables.endpoint_snapshot, values)
            except IntegrityError:
                raise StoreError(
                    f"endpoint {snapshot.endpoint} is saved already in run {run_id} ({self.place}); "
                    "what was saved is kept, start a new run to examine it again"
                ) from None
            if snapshot.sections:
                connection.execute(
                    insert(tables.section_snapshot),
                    [
                        rows.section_values(number, at, section)
                        for at, section in enumerate(snapshot.sections)
                    ],
                )

    def finished_endpoints(self, run_id: str) -> set[str]:
        """The endpoints that are saved, reached or not."""
        table = tables.endpoint_snapshot
        query = select(table.c.endpoint).where(table.c.run_id == run_id)
        return {row.endpoint for row in self._database.all("read the snapshots", query)}

    def snapshots(self, run_ids: Sequence[str]) -> list[EndpointSnapshot]:
        """Everything saved in these runs, in the order it was saved."""
        endpoints, sections = tables.endpoint_snapshot, tables.section_snapshot
        wanted = endpoints.c.run_id.in_(run_ids)
        by_endpoint: defaultdict[int, list[SectionSnapshot]] = defaultdict(list)
        with self._database.read("read the snapshots") as connection:
            for row in connection.execute(
                select(sections)
                .join(endpoints)
                .where(wanted)
                .order_by(sections.c.endpoint_snapshot_id, sections.c.position)
            ):
                by_endpoint[row.endpoint_snapshot_id].append(rows.section_snapshot(row))
            found = connection.execute(select(endpoints).where(wanted).order_by(endpoints.c.id))
            return [rows.endpoint_snapshot(row, by_endpoint[row.id]) for row in found]

    # --- samples --------------------------------------------------------------------------------

    def save_sample(self, run_id: str, snapshot: EndpointSnapshot) -> None:
        """Save what one look at an endpoint brought, or nothing. A run takes many of each endpoint."""
        snapshot = redacted(snapshot, self._redact)
        with self._database.write(f"save a sample of {snapshot.endpoint}") as connection:
            self._database.require(connection, tables.run, run_id)
            if snapshot.sections:
                connection.execute(
                    insert(tables.sample),
                    [rows.sample_values(run_id, snapshot.endpoint, one) for one in snapshot.sections],
                )

    def samples(self, run_id: str) -> list[SectionSnapshot]:
        """Everything sampled in this run, the earliest first."""
        table = tables.sample
        query = select(table).where(table.c.run_id == run_id).order_by(table.c.id)
        return [rows.section_snapshot(row) for row in self._database.all("read the samples", query)]

    def sampling_runs(self, site: str) -> list[RunRecord]:
        """The site's runs that took samples; the newest first."""
        table = tables.run
        query = (
            select(table)
            .where(table.c.site == site, table.c.id.in_(select(tables.sample.c.run_id)))
            .order_by(table.c.started_at.desc(), table.c.id.desc())
        )
        return [rows.run_record(row) for row in self._database.all("read the sampling runs", query)]

    # --- identities -----------------------------------------------------------------------------

    def identity(self, site: str, endpoint: str) -> str | None:
        """The pinned identity of the endpoint's machine; None if none is pinned."""
        with self._database.read(f"read the identity of {endpoint}") as connection:
            return self._identity(connection, site, endpoint)

    def pin_identity(
        self, site: str, endpoint: str, identity: str, at: datetime, *, replace: bool = False
    ) -> None:
        """Pin the machine's identity. Another one that is pinned stays, unless it is to be replaced."""
        table = tables.identity
        identity = self._redact(identity)
        pin = {"site": site, "endpoint": endpoint, "identity": identity, "pinned_at": at}
        with self._database.write(f"pin the identity of {endpoint}") as connection:
            if insert_unless_there(connection, table, pin):
                return
            pinned = self._identity(connection, site, endpoint)
            if pinned == identity:
                return
            if not replace:
                raise StoreError(
                    f"endpoint {endpoint} of {site} is pinned to {pinned} ({self.place}), not to {identity}; "
                    "if the machine was replaced, pin it anew explicitly"
                )
            connection.execute(
                update(table)
                .where(table.c.site == site, table.c.endpoint == endpoint)
                .values(identity=identity, pinned_at=at)
            )

    def _identity(self, connection: Connection, site: str, endpoint: str) -> str | None:
        table = tables.identity
        return connection.scalar(
            select(table.c.identity).where(table.c.site == site, table.c.endpoint == endpoint)
        )

    # --- visits ---------------------------------------------------------------------------------

    def open_visit(
        self, site: str, visit: Visit, at: datetime, *, stays_open: timedelta | None = None
    ) -> int:
        """The site's open visit of that kind, or a new one; an interim visit is always new.

        One that was opened longer than `stays_open` ago and never delivered is not gone on with: it
        stays as it is, neither open nor closed.
        """
        table = tables.visit
        opened = {"site": site, "visit": visit, "opened_at": at}
        with self._database.write(f"open the {visit} visit of {site}") as connection:
            if visit is Visit.INTERIM:
                return insert_row(connection, table, opened)
            mine = (table.c.site == site, table.c.open_as == visit)
            if stays_open is not None:
                too_old = table.c.opened_at < at - stays_open
                connection.execute(update(table).where(*mine, too_old).values(open_as=None))
            query = select(table.c.id).where(*mine)
            if connection.scalar(query) is None:
                insert_unless_there(connection, table, {**opened, "open_as": visit})
            return connection.execute(query).scalar_one()

    def visit(self, visit_id: int) -> VisitRecord:
        with self._database.read(f"read visit {visit_id}") as connection:
            return rows.visit_record(self._database.row(connection, tables.visit, visit_id))

    def visits(self, site: str) -> list[VisitRecord]:
        """The site's visits, in the order they were opened."""
        table = tables.visit
        query = select(table).where(table.c.site == site).order_by(table.c.opened_at, table.c.id)
        return [rows.visit_record(row) for row in self._database.all("read the visits", query)]

    def close_visit(self, visit_id: int, at: datetime) -> None:
        """Close the visit. One that is closed stays closed at its first time."""
        table = tables.visit
        with self._database.write(f"close visit {visit_id}") as connection:
            self._database.require(connection, table, visit_id)
            connection.execute(
                update(table)
                .where(table.c.id == visit_id, table.c.closed_at.is_(None))
                .values(closed_at=at, open_as=None)
            )

    # --- assessments ----------------------------------------------------------------------------

    def save_assessment(self, visit_id: int, assessment: Assessment) -> int:
        """Add an assessment to its visit; none is ever replaced."""
        body = json.loads(to_json(redacted(assessment, self._redact)))
        with self._database.write(f"save the assessment of visit {visit_id}") as connection:
            visit = self._database.row(connection, tables.visit, visit_id)
            if (visit.site, visit.visit) != (assessment.site, assessment.visit):
                raise StoreError(
                    f"cannot save an assessment of {assessment.site} ({assessment.visit}) with visit "
                    f"{visit_id}, which is of {visit.site} ({visit.visit})"
                )
            values = {
                "visit_id": visit_id,
                "clock": assessment.clock,
                "created_at": self._now(),
                "tool_version": assessment.tool_version,
                "body": body,
            }
            return insert_row(connection, tables.assessment, values)

    def assessments(self, site: str) -> list[AssessmentRecord]:
        """The site's assessments without their bodies; the newest first."""
        table, visit, delivery = tables.assessment, tables.visit, tables.delivery
        delivered = (
            select(func.max(delivery.c.at)).where(delivery.c.assessment_id == table.c.id).scalar_subquery()
        )
        query = (
            select(
                table.c.id,
                table.c.visit_id,
                visit.c.visit,
                table.c.clock,
                table.c.created_at,
                table.c.tool_version,
                delivered.label("delivered"),
            )
            .join_from(table, visit)
            .where(visit.c.site == site)
            .order_by(table.c.id.desc())
        )
        return [rows.assessment_record(row) for row in self._database.all("read the assessments", query)]

    def assessment(self, assessment_id: int) -> Assessment:
        with self._database.read(f"read assessment {assessment_id}") as connection:
            body = self._database.row(connection, tables.assessment, assessment_id).body
        try:
            return from_json(json.dumps(body).encode())
        except ValueError:
            # The cause would quote the whole assessment.
            raise StoreError(
                f"cannot read assessment {assessment_id} ({self.place}): it is not of a form that this "
                "checkup knows; analyse the visit again"
            ) from None

    def record_delivery(self, assessment_id: int, at: datetime, folder: str, sha256: str, how: str) -> None:
        """Record that the report of this assessment was handed over; `sha256` is the file's."""
        values = {
            "assessment_id": assessment_id,
            "at": at,
            "folder": self._redact(folder),
            "sha256": sha256,
            "how": self._redact(how),
        }
        with self._database.write(f"record the delivery of assessment {assessment_id}") as connection:
            self._database.require(connection, tables.assessment, assessment_id)
            insert_row(connection, tables.delivery, values)

    def deliveries(self, assessment_id: int) -> list[DeliveryRecord]:
        """The deliveries of an assessment, in their order."""
        table = tables.delivery
        query = select(table).where(table.c.assessment_id == assessment_id).order_by(table.c.id)
        return [rows.delivery_record(row) for row in self._database.all("read the deliveries", query)]
