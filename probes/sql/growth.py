"""When a database doubles, at its growth over the visits so far: alike for each engine."""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotEnoughHistory,
    Number,
    Passed,
    Result,
    Value,
    When,
    Worse,
)

DOUBLES = {"doubles": "{item} has {size} and grows by {growth_a_month} a month: it doubles about {on}."}


def judge_growth(
    name: str, size_bytes: int, ctx: Context, *, soon_days: int, later_days: int, least_bytes: int = 0
) -> Iterator[Result]:
    """The size of one database as a metric, and a finding where it doubles within `later_days`; one smaller
    than `least_bytes` passes."""
    size = Bytes(size_bytes)
    yield Metric(name="size_bytes", value=size, item=name)
    forecast = ctx.forecast("size_bytes", size_bytes, 2.0 * size_bytes, name)
    if isinstance(forecast, NotEnoughHistory):
        yield NotApplicable(
            item=name, reason=f"not enough history: {forecast.points} of {forecast.needed} measurements"
        )
        return
    evidence: dict[str, Value] = {"size": size, "growth_a_month": Bytes(round(forecast.per_day * 30))}
    days = (forecast.reached - ctx.now).total_seconds() / 86_400 if forecast.reached else None
    small = size_bytes < least_bytes
    if small or forecast.reached is None or days is None or days > later_days:
        yield Passed(item=name, evidence=evidence)
        return
    soon = days <= soon_days
    yield Finding(
        impact=Impact.LIMITED if soon else Impact.NOTE,
        when=When.BEFORE_NEXT_VISIT if soon else When.LATER,
        message="doubles",
        item=name,
        evidence=evidence | {"on": Instant(forecast.reached)},
        value=Number(round(days), "days"),
        worse=Worse.LOWER,
    )
