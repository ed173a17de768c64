"""Dated tables of makers' support: whether it ends soon, and whether the table itself is old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from checkup.api import SUPPORTABILITY, Day, Duration, Finding, Impact, Passed, Text, Value, When, Worse


def noon(day: date) -> datetime:
    """A day as a moment: noon in UTC is that day in the Americas, Europe and most of Asia."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def dates(ends: date, source: str, as_of: date) -> dict[str, Value]:
    """What a row of such a table says, as evidence."""
    return {"ends": Day(ends), "source": Text(source), "table_as_of": Day(as_of)}


def judge_support(
    ends: date,
    soon_days: int,
    now: datetime,
    evidence: Mapping[str, Value],
    *,
    item: str = "",
    ended_impact: Impact = Impact.MAJOR,
    ended_function: str = SUPPORTABILITY,
    ending_function: str = SUPPORTABILITY,
    ending_when: When = When.LATER,
) -> Passed | Finding:
    """Support until the day `ends`: passed with more than `soon_days` left, else the message "ends", or
    "ended"."""
    left = noon(ends) - now
    if left > timedelta(days=soon_days):
        return Passed(item=item, evidence=evidence)
    ended = left <= timedelta()
    return Finding(
        impact=ended_impact if ended else Impact.LIMITED,
        function=ended_function if ended else ending_function,
        when=When.BEFORE_NEXT_VISIT if ended else ending_when,
        message="ended" if ended else "ends",
        item=item,
        evidence=evidence,
        # What has ended does not get worse from visit to visit.
        value=None if ended else Duration(left.total_seconds()),
        worse=Worse.LOWER,
    )


def judge_age(
    as_of: date, old_days: int, now: datetime, more: Mapping[str, Value] | None = None
) -> Passed | Finding:
    """A table looked up on the day `as_of`: passed up to `old_days`, else the message "old"."""
    age = now - noon(as_of)
    shown = Duration(age.total_seconds())
    evidence: dict[str, Value] = {"as_of": Day(as_of), "age": shown, **(more or {})}
    if age <= timedelta(days=old_days):
        return Passed(evidence=evidence)
    return Finding(impact=Impact.NOTE, message="old", evidence=evidence, value=shown, worse=Worse.HIGHER)
