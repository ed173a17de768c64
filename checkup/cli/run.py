"""checkup run: collect, analyse and report in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import (
    Deep,
    FailOn,
    FailOnOption,
    Host,
    Json,
    NoProgress,
    Only,
    Parallel,
    Pdf,
    SiteFile,
    Store,
    Visit,
    VisitName,
)


def run(
    site: SiteFile,
    visit: Visit = VisitName.auto,
    only: Only = None,
    host: Host = None,
    deep: Deep = False,
    pdf: Pdf = None,
    output: Annotated[Path, typer.Option("--output", help="Folder for the report's files.")] = Path(
        "reports"
    ),
    json: Json = False,
    fail_on: FailOnOption = FailOn.none,
    due: Annotated[
        bool, typer.Option("--due", help="Only if a visit is due; otherwise do nothing and exit with 0.")
    ] = False,
    resume: Annotated[
        str,
        typer.Option("--resume", metavar="RUN", help="Go on with an interrupted run.", show_default=False),
    ] = "",
    parallel: Parallel = 64,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Examine a site and write its report.

    Nothing is changed on the client's machines: `checkup plan` shows every command beforehand, and
    the report lists them. Ctrl-C keeps what is finished; `--resume` goes on from there.

    Exit: 0 complete, 1 findings (--fail-on), 2 site file or usage, 3 something could not be checked,
    4 nothing assessed or not written, 10 an actual P1 awaits confirmation, 130 interrupted.
    """
    from checkup.cli.progress import RunProgress
    from checkup.cli.summary import print_summary
    from checkup.workflow.check_up import Wish, check_up

    done = check_up(
        Wish(
            site_file=site,
            visit=visit.value,
            only=tuple(only or ()),
            hosts=tuple(host or ()),
            deep=deep,
            pdf=pdf,
            output=output,
            due=due,
            resume=resume,
            parallel=parallel,
            fail_on=fail_on.value,
            store=store,
        ),
        progress=lambda endpoints: RunProgress(endpoints, live=not no_progress),
        say=lambda text: typer.echo(text, err=True),
    )
    if done.assessment is not None:
        print_summary(done.assessment, done.written)
        if json:
            from checkup.assessment import to_json

            typer.echo(to_json(done.assessment).decode())
    raise typer.Exit(done.status)
