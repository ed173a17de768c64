"""Business days: the days on which a client's clinic and its IS staff can be reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from holidays import HolidayBase

# Longer than any closure: a calendar without a business day in this time is a mistake in it.
LONGEST_CLOSURE_DAYS = 60


class CalendarError(ValueError):
    """A calendar that cannot be used; the text says which part of the site file to look at."""


class BusinessCalendar(Protocol):
    def is_business_day(self, day: date) -> bool: ...


def business_calendar(
    country: str, subdivision: str | None = None, *, observed: bool = True, closed_days: Iterable[date] = ()
) -> BusinessCalendar:
    """Open but for weekends and public holidays of a country (and its part), and the site's closed days.

    `country` and `subdivision` are ISO 3166 codes ("US", "CO"). `observed` says whether a holiday
    that falls on a weekend closes a weekday instead; states differ from their federation in this.
    """
    import holidays  # takes a third of a second: only commands that need a due date pay for it

    try:
        public = holidays.country_holidays(country, subdiv=subdivision, observed=observed)
    except NotImplementedError:
        place = f"{country!r}, {subdivision!r}" if subdivision else f"{country!r}"
        raise CalendarError(
            f"site.country, site.subdivision: no public holidays are known for {place}; "
            'use ISO 3166 codes such as "US" and "CO", or leave the subdivision out'
        ) from None
    return _HolidayCalendar(public, frozenset(closed_days))


@dataclass(frozen=True)
class _HolidayCalendar:
    holidays: HolidayBase
    closed_days: frozenset[date]

    def is_business_day(self, day: date) -> bool:
        return day not in self.closed_days and self.holidays.is_working_day(day)


def next_business_day(day: date, calendar: BusinessCalendar) -> date:
    """`day` itself, or the first business day after it."""
    for offset in range(LONGEST_CLOSURE_DAYS):
        candidate = day + timedelta(days=offset)
        if calendar.is_business_day(candidate):
            return candidate
    raise CalendarError(
        f"site.closed_days: no business day within {LONGEST_CLOSURE_DAYS} days from {day}; shorten the list"
    )
