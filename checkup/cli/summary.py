"""The table at the end of a run."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from checkup.assessment import Assessment, Outcome
from checkup.workflow.history import finding_counts
from checkup.workflow.reporting import Written

COLUMNS = (Outcome.FINDING, Outcome.NOT_CHECKED, Outcome.PASSED, Outcome.NOT_APPLICABLE)


def print_summary(assessment: Assessment, written: Written | None) -> None:
    console = Console(stderr=True, highlight=False)
    table = Table(title=f"{assessment.site}: {assessment.visit.value} check-up", title_justify="left")
    table.add_column("target")
    for outcome in COLUMNS:
        table.add_column("findings" if outcome is Outcome.FINDING else outcome.value, justify="right")
    names = [target.id for target in assessment.targets]
    if any(not check.target for check in assessment.checks):
        names.append("")
    for name in names:
        checks = [check for check in assessment.checks if check.target == name]
        counts = [sum(check.outcome is outcome for check in checks) for outcome in COLUMNS]
        table.add_row(escape(name) or "the site", *(str(count or "-") for count in counts))
    totals = assessment.totals
    table.add_section()
    table.add_row(
        f"{totals.planned} checks planned",
        str(totals.findings),
        str(totals.not_checked),
        str(totals.passed),
        str(totals.not_applicable),
    )
    console.print(table)
    console.print(_priorities(assessment))
    if written is not None:
        for path in (written.pdf, written.html, written.json):
            if path is not None:
                console.print(f"  {path}", soft_wrap=True, markup=False)
        if written.problem:
            console.print(f"The PDF could not be made: {written.problem}", soft_wrap=True, markup=False)


def _priorities(assessment: Assessment) -> str:
    counts = finding_counts(assessment)
    waived = counts.pop("waived")
    parts = [f"{count} {priority}" for priority, count in counts.items() if count]
    return f"findings: {', '.join(parts) or 'none'}" + (f"; {waived} waived" if waived else "")
