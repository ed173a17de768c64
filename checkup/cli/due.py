"""checkup due: which contractual visits are due."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import AsOf, Json, Store


def due(
    sites: Annotated[list[Path], typer.Argument(metavar="SITE.YAML...", help="One or more site files.")],
    as_of: AsOf = None,
    json: Json = False,
    store: Store = None,
) -> None:
    """Show the contract's visits with due date, window and state."""
    from checkup.cli.options import clock_of
    from checkup.workflow.prepare import existing_store, prepare
    from checkup.workflow.visits import due_for

    now = clock_of(as_of)
    rows: list[dict[str, str | None]] = []
    with existing_store(store) as known:
        for file in sites:
            prepared = prepare(file, now)
            for visit in due_for(prepared.site, known, now):
                rows.append(
                    {
                        "site": prepared.site.site.id,
                        "visit": visit.visit.value,
                        "due_on": visit.due_on.isoformat() if visit.due_on else None,
                        "window_from": visit.window_from.isoformat() if visit.window_from else None,
                        "window_to": visit.window_to.isoformat() if visit.window_to else None,
                        "state": visit.state.value,
                        "reason": visit.reason,
                    }
                )
    if json:
        import json as json_module

        typer.echo(json_module.dumps(rows, indent=2))
        return
    for row in rows:
        window = f"window {row['window_from']} to {row['window_to']}" if row["window_from"] else ""
        state = str(row["state"]).replace("_", " ")
        when = f"{row['visit']:10} {row['due_on'] or '-':10}  {state:15}"
        typer.echo(f"{row['site']}  {when} {window}  ({row['reason']})")
