"""checkup access-request: the papers for the client's IS staff."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import SiteFile, Store


def access_request(
    site: SiteFile,
    notice: Annotated[bool, typer.Option("--visit", help="The one-page notice of a visit instead.")] = False,
    after: Annotated[
        str,
        typer.Option("--after", metavar="RUN", help="After a visit: what ran, and what to take back."),
    ] = "",
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], help="Day of the visit; by default the next one due."),
    ] = None,
    begins: Annotated[
        datetime | None, typer.Option("--from", formats=["%H:%M"], help="When it begins, at the site.")
    ] = None,
    ends: Annotated[
        datetime | None, typer.Option("--to", formats=["%H:%M"], help="When it ends, at the site.")
    ] = None,
    from_address: Annotated[
        str, typer.Option("--from-address", metavar="ADDRESS", help="The address you connect from.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The PDF; the HTML goes beside it.")
    ] = None,
    store: Store = None,
) -> None:
    """Write down what the client's IS staff is asked to grant, and how to take it back.

    It is computed from this site's checks: ways in, groups, WMI namespaces and rights, level by level,
    what is lost without each, how to grant, verify and take back. With --visit: when, from where, which
    account, machines and script hashes, which alerts to expect, whom to call to stop it. With --after:
    what ran and what to revoke. Contacts nothing; send the paper yourself.
    """
    from checkup.workflow.access_requesting import PaperWish, write_paper
    from checkup.workflow.exit_status import Exit
    from checkup.workflow.prepare import utc_now

    if notice and after:
        typer.echo("--visit is for before, --after for afterwards: one of the two", err=True)
        raise typer.Exit(Exit.USAGE)
    written = write_paper(
        PaperWish(
            site_file=site,
            notice=notice,
            after=after,
            on=on.date() if on else None,
            begins=begins.time() if begins else None,
            ends=ends.time() if ends else None,
            from_address=from_address,
            output=output,
            store=store,
        ),
        utc_now(),
    )
    for path in (written.pdf, written.html):
        if path is not None:
            typer.echo(str(path))
    if written.problem:
        typer.echo(f"The PDF could not be made: {written.problem}", err=True)
        raise typer.Exit(Exit.NOTHING)
    typer.echo("Read it, then send it yourself; nothing was sent.", err=True)
