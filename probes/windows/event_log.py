"""Reads what the fragments' function `Events` says of an event log: groups of events, never their texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from checkup.api import JSON
from probes.windows.rows import Row, flag, instant, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events of one provider, number and level (1 critical, 2 error, 3 warning, 4 information; 0 always),
    with the same inserted values where the fragment asked for some. Providers are in lower case: their
    spelling differs between versions of Windows."""

    provider: str
    number: int
    level: int
    fields: tuple[str, ...]
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class EventLog:
    """`oldest` is the log's oldest event (None: it is empty). `cut`: there are more than were read."""

    groups: tuple[EventGroup, ...]
    oldest: datetime | None
    cut: bool


def event_log(raw: JSON) -> EventLog:
    """Raises ValueError or KeyError on what `Events` does not say."""
    if not isinstance(raw, dict):
        raise ValueError("not the answer of an event log")
    return EventLog(
        groups=tuple(_group(row) for row in rows(raw, "groups")),
        oldest=instant(raw["oldest"]),
        cut=flag(raw["cut"]) is True,
    )


def _group(given: Row) -> EventGroup:
    first, last = instant(given["first"]), instant(given["last"])
    code, count = number(given["id"]), number(given["count"])
    if first is None or last is None or code is None or count is None or count < 1:
        raise ValueError("a group of events lacks its number, count or times")
    return EventGroup(
        provider=text(given["provider"]).lower(),
        number=code,
        level=number(given["level"]) or 0,
        fields=texts(given["fields"]),
        count=count,
        first=first,
        last=last,
    )
