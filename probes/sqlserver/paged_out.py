"""Memory of the instance that the system moved to its paging file, as the error log notes it.

The note (17890) has no header with its number: its own text is searched for. It holds numbers only: for how
long, and how much of the memory that the instance asked for still lay in the machine's memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Bytes,
    Context,
    Duration,
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

KIB = 1024


@dataclass(frozen=True, slots=True)
class PagedOutNote:
    """One note. `lasted_s` is 0 in the first note of a shortage and grows in those that follow; of
    `committed_bytes`, `resident_bytes` still lay in the machine's memory."""

    at: datetime
    lasted_s: int
    resident_bytes: int
    committed_bytes: int


class PagedOutNotes(SqlFacts[PagedOutNote]):
    pass


# "MSSQLSERVER_17890", Microsoft Learn. Releases write the product's name in small letters or large ones, and
# some of them the last sign twice.
_NOTE = re.compile(
    r"A significant part of (?i:SQL Server) process memory has been paged out\. This may result in a "
    r"performance degradation\. Duration: (\d{1,9}) seconds\. Working set \(KB\): (\d{1,15}), committed "
    r"\(KB\): (\d{1,15}), memory utilization: \d{1,3}%{1,2}\.?"
)


def _note(at: datetime, text: str) -> PagedOutNote | None:
    if (found := _NOTE.fullmatch(text)) is None:
        return None
    lasted_s, resident_kib, committed_kib = map(int, found.groups())
    return PagedOutNote(at, lasted_s, resident_kib * KIB, committed_kib * KIB)


paged_out_notes = Section(
    name="sqlserver-paged-out",
    facts=PagedOutNotes,
    collect={
        "sqlserver": lines_with(
            NOW_WRITTEN,
            ("process memory has been paged out", "memory utilization"),
            _NOTE,
            most_rows=2000,
        )
    },
    parse=parsed(PagedOutNotes, _note),
    privacy="times of notes, with sizes of memory; no other message",
)


@dataclass(frozen=True, slots=True)
class PagedOutNeeds:
    notes: PagedOutNotes
    begin: ErrorLogBegin


@dataclass(frozen=True, slots=True)
class PagedOutLevels:
    days: int = LOOK_BACK_DAYS  # back from now
    least_days: int = LEAST_DAYS
    repeated: int = 2  # notes; our own: one may be a machine that was copied, or a driver that was loaded


def check(facts: PagedOutNeeds, levels: PagedOutLevels, ctx: Context) -> Iterator[Result]:
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
    least = min(recent, key=lambda one: one.resident_bytes)
    evidence: dict[str, Value] = {
        "notes": notes,
        "longest": Duration(max(one.lasted_s for one in recent)),
        "resident": Bytes(least.resident_bytes),
        "committed": Bytes(least.committed_bytes),
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
    id="sqlserver.memory-paged-out",
    title="The memory of the instance stays in the machine's memory",
    check=check,
    levels=PagedOutLevels(),
    kind="sqlserver",
    messages={
        "repeated": "Since {since} the instance noted {notes} times that the system had moved most of its "
        "memory to the disk, last on {last}: at worst {resident} of {committed} were left.",
        "once": "On {last} the instance noted that the system had moved most of its memory to the disk: "
        "{resident} of {committed} were left.",
    },
    why=(
        "What the instance believes to be in memory must be read from the disk again, page by page: "
        "everything stands still for seconds or minutes."
    ),
    remedy=(
        "Compare the hours of the notes (error log, message 17890) with copies of large files, virus scans "
        "and programs on the machine, and move those away. Set 'max server memory (MB)' so that 4 GB or a "
        "tenth stay free. If the notes come back, give the service's account 'Lock pages in memory' "
        "(secpol.msc) and restart the service when nobody works; the way back is to take it away."
    ),
    verify="The next check-up counts no such note.",
    rights=RIGHTS,
    references=("MSSQLSERVER_17890, Microsoft Learn", "SQL Assessment API, rule for error 17890"),
)
