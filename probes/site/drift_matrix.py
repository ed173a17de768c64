"""Compares machines thing by thing: what is usual, which machines differ, and how much that matters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from checkup.api import (
    Finding,
    Impact,
    Matrix,
    NotApplicable,
    Number,
    Passed,
    PerTarget,
    Ratio,
    Result,
    Text,
    Value,
    When,
    Worse,
)

F = TypeVar("F")

WORKSTATION = "workstation"
CRITICAL = "critical"

ABSENT = "none"
NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that should be alike: its value by machine, and what a difference means at least.

    A machine that lacks the thing has the value ABSENT; one where it could not be seen has none.
    """

    values: Mapping[str, str]
    impact: Impact = Impact.LIMITED


@dataclass(frozen=True, slots=True)
class DriftLevels:
    many: float = 0.25  # share of the machines that differ (app.version-drift): more than single machines


MESSAGES = {
    "differs": "Not the same on all workstations: {item}. Usually {usual}, but {odd}.",
    "missing": "Missing on some workstations: {item}. Usually {usual}, but {odd}.",
    "extra": "On single workstations only: {item}. It is on {odd}.",
}


def workstations(facts: PerTarget[F]) -> dict[str, F]:
    """The machines to compare: those of role workstation, or all where the site file gives no roles."""
    roles = {name: facts.targets[name].role for name in facts}
    wanted = WORKSTATION if any(roles.values()) else ""
    return {name: one for name, one in facts.items() if roles[name] == wanted}


def drift(
    name: str,
    facts: PerTarget[F],
    machines: Mapping[str, F],
    things: Mapping[str, Thing],
    levels: DriftLevels,
) -> Iterator[Result]:
    """A result for each thing, and the matrix of them all."""
    if len(machines) < 2:
        yield NotApplicable(reason="fewer than two workstations can be compared")
        return
    compared = {item: things[item] for item in sorted(things) if len(things[item].values) > 1}
    if not compared:
        yield NotApplicable(reason="the workstations have nothing of this kind in common")
        return
    critical = {machine for machine in machines if CRITICAL in facts.targets[machine].tags}
    for item, thing in compared.items():
        yield _compared(item, thing, critical, levels)
    yield Matrix(
        name=name,
        columns=tuple(compared),
        rows={
            machine: tuple(thing.values.get(machine, NOT_SEEN) for thing in compared.values())
            for machine in sorted(machines)
        },
    )


def _compared(item: str, thing: Thing, critical: set[str], levels: DriftLevels) -> Result:
    usual = _usual(thing.values)
    odd = {machine: value for machine, value in sorted(thing.values.items()) if value != usual}
    evidence: dict[str, Value] = {"usual": Text(usual), "machines": Number(len(thing.values))}
    if not odd:
        return Passed(item=item, evidence=evidence)
    share = len(odd) / len(thing.values)
    evidence |= {
        "odd": Text("; ".join(f"{machine}: {value}" for machine, value in odd.items())),
        "share": Ratio(share),
        "limit": Ratio(levels.many),
    }
    message, impact = "differs", thing.impact
    if usual == ABSENT:
        message, impact = "extra", Impact.NOTE
    elif set(odd.values()) == {ABSENT}:
        message = "missing"
    widespread = len(odd) > 1 and share >= levels.many
    if impact is Impact.LIMITED and (widespread or critical & odd.keys()):
        impact = Impact.MAJOR
    return Finding(
        impact=impact,
        when=When.LATER if impact is Impact.NOTE else When.BEFORE_NEXT_VISIT,
        message=message,
        item=item,
        evidence=evidence,
        # Not the share: it moves with every machine that is off.
        value=Number(len(odd)),
        worse=Worse.HIGHER,
        targets=tuple(odd),
    )


def _usual(values: Mapping[str, str]) -> str:
    """The most frequent value; of equally frequent ones the highest version, and absence last."""
    counted = Counter(values.values())
    return max(counted, key=lambda value: (counted[value], value != ABSENT, _numbers(value), value))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"[0-9]{1,9}", text))
