"""The page for the practice manager: how it stands, what changed, what to decide.

Plain words made from the counts; nothing technical, and no number that is not counted here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from checkup.assessment import Assessment, ItemResult, Outcome, Priority, Trend
from checkup.report.charts import Stacked, stacked
from checkup.report.findings import Printing, ranking, several_places, state
from checkup.report.model import Card, Change, ChangeGroup, PriorityCount, TotalsView, Verdict
from checkup.report.text import NBSP, Formats, count, fill
from checkup.report.words import ACT, CHANGES, MEANING, VISITS

COUNTED = (Priority.P1, Priority.P2, Priority.P3)
MOST_ACTIONS = 6  # what fits on the page with the longest of texts
MOST_CHANGES = 40

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def priority_counts(findings: Sequence[ItemResult], cards: Sequence[Card]) -> tuple[PriorityCount, ...]:
    return tuple(
        PriorityCount(
            priority=priority.value,
            style=priority.value.lower(),
            findings=sum(1 for finding in findings if ranking(finding).priority is priority),
            cards=sum(1 for card in cards if card.priority == priority.value),
            act=ACT[priority],
            meaning=MEANING[priority],
        )
        for priority in COUNTED
    )


def totals(assessment: Assessment) -> TotalsView:
    counted = assessment.totals
    return TotalsView(
        planned=counted.planned,
        passed=counted.passed,
        findings=counted.findings,
        not_applicable=counted.not_applicable,
        not_checked=counted.not_checked,
        waived=counted.waived,
    )


def verdict(cards: Sequence[Card], findings: Sequence[ItemResult], all_checks: TotalsView) -> Verdict:
    """How it stands, in words; cards are what a reader has to decide on."""
    if not all_checks.planned:
        return Verdict(
            opening="No check was planned, so this report says nothing about the site.", urgent="", rest=""
        )
    looked = all_checks.planned - all_checks.not_checked
    if not looked:
        return Verdict(
            opening="Nothing could be examined: "
            f"none of the {count(all_checks.planned, 'planned check')} was made.",
            urgent="This report therefore says nothing about the state of the site.",
            rest="",
        )
    by_priority = {p: [card for card in cards if card.priority == p.value] for p in COUNTED}
    urgent, rest = _urgent(by_priority[Priority.P1], findings), _rest(by_priority)
    return Verdict(opening=_opening(all_checks, cards), urgent=urgent, rest=rest)


def _opening(all_checks: TotalsView, cards: Sequence[Card]) -> str:
    looked = all_checks.planned - all_checks.not_checked
    if cards:
        opening = f"Of {count(looked, 'check')} made, {all_checks.passed:,} were as they should be"
        if all_checks.not_applicable:
            opening += f" and {all_checks.not_applicable:,} do not apply here"
        opening += "."
    else:
        waived = f", apart from {count(all_checks.waived, 'accepted risk')}" if all_checks.waived else ""
        opening = f"Nothing that needs action was found in the {count(looked, 'check')} made{waived}."
    if all_checks.not_checked:
        opening += (
            f" {count(all_checks.not_checked, 'planned check')} could not be made; nothing is claimed about"
            f" what {'it' if all_checks.not_checked == 1 else 'they'} would have shown."
        )
    return opening


def _urgent(first: Sequence[Card], findings: Sequence[ItemResult]) -> str:
    if not first:
        return ""
    top = [finding for finding in findings if ranking(finding).priority is Priority.P1]
    happened = any(not ranking(finding).predicted for finding in top)
    matters = _matters(len(first))
    if happened:
        return f"{matters} {_verb(len(first), 'stops', 'stop')} your work and must be dealt with today."
    return f"{matters} can stop your work before the next visit: act this week."


def _rest(by_priority: Mapping[Priority, Sequence[Card]]) -> str:
    second, third = len(by_priority[Priority.P2]), len(by_priority[Priority.P3])
    sentences: list[str] = []
    if second:
        sentences.append(
            f"{_matters(second)} {_verb(second, 'puts', 'put')} a major function at risk;"
            f" please agree on a date for {'it' if second == 1 else 'each'}."
        )
    if third:
        sentences.append(f"{_matters(third)} can wait for the next planned visit.")
    return " ".join(sentences)


def _matters(number: int) -> str:
    spelled = _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"
    return f"{spelled} {_verb(number, 'matter', 'matters')}"


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


# --- before and now -------------------------------------------------------------------------------


def before_and_now(
    assessment: Assessment, counts: Sequence[PriorityCount], formats: Formats
) -> tuple[Stacked, str]:
    """The chart of findings by priority, and the sentence that it shows."""
    now = {row.style: row.findings for row in counts}
    rows = {"Now": now}
    total = sum(now.values())
    before = assessment.compared_with
    if before is None:
        caption = f"{count(total, 'finding')} at this check-up; there is none before it to compare with."
    else:
        earlier = {row.style: max(0, before.counts.get(row.priority, 0)) for row in counts}
        rows = {formats.date(before.at): earlier, "Now": now}
        was = sum(earlier.values())
        moved = "stayed at" if total == was else f"{'fell' if total < was else 'rose'} from {was:,} to"
        caption = f"Findings {moved} {total:,} since {formats.date(before.at)}."
    spoken = "; ".join(
        f"{label}: " + ", ".join(f"{style.upper()} {number}" for style, number in row.items())
        for label, row in rows.items()
    )
    return stacked(rows, title=f"Findings by priority. {spoken}."), caption


def compared_with(assessment: Assessment, formats: Formats) -> str:
    before = assessment.compared_with
    return f"{VISITS[before.visit]} of {formats.date(before.at)}" if before else ""


def changes(
    assessment: Assessment,
    groups: Sequence[tuple[Card, Sequence[ItemResult]]],
    printer: Printing,
) -> list[ChangeGroup]:
    """What changed since the visit compared with, a line for each matter and state."""
    if assessment.compared_with is None:
        return []
    lines: dict[Trend, list[Change]] = {trend: [] for trend in CHANGES}
    for card, findings in groups:
        for trend in CHANGES:
            moved = [f for f in findings if (f.trend or Trend.FIRST) is trend]
            if moved:
                lines[trend].append(_change(card, moved, printer))
    lines[Trend.RESOLVED] += _resolved(assessment, printer)
    return [
        ChangeGroup(
            title=CHANGES[trend],
            changes=tuple(found[:MOST_CHANGES]),
            findings=sum(change.findings for change in found),
            left_out=max(0, len(found) - MOST_CHANGES),
        )
        for trend, found in lines.items()
        if found
    ]


def _change(card: Card, moved: Sequence[ItemResult], printer: Printing) -> Change:
    one = moved[0] if len(moved) == 1 else None
    states = list(dict.fromkeys(state(finding, printer) for finding in moved))
    return Change(
        priority=card.priority,
        style=card.style,
        where=printer.place(one.target, one.item) if one else several_places(moved, printer),
        found=printer.message(one) if one else card.heading,
        state=states[0] if len(states) == 1 else "",
        findings=len(moved),
        number=card.number,
        anchor=card.anchor,
    )


def _resolved(assessment: Assessment, printer: Printing) -> Iterable[Change]:
    for old in assessment.resolved:
        values = {name: printer.formats.value(value) for name, value in old.evidence.items()}
        values |= {"item": old.item, "target": printer.where(old.target)}
        template = printer.probe(old.probe).messages.get(old.message, old.message)
        yield Change(
            priority=old.priority.value,
            style=old.priority.value.lower(),
            where=printer.place(old.target, old.item),
            found=f"{printer.probe(old.probe).title} (was: {fill(template, values)})",
            state="Resolved",
            findings=1,
            number="",
            anchor="",
        )


# --- what could not be checked --------------------------------------------------------------------


def gaps(assessment: Assessment, printer: Printing) -> list[str]:
    """Sentences for the box: systems not examined at all, then checks missing elsewhere."""
    outcomes: dict[str, list[Outcome]] = {}
    for check in assessment.checks:
        outcomes.setdefault(check.target, []).append(check.outcome)
    # That a machine is out of reach is itself a finding; it says nothing of the machine.
    looked = (Outcome.PASSED, Outcome.NOT_APPLICABLE)
    blind = [
        t for t, seen in outcomes.items() if t and Outcome.NOT_CHECKED in seen and not set(seen) & set(looked)
    ]
    missing = sum(1 for c in assessment.checks if c.outcome is Outcome.NOT_CHECKED and c.target not in blind)
    unseen = [t.id for t in assessment.targets if t.id not in outcomes]
    out: list[str] = []
    if blind:
        out.append(
            f"{len(blind)} of {count(len([t for t in outcomes if t]), 'system')} could not be examined:"
            f" {_listed([printer.where(target) for target in blind])}."
        )
    if missing:
        elsewhere = " on other systems" if blind else ""
        out.append(f"{count(missing, 'check')}{elsewhere} could not be made.")
    if unseen:
        out.append(f"No check was planned for {_listed([printer.where(target) for target in unseen])}.")
    return out


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most}{NBSP}more" if len(names) > most else shown


def actions(cards: Sequence[Card]) -> tuple[Card, ...]:
    """The cards of the action table: everything urgent first, at most what fits the page."""
    return tuple(cards[:MOST_ACTIONS])
