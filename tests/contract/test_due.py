from __future__ import annotations

import calendar as months
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.api import Visit
from checkup.contract.business_days import CalendarError, business_calendar, next_business_day
from checkup.contract.due import (
    ContractEvents,
    DueState,
    DueVisit,
    due_visits,
    next_visit,
    visit_now,
    visit_to_run,
)
from checkup.contract.visits import VISITS, Package

DAYS = st.dates(date(2015, 1, 1), date(2040, 12, 31))
COLORADO = business_calendar("US", "CO")


class Weekdays:
    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5


def due(
    today: date,
    *,
    package: Package = Package.PREMIUM,
    installed: date = date(2026, 4, 20),
    onsite: tuple[date, ...] = (),
    delivered: tuple[tuple[Visit, date], ...] = (),
) -> dict[Visit, DueVisit]:
    events = ContractEvents(package=package, installed=installed, onsite=onsite, delivered=delivered)
    return {visit.visit: visit for visit in due_visits(events, Weekdays(), today)}


def test_every_visit_has_a_title_and_a_meaning():
    assert set(VISITS) == set(Visit)
    assert VISITS[Visit.SIX_MONTH].name == "six-month check-up"
    assert all(text.title and text.meaning.endswith(".") for text in VISITS.values())


def test_a_deluxe_site_is_owed_the_30_day_check_up_only():
    assert list(due(date(2026, 5, 20), package=Package.DELUXE)) == [Visit.THIRTY_DAY]
    assert list(due(date(2026, 5, 20))) == [Visit.THIRTY_DAY, Visit.SIX_MONTH, Visit.TUNE_UP]


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2026, 5, 14), DueState.NOT_YET),
        (date(2026, 5, 15), DueState.OPEN),
        (date(2026, 6, 4), DueState.OPEN),
        (date(2026, 6, 5), DueState.OVERDUE),
    ],
)
def test_the_30_day_window_is_five_days_before_to_fifteen_after(today: date, state: DueState):
    visit = due(today)[Visit.THIRTY_DAY]
    assert (visit.due_on, visit.state) == (date(2026, 5, 20), state)


def test_the_30_day_check_up_is_delivered_once_and_for_all():
    delivered = ((Visit.THIRTY_DAY, date(2026, 5, 22)),)
    visit = due(date(2031, 1, 1), delivered=delivered)[Visit.THIRTY_DAY]
    assert visit.state is DueState.DELIVERED
    assert "delivered on 2026-05-22" in visit.reason


def test_what_lies_after_today_has_not_happened():
    delivered = ((Visit.THIRTY_DAY, date(2026, 5, 22)),)
    assert due(date(2026, 5, 21), delivered=delivered)[Visit.THIRTY_DAY].state is DueState.OPEN


def test_a_due_date_on_a_weekend_moves_to_monday():
    assert due(date(2026, 7, 1), onsite=(date(2026, 5, 28),))[Visit.SIX_MONTH].due_on == date(2026, 11, 30)


def test_six_months_are_clamped_to_the_end_of_the_month():
    visit = due(date(2026, 9, 1), onsite=(date(2025, 8, 31), date(2024, 1, 1)))[Visit.SIX_MONTH]
    assert visit.due_on == date(2026, 3, 2)  # 28 February 2026 is a Saturday
    assert due(date(2025, 9, 1), onsite=(date(2023, 8, 31),))[Visit.SIX_MONTH].due_on == date(2024, 2, 29)


def test_without_an_on_site_visit_the_six_month_check_up_is_not_schedulable():
    visit = due(date(2027, 1, 1))[Visit.SIX_MONTH]
    assert visit.state is DueState.NOT_SCHEDULABLE
    assert visit.due_on is visit.window_from is visit.window_to is None
    assert visit.reason == "not schedulable: no on-site visit recorded"


def test_a_six_month_check_up_counts_for_the_on_site_visit_before_it():
    first = (Visit.SIX_MONTH, date(2025, 11, 28))
    earlier = due(date(2026, 11, 30), onsite=(date(2025, 5, 28), date(2026, 5, 28)), delivered=(first,))
    assert earlier[Visit.SIX_MONTH].state is DueState.OPEN
    both = (first, (Visit.SIX_MONTH, date(2026, 11, 30)))
    again = due(date(2026, 11, 30), onsite=(date(2025, 5, 28), date(2026, 5, 28)), delivered=both)
    assert again[Visit.SIX_MONTH].state is DueState.DELIVERED


def test_the_first_tune_up_is_due_on_the_anniversary_of_the_installation():
    assert due(date(2026, 5, 1))[Visit.TUNE_UP].due_on == date(2027, 4, 20)


def test_the_next_tune_up_is_due_a_year_after_the_last_on_site_visit():
    assert due(date(2026, 6, 1), onsite=(date(2026, 5, 28),))[Visit.TUNE_UP].due_on == date(2027, 5, 28)


def test_a_delivered_tune_up_stands_for_its_on_site_visit():
    delivered = ((Visit.TUNE_UP, date(2026, 6, 3)),)
    assert due(date(2026, 7, 1), delivered=delivered)[Visit.SIX_MONTH].due_on == date(2026, 12, 3)


