"""The lock file beside a data file: who may be in it, and whether it was left behind.

An entry stays when its user leaves, so the list says who has been in the file since the lock file was made.
Who is in it now shows in byte locks only, which reading does not see.
"""

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
    Instant,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    Passed,
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


class LockFile(NamedTuple):
    """`machines` without repetition, in the order of their slots; `written` the newer of the times at which
    the lock file and the data file were changed, None where neither is known."""

    present: bool
    machines: tuple[str, ...]
    written: datetime | None


def parse(raw: JSON, source: str, version: int) -> LockFile:
    header, lock = parts.part(raw, "header"), parts.part_or_none(raw, "lock")
    if lock is None:
        return LockFile(False, (), None)
    changes = (parts.instant_or_none(one, "modified") for one in (header, lock))
    machines = (parts.text(entry, "machine").upper() for entry in parts.objects(lock, "entries"))
    return LockFile(
        True,
        tuple(dict.fromkeys(machine for machine in machines if machine)),
        max((one for one in changes if one is not None), default=None),
    )


lock_file = Section(
    name="access-lock-file",
    facts=LockFile,
    collect={"access": AccessFile(("header", "lock"))},
    parse=parse,
    parameters={
        "access_users": Parameter("integer", doc="how many machines work in this data file at most"),
    },
    privacy="names of machines, no names of users",
)


# --- left behind ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StaleLevels:
    in_use_hours: int = 24  # changed within this time: somebody is at work
    stale_hours: int = 72  # not changed for so long: longer than a weekend; our own experience


def check_stale(facts: LockFile, levels: StaleLevels, ctx: Context) -> Iterator[Result]:
    if not facts.present:
        yield Passed()
        return
    if facts.written is None:
        yield NotChecked(reason="there is a lock file, and the time of its last change is not known")
        return
    idle = max(0.0, (ctx.collected_at - facts.written).total_seconds())
    evidence: dict[str, Value] = {
        "machines": Text(parts.named(facts.machines) or "none named"),
        "idle": Duration(idle),
        "since": Instant(facts.written),
    }
    if idle < levels.in_use_hours * 3600:
        yield Passed(evidence=evidence)
    elif idle < levels.stale_hours * 3600:
        hours = round(idle / 3600)
        yield NotChecked(
            reason=f"there is a lock file and nothing was written for {hours} hours: perhaps a session left "
            "open; see the server's list of open files"
        )
    else:
        yield Finding(
            impact=Impact.MAJOR,
            when=When.BEFORE_NEXT_VISIT,
            message="stale",
            evidence=evidence,
            value=Duration(idle),
            worse=Worse.HIGHER,
        )


stale = Probe(
    id="access.stale-lock",
    title="No lock file is left behind beside the data file",
    check=check_stale,
    levels=StaleLevels(),
    messages={"stale": "A lock file lies beside the file, unused since {since}; it names {machines}."},
    why=(
        "The last user out deletes the lock file. It stays where a workstation died in the file, where users "
        "may not delete in the folder, or where the file is marked as damaged."
    ),
    remedy=(
        "See in the server's list of open files that nobody has it open; let users delete in that folder; "
        "see access.commit-words and access.integrity before the file is used further. Then delete the lock."
    ),
    verify="With everyone out there is no lock file beside the data file.",
    kind="access",
    references=("domain: access.lock-stale", "Microsoft: Introduction to lock files"),
)


# --- how many ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserLevels:
    many: int = 20  # machines in one file (access.concurrent-users)
    too_many: int = 40


def check_users(facts: LockFile, levels: UserLevels, ctx: Context) -> Iterator[Result]:
    if not facts.present:
        yield NotApplicable(reason="nobody has the file open: there is no lock file")
        return
    if not facts.machines:
        yield NotChecked(reason="the lock file names no machine")
        return
    declared = ctx.target.declare.get("access_users")
    evidence: dict[str, Value] = {"names": Text(parts.named(facts.machines))}
    steps = [
        Step(levels.too_many + 1, Impact.MAJOR, When.BEFORE_NEXT_VISIT),
        Step(levels.many + 1, Impact.LIMITED, When.LATER),
    ]
    if isinstance(declared, int) and declared > 0:
        evidence["declared"] = Number(declared)
        # More than declared is worth asking about; that it is also many is worth more.
        steps.append(Step(declared + 1, Impact.LIMITED, When.LATER, "undeclared"))
        steps.sort(key=lambda step: (step.impact is not Impact.MAJOR, step.message != "undeclared"))
    yield from judge(
        "machines",
        Number(len(facts.machines)),
        steps,
        worse=Worse.HIGHER,
        message="many",
        evidence=evidence,
    )


users = Probe(
    id="access.users",
    title="No more machines are in the data file than planned",
    check=check_users,
    levels=UserLevels(),
    messages={
        "many": "{machines} machines have been in the file since its lock file was made: {names}.",
        "undeclared": "{machines} machines have been in the file, {declared} declared: {names}.",
    },
    why=(
        "Every machine in the file adds locks to all others' work and is one more that can die in it; Access "
        "allows 255 and works well with far fewer."
    ),
    remedy="Ask what the machines not planned do there; move the busiest product to SQL Server.",
    verify="The next check-up finds no more machines than declared.",
    kind="access",
    references=("domain: access.concurrent-users",),
)
