"""One function decides every priority, from the contract's own words.

Source: contract, "Definition of Priority Level Support Calls", and reference domain section 3.0.
The contract ranks errors, a check-up mostly finds risks: P1 needs all four of its tests (complete
unavailability, stops the business, significant, no workaround), so a stale back-up is a P2. The
contract leaves two holes: a major function down without workaround is a P2 for the engineer to
decide; a limited function that is not used daily is a P3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import RECOVERABILITY, SUPPORTABILITY, Impact, When
from checkup.assessment import Priority, Ranking


@dataclass(frozen=True, slots=True)
class Function:
    """A major function of the site: what it needs, and how people work when it is down."""

    needs: frozenset[str]
    workaround: str


# Major everywhere, whether or not the site file names them (contract, requirements for support).
ALWAYS_MAJOR: Mapping[str, Function] = {
    RECOVERABILITY: Function(frozenset(), "take a back-up now"),
    SUPPORTABILITY: Function(frozenset(), "a session guided by telephone"),
}


def classify(
    impact: Impact,
    when: When,
    targets: Collection[str],
    function: str,
    functions: Mapping[str, Function],
) -> Ranking:
    """The priority of a finding on these targets; total: every combination has an answer.

    `function` is the major function the probe named, or "": then those that need one of the targets.
    """
    if impact is Impact.NOTE:
        return Ranking(priority=Priority.NOTE, because="for information")
    if impact is Impact.LIMITED:
        return Ranking(priority=Priority.P3, because="limits the use of the software")
    hit = _functions_hit(targets, function, functions)
    if not hit and functions:
        return Ranking(priority=Priority.P3, because="no major function of the site depends on it")
    names = ", ".join(hit) or "the application"
    workaround = _workaround(list(hit.values()))
    predicted = when is not When.NOW
    if impact is Impact.DOWN and not workaround and when is not When.LATER:
        return Ranking(
            priority=Priority.P1,
            predicted=predicted,
            function=names,
            because=f"{names} {'will be' if predicted else 'is'} unavailable, and there is no workaround",
        )
    if impact is Impact.DOWN:
        because = f"{names} {'would be' if predicted else 'is'} unavailable"
    else:
        because = f"{names} {'may be' if predicted else 'is'} prevented"
    return Ranking(
        priority=Priority.P2,
        predicted=predicted,
        needs_decision=not predicted and not workaround,
        function=names,
        workaround=workaround,
        because=because,
    )


def _functions_hit(
    targets: Collection[str], function: str, functions: Mapping[str, Function]
) -> dict[str, Function]:
    known = {**ALWAYS_MAJOR, **functions}
    if function:
        return {function: known.get(function, Function(frozenset(), ""))}
    return {name: known[name] for name in functions if not known[name].needs.isdisjoint(targets)}


def _workaround(hit: Sequence[Function]) -> str:
    """The way round all of them, or "" if one has none."""
    if not hit or any(not function.workaround for function in hit):
        return ""
    return "; ".join(dict.fromkeys(function.workaround for function in hit))
