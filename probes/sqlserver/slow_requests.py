"""Requests to the storage that took longer than fifteen seconds, as the error log notes them.

The note (833) has no header with its number: its own text is searched for. It names a file and counts; only
the count and the time are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Context,
    Finding,
    Impact,
    Instant,
    NotChecked,
    Number,
    Probe,
    Result,
    Section,
    SqlFacts,
    Value,
    When,
    Worse,
)
from probes.sqlserver.error_log import (
    LEAST_DAYS,
    LOOK_BACK_DAYS,
    NOW_WRITTEN,
    RIGHTS,
    ErrorLogBegin,
    lines_with,
    parsed,
    window,
)


@dataclass(frozen=True, slots=True)
class SlowNote:
    """One note: so many requests to one file since the note before."""

    at: datetime
    requests: int


class SlowNotes(SqlFacts[SlowNote]):
    pass


_NOTE = re.compile(
    r"SQL Server has encountered (\d{1,9}) occurrence\(s\) of I/O requests taking longer than.*"
)


def _note(at: datetime, text: str) -> SlowNote | None:
    found = _NOTE.fullmatch(text)
    return SlowNote(at, int(found[1])) if found else None


slow_notes = Section(
    name="sqlserver-slow-requests",
    facts=SlowNotes,
    collect={
        "sqlserver": lines_with(
            NOW_WRITTEN,
            ("requests taking longer than", "SQL Server has encountered"),
            _NOTE,
            most_rows=2000,
        )
    },
    parse=parsed(SlowNotes, _note),
    privacy="counts and times of notes, with the names of the files; no other message",
)


@dataclass(frozen=True, slots=True)
class SlowNeeds:
    notes: SlowNotes
    begin: ErrorLogBegin


@dataclass(frozen=True, slots=True)
class SlowLevels:
    days: float = float(LOOK_BACK_DAYS)  # back from now
    least_days: int = LEAST_DAYS
    repeated: int = 2  # notes; one may be a machine that was copied or moved


def check(facts: SlowNeeds, levels: SlowLevels, ctx: Context) -> Iterator[Result]:
    known = window(facts.begin.rows, facts.notes.server.asked_at, levels.days, levels.least_days)
    if isinstance(known, NotChecked):
        yield known
        return
    recent = [one for one in facts.notes.rows if one.at >= known.since]
    if not recent:
        yield known.passed()
        return
    repeated = len(recent) >= levels.repeated
    notes = Number(len(recent))
    evidence: dict[str, Value] = {
        "notes": notes,
        "requests": Number(sum(one.requests for one in recent)),
        "since": Instant(known.since),
        "last": Instant(max(one.at for one in recent)),
    }
    yield Finding(
        impact=Impact.MAJOR if repeated else Impact.LIMITED,
        when=When.BEFORE_NEXT_VISIT,
        message="repeated" if repeated else "once",
        evidence=evidence,
        value=notes,
        worse=Worse.HIGHER,
    )


probe = Probe(
    id="sqlserver.slow-requests",
    title="No request to the storage takes longer than fifteen seconds",
    check=check,
    levels=SlowLevels(),
    kind="sqlserver",
    messages={
        "repeated": "Since {since} the instance noted {notes} times that the storage had not answered for "
        "fifteen seconds (requests: {requests}), last on {last}.",
        "once": "On {last} the instance noted that the storage had not answered for fifteen seconds "
        "(requests: {requests}).",
    },
    why=(
        "Who needed those pages waited fifteen seconds and more. It is the sign of disks or paths that fail, "
        "before they do."
    ),
    remedy=(
        "Compare the hours of the notes (error log, message 833) with back-ups, copies of the virtual "
        "machine and virus scans, and move those apart. If nothing fits, have disks, controller and paths "
        "examined by their vendor, and make sure that a good back-up lies elsewhere."
    ),
    verify="The next check-up counts no such note.",
    rights=RIGHTS,
    references=("MSSQLSERVER_833, Microsoft Learn", "SQL Assessment API, rule for error 833"),
)
