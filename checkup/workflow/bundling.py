"""`checkup bundle`: scripts for machines that nobody can get into, to be run there by hand.

A bundle is the machine's ordinary batch, with instructions above it and, on Windows, a small wrapper that
writes the answer into a file. One for a whole round reads the server it is started on and from there
each listed Windows machine. Nothing is sent and nothing is recorded: whoever runs the script decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.access_cost import HANDED_OUT
from checkup.api import Visit
from checkup.batch import BatchSection, assemble, posix, powershell
from checkup.batch.powershell import query_fragment
from checkup.plan import EndpointPlan, Plan, PlanError
from checkup.site import Site
from checkup.site.models import Host, Touch
from checkup.transports import bundle
from checkup.workflow.bundle_instructions import SUFFIX, Script, as_comments, instructions
from checkup.workflow.collecting import plan_run
from checkup.workflow.open_visit import open_visit_or
from checkup.workflow.prepare import Prepared, existing_store, prepare, utc_now

if TYPE_CHECKING:
    from checkup.store import Store

_BATCH_LINE = re.compile(r"^\$CheckupBatch = '[0-9a-f]{64}'$")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One script to hand over: its file's name and its bytes, 7-bit ASCII. `hosts` are read by it."""

    name: str
    text: bytes
    hosts: tuple[str, ...]
    command: str  # what is typed to run it
    answer: str  # the file it leaves
    left_out: tuple[str, ...] = ()  # hosts that it does not read, each with the reason


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a bundle is made of, beside the hosts."""

    prepared: Prepared
    plan: Plan
    now: datetime

    @property
    def site(self) -> Site:
        return self.prepared.site

    def endpoint(self, name: str) -> EndpointPlan:
        return next(one for one in self.plan.endpoints if one.endpoint == name)

    def host(self, name: str) -> Host:
        return next(host for host in self.site.hosts if host.id == name)


# --- the plan -----------------------------------------------------------------------------------


def by_bundle(prepared: Prepared, connects: Mapping[str, bundle.Connect]) -> Prepared:
    """The same site, these of its hosts being read from files: by no other way, whatever they say."""
    hosts = tuple(
        host.model_copy(update={"connect": connects[host.id], "fallback": None})
        if host.id in connects
        else host
        for host in prepared.site.hosts
    )
    site = prepared.site.model_copy(update={"hosts": hosts})
    return Prepared(replace(prepared.loaded, site=site), prepared.catalogue)


def bundle_plan(
    prepared: Prepared,
    store: Store | None,
    visit: Visit,
    now: datetime,
    hosts: Sequence[str],
    *,
    only: Sequence[str] = (),
) -> Plan:
    """What the machines' bundles collect. A script made twice on one day (UTC) is the same.

    Who runs it decides when, so quiet hours are left to them.
    """
    files_of = {name: bundle.Connect(transport="bundle", file=Path(name + SUFFIX)) for name in hosts}
    plan = plan_run(by_bundle(prepared, files_of), store, visit, start_of(now), only=only, hosts=hosts)
    return replace(plan, endpoints=tuple(replace(one, opted_out="") for one in plan.endpoints))


def start_of(moment: datetime) -> datetime:
    """The beginning of its day in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def batches_on(endpoint: EndpointPlan, days: Iterator[timedelta], since: datetime) -> Iterator[str]:
    """The tokens of this machine's bundles, had they looked back to `since` less each of these times."""
    for before in days:
        moved = tuple(
            replace(
                section,
                parameters={**section.parameters, "since": int((since - before).timestamp())},
            )
            if "since" in section.parameters
            else section
            for section in endpoint.sections
        )
        yield from tokens_of(replace(endpoint, sections=moved))


def tokens_of(endpoint: EndpointPlan) -> Iterator[str]:
    """What the frames of its batch carry, whether it was run there or asked from a neighbour."""
    yield endpoint.token_of(endpoint.script)
    if endpoint.platform == "windows":
        yield endpoint.token_of(neighbour_batch(endpoint))


# --- one machine --------------------------------------------------------------------------------


def machine_bundle(asked: Asked, name: str) -> Bundle:
    """The script for one machine."""
    endpoint = asked.endpoint(name)
    windows = endpoint.platform == "windows"
    script = Script(
        title=f"Check-up of {name} at {asked.site.site.name}: please run this file once on that computer.",
        reads="this computer",
        remarks=(*_quiet_hours(asked, name), *_data_files(asked, (name,))),
        where=name,
        name=f"{name}.ps1" if windows else f"{name}.sh",
        answer=f"{name}_<date>-<time>{SUFFIX}" if windows else f"{name}{SUFFIX}",
        windows=windows,
        task=f"checkup {name}",
        hashes=_hashes(asked, (name,)),
    )
    if windows:
        body = [
            *_wrapper(),
            "",
            f"DeliverBundle '{name}' 1 {{",
            f"CollectHere '{name}' {{",
            *_in_pipeline(endpoint.script),
            "}",
            "}",
            "",
        ]
    else:
        body = endpoint.script.decode("ascii").split("\n")
    return _bundle(asked, script, body, (name,))


