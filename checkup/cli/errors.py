"""What a person sees of an error, and the exit status that goes with it."""

from __future__ import annotations

import traceback

import typer

USAGE, NOTHING = 2, 4


def report_error(error: Exception, *, debug: bool = False) -> int:
    """Print the error, redacted, and return the exit status; with `debug` its traceback comes first."""
    from checkup.secrets import redact

    if debug:
        typer.echo(redact("".join(traceback.format_exception(error))), err=True)
    known = _status(error)
    text = redact(str(error)) if known else redact(f"unexpected error: {type(error).__name__}: {error}")
    typer.echo(text, err=True)
    if known is None and not debug:
        typer.echo("This is a fault in checkup. The same command with --debug shows where.", err=True)
    return known or NOTHING


def _status(error: Exception) -> int | None:
    from checkup.catalogue import CatalogueError
    from checkup.contract.business_days import CalendarError
    from checkup.contract.schedule import ScheduleError
    from checkup.deliver.draft import DeliveryError
    from checkup.plan import PlanError
    from checkup.secrets import SecretError
    from checkup.site import SiteFileError
    from checkup.store import StoreError
    from checkup.workflow.assessing import NothingCollected
    from checkup.workflow.first_site import BadAnswer

    usage = (SiteFileError, CatalogueError, PlanError, SecretError, CalendarError, ScheduleError, BadAnswer)
    if isinstance(error, usage):
        return USAGE
    if isinstance(error, StoreError | NothingCollected | DeliveryError | OSError):
        return NOTHING
    return None
