"""Growth over the visits: at most a few charts, each under its conclusion, and a table of the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from checkup.api import Bytes, Duration, Measured, Number, Ratio
from checkup.report.charts import FEWEST_POINTS, spark, trend
from checkup.report.findings import Printing
from checkup.report.input import MetricHistory
from checkup.report.model import KeyFigure, Trend
from checkup.report.text import byte_unit, clean
from checkup.report.words import OWN_PAGE, SQL_ENGINES

MOST_CHARTS = 4
MOST_FIGURES = 16
# A number that moved by less than this share is called the same.
SAME = 0.02
# Without a forecast, a value below this share of its limit is nobody's concern yet.
NEAR = 0.5
# A limit that is further away than this needs no picture.
SOON = timedelta(days=3 * 365)


def trends(history: Sequence[MetricHistory], printer: Printing) -> list[Trend]:
    """Charts of what moves towards a limit: the nearest to it first. Targets with a page of their own have
    theirs there."""
    elsewhere = {target.id for target in printer.assessment.targets if target.kind in OWN_PAGE}
    candidates = [
        (metric, points)
        for metric in history
        if metric.target not in elsewhere
        if metric.limit and len(points := _points(metric)) >= FEWEST_POINTS
        if _worth_a_chart(metric, points)
    ]
    candidates.sort(key=lambda found: (-_nearness(*found), found[0].target, found[0].name, found[0].item))
    return [_trend(metric, points, printer) for metric, points in candidates[:MOST_CHARTS]]


def trend_of(metric: MetricHistory, printer: Printing) -> Trend | None:
    """The chart of one number; None while it has been measured too few times."""
    points = _points(metric)
    return _trend(metric, points, printer) if len(points) >= FEWEST_POINTS else None


def key_figures(history: Sequence[MetricHistory], printer: Printing) -> list[KeyFigure]:
    """Every other number with a past, the ones that moved most first. Of a SQL instance it would be the ages
    of its back-ups and the like; what matters of these stands on its page."""
    instances = {target.id for target in printer.assessment.targets if target.kind in SQL_ENGINES}
    figures: list[tuple[float, KeyFigure]] = []
    for metric in history:
        points = _points(metric)
        if len(points) < 2 or metric.target in instances:
            continue
        values = [value for _, value in points]
        moved = _moved(values[0], values[-1])
        before, now = (printer.formats.value(_measured(metric, v)) for v in (values[0], values[-1]))
        measure = _measure(metric)
        figure = KeyFigure(
            where=printer.place(metric.target, metric.item),
            measure=measure,
            before=before,
            now=now,
            course="Same" if abs(moved) < SAME else ("Up" if moved > 0 else "Down"),
            spark=spark(values, f"{measure} from {before} to {now}"),
        )
        figures.append((-abs(moved), figure))
    figures.sort(key=lambda found: (found[0], found[1].where, found[1].measure))
    return [figure for _, figure in figures[:MOST_FIGURES]]


def _worth_a_chart(metric: MetricHistory, points: Sequence[tuple[datetime, float]]) -> bool:
    if metric.forecast is None:
        return _nearness(metric, points) >= NEAR
    reached = metric.forecast.reached
    return reached is not None and reached - points[-1][0] <= SOON


def _points(metric: MetricHistory) -> list[tuple[datetime, float]]:
    return sorted((at, value) for at, value in metric.points if math.isfinite(value))


def _nearness(metric: MetricHistory, points: Sequence[tuple[datetime, float]]) -> float:
    limit, last = metric.limit or 1.0, points[-1][1]
    return min(last / limit, limit / last) if last > 0 and limit > 0 else 0.0


def _moved(before: float, now: float) -> float:
    return (now - before) / max(abs(before), abs(now)) if before or now else 0.0


def _trend(metric: MetricHistory, points: Sequence[tuple[datetime, float]], printer: Printing) -> Trend:
    values = [value for _, value in points]
    unit = byte_unit(max([*values, metric.limit or 0]))[0] if metric.kind == "bytes" else 1
    size = {"bytes": float(unit), "ratio": 0.01, "duration": 86400.0}.get(metric.kind, 1.0)
    where = f"{printer.place(metric.target, metric.item)}, {_measure(metric)}"
    now, limit = (printer.formats.value(_measured(metric, v)) for v in (values[-1], metric.limit or 0.0))
    caption = f"{where}: {_conclusion(metric, now, limit, printer)}"
    chart = trend(
        points,
        limit=metric.limit,
        forecast=metric.forecast,
        tick_size=size,
        value_text=lambda value: printer.formats.value(_measured(metric, value)),
        date_text=printer.formats.date,
        title=f"{caption} {len(points)} measurements since {printer.formats.date(points[0][0])}.",
    )
    return Trend(caption=caption, chart=chart, note=_note(metric, len(points), broken=chart.broken_base))


def _conclusion(metric: MetricHistory, now: str, limit: str, printer: Printing) -> str:
    forecast = metric.forecast
    if forecast is None:
        return f"now {now}, limit {limit}."
    if forecast.reached is None:
        return f"now {now}; it does not reach {limit} in the next ten years at its growth so far."
    date = printer.formats.date
    between = ""
    if forecast.earliest and forecast.latest:
        earliest, latest = date(forecast.earliest), date(forecast.latest)
        between = f" (between {earliest} and {latest})" if earliest != latest else ""
    elif forecast.earliest:
        between = f" ({date(forecast.earliest)} at the earliest)"
    return f"reaches {limit} about {date(forecast.reached)}{between}."


def _note(metric: MetricHistory, points: int, *, broken: bool) -> str:
    parts = [f"Line: {points} measurements."]
    if metric.forecast is not None:
        parts.append("Dashed: growth as it was so far; shaded: its range.")
    if broken:
        parts.append("The scale does not begin at zero.")
    return " ".join(parts)


def _measure(metric: MetricHistory) -> str:
    return clean(metric.name.removesuffix("_bytes"), 80).replace("_", " ")


def _measured(metric: MetricHistory, value: float) -> Measured:
    match metric.kind:
        case "bytes":
            return Bytes(round(value))
        case "ratio":
            return Ratio(value)
        case "duration":
            return Duration(value)
        case "number":
            return Number(value, metric.unit)
