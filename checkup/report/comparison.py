"""Machines side by side: what most of them have, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from checkup.assessment import Assessment, Table
from checkup.report.findings import Printing
from checkup.report.model import ComparedCell, ComparedMachine, ComparedTable
from checkup.report.text import clean

# What fits beside the machine's name on a page.
MOST_COLUMNS = 5
MOST_CHARACTERS = 120
NOTHING = "–"


def compared(assessment: Assessment, printer: Printing) -> list[ComparedTable]:
    """Each comparison as tables of a page's width, the columns without any difference left out.

    A comparison in which nothing differs is one line: its name and the machines.
    """
    return [part for table in assessment.tables if table.rows for part in _parts(table, printer)]


def _parts(table: Table, printer: Printing) -> Iterator[ComparedTable]:
    usual = [_usual(table, place) for place in range(len(table.columns))]
    differing = [
        place
        for place in range(len(table.columns))
        if any(_cell(row, place) != usual[place] for row in table.rows.values())
    ]
    alike = tuple(
        f"{clean(table.columns[place], MOST_CHARACTERS)}: {clean(usual[place], MOST_CHARACTERS)}"
        for place in range(len(table.columns))
        if place not in differing and usual[place]
    )
    name = clean(table.name, 120)
    chunks = [differing[at : at + MOST_COLUMNS] for at in range(0, len(differing), MOST_COLUMNS)] or [[]]
    for number, places in enumerate(chunks):
        machines = tuple(
            ComparedMachine(
                title=printer.place(target, ""),
                cells=tuple(_shown(row, place, usual[place]) for place in places),
            )
            for target, row in table.rows.items()
        )
        yield ComparedTable(
            name=name if number == 0 else f"{name} (continued)",
            columns=tuple(clean(table.columns[place], MOST_CHARACTERS) for place in places),
            machines=machines if places else (),
            compared=len(table.rows),
            alike=alike if number == 0 else (),
        )


def _cell(row: tuple[str, ...], place: int) -> str:
    return row[place] if place < len(row) else ""


def _usual(table: Table, place: int) -> str:
    found = Counter(_cell(row, place) for row in table.rows.values())
    return max(sorted(found), key=lambda text: (found[text], bool(text)))


def _shown(row: tuple[str, ...], place: int, usual: str) -> ComparedCell:
    text = _cell(row, place)
    return ComparedCell(text=clean(text, MOST_CHARACTERS) or NOTHING, differs=text != usual)
