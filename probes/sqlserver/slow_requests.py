"""Requests to the storage that took longer than fifteen seconds, as the error log notes them.

The note (833) has no header with its number: its own text is searched for. It names a file and counts; only
the count and the time are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Instant,
    Keep,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Value,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.error_log import RIGHTS, ErrorLogBegin, LogLine, LogLines


@dataclass(frozen=True, slots=True)
class SlowNote:
    """One note: so many requests to one file since the note before."""

    at: datetime
    requests: int


class SlowNotes(SqlFacts[SlowNote]):
    pass


_lines = reader(LogLines, LogLine)
_NOTE = re.compile(r"SQL Server has encountered (\d{1,9}) occurrence\(s\) of I/O requests taking longer than")


def _parse(raw: JSON, source: str, version: int) -> SlowNotes:
    """A line that is not of the form asked for is dropped unread, of the rest all but count and time."""
    lines = _lines(raw, source, version)
    kept = [(line.LogDate, _NOTE.match(line.Text.strip())) for line in lines.rows]
    return SlowNotes(
        rows=tuple(SlowNote(at, int(found[1])) for at, found in kept if found is not None),
        server=lines.server,
        missing=lines.missing,
    )


slow_notes = Section(
    name="sqlserver-slow-requests",
    facts=SlowNotes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    "EXEC master.sys.xp_readerrorlog 0, 1, N'requests taking longer than', N'SQL Server has "
                    "encountered', NULL, NULL, N'desc'",
                    reads=("master.sys.xp_readerrorlog",),
                    rights=("EXECUTE ON master.sys.xp_readerrorlog",),
                ),
                SqlVariant(
                    "EXEC master.sys.sp_readerrorlog 0, 1, N'requests taking longer than', N'SQL Server has "
                    "encountered'",
                    reads=("master.sys.sp_readerrorlog",),
                    since=(16,),
                    rights=("VIEW ANY ERROR LOG",),
                ),
            ),
            row=LogLine,
            keep=Keep("Text", _NOTE.pattern + ".*"),
            most_rows=2000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=_parse,
    privacy="counts and times of notes; no message",
)


@dataclass(frozen=True, slots=True)
class SlowNeeds:
    notes: SlowNotes
    begin: ErrorLogBegin


@dataclass(frozen=True, slots=True)
class SlowLevels:
    days: float = 30.0  # back from now; the contract's shortest interval between two check-ups
    repeated: int = 2  # notes; one may be a machine that was copied or moved


def check(facts: SlowNeeds, levels: SlowLevels, ctx: Context) -> Iterator[Result]:
    if not facts.begin.rows:
        yield NotChecked(reason="the error log is in a language in which we do not know this note")
        return
    known_since = min(one.at for one in facts.begin.rows)
    after = max(known_since, ctx.collected_at - timedelta(days=levels.days))
    recent = [one for one in facts.notes.rows if one.at >= after]
    if not recent:
        yield Passed(evidence={"since": Instant(after)})
        return
    repeated = len(recent) >= levels.repeated
    notes = Number(len(recent))
    evidence: dict[str, Value] = {
        "notes": notes,
        "requests": Number(sum(one.requests for one in recent)),
        "since": Instant(after),
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
