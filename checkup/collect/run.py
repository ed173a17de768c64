"""Runs a plan: a thread for each endpoint, each finished endpoint committed at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from checkup.api import ErrorClass, Quality
from checkup.catalogue import AnySection
from checkup.collect.access_target import OpenFile, no_files
from checkup.collect.closing import close_together
from checkup.collect.endpoint import Examined, examine_group
from checkup.collect.events import Emit, EndpointFinished, EndpointStarted
from checkup.collect.sql_sessions import OpenSql, SqlSession, no_sql
from checkup.collect.surroundings import Left, Open, Surroundings
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, Plan
from checkup.snapshot import EndpointSnapshot
from checkup.store import StoreError
from checkup.transports.session import ConnectionFacts, Session, Told, TransportError, untold

# How long an interrupted run waits for sessions to end. One that is still being opened is left
# behind: its thread ends by its own deadline, and can neither send nor store anything any more.
PARTING_S = 3.0
POLL_S = 0.5


class Recorder(Protocol):
    """Where a run is kept. Every call is committed when it returns; all are thread-safe."""

    def sent(self, plan: EndpointPlan, script: bytes) -> int:
        """Enter a command into the ledger, before it is sent; returns the entry's number."""
        ...

    def save(self, *examined: Examined) -> None:
        """Keep an endpoint's snapshot, the ends of its ledger entries, and its identity if it is new; of
        several endpoints all or nothing."""
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
    """How a machine ended, with the files that its answer brings. `unwritten` are snapshots that the store
    refused."""

    kept: tuple[str, ...] = ()
    unwritten: tuple[EndpointSnapshot, ...] = ()
    failure: StoreError | None = None
    fault: BaseException | None = None


@dataclass
class _Running:
    """The open sessions, so that an interrupt can end them all."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sessions: set[Session | SqlSession] = field(default_factory=set["Session | SqlSession"])
    stopped: bool = False

    def opening(self, open_session: Open) -> Open:
        def opened(plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session:
            if self.stopped:
                raise _interrupted()
            session = open_session(plan, facts, fallback)
            self._opened(session)
            return session

        return opened

    def opening_sql(self, open_sql: OpenSql) -> OpenSql:
        def opened(
            plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
        ) -> SqlSession:
            if self.stopped:
                raise _interrupted()
            session = open_sql(plan, facts, database, told=told)
            self._opened(session)
            return session

        return opened

    def _opened(self, session: Session | SqlSession) -> None:
        with self.lock:
            self.sessions.add(session)
        if self.stopped:
            session.close()
            raise _interrupted()

    def stop(self) -> None:
        self.stopped = True
        with self.lock:
            sessions = list(self.sessions)
        close_together(session.close for session in sessions)


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
    open_sql: OpenSql = no_sql,
    parallel: int = 64,
    skip: frozenset[str] = frozenset(),
) -> Collected:
    """Examine every endpoint of the plan but those in `skip` (already finished, on resume).

    Ctrl-C ends all sessions and returns what was kept; a store that cannot be written stops further
    endpoints and hands the unwritten snapshots back. Memory: one snapshot per running endpoint.
    """
    groups = _groups([endpoint for endpoint in plan.endpoints if endpoint.endpoint not in skip])
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
            open_sql=running.opening_sql(open_sql),
        )
        finished = _start(groups, parallel, lambda one: _examined(one, around, recorder, running))
        return _gathered(len(groups), finished, running)


Group = Sequence[EndpointPlan]


def _groups(endpoints: Sequence[EndpointPlan]) -> list[Group]:
    """Each machine with the files whose pages its answer brings: they are saved together, because the pages
    are gone afterwards."""
    here = {endpoint.endpoint for endpoint in endpoints}
    carried: dict[str, list[EndpointPlan]] = {}
    for endpoint in endpoints:
        if endpoint.carrier in here:
            carried.setdefault(endpoint.carrier, []).append(endpoint)
    return [
        (endpoint, *carried.get(endpoint.endpoint, ()))
        for endpoint in endpoints
        if endpoint.carrier not in here
    ]


def _start(
    groups: Iterable[Group], parallel: int, examined: Callable[[Group], _Finished]
) -> queue.SimpleQueue[_Finished]:
    """Daemon threads, so that an interrupted run does not wait for a connection that never comes."""
    waiting: queue.SimpleQueue[Group] = queue.SimpleQueue()
    for group in groups:
        waiting.put(group)
    finished: queue.SimpleQueue[_Finished] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                group = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                finished.put(examined(group))
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
        kept=tuple(name for one in ended for name in one.kept),
        lost=tuple(snapshot for one in ended for snapshot in one.unwritten),
        failure=next((one.failure for one in ended if one.failure is not None), None),
        interrupted=interrupted_at is not None,
    )


def _examined(group: Group, around: Surroundings, recorder: Recorder, running: _Running) -> _Finished:
    """Examine and commit a machine and its files; what an interrupt cut off is left for the next run."""
    if running.stopped:
        return _Finished()
    around.emit(EndpointStarted(group[0].endpoint, len(group[0].sections)))
    started = around.clock()
    made: list[Examined] = []
    try:
        for one in examine_group(group, around):
            made.append(one)
    except StoreError as error:  # the ledger could not be written, so nothing more was sent
        return _Finished(unwritten=_snapshots(made), failure=error)
    try:
        if running.stopped and not made[0].snapshot.complete:
            for one in made:
                recorder.cut_off(one)
            return _Finished()
        recorder.save(*made)
    except StoreError as error:
        return _Finished(unwritten=_snapshots(made), failure=error)
    for one in made:
        around.emit(_ended(one.snapshot, (around.clock() - started).total_seconds()))
    return _Finished(kept=tuple(one.snapshot.endpoint for one in made))


def _snapshots(made: Iterable[Examined]) -> tuple[EndpointSnapshot, ...]:
    return tuple(one.snapshot for one in made)


def _ended(snapshot: EndpointSnapshot, seconds: float) -> EndpointFinished:
    return EndpointFinished(
        endpoint=snapshot.endpoint,
        sections=len(snapshot.sections),
        ok=sum(section.quality is Quality.OK for section in snapshot.sections),
        seconds=seconds,
        error=snapshot.error,
        reason=snapshot.reason,
        kept=True,
    )
