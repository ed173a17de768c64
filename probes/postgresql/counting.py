"""Counters of PostgreSQL: since when they run; and words that its probes share.

Counters outlive a restart, but not a crash ("The Cumulative Statistics System"). Where the server does not
say when they began (since version 15 `stats_reset` of a database is empty until the first reset), they are
as old as its last start, or older: enough to call something unused, but nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from checkup.api import ErrorClass, NotChecked, SqlServer, SqlVariant

DAY_S = 86_400
YOUNG_S = 7 * DAY_S  # less is no sample of a clinic's week: a finding from it is a hint only
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Window:
    """The time that counters have run for, at least."""

    since: datetime
    seconds: float

    @property
    def days(self) -> float:
        return self.seconds / DAY_S

    @property
    def is_young(self) -> bool:
        return self.seconds < YOUNG_S


def window(server: SqlServer, reset_at: datetime | None) -> Window | None:
    """None where the server tells neither when they were reset nor when it started."""
    since = reset_at or server.started_at
    if since is None:
        return None
    return Window(since, max((server.asked_at - since).total_seconds(), 1.0))


def too_young(counted: Window | None, least_days: float, item: str = "") -> NotChecked | None:
    """What to say where the counters have not run long enough to be judged."""
    if counted is None:
        return NotChecked(item=item, reason="the server does not say since when it counts")
    if counted.days < least_days:
        counts = f"what the server counts goes back {_days(counted.days)}"
        return NotChecked(item=item, reason=f"{counts}; to judge it takes {_days(least_days)}")
    return None


def _days(days: float) -> str:
    if days < 1:
        return "less than a day"
    return "a day" if int(days) == 1 else f"{int(days)} days"


def named(names: Sequence[str]) -> str:
    """Some names for a line of the report, the rest counted."""
    more = len(names) - MOST_NAMED
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def hidden(reason: str, item: str) -> NotChecked:
    """Something that the server kept from this login without an error."""
    return NotChecked(item=item, reason=reason, error=ErrorClass.DENIED)


def identifier(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


MONITOR = "pg_monitor (PostgreSQL 10 and newer; before, a superuser)"


def monitored(text: str, before_10: str, reads: tuple[str, ...]) -> tuple[SqlVariant, ...]:
    """What pg_monitor opens since version 10, and a superuser before."""
    return (
        SqlVariant(text, reads=reads, since=(10,), rights=("pg_monitor",)),
        SqlVariant(before_10, reads=reads, since=(9, 6), before=(10,), rights=("superuser",)),
    )
