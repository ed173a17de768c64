"""checkup doctor: what this machine lacks, and how to get it."""

from __future__ import annotations

import typer

from checkup.cli.options import Store


def doctor(store: Store = None) -> None:
    """Look at this machine: what checkup needs, what is missing, and how to get it. Exit 3 if something
    is missing."""
    from checkup.workflow.doctor import examinations

    missing = False
    for name, found, advice in examinations(store):
        missing = missing or not found
        typer.echo(f"{'ok' if found else 'MISSING':8} {name}")
        if not found:
            typer.echo(f"{'':8}   {advice}")
    if missing:
        raise typer.Exit(3)
