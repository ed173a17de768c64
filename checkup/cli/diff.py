"""checkup diff: what changed since the visit before."""

from __future__ import annotations

import typer

from checkup.cli.options import RunName, Store


def diff(name: RunName, store: Store = None) -> None:
    """Show what changed between a visit and the last comparable one before it."""
    from checkup.workflow.assessing import visit_runs
    from checkup.workflow.check_up import latest_assessment
    from checkup.workflow.history import changes
    from checkup.workflow.prepare import store_at

    with store_at(store) as opened:
        assessment = latest_assessment(opened, visit_runs(opened, name))
    compared = assessment.compared_with
    if compared is None:
        typer.echo(f"{assessment.site}: first visit, nothing to compare with", err=True)
    else:
        typer.echo(
            f"{assessment.site}: compared with the {compared.visit.value} visit of {compared.at:%Y-%m-%d}"
        )
    for line in changes(assessment):
        typer.echo(line)
