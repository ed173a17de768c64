"""checkup probes: what can be asked, why, with which levels, commands and rights."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List the probes, or show one.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_probes() -> None:
    """List every probe that is installed."""
    from checkup import catalogue

    for entry in catalogue.load().entries.values():
        mark = "" if entry.linted else "  (not linted)"
        typer.echo(f"{entry.probe.id:28}  {entry.probe.title}{mark}")


@app.command("show")
def show(probe: Annotated[str, typer.Argument(help="The probe's id or alias.")]) -> None:
    """Show one probe: why, levels, commands, rights."""
    from checkup import catalogue
    from checkup.plan import PlanError
    from checkup.workflow.probe_pages import page

    probes = catalogue.load()
    found = [e for e in probes.entries.values() if probe == e.probe.id or probe in e.probe.aliases]
    if not found:
        nearest = probes.nearest(probe)
        raise PlanError(f"there is no probe {probe!r}" + (f"; did you mean {nearest!r}?" if nearest else ""))
    typer.echo(page(found[0]))


@app.command("docs")
def docs() -> None:
    """Print the probe catalogue as Markdown (docs/probes.md is made with it)."""
    from checkup import catalogue
    from checkup.workflow.probe_pages import catalogue_page

    typer.echo(catalogue_page(catalogue.load()), nl=False)
