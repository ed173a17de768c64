"""Coordinates of the charts; the templates only write them down as SVG.

Labels sit at the thing they name, so there is no legend. A trend against a limit need not start at
zero, and says so when it does not; a bar always does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import Forecast

FEWEST_POINTS = 3

Label = tuple[float, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A value against its limit. `style` is "bad", "warn" or "fine"."""

    title: str
    width: float
    height: float
    value: float
    limit: float
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A part of a whole, without any limit."""

    title: str
    width: float
    height: float
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of a filling; its label stands below it, at `label_x`, beside a patch of its colour."""

    x: float
    width: float
    style: str
    text: str
    label_x: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """What a vessel holds, in pieces, up to the limit that it may hold."""

    title: str
    width: float
    height: float
    whole: float
    parts: tuple[Part, ...]
    limit: float
    limit_label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Spark:
    title: str
    width: float
    height: float
    points: str
    last: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    x: float
    width: float
    middle: float
    text: str
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackedRow:
    label: str
    y: float
    baseline: float
    segments: tuple[Segment, ...]
    end: float
    total: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stacked:
    title: str
    width: float
    height: float
    rows: tuple[StackedRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrendChart:
    """`ticks` are heights with their labels, `dates` are positions with theirs."""

    title: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    ticks: tuple[Label, ...]
    dates: tuple[Label, ...]
    points: str
    dashed: str
    band: str
    last: tuple[float, float]
    last_label: str
    limit: float | None
    limit_label: str
    hit: Label | None
    broken_base: bool


def bar(value: float, limit: float, *, whole: float | None, style: str, title: str) -> Bar | None:
    """A level bar; `whole` is the value of its full width, None when the scale is open."""
    if not (math.isfinite(value) and math.isfinite(limit)) or value < 0 or limit <= 0:
        return None
    width, height = 84.0, 8.0
    full = whole or max(limit * 1.25, min(value, limit * 2))
    return Bar(
        title=title,
        width=width,
        height=height,
        value=_round(width * min(value / full, 1)),
        limit=_round(width * min(limit / full, 1)),
        style=style,
    )


def share(value: float, title: str) -> Share:
    """`value` is the share of the whole, 0 to 1; a trace of it is still seen."""
    width, height = 44.0, 8.0
    shown = min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
    return Share(
        title=title,
        width=width,
        height=height,
        value=_round(max(width * shown, 0.6)) if shown else 0.0,
    )


# What a character of a label takes at 8 points, rather more than less.
_CHARACTER = 4.6
_PATCH = 9.0  # the patch of colour before a label


def filling(
    parts: Sequence[tuple[str, float, str]], *, limit: float, limit_label: str, title: str
) -> Filling | None:
    """Pieces as (style, value, label), from left to right; None where there is nothing to draw."""
    known = [(style, value, text) for style, value, text in parts if math.isfinite(value) and value > 0]
    if not known or not math.isfinite(limit) or limit <= 0:
        return None
    width, whole = 520.0, 516.0
    scale = whole / max(limit, sum(value for _, value, _ in known))
    x = label_end = 0.0
    drawn: list[Part] = []
    for style, value, text in known:
        label_x = max(x, label_end + 12 if drawn else 0.0)
        label_end = label_x + _PATCH + _CHARACTER * len(text)
        drawn.append(
            Part(
                x=_round(x),
                width=_round(max(value * scale - 1, 0.8)),
                style=style,
                text=text,
                label_x=_round(label_x),
            )
        )
        x += value * scale
    return Filling(
        title=title,
        width=width,
        height=44.0,
        whole=whole,
        parts=tuple(drawn),
        limit=_round(limit * scale),
        limit_label=limit_label,
    )


def spark(values: Sequence[float], title: str) -> Spark:
    """The course of a few values, the last one marked. Needs two values."""
    width, height = 74.0, 16.0
    low, high = min(values), max(values)
    rise = (high - low) or 1.0
    step = (width - 6) / (len(values) - 1)
    points = [
        (_round(2 + step * index), _round(height - 3 - (height - 6) * (value - low) / rise))
        for index, value in enumerate(values)
    ]
    return Spark(title=title, width=width, height=height, points=_path(points), last=points[-1])


def stacked(rows: Mapping[str, Mapping[str, int]], *, title: str) -> Stacked:
    """Counts by style (in the order given), one row for each label."""
    width, row_height, left, right = 520.0, 21.0, 92.0, 30.0
    most = max((sum(counts.values()) for counts in rows.values()), default=0)
    unit = min(15.0, (width - left - right) / most) if most else 0.0
    out: list[StackedRow] = []
    for index, (label, counts) in enumerate(rows.items()):
        x, y = left, 3 + index * row_height
        segments: list[Segment] = []
        for style, number in counts.items():
            if not number:
                continue
            segment = Segment(
                x=_round(x),
                width=_round(max(number * unit - 1, 0.4)),
                middle=_round(x + (number * unit - 1) / 2),
                text=_segment_text(style, number, number * unit),
                style=style,
            )
            segments.append(segment)
            x += number * unit
        total = str(sum(counts.values()))
        out.append(
            StackedRow(
                label=label,
                y=_round(y),
                baseline=_round(y + 11),
                segments=tuple(segments),
                end=_round(x + 5),
                total=total,
            )
        )
    return Stacked(title=title, width=width, height=_round(row_height * len(rows) + 3), rows=tuple(out))


def _segment_text(style: str, number: int, width: float) -> str:
    """What is counted and how many, so that it can be told in grey; what of it fits."""
    texts = (f"{style.upper()}: {number}", str(number))
    return next((text for text in texts if width >= 5 + 4.5 * len(text)), "")


def trend(
    points: Sequence[tuple[datetime, float]],
    *,
    limit: float | None,
    forecast: Forecast | None,
    tick_size: float,
    value_text: Callable[[float], str],
    date_text: Callable[[datetime], str],
    title: str,
) -> TrendChart:
    """A line over time with its limit and, dashed, its forecast. Needs three points.

    `tick_size` is the size of one unit of the axis (1024**3 for GB).
    """
    if len(points) < FEWEST_POINTS:
        raise ValueError(f"a trend needs {FEWEST_POINTS} points, not {len(points)}")
    width, height = 520.0, 150.0
    left, right, top, bottom = 58.0, width - 92.0, 12.0, height - 22.0
    first, last = points[0][0], points[-1][0]
    ahead = _ahead(last, last - first, forecast)
    end = ahead[-1] if ahead else last
    values = [value for _, value in points]
    shown = values + ([limit] if limit is not None and limit <= max(values) * 4 else [])
    ticks, broken = _ticks(min(shown), max(shown), tick_size)
    span = (end - first).total_seconds() or 1.0

    def x(at: datetime) -> float:
        return _round(left + (right - left) * (at - first).total_seconds() / span)

    def y(value: float) -> float:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return _round(bottom - (bottom - top) * min(max(share, 0.0), 1.0))

    def expected(at: datetime, per_day: float) -> float:
        return values[-1] + per_day * (at - last).total_seconds() / 86400

    path = [(x(at), y(value)) for at, value in points]
    dashed = band = ""
    hit: Label | None = None
    if forecast is not None and ahead:
        dashed = _path([path[-1], *[(x(at), y(expected(at, forecast.per_day))) for at in ahead]])
        if limit is not None and forecast.earliest and forecast.latest:
            band = _band(path[-1], (x, y), forecast.earliest, forecast.latest, limit, end)
        if forecast.reached is not None and forecast.reached <= end and limit is not None:
            hit = (x(forecast.reached), date_text(forecast.reached))
    middle = first + (end - first) / 2
    return TrendChart(
        title=title,
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        ticks=tuple((y(tick), value_text(tick)) for tick in ticks),
        dates=tuple((x(at), date_text(at)) for at in (first, middle, end)),
        points=_path(path),
        dashed=dashed,
        band=band,
        last=path[-1],
        last_label=value_text(values[-1]),
        limit=y(limit) if limit in shown else None,
        limit_label=f"limit {value_text(limit)}" if limit is not None else "",
        hit=hit,
        broken_base=broken,
    )


def _ahead(last: datetime, span: timedelta, forecast: Forecast | None) -> list[datetime]:
    """The moments to draw the forecast at: never further ahead than the history goes back."""
    if forecast is None:
        return []
    furthest = last + span
    wanted = forecast.latest or forecast.reached or furthest
    return [max(min(wanted, furthest), last + span / 4)]


def _band(
    start: tuple[float, float],
    scale: tuple[Callable[[datetime], float], Callable[[float], float]],
    earliest: datetime,
    latest: datetime,
    limit: float,
    end: datetime,
) -> str:
    """The wedge between reaching the limit at the earliest and at the latest, cut at the end."""
    x, y = scale
    (x0, y0), top = start, y(limit)

    def at_end(reached: datetime) -> list[tuple[float, float]]:
        across = x(reached) - x0
        if across <= 0:
            return [(x0, top)]
        if reached <= end:
            return [(x(reached), top)]
        return [(x(end), _round(y0 + (top - y0) * (x(end) - x0) / across))]

    corner = [(x(end), top)] if earliest < end < latest else []
    return _path([start, *at_end(earliest), *corner, *at_end(latest)])


def _ticks(low: float, high: float, unit: float) -> tuple[list[float], bool]:
    """Round values around low..high; from zero unless that would squeeze the line into the top."""
    broken = low > 0.5 * high > 0 and high - low > 0.02 * high
    bottom = low if broken else min(low, 0.0)
    high = max(high, 0.0)
    spread = max((high - bottom) / unit, 1e-9) if high > bottom else 1.0
    rough = spread / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough * 0.999)
    start = math.floor(bottom / unit / step)
    stop = max(math.ceil(high / unit / step - 1e-9), start + 1)
    return [tick * step * unit for tick in range(start, stop + 1)], broken and start > 0


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _round(value: float) -> float:
    return round(value, 1)
