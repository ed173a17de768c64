"""The page of each Access file: one sentence and what to do for the practice manager, the rest for IS.

Every check of the file is told once: findings under what to do, what was not checked with its reason, the
others by name. No value of a record and no text of a query is among the facts it is made from.
"""

from __future__ import annotations

from collections.abc import Sequence

from checkup.assessment import Outcome
from checkup.report.access_facts import facts_of, tables_note, tables_of, users_figure
from checkup.report.access_soundness import before_compaction, soundness_facts, soundness_of, warning_of
from checkup.report.access_space import figures, filling_of, fullness, growth_of, size_bar, space_of
from checkup.report.findings import Printing
from checkup.report.input import ReportInput
from checkup.report.model import AccessPage, PriorityMark
from checkup.report.systems import kind_beside_title, last_reached, titles_of, totals_of
from checkup.report.target_page import (
    MOST_ACTIONS,
    ByCard,
    actions_of,
    cards_by_finding,
    examined,
    marks_of,
    not_checked_of,
    results_of,
    to_do,
    unread,
    with_outcome,
)
from checkup.report.target_results import TargetResults
from checkup.report.text import capital
from checkup.report.words import ACCESS

# What one compaction settles is one line of what to do, told in this order.
_COMPACTED = tuple(f"{ACCESS}.{check}" for check in ("reclaimable", "compaction-age", "scattered-tables"))


def access_pages(given: ReportInput, by_card: ByCard, printer: Printing) -> list[AccessPage]:
    """One page for each Access file of the site, in the order of the site file."""
    files = [target for target in given.assessment.targets if target.kind == ACCESS]
    reached = last_reached(given) if files else {}
    cards = cards_by_finding(by_card)
    return [
        _page(number, results_of(ACCESS, target, given, cards, reached, printer))
        for number, target in enumerate(files, start=1)
    ]


def _page(number: int, file: TargetResults) -> AccessPage:
    printer, target = file.printer, file.target
    sound, space = soundness_of(file), space_of(file)
    looked_at = examined(file)
    every = [*actions_of(file, together=_COMPACTED, first=before_compaction(file))]
    caption, drawn, note = filling_of(file, space)
    growth, expected = growth_of(file)
    marks = marks_of(file)
    users, users_text = users_figure(file)
    tables = tuple(tables_of(file, space))
    return AccessPage(
        anchor=f"access-{number}",
        title=printer.where(target.id),
        kind=kind_beside_title(target, printer),
        examined=looked_at,
        headline=_headline(file, sound.clause, fullness(file, space), marks)
        if looked_at
        else unread(file, "The file"),
        figures=(*figures(file, space), users) if looked_at else (),
        filling_caption=caption,
        filling=drawn,
        filling_note=note,
        growth=growth,
        growth_text=expected,
        marks=marks,
        warning=warning_of(file) if looked_at else "",
        actions=tuple(every[:MOST_ACTIONS]),
        soundness=tuple(soundness_facts(file, sound)) if looked_at else (),
        tables=tables,
        tables_near=any(table.near for table in tables),
        tables_note=tables_note(file),
        facts=tuple(facts_of(file)) if looked_at else (),
        totals=totals_of(file.checks),
        not_checked=tuple(not_checked_of(file)),
        passed=titles_of(with_outcome(file.checks, Outcome.PASSED), Outcome.PASSED, printer),
        not_applicable=titles_of(
            with_outcome(file.checks, Outcome.NOT_APPLICABLE), Outcome.NOT_APPLICABLE, printer
        ),
        size=file.shown("size-limit", "size"),
        bar=size_bar(file, space),
        sound=sound.short if looked_at else "not examined",
        sound_style=sound.style if looked_at else "warn",
        users=users_text,
    )


# --- the headline -----------------------------------------------------------------------------


def _headline(file: TargetResults, sound: str, full: str, marks: Sequence[PriorityMark]) -> str:
    """One sentence for the practice manager."""
    return capital(f"{sound}; {full}: {to_do(file, marks)}.")
