"""What the checks of a site need to be allowed, machine by machine: from the collectors themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from checkup.api import PowerShell, Rights, Sql, Visit, Wmi
from checkup.catalogue import AnySection, Catalogue
from checkup.plan import Plan
from checkup.site import Site
from checkup.site.models import Host, SqlTarget
from checkup.sql.engine import EngineName

ALL_RIGHTS: tuple[Rights, ...] = get_args(Rights)
CIMV2 = "root\\cimv2"
_NAMESPACE = re.compile(r"'(root\\[A-Za-z0-9_\\]+)'", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MachineNeeds:
    """One machine that is connected to. `sections` are those that each right brings, on Windows; on
    others `remarks` holds the rights of its probes in words. `account` is "" where nobody logs in."""

    host: str
    title: str
    platform: str
    transport: str
    address: str
    port: int | None
    encrypted: bool  # the connection's port itself is TLS
    login: str
    account: str
    sections: Mapping[Rights, tuple[str, ...]] = field(default_factory=dict[Rights, tuple[str, ...]])
    namespaces: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def rights(self) -> tuple[Rights, ...]:
        """Those that anything planned here needs, the least first."""
        return tuple(right for right in ALL_RIGHTS if self.sections.get(right))


@dataclass(frozen=True, kw_only=True)
class InstanceNeeds:
    """One SQL instance. `rights` are the words of all its sections, `sections` those that each brings;
    `account` is "" where the site file names none yet."""

    id: str
    title: str
    engine: EngineName
    address: str
    port: int | None
    instance: str
    encryption: str
    account: str
    windows_account: bool
    sections: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def rights(self) -> tuple[str, ...]:
        return tuple(self.sections)


@dataclass(frozen=True, kw_only=True)
class SiteNeeds:
    """`titles` are the good states that each section's facts prove, by section."""

    machines: tuple[MachineNeeds, ...]
    untouched: tuple[str, ...]
    titles: Mapping[str, tuple[str, ...]]
    instances: tuple[InstanceNeeds, ...] = ()

    @property
    def windows(self) -> tuple[MachineNeeds, ...]:
        return tuple(one for one in self.machines if one.platform == "windows")

    @property
    def posix(self) -> tuple[MachineNeeds, ...]:
        return tuple(one for one in self.machines if one.platform == "posix")

    def by(self, transport: str) -> tuple[MachineNeeds, ...]:
        return tuple(one for one in self.windows if one.transport == transport)

    def needing(self, right: Rights) -> tuple[MachineNeeds, ...]:
        return tuple(one for one in self.windows if one.sections.get(right))

    def lost_without(self, right: Rights) -> tuple[str, ...]:
        """The good states that nobody can prove without this right, in the order of the alphabet."""
        sections = {name for one in self.windows for name in one.sections.get(right, ())}
        return tuple(sorted({title for name in sections for title in self.titles.get(name, ())}))

    @property
    def namespaces(self) -> tuple[str, ...]:
        return tuple(sorted({name for one in self.windows for name in one.namespaces}))


def site_needs(site: Site, catalogue: Catalogue, plans: Sequence[Plan]) -> SiteNeeds:
    """What these plans together need; one for each kind of visit covers the contract."""
    planned: dict[str, dict[str, AnySection]] = {}
    for plan in plans:
        for endpoint in plan.endpoints:
            names = planned.setdefault(endpoint.endpoint, {})
            names |= {
                section.name: catalogue.sections[section.name]
                for section in endpoint.sections
                if section.source in ("posix", "windows", endpoint.platform)
            }
    machines = tuple(
        _machine(site, host, planned.get(host.id, {}), catalogue)
        for host in site.hosts
        if host.touch != "never"
    )
    return SiteNeeds(
        machines=machines,
        untouched=tuple(host.id for host in site.hosts if host.touch == "never"),
        titles=_titles(catalogue),
        instances=tuple(
            _instance(site, one, planned.get(one.id, {}))
            for one in site.sql
            if not any(host.id == one.host and host.touch == "never" for host in site.hosts)
        ),
    )


