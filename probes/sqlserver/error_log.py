"""The error log: how its lines are asked for, which of them are kept, and how far back it is known.

A line may hold anything, a patient's name too. So the server is asked for lines with two given texts, and of
what comes back only those that are wholly of the expected form are stored.

The lines are in the language of the server's installation. That this is English is known by another line that
every log begins with; where it is missing, nothing passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from checkup.api import JSON, Instant, Keep, NotChecked, Passed, Result, Section, Sql, SqlFacts, SqlVariant
from probes.sql.rows import reader

RIGHTS = "EXECUTE on master.sys.xp_readerrorlog, or (2022 and later) VIEW ANY ERROR LOG"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line as the procedures give it; the names of the columns are theirs."""

    LogDate: datetime
    ProcessInfo: str | None
    Text: str


class LogLines(SqlFacts[LogLine]):
    pass


NOW_WRITTEN, EARLIER = 0, 1  # the number of a log: the one being written, and the one before

SERVERS_OWN = 1  # 2 would be the log of the Agent


def lines_with(
    log: int,
    texts: tuple[str, str],
    form: re.Pattern[str],
    *,
    most_rows: int,
    order: Literal["asc", "desc"] = "desc",
) -> Sql:
    """The lines of a log that hold both texts and are wholly of a form; by default the newest first, so that
    a cut costs the oldest.

    Whoever may execute xp_readerrorlog may read. Everybody may execute sp_readerrorlog, which itself asks for
    a right: since 2022 for one of its own ("sp_readerrorlog (Transact-SQL)"). What it asks for in older
    versions the editions of that page tell differently, so there it is not tried. It knows no order: the
    oldest lines come first.
    """
    asked = f"{log}, {SERVERS_OWN}, N'{texts[0]}', N'{texts[1]}'"
    return Sql(
        (
            SqlVariant(
                f"EXEC master.sys.xp_readerrorlog {asked}, NULL, NULL, N'{order}'",  # from when, until when
                reads=("master.sys.xp_readerrorlog",),
                rights=("EXECUTE ON master.sys.xp_readerrorlog",),
            ),
            SqlVariant(
                f"EXEC master.sys.sp_readerrorlog {asked}",
                reads=("master.sys.sp_readerrorlog",),
                since=(16,),
                rights=("VIEW ANY ERROR LOG",),
            ),
        ),
        row=LogLine,
        most_rows=most_rows,
        timeout_s=30,
        cost="medium",
        keep=Keep("Text", form.pattern),
    )


F = TypeVar("F", bound=SqlFacts[Any])
_lines = reader(LogLines, LogLine)


def parsed(facts: type[F], read: Callable[[datetime, str], Any]) -> Callable[[JSON, str, int], F]:
    """The `parse` of a section of lines. `read` makes a row of a line's time and text, or None of one that is
    of another form, which is dropped."""

    def parse(raw: JSON, source: str, version: int) -> F:
        lines = _lines(raw, source, version)
        rows = (read(line.LogDate, line.Text.strip()) for line in lines.rows)
        return facts(
            rows=tuple(row for row in rows if row is not None), server=lines.server, missing=lines.missing
        )

    return parse


# --- where a log begins -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogBegin:
    """The line with which a log begins, in English."""

    at: datetime


class ErrorLogBegin(SqlFacts[LogBegin]):
    """Of the log that is being written."""


class EarlierErrorLogBegin(SqlFacts[LogBegin]):
    """Of the log before."""


_BEGIN = re.compile(r"Server process ID is \d{1,9}\.?")
_BEGIN_TEXTS = ("Server process", "ID is")


def _begin(at: datetime, text: str) -> LogBegin | None:
    return LogBegin(at) if _BEGIN.fullmatch(text) else None


error_log_begin = Section(
    name="sqlserver-error-log-begin",
    facts=ErrorLogBegin,
    collect={"sqlserver": lines_with(NOW_WRITTEN, _BEGIN_TEXTS, _BEGIN, most_rows=10, order="asc")},
    parse=parsed(ErrorLogBegin, _begin),
    privacy="when the log was begun",
)

earlier_error_log_begin = Section(
    name="sqlserver-error-log-earlier-begin",
    facts=EarlierErrorLogBegin,
    collect={"sqlserver": lines_with(EARLIER, _BEGIN_TEXTS, _BEGIN, most_rows=10, order="asc")},
    parse=parsed(EarlierErrorLogBegin, _begin),
    privacy="when the log was begun",
)

UNKNOWN_BEGIN = "the error log is not in English, or its beginning was not found"


# --- the days that are looked at --------------------------------------------------------------

LOOK_BACK_DAYS = 30  # the contract's shortest interval between two check-ups
LEAST_DAYS = 7  # fewer days of log pass for nothing; our own, a working week


@dataclass(frozen=True, slots=True)
class Window:
    """`since` is the first moment that is looked at; `enough`, whether to find nothing since then says
    something."""

    since: datetime
    enough: bool

    def passed(self) -> Result:
        """Nothing was found, if there was enough to look at."""
        if self.enough:
            return Passed(evidence={"since": Instant(self.since)})
        return NotChecked(reason=f"the error logs that are read begin only on {self.since:%Y-%m-%d}")


def window(
    begins: Iterable[LogBegin], asked_at: datetime, days: float, least_days: float
) -> Window | NotChecked:
    """The last `days`, as far as the logs that begin so go back."""
    begun = min((one.at for one in begins), default=None)
    if begun is None:
        return NotChecked(reason=UNKNOWN_BEGIN)
    since = max(begun, asked_at - timedelta(days=days))
    return Window(since, enough=asked_at - begun >= timedelta(days=min(least_days, days)))
