"""From the input to everything that is printed. Pure: no clock, no file, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from checkup.report import annexes, summary, trends
from checkup.report.access import access_pages
from checkup.report.comparison import compared
from checkup.report.findings import MOST_NOTES, cards, grouped, notes, open_findings, printing, waived_rows
from checkup.report.input import ReportInput
from checkup.report.model import (
    Card,
    ChangeGroup,
    Command,
    NotCheckedRow,
    Pair,
    ReportView,
    SystemPage,
)
from checkup.report.sql import lacked, sql_pages
from checkup.report.systems import not_checked, systems
from checkup.report.text import Formats, clean
from checkup.report.words import VISITS

# Fewer pages than this need no table of contents.
PAGES_WITHOUT_CONTENTS = 8

_HEADINGS = {
    "changes": "What changed",
    "trends": "Growth and forecast",
    "findings": "Findings",
    "access": "Access databases",
    "sql": "SQL databases",
    "systems": "Systems examined",
    "compared": "Machines compared",
    "not_checked": "What was not checked, and why",
    "waived": "Accepted risks",
    "method": "Annex: method",
    "levels": "Annex: thresholds in force",
    "ledger": "Annex: every command sent",
    "commands": "Annex: the text of the commands",
}


def build_view(given: ReportInput) -> ReportView:
    """The report of one assessment. Raises ZoneInfoNotFoundError on an unknown time zone."""
    assessment, site = given.assessment, given.site
    formats = Formats(ZoneInfo(site.timezone), assessment.clock)
    printer = printing(assessment, formats)
    findings = open_findings(assessment)
    groups = grouped(findings)
    printed = cards(groups, printer)
    by_card = list(zip(printed, groups, strict=True))
    counts = summary.priority_counts(findings, printed)
    all_checks = summary.totals(assessment)
    chart, caption = summary.before_and_now(assessment, counts, formats)
    changes = summary.changes(assessment, by_card, printer)
    pages, lines = systems(given, by_card, printer)
    files = access_pages(given, by_card, printer)
    instances = sql_pages(given, by_card, printer)
    side_by_side = compared(assessment, printer)
    missing = not_checked(given, printer, lacked)
    found_notes = notes(assessment, printer)
    accepted = waived_rows(assessment, printer)
    charts = trends.trends(given.history, printer)
    figures = trends.key_figures(given.history, printer)
    thresholds = annexes.levels(assessment, printer)
    days, lines_left_out = annexes.ledger(given.ledger, formats)
    texts = annexes.commands(given.commands)
    length = _pages(printed, len(files) + len(instances), pages, missing, changes, texts)
    kind = VISITS[assessment.visit]
    name = clean(site.name or site.id, 120)
    shown = {
        "changes": bool(changes),
        "trends": bool(charts or figures),
        "findings": bool(printed or found_notes),
        "access": bool(files),
        "sql": bool(instances),
        "systems": bool(pages or lines),
        "compared": bool(side_by_side),
        "not_checked": bool(missing),
        "waived": bool(accepted or assessment.unused_waivers),
        "method": True,
        "levels": bool(thresholds),
        "ledger": bool(days),
        "commands": bool(texts),
    }
    return ReportView(
        title=f"{name}: {kind}",
        site=name,
        kind=kind,
        subtitle="What was found, and what to do",
        date=formats.date(assessment.clock),
        created=f"{assessment.clock.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        confidentiality=clean(site.confidentiality, 120),
        tool=f"checkup {clean(assessment.tool_version, 40)}",
        author=clean(site.prepared_by, 120) or "checkup",
        cover=tuple(_cover(given, formats)),
        contacts=tuple((_role(person.role), _person(person.name, person.reach)) for person in site.contacts),
        headings=_numbered(shown),
        with_contents=length >= PAGES_WITHOUT_CONTENTS,
        verdict=summary.verdict(printed, findings, all_checks),
        counts=counts,
        before_and_now=chart,
        before_and_now_caption=caption,
        actions=summary.actions(printed),
        actions_left=len(printed) - len(summary.actions(printed)),
        gaps=tuple(summary.gaps(assessment, printer)),
        totals=all_checks,
        compared_with=summary.compared_with(assessment, formats),
        changes=tuple(changes),
        trends=tuple(charts),
        key_figures=tuple(figures),
        cards=tuple(printed),
        notes=tuple(found_notes[:MOST_NOTES]),
        notes_left_out=max(0, len(found_notes) - MOST_NOTES),
        waived=tuple(accepted),
        access=tuple(files),
        sql=tuple(instances),
        unused_waivers=tuple(clean(text, 300) for text in assessment.unused_waivers),
        systems=tuple(pages),
        quiet_systems=tuple(lines),
        compared=tuple(side_by_side),
        not_checked=tuple(missing),
        runs=tuple(annexes.runs(given, formats)),
        reached=tuple(annexes.reached(given, formats)),
        station=tuple(annexes.station(given)),
        unlinted=tuple(annexes.unlinted(assessment)),
        levels=tuple(thresholds),
        ledger=tuple(days),
        ledger_entries=len(given.ledger),
        ledger_left_out=lines_left_out,
        commands=tuple(texts),
    )


def _pages(
    cards: Sequence[Card],
    own_pages: int,
    systems: Sequence[SystemPage],
    missing: Sequence[NotCheckedRow],
    changes: Sequence[ChangeGroup],
    texts: Sequence[Command],
) -> float:
    """Roughly how long the report will be."""
    rows = sum(len(page.rows) for page in systems) + len(missing) + sum(len(g.changes) for g in changes)
    return 5 + len(cards) / 3 + 2 * own_pages + rows / 30 + sum(text.text.count("\n") for text in texts) / 230


def _numbered(shown: Mapping[str, bool]) -> dict[str, str]:
    names = [name for name, yes in shown.items() if yes]
    return {name: f"{number}. {_HEADINGS[name]}" for number, name in enumerate(names, start=1)}


def _cover(given: ReportInput, formats: Formats) -> list[Pair]:
    site = given.site
    began = [run.started_at for run in given.runs]
    dates = list(dict.fromkeys(formats.date(at) for at in (min(began), max(began)))) if began else []
    known = [
        ("Check-up done", " to ".join(dates)),
        ("Prepared for", clean(site.prepared_for, 200)),
        ("Prepared by", clean(site.prepared_by, 200)),
        ("Support package", clean(site.package, 80).capitalize()),
        ("Compared with", summary.compared_with(given.assessment, formats)),
        ("Next visit", clean(given.next_visit, 200)),
    ]
    return [(label, text) for label, text in known if text]


def _person(name: str, reach: str) -> str:
    return ", ".join(part for part in (clean(name, 120), clean(reach, 160)) if part)


def _role(role: str) -> str:
    """ "is_staff" -> "IS staff"."""
    words = clean(role, 60).replace("_", " ").replace("-", " ")
    return re.sub(r"^is\b", "IS", words) if words.startswith("is ") else words[:1].upper() + words[1:]
