"""checkup doctor: what this machine lacks, and how to get it."""

from __future__ import annotations

import typer

from checkup.cli.options import Store


def doctor(store: Store = None) -> None:
    """Look at this machine: what checkup needs, what is missing, and how to get it. Exit 3 if something
    is missing."""
    from checkup.workflow.doctor import examinations

    missing = False
    for one in examinations(store):
        missing = missing or not (one.found or one.optional)
        state = "ok" if one.found else "absent" if one.optional else "MISSING"
        typer.echo(f"{state:8} {one.name}")
        if not one.found:
            typer.echo(f"{'':8}   {one.advice}")
    if missing:
        raise typer.Exit(3)