def _quiet_hours(asked: Asked, name: str) -> tuple[str, ...]:
    if asked.host(name).touch is not Touch.QUIET:
        return ()
    hours = asked.site.site.clinic_hours
    return (f"WHEN. Please not from {hours.opens} to {hours.closes}, Monday to Friday: then it is at work.",)


def _data_files(asked: Asked, hosts: Sequence[str]) -> tuple[str, ...]:
    """What is read of Access files, which whoever runs the script must know before."""
    files = [one.path for one in asked.plan.endpoints if one.carrier in hosts]
    if not files:
        return ()
    return (
        f"THE DATA FILES. It goes once through {', '.join(files)}, which stays open to everybody else, and "
        f"takes into its answer {HANDED_OUT}.",
    )


# --- a round from a server ----------------------------------------------------------------------


def round_bundle(asked: Asked, server: str, others: Sequence[str], left_out: Sequence[str] = ()) -> Bundle:
    """The script that reads a server and, from there, its neighbours."""
    site, hosts = asked.site.site, (server, *others)
    script = Script(
        title=f"Check-up of {site.name} from the server {server}: please run this file once there.",
        reads=f"that server and, one after the other, {len(others)} computers",
        remarks=(
            "The computers are read with the login of whoever runs this: by Windows Remote Management, or, "
            "where that does not answer, by WMI (DCOM). No password is asked for or stored. If the login is "
            "refused, the rest is not tried, so that no account gets locked. A computer that is off is "
            "passed over.",
            f"THE COMPUTERS: {', '.join(others) or 'none'}.",
            *(f"Not read: {one}." for one in left_out),
            *_data_files(asked, hosts),
        ),
        where=f"{server}, in a session of an account that may read those computers",
        name=f"{site.id}-from-{server}.ps1",
        answer=f"{site.id}_<date>-<time>{SUFFIX}",
        windows=True,
        task="",
        hashes=_hashes(asked, hosts),
    )
    body = [
        *_wrapper(),
        "",
        f"DeliverBundle '{site.id}' {len(hosts)} {{",
        f"CollectHere '{server}' {{",
        *_in_pipeline(asked.endpoint(server).script),
        "}",
        *(line for name in others for line in _there(asked, name)),
        "}",
        "",
    ]
    return _bundle(asked, script, body, hosts, tuple(left_out))


def _bundle(
    asked: Asked, script: Script, body: Sequence[str], hosts: tuple[str, ...], left_out: tuple[str, ...] = ()
) -> Bundle:
    head = as_comments(instructions(script, asked.site))
    return Bundle(
        name=script.name,
        text="\n".join([*head, "", *body]).encode("ascii"),
        hosts=hosts,
        command=script.command,
        answer=script.answer,
        left_out=left_out,
    )


def _hashes(asked: Asked, hosts: Sequence[str]) -> tuple[str, ...]:
    """What the report's annex and the ledger call the same things by."""
    lines = [
        f"site {asked.site.site.id}, {asked.plan.visit.value} visit, {asked.now:%Y-%m-%d} (UTC)",
        f"plan  {asked.plan.digest}",
    ]
    for name in hosts:
        endpoint = asked.endpoint(name)
        of = powershell.batch_of if endpoint.platform == "windows" else posix.batch_of
        lines.append(f"batch {of(endpoint.script)} {name}")
    return tuple(lines)


def _there(asked: Asked, name: str) -> list[str]:
    endpoint, host = asked.endpoint(name), asked.host(name)
    hours = asked.site.site.clinic_hours
    opens, closes = (hours.opens, hours.closes) if host.touch is Touch.QUIET else ("", "")
    address = str(getattr(host.connect, "host", "") or name).replace("'", "''")
    return [
        "",
        f"CollectThere '{name}' '{address}' '{opens}' '{closes}' {{",
        *_in_pipeline(endpoint.script),
        "} {",
        *_in_pipeline(neighbour_batch(endpoint)),
        "}",
    ]


