"""The `checkup` command: its subcommands, and what becomes of errors."""

from __future__ import annotations

import sys

import typer

from checkup import __version__
from checkup.cli import (
    access,
    access_request,
    analyse,
    bundle,
    collect,
    deliver,
    diff,
    discover,
    doctor,
    due,
    history,
    import_,
    init,
    plan,
    probes,
    report,
    run,
    sample,
    schedule,
    schema,
    selftest,
    validate,
)
from checkup.cli.quick_command import QuickCommand, QuickGroup

app = typer.Typer(
    name="checkup",
    cls=QuickGroup,
    help="Check-ups of a client site: read-only probes, and a report that also says what was not checked.",
    epilog="Start with `checkup init`, then `checkup plan site.yaml` and `checkup run site.yaml`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    add_completion=True,
    rich_markup_mode=None,
)

# Those that look at one thing, and have no argument that is more than a text.
QUICK = (access.access,)

for name, command in (
    ("init", init.init),
    ("run", run.run),
    ("plan", plan.plan),
    ("validate", validate.validate),
    ("collect", collect.collect),
    ("sample", sample.sample),
    ("analyse", analyse.analyse),
    ("report", report.report),
    ("bundle", bundle.bundle),
    ("import", import_.import_),
    ("access", access.access),
    ("access-request", access_request.access_request),
    ("history", history.history),
    ("diff", diff.diff),
    ("due", due.due),
    ("deliver", deliver.deliver),
    ("doctor", doctor.doctor),
    ("discover", discover.discover),
    ("selftest", selftest.selftest),
    ("schema", schema.schema),
):
    app.command(name, cls=QuickCommand if command in QUICK else None)(command)
app.add_typer(probes.app, name="probes")
app.add_typer(schedule.app, name="schedule")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"checkup {__version__}")
        raise typer.Exit


@app.callback()
def _checkup(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an unexpected error."),
) -> None:
    pass


def main() -> None:
    """Run the command line. Every error for people is one clear text; a traceback only with --debug."""
    from checkup.cli.errors import report_error

    debug = "--debug" in sys.argv
    # --debug may stand anywhere, so that it can be added at the end of the line that failed.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, standalone_mode=True)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last stop before the user: no traceback unless asked for
        sys.exit(report_error(error, debug=debug))
