"""When a data file was last made anew, which is what compaction does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Bytes,
    Context,
    Duration,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Probe,
    Result,
    Section,
    Step,
    Text,
    Value,
    When,
    Worse,
    judge,
)
from probes.access import parts
from probes.access.file_size import FileSize, FileSpace


class Made(NamedTuple):
    """`made`: the date in the header, a local time that is taken for UTC; None in Jet 3, which keeps none.

    Compaction writes a new file and takes the tables over with the dates of their own: `remade` says that a
    table is older than the file, so that this was a compaction (or a conversion) and not the first day.
    """

    made: datetime | None
    remade: bool
    changed: datetime | None
    version: str


# Whoever makes a file and its tables in one go does it within seconds.
_SAME_TIME = timedelta(minutes=1)


def parse(raw: JSON, source: str, version: int) -> Made:
    header = parts.part(raw, "header")
    made = parts.instant_or_none(header, "created")
    tables = (parts.instant_or_none(one, "created") for one in parts.objects(raw, "tables"))
    remade = made is not None and any(one is not None and one < made - _SAME_TIME for one in tables)
    return Made(made, remade, parts.instant_or_none(header, "modified"), parts.text(header, "version"))


made_anew = Section(
    name="access-made",
    facts=Made,
    collect={"access": AccessFile(("header", "tables"), depth="catalogue")},
    parse=parse,
    privacy="times at which the file and its tables were made",
)


@dataclass(frozen=True, slots=True)
class AgeLevels:
    due_days: int = 90  # days of work in the file since it was compacted (access.compact-age)
    overdue_days: int = 365
    least_bytes: int = 50 * 1024**2  # in smaller files nobody notices a compaction; our own experience
    little_share: float = 0.05  # of the file to be given back: below, there is no hurry; our own experience


@dataclass(frozen=True, slots=True)
class AgeNeeds:
    made: Made
    size: FileSize
    space: FileSpace | None


_A_DAY = timedelta(days=1)  # what local times may be off, and more


def check_age(facts: AgeNeeds, levels: AgeLevels, ctx: Context) -> Iterator[Result]:
    made, size = facts.made.made, facts.size.size_bytes
    if size < levels.least_bytes:
        yield NotApplicable(reason="the file is so small that a compaction would hardly be noticed")
        return
    if made is None:
        old = facts.made.version == "jet3"
        why = "a file of Jet 3 does not keep when it was made" if old else "its header has no sensible date"
        yield NotChecked(reason=f"{why}: note the date of each compaction")
        return
    if made > ctx.collected_at + _A_DAY:
        yield NotChecked(reason="the date in its header lies in the future")
        return
    # A file that nobody writes to does not fall apart: only the time until its last change counts.
    until = min(facts.made.changed or ctx.collected_at, ctx.collected_at)
    age = max(timedelta(), until - made)
    evidence: dict[str, Value] = {
        "made": Instant(made),
        "size": Bytes(size),
        "by": Text(
            "a compaction or conversion" if facts.made.remade else "a compaction, or for the first time"
        ),
    }
    message, overdue = "old", Impact.LIMITED
    if facts.space is not None and facts.space.complete:
        wasted = (facts.space.free + facts.space.orphan) * facts.size.page_size
        evidence["reclaimable"] = Bytes(wasted)
        message = "old-gain"
        if wasted < levels.little_share * size:
            overdue = Impact.NOTE
    yield from judge(
        "age",
        Duration(age.total_seconds()),
        (
            Step(levels.overdue_days * 86400, overdue, When.LATER),
            Step(levels.due_days * 86400, Impact.NOTE, When.LATER),
        ),
        worse=Worse.HIGHER,
        message=message,
        evidence=evidence,
    )


compaction_age = Probe(
    id="access.compaction-age",
    title="The data file is compacted from time to time",
    check=check_age,
    levels=AgeLevels(),
    messages={
        "old": "The file was made anew on {made} (by {by}) and has been worked in for {age} since.",
        "old-gain": "The file was made anew on {made} (by {by}) and has been worked in for {age} since; "
        "compacted, it would give back {reclaimable}.",
    },
    why=(
        "Only compaction puts the rows of a table back together, renews what queries are planned by, and "
        "gives back empty pages; the day in the file's header is when it was last written anew."
    ),
    remedy=(
        "With everyone out and a fresh back-up, compact into a new file, compare the row counts, and set the "
        "rights of the new file as they were (see access.compaction-safe first)."
    ),
    verify="The next check-up shows the day of the compaction.",
    kind="access",
    roles=frozenset({"back-end", "front-end"}),
    references=("domain: access.compact-age",),
)
