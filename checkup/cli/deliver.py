"""checkup deliver: lay the reviewed report down for the client. Nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import RunName, Store


def deliver(
    name: RunName,
    folder: Annotated[Path, typer.Option("--folder", help="Where the delivery's folder is made.")] = Path(
        "deliveries"
    ),
    store: Store = None,
) -> None:
    """Make a folder with the PDF and an e-mail draft, record the delivery and close the visit.

    Read the report first: this is what the client gets. You send the draft yourself.
    """
    from checkup.workflow.delivering import deliver_visit
    from checkup.workflow.prepare import store_at, utc_now

    with store_at(store) as opened:
        delivered = deliver_visit(opened, name, folder, utc_now)
    typer.echo(f"report:  {delivered.pdf}")
    typer.echo(f"draft:   {delivered.eml}  (nothing was sent; open it, read it, send it)")
    typer.echo(f"sha256:  {delivered.sha256}")