def test_the_report_of_a_tune_up_does_not_move_the_day_of_its_visit():
    visits = due(
        date(2026, 7, 1), onsite=(date(2026, 5, 27),), delivered=((Visit.TUNE_UP, date(2026, 6, 3)),)
    )
    assert visits[Visit.SIX_MONTH].due_on == date(2026, 11, 27)


def test_auto_is_interim_when_nothing_is_due():
    assert visit_now(due(date(2026, 5, 1)).values(), date(2026, 5, 1)) is Visit.INTERIM


def test_auto_takes_the_visit_that_is_due_first():
    today = date(2027, 4, 20)  # the 30-day check-up was never delivered, and the tune-up is open
    assert visit_now(due(today).values(), today) is Visit.THIRTY_DAY
    delivered = ((Visit.THIRTY_DAY, date(2026, 5, 22)),)
    assert visit_now(due(today, delivered=delivered).values(), today) is Visit.TUNE_UP


def test_the_next_visit_is_another_one_that_is_not_delivered():
    today = date(2026, 11, 25)
    delivered = ((Visit.THIRTY_DAY, date(2026, 5, 22)),)
    visits = due(today, onsite=(date(2026, 5, 28),), delivered=delivered)
    assert next_visit(visits.values(), Visit.INTERIM) is visits[Visit.SIX_MONTH]
    assert next_visit(visits.values(), Visit.SIX_MONTH) is visits[Visit.TUNE_UP]
    deluxe = due(today, package=Package.DELUXE, delivered=delivered)
    assert next_visit(deluxe.values(), Visit.INTERIM) is None


def test_an_unattended_run_does_nothing_when_nothing_is_due():
    today = date(2026, 5, 1)
    assert visit_to_run(due(today).values(), today, ()) is None


def test_an_unattended_run_does_not_collect_the_same_visit_every_night():
    today = date(2026, 5, 21)
    visits = due(today).values()
    assert visit_to_run(visits, today, ()) is Visit.THIRTY_DAY
    assert visit_to_run(visits, today, [(Visit.THIRTY_DAY, date(2026, 5, 20))]) is None
    assert visit_to_run(visits, today, [(Visit.INTERIM, date(2026, 5, 20))]) is Visit.THIRTY_DAY


@settings(deadline=None)
@given(DAYS)
def test_half_a_year_after_the_on_site_visit_the_six_month_check_up_is_open(today: date):
    visits = due(
        today,
        installed=today - timedelta(days=220),
        onsite=(today - timedelta(days=183),),
        delivered=((Visit.THIRTY_DAY, today - timedelta(days=188)),),
    )
    assert visits[Visit.SIX_MONTH].state is DueState.OPEN
    assert visit_now(visits.values(), today) is Visit.SIX_MONTH


@settings(deadline=None)
@given(installed=DAYS, onsite=st.lists(DAYS, max_size=3), today=DAYS)
def test_every_due_date_is_a_business_day_within_its_window(installed: date, onsite: list[date], today: date):
    events = ContractEvents(package=Package.PREMIUM, installed=installed, onsite=tuple(onsite))
    for visit in due_visits(events, COLORADO, today):
        if visit.due_on is None or visit.window_from is None or visit.window_to is None:
            assert not [day for day in onsite if day <= today]
            continue
        assert COLORADO.is_business_day(visit.due_on)
        assert visit.window_from <= visit.due_on <= visit.window_to
        assert (visit.state is DueState.OPEN) == (visit.window_from <= today <= visit.window_to)
        assert (visit.state is DueState.OVERDUE) == (visit.window_to < today)


@settings(deadline=None)
@given(DAYS)
def test_the_six_month_date_keeps_its_day_or_the_last_of_the_month(onsite: date):
    due_on = due(onsite, onsite=(onsite,))[Visit.SIX_MONTH].due_on
    year, month = onsite.year + onsite.month // 7, (onsite.month + 5) % 12 + 1
    target = date(year, month, min(onsite.day, months.monthrange(year, month)[1]))
    assert due_on is not None
    assert timedelta(0) <= due_on - target <= timedelta(days=2)


def test_observed_holidays_and_closed_days_are_not_business_days():
    assert not COLORADO.is_business_day(date(2026, 7, 3))  # the Fourth is a Saturday
    assert business_calendar("US", observed=False).is_business_day(date(2026, 7, 3))
    closed = business_calendar("US", "CO", closed_days=[date(2026, 12, 24)])
    assert next_business_day(date(2026, 12, 24), closed) == date(2026, 12, 28)


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("US", "Bavaria"), ("", None)])
def test_an_unknown_country_is_refused_with_what_to_do(country: str, subdivision: str | None):
    with pytest.raises(CalendarError, match="ISO 3166"):
        business_calendar(country, subdivision)


def test_a_calendar_that_never_opens_is_refused():
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    with pytest.raises(CalendarError, match=r"site\.closed_days"):
        next_business_day(date(2026, 3, 1), business_calendar("US", "CO", closed_days=year))
