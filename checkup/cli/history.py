"""checkup history: the runs in the store."""

from __future__ import annotations

from typing import Annotated

import typer

from checkup.cli.options import Json, Store


def history(
    site: Annotated[str | None, typer.Argument(metavar="[SITE]", help="Only this site's id.")] = None,
    json: Json = False,
    store: Store = None,
) -> None:
    """List visits and runs, the newest first."""
    from checkup.workflow.history import past_runs
    from checkup.workflow.prepare import existing_store

    with existing_store(store) as known:
        runs = past_runs(known, site) if known else []
    if json:
        import json as json_module

        typer.echo(json_module.dumps([run.as_json() for run in runs], indent=2))
        return
    for run in runs:
        typer.echo(run.line())
    if not runs:
        typer.echo("no runs yet; `checkup run SITE.YAML` makes one", err=True)
