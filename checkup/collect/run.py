"""Runs a plan: one thread an endpoint, each finished endpoint committed at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from checkup.api import ErrorClass, Quality
from checkup.catalogue import AnySection
from checkup.collect.endpoint import Open, Surroundings, examine
from checkup.collect.events import Emit, EndpointFinished, EndpointStarted
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, Plan
from checkup.snapshot import EndpointSnapshot
from checkup.store import StoreError
from checkup.transports.session import ConnectionFacts, Session, TransportError


class Recorder(Protocol):
    """Where a run is kept. Every call is committed when it returns; all are thread-safe."""

    def sent(self, plan: EndpointPlan, script: bytes) -> int: ...
    def returned(self, entry: int, returned_bytes: int, outcome: str) -> None: ...
    def save(self, snapshot: EndpointSnapshot) -> None: ...
    def identity(self, endpoint: str) -> str | None: ...
    def pin(self, endpoint: str, identity: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Collected:
    """`kept` endpoints are in the store; `lost` could not be written, for the reason in `failure`."""

    kept: tuple[str, ...]
    lost: tuple[EndpointSnapshot, ...] = ()
    failure: StoreError | None = None
    interrupted: bool = False


@dataclass
class _Running:
    """The open sessions, so that an interrupt can end them all."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sessions: set[Session] = field(default_factory=set[Session])
    stopped: bool = False

    def opening(self, open_session: Open) -> Open:
        def opened(plan: EndpointPlan, facts: ConnectionFacts) -> Session:
            if self.stopped:
                raise TransportError(ErrorClass.DROPPED, "the run was interrupted")
            session = open_session(plan, facts)
            with self.lock:
                self.sessions.add(session)
            return session

        return opened

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            for session in self.sessions:
                session.close()


def collect(
    plan: Plan,
    *,
    sections: Mapping[str, AnySection],
    open_session: Open,
    recorder: Recorder,
    clock: Callable[[], datetime],
    emit: Emit = lambda event: None,
    parallel: int = 64,
    skip: frozenset[str] = frozenset(),
) -> Collected:
    """Examine every endpoint of the plan but those in `skip` (already finished, on resume).

    Ctrl-C ends all sessions and returns what was kept; a store that cannot be written stops further
    endpoints and hands the unwritten snapshots back. Memory: one snapshot per running endpoint.
    """
    endpoints = [endpoint for endpoint in plan.endpoints if endpoint.endpoint not in skip]
    if not endpoints:
        return Collected(kept=())
    running = _Running()
    kept: list[str] = []
    lost: list[EndpointSnapshot] = []
    failure: StoreError | None = None
    interrupted = False

    with Watch() as watch:
        around = Surroundings(
            sections=sections,
            open=running.opening(open_session),
            clock=clock,
            watch=watch,
            emit=emit,
            pinned=recorder.identity,
            sent=recorder.sent,
            returned=recorder.returned,
        )
        with ThreadPoolExecutor(max_workers=min(parallel, len(endpoints))) as pool:
            jobs = {
                pool.submit(_one, endpoint, around, recorder, running): endpoint for endpoint in endpoints
            }
            try:
                for job in as_completed(jobs):
                    failure = _settle(job, kept, lost) or failure
                    if failure is not None:
                        running.stopped = True
            except KeyboardInterrupt:
                interrupted = True
                running.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                for job in jobs:
                    if job.done() and not job.cancelled():
                        _settle(job, kept, lost)
    return Collected(
        kept=tuple(dict.fromkeys(kept)), lost=tuple(lost), failure=failure, interrupted=interrupted
    )


class _Unwritten(Exception):
    def __init__(self, snapshot: EndpointSnapshot, cause: StoreError) -> None:
        super().__init__(str(cause))
        self.snapshot = snapshot
        self.cause = cause


def _settle(job: Future[str | None], kept: list[str], lost: list[EndpointSnapshot]) -> StoreError | None:
    try:
        endpoint = job.result()
    except _Unwritten as error:
        lost.append(error.snapshot)
        return error.cause
    except StoreError as error:  # the ledger could not be written, so nothing was sent
        return error
    if endpoint is not None:
        kept.append(endpoint)
    return None


def _one(plan: EndpointPlan, around: Surroundings, recorder: Recorder, running: _Running) -> str | None:
    """Examine and commit one endpoint; None if the run was interrupted before it finished."""
    around.emit(EndpointStarted(plan.endpoint, len(plan.sections)))
    started = around.clock()
    snapshot = examine(plan, around)
    if running.stopped and not snapshot.complete:
        return None
    identity = snapshot.connection.get("identity")
    try:
        recorder.save(snapshot)
        if snapshot.connection.get("identity_check") == "first" and isinstance(identity, str):
            recorder.pin(plan.endpoint, identity)
    except StoreError as error:
        raise _Unwritten(snapshot, error) from error
    around.emit(
        EndpointFinished(
            endpoint=plan.endpoint,
            sections=len(snapshot.sections),
            ok=sum(section.quality is Quality.OK for section in snapshot.sections),
            seconds=(around.clock() - started).total_seconds(),
            error=snapshot.error,
            reason=snapshot.reason,
            kept=True,
        )
    )
    return plan.endpoint
