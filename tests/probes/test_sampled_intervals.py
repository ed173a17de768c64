"""Differences between samples: what they say, and where they say nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.api import SqlServer
from probes.sampling.intervals import another_start, intervals, mean, peak, percentile, rate, usable
from probes.sampling.series import Sample, Series, too_short

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
Counts = dict[str, tuple[float, ...]]


class Counted(Series[Counts]):
    pass


def series(*samples: Counts, every_s: float = 60) -> Counted:
    taken = (Sample(NOW + timedelta(seconds=n * every_s), one) for n, one in enumerate(samples))
    return Counted(samples=tuple(taken))


def test_differences_and_where_they_are_largest() -> None:
    found = intervals(series({"a": (0,)}, {"a": (60,)}, {"a": (360,)}), lambda one: one)
    assert [one.counted["a"] for one in found] == [(60,), (300,)]
    most = peak(found, rate("a"))
    assert most is not None
    assert (most.value, most.at, most.p95) == (5.0, NOW + timedelta(seconds=60), 5.0)


def test_a_missing_sample_makes_a_longer_interval() -> None:
    taken = Counted(samples=(Sample(NOW, {"a": (0,)}), Sample(NOW + timedelta(seconds=180), {"a": (360,)})))
    most = peak(intervals(taken, lambda one: one), rate("a"))
    assert most is not None and most.value == 2.0


def test_a_counter_that_fell_says_nothing_and_the_others_do() -> None:
    (found,) = intervals(series({"a": (9,), "b": (1,)}, {"a": (3,), "b": (4,)}), lambda one: one)
    assert found.counted == {"b": (3,)}


@pytest.mark.parametrize(("appear", "counted"), [(False, {}), (True, {"a": (7,)})])
def test_one_that_was_not_there_before(appear: bool, counted: Counts) -> None:
    (found,) = intervals(series({}, {"a": (7,)}), lambda one: one, appear=appear)
    assert found.counted == counted


def test_a_restart_makes_the_interval_unusable() -> None:
    found = intervals(
        series({"a": (1,)}, {"a": (2,)}, {"a": (3,)}),
        lambda one: one,
        restarted=lambda before, after: after["a"] == (3,),
    )
    assert [one.restarted for one in found] == [False, True]
    assert [one.counted for one in usable(found)] == [{"a": (1,)}]


def test_two_samples_of_the_same_moment_are_no_interval() -> None:
    assert intervals(series({"a": (1,)}, {"a": (2,)}, every_s=0), lambda one: one) == []


def test_a_mean_needs_enough_requests() -> None:
    found = intervals(series({"a": (0, 0.0)}, {"a": (99, 9.9)}, {"a": (299, 29.9)}), lambda one: one)
    assert [mean("a", 0, 100)(one) for one in found] == [None, pytest.approx(0.1)]
    assert mean("b", 0, 1)(found[0]) is None
    assert peak(found, mean("b", 0, 1)) is None


@pytest.mark.parametrize(("later_s", "restarted"), [(2, False), (-2, False), (40, True)])
def test_a_start_is_told_by_the_second_or_so(later_s: float, restarted: bool) -> None:
    def server(started: datetime | None) -> SqlServer:
        return SqlServer(
            engine="mariadb", version=(10,), edition="", platform="", asked_at=NOW, started_at=started
        )

    before, after = server(NOW), server(NOW + timedelta(seconds=later_s))
    assert another_start(before, after) is restarted
    assert not another_start(server(None), after)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_the_percentile_is_one_of_them_and_covers_its_share(values: list[float]) -> None:
    found = percentile(values, 0.95)
    assert found in values
    assert sum(value <= found for value in values) >= 0.95 * len(values)
    assert sum(value >= found for value in values) >= 1


def test_what_is_too_short() -> None:
    ten = series(*[{"a": (float(n),)} for n in range(3)], every_s=300)
    assert too_short(ten, 15) is not None
    assert too_short(ten, 10) is None
    assert too_short(Counted(samples=()), 0) is not None
