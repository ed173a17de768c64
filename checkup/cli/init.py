"""checkup init: a first site file from a few questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    file: Annotated[Path, typer.Argument(metavar="[SITE.YAML]", help="Where to write it.")] = Path(
        "site.yaml"
    ),
) -> None:
    """Ask half a dozen questions and write a first valid site file.

    Secrets are not asked for: the file only says where they are kept.
    """
    from functools import partial

    from checkup.workflow.first_site import write_first_site

    if file.exists():
        typer.echo(f"{file} exists already; give another name: checkup init other.yaml", err=True)
        raise typer.Exit(2)
    write_first_site(file, partial(typer.prompt, err=True))
    typer.echo(f"{file} is written. Next: checkup plan {file}, then checkup run {file}", err=True)
