"""How much can be read from counters that begin anew at each start of the instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checkup.api import Duration, NotChecked, SqlServer, Text, Value

DAY_S = 86_400.0

# Younger than a week, the counters hold no ordinary week: what is found is said with that doubt.
_YOUNG_DAYS = 7.0
_EARLY = "-early"

UNKNOWN_START = NotChecked(reason="the server does not say when it was started, so its counters say nothing")


def days_up(server: SqlServer) -> float | None:
    """Days since the start; None where the login may not know."""
    return None if server.up_s is None else max(server.up_s, 1.0) / DAY_S


def worded(message: str, days: float) -> str:
    """The message, or its doubtful form; see `with_doubt`."""
    return message + _EARLY if days < _YOUNG_DAYS else message


def with_doubt(messages: Mapping[str, str]) -> dict[str, str]:
    """Each message and its form for an instance that was started a few days ago; both need `up`."""
    doubtful = {
        name + _EARLY: f"{text} This is of low confidence: the counters cover only {{up}}."
        for name, text in messages.items()
    }
    return {**messages, **doubtful}


def up(days: float) -> dict[str, Value]:
    return {"up": Duration(days * DAY_S)}


def listed(names: Sequence[str], shown: int) -> Text:
    """The first of these names, and how many more there are."""
    rest = len(names) - shown
    return Text(", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else ""))
