"""checkup bundle: the script for a machine that nobody can get into, to be run there by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import Host, Only, SiteFile, Store, Visit, VisitName


def bundle(
    site: SiteFile,
    host: Host = None,
    everything: Annotated[
        bool, typer.Option("--all", help="One script for all Windows machines, run on the server --from.")
    ] = False,
    from_server: Annotated[
        str, typer.Option("--from", metavar="NAME", help="The server on which --all is run.")
    ] = "",
    output: Annotated[Path, typer.Option("--output", help="Folder for the scripts.")] = Path("bundles"),
    visit: Visit = VisitName.auto,
    only: Only = None,
    store: Store = None,
) -> None:
    """Write a readable script that the client's IS person runs; its answer comes back as a file.

    For a machine without remote access: --host NAME writes NAME.ps1 (Windows) or NAME.sh, with
    instructions on top. For a site whose workstations have WinRM off: --all --from SERVER writes one
    script for your remote-desktop session on that server; it reads the server and, with the session's
    own login, each listed workstation. Nothing is contacted now. `checkup import` takes the answers.
    """
    from checkup.workflow.bundling import write_bundles

    written = write_bundles(
        site,
        hosts=tuple(host or ()),
        everything=everything,
        server=from_server,
        folder=output,
        visit=visit.value,
        only=tuple(only or ()),
        store_url=store,
    )
    for one in written:
        typer.echo(str(one.path))
        for reason in one.bundle.left_out:
            typer.echo(f"not in it: {reason}", err=True)
    typer.echo("", err=True)
    typer.echo("Next:", err=True)
    for one in written:
        typer.echo(f"  {one.path.name}: on {one.bundle.hosts[0]}, type  {one.bundle.command}", err=True)
    typer.echo("  its first lines explain it to whoever runs it; read them once yourself", err=True)
    typer.echo(f"  when the answer is here: checkup import {site} {written[0].bundle.answer}", err=True)
