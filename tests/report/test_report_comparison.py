"""Machines side by side: what most have is quiet, what differs is marked."""

from __future__ import annotations

from dataclasses import replace

import samples

from checkup.assessment import Table
from checkup.report.comparison import MOST_COLUMNS
from checkup.report.html import render_html
from checkup.report.model import ReportView
from checkup.report.view import build_view

ROWS = {
    "ws-1": ("17.10", "x64", "7"),
    "ws-2": ("17.10", "x64", ""),
    "ws-3": ("17.6", "x64", "7"),
}
TABLE = Table(probe="site.drift", name="ODBC drivers", columns=("Driver 17", "Access", "Notes"), rows=ROWS)


def view(*tables: Table) -> ReportView:
    given = samples.demo()
    return build_view(replace(given, assessment=replace(given.assessment, tables=tables)))


def test_only_columns_that_differ_are_tables_and_the_odd_cells_are_marked():
    (table,) = view(TABLE).compared
    assert table.columns == ("Driver 17", "Notes")
    assert [[cell.differs for cell in machine.cells] for machine in table.machines] == [
        [False, False],
        [False, True],
        [True, False],
    ]
    assert table.alike == ("Access: x64",)


def test_what_a_machine_lacks_is_shown_as_nothing_and_not_as_empty():
    (table,) = view(TABLE).compared
    assert table.machines[1].cells[1].text == "–"


def test_a_wide_comparison_goes_on_in_a_second_table():
    columns = tuple(f"thing {number}" for number in range(MOST_COLUMNS + 2))
    rows = {f"ws-{number}": tuple(str(number) for _ in columns) for number in range(3)}
    first, second = view(Table(probe="p", name="Many", columns=columns, rows=rows)).compared
    assert (len(first.columns), len(second.columns)) == (MOST_COLUMNS, 2)
    assert second.name == "Many (continued)"


def test_the_report_prints_it_and_a_machines_text_stays_text():
    html = render_html(view(replace(TABLE, rows={**ROWS, "ws-3": ("<b>x</b>", "x64", "7")})))
    assert "Machines compared" in html and "&lt;b&gt;x&lt;/b&gt;" in html and "<b>x" not in html


def test_without_a_comparison_there_is_no_heading():
    assert "compared" not in view().headings
    assert "Machines compared" not in render_html(view())
