"""Which check-ups a site is owed, and when: from the contract's events, a calendar and today.

Dates only, no clock times: the client's day and the vendor's day are the same day here. What lies
after `today` has not happened yet, so that `--as-of` shows the past as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from checkup.api import Visit
from checkup.contract.business_days import BusinessCalendar, next_business_day
from checkup.contract.visits import PROMISED, Package


class DueState(StrEnum):
    NOT_YET = "not_yet"
    OPEN = "open"
    OVERDUE = "overdue"
    DELIVERED = "delivered"
    NOT_SCHEDULABLE = "not_schedulable"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractEvents:
    """What has happened under the contract.

    `installed` is the first production use. `onsite` are on-site visits that took place;
    `delivered` are visits whose report reached the client, with the day it did. The order is free.
    """

    package: Package
    installed: date
    onsite: tuple[date, ...] = ()
    delivered: tuple[tuple[Visit, date], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DueVisit:
    """One promised visit: the next one of its kind, or the last where none follows.

    `due_on` is a business day. The window includes both its days; the dates are None only where
    the visit is not schedulable. `reason` is a line for people.
    """

    visit: Visit
    due_on: date | None
    window_from: date | None
    window_to: date | None
    state: DueState
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """How many calendar days before and after its due date a visit may take place."""

    before: int
    after: int


WINDOWS = {Visit.THIRTY_DAY: Window(5, 15), Visit.SIX_MONTH: Window(21, 21), Visit.TUNE_UP: Window(30, 30)}

# A tune-up's report follows its on-site visit within this time; a later one is of another visit.
REPORT_FOLLOWS = timedelta(days=60)


def due_visits(events: ContractEvents, calendar: BusinessCalendar, today: date) -> tuple[DueVisit, ...]:
    """Every visit that the package promises, with its due date, window and state on `today`."""
    onsite = _onsite_visits(events, today)
    installed = f"the installation of {events.installed}"
    due: list[DueVisit] = []
    for visit in PROMISED[events.package]:
        if visit is Visit.THIRTY_DAY:
            target = events.installed + timedelta(days=30)
            delivered = _delivered_after(events, visit, date.min, today)
            due.append(_due(visit, target, f"30 days after {installed}", delivered, calendar, today))
        elif visit is Visit.SIX_MONTH:
            if not onsite:
                due.append(_not_schedulable(visit, "not schedulable: no on-site visit recorded"))
                continue
            target = onsite[-1] + relativedelta(months=6)
            anchor = f"6 months after the on-site visit of {onsite[-1]}"
            delivered = _delivered_after(events, visit, onsite[-1], today)
            due.append(_due(visit, target, anchor, delivered, calendar, today))
        elif visit is Visit.TUNE_UP:
            last = onsite[-1] if onsite else events.installed
            anchor = f"12 months after {f'the on-site visit of {last}' if onsite else installed}"
            due.append(_due(visit, last + relativedelta(months=12), anchor, None, calendar, today))
    return tuple(due)


def visit_now(due: Iterable[DueVisit], today: date) -> Visit:
    """What `--visit auto` means: the visit due first among those open or overdue, else interim."""
    started = [
        (visit.due_on, visit.visit)
        for visit in due
        if visit.state in (DueState.NOT_YET, DueState.OPEN, DueState.OVERDUE)
        and visit.due_on is not None
        and visit.window_from is not None
        and visit.window_from <= today
    ]
    return min(started)[1] if started else Visit.INTERIM


def next_visit(due: Iterable[DueVisit], this: Visit) -> DueVisit | None:
    """The undelivered visit that is due first, apart from `this` one, which a report is about."""
    ahead = [
        (visit.due_on, visit.visit, visit)
        for visit in due
        if visit.visit is not this and visit.state is not DueState.DELIVERED and visit.due_on is not None
    ]
    return min(ahead)[2] if ahead else None


def visit_to_run(
    due: Iterable[DueVisit], today: date, collected: Iterable[tuple[Visit, date]]
) -> Visit | None:
    """What an unattended `run --due` starts: as `visit_now`, but None where nothing is due.

    `collected` are complete runs, each with its visit and day. A visit that was collected since its
    window opened waits for its delivery, and is not run again every night.
    """
    runs = tuple(collected)
    waiting = [
        visit
        for visit in due
        if not any(
            kind is visit.visit and visit.window_from is not None and visit.window_from <= day <= today
            for kind, day in runs
        )
    ]
    visit = visit_now(waiting, today)
    return None if visit is Visit.INTERIM else visit


def _onsite_visits(events: ContractEvents, today: date) -> tuple[date, ...]:
    """The on-site visits until today, oldest first; a delivered tune-up stands for its own visit
    unless the site file names the day of that visit."""
    declared = [day for day in events.onsite if day <= today]
    reported = [
        day
        for visit, day in events.delivered
        if visit is Visit.TUNE_UP
        and day <= today
        and not any(timedelta(0) <= day - visited <= REPORT_FOLLOWS for visited in declared)
    ]
    return tuple(sorted(declared + reported))


def _delivered_after(events: ContractEvents, visit: Visit, anchor: date, today: date) -> date | None:
    """The first delivery of this kind of visit after its anchor."""
    return min(
        (day for kind, day in events.delivered if kind is visit and anchor < day <= today), default=None
    )


def _due(
    visit: Visit, target: date, anchor: str, delivered: date | None, calendar: BusinessCalendar, today: date
) -> DueVisit:
    due_on = next_business_day(target, calendar)
    opens = due_on - timedelta(days=WINDOWS[visit].before)
    ends = due_on + timedelta(days=WINDOWS[visit].after)
    if delivered is not None:
        state, reason = DueState.DELIVERED, f"delivered on {delivered}"
    elif today < opens:
        state, reason = DueState.NOT_YET, f"its window opens on {opens}"
    elif today <= ends:
        state, reason = DueState.OPEN, f"its window is open until {ends}"
    else:
        record = "contract.onsite" if visit is Visit.TUNE_UP else "contract.delivered"
        state = DueState.OVERDUE
        reason = f"its window ended on {ends}; if the visit took place, record it under {record}"
    return DueVisit(
        visit=visit,
        due_on=due_on,
        window_from=opens,
        window_to=ends,
        state=state,
        reason=f"{anchor}; {reason}",
    )


def _not_schedulable(visit: Visit, reason: str) -> DueVisit:
    return DueVisit(
        visit=visit,
        due_on=None,
        window_from=None,
        window_to=None,
        state=DueState.NOT_SCHEDULABLE,
        reason=reason,
    )
