"""The page of each Access file: one sentence and what to do for the practice manager, the rest for IS.

Every check of the file is told once: findings under what to do, what was not checked with its reason, the
others by name. No value of a record and no text of a query is among the facts it is made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from checkup.api import Target
from checkup.assessment import CheckOutcome, ItemResult, Outcome, Priority, ProbeText
from checkup.report.access_facts import facts_of, tables_note, tables_of, users_figure
from checkup.report.access_results import AREA, FileResults
from checkup.report.access_soundness import before_compaction, soundness_facts, soundness_of, warning_of
from checkup.report.access_space import figures, filling_of, fullness, growth_of, size_bar, space_of
from checkup.report.findings import Printing, first_sentence, grouped, in_order, ranking, state, waived
from checkup.report.input import EndpointFacts, ReportInput
from checkup.report.model import AccessAction, AccessPage, Card, Pair, PriorityMark, Reference
from checkup.report.systems import MOST_TITLES, kind_beside_title, last_reached, titles_of, totals_of
from checkup.report.text import capital, clean, count, prose
from checkup.report.words import ACCESS

MOST_ITEMS = 4
MOST_ACTIONS = 40

# What one compaction settles is one line of what to do, told in this order.
_COMPACTED = tuple(AREA + check for check in ("reclaimable", "compaction-age", "scattered-tables"))
_SEE = re.compile(r" ?\(see access\.[^)]*\)")


def access_pages(
    given: ReportInput, by_card: Sequence[tuple[Card, Sequence[ItemResult]]], printer: Printing
) -> list[AccessPage]:
    """One page for each Access file of the site, in the order of the site file."""
    files = [target for target in given.assessment.targets if target.kind == ACCESS]
    reached = last_reached(given) if files else {}
    cards = {finding.key: card for card, group in by_card for finding in group}
    return [
        _page(number, _results(target, given, cards, reached, printer))
        for number, target in enumerate(files, start=1)
    ]


def _results(
    target: Target,
    given: ReportInput,
    cards: Mapping[tuple[str, str, str], Card],
    reached: Mapping[str, EndpointFacts],
    printer: Printing,
) -> FileResults:
    assessment = given.assessment
    results: dict[str, list[ItemResult]] = {}
    for result in assessment.results:
        # A check that compares files may be about this one as well.
        if result.target == target.id or target.id in result.targets:
            results.setdefault(result.probe, []).append(result)
    return FileResults(
        target=target,
        checks=[check for check in assessment.checks if check.target == target.id],
        results=results,
        metrics={
            (one.probe, one.name, one.item): one.value
            for one in assessment.metrics
            if one.target == target.id
        },
        history={
            (one.probe, one.name): one for one in given.history if one.target == target.id and not one.item
        },
        cards=cards,
        endpoint=reached.get(target.id),
        printer=printer,
    )


def _page(number: int, file: FileResults) -> AccessPage:
    printer, target = file.printer, file.target
    sound, space = soundness_of(file), space_of(file)
    examined = any(check.outcome in (Outcome.PASSED, Outcome.FINDING) for check in file.checks)
    every = [*_actions(file)]
    caption, drawn, note = filling_of(file, space)
    growth, expected = growth_of(file)
    marks = _marks(file)
    users, users_text = users_figure(file)
    tables = tuple(tables_of(file, space))
    return AccessPage(
        anchor=f"access-{number}",
        title=printer.where(target.id),
        kind=kind_beside_title(target, printer),
        examined=examined,
        headline=_headline(file, sound.clause, fullness(file, space), marks) if examined else _unread(file),
        figures=(*figures(file, space), users) if examined else (),
        filling_caption=caption,
        filling=drawn,
        filling_note=note,
        growth=growth,
        growth_text=expected,
        marks=marks,
        warning=warning_of(file) if examined else "",
        actions=tuple(every[:MOST_ACTIONS]),
        soundness=tuple(soundness_facts(file, sound)) if examined else (),
        tables=tables,
        tables_near=any(table.near for table in tables),
        tables_note=tables_note(file),
        facts=tuple(facts_of(file)) if examined else (),
        totals=totals_of(file.checks),
        not_checked=tuple(_not_checked(file)),
        passed=titles_of(_with(file.checks, Outcome.PASSED), Outcome.PASSED, printer),
        not_applicable=titles_of(_with(file.checks, Outcome.NOT_APPLICABLE), Outcome.NOT_APPLICABLE, printer),
        size=file.shown("size-limit", "size"),
        bar=size_bar(file, space),
        sound=sound.short if examined else "not examined",
        sound_style=sound.style if examined else "warn",
        users=users_text,
    )


def _with(checks: Sequence[CheckOutcome], outcome: Outcome) -> list[CheckOutcome]:
    return [check for check in checks if check.outcome is outcome]


# --- the headline -----------------------------------------------------------------------------


def _headline(file: FileResults, sound: str, full: str, marks: Sequence[PriorityMark]) -> str:
    """One sentence for the practice manager."""
    matters = sum(mark.matters for mark in marks)
    first = next((card for finding in _open(file) if (card := file.cards.get(finding.key))), None)
    if matters and first is not None:
        to_do = f"{count(matters, 'matter')} to settle, {first.number} first"
    else:
        to_do = "nothing to do"
    return capital(f"{sound}; {full}: {to_do}.")


def _open(file: FileResults) -> list[ItemResult]:
    """Its findings that the client did not accept, the most urgent first."""
    return in_order(r for r in _findings(file) if not waived(r))


def _findings(file: FileResults) -> list[ItemResult]:
    return [r for results in file.results.values() for r in results if r.outcome is Outcome.FINDING]


def _unread(file: FileResults) -> str:
    reasons = dict.fromkeys(reason for _, reason in _not_checked(file))
    why = next(iter(reasons), "no check was planned for it")
    return f"The file could not be examined: {why.rstrip('.')}."


def _marks(file: FileResults) -> tuple[PriorityMark, ...]:
    """How many matters of each priority are open, the notes left out."""
    matters = [ranking(group[0]).priority for group in grouped(_open(file))]
    return tuple(
        PriorityMark(priority=priority.value, style=priority.value.lower(), matters=matters.count(priority))
        for priority in Priority
        if priority is not Priority.NOTE and priority in matters
    )


# --- what to do -------------------------------------------------------------------------------


def _actions(file: FileResults) -> Iterator[AccessAction]:
    """Every finding of the file, whichever check made it: the most urgent first, accepted ones last."""
    before = before_compaction(file)
    for accepted in (False, True):
        groups = grouped(in_order(one for one in _findings(file) if waived(one) is accepted))
        deeds: dict[str, list[list[ItemResult]]] = {}
        for number, group in enumerate(groups):
            compacted = group[0].probe in _COMPACTED
            deeds.setdefault("compact" if compacted else str(number), []).append(group)
        for deed, matters in deeds.items():
            if deed == "compact":
                matters.sort(key=lambda group: _COMPACTED.index(group[0].probe))
            yield _action(file, matters, accepted=accepted, first=before if deed == "compact" else "")


def _action(
    file: FileResults, matters: Sequence[Sequence[ItemResult]], *, accepted: bool, first: str
) -> AccessAction:
    """One line for the matters that one deed settles; `first` is what must be done before."""
    printer, top = file.printer, matters[0][0]
    findings = [finding for group in matters for finding in group]
    rank = ranking(in_order(findings)[0]).priority
    found = (file.cards.get(group[0].key) for group in matters)
    cards = [] if accepted else [card for card in found if card is not None]
    messages = list(dict.fromkeys(map(printer.message, findings)))
    deed = file.plain(_deed(printer.probe(top.probe)))
    more = len(messages) - MOST_ITEMS
    return AccessAction(
        priority=rank.value,
        style=rank.value.lower(),
        action=f"Only when {first}: {deed[:1].lower()}{deed[1:]}" if first else deed,
        found=" ".join([*messages[:MOST_ITEMS], *([f"And {more} more."] if more > 0 else [])]),
        state="Accepted" if accepted else state(top, printer) if len(findings) == 1 else "",
        references=tuple(Reference(number=card.number, anchor=card.anchor) for card in cards),
    )


def _deed(probe: ProbeText) -> str:
    """The first sentence of the remedy. What it says of other checks, the page tells by itself."""
    deed = first_sentence(_SEE.sub("", prose(probe.remedy)))
    return deed or clean(probe.title)


# --- what was not checked ---------------------------------------------------------------------


def _not_checked(file: FileResults) -> Iterator[Pair]:
    """The checks that could not be made, whole or in part, by their reason."""
    titles: dict[str, list[str]] = {}
    for probe, results in file.results.items():
        for result in results:
            if result.outcome is Outcome.NOT_CHECKED:
                title = clean(file.printer.probe(probe).title)
                why = clean(result.reason, 300) or "no reason given"
                titles.setdefault(why, []).append(title)
    for why, names in titles.items():
        once = list(dict.fromkeys(names))
        yield count(len(once), "check") if len(once) > MOST_TITLES else "; ".join(once), file.plain(why)
