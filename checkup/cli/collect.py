"""checkup collect: examine the site and keep what was found, without judging it."""

from __future__ import annotations

import typer

from checkup.cli.options import Deep, Host, NoProgress, Only, Parallel, SiteFile, Store, Visit, VisitName


def collect(
    site: SiteFile,
    visit: Visit = VisitName.auto,
    only: Only = None,
    host: Host = None,
    deep: Deep = False,
    parallel: Parallel = 64,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Collect the facts only; `checkup analyse` and `checkup report` need no network afterwards."""
    from checkup.cli.progress import RunProgress
    from checkup.workflow.check_up import Wish, run
    from checkup.workflow.exit_status import Exit
    from checkup.workflow.prepare import prepare, store_at, utc_now

    wish = Wish(
        site_file=site,
        visit=visit.value,
        only=tuple(only or ()),
        hosts=tuple(host or ()),
        deep=deep,
        parallel=parallel,
        store=store,
    )
    prepared = prepare(site, utc_now())
    with store_at(store) as opened:
        outcome = run(
            wish,
            prepared,
            opened,
            progress=lambda endpoints: RunProgress(endpoints, live=not no_progress),
            say=lambda text: typer.echo(text, err=True),
            clock=utc_now,
        )
    assert outcome is not None  # only `--due` plans nothing
    typer.echo(outcome.run_id)
    if outcome.collected.interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
    if outcome.collected.failure is not None:
        typer.echo(str(outcome.collected.failure), err=True)
        raise typer.Exit(Exit.NOTHING)
