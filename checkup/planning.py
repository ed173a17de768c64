"""Probes x targets -> sections -> one batch per endpoint. Contacts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from checkup import access_depth
from checkup.api import (
    AccessFile,
    Connection,
    PowerShell,
    Psutil,
    Sampled,
    Scope,
    Shell,
    Source,
    Sql,
    Target,
    Visit,
    Wmi,
    WmiQuery,
)
from checkup.batch.powershell import query_fragment
from checkup.catalogue import AnySection, Catalogue, Entry, applies, collectable, declared
from checkup.plan import (
    NOT_SAMPLED,
    ONLY_DEEP,
    PAGES_PARAMETER,
    PAGES_SECTION,
    EndpointPlan,
    Plan,
    PlanError,
    PlannedCheck,
    PlannedSection,
)
from checkup.site import Site
from checkup.site.models import AccessTarget, Host, Touch
from checkup.sql.texts import shown

SATURDAY = 5


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
    sizes: Mapping[str, int] | None = None,
    deep: bool = False,
) -> Plan:
    """The plan of a run that starts at `now`.

    `since` gives each target the time of its last visit; `only` and `hosts` narrow the run;
    `posix` says whether this machine itself has a POSIX shell; `sizes` are those of the Access files that
    earlier runs have seen, in bytes; `deep`: also what reads much of a SQL database. Raises PlanError.
    """
    entries = _chosen(catalogue, visit, only)
    targets = _targets(site, hosts)
    carriers = {carrier for target in targets if (carrier := carrier_of(site, target.id))}
    checks: list[PlannedCheck] = []
    wanted: dict[str, dict[str, AnySection]] = {target.id: {} for target in targets}
    for entry in entries:
        concerned = [
            target
            for target in targets
            if applies(entry, target) and (target.id in carriers or not _asks_for_pages(entry))
        ]
        if entry.probe.scope is Scope.SITE:
            if concerned:
                checks.append(PlannedCheck(probe=entry.probe.id, target=""))
        else:
            checks += [PlannedCheck(probe=entry.probe.id, target=target.id) for target in concerned]
        for target in concerned:
            wanted[target.id] |= {
                s.name: s
                for s in entry.sections
                if collectable(s, target) and (target.id in carriers or s.name != PAGES_SECTION)
            }
    pages = catalogue.sections.get(PAGES_SECTION)
    return Plan(
        site=site.site.id,
        visit=visit,
        targets=tuple(targets),
        checks=tuple(checks),
        endpoints=tuple(
            _with_look(endpoint, site, visit, wanted, sizes or {})
            for endpoint in (
                *_endpoints(site, targets, wanted, pages, now, since, posix),
                *_sql_instances(site, targets, wanted, now, since, deep),
            )
        ),
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
    # A machine brings the files with it whose pages its own batch hands out.
    return [
        target
        for target in targets
        if not hosts or target.id in hosts or carrier_of(site, target.id) in hosts
    ]


def _asks_for_pages(entry: Entry) -> bool:
    """Has the probe no question to a machine that hands out no file?"""
    return all(section.name == PAGES_SECTION for section in entry.sections)


def _endpoints(
    site: Site,
    targets: Sequence[Target],
    wanted: Mapping[str, Mapping[str, AnySection]],
    pages: AnySection | None,
    now: datetime,
    since: Mapping[str, datetime],
    posix: bool,
) -> tuple[EndpointPlan, ...]:
    plans: list[EndpointPlan] = []
    for host in site.hosts:
        served = [target for target in targets if target.endpoint == host.id]
        paths = _pages_wanted(site, host, targets, wanted)
        if not served and not paths:
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
                sections=(
                    *(
                        _section(target, section, sources, since[target.id])
                        for target in served
                        for name, section in sorted(wanted[target.id].items())
                        if name != PAGES_SECTION
                    ),
                    *_pages_section(site, host, pages, paths, sources),
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
        if target is None or not wanted[target.id]:
            continue
        yield EndpointPlan(
            site=site.site.id,
            endpoint=file.id,
            transport=way_to(file, hosts[file.host]),
            platform="access",
            opted_out=_opted_out(site, hosts[file.host], now),
            targets=(file.id,),
            carrier=carrier_of(site, file.id),
            path=file.path,
            sections=tuple(
                _section(target, section, ("connection", "access"), since[target.id])
                for _, section in sorted(wanted[target.id].items())
            ),
        )


def _sql_instances(
    site: Site,
    targets: Sequence[Target],
    wanted: Mapping[str, Mapping[str, AnySection]],
    now: datetime,
    since: Mapping[str, datetime],
    deep: bool,
) -> Iterator[EndpointPlan]:
    """Each instance is an endpoint of its own; it is left alone when the host that runs it is."""
    hosts = {host.id: host for host in site.hosts}
    for instance in site.sql:
        target = next((one for one in targets if one.id == instance.id), None)
        if target is None:
            continue
        host = hosts.get(instance.host)
        made = [
            (section, _section(target, section, ("connection", instance.engine, "sampled"), since[target.id]))
            for _, section in sorted(wanted[target.id].items())
        ]
        yield EndpointPlan(
            site=site.site.id,
            endpoint=instance.id,
            transport="odbc",
            platform=instance.engine,
            opted_out=_opted_out(site, host, now) if host else "",
            targets=(instance.id,),
            sections=tuple(
                planned if deep or not _reads_much(section, planned) else replace(planned, left_out=ONLY_DEEP)
                for section, planned in made
            ),
        )


def _reads_much(section: AnySection, planned: PlannedSection) -> bool:
    collector = section.collect.get(planned.source) if planned.source else None
    return isinstance(collector, Sql) and collector.cost == "large"


def _pages_wanted(
    site: Site, host: Host, targets: Sequence[Target], wanted: Mapping[str, Mapping[str, AnySection]]
) -> tuple[str, ...]:
    """The paths of the files whose pages this machine is asked for, each once."""
    asked = {target.id for target in targets if wanted[target.id]}
    alone = PAGES_SECTION in wanted.get(host.id, {})
    known = {target.id for target in targets}
    files = [file for file in site.access if carrier_of(site, file.id) == host.id and file.id in known]
    return tuple(dict.fromkeys(file.path for file in files if alone or file.id in asked))


def _pages_section(
    site: Site, host: Host, section: AnySection | None, paths: Sequence[str], sources: Sequence[Source]
) -> Iterator[PlannedSection]:
    """It goes last: it takes the longest, and should it hang, all else has arrived."""
    if paths and section is not None:
        target = next(one for one in site.targets() if one.id == host.id)
        made = _section(target, section, sources, datetime.fromtimestamp(0, UTC))
        yield replace(made, parameters={**made.parameters, PAGES_PARAMETER: tuple(paths)})


def carrier_of(site: Site, target: str) -> str:
    """The Windows machine whose answer brings the pages of this Access file; "" for every other target."""
    file = next((file for file in site.access if file.id == target), None)
    if file is None:
        return ""
    host = next(host for host in site.hosts if host.id == file.host)
    return host.id if host.platform == "windows" and way_to(file, host) == "server-pages" else ""


def way_to(file: AccessTarget, host: Host) -> str:
    """By which way an Access file is read: "smb", "sftp", "file" on this machine, else "server-pages"."""
    return access_depth.way_to(file.reach.transport if file.reach else "", host.connect.transport)


def _with_look(
    endpoint: EndpointPlan,
    site: Site,
    visit: Visit,
    wanted: Mapping[str, Mapping[str, AnySection]],
    sizes: Mapping[str, int],
) -> EndpointPlan:
    """An Access file's plan with how deep it is looked into; every other as it is."""
    file = next((one for one in site.access if one.id == endpoint.endpoint), None)
    if file is None:
        return endpoint
    collectors = [
        collector
        for section in wanted[file.id].values()
        if isinstance(collector := section.collect.get("access"), AccessFile)
    ]
    if not collectors:
        return endpoint
    seen = sizes.get(file.id)
    size = seen if seen is not None else file.size_mb * 1024**2 if file.size_mb else None
    look = access_depth.choose(
        visit,
        collectors,
        way=endpoint.transport,
        path=getattr(file.reach, "path", "") or file.path,
        given=file.depth,
        consent=access_depth.DATA_PAGES in file.consent,
        link_mbit_per_s=file.link_mbit_per_s,
        size_bytes=size,
        size_from="" if size is None else "the site file" if seen is None else "the last reading",
    )
    return replace(endpoint, look=look)


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
        local: tuple[Source, ...] = ("local",) if transport == "local" else ()
        return ("connection", *local, "windows", "sampled")
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
        case Sql():
            text, limit = shown(collector), collector.timeout_s
        case Psutil(read):
            text, limit = f"psutil: {read.__module__}.{read.__qualname__}", 0
        case Connection() | Sampled() | None:
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
        left_out=NOT_SAMPLED if isinstance(collector, Sampled) else "",
    )


def _queries(section: AnySection) -> tuple[WmiQuery, ...]:
    """What is asked where there is no shell: the section's own second collector, or its first."""
    collector = section.collect.get("cim") or section.collect.get("windows")
    return collector.queries if isinstance(collector, Wmi) else ()