def visits() -> tuple[Visit, ...]:
    return tuple(visit for visit in Visit if visit is not Visit.INTERIM)


def _titles(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    titles: dict[str, tuple[str, ...]] = {}
    for entry in catalogue.entries.values():
        for section in entry.sections:
            titles[section.name] = (*titles.get(section.name, ()), entry.probe.title)
    return titles


def _machine(
    site: Site, host: Host, sections: Mapping[str, AnySection], catalogue: Catalogue
) -> MachineNeeds:
    connect = host.connect
    credential = site.credentials.get(str(getattr(connect, "credential", "")))
    port = getattr(connect, "tcp_port", None) or getattr(connect, "port", None)
    return MachineNeeds(
        host=host.id,
        title=host.title or "",
        platform=host.platform,
        transport=connect.transport,
        address=str(getattr(connect, "host", "")),
        port=port if isinstance(port, int) else None,
        encrypted=getattr(connect, "scheme", "") == "https",
        login=str(getattr(connect, "auth", "")),
        account=credential.user if credential else "",
        sections=_by_right(sections) if host.platform == "windows" else {},
        namespaces=_namespaces(sections.values()) if host.platform == "windows" else (),
        remarks=_remarks(sections, catalogue) if host.platform == "posix" else (),
    )


def _instance(site: Site, instance: SqlTarget, sections: Mapping[str, AnySection]) -> InstanceNeeds:
    credential = site.credentials.get(instance.credential)
    host = next((one for one in site.hosts if one.id == instance.host), None)
    account = credential.user if credential else ""
    by_right: dict[str, list[str]] = {}
    for name, section in sorted(sections.items()):
        collector = section.collect.get(instance.engine)
        variants = collector.variants if isinstance(collector, Sql) else ()
        for right in dict.fromkeys(right for variant in variants for right in variant.rights):
            by_right.setdefault(right, []).append(name)
    return InstanceNeeds(
        id=instance.id,
        title=instance.title or "",
        engine=instance.engine,
        address=instance.server or str(getattr(host.connect if host else None, "host", "")),
        port=instance.port,
        instance=instance.instance,
        encryption=instance.encryption,
        account=account,
        windows_account=instance.engine == "sqlserver" and ("\\" in account or "@" in account),
        sections={right: tuple(names) for right, names in sorted(by_right.items())},
    )


def _by_right(sections: Mapping[str, AnySection]) -> dict[Rights, tuple[str, ...]]:
    found: dict[Rights, list[str]] = {}
    for name, section in sorted(sections.items()):
        collector = section.collect.get("windows")
        if isinstance(collector, PowerShell | Wmi):
            found.setdefault(collector.rights, []).append(name)
    return {right: tuple(found[right]) for right in ALL_RIGHTS if right in found}


def _namespaces(sections: Iterable[AnySection]) -> tuple[str, ...]:
    found = {CIMV2.lower(): CIMV2}  # who answers is asked there, whatever else is
    for section in sections:
        for source in ("windows", "cim"):
            collector = section.collect.get(source)
            match collector:
                case Wmi(queries):
                    names = [query.namespace for query in queries]
                case PowerShell(script):
                    names = _NAMESPACE.findall(script)
                case _:
                    names = []
            for name in names:
                found.setdefault(name.lower(), name)
    return tuple(sorted(found.values(), key=str.lower))


def _remarks(sections: Mapping[str, AnySection], catalogue: Catalogue) -> tuple[str, ...]:
    """The rights of the probes that these sections serve, in their own words, but for the least."""
    wanted = {
        entry.probe.rights: None
        for entry in catalogue.entries.values()
        if any(section.name in sections and "posix" in section.collect for section in entry.sections)
    }
    return tuple(right for right in wanted if not right.startswith("an ordinary account"))
