"""Ending many sessions at once: none waits for another, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import pytest

from checkup.collect import run
from checkup.collect.closing import close_together
from checkup.collect.sampling import KeptConnections
from checkup.collect.sql_sessions import OpenSql
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts


class Waiting:
    """A session that is closed once as many are being closed as there are, and says goodbye for no longer
    than a test may take."""

    def __init__(self, together: threading.Barrier) -> None:
        self.facts = ConnectionFacts(transport="odbc")
        self.closed = False
        self._together = together

    def close(self) -> None:
        self._together.wait(2)
        self.closed = True


def test_all_are_closed_at_the_same_time() -> None:
    together = threading.Barrier(3)
    sessions = [Waiting(together) for _ in range(3)]
    close_together((one.close for one in sessions), 10)
    assert all(one.closed for one in sessions)


def test_one_that_never_ends_is_left_behind() -> None:
    never, closed = threading.Event(), threading.Event()

    def hang() -> None:
        never.wait(20)

    began = time.monotonic()
    close_together([hang, closed.set], 0.2)
    assert closed.is_set() and time.monotonic() - began < 5
    never.set()


def planned(name: str) -> EndpointPlan:
    return EndpointPlan(
        site="s", endpoint=name, transport="odbc", platform="x", opted_out="", targets=(name,), sections=()
    )


@pytest.fixture
def opened() -> list[Waiting]:
    together = threading.Barrier(3)
    return [Waiting(together) for _ in range(3)]


def opening(sessions: list[Waiting]) -> OpenSql:
    left = iter(sessions)
    return cast("OpenSql", lambda *_, **__: next(left))


def test_an_interrupted_run_ends_its_sessions_together(opened: list[Waiting]) -> None:
    running = run._Running()  # pyright: ignore[reportPrivateUsage]
    open_sql = running.opening_sql(opening(opened))
    for number in range(3):
        open_sql(planned(f"db-{number}"), ConnectionFacts(transport="odbc"))
    running.stop()
    assert all(one.closed for one in opened)


def test_a_sampling_ends_its_connections_together(opened: list[Waiting]) -> None:
    connections = KeptConnections(cast("Any", None), opening(opened))
    for number in range(3):
        connections.open_sql(planned(f"db-{number}"), ConnectionFacts(transport="odbc"))
    connections.end()
    assert all(one.closed for one in opened)
