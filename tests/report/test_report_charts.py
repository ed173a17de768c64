from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.api import Forecast
from checkup.report.charts import bar, spark, stacked, trend

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def points(*values: float) -> list[tuple[datetime, float]]:
    return [(START + 30 * DAY * index, value) for index, value in enumerate(values)]


def draw(values: list[tuple[datetime, float]], limit: float | None = None, forecast: Forecast | None = None):
    return trend(
        values,
        limit=limit,
        forecast=forecast,
        tick_size=1.0,
        value_text=lambda value: f"{value:g}",
        date_text=lambda at: f"{at:%Y-%m-%d}",
        title="growth",
    )


def coordinates(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in path.split())]


def test_a_trend_needs_three_points() -> None:
    with pytest.raises(ValueError, match="needs 3 points"):
        draw(points(1, 2))


def test_growth_rises_on_the_page_and_ends_at_its_label() -> None:
    chart = draw(points(10, 20, 30), limit=40)
    line = coordinates(chart.points)
    assert line[0][1] > line[1][1] > line[2][1]
    assert chart.last == line[-1]
    assert chart.limit is not None
    assert chart.limit < line[-1][1]


def test_a_scale_that_does_not_begin_at_zero_says_so() -> None:
    assert draw(points(90, 92, 94)).broken_base
    assert not draw(points(1, 50, 94)).broken_base


def test_the_forecast_is_dashed_within_its_band_and_hits_the_limit() -> None:
    forecast = Forecast(
        reached=START + 90 * DAY,
        earliest=START + 80 * DAY,
        latest=START + 100 * DAY,
        per_day=1 / 3,
        points=3,
        span_days=60,
    )
    chart = draw(points(10, 20, 30), 40, forecast)
    assert chart.hit is not None
    assert chart.hit[1] == "2026-04-01"
    assert coordinates(chart.dashed)[0] == chart.last
    assert coordinates(chart.band)[0] == chart.last


def test_a_forecast_beyond_the_horizon_has_no_hit() -> None:
    forecast = Forecast(reached=None, earliest=None, latest=None, per_day=0.001, points=3, span_days=60)
    chart = draw(points(10, 10, 10), 4000, forecast)
    assert (chart.hit, chart.limit, chart.band) == (None, None, "")


@given(st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=30), st.none() | st.floats(0.001, 1e15))
def test_every_point_lies_within_the_chart(values: list[float], limit: float | None) -> None:
    chart = draw(points(*values), limit)
    for x, y in coordinates(chart.points):
        assert chart.left <= x <= chart.right + 0.1
        assert chart.top - 0.1 <= y <= chart.bottom + 0.1


@given(st.lists(st.integers(0, 5000), min_size=3, max_size=3))
def test_stacked_segments_stay_within_the_chart(counts: list[int]) -> None:
    chart = stacked({"Now": dict(zip(("p1", "p2", "p3"), counts, strict=True))}, title="t")
    assert chart.rows[0].total == str(sum(counts))
    assert chart.rows[0].end <= chart.width


def test_a_bar_is_full_at_most_and_shows_its_limit() -> None:
    drawn = bar(0.93, 0.9, whole=1.0, style="bad", title="used")
    assert drawn is not None
    assert drawn.limit < drawn.value <= drawn.width
    assert bar(float("nan"), 0.9, whole=1.0, style="bad", title="used") is None
    assert bar(1, 0, whole=None, style="bad", title="used") is None


def test_a_flat_course_can_be_drawn() -> None:
    assert spark([3.0, 3.0], "flat").last == coordinates(spark([3.0, 3.0], "flat").points)[-1]
