"""When a limit will be reached: a robust line through what was measured at each visit.

Theil-Sen: the slope is the median of the slopes between all pairs of points, so that one odd
measurement does not move the date; the range comes from the 10th and 90th percentile of the same
slopes (reference: domain, rule C05). Two points make no forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from checkup.api import Forecast, NotEnoughHistory, Point

MIN_POINTS = 3
MIN_SPAN = timedelta(days=30)
HORIZON = timedelta(days=3653)


def forecast(points: Sequence[Point], limit: float) -> Forecast | NotEnoughHistory:
    """When the line through `points` reaches `limit`, from the last point on.

    Cost: quadratic in the number of points, which are visits, hence few.
    """
    points = sorted(points, key=lambda point: point.at)
    if len(points) < MIN_POINTS or points[-1].at - points[0].at < MIN_SPAN:
        return NotEnoughHistory(points=len(points), needed=MIN_POINTS)
    from statistics import median  # brings fractions and decimals, which nobody needs without a history

    slopes = sorted(
        (later.value - earlier.value) / _days(later.at - earlier.at)
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
        if later.at > earlier.at
    )
    last = points[-1]
    room = limit - last.value
    return Forecast(
        reached=_reached(last.at, room, median(slopes)),
        earliest=_reached(last.at, room, _quantile(slopes, 0.9)),
        latest=_reached(last.at, room, _quantile(slopes, 0.1)),
        per_day=median(slopes),
        points=len(points),
        span_days=_days(last.at - points[0].at),
    )


def _days(span: timedelta) -> float:
    return span.total_seconds() / 86400


def _quantile(values: Sequence[float], share: float) -> float:
    """Linear between the neighbours."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def _reached(start: datetime, room: float, per_day: float) -> datetime | None:
    if room <= 0:
        return start
    if per_day <= 0 or room / per_day > HORIZON.days:
        return None
    return start + timedelta(days=room / per_day)
