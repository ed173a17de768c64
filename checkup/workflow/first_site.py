"""`checkup init`: half a dozen questions, then a first site file that is in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from checkup.site import FirstHost, FirstSite, first_site, load_text
from checkup.workflow.prepare import utc_now


class BadAnswer(Exception):
    """An answer that no site file can be made of; the message says what to write."""


# A question with a default answer, as typer.prompt asks it.
Ask = Callable[..., Any]


def write_first_site(file: Path, ask: Ask) -> None:
    """Ask, and write the file if it is in order; raises SiteFileError naming what is not."""
    today = utc_now().date()
    text = first_site(_answers(ask, today))
    load_text(text, path=file, today=today)
    file.write_text(text, encoding="utf-8")


def _answers(ask: Ask, today: date) -> FirstSite:
    name = str(ask("Name of the client"))
    installed = str(ask("First day of production use", default=today.isoformat()))
    zone = str(ask("Time zone of the client", default="America/Denver"))
    country = str(ask("Country code, for its holidays", default="US"))
    addresses = str(ask("Machines by SSH, addresses separated by spaces (none: this machine)", default=""))
    user = str(ask("Account on them", default="checkup")) if addresses else "checkup"
    key = str(ask("Key file (none: the SSH agent)", default="")) if addresses else ""
    return FirstSite(
        id=_id(name),
        name=name,
        timezone=zone,
        country=country,
        package=str(ask("Service package, deluxe or premium", default="deluxe")),
        installed=_date(installed),
        hosts=[FirstHost(id=_id(address), address=address) for address in addresses.split()]
        or [FirstHost(id="this-machine")],
        user=user,
        key=key,
        prepared_by=str(ask("Your name, for the report", default="")),
    )


def _id(text: str) -> str:
    """A name's lower-case letters and digits, joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "site"


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadAnswer(f"{text!r} is not a date; write it like 2026-04-20") from None
