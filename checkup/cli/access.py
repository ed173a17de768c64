"""checkup access: one Access file, judged and shown as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from checkup.cli.options import Json

if TYPE_CHECKING:
    from checkup.jet.problems import Depth

_NAMES: Final[tuple[Depth, ...]] = ("header", "catalogue", "maps", "sample", "index", "pages", "rows")
DEPTHS: Final[dict[str, Depth]] = {depth: depth for depth in _NAMES}


def access(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A path, sftp://user@host/path or smb://user@host/share/path.",
            show_default=False,
        ),
    ],
    depth: Annotated[
        str | None,
        typer.Option(
            "--depth",
            metavar=f"<{'|'.join(DEPTHS)}>",
            autocompletion=lambda: list(DEPTHS),
            help="How deep to look; by default pages for a file of this machine below 500 MB, else maps.",
            show_default=False,
        ),
    ] = None,
    password: Annotated[
        str,
        typer.Option(
            "--password",
            metavar="REFERENCE",
            help="Where the server's password is: env:NAME, file:PATH, keyring:SERVICE/USER, prompt:TEXT.",
            show_default=False,
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Judge one Access file (.mdb, .accdb) where it lies, and show what is in it.

    The file is read at random and never opened: no lock file appears, nothing is written or copied,
    and people may go on working in it. No value of anyone's rows is printed.

    The depths, the cheapest first:

    header: version, encryption, password, size, lock file (12 KB).

    catalogue: tables with counts, columns and indexes, links, queries, relationships.

    maps: whose every page is, so the exact size of everything, free and lost space (about 1 MB of 2 GB).

    sample, index, pages, rows: random pages of every table; every index page; every page by itself;
    every row, long value and index entry, and whether they agree. They read patients' data, into
    memory only, and so only where the file lies on this machine.

    A file on a server: SFTP logs in with the keys of the SSH agent, SMB asks for the password;
    --password names another place for it.

    Exit: 0 nothing wrong, 1 findings, 2 no such file or no Access file, 3 nothing found wrong, but
    something could not be looked at.
    """
    if depth is not None and depth not in DEPTHS:
        raise typer.BadParameter(f"{depth!r} is not one of {', '.join(DEPTHS)}.", param_hint="'--depth'")
    from checkup.workflow.access_file import AccessFileError, examine_file
    from checkup.workflow.access_file import as_json as json_of

    try:
        examined = examine_file(file, depth=None if depth is None else DEPTHS[depth], password=password)
    except AccessFileError as error:
        from checkup.clean import clean_line
        from checkup.secrets import redact

        typer.echo(redact(clean_line(str(error), 1000)), err=True)
        raise typer.Exit(2 if error.why == "usage" else 3) from None
    if as_json:
        import json

        typer.echo(json.dumps(json_of(examined), indent=1))
    else:
        from checkup.cli.access_print import print_examined

        print_examined(examined)
    from checkup.assessment import Outcome

    if examined.of(Outcome.FINDING):
        raise typer.Exit(1)
    if not examined.complete:
        raise typer.Exit(3)
