"""How far a machine's clock is off, from the times it told us and when its words came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from checkup.collect.clock_bounds import ClockBounds

T0 = datetime(2026, 6, 1, tzinfo=UTC)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


@given(
    offset=st.floats(-400, 400),
    way=st.floats(0, 0.5),
    start=st.floats(0, 3),
    runs=st.floats(0, 60),
    waits=st.floats(0, 2),
)
def test_the_true_offset_lies_within_the_error_bar(
    offset: float, way: float, start: float, runs: float, waits: float
):
    """The machine begins after `way + start`; its HELLO waits in the first group of frames."""
    told_hello = T0 + seconds(way + start)
    told_end = told_hello + seconds(runs)
    hello_came = min(told_hello + seconds(waits), told_end) + seconds(way)
    end_came = told_end + seconds(way)
    at_hello = ClockBounds.of(told_hello.timestamp() + offset, True, T0, hello_came)
    both = ClockBounds.of(told_end.timestamp() + offset, True, T0, end_came).within(at_hello)
    assert abs(both.offset_s - offset) <= both.error_s + 1e-4
    assert both.error_s <= at_hello.error_s + 1e-6
    assert both.error_s <= (2 * way + start) / 2 + 1e-4  # the wait in the group costs nothing


def test_whole_seconds_add_a_second():
    bounds = ClockBounds.of(T0.timestamp(), False, T0, T0)
    assert (bounds.low_s, bounds.high_s) == (0, 1)


def test_a_clock_that_was_set_meanwhile_is_known_by_what_it_said_first():
    first = ClockBounds(0, 1)
    assert ClockBounds(300, 301).within(first) is first
