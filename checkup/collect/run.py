"""Runs a plan: a thread for each endpoint, each finished endpoint committed at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from checkup.api import ErrorClass, Quality
from checkup.catalogue import AnySection
from checkup.collect.access_target import OpenFile, no_files
from checkup.collect.endpoint import Examined, Left, Open, Surroundings, examine
from checkup.collect.events import Emit, EndpointFinished, EndpointStarted
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, Plan
from checkup.snapshot import EndpointSnapshot
from checkup.store import StoreError
from checkup.transports.session import ConnectionFacts, Session, TransportError

# How long an interrupted run waits for sessions to end. One that is still being opened is left
# behind: its thread ends by its own deadline, and can neither send nor store anything any more.
PARTING_S = 3.0
POLL_S = 0.5


class Recorder(Protocol):
    """Where a run is kept. Every call is committed when it returns; all are thread-safe."""

    def sent(self, plan: EndpointPlan, script: bytes) -> int:
        """Enter a command into the ledger, before it is sent; returns the entry's number."""
        ...

    def save(self, examined: Examined) -> None:
        """Keep an endpoint's snapshot, the ends of its ledger entries, and its identity if it is new."""
        ...

    def cut_off(self, examined: Examined) -> None:
        """Keep the ends of the ledger entries of an endpoint that an interrupt cut off."""
        ...

    def identity(self, endpoint: str) -> str | None:
        """The machine that is known to answer as this endpoint."""
        ...


@dataclass(frozen=True, kw_only=True)
class Collected:
    """`kept` endpoints are in the store; `lost` could not be written, for the reason in `failure`."""

    kept: tuple[str, ...]
    lost: tuple[EndpointSnapshot, ...] = ()
    failure: StoreError | None = None
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """How one endpoint ended. `unwritten` is its snapshot where the store refused it."""

    kept: str = ""
    unwritten: EndpointSnapshot | None = None
    failure: StoreError | None = None
    fault: BaseException | None = None


@dataclass
class _Running:
    """The open sessions, so that an interrupt can end them all."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sessions: set[Session] = field(default_factory=set[Session])
    stopped: bool = False

    def opening(self, open_session: Open) -> Open:
        def opened(plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session:
            if self.stopped:
                raise _interrupted()
            session = open_session(plan, facts, fallback)
            with self.lock:
                self.sessions.add(session)
            if self.stopped:
                session.close()
                raise _interrupted()
            return session

        return opened

    def stop(self) -> None:
        self.stopped = True
        with self.lock:
            for session in self.sessions:
                session.close()


def _interrupted() -> TransportError:
    return TransportError(ErrorClass.DROPPED, "the run was interrupted")


def collect(
    plan: Plan,
    *,
    sections: Mapping[str, AnySection],
    open_session: Open,
    recorder: Recorder,
    clock: Callable[[], datetime],
    emit: Emit = lambda event: None,
    left: Left = lambda plan, answered, error: None,
    open_file: OpenFile = no_files,
    parallel: int = 64,
    skip: frozenset[str] = frozenset(),
) -> Collected:
    """Examine every endpoint of the plan but those in `skip` (already finished, on resume).

    Ctrl-C ends all sessions and returns what was kept; a store that cannot be written stops further
    endpoints and hands the unwritten snapshots back. Memory: one snapshot per running endpoint.
    """
    endpoints = [endpoint for endpoint in plan.endpoints if endpoint.endpoint not in skip]
    running = _Running()
    with Watch() as watch:
        around = Surroundings(
            sections=sections,
            open=running.opening(open_session),
            clock=clock,
            watch=watch,
            emit=emit,
            pinned=recorder.identity,
            sent=recorder.sent,
            left=left,
            open_file=open_file,
        )
        finished = _start(endpoints, parallel, lambda one: _examined(one, around, recorder, running))
        return _gathered(len(endpoints), finished, running)


def _start(
    endpoints: Iterable[EndpointPlan], parallel: int, examined: Callable[[EndpointPlan], _Finished]
) -> queue.SimpleQueue[_Finished]:
    """Daemon threads, so that an interrupted run does not wait for a connection that never comes."""
    waiting: queue.SimpleQueue[EndpointPlan] = queue.SimpleQueue()
    for endpoint in endpoints:
        waiting.put(endpoint)
    finished: queue.SimpleQueue[_Finished] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                endpoint = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                finished.put(examined(endpoint))
            except BaseException as fault:  # noqa: BLE001 - raised again where the run is gathered
                finished.put(_Finished(fault=fault))

    for _ in range(min(parallel, waiting.qsize())):
        threading.Thread(target=work, name="checkup-endpoint", daemon=True).start()
    return finished


def _gathered(expected: int, finished: queue.SimpleQueue[_Finished], running: _Running) -> Collected:
    ended: list[_Finished] = []
    interrupted_at: float | None = None
    while len(ended) < expected:
        if interrupted_at is not None and time.monotonic() - interrupted_at > PARTING_S:
            break
        try:
            one = finished.get(timeout=POLL_S)
        except queue.Empty:
            continue
        except KeyboardInterrupt:
            interrupted_at = interrupted_at or time.monotonic()
            running.stop()
            continue
        if one.fault is not None:
            running.stop()
            raise one.fault
        if one.failure is not None:
            running.stopped = True
        ended.append(one)
    return Collected(
        kept=tuple(one.kept for one in ended if one.kept),
        lost=tuple(one.unwritten for one in ended if one.unwritten is not None),
        failure=next((one.failure for one in ended if one.failure is not None), None),
        interrupted=interrupted_at is not None,
    )


def _examined(plan: EndpointPlan, around: Surroundings, recorder: Recorder, running: _Running) -> _Finished:
    """Examine and commit one endpoint; what an interrupt cut off is left for the next run."""
    if running.stopped:
        return _Finished()
    around.emit(EndpointStarted(plan.endpoint, len(plan.sections)))
    started = around.clock()
    try:
        examined = examine(plan, around)
    except StoreError as error:  # the ledger could not be written, so nothing was sent
        return _Finished(failure=error)
    snapshot = examined.snapshot
    try:
        if running.stopped and not snapshot.complete:
            recorder.cut_off(examined)
            return _Finished()
        recorder.save(examined)
    except StoreError as error:
        return _Finished(unwritten=snapshot, failure=error)
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
    return _Finished(kept=plan.endpoint)
