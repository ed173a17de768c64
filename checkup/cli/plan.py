"""checkup plan: what will run where, and every command, before anything is contacted."""

from __future__ import annotations

from typing import Annotated

import typer

from checkup.cli.options import Deep, Host, Json, Only, SiteFile, Store, Visit, VisitName


def plan(
    site: SiteFile,
    visit: Visit = VisitName.auto,
    only: Only = None,
    host: Host = None,
    deep: Deep = False,
    commands: Annotated[
        bool, typer.Option("--commands/--no-commands", help="Print every command as well.")
    ] = True,
    batch: Annotated[
        bool, typer.Option("--batch", help="Print the exact bytes that each machine would be sent.")
    ] = False,
    json: Json = False,
    store: Store = None,
) -> None:
    """Show what would run where. Contacts nothing and writes nothing."""
    from checkup import plan as plans
    from checkup.workflow.access_looks import look_lines
    from checkup.workflow.collecting import plan_run
    from checkup.workflow.prepare import existing_store, prepare, utc_now
    from checkup.workflow.visits import chosen_visit

    now = utc_now()
    prepared = prepare(site, now)
    with existing_store(store) as known:
        chosen = chosen_visit(visit.value, prepared.site, known, now)
        made = plan_run(prepared, known, chosen, now, only=only or (), hosts=host or (), deep=deep)
    if json:
        typer.echo(plans.to_json(made).decode())
        return
    typer.echo(f"{prepared.site.site.name}: {chosen.value}")
    typer.echo(f"{len(made.checks)} checks on {len(made.endpoints)} machines; one connection, one batch each")
    for probe in made.unlinted:
        typer.echo(f"without the read-only lint's stamp: {probe}")
    for endpoint in made.endpoints:
        typer.echo("")
        if endpoint.opted_out:
            typer.echo(f"{endpoint.endpoint}: {endpoint.opted_out}")
            continue
        sections = ", ".join(one.name for one in endpoint.sections if one.source not in (None, "sampled"))
        typer.echo(f"{endpoint.endpoint} by {endpoint.way}: {sections}")
        for line in look_lines(endpoint, endpoint.look) if endpoint.look else ():
            typer.echo(f"  {line}")
        missing = [section.name for section in endpoint.sections if not section.source]
        if missing:
            typer.echo(f"  no collector for {endpoint.platform}: {', '.join(missing)}")
        waiting = [section.name for section in endpoint.sections if section.left_out == plans.ONLY_DEEP]
        if waiting:
            typer.echo(f"  only with --deep: {', '.join(waiting)}")
        sampled = [section.name for section in endpoint.sections if section.source == "sampled"]
        if sampled:
            typer.echo(f"  taken by `checkup sample` beforehand: {', '.join(sampled)}")
        if batch and endpoint.scripted:
            typer.echo(endpoint.script.decode("ascii"))
    if commands and not batch:
        _commands(made)


def _commands(made: object) -> None:
    from checkup.plan import Plan

    assert isinstance(made, Plan)
    texts = {
        (section.name, section.source): section.text
        for endpoint in made.endpoints
        for section in endpoint.sections
        if section.text and not endpoint.opted_out
    }
    for (name, source), text in sorted(texts.items()):
        typer.echo(f"\n--- {name} ({source})\n{text}")
