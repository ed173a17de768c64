"""Whether the front ends keep the data file open, or open it anew for everything they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Value,
    When,
    Worse,
)
from probes.access import parts


class LockLife(NamedTuple):
    """`made` and `lock_changed` are of the lock file, None where there is none or no time of it is known;
    `changed` is of the data file."""

    present: bool
    made: datetime | None
    lock_changed: datetime | None
    changed: datetime | None


def parse(raw: JSON, source: str, version: int) -> LockLife:
    changed = parts.instant_or_none(parts.part(raw, "header"), "modified")
    lock = parts.part_or_none(raw, "lock")
    if lock is None:
        return LockLife(False, None, None, changed)
    made = parts.instant_or_none(lock, "created") if "created" in lock else None
    return LockLife(True, made, parts.instant_or_none(lock, "modified"), changed)


lock_life = Section(
    name="access-lock-life",
    facts=LockLife,
    collect={"access": AccessFile(("header", "lock"))},
    parse=parse,
    privacy="times at which the lock file and the data file were made and changed",
)


@dataclass(frozen=True, slots=True)
class PersistenceLevels:
    just_now_minutes: int = 15  # a file changed within them is being worked in; our own experience
    gap_minutes: int = 60  # a lock file made longer after the last change than this may begin another day
    least_looks: int = 3  # looks at the file in use, over all visits; one alone may have met the first in
    often: float = 0.6  # share of them that found the lock file new, or none


REBORN = "lock_reborn"


def check_persistence(facts: LockLife, levels: PersistenceLevels, ctx: Context) -> Iterator[Result]:
    """One look is little evidence: each is remembered as 0 or 1, and several visits are judged together."""
    now = _reborn(facts, levels, ctx.collected_at)
    looks = [point.value for point in ctx.history(REBORN)]
    if now is not None:
        yield Metric(name=REBORN, value=Number(now))
        looks.append(float(now))
    if len(looks) < levels.least_looks:
        seen = "was not in use when looked at" if now is None else "was in use"
        yield NotApplicable(
            reason=f"not enough looks at the file in use: {len(looks)} of {levels.least_looks} (it {seen})"
        )
        return
    reborn = sum(looks)
    evidence: dict[str, Value] = {"reborn": Number(reborn), "looks": Number(len(looks))}
    if facts.made is not None:
        evidence["age"] = Duration(max(0.0, (ctx.collected_at - facts.made).total_seconds()))
    if reborn / len(looks) >= levels.often:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="reborn",
            evidence=evidence,
            value=Number(reborn),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


def _reborn(facts: LockLife, levels: PersistenceLevels, at: datetime) -> int | None:
    """1: somebody worked in the file a moment ago and nobody has it open, or its lock file is younger than
    work that was done before. 0: the lock file is older than the last change. None: it shows neither."""
    if facts.changed is None:
        return None
    since_change = (at - facts.changed).total_seconds()
    just_now = levels.just_now_minutes * 60
    if not facts.present:
        return 1 if 0 <= since_change < just_now else None
    if facts.made is None:
        return None
    idle = (facts.made - facts.changed).total_seconds()  # between the last change and the new lock file
    if 0 < idle < levels.gap_minutes * 60:
        return 1
    return 0 if idle <= 0 and (at - facts.made).total_seconds() >= just_now else None


persistent_connection = Probe(
    id="access.persistent-connection",
    title="Front ends keep the data file open while they run",
    check=check_persistence,
    levels=PersistenceLevels(),
    messages={
        "reborn": "At {reborn} of {looks} looks at the file in use its lock file was new or gone. Kept open "
        "from the start, each form and list opens without making it anew."
    },
    why=(
        "A front end that closes the data file after each form makes and deletes the lock file each time, "
        "which over a network costs more than the data itself."
    ),
    remedy=(
        "Ask the maker of the front end to keep one connection to the data file open from start to end (a "
        "hidden form bound to a small table is enough)."
    ),
    verify="At the next check-ups, during work, the lock file is as old as the working day.",
    kind="access",
    roles=frozenset({"back-end"}),
    references=("Microsoft: Introduction to lock files",),
)
