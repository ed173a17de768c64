"""Takes the same few sections again and again, at even intervals, over connections that stay open.

Each endpoint has a thread of its own, so that one that hangs misses its own samples and nobody else's. A
connection that breaks is made anew at the next sample; what the guard of the logins refused once is not
offered again.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from checkup.api import JSON, ErrorClass, Quality, WmiQuery
from checkup.collect.closing import close_together
from checkup.collect.endpoint import Examined, examine
from checkup.collect.machine_endpoint import NO_SHELL
from checkup.collect.sql_sessions import OpenSql, SqlSession
from checkup.collect.surroundings import Open, Surroundings
from checkup.plan import EndpointPlan
from checkup.store import StoreError
from checkup.transports.session import (
    ConnectionFacts,
    QuerySession,
    Session,
    Told,
    TransportError,
    untold,
)

if TYPE_CHECKING:
    from checkup.transports.odbc.session import ResultSet

# How long an interrupted run waits for the samples under way to end; see collect/run.py.
PARTING_S = 3.0
POLL_S = 0.5


# --- connections that stay open -----------------------------------------------------------------


@dataclass(eq=False)
class _Kept(ABC):
    """A connection that its user may close without ending it. One that broke is ended."""

    facts: ConnectionFacts
    broken: bool = False

    @abstractmethod
    def end(self) -> None: ...

    def close(self) -> None:
        if self.broken:
            self.end()


@dataclass(eq=False)
class _KeptSql(_Kept):
    session: SqlSession = field(kw_only=True)

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]:
        try:
            return self.session.run(text, timeout_s=timeout_s, most_rows=most_rows)
        except TransportError:
            self.broken = True
            raise

    def enter(self, database: str) -> None:
        self.broken = True  # until the session is where it was told to go
        self.session.enter(database)
        self.broken = False

    def end(self) -> None:
        self.broken = True
        self.session.close()


@dataclass(eq=False)
class _KeptShell(_Kept):
    """Of a machine. `close` in the middle of a batch is meant: it is how a batch that hangs is ended."""

    session: Session = field(kw_only=True)
    asking: bool = False

    def stream(self, script: bytes) -> Iterator[bytes]:
        self.asking = True
        try:
            yield from self.session.stream(script)
        except TransportError as error:
            # Without a shell for us the connection still answers queries.
            self.broken = error.error not in NO_SHELL
            raise
        finally:
            self.asking = False

    def interrupt(self) -> None:
        self.session.interrupt()

    def close(self) -> None:
        if self.broken or self.asking:
            self.end()

    def end(self) -> None:
        self.broken = True
        self.session.close()


@dataclass(eq=False)
class _KeptQueries(_KeptShell):
    """Of a machine that also answers queries without a shell."""

    queries: QuerySession = field(kw_only=True)

    def query(self, query: WmiQuery, timeout_s: float) -> list[dict[str, JSON]]:
        try:
            return self.queries.query(query, timeout_s)
        except TransportError as error:
            # The class is not there, or not for this account: that says nothing about the connection.
            self.broken = error.error not in (ErrorClass.UNSUPPORTED, ErrorClass.DENIED)
            raise


class KeptConnections:
    """Opens each connection once, and hands it out until it breaks. One user at a time for each endpoint."""

    def __init__(self, open_session: Open, open_sql: OpenSql) -> None:
        self._open_session = open_session
        self._open_sql = open_sql
        self._lock = threading.Lock()
        self._sql: dict[str, _KeptSql] = {}
        self._shells: dict[tuple[str, bool], _KeptShell] = {}
        self._ended = False

    def open_sql(
        self, plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
    ) -> SqlSession:
        kept = self._sql.get(plan.endpoint)
        if kept is None or kept.broken:
            session = self._open_sql(plan, facts, database, told=told)
            kept = _KeptSql(replace(facts), session=session)
            self._sql[plan.endpoint] = kept
            self._opened(kept)
        _tell(kept.facts, facts)
        return kept

    def open(self, plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session:
        kept = self._shells.get((plan.endpoint, fallback))
        if kept is None or kept.broken:
            session = self._open_session(plan, facts, fallback)
            kept = (
                _KeptQueries(replace(facts), session=session, queries=session)
                if isinstance(session, QuerySession)
                else _KeptShell(replace(facts), session=session)
            )
            self._shells[plan.endpoint, fallback] = kept
            self._opened(kept)
        _tell(kept.facts, facts)
        return kept

    def _opened(self, kept: _Kept) -> None:
        with self._lock:
            ended = self._ended
        if ended:
            kept.end()
            raise TransportError(ErrorClass.DROPPED, "the sampling was ended")

    def end(self) -> None:
        """Close every connection; no other can be opened. May be called from any thread."""
        with self._lock:
            self._ended = True
        close_together(kept.end for kept in (*self._sql.values(), *self._shells.values()))


def _tell(known: ConnectionFacts, facts: ConnectionFacts) -> None:
    """What is known of an open connection, for another look over it."""
    for one in fields(ConnectionFacts):
        setattr(facts, one.name, getattr(known, one.name))


# --- samples ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """When samples are taken: the first at once, the last when the time is over."""

    every: timedelta
    count: int

    @property
    def seconds(self) -> float:
        return self.every.total_seconds()


@dataclass(kw_only=True)
class EndpointSamples:
    """What came of one endpoint. `good` samples brought at least one section; `failed` none; `missed` were
    not begun, because the one before was not done. `sections` are those of the last good one."""

    endpoint: str
    good: int = 0
    failed: int = 0
    missed: int = 0
    sections: int = 0
    reason: str = ""

    def count(self, examined: Examined) -> None:
        snapshot = examined.snapshot
        usable = [one for one in snapshot.sections if one.quality in (Quality.OK, Quality.PARTIAL)]
        # What this version of an engine does not have, no other sample will bring.
        none = (Quality.ABSENT, Quality.UNSUPPORTED)
        lacking = [one for one in snapshot.sections if one not in usable and one.quality not in none]
        if usable:
            self.good += 1
            self.sections = len(usable)
        else:
            self.failed += 1
        self.reason = snapshot.reason or next((one.reason for one in lacking), "")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How far it is: `number` of `of` samples, the last at `at`."""

    number: int
    of: int
    at: datetime
    left: timedelta
    endpoints: Sequence[EndpointSamples]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How it ended. `failure`: the store could not be written."""

    endpoints: tuple[EndpointSamples, ...]
    interrupted: bool = False
    failure: StoreError | None = None


@dataclass(frozen=True, kw_only=True)
class _Done:
    endpoint: str
    examined: Examined | None = None
    failure: StoreError | None = None
    fault: BaseException | None = None


class _Sampler:
    """One endpoint's thread."""

    def __init__(
        self,
        plan: EndpointPlan,
        around: Surroundings,
        keep: Callable[[Examined], None],
        cut_off: Callable[[Examined], None],
        done: queue.SimpleQueue[_Done],
    ) -> None:
        self.plan = plan
        self.samples = EndpointSamples(endpoint=plan.endpoint)
        self.idle = True
        self.stopped = False
        self._around = around
        self._keep = keep
        self._cut_off = cut_off
        self._done = done
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        # A daemon, so that an interrupted run does not wait for a connection that never comes.
        threading.Thread(target=self._work, name="checkup-sampler", daemon=True).start()

    def ask(self) -> None:
        self.idle = False
        self._asked.put(None)

    def stop(self) -> None:
        self.stopped = True
        self._asked.put(None)

    def _work(self) -> None:
        while True:
            self._asked.get()
            if self.stopped:
                return
            try:
                self._done.put(self._sample())
            except BaseException as fault:  # noqa: BLE001 - raised again where the samples are gathered
                self._done.put(_Done(endpoint=self.plan.endpoint, fault=fault))

    def _sample(self) -> _Done:
        try:
            examined = examine(self.plan, self._around)
            if examined.snapshot.error is ErrorClass.DROPPED and not self.stopped:
                # Since the last sample somebody ended the connection: the server was started anew, or a
                # firewall forgot it. That says nothing about this moment.
                self._cut_off(examined)
                examined = examine(self.plan, self._around)
            if self.stopped and not examined.snapshot.complete:
                self._cut_off(examined)
                return _Done(endpoint=self.plan.endpoint)
            self._keep(examined)
        except StoreError as failure:
            return _Done(endpoint=self.plan.endpoint, failure=failure)
        return _Done(endpoint=self.plan.endpoint, examined=examined)


