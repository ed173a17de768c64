"""checkup schedule: have due check-ups run unattended."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import SiteFile, Store

app = typer.Typer(
    help="Have due check-ups run unattended; their reports wait for review.", no_args_is_help=True
)


@app.callback()
def _schedule() -> None:
    pass


@app.command("install")
def install(
    site: SiteFile,
    at: Annotated[
        datetime,
        typer.Option("--at", formats=["%H:%M"], help="Time of day at the site, outside clinic hours."),
    ] = datetime(2000, 1, 1, 21, 0),  # noqa: DTZ001 - a time of day
    log: Annotated[Path | None, typer.Option("--log", help="Where the cron line keeps its output.")] = None,
    output: Annotated[
        Path, typer.Option("--output", help="Folder in which the reports wait for review.")
    ] = Path("reports"),
    write: Annotated[
        bool, typer.Option("--write", help="Write the systemd timer into your own unit folder.")
    ] = False,
    store: Store = None,
) -> None:
    """Show a systemd timer, a cron line and a Windows task that run the site's due check-ups.

    Nothing is installed without --write. The run does nothing on days when no visit is due.
    """
    from checkup.workflow.scheduling import timers

    made = timers(site, at.time(), store, output=output, log=log)
    for title, text in made.texts:
        typer.echo(f"# {title}\n{text}\n")
    if write:
        for path in made.write():
            typer.echo(f"written: {path}", err=True)
        for step in made.steps:
            typer.echo(f"now run: {step}", err=True)
