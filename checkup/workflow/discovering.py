"""`checkup discover`: hosts for the site file, from what a server knows of its neighbours anyway.

Nothing is scanned and no neighbour is spoken to. What comes of it is a proposal that a person reads,
corrects and pastes into the site file.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from checkup.api import Quality
from checkup.catalogue import AnySection
from checkup.clean import clean_line
from checkup.plan import PlanError
from checkup.site import Site
from checkup.site.models import Host
from checkup.snapshot import EndpointSnapshot
from checkup.workflow.assessing import NothingCollected
from checkup.workflow.check_up import Progress, Say
from checkup.workflow.collecting import start_run
from checkup.workflow.prepare import prepare, store_at, utc_now
from checkup.workflow.section_plan import section_plan

# Sections of the built-in package (probes/windows/discovery.py), and what seeing a name there means.
SOURCES: Mapping[str, str] = {
    "discovery-sessions": "has a share open",
    "discovery-locks": "in a lock file",
    "discovery-directory": "in the directory",
}
# A computer that has not logged on for so long is probably gone.
GONE = timedelta(days=90)
MOST_NAME_CHARACTERS = 63

_NAME = re.compile(r"\w[\w.-]{0,252}")


class SeenComputer(Protocol):
    """What a discovery section's facts hold of one computer."""

    @property
    def name(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def last_seen(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A computer that the server knows, by its name or address. `seen` says where; `known_as` is the host
    of the site file that it already is."""

    name: str
    seen: tuple[str, ...]
    system: str = ""
    last_seen: datetime | None = None
    known_as: str = ""

    def is_gone(self, now: datetime) -> bool:
        """Only the directory knows it, and it has not logged on for long."""
        only_there = self.seen == (SOURCES["discovery-directory"],)
        return only_there and self.last_seen is not None and now - self.last_seen > GONE


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """`gaps` are sources that told nothing, each with the reason."""

    neighbours: tuple[Neighbour, ...]
    gaps: tuple[str, ...]
    answered: bool


# --- what was seen ------------------------------------------------------------------------------


def neighbours(
    snapshot: EndpointSnapshot, sections: Mapping[str, AnySection], site: Site, server: str
) -> Discovered:
    """What came back, by computer. Pure."""
    found: dict[str, Neighbour] = {}
    gaps: list[str] = []
    own = {server, snapshot.hello.get("hostname", "").lower()}
    for one in snapshot.sections:
        where = SOURCES.get(one.section)
        if where is None:
            continue
        if one.quality not in (Quality.OK, Quality.PARTIAL):
            gaps.append(f"{where}: {one.quality} ({one.reason})")
            continue
        if one.quality is Quality.PARTIAL:
            gaps.append(f"{where}: partial ({one.reason})")
        for computer in _computers(sections[one.section], one.raw, one.source, one.version, gaps, where):
            name = _plain_name(computer.name)
            if name and name not in own:
                _add(found, name, where, computer)
    hosts = [replace(one, known_as=_known_as(one.name, site)) for one in found.values()]
    return Discovered(
        neighbours=tuple(sorted(hosts, key=lambda one: one.name)),
        gaps=tuple(gaps),
        answered=bool(snapshot.hello),
    )


def _computers(
    section: AnySection, raw: Any, source: str, version: int, gaps: list[str], where: str
) -> Sequence[SeenComputer]:
    try:
        facts = section.parse(raw, source, version)
    except Exception as error:  # noqa: BLE001 - a parser meets hostile text; whatever it raises means the same
        gaps.append(f"{where}: the answer could not be read ({type(error).__name__})")
        return ()
    return cast("Sequence[SeenComputer]", facts.computers)


def _plain_name(text: str) -> str:
    """A computer's short name or its address, in small letters; "" for what is neither."""
    name = clean_line(text.strip().strip("[]"), 260)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name.partition(".")[0].lower() if _NAME.fullmatch(name) else ""
    unusable = address.is_loopback or address.is_link_local or address.is_unspecified
    return "" if unusable else str(address)


def _add(found: dict[str, Neighbour], name: str, where: str, computer: SeenComputer) -> None:
    known = found.get(name, Neighbour(name=name, seen=()))
    found[name] = replace(
        known,
        seen=tuple(dict.fromkeys((*known.seen, where))),
        system=known.system or computer.system,
        last_seen=known.last_seen or computer.last_seen,
    )


def _known_as(name: str, site: Site) -> str:
    for host in site.hosts:
        address = str(getattr(host.connect, "host", "")).lower()
        if name in (host.id, address, address.partition(".")[0]):
            return host.id
    return ""


# --- the proposal -------------------------------------------------------------------------------


def proposal(discovered: Discovered, server: Host, now: datetime) -> str:
    """YAML to be pasted under `hosts:`; what is known already or probably gone is a comment."""
    return "\n".join(_lines(discovered, server, now)) + "\n"


def _lines(discovered: Discovered, server: Host, now: datetime) -> Iterator[str]:
    new = [one for one in discovered.neighbours if not one.known_as]
    yield f"# Computers that {server.id} knows of, {now:%Y-%m-%d}: nobody was scanned. Read, correct, and put"
    yield "# what you want examined under `hosts:` of the site file. Set `touch: never` where it must not be."
    for gap in discovered.gaps:
        yield f"# Not seen, {clean_line(gap, 150)}"
    for one in discovered.neighbours:
        if one.known_as:
            yield f"# already there as {one.known_as}: {one.name}"
    if not new:
        yield "# No other computer was seen."
        return
    yield "hosts:"
    taken: set[str] = set()
    for one in new:
        mark = "  # " if one.is_gone(now) else "  "
        for line in _entry(one, _id(one.name, taken), server):
            yield mark + line


def _entry(one: Neighbour, name: str, server: Host) -> Iterator[str]:
    told = [where for where in SOURCES.values() if where in one.seen]
    if one.last_seen is not None:
        told.append(f"last log-on about {one.last_seen:%Y-%m-%d}")
    if one.system:
        told.append(clean_line(one.system, 80))
    yield f"- id: {name}  # {'; '.join(told)}"
    if "server" in one.system.lower():
        yield "  role: server"
    yield "  platform: windows"
    yield f"  connect: {json.dumps(_connect(one, name, server))}"


def _connect(one: Neighbour, name: str, server: Host) -> dict[str, str | int]:
    """The same way in as the server's, where that is one for any machine; else by hand."""
    given = server.connect.model_dump(exclude_defaults=True, mode="json")
    if given.get("transport") not in ("winrm", "ssh"):
        return {"transport": "bundle", "file": f"bundles/{name}.bundle"}
    shared = ("transport", "port", "scheme", "auth", "credential", "ca_file", "jump")
    return {**{key: given[key] for key in shared if key in given}, "host": one.name}


def _id(name: str, taken: set[str]) -> str:
    """A host's name in the site file: small letters, digits, hyphens."""
    try:
        ipaddress.ip_address(name)
        name = f"pc-{name}"
    except ValueError:
        pass
    apart = unicodedata.normalize("NFKD", name.lower())
    letters = "".join(c for c in apart if not unicodedata.combining(c))
    plain = re.sub(r"[^a-z0-9]+", "-", letters)[:MOST_NAME_CHARACTERS].strip("-") or "pc"
    chosen, number = plain, 2
    while chosen in taken:
        chosen, number = f"{plain[: MOST_NAME_CHARACTERS - 4]}-{number}", number + 1
    taken.add(chosen)
    return chosen


# --- the command --------------------------------------------------------------------------------


def discover(
    site_file: Path,
    server: str,
    *,
    store_url: str | None,
    progress: Progress,
    say: Say,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[str, Discovered]:
    """Ask the server; returns the proposal.

    Raises PlanError for a server that cannot be asked, NothingCollected where it did not answer.
    """
    now = clock()
    prepared = prepare(site_file, now)
    sections = _own(prepared.catalogue.sections)
    host = next((one for one in prepared.site.hosts if one.id == server), None)
    if host is not None and host.platform != "windows":
        raise PlanError(f"{server} is `platform: {host.platform}`; what can be asked is a Windows server")
    plan = section_plan(prepared, server, sections, now)
    with store_at(store_url) as store:
        with progress(len(plan.endpoints)) as emit:
            outcome = start_run(prepared, store, plan, clock=clock, emit=emit)
        kept = store.snapshots([outcome.run_id])
    say(f"run {outcome.run_id}: what was sent is in the ledger")
    assert host is not None  # section_plan knows it
    found = neighbours(kept[0], prepared.catalogue.sections, prepared.site, server) if kept else None
    if found is None or not found.answered:
        reason = f"{kept[0].error}: {kept[0].reason}" if kept else "it was interrupted"
        raise NothingCollected(f"{server} did not answer ({reason})")
    return proposal(found, host, now), found


def _own(sections: Mapping[str, AnySection]) -> Iterable[AnySection]:
    own = [section for name, section in sections.items() if name in SOURCES]
    if len(own) != len(SOURCES):
        raise PlanError("the sections of `checkup discover` are not installed: `checkup doctor` looks")
    return own