def take_samples(
    plans: Sequence[EndpointPlan],
    intervals: Intervals,
    *,
    around: Surroundings,
    connections: KeptConnections,
    keep: Callable[[Examined], None],
    cut_off: Callable[[Examined], None],
    tell: Callable[[Taken], None],
    monotonic: Callable[[], float],
    wait: Callable[[float], None],
) -> Sampling:
    """Take them all; `keep` commits each as it comes, `tell` hears of each round.

    Ctrl-C ends it, and so does a store that cannot be written; what was kept, stays.
    """
    done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
    samplers = {plan.endpoint: _Sampler(plan, around, keep, cut_off, done) for plan in plans}
    rounds = _Rounds(samplers, intervals, done, around.clock, monotonic, wait)
    interrupted = False
    failure: StoreError | None = None
    try:
        for taken in rounds.run():
            tell(taken)
    except KeyboardInterrupt:
        interrupted = True
    except StoreError as error:
        failure = error
    finally:
        for sampler in samplers.values():
            sampler.stop()
        connections.end()
    try:
        rounds.part()
    except StoreError as error:
        failure = failure or error
    return Sampling(
        endpoints=tuple(one.samples for one in samplers.values()), interrupted=interrupted, failure=failure
    )


@dataclass(eq=False)
class _Rounds:
    samplers: Mapping[str, _Sampler]
    intervals: Intervals
    done: queue.SimpleQueue[_Done]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    wait: Callable[[float], None]

    def run(self) -> Iterator[Taken]:
        begun = self.monotonic()
        last = self.intervals.count - 1
        for number in range(self.intervals.count):
            due = begun + number * self.intervals.seconds
            self._wait_until(due)
            at = self.clock()
            for sampler in self.samplers.values():
                if sampler.idle:
                    sampler.ask()
                else:
                    sampler.samples.missed += 1
            # The last round has nobody behind it who would wait: it gets as long as any other.
            self._gather(due + self.intervals.seconds)
            yield Taken(
                number=number + 1,
                of=self.intervals.count,
                at=at,
                left=(last - number) * self.intervals.every,
                endpoints=[replace(one.samples) for one in self.samplers.values()],
            )

    def part(self) -> None:
        """Wait a little for the samples under way, whose connections were closed."""
        deadline = self.monotonic() + PARTING_S
        waited = 0.0
        while not self._all_idle and self.monotonic() < deadline and waited < PARTING_S:
            waited += POLL_S
            self._take(POLL_S)

    @property
    def _all_idle(self) -> bool:
        return all(one.idle for one in self.samplers.values())

    def _wait_until(self, due: float) -> None:
        left = due - self.monotonic()
        if left > 0:
            self.wait(left)

    def _gather(self, until: float) -> None:
        while not self._all_idle and (left := until - self.monotonic()) > 0:
            # By small steps: on Windows nothing but the end of a wait lets Ctrl-C through.
            self._take(min(left, POLL_S))

    def _take(self, seconds: float) -> None:
        try:
            one = self.done.get(timeout=seconds)
        except queue.Empty:
            return
        sampler = self.samplers[one.endpoint]
        sampler.idle = True
        if one.fault is not None:
            raise one.fault
        if one.failure is not None:
            raise one.failure
        if one.examined is not None:
            sampler.samples.count(one.examined)
