"""The size of a data file: what is left to its limit, until when, and what compaction would give back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    NotEnoughHistory,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from probes.access import parts


class FileSize(NamedTuple):
    """`limit_bytes`: what the format allows, 1 GiB for Jet 3 and 2 GiB for all later ones."""

    size_bytes: int
    limit_bytes: int
    page_size: int


def parse_size(raw: JSON, source: str, version: int) -> FileSize:
    header = parts.part(raw, "header")
    return FileSize(
        parts.whole(header, "size_bytes"),
        parts.whole(header, "limit_bytes", 1),
        parts.whole(header, "page_size", 1),
    )


size = Section(
    name="access-size",
    facts=FileSize,
    collect={"access": AccessFile(("header",))},
    parse=parse_size,
    privacy="the size of the file and of its pages",
)


class FileSpace(NamedTuple):
    """What the pages of a file are for, in pages; `complete` where all maps could be read.

    Free pages are used again by the file itself; orphans belong to nothing, and only compaction gives them
    back.
    """

    pages: int
    free: int
    orphan: int
    complete: bool


def parse_space(raw: JSON, source: str, version: int) -> FileSpace:
    maps = parts.part(raw, "maps")
    pages, free, orphan = (parts.whole(maps, name) for name in ("pages", "free", "orphan"))
    if free + orphan > pages:
        raise ValueError("more free and lost pages than pages")
    return FileSpace(pages, free, orphan, parts.flag(maps, "complete"))


space = Section(
    name="access-space",
    facts=FileSpace,
    collect={"access": AccessFile(("maps",), depth="maps")},
    parse=parse_space,
    privacy="counts of pages",
)


@dataclass(frozen=True, slots=True)
class SizeNeeds:
    size: FileSize
    space: FileSpace | None

    @property
    def free_bytes(self) -> int:
        """What the file will fill before it grows again; 0 where that is not known."""
        known = self.space is not None and self.space.complete
        return min(self.space.free * self.size.page_size, self.size.size_bytes) if known and self.space else 0

    @property
    def filled_bytes(self) -> int:
        return self.size.size_bytes - self.free_bytes


# --- the limit --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LimitLevels:
    tight: float = 0.60  # share of the format's limit (access.file-size)
    short: float = 0.80
    full: float = 0.95


def check_limit(facts: SizeNeeds, levels: LimitLevels, ctx: Context) -> Iterator[Result]:
    file_share = facts.size.size_bytes / facts.size.limit_bytes
    evidence: dict[str, Value] = {
        "size": Bytes(facts.size.size_bytes),
        "largest": Bytes(facts.size.limit_bytes),
        "free_inside": Bytes(facts.free_bytes),
        "file_share": Ratio(file_share),
    }
    filled = facts.filled_bytes / facts.size.limit_bytes
    if filled < levels.tight and file_share >= levels.full:
        yield Metric(name="filled", value=Ratio(filled))
        yield Finding(impact=Impact.LIMITED, message="empty", when=When.BEFORE_NEXT_VISIT, evidence=evidence)
        return
    yield from judge(
        "filled",
        Ratio(filled),
        (
            Step(levels.full, Impact.DOWN, When.BEFORE_NEXT_VISIT, "full"),
            Step(levels.short, Impact.MAJOR, When.BEFORE_NEXT_VISIT),
            Step(levels.tight, Impact.LIMITED, When.LATER),
        ),
        worse=Worse.HIGHER,
        message="large",
        evidence=evidence,
    )


limit = Probe(
    id="access.size-limit",
    title="The data file has room below the limit of its format",
    check=check_limit,
    levels=LimitLevels(),
    messages={
        "large": "{filled} of the {largest} that its format allows are filled; the file is {size} long.",
        "full": "The data file is about to reach the {largest} that its format allows ({filled} filled).",
        "empty": "The file is {size} of {largest} long, but {free_inside} in it are free: compact it.",
    },
    why="At the limit Access refuses every new record; a file that meets it in mid-write may be damaged.",
    remedy=(
        "Back up and compact the file with everyone out; then move old records or the largest tables to a "
        "second file, or the data to SQL Server."
    ),
    verify="The next check-up shows the share below the level given.",
    kind="access",
    references=("domain: access.file-size", "Microsoft: Access specifications, database size"),
)


# --- the forecast -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ForecastLevels:
    now_days: int = 183  # at the limit before the next half-yearly check-up (access.growth)
    soon_days: int = 365
    later_days: int = 730


def check_forecast(facts: SizeNeeds, levels: ForecastLevels, ctx: Context) -> Iterator[Result]:
    # Sizes with and without the free pages inside are two histories: they must not be mixed.
    known = facts.space is not None and facts.space.complete
    metric, current = "filled_bytes" if known else "size_bytes", facts.filled_bytes
    largest = facts.size.limit_bytes
    forecast = ctx.forecast(metric, current, largest)
    yield Metric(name="size_bytes", value=Bytes(facts.size.size_bytes), limit=largest)
    if known:
        yield Metric(name="filled_bytes", value=Bytes(current), limit=largest)
    if isinstance(forecast, NotEnoughHistory):
        seen = f"{forecast.points} of {forecast.needed} measurements"
        yield NotApplicable(reason=f"not enough history: {seen}")
        return
    evidence: dict[str, Value] = {
        "growth_a_month": Bytes(round(forecast.per_day * 30)),
        "left": Bytes(max(0, largest - current)),
        "largest": Bytes(largest),
    }
    if forecast.reached is None:
        yield Passed(evidence=evidence)
        return
    left = forecast.reached - ctx.now
    evidence |= {"full_on": Instant(forecast.reached), "days_left": Duration(left.total_seconds())}
    if forecast.earliest is not None:
        evidence["earliest"] = Instant(forecast.earliest)
    if forecast.latest is not None:
        evidence["latest"] = Instant(forecast.latest)
    steps = (
        (levels.now_days, Impact.DOWN, When.BEFORE_NEXT_VISIT),
        (levels.soon_days, Impact.MAJOR, When.BEFORE_NEXT_VISIT),
        (levels.later_days, Impact.LIMITED, When.LATER),
    )
    hit = next((step for step in steps if left <= timedelta(days=step[0])), None)
    if hit is None:
        yield Passed(evidence=evidence)
        return
    _, impact, when = hit
    yield Finding(
        impact=impact,
        when=when,
        message="fills",
        evidence=evidence,
        value=Duration(left.total_seconds()),
        worse=Worse.LOWER,
    )


forecast = Probe(
    id="access.size-forecast",
    title="The data file stays below its limit for two years",
    check=check_forecast,
    levels=ForecastLevels(),
    messages={"fills": "Growing by {growth_a_month} a month, the file reaches {largest} about {full_on}."},
    why="Splitting or moving a data file takes planning; the day it must be done by can be known in time.",
    remedy="Plan before the date given: archive old records, move large tables out, or move to SQL Server.",
    verify="The forecast of the next check-up shows a date more than two years away.",
    kind="access",
    references=("domain: access.growth",),
)


# --- what compaction would give back ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReclaimableLevels:
    worth_share: float = 0.25  # of the file; our own experience: below, compaction is hardly noticed
    urgent_share: float = 0.50
    least_bytes: int = 50 * 1024**2  # smaller gains are not worth closing the clinic's work for


@dataclass(frozen=True, slots=True)
class ReclaimableNeeds:
    size: FileSize
    space: FileSpace


def check_reclaimable(facts: ReclaimableNeeds, levels: ReclaimableLevels, ctx: Context) -> Iterator[Result]:
    found = facts.space
    if not found.complete:
        yield NotChecked(reason="the maps of the file could not be read whole")
        return
    wasted = (found.free + found.orphan) * facts.size.page_size
    share = (found.free + found.orphan) / found.pages if found.pages else 0.0
    evidence: dict[str, Value] = {
        "reclaimable": Bytes(wasted),
        "share": Ratio(share),
        "size": Bytes(facts.size.size_bytes),
        "after": Bytes(max(0, facts.size.size_bytes - wasted)),
        "free": Bytes(found.free * facts.size.page_size),
        "lost": Bytes(found.orphan * facts.size.page_size),
    }
    yield Metric(name="reclaimable", value=Bytes(wasted))
    if wasted < levels.least_bytes or share < levels.worth_share:
        yield Passed(evidence=evidence)
        return
    urgent = share >= levels.urgent_share
    yield Finding(
        impact=Impact.LIMITED,
        when=When.BEFORE_NEXT_VISIT if urgent else When.LATER,
        message="bloated",
        evidence=evidence,
        value=Bytes(wasted),
        worse=Worse.HIGHER,
    )


reclaimable = Probe(
    id="access.reclaimable",
    title="Little of the data file is empty space",
    check=check_reclaimable,
    levels=ReclaimableLevels(),
    messages={
        "bloated": "Compaction would give back at least {reclaimable} of {size} ({share}), leaving {after}."
    },
    why=(
        "Empty pages between the data make every search, back-up and copy slower, and count against the "
        "limit of the file."
    ),
    remedy=(
        "With everyone out: make a back-up, see that the disk holds a second copy, compact into a new file, "
        "compare the row counts, and set the rights of the new file as they were."
    ),
    verify="The next check-up shows less to be given back than the level.",
    kind="access",
    references=("domain: access.compact-age",),
)
