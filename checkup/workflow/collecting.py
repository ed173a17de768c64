"""One run: planned, collected, kept."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from checkup import __version__
from checkup import plan as plans
from checkup.api import Visit
from checkup.collect.endpoint import Examined
from checkup.collect.events import Emit
from checkup.collect.opening import Opening
from checkup.collect.run import Collected, collect
from checkup.collect.station import StationWatch
from checkup.plan import EndpointPlan, Plan
from checkup.planning import make_plan
from checkup.site import Site, public_json
from checkup.snapshot import EndpointSnapshot
from checkup.workflow.access_looks import seen_sizes
from checkup.workflow.prepare import Prepared

if TYPE_CHECKING:
    from checkup.store import RunRecord, RunState, Store

# Without an earlier visit, logs are read this far back.
FIRST_LOOK_BACK = timedelta(days=30)

# The runs of one visit lie within this time: late bundles, quiet and busy hours, a resumed run. A
# visit that was never delivered is not gone on with a half year later.
STAYS_OPEN = timedelta(days=60)


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    run_id: str
    collected: Collected


def plan_run(
    prepared: Prepared,
    store: Store | None,
    visit: Visit,
    now: datetime,
    *,
    only: Sequence[str] = (),
    hosts: Sequence[str] = (),
    deep: bool = False,
) -> Plan:
    """What would run where. Contacts nothing; reads from the store when each target was last seen."""
    since = _since(prepared.site, store, visit, now)
    return make_plan(
        prepared.site,
        prepared.catalogue,
        visit,
        now=now,
        since=since,
        only=only,
        hosts=hosts,
        posix=os.name == "posix",
        sizes=seen_sizes(prepared.site, store, now),
        deep=deep,
    )


def _since(site: Site, store: Store | None, visit: Visit, now: datetime) -> Mapping[str, datetime]:
    """When each target was last seen, leaving out the runs of the visit that this run belongs to."""
    seen: dict[str, datetime] = {}
    for run in store.runs(site.site.id) if store is not None else ():
        if not plan_of(run).checks:
            continue  # a self-test or a look round: nothing was judged since then
        same_visit = run.visit is visit and visit is not Visit.INTERIM and now - run.started_at < STAYS_OPEN
        if run.started_at < now and not same_visit and store is not None:
            for endpoint in store.finished_endpoints(run.id):
                seen.setdefault(endpoint, run.started_at)
    # By the day, so that a script written today has the bytes that are sent today.
    first = (now - FIRST_LOOK_BACK).replace(hour=0, minute=0, second=0, microsecond=0)
    return {target.id: seen.get(target.endpoint, first) for target in site.targets()}


def plan_of(run: RunRecord) -> Plan:
    """The plan as it was stored with the run."""
    return plans.from_json(json.dumps(run.plan_json).encode())


def start_run(
    prepared: Prepared,
    store: Store,
    plan: Plan,
    *,
    clock: Callable[[], datetime],
    emit: Emit,
    parallel: int = 64,
) -> RunOutcome:
    """Collect a plan as a new run of its visit."""
    run_id = begin_run(prepared, store, plan, clock())
    return _collect(prepared, store, plan, run_id, clock=clock, emit=emit, parallel=parallel)


def begin_run(prepared: Prepared, store: Store, plan: Plan, started: datetime) -> str:
    """Enter a run of this plan into the store, as executed by this process; returns its id."""
    from checkup.store import RunRecord

    site_id = prepared.site.site.id
    visit_id = store.open_visit(site_id, plan.visit, started, stays_open=STAYS_OPEN)
    run_id = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    store.begin_run(
        RunRecord(
            id=run_id,
            site=site_id,
            visit_id=visit_id,
            visit=plan.visit,
            started_at=started,
            tool_version=__version__,
            site_json=public_json(prepared.site),
            plan_json=json.loads(plans.to_json(plan)),
        )
    )
    return run_id


def resume_run(
    prepared: Prepared,
    store: Store,
    run: RunRecord,
    *,
    clock: Callable[[], datetime],
    emit: Emit,
    parallel: int,
) -> RunOutcome:
    """Go on with an interrupted run: the stored plan, without the endpoints that are finished."""
    run = store.resume_run(run.id)
    plan = plan_of(run)
    skip = frozenset(store.finished_endpoints(run.id))
    return _collect(prepared, store, plan, run.id, clock=clock, emit=emit, parallel=parallel, skip=skip)


def _collect(
    prepared: Prepared,
    store: Store,
    plan: Plan,
    run_id: str,
    *,
    clock: Callable[[], datetime],
    emit: Emit,
    parallel: int,
    skip: frozenset[str] = frozenset(),
) -> RunOutcome:
    from checkup.store import RunState

    state = RunState.FAILED
    station = StationWatch()
    try:
        with Opening(prepared.site, prepared.loaded.path.parent) as opening:
            collected = collect(
                plan,
                sections=prepared.catalogue.sections,
                open_session=opening.open,
                recorder=StoreRecorder(store, prepared.site, run_id, clock),
                clock=clock,
                emit=emit,
                left=opening.left,
                open_file=opening.open_file,
                open_sql=opening.open_sql,
                parallel=parallel,
                skip=skip,
            )
        ended = not collected.interrupted and collected.failure is None
        state = RunState.COMPLETE if ended else RunState.INTERRUPTED
    finally:
        finish_run(store, run_id, state, clock(), station)
    return RunOutcome(run_id=run_id, collected=collected)


def finish_run(store: Store, run_id: str, state: RunState, at: datetime, station: StationWatch) -> None:
    """End a run in the store, with what was seen of this machine meanwhile. Raises StoreError for one that
    is complete."""
    from checkup.store import StoreError

    facts = station.facts()
    try:
        store.finish_run(run_id, state, at, station=facts)
    except StoreError:
        # A store that could not take the run's last endpoint may not take its end either. Such a run
        # is found later, by its process being gone, and marked as interrupted.
        if state == "complete":
            raise


class StoreRecorder:
    """The store as collect's recorder."""

    def __init__(self, store: Store, site: Site, run_id: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._site = site.site.id
        self._pins = {one.id: one.identity for one in (*site.hosts, *site.sql) if one.identity}
        self._run_id = run_id
        self._clock = clock

    def sent(self, plan: EndpointPlan, script: bytes) -> int:
        from checkup.store import LedgerEntry

        return self._store.ledger_begin(
            LedgerEntry(
                run=self._run_id,
                endpoint=plan.endpoint,
                transport=plan.transport,
                at=self._clock(),
                sha256=hashlib.sha256(script).hexdigest(),
                script=script,
                sent_bytes=len(script),
            )
        )

    def save(self, *examined: Examined) -> None:
        names = ", ".join(one.snapshot.endpoint for one in examined)
        with self._store.together(f"save endpoint {names}"):
            for one in examined:
                self._save(one)

    def _save(self, examined: Examined) -> None:
        snapshot = examined.snapshot
        self.cut_off(examined)
        self._store.save_endpoint(self._run_id, snapshot)
        self._pin(snapshot)

    def save_sample(self, examined: Examined, *, first: bool) -> None:
        """Keep one sample of an endpoint; with the `first`, how the endpoint was reached."""
        snapshot = examined.snapshot
        with self._store.together(f"save a sample of {snapshot.endpoint}"):
            self.cut_off(examined)
            if first:
                self._store.save_endpoint(self._run_id, replace(snapshot, sections=()))
            self._store.save_sample(self._run_id, snapshot)
            self._pin(snapshot)

    def _pin(self, snapshot: EndpointSnapshot) -> None:
        identity = snapshot.connection.get("identity")
        if snapshot.connection.get("identity_check") == "first" and isinstance(identity, str):
            self._store.pin_identity(self._site, snapshot.endpoint, identity, self._clock())

    def cut_off(self, examined: Examined) -> None:
        for end in examined.ledger_ends:
            self._store.ledger_end(
                end.entry,
                returned_bytes=end.returned_bytes,
                ended_at=end.ended_at,
                outcome=end.outcome,
            )

    def identity(self, endpoint: str) -> str | None:
        return self._pins.get(endpoint) or self._store.identity(self._site, endpoint)
