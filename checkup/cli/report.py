"""checkup report: write the report of a stored visit again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import Json, Pdf, RunName, Store


def report(
    name: RunName,
    output: Annotated[Path, typer.Option("--output", help="Folder for the report's files.")] = Path(
        "reports"
    ),
    pdf: Pdf = None,
    json: Json = False,
    store: Store = None,
) -> None:
    """Write PDF, HTML and JSON of a stored visit. Contacts nothing; the same version of checkup
    writes the same bytes."""
    from checkup.assessment import to_json
    from checkup.cli.summary import print_summary
    from checkup.workflow.check_up import report as write
    from checkup.workflow.exit_status import Exit
    from checkup.workflow.prepare import store_at

    with store_at(store) as opened:
        assessment, written = write(opened, name, output, pdf)
    print_summary(assessment, written)
    if json:
        typer.echo(to_json(assessment).decode())
    if written.pdf is None:
        raise typer.Exit(Exit.NOTHING)