def neighbour_batch(endpoint: EndpointPlan) -> bytes:
    """The machine's batch as it is run on another: the sections that are queries, asked over the network.

    HELLO would tell of the machine it runs on; `HelloFrom` of bundle.ps1 asks the other.
    """
    sections = [
        BatchSection(
            target=section.target,
            name=section.name,
            version=section.version,
            script=query_fragment(section.queries),
            timeout_s=section.timeout_s,
        )
        for section in endpoint.sections
        if section.queries
    ]
    script = assemble("windows", sections, site=endpoint.site, endpoint=endpoint.endpoint, checksums=True)
    lines = script.decode("ascii").split("\n")
    place = next(number for number, line in enumerate(lines) if _BATCH_LINE.match(line))
    own = f"'{endpoint.site}' '{endpoint.endpoint}'"
    hello = lines.index(f"Hello {own}")
    rest = [*lines[:place], *lines[place + 1 : hello], f"HelloFrom {own}", *lines[hello + 1 :]]
    batch = sha256("\n".join(rest).encode("ascii")).hexdigest()
    return "\n".join([*rest[:place], f"$CheckupBatch = '{batch}'", *rest[place:]]).encode("ascii")


# --- the text -----------------------------------------------------------------------------------


def _wrapper() -> list[str]:
    return files("probes.powershell").joinpath("bundle.ps1").read_text(encoding="ascii").splitlines()


def _in_pipeline(script: bytes) -> list[str]:
    """A batch that hands its frames on, here or on another machine, which knows nothing of the wrapper."""
    return [
        "if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {",
        "  throw ('#constrained PowerShell is limited to ' + $ExecutionContext.SessionState.LanguageMode)",
        "}",
        "$CheckupPipeline = $true",
        *script.decode("ascii").rstrip("\n").split("\n"),
    ]


# --- the command --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class WrittenBundle:
    path: Path
    bundle: Bundle


def write_bundles(
    site_file: Path,
    *,
    hosts: Sequence[str],
    everything: bool,
    server: str,
    folder: Path,
    visit: str,
    only: Sequence[str],
    store_url: str | None,
) -> list[WrittenBundle]:
    """Write the scripts into `folder`. Raises PlanError for hosts that there is no script for."""
    now = utc_now()
    prepared = prepare(site_file, now)
    chosen = _chosen(prepared.site, hosts, everything=everything, server=server)
    with existing_store(store_url) as store:
        of = open_visit_or(visit, prepared.site, store, now)
        plan = bundle_plan(prepared, store, of, now, chosen.hosts, only=only)
    asked = Asked(prepared=prepared, plan=plan, now=now)
    if everything:
        made = [round_bundle(asked, server, chosen.hosts[1:], chosen.left_out)]
    else:
        made = [machine_bundle(asked, name) for name in chosen.hosts]
    folder.mkdir(parents=True, exist_ok=True)
    written = [WrittenBundle(path=folder / one.name, bundle=one) for one in made]
    for one in written:
        # Windows PowerShell reads either line end; as bytes the script is the same wherever it is made.
        one.path.write_bytes(one.bundle.text)
    return written


@dataclass(frozen=True)
class _Chosen:
    hosts: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def _chosen(site: Site, hosts: Sequence[str], *, everything: bool, server: str) -> _Chosen:
    known = {host.id: host for host in site.hosts}
    for name in (*hosts, *([server] if server else [])):
        if name not in known:
            raise PlanError(f"the site file has no host {name!r} (it has: {', '.join(sorted(known))})")
    if not everything:
        if server:
            raise PlanError("--from names the server for --all: write --all --from NAME, or --host NAME")
        if not hosts:
            raise PlanError("which machines? --host NAME (may be repeated), or --all --from SERVER")
        for name in hosts:
            if known[name].touch is Touch.NEVER:
                raise PlanError(
                    f"{name} is not touched, not by hand either (`touch: never` in the site file)"
                )
        return _Chosen(tuple(dict.fromkeys(hosts)))
    if not server:
        raise PlanError("--all needs the server that the script is run on: --from NAME")
    if known[server].platform != "windows" or known[server].touch is Touch.NEVER:
        raise PlanError(
            f"--from needs a Windows server that may be read: in the site file {server} is "
            f"`platform: {known[server].platform}`, `touch: {known[server].touch}`"
        )
    others = [host for host in site.hosts if host.id != server and (not hosts or host.id in hosts)]
    left_out = {host.id: _why_left_out(host) for host in others}
    return _Chosen(
        (server, *(name for name, why in left_out.items() if not why)),
        tuple(f"{name}, {why}" for name, why in left_out.items() if why),
    )


def _why_left_out(host: Host) -> str:
    if host.touch is Touch.NEVER:
        return "it is not touched (`touch: never`)"
    if host.connect.transport == "local":
        return "it is the machine that checkup itself runs on"
    if host.platform != "windows":
        return f"it is no Windows machine: `checkup bundle --host {host.id}` makes its own script"
    return ""
