"""checkup sample: a busy hour, looked at again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from checkup.cli.options import Host, NoProgress, SiteFile, Store

if TYPE_CHECKING:
    from checkup.workflow.sampling_plan import SamplingPlan


def sample(
    site: SiteFile,
    lasting: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help="How long: 2h, 90m, 1h30m; at most 24h."),
    ] = "2h",
    every: Annotated[
        str,
        typer.Option("--every", metavar="TIME", help="How often: 60s, 5m; at least 10s apart."),
    ] = "60s",
    host: Host = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print what would be asked of whom; contacts nothing.")
    ] = False,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Take counters, waits, file times and blocking while people work, for a tune-up.

    A check-up looks once; what an instance counted since its start says nothing about ten o'clock on a
    Monday. This looks again and again, at the SQL instances and Windows machines of the site, and keeps
    the differences: start it before a busy hour, let it run for one or two, then make the tune-up's
    report, which reads the newest samples of its visit.

    One connection to each instance stays open, and a few counters are read from it each time: no
    statement's text, no table, nothing is written. `touch: never` is respected; `touch: quiet` does not
    forbid it, because a busy hour is what it is for. Every sample is kept at once: Ctrl-C ends it and
    keeps what was taken.

    Exit: 0 all samples taken, 2 site file or times, 3 some brought less than they should, 4 too few to
    be judged, 130 ended by Ctrl-C.
    """
    from checkup.cli.sample_progress import SampleProgress
    from checkup.workflow.sampling import SampleWish, would_ask
    from checkup.workflow.sampling import sample as take

    wish = SampleWish(site_file=site, lasting=lasting, every=every, hosts=tuple(host or ()), store=store)
    if show:
        _show(would_ask(wish))
        return
    with SampleProgress(live=not no_progress) as progress:
        done = take(wish, say=progress.say, tell=progress)
    typer.echo(done.run_id)
    raise typer.Exit(done.status)


def _show(made: SamplingPlan) -> None:
    for name, reason in made.left_out:
        typer.echo(f"{name} is left out: {reason}")
    for endpoint in made.plan.endpoints:
        typer.echo(
            f"{endpoint.endpoint} by {endpoint.way}: {', '.join(one.name for one in endpoint.sections)}"
        )
    texts = {
        (section.name, section.source): section.text
        for endpoint in made.plan.endpoints
        for section in endpoint.sections
    }
    for (name, source), text in sorted(texts.items(), key=lambda one: one[0][0]):
        typer.echo(f"\n--- {name} ({source})\n{text}")
