"""Probes x targets -> sections -> one batch per endpoint. Contacts nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from checkup.api import (
    AccessFile,
    Connection,
    Declared,
    PowerShell,
    Psutil,
    Scope,
    Shell,
    Source,
    Target,
    Visit,
    Wmi,
    WmiQuery,
)
from checkup.batch import BatchSection, assemble, token_of
from checkup.batch.powershell import query_fragment
from checkup.catalogue import AnySection, Catalogue, Entry, applies, collectable, declared
from checkup.site import Site
from checkup.site.models import AccessTarget, Host, Touch

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SATURDAY = 5

# What these carry arrives whole or not at all; a file that was brought by hand may be damaged.
CHECKED_TRANSPORTS = ("ssh", "local", "winrm")


class PlanError(Exception):
    """What was asked for cannot be planned: an unknown probe, area or host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCheck:
    """One (probe, target) pair; the target is "" at site scope."""

    probe: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedSection:
    """One section of one target, with the collector that the transport and platform call for.

    `source` is None where no collector fits the platform: the section comes back as unsupported.
    `queries` are what a Windows machine is asked where it gives us no shell.
    """

    target: str
    name: str
    version: int
    source: Source | None
    text: str = ""
    timeout_s: int = 0
    parameters: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    queries: tuple[WmiQuery, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EndpointPlan:
    """One machine: one connection, one batch. An opted-out machine is never contacted."""

    site: str
    endpoint: str
    transport: str
    platform: str
    opted_out: str  # why this machine is not touched; "" if it is
    targets: tuple[str, ...]
    sections: tuple[PlannedSection, ...]
    fallback: str = ""  # the transport that is tried where the first gives no shell

    @property
    def scripted(self) -> tuple[PlannedSection, ...]:
        """The sections that travel in the batch, in the order in which they run."""
        return tuple(section for section in self.sections if section.source in ("posix", "windows"))

    @cached_property
    def script(self) -> bytes:
        return self.script_for(self.scripted)

    def script_for(self, sections: Sequence[PlannedSection]) -> bytes:
        """The batch for these sections. Without any it still says HELLO: who answers is always asked."""
        return assemble(
            self.platform,
            [
                BatchSection(
                    target=section.target,
                    name=section.name,
                    version=section.version,
                    script=section.text,
                    timeout_s=section.timeout_s,
                    parameters=section.parameters,
                )
                for section in sections
            ],
            site=self.site,
            endpoint=self.endpoint,
            checksums=self.transport not in CHECKED_TRANSPORTS,
        )

    def token_of(self, script: bytes) -> str:
        return token_of(self.platform, script)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will run where. `unlinted` are the probes without the read-only lint's stamp."""

    site: str
    visit: Visit
    targets: tuple[Target, ...]
    checks: tuple[PlannedCheck, ...]
    endpoints: tuple[EndpointPlan, ...]
    unlinted: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(to_json(self)).hexdigest()


def make_plan(
    site: Site,
    catalogue: Catalogue,
    visit: Visit,
    *,
    now: datetime,
    since: Mapping[str, datetime],
    only: Sequence[str] = (),
    hosts: Sequence[str] = (),
    posix: bool = True,
) -> Plan:
    """The plan of a run that starts at `now`.

    `since` gives each target the time of its last visit; `only` and `hosts` narrow the run;
    `posix` says whether this machine itself has a POSIX shell. Raises PlanError.
    """
    entries = _chosen(catalogue, visit, only)
    targets = _targets(site, hosts)
    checks: list[PlannedCheck] = []
    wanted: dict[str, dict[str, AnySection]] = {target.id: {} for target in targets}
    for entry in entries:
        concerned = [target for target in targets if applies(entry, target)]
        if entry.probe.scope is Scope.SITE:
            if concerned:
                checks.append(PlannedCheck(probe=entry.probe.id, target=""))
        else:
            checks += [PlannedCheck(probe=entry.probe.id, target=target.id) for target in concerned]
        for target in concerned:
            wanted[target.id] |= {s.name: s for s in entry.sections if collectable(s, target)}
    return Plan(
        site=site.site.id,
        visit=visit,
        targets=tuple(targets),
        checks=tuple(checks),
        endpoints=_endpoints(site, targets, wanted, now, since, posix),
        unlinted=tuple(entry.probe.id for entry in entries if not entry.linted),
    )


def _chosen(catalogue: Catalogue, visit: Visit, only: Sequence[str]) -> list[Entry]:
    if not only:
        return [entry for entry in catalogue.entries.values() if visit in entry.probe.visits]
    chosen: dict[str, Entry] = {}
    for name in only:
        found = catalogue.named(name)
        if not found:
            nearest = catalogue.nearest(name)
            hint = f"; did you mean {nearest!r}?" if nearest else "; `checkup probes` lists them"
            raise PlanError(f"there is no probe or area {name!r}{hint}")
        chosen |= {entry.probe.id: entry for entry in found}
    return list(chosen.values())


def _targets(site: Site, hosts: Sequence[str]) -> list[Target]:
    targets = list(site.targets())
    known = {target.id for target in targets}
    for name in hosts:
        if name not in known:
            raise PlanError(f"the site file has no host {name!r} (it has: {', '.join(sorted(known))})")
    return [target for target in targets if not hosts or target.id in hosts]


def _endpoints(
    site: Site,
    targets: Sequence[Target],
    wanted: Mapping[str, Mapping[str, AnySection]],
    now: datetime,
    since: Mapping[str, datetime],
    posix: bool,
) -> tuple[EndpointPlan, ...]:
    plans: list[EndpointPlan] = []
    for host in site.hosts:
        served = [target for target in targets if target.endpoint == host.id]
        if not served:
            continue
        sources = _sources(host.connect.transport, host.platform, posix)
        plans.append(
            EndpointPlan(
                site=site.site.id,
                endpoint=host.id,
                transport=host.connect.transport,
                platform=host.platform,
                opted_out=_opted_out(site, host, now),
                targets=tuple(target.id for target in served),
                fallback=host.fallback.transport if host.fallback else "",
                sections=tuple(
                    _section(target, section, sources, since[target.id])
                    for target in served
                    for _, section in sorted(wanted[target.id].items())
                ),
            )
        )
    return (*plans, *_access_files(site, targets, wanted, now, since))


def _access_files(
    site: Site,
    targets: Sequence[Target],
    wanted: Mapping[str, Mapping[str, AnySection]],
    now: datetime,
    since: Mapping[str, datetime],
) -> Iterator[EndpointPlan]:
    """Each file is an endpoint of its own: it is read by a connection that no batch travels on."""
    hosts = {host.id: host for host in site.hosts}
    for file in site.access:
        target = next((one for one in targets if one.id == file.id), None)
        if target is None:
            continue
        yield EndpointPlan(
            site=site.site.id,
            endpoint=file.id,
            transport=way_to(file, hosts[file.host]),
            platform="access",
            opted_out=_opted_out(site, hosts[file.host], now),
            targets=(file.id,),
            sections=tuple(
                _section(target, section, ("connection", "access"), since[target.id])
                for _, section in sorted(wanted[target.id].items())
            ),
        )


def way_to(file: AccessTarget, host: Host) -> str:
    """By which way an Access file is read: "smb", "sftp", "file" on this machine, else "server-pages"."""
    if file.reach is not None:
        return file.reach.transport
    return {"ssh": "sftp", "local": "file"}.get(host.connect.transport, "server-pages")


def _opted_out(site: Site, host: Host, now: datetime) -> str:
    """Why a host is not touched by a run at `now`, or ""."""
    if host.touch is Touch.NEVER:
        return "this machine is not touched (`touch: never` in the site file)"
    hours = site.site.clinic_hours
    local = now.astimezone(ZoneInfo(site.site.timezone))
    at_work = local.weekday() < SATURDAY and hours.opens <= f"{local:%H:%M}" < hours.closes
    if host.touch is Touch.QUIET and at_work:
        return (
            f"this machine is left alone from {hours.opens} to {hours.closes} (`touch: quiet`); run it later"
        )
    return ""


def _sources(transport: str, platform: str, posix: bool) -> tuple[Source, ...]:
    """The collectors that fit a machine, the preferred first."""
    if platform == "windows":
        return ("connection", "local", "windows") if transport == "local" else ("connection", "windows")
    if transport == "local":
        return ("connection", "local", "posix") if posix else ("connection", "local")
    return ("connection", "posix")


def _section(
    target: Target, section: AnySection, sources: Sequence[Source], since: datetime
) -> PlannedSection:
    source: Source | None = next((one for one in sources if one in section.collect), None)
    collector = section.collect.get(source) if source else None
    match collector:
        case Shell(script, timeout_s) | PowerShell(script, timeout_s):
            text, limit = script.strip("\n"), timeout_s
        case Wmi(queries, timeout_s):
            text, limit = query_fragment(queries), timeout_s
        case AccessFile(parts, depth):
            text, limit = f"Access file, to the depth {depth!r}: {', '.join(parts)}", 0
        case Psutil(read):
            text, limit = f"psutil: {read.__module__}.{read.__qualname__}", 0
        case Connection() | None:
            text, limit = "", 0
    return PlannedSection(
        target=target.id,
        name=section.name,
        version=section.version,
        source=source,
        text=text,
        timeout_s=limit,
        parameters=declared(section, target, int(since.timestamp())),
        queries=_queries(section) if source == "windows" else (),
    )


def _queries(section: AnySection) -> tuple[WmiQuery, ...]:
    """What is asked where there is no shell: the section's own second collector, or its first."""
    collector = section.collect.get("cim") or section.collect.get("windows")
    return collector.queries if isinstance(collector, Wmi) else ()


@cache
def _adapter() -> TypeAdapter[Plan]:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


def to_json(plan: Plan) -> bytes:
    return _adapter().dump_json(plan)


def from_json(data: bytes) -> Plan:
    return _adapter().validate_json(data)
