"""The errors in the error log, counted by number; never what their messages say.

The server writes an error as two lines: `Error: 823, Severity: 24, State: 2.` and its message. Only lines of
the first form are kept. What is logged without such a line (833, 17883, 17890, 35206) is not seen here; 833
and 17890 have sections of their own. The log now written and the one before are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Context,
    Finding,
    Impact,
    Instant,
    NotChecked,
    Number,
    Result,
    Section,
    SqlFacts,
    When,
    Worse,
)
from probes.sqlserver.error_log import (
    EARLIER,
    LEAST_DAYS,
    LOOK_BACK_DAYS,
    NOW_WRITTEN,
    EarlierErrorLogBegin,
    ErrorLogBegin,
    Window,
    lines_with,
    parsed,
    window,
)


@dataclass(frozen=True, slots=True)
class LoggedError:
    number: int
    severity: int
    at: datetime


class ErrorLog(SqlFacts[LoggedError]):
    """The log that is being written."""


class EarlierErrorLog(SqlFacts[LoggedError]):
    """The log before."""


_HEADER = re.compile(r"Error: (\d{1,9}), Severity: (\d{1,2}), State: \d{1,9}\.?")
_HEADER_TEXTS = ("Severity: ", "State: ")
MOST_ERRORS = 20_000
_PRIVACY = "numbers, severities and times of errors; no message"


def _error(at: datetime, text: str) -> LoggedError | None:
    found = _HEADER.fullmatch(text)
    return LoggedError(int(found[1]), int(found[2]), at) if found else None


error_log = Section(
    name="sqlserver-error-log",
    facts=ErrorLog,
    collect={"sqlserver": lines_with(NOW_WRITTEN, _HEADER_TEXTS, _HEADER, most_rows=MOST_ERRORS)},
    parse=parsed(ErrorLog, _error),
    privacy=_PRIVACY,
)

earlier_error_log = Section(
    name="sqlserver-error-log-earlier",
    facts=EarlierErrorLog,
    collect={"sqlserver": lines_with(EARLIER, _HEADER_TEXTS, _HEADER, most_rows=MOST_ERRORS)},
    parse=parsed(EarlierErrorLog, _error),
    privacy=_PRIVACY,
)


# --- what the checks look at ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Logs:
    now: ErrorLog
    begin: ErrorLogBegin
    earlier: EarlierErrorLog | None
    earlier_begin: EarlierErrorLogBegin | None


@dataclass(frozen=True, slots=True)
class LogLevels:
    days: int = LOOK_BACK_DAYS  # back from now
    least_days: int = LEAST_DAYS


@dataclass(frozen=True, slots=True)
class Seen:
    """The errors within the days that are looked at."""

    errors: tuple[LoggedError, ...]
    window: Window

    def of(self, wanted: Callable[[LoggedError], bool]) -> tuple[LoggedError, ...]:
        return tuple(one for one in self.errors if wanted(one))


def seen_in(facts: Logs, days: int, least_days: int) -> Seen | NotChecked:
    begins, errors = facts.begin.rows, facts.now.rows
    if facts.earlier is not None:
        errors += facts.earlier.rows
        # Only where both are known: the log before may have been there in another language.
        if begins and facts.earlier_begin is not None:
            begins += facts.earlier_begin.rows
    found = window(begins, facts.now.server.asked_at, days, least_days)
    if isinstance(found, NotChecked):
        return found
    return Seen(tuple(one for one in errors if one.at >= found.since), found)


def last_of(errors: Iterable[LoggedError]) -> datetime:
    return max(one.at for one in errors)


def finding(
    errors: tuple[LoggedError, ...],
    seen: Seen,
    *,
    impact: Impact,
    message: str,
    item: str = "",
    when: When = When.BEFORE_NEXT_VISIT,
    function: str = "",
) -> Finding:
    count = Number(len(errors))
    return Finding(
        impact=impact,
        when=when,
        function=function,
        message=message,
        item=item,
        evidence={"count": count, "last": Instant(last_of(errors)), "since": Instant(seen.window.since)},
        value=count,
        worse=Worse.HIGHER,
    )


def each_of(
    numbers: tuple[int, ...], impact: Impact, when: When, function: str = ""
) -> Callable[[Logs, LogLevels, Context], Iterator[Result]]:
    """A check that finds each of these errors that is in the log."""

    def check(facts: Logs, levels: LogLevels, ctx: Context) -> Iterator[Result]:
        seen = seen_in(facts, levels.days, levels.least_days)
        if isinstance(seen, NotChecked):
            yield seen
            return
        there = sorted({one.number for one in seen.of(lambda one: one.number in numbers)})
        for number in there:
            errors = seen.of(lambda one, number=number: one.number == number)
            yield finding(
                errors,
                seen,
                impact=impact,
                when=when,
                function=function,
                message="logged",
                item=f"error {number}",
            )
        if not there:
            yield seen.window.passed()

    return check
