"""checkup selftest: every section on one real machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from checkup.cli.options import NoProgress, SiteFile, Store


def selftest(
    site: SiteFile,
    host: Annotated[str, typer.Argument(metavar="HOST", help="The machine, by its name in the site file.")],
    section: Annotated[
        list[str] | None,
        typer.Option("--section", metavar="NAME", help="Only this section; may be repeated."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Write what came back, without names and numbers."),
    ] = None,
    no_progress: NoProgress = False,
    store: Store = None,
) -> None:
    """Run every section on one machine and say which work, what they cost, and what looks different.

    The collectors for Windows were written without one at hand: this is how the first user of a
    version finds out. It reads like a check-up does, is kept in the ledger as an interim run, and
    judges nothing. --record writes the answer with names, addresses, serial numbers and identifiers
    replaced; read it before you pass it on. `python -m checkup.testing fixture FILE --probe ID`
    makes a test of it.

    Exit: 0 all sections work, 3 some do not.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from checkup.cli.progress import RunProgress
    from checkup.workflow.exit_status import Exit
    from checkup.workflow.prepare import utc_now
    from checkup.workflow.self_test import recording, self_test, table_rows

    test, prepared = self_test(
        site,
        host,
        only=tuple(section or ()),
        store_url=store,
        progress=lambda endpoints: RunProgress(endpoints, live=not no_progress),
        say=lambda text: typer.echo(text, err=True),
    )
    hello = test.snapshot.hello
    typer.echo(f"{host}: {hello.get('kernel', 'it did not answer')} {hello.get('os_id', '')}".rstrip())
    if test.snapshot.error is not None:
        typer.echo(f"{test.snapshot.error}: {test.snapshot.reason}")
    table = Table(box=None, pad_edge=False)
    for head in ("section", "source", "quality", "ms", "bytes", "parses", "differs from the recordings"):
        table.add_column(head, justify="right" if head in ("ms", "bytes") else "left")
    for row in table_rows(test.sections):
        table.add_row(*map(escape, row))
    Console(highlight=False).print(table)
    for one in test.sections:
        if one.reason and not one.works:
            typer.echo(f"{one.name}: {one.reason}")
    failed = [one for one in test.sections if not one.works]
    typer.echo(f"{len(test.sections) - len(failed)} of {len(test.sections)} sections work", err=True)
    if record is not None:
        record.write_text(recording(test, prepared, utc_now()), encoding="utf-8")
        typer.echo(f"{record}: written; read it before you pass it on", err=True)
    if not test.works:
        raise typer.Exit(Exit.INCOMPLETE)
