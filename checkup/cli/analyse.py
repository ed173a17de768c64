"""checkup analyse: judge a stored visit anew."""

from __future__ import annotations

import typer

from checkup.cli.options import AsOf, Json, RunName, Store


def analyse(name: RunName, as_of: AsOf = None, json: Json = False, store: Store = None) -> None:
    """Judge what a visit's runs brought, with the probes installed now. Contacts nothing.

    The new analysis is added to the store; earlier ones stay as they are.
    """
    from checkup import catalogue
    from checkup.assessment import to_json
    from checkup.cli.options import clock_of
    from checkup.cli.summary import print_summary
    from checkup.workflow.check_up import analyse as analyse_visit
    from checkup.workflow.prepare import store_at

    with store_at(store) as opened:
        _, assessment = analyse_visit(opened, name, catalogue.load(), clock_of(as_of) if as_of else None)
    print_summary(assessment, None)
    if json:
        typer.echo(to_json(assessment).decode())
