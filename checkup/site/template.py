"""A first site file, with comments that say what may be added."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from checkup.site.tree import scalar

_PLAIN = re.compile(r"[A-Za-z0-9/~.][A-Za-z0-9 ._/~+-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstHost:
    """One machine; without an address it is the one that checkup runs on."""

    id: str
    address: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstSite:
    """The answers a first site file is made from. `user` and `key` (a file; "" for an SSH agent) are
    the account on the machines that have an address."""

    id: str
    name: str
    timezone: str
    country: str
    package: str
    installed: date
    hosts: Sequence[FirstHost]
    user: str = "checkup"
    key: str = ""
    prepared_by: str = ""


def first_site(answers: FirstSite) -> str:
    """The text of a site file. It is checked only when it is loaded: an answer may be wrong."""
    return "\n".join(_lines(answers)) + "\n"


def _lines(answers: FirstSite) -> Iterator[str]:
    remote = any(host.address for host in answers.hosts)
    yield "# A site file for checkup: one client installation. `checkup validate` checks it."
    yield "# It holds no secret: where one is needed, write where to find it, as"
    yield '#   "keyring:service/user", "env:NAME", "file:PATH", "command:PROGRAM ...", "prompt:"'
    yield "version: 1"
    yield ""
    yield "site:"
    yield f"  id: {_text(answers.id)}  # part of every report's number; never change it"
    yield f"  name: {_text(answers.name)}"
    yield f"  timezone: {_text(answers.timezone)}"
    yield f"  country: {_text(answers.country)}  # for the holidays"
    yield "  # subdivision: CO  # its state or region, for more of them"
    yield "  # closed_days: [2026-12-24]"
    yield ""
    yield "contract:"
    yield f"  package: {_text(answers.package)}  # deluxe or premium"
    yield f"  installed: {answers.installed.isoformat()}  # first production use"
    yield "  # onsite: [2026-05-28]  # on-site tune-ups; the six-month check-up counts from the last"
    yield ""
    yield "# contacts:"
    yield "#   practice_manager: {name: R. Alvarado, email: manager@clinic.example}"
    yield '#   is_staff: {name: J. Okafor, phone: "+1-555-0142"}'
    yield ""
    example = answers.hosts[0].id if answers.hosts else "srv-db"
    yield "# What the site cannot do without, and how it goes on when it must. It decides the priorities."
    yield "# functions:"
    yield f"#   case-entry: {{needs: [{example}], workaround: paper forms}}"
    yield ""
    if remote:
        account = f"key: {_text(answers.key)}" if answers.key else "agent: true"
        yield "credentials:"
        yield f"  main: {{user: {_text(answers.user)}, {account}}}"
        yield ""
    yield "hosts:"
    for host in answers.hosts:
        yield from _host(host)
    yield ""
    yield "# SQL servers, an entry for each instance (sqlserver, postgresql or mariadb); the script in"
    yield "# `checkup access-request` makes their account:"
    yield "# sql:"
    yield f"#   - {{id: db-main, engine: sqlserver, host: {example}, port: 1433, credential: sql,"
    yield "#      databases: [clinic]}"
    yield ""
    yield "# A finding that the client accepts, until a date:"
    yield "# waivers:"
    yield "#   - {probe: host.volume-space, target: srv-db, item: /srv, reason: disk ordered,"
    yield "#      approved_by: R. Alvarado, until: 2027-01-31}"
    if answers.prepared_by:
        yield ""
        yield "report:"
        yield f"  prepared_by: {_text(answers.prepared_by)}"


def _host(host: FirstHost) -> Iterator[str]:
    yield f"  - id: {_text(host.id)}"
    if host.role:
        yield f"    role: {_text(host.role)}  # cath-control means: never touch it"
    if host.address:
        yield f"    connect: {{transport: ssh, host: {_text(host.address)}, credential: main}}"
    else:
        yield "    connect: local"


def _text(value: str) -> str:
    """A text as a YAML scalar, in quotes where it needs them."""
    plain = _PLAIN.fullmatch(value) and not value.endswith(" ") and scalar(value) == value
    if plain:
        return value
    # JSON's text is YAML's, but for what YAML takes for a line end or drops, and JSON leaves as it is.
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
