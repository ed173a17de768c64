"""checkup import: the answers that were brought as files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import (
    FailOn,
    FailOnOption,
    Json,
    NoProgress,
    Parallel,
    Pdf,
    SiteFile,
    Store,
    Visit,
    VisitName,
)


def import_(
    site: SiteFile,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="What the scripts of `checkup bundle` wrote."),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option("--watch", metavar="FOLDER", help="Take every *.bundle that arrives there."),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=1, metavar="SECONDS", help="How often --watch looks.")
    ] = 60,
    once: Annotated[bool, typer.Option("--once", help="With --watch: what is there now, then end.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of a damaged file, take what is whole.")
    ] = False,
    visit: Visit = VisitName.auto,
    pdf: Pdf = None,
    output: Annotated[Path, typer.Option("--output", help="Folder for the report's files.")] = Path(
        "reports"
    ),
    json: Json = False,
    fail_on: FailOnOption = FailOn.none,
    parallel: Parallel = 64,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Take answers that were brought as files into the open visit, and write its report.

    Each file is checked first: whole, of this site, of machines in the site file, and of the same
    machines as before. One that is not is refused by name. The same file twice is taken once. Nothing
    is contacted. Without --visit an answer belongs to the visit under way, else to the one that is due.

    Exit: as `checkup run`; 3 also if a file was refused beside others, 4 if all were.
    """
    from checkup.cli.progress import RunProgress
    from checkup.cli.summary import print_summary
    from checkup.workflow.check_up import Done
    from checkup.workflow.importing import ImportWish, import_files
    from checkup.workflow.watching import watch as watch_folder

    if bool(files) == (watch is not None):
        typer.echo("name the files to import, or a folder with --watch FOLDER (one of the two)", err=True)
        raise typer.Exit(2)

    def say(text: str) -> None:
        typer.echo(text, err=True)

    def show(done: Done) -> None:
        if done.assessment is not None:
            print_summary(done.assessment, done.written)
            if json:
                from checkup.assessment import to_json

                typer.echo(to_json(done.assessment).decode())

    wish = ImportWish(
        site_file=site,
        files=tuple(files or ()),
        partial=partial,
        visit=visit.value,
        parallel=parallel,
        store=store,
        output=output,
        pdf=pdf,
        fail_on=fail_on.value,
    )

    def progress(endpoints: int) -> RunProgress:
        return RunProgress(endpoints, live=not no_progress)

    if watch is None:
        done = import_files(wish, progress=progress, say=say)
        show(done)
        raise typer.Exit(done.status)
    if not once:
        say(f"looking every {interval:g} s for *.bundle files in {watch}; Ctrl-C ends")
    last = watch_folder(
        wish,
        watch,
        once=once,
        wait=lambda: time.sleep(interval),
        progress=progress,
        say=say,
        report=show,
    )
    if once and last is not None:
        raise typer.Exit(last.status)
