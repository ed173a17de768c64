"""Findings as cards: one card for one matter, however many systems show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from checkup.api import When
from checkup.assessment import Assessment, ItemResult, Priority, ProbeText, Ranking, Trend
from checkup.report.levels import levels_in_force
from checkup.report.model import Card, Note, Place, WaivedRow
from checkup.report.text import NBSP, Formats, and_so_on, clean, count, day, fill, prose, within_sentence
from checkup.report.words import CHANGES, FUNCTIONS, SOURCES

MOST_PLACES = 60
MOST_NOTES = 100
MOST_NAMED = 8

_PRIORITIES = list(Priority)
_WHENS = [When.NOW, When.BEFORE_NEXT_VISIT, When.LATER, None]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Printing:
    """What every part of the report needs to print a result."""

    assessment: Assessment
    titles: Mapping[str, str]
    formats: Formats

    def where(self, target: str) -> str:
        return self.titles.get(target) or clean(target, 120)

    def place(self, target: str, item: str) -> str:
        shown = clean(item, 200)
        return f"{self.where(target)} · {shown}" if shown else self.where(target)

    def probe(self, probe: str) -> ProbeText:
        known = self.assessment.probes.get(probe)
        return known or ProbeText(id=probe, title=probe, why="", remedy="", verify="", messages={}, levels={})

    def message(self, result: ItemResult) -> str:
        values = {name: self.formats.value(value) for name, value in result.evidence.items()}
        values |= {"item": clean(result.item, 200), "target": self.where(result.target)}
        template = self.probe(result.probe).messages.get(result.message, result.message)
        return fill(template, values)

    def messages(self, results: Sequence[ItemResult]) -> list[str]:
        """What findings say, each sentence once: what differs in nothing but its thing is told of the first,
        and the others are named behind it."""
        alike: dict[tuple[str, str], list[ItemResult]] = {}
        for result in results:
            alike.setdefault((result.probe, self.message(replace(result, item="·"))), []).append(result)
        return [self._told_once(group) for group in alike.values()]

    def _told_once(self, group: Sequence[ItemResult]) -> str:
        first = self.message(group[0])
        others = list(dict.fromkeys(clean(one.item, 200) for one in group if self.message(one) != first))
        return f"{first} The same holds for {and_so_on(others, MOST_NAMED)}." if others else first

    def evidence(self, result: ItemResult) -> str:
        """The measured values with their names, without the limit (it has a place of its own)."""
        return " · ".join(
            f"{clean(name, 60).replace('_', NBSP)} {self.formats.value(value)}"
            for name, value in result.evidence.items()
            if name != "limit"
        )

    def level(self, result: ItemResult) -> str:
        limit = result.evidence.get("limit")
        return self.formats.value(limit) if limit is not None else ""


def printing(assessment: Assessment, formats: Formats) -> Printing:
    titles = {target.id: clean(target.title or target.id, 120) for target in assessment.targets}
    return Printing(assessment, {**titles, "": "the whole site"}, formats)


def ranking(result: ItemResult) -> Ranking:
    """A finding that was not ranked is shown as one to decide on, never dropped."""
    return result.ranking or Ranking(priority=Priority.P2, needs_decision=True, because="not ranked")


def waived(result: ItemResult) -> bool:
    return result.waived is not None and result.waived.in_force


def in_order(findings: Iterable[ItemResult]) -> list[ItemResult]:
    """The most urgent first: by priority, happened before foreseen, when, then by name."""
    return sorted(
        findings,
        key=lambda r: (
            _PRIORITIES.index(ranking(r).priority),
            ranking(r).predicted,
            _WHENS.index(r.when),
            r.target,
            r.probe,
            r.item,
        ),
    )


def open_findings(assessment: Assessment) -> list[ItemResult]:
    """What counts: neither waived nor a mere note."""
    return in_order(
        r for r in assessment.findings if not waived(r) and ranking(r).priority is not Priority.NOTE
    )


def grouped(findings: Iterable[ItemResult]) -> list[list[ItemResult]]:
    """Findings in order -> one group for each card: the same matter with the same urgency."""
    groups: dict[tuple[Priority, bool, str, str], list[ItemResult]] = {}
    for finding in findings:
        rank = ranking(finding)
        groups.setdefault((rank.priority, rank.predicted, finding.probe, finding.message), []).append(finding)
    return list(groups.values())


def cards(groups: Sequence[Sequence[ItemResult]], printer: Printing) -> list[Card]:
    return [_card(index, group, printer) for index, group in enumerate(groups, start=1)]


def _card(index: int, group: Sequence[ItemResult], printer: Printing) -> Card:
    first, probe, rank = group[0], printer.probe(group[0].probe), ranking(group[0])
    messages = [printer.message(finding) for finding in group]
    same = len(set(messages)) == 1
    title = clean(probe.title)
    states = {state(finding, printer) for finding in group}
    remedy = prose(probe.remedy)
    return Card(
        number=f"F-{index:02d}",
        anchor=f"finding-{index}",
        priority=rank.priority.value,
        style=rank.priority.value.lower(),
        heading=messages[0] if same else f"Not so in {len(group)} places: {within_sentence(title)}",
        expected=title,
        probe=clean(probe.id, 120),
        where=several_places(group, printer),
        state=states.pop() if len(states) == 1 else "",
        findings=len(group),
        places=tuple(
            _place(finding, "" if same else message, printer)
            for finding, message in list(zip(group, messages, strict=True))[:MOST_PLACES]
        ),
        places_left_out=max(0, len(group) - MOST_PLACES),
        why=prose(probe.why),
        ranking=_ranking_text(rank),
        workaround=clean(rank.workaround),
        remedy=remedy,
        action=_action(first_sentence(remedy), title),
        verify=prose(probe.verify),
        concerns=_concerns(first.function or rank.function),
        levels=levels_in_force(
            first.probe, (finding.target for finding in group), printer.assessment, printer.where
        ),
        source=_source(group, printer),
    )


def _source(group: Sequence[ItemResult], printer: Printing) -> str:
    """What was asked, and when: "PostgreSQL, 2 Mar 2026, 09:00"."""
    sources = dict.fromkeys(source for one in group for source in one.source.split("+") if source)
    asked = [SOURCES.get(source, clean(source, 60)) for source in sources]
    times = sorted(one.collected_at for one in group if one.collected_at)
    seen = dict.fromkeys(printer.formats.moment(at) for at in (times[:1] + times[-1:]))
    return ", ".join(part for part in (" and ".join(asked), " to ".join(seen)) if part)


# What is typed into a machine: SQL, a setting that is given a value, a path, a program's switch.
_CODE = re.compile(r"[A-Z]{3,}[ _][A-Z]{2,}|\bSELECT\b|=\s|\[name\]|\\\\|\b\w+_\w+\b|\s--?[a-z]")


def _action(first: str, title: str) -> str:
    """What to do, for someone who decides: where the remedy begins with commands, what they bring about."""
    return first if first and not _CODE.search(first) else f"See to it that {within_sentence(title)}."


def _concerns(function: str) -> str:
    """The function that a finding hits, in words for its reader."""
    return FUNCTIONS.get(function, clean(function, 120))


def several_places(findings: Sequence[ItemResult], printer: Printing) -> str:
    systems = list(dict.fromkeys(printer.where(finding.target) for finding in findings))
    if len(systems) <= 2:
        return ", ".join(systems)
    return f"{systems[0]} and {len(systems) - 1}{NBSP}more"


def _place(finding: ItemResult, message: str, printer: Printing) -> Place:
    level = printer.level(finding)
    evidence = printer.evidence(finding) + (f" (level {level})" if level else "")
    return Place(
        where=printer.place(finding.target, finding.item),
        found=message,
        evidence=evidence.strip(),
        state=state(finding, printer),
        marks=tuple(_marks(finding, printer)),
    )


def _marks(finding: ItemResult, printer: Printing) -> Iterable[str]:
    waiver = finding.waived
    if waiver is not None and waiver.lapsed:
        yield f"Accepted until {day(waiver.until)} by {clean(waiver.approved_by, 120)}; this has lapsed."
    if waiver is not None and waiver.outgrown:
        yield f"Accepted by {clean(waiver.approved_by, 120)}, but it has grown beyond what was accepted."


def state(finding: ItemResult, printer: Printing) -> str:
    """What became of it since the last visit, in two or three words."""
    before = finding.previous_value
    was = f" (was {printer.formats.value(before)})" if before is not None else ""
    match finding.trend:
        case None | Trend.FIRST:
            return "First seen"
        case Trend.PERSISTS:
            return f"Open, {count(finding.visits_seen, 'visit')}"
        case Trend.WORSENED:
            return f"Worse{was}"
        case Trend.IMPROVED:
            return f"Better{was}"
        case Trend.NOT_COMPARABLE:
            return "Not comparable"
        case _:
            return CHANGES[finding.trend]


def _ranking_text(rank: Ranking) -> str:
    kind = "foreseen, not yet happened" if rank.predicted else ""
    decide = "to be decided with you: no way round is known" if rank.needs_decision else ""
    text = "; ".join(part for part in (clean(rank.because), kind, decide) if part)
    return text[:1].upper() + text[1:]


def sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text)


def first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def notes(assessment: Assessment, printer: Printing) -> list[Note]:
    found = in_order(r for r in assessment.findings if ranking(r).priority is Priority.NOTE and not waived(r))
    rows = [(printer.message(r), printer.place(r.target, r.item)) for r in found]
    rows.sort(key=lambda row: row[0])
    return [
        Note(found=message, where=_several([where for _, where in group]))
        for message, group in groupby(rows, key=lambda row: row[0])
    ]


def _several(places: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(places))


def waived_rows(assessment: Assessment, printer: Printing) -> list[WaivedRow]:
    return [
        WaivedRow(
            priority=ranking(r).priority.value,
            style=ranking(r).priority.value.lower(),
            where=printer.place(r.target, r.item),
            found=printer.message(r),
            reason=clean(r.waived.reason, 500),
            approved_by=clean(r.waived.approved_by, 120),
            until=day(r.waived.until),
        )
        for r in in_order(assessment.findings)
        if r.waived is not None and r.waived.in_force
    ]
