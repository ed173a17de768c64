"""checkup discover: which computers a server knows of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import NoProgress, SiteFile, Store


def discover(
    site: SiteFile,
    server: Annotated[
        str,
        typer.Option(
            "--from", metavar="NAME", help="The Windows server to ask, by its name in the site file."
        ),
    ],
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Write the proposal into a new file as well."),
    ] = None,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Propose hosts for the site file, from what a server knows of its neighbours anyway.

    It reads which computers have a share open, stand in lock files of the declared `data_folders`, or
    are in the domain's directory. No port is scanned and no neighbour is spoken to. The proposal is
    YAML to read, correct and paste; the site file itself is never changed.
    """
    from checkup.cli.progress import RunProgress
    from checkup.workflow.discovering import discover as ask

    if write is not None and write.exists():
        typer.echo(f"{write} exists already; give the name of a new file", err=True)
        raise typer.Exit(2)
    text, _ = ask(
        site,
        server,
        store_url=store,
        progress=lambda endpoints: RunProgress(endpoints, live=not no_progress),
        say=lambda line: typer.echo(line, err=True),
    )
    typer.echo(text, nl=False)
    if write is not None:
        write.write_text(text, encoding="utf-8")
        typer.echo(f"{write}: written", err=True)
