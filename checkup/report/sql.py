"""The page of each SQL instance: could you restore, is there room, what to do; the rest for IS.

Every check of the instance is told once in full: findings under what to do, what was not checked with the
right that opens it, the others by name. No row of a table and no text of a statement is among its facts.
"""

from __future__ import annotations

from checkup.assessment import Outcome
from checkup.report.findings import Printing
from checkup.report.input import ReportInput
from checkup.report.model import Figure, SqlPage
from checkup.report.sql_blind_spots import Blindness, blindness, grants_in
from checkup.report.sql_facts import (
    engine,
    facts_of,
    indexes_of,
    release,
    statements_note,
    statements_of,
    topics_of,
)
from checkup.report.sql_restore import Restore, restore_of
from checkup.report.sql_space import (
    databases_note,
    databases_of,
    figures,
    fullness,
    growth_of,
    total,
    volumes_of,
)
from checkup.report.sql_unrecorded import UNRECORDED, unrecorded_of
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
from checkup.report.target_results import PLAIN, UNKNOWN, TargetResults
from checkup.report.text import bytes_text, capital, clean, count
from checkup.report.words import SQL_ENGINES

_SOUND = "suspect-pages", "damaged-pages", "log-damage"


def sql_pages(given: ReportInput, by_card: ByCard, printer: Printing) -> list[SqlPage]:
    """One page for each SQL instance of the site, in the order of the site file."""
    instances = [target for target in given.assessment.targets if target.kind in SQL_ENGINES]
    reached = last_reached(given) if instances else {}
    cards = cards_by_finding(by_card)
    return [
        _page(number, results_of(target.kind, target, given, cards, reached, printer))
        for number, target in enumerate(instances, start=1)
    ]


def lacked(reason: str) -> str:
    """The rights that a reason asks for: "SELECT ON dbo.sysalerts in msdb"; "" where it asks none."""
    rights = dict.fromkeys(
        f"{one.right} in {one.use.removeprefix('USE ').strip('[]')}" if one.use else one.right
        for one in grants_in(reason)
    )
    return clean(", ".join(rights))


def _page(number: int, instance: TargetResults) -> SqlPage:
    printer, target = instance.printer, instance.target
    looked_at = _answered(instance)
    blind, marks = blindness(instance), marks_of(instance)
    unrecorded = instance.area in UNRECORDED
    restore = unrecorded_of(instance, engine(instance)) if unrecorded else restore_of(instance)
    databases = databases_of(instance) if looked_at else []
    growth, growth_text = growth_of(instance) if looked_at else (None, "")
    many, size = total(instance)
    return SqlPage(
        anchor=f"sql-{number}",
        title=printer.where(target.id),
        kind=kind_beside_title(target, printer) if target.role else engine(instance),
        examined=looked_at,
        headline=_headline(instance, restore) if looked_at else unread(instance, "The instance"),
        figures=(_restored(restore), *figures(instance), _unseen(instance, blind)) if looked_at else (),
        marks=marks,
        actions=tuple(actions_of(instance))[:MOST_ACTIONS],
        restore_text=restore.text if looked_at else "",
        restore=restore.rows,
        restore_answers=restore.answers if looked_at else (),
        restore_note=restore.note,
        growth=growth,
        growth_text=growth_text,
        databases=tuple(databases),
        with_logs=any(one.log for one in databases),
        with_room=any(one.room for one in databases),
        databases_note=databases_note(instance),
        volumes=tuple(volumes_of(instance)),
        facts=tuple(facts_of(instance)) if looked_at else (),
        topics=tuple(topics_of(instance)) if looked_at else (),
        statements=tuple(statements_of(instance)),
        statements_note=statements_note(instance),
        indexes=indexes_of(instance),
        blind_spots=blind.spots,
        grants=blind.grants,
        grants_where=clean(printer.where(target.id), 120),
        totals=totals_of(instance.checks),
        not_checked=tuple(_otherwise_not_checked(instance, blind)),
        passed=titles_of(with_outcome(instance.checks, Outcome.PASSED), Outcome.PASSED, printer),
        not_applicable=titles_of(
            with_outcome(instance.checks, Outcome.NOT_APPLICABLE), Outcome.NOT_APPLICABLE, printer
        ),
        release=release(instance),
        size=f"{bytes_text(size)} in {count(many, 'database')}" if size is not None else UNKNOWN,
        recoverable=restore.short if looked_at else "not examined",
        recoverable_style="ok" if looked_at and restore.style == PLAIN else restore.style,
    )


def _answered(instance: TargetResults) -> bool:
    """Did the instance itself tell anything? How it was reached is known of every one."""
    about_the_way = {instance.name("reachable"), instance.name("own-connection"), instance.name("latency")}
    rest = [check for check in instance.checks if check.probe not in about_the_way]
    return examined(instance) and any(c.outcome in (Outcome.PASSED, Outcome.FINDING) for c in rest)


def _headline(instance: TargetResults, restore: Restore) -> str:
    """One sentence for the practice manager."""
    damaged = [check for check in _SOUND if instance.open(check)]
    clauses = ["damage was found in its data" if damaged else "", restore.clause, fullness(instance)]
    marks = marks_of(instance)
    end = (
        to_do(instance, marks) if marks or restore.style == PLAIN else "please ask whoever makes the back-ups"
    )
    return capital(f"{'; '.join(filter(None, clauses))}: {end}.")


def _restored(restore: Restore) -> Figure:
    return Figure(number=restore.short, label=restore.label, style=restore.style)


def _unseen(instance: TargetResults, blind: Blindness) -> Figure:
    missing = len(with_outcome(instance.checks, Outcome.NOT_CHECKED))
    wanting = f", {'some ' if missing > 1 else ''}for want of a right" if blind.spots and missing else ""
    label = f"{'check' if missing == 1 else 'checks'} not made{wanting}"
    return Figure(number=str(missing), label=label, style="warn" if missing else PLAIN)


def _otherwise_not_checked(instance: TargetResults, blind: Blindness) -> list[tuple[str, str]]:
    """What no right would open."""
    return [(titles, reason) for titles, reason in not_checked_of(instance) if reason not in blind.reasons]
