from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from checkup.analyse.forecast import forecast
from checkup.api import Forecast, NotEnoughHistory, Point

START = datetime(2026, 1, 1, tzinfo=UTC)


def points(*values: float, days: float = 30) -> list[Point]:
    return [Point(START + timedelta(days=days * i), value) for i, value in enumerate(values)]


def test_two_points_make_no_forecast():
    assert forecast(points(10, 20), 100) == NotEnoughHistory(points=2, needed=3)


def test_three_points_within_a_week_make_no_forecast():
    assert isinstance(forecast(points(10, 20, 30, days=2), 100), NotEnoughHistory)


def test_a_straight_line_reaches_its_limit_on_the_day():
    line = forecast(points(10, 40, 70), 100)
    assert isinstance(line, Forecast)
    assert line.reached == line.earliest == line.latest == START + timedelta(days=90)
    assert line.per_day == 1


def test_one_odd_measurement_does_not_move_the_date_much():
    odd = forecast(points(10, 20, 90, 40, 50, 60), 100)
    assert isinstance(odd, Forecast)
    assert odd.reached is not None
    assert abs(odd.reached - (START + timedelta(days=270))) < timedelta(days=60)
    assert odd.earliest is not None and odd.earliest < odd.reached


def test_what_shrinks_never_fills():
    line = forecast(points(90, 80, 70), 100)
    assert isinstance(line, Forecast)
    assert line.reached is None


def test_what_is_full_is_full_now():
    line = forecast(points(10, 60, 100), 100)
    assert isinstance(line, Forecast)
    assert line.reached == START + timedelta(days=60)


@given(st.lists(st.floats(0, 1e15), min_size=3, max_size=12), st.floats(0, 1e15))
def test_the_range_is_in_order_for_any_history(values: list[float], limit: float):
    line = forecast(points(*values), limit)
    assert isinstance(line, Forecast)
    dates = [d for d in (line.earliest, line.reached, line.latest) if d is not None]
    assert dates == sorted(dates)
