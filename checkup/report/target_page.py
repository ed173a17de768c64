"""What every page of a target has: its results, what to do in order, and what was not checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from checkup.api import Target
from checkup.assessment import CheckOutcome, ItemResult, Outcome, Priority, ProbeText
from checkup.report.findings import (
    Printing,
    first_sentence,
    grouped,
    in_order,
    ranking,
    sentences,
    state,
    waived,
)
from checkup.report.input import EndpointFacts, ReportInput
from checkup.report.model import Card, Pair, PriorityMark, Reference, TargetAction
from checkup.report.systems import MOST_TITLES
from checkup.report.target_results import TargetResults
from checkup.report.text import clean, count, prose, within_sentence

MOST_ITEMS = 4
MOST_ACTIONS = 40

_GAIN = "Gain:"
ByCard = Sequence[tuple[Card, Sequence[ItemResult]]]


def cards_by_finding(by_card: ByCard) -> dict[tuple[str, str, str], Card]:
    return {finding.key: card for card, group in by_card for finding in group}


def results_of(
    area: str,
    target: Target,
    given: ReportInput,
    cards: Mapping[tuple[str, str, str], Card],
    reached: Mapping[str, EndpointFacts],
    printer: Printing,
) -> TargetResults:
    """All that the visit knows of one target."""
    assessment = given.assessment
    results: dict[str, list[ItemResult]] = {}
    for result in assessment.results:
        # A check that compares targets may be about this one as well.
        if result.target == target.id or target.id in result.targets:
            results.setdefault(result.probe, []).append(result)
    return TargetResults(
        area=area,
        target=target,
        checks=[check for check in assessment.checks if check.target == target.id],
        results=results,
        metrics={
            (one.probe, one.name, one.item): one.value
            for one in assessment.metrics
            if one.target == target.id
        },
        history={(one.probe, one.name, one.item): one for one in given.history if one.target == target.id},
        cards=cards,
        endpoint=reached.get(target.id),
        printer=printer,
    )


def examined(target: TargetResults) -> bool:
    """Could anything of it be judged?"""
    return any(check.outcome in (Outcome.PASSED, Outcome.FINDING) for check in target.checks)


def with_outcome(checks: Sequence[CheckOutcome], outcome: Outcome) -> list[CheckOutcome]:
    return [check for check in checks if check.outcome is outcome]


def _findings(target: TargetResults) -> list[ItemResult]:
    return [r for results in target.results.values() for r in results if r.outcome is Outcome.FINDING]


def _open(target: TargetResults) -> list[ItemResult]:
    """Its findings that the client did not accept, the most urgent first."""
    return in_order(r for r in _findings(target) if not waived(r))


def marks_of(target: TargetResults) -> tuple[PriorityMark, ...]:
    """How many matters of each priority are open, the notes left out."""
    matters = [ranking(group[0]).priority for group in grouped(_open(target))]
    return tuple(
        PriorityMark(priority=priority.value, style=priority.value.lower(), matters=matters.count(priority))
        for priority in Priority
        if priority is not Priority.NOTE and priority in matters
    )


def to_do(target: TargetResults, marks: Sequence[PriorityMark]) -> str:
    """The end of the headline: "7 matters to settle, F-01 first"."""
    matters = sum(mark.matters for mark in marks)
    first = next((card for finding in _open(target) if (card := target.cards.get(finding.key))), None)
    if matters and first is not None:
        return f"{count(matters, 'matter')} to settle, {first.number} first"
    return "nothing to do"


# --- what to do -------------------------------------------------------------------------------


def actions_of(
    target: TargetResults, *, together: Sequence[str] = (), first: str = ""
) -> Iterator[TargetAction]:
    """Every finding of the target, whichever check made it: the most urgent first, accepted ones last.

    What one deed settles is one line: the probes `together`, told in their order; `first` is what must be
    done before.
    """
    for accepted in (False, True):
        groups = grouped(in_order(one for one in _findings(target) if waived(one) is accepted))
        deeds: dict[str, list[list[ItemResult]]] = {}
        for number, group in enumerate(groups):
            deeds.setdefault("together" if group[0].probe in together else str(number), []).append(group)
        for deed, matters in deeds.items():
            if deed == "together":
                matters.sort(key=lambda group: together.index(group[0].probe))
            yield _action(target, matters, accepted=accepted, first=first if deed == "together" else "")


def _action(
    target: TargetResults, matters: Sequence[Sequence[ItemResult]], *, accepted: bool, first: str
) -> TargetAction:
    """One line for the matters that one deed settles; `first` is what must be done before."""
    printer, top = target.printer, matters[0][0]
    findings = [finding for group in matters for finding in group]
    rank = ranking(in_order(findings)[0]).priority
    found = (target.cards.get(group[0].key) for group in matters)
    cards = [] if accepted else [card for card in found if card is not None]
    messages = printer.messages(findings)
    probe = printer.probe(top.probe)
    deed = target.plain(_deed(target.area, probe))
    more = len(messages) - MOST_ITEMS
    said = [*messages[:MOST_ITEMS], *([f"And {more} more."] if more > 0 else []), *_gain(probe)]
    return TargetAction(
        priority=rank.value,
        style=rank.value.lower(),
        action=f"Only when {first}: {within_sentence(deed)}" if first else deed,
        found=" ".join(said),
        state="Accepted" if accepted else state(top, printer) if len(findings) == 1 else "",
        references=tuple(Reference(number=card.number, anchor=card.anchor) for card in cards),
    )


def _deed(area: str, probe: ProbeText) -> str:
    """The first sentence of the remedy. What it says of other checks, the page tells by itself."""
    deed = first_sentence(re.sub(rf" ?\(see {area}\.[^)]*\)", "", prose(probe.remedy)))
    return deed or clean(probe.title)


def _gain(probe: ProbeText) -> list[str]:
    """What the remedy says that it brings."""
    return [one for one in sentences(prose(probe.remedy)) if one.startswith(_GAIN)][:1]


# --- what was not checked ---------------------------------------------------------------------


def not_checked_of(target: TargetResults) -> Iterator[Pair]:
    """The checks that could not be made, whole or in part, by their reason."""
    titles: dict[str, list[str]] = {}
    for probe, results in target.results.items():
        for result in results:
            if result.outcome is Outcome.NOT_CHECKED:
                title = clean(target.printer.probe(probe).title)
                titles.setdefault(why(target, result), []).append(title)
    for reason, names in titles.items():
        yield titles_text(names), reason


def why(target: TargetResults, result: ItemResult) -> str:
    """Why a check was not made, for readers without a terminal."""
    return target.plain(clean(result.reason, 300).replace("`", "")) or "no reason given"


def titles_text(titles: Sequence[str]) -> str:
    once = list(dict.fromkeys(titles))
    return count(len(once), "check") if len(once) > MOST_TITLES else "; ".join(once)


def unread(target: TargetResults, what: str) -> str:
    """The headline of a target of which nothing could be judged."""
    reasons = dict.fromkeys(reason for _, reason in not_checked_of(target))
    first = next(iter(reasons), "no check was planned for it")
    return f"{what} could not be examined: {first.rstrip('.')}."
