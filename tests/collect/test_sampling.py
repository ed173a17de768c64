"""Samples at even intervals, over connections that stay open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from checkup.api import ErrorClass, Quality, WmiQuery
from checkup.collect import sampling
from checkup.collect.endpoint import Examined
from checkup.collect.sampling import Intervals, KeptConnections, Sampling, Taken, take_samples
from checkup.collect.sql_sessions import SqlSession, Told, untold
from checkup.plan import EndpointPlan
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.store import StoreError
from checkup.transports.session import ConnectionFacts, QuerySession, Session, TransportError

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DROPPED = TransportError(ErrorClass.DROPPED, "gone")


def planned(name: str) -> EndpointPlan:
    return EndpointPlan(
        site="s", endpoint=name, transport="x", platform="x", opted_out="", targets=(name,), sections=()
    )


# --- connections --------------------------------------------------------------------------------


@dataclass
class Shell:
    """A session that answers what it is told to."""

    facts: ConnectionFacts
    closed: int = 0
    fails: TransportError | None = None

    def stream(self, script: bytes) -> Iterator[bytes]:
        yield b"one"
        if self.fails is not None:
            raise self.fails

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.closed += 1

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Any]:
        if self.fails is not None:
            raise self.fails
        return []

    def enter(self, database: str, *more: object, **named: object) -> None: ...


class Asked(Shell):
    def query(self, query: WmiQuery, timeout_s: float) -> list[Any]:
        if self.fails is not None:
            raise self.fails
        return []


@dataclass
class Way:
    """Opens sessions, and remembers them."""

    kind: type[Shell] = Shell
    opened: list[Shell] = field(default_factory=list[Shell])

    def shell(self, plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session:
        return self._opened(facts)

    def sql(
        self, plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
    ) -> SqlSession:
        return self._opened(facts)

    def _opened(self, facts: ConnectionFacts) -> Any:
        facts.address, facts.round_trip_s = "192.0.2.7", 0.05
        self.opened.append(self.kind(facts))
        return self.opened[-1]


def opened(connections: KeptConnections) -> Any:
    return connections.open(planned("ws-3"), ConnectionFacts(transport="winrm"))


def test_a_connection_is_opened_once_and_told_of_each_time() -> None:
    way = Way()
    connections = KeptConnections(way.shell, way.sql)
    for _ in range(3):
        facts = ConnectionFacts(transport="odbc")
        session = connections.open_sql(planned("db-1"), facts)
        assert (facts.address, facts.round_trip_s) == ("192.0.2.7", 0.05)
        facts.identity = "of this look"
        session.run("SELECT 1", timeout_s=1, most_rows=1)
        session.close()
    assert [one.closed for one in way.opened] == [0]
    connections.end()
    assert [one.closed for one in way.opened] == [1]


def test_one_that_broke_is_closed_and_made_anew() -> None:
    way = Way()
    connections = KeptConnections(way.shell, way.sql)
    session = connections.open_sql(planned("db-1"), ConnectionFacts(transport="odbc"))
    way.opened[0].fails = DROPPED
    with pytest.raises(TransportError):
        session.run("SELECT 1", timeout_s=1, most_rows=1)
    session.close()
    connections.open_sql(planned("db-1"), ConnectionFacts(transport="odbc"))
    assert [one.closed for one in way.opened] == [1, 0]


def test_a_shell_is_kept_after_its_batch_and_ended_in_the_middle_of_one() -> None:
    way = Way()
    connections = KeptConnections(way.shell, way.sql)
    session = opened(connections)
    assert not isinstance(session, QuerySession)
    assert list(session.stream(b"")) == [b"one"]
    session.close()
    assert way.opened[0].closed == 0
    asking = session.stream(b"")
    next(asking)
    session.close()  # as the watch does with a batch that hangs
    assert way.opened[0].closed == 1
    opened(connections)
    assert len(way.opened) == 2


@pytest.mark.parametrize(
    ("error", "closed"), [(ErrorClass.UNSUPPORTED, 0), (ErrorClass.DENIED, 0), (ErrorClass.DROPPED, 1)]
)
def test_a_class_that_is_not_there_does_not_break_the_connection(error: ErrorClass, closed: int) -> None:
    way = Way(Asked)
    session = opened(KeptConnections(way.shell, way.sql))
    closing = session.close
    assert isinstance(session, QuerySession)
    way.opened[0].fails = TransportError(error, "")
    with pytest.raises(TransportError):
        session.query(WmiQuery("X", ("Y",)), 1)
    closing()
    assert way.opened[0].closed == closed


def test_nothing_is_opened_after_the_end() -> None:
    way = Way()
    connections = KeptConnections(way.shell, way.sql)
    connections.end()
    with pytest.raises(TransportError, match="ended"):
        opened(connections)
    assert [one.closed for one in way.opened] == [1]


# --- rounds -------------------------------------------------------------------------------------


def examined(plan: EndpointPlan, quality: Quality = Quality.OK, error: ErrorClass | None = None) -> Examined:
    section = SectionSnapshot(
        target=plan.endpoint,
        section="x",
        version=1,
        source="x",
        quality=quality,
        collected_at=NOW,
        reason="" if quality is Quality.OK else "why",
    )
    return Examined(
        EndpointSnapshot(
            endpoint=plan.endpoint,
            targets=(plan.endpoint,),
            started_at=NOW,
            finished_at=NOW,
            complete=error is None,
            sections=(section,),
            error=error,
        ),
        (),
    )


@dataclass
class Run:
    """A sampling whose time goes on by waiting, and by nothing else."""

    monkeypatch: pytest.MonkeyPatch
    gone_s: float = 0.0
    kept: list[str] = field(default_factory=list[str])
    rounds: list[Taken] = field(default_factory=list[Taken])
    keep: Callable[[Examined], None] | None = None

    def take(self, look: Callable[[EndpointPlan], Examined], *names: str, count: int = 3) -> Sampling:
        self.monkeypatch.setattr(sampling, "examine", lambda plan, around: look(plan))

        def kept(one: Examined) -> None:
            self.kept.append(one.snapshot.endpoint)

        def wait(seconds: float) -> None:
            self.gone_s += seconds

        def monotonic() -> float:
            self.gone_s += 0.01  # so that a round which waits for somebody ends
            return self.gone_s

        way = Way()
        around = cast("Any", type("Around", (), {"clock": staticmethod(lambda: NOW)}))
        return take_samples(
            [planned(name) for name in names],
            Intervals(every=timedelta(seconds=0.2), count=count),
            around=around,
            connections=KeptConnections(way.shell, way.sql),
            keep=self.keep or kept,
            cut_off=lambda one: self.kept.append("cut off"),
            tell=self.rounds.append,
            monotonic=monotonic,
            wait=wait,
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(sampling, "POLL_S", 0.01)
    monkeypatch.setattr(sampling, "PARTING_S", 0.02)
    return Run(monkeypatch)


def test_one_that_hangs_misses_its_own_samples_only(run: Run) -> None:
    hanging = threading.Event()

    def look(plan: EndpointPlan) -> Examined:
        if plan.endpoint == "slow":
            hanging.wait(10)
        return examined(plan)

    done = run.take(look, "slow", "quick", count=4)
    hanging.set()
    found = {one.endpoint: (one.good, one.missed) for one in done.endpoints}
    assert found == {"slow": (0, 3), "quick": (4, 0)}
    assert run.kept[:4] == ["quick"] * 4
    assert [one.number for one in run.rounds] == [1, 2, 3, 4]


def test_a_connection_that_was_dropped_since_is_tried_once_more(run: Run) -> None:
    asked: list[int] = []

    def look(plan: EndpointPlan) -> Examined:
        asked.append(1)
        error = ErrorClass.DROPPED if len(asked) in (2, 5, 6) else None
        return examined(plan, Quality.UNREACHABLE if error else Quality.OK, error)

    done = run.take(look, "db-1", count=5)
    assert [(one.good, one.failed) for one in done.endpoints] == [(4, 1)]
    assert run.kept == ["db-1", "cut off", "db-1", "db-1", "cut off", "db-1", "db-1"]


def test_what_an_engine_does_not_have_is_no_failure(run: Run) -> None:
    done = run.take(lambda plan: examined(plan, Quality.UNSUPPORTED), "db-1")
    assert [(one.good, one.failed, one.reason) for one in done.endpoints] == [(0, 3, "")]


def test_a_store_that_cannot_be_written_ends_it(run: Run) -> None:
    def full(one: Examined) -> None:
        raise StoreError("the disk is full")

    run.keep = full
    done = run.take(examined, "db-1", "db-2")
    assert str(done.failure) == "the disk is full"
    assert not run.rounds


def test_a_fault_of_ours_is_raised(run: Run) -> None:
    def look(plan: EndpointPlan) -> Examined:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run.take(look, "db-1")
