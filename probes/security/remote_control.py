"""Programs that hand out the screen and keyboard of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
)
from probes.host.listening import Listening
from probes.security.remote_tools import TELLING_PORTS, TOOLS, Tool
from probes.windows.rows import number, rows, text, texts
from probes.windows.software import Software


@dataclass(frozen=True, slots=True)
class RemoteControl:
    """Services of the programs above with how they start, and those of their executables that run now."""

    services: tuple[tuple[str, str], ...]
    running: tuple[str, ...]


def _pattern(names: Iterable[str]) -> tuple[str, ...]:
    """Parts of a regular expression that .NET and Python read alike, short enough for one line each."""
    known = sorted({re.sub(r"([.(])", r"\\\1", name) for name in names})
    return tuple("|".join(known[place : place + 6]) for place in range(0, len(known), 6))


SERVICE_NAMES = _pattern(name for tool in TOOLS for name in tool.services)
PROGRAM_NAMES = _pattern(name for tool in TOOLS for name in tool.programs)


def _list(parts: Iterable[str]) -> str:
    return ",\n".join(f"  '{part}'" for part in parts)


# The registry names all services, also to an account that may not list them. Start: 2 automatic, 3 manual,
# 4 disabled.
WINDOWS = f"""
$services = @(
{_list(SERVICE_NAMES)}
)
$programs = @(
{_list(PROGRAM_NAMES)}
)
$service = '^(' + [string]::Join('|', $services) + ')'
$program = '^(' + [string]::Join('|', $programs) + ')$'
$base = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services'
$found = @()
foreach ($name in (RegistryKeys $base)) {{
  if ($name -match $service) {{
    $found += @{{ 'name' = $name; 'start' = (RegistryValue ($base + '\\' + $name) 'Start') }}
  }}
}}
$running = @()
foreach ($process in (Wmi 'Win32_Process' ('ProcessId', 'Name'))) {{
  if ($process['Name'] -match $program) {{
    $running += $process['Name']
  }}
}}
@{{
  'services' = $found
  'running' = $running
}}
"""
CIM = Wmi(
    (
        WmiQuery("Win32_Service", ("Name", "StartMode")),
        WmiQuery("Win32_Process", ("ProcessId", "Name")),
    ),
    rights="service-rights",
    cost="medium",
)
STARTS: Mapping[int | None, str] = {2: "automatic", 3: "manual", 4: "disabled"}
START_MODES = {"auto": "automatic"}


def parse(raw: JSON, source: str, version: int) -> RemoteControl:
    if not isinstance(raw, dict):
        raise ValueError("not lists of services and programs")
    if source == "cim":
        modes = ((text(row["Name"]), text(row["StartMode"]).lower()) for row in rows(raw, "Win32_Service"))
        services = [(name, START_MODES.get(mode, mode)) for name, mode in modes]
        running = [text(row["Name"]) for row in rows(raw, "Win32_Process")]
    else:
        starts = ((text(row["name"]), number(row["start"])) for row in rows(raw, "services"))
        services = [(name, STARTS.get(start, "not known")) for name, start in starts]
        running = list(texts(raw["running"]))
    service, program = "|".join(SERVICE_NAMES), "|".join(PROGRAM_NAMES)
    return RemoteControl(
        services=tuple(sorted(one for one in services if re.match(service, one[0], re.IGNORECASE))),
        running=tuple(sorted({one for one in running if re.fullmatch(program, one, re.IGNORECASE)})),
    )


remote_control = Section(
    name="remote-control",
    facts=RemoteControl,
    collect={"windows": PowerShell(WINDOWS, cost="medium"), "cim": CIM},
    parse=parse,
    parameters={
        "approved_remote_tools": Parameter(
            "texts", (), "programs for remote control that the client agreed to, like TeamViewer"
        )
    },
    privacy="which of the known programs for remote control have services or run; nothing of others",
)


@dataclass(frozen=True, slots=True)
class Needs:
    remote: RemoteControl
    software: Software | None
    listening: Listening | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one tool. `services` that are disabled do not count as active."""

    tool: Tool
    listed: str
    services: tuple[tuple[str, str], ...]
    running: tuple[str, ...]
    ports: tuple[int, ...]

    @property
    def there(self) -> bool:
        return bool(self.listed or self.services or self.running)

    @property
    def active(self) -> bool:
        return bool(self.running or self.ports)


def check(facts: Needs, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    approved = _approved(ctx)
    found = [one for one in (_seen(tool, facts) for tool in TOOLS) if one.there]
    for one in found:
        yield _result(one, approved)
    explained = {port for one in found for port in one.ports}
    unknown = [port for port in _ports(facts) if port in TELLING_PORTS and port not in explained]
    for port in unknown:
        program = facts.listening.programs.get(port, "not known") if facts.listening else "not known"
        evidence: dict[str, Value] = {"port": Number(port), "program": Text(program)}
        yield Finding(impact=Impact.LIMITED, message="unknown", item=f"tcp/{port}", evidence=evidence)
    if found or unknown:
        return
    if facts.software is None:
        yield NotChecked(reason="none has a service or runs; the list of installed programs was not seen")
    elif facts.listening is None:
        yield NotChecked(reason="none is installed or runs; what listens on the network was not seen")
    else:
        yield Passed(evidence={"unread_profiles": Number(facts.software.unread_profiles)})


def _approved(ctx: Context) -> frozenset[str]:
    given = ctx.target.declare.get("approved_remote_tools", ())
    return frozenset(name.lower() for name in (given if isinstance(given, tuple) else (str(given),)))


def _ports(facts: Needs) -> tuple[int, ...]:
    return facts.listening.ports if facts.listening else ()


def _seen(tool: Tool, facts: Needs) -> Seen:
    running = tuple(name for name in facts.remote.running if name.lower() in tool.programs)
    services = tuple(one for one in facts.remote.services if one[0].lower().startswith(tool.services))
    names = (one.name for one in (facts.software.programs if facts.software else ()))
    listed = next((name for name in names if re.search(rf"\b{tool.listed}", name, re.IGNORECASE)), "")
    there = bool(running or services or listed)
    ports = tuple(port for port in _ports(facts) if port in tool.ports and there and _owns(tool, port, facts))
    return Seen(tool, listed, services, running, ports)


def _owns(tool: Tool, port: int, facts: Needs) -> bool:
    """Programs of one family share ports; where Windows does not tell the owner, whoever is there counts."""
    owner = facts.listening.programs.get(port, "") if facts.listening else ""
    return not owner or owner.lower() in tool.programs


def _result(one: Seen, approved: frozenset[str]) -> Result:
    evidence: dict[str, Value] = {
        "name": Text(one.listed or one.tool.title),
        "services": Text(", ".join(f"{name} ({start})" for name, start in one.services) or "none"),
        "running": Text(", ".join(one.running) or "none"),
        "ports": Text(", ".join(map(str, one.ports)) or "none"),
    }
    item = one.tool.key
    if one.tool.retired:
        impact = Impact.MAJOR if one.active else Impact.LIMITED
        message = "retired_active" if one.active else "retired"
        return Finding(impact=impact, message=message, item=item, evidence=evidence)
    if {item, one.tool.title.lower()} & approved:
        return Passed(item=item, evidence=evidence)
    when = When.BEFORE_NEXT_VISIT if one.active else When.LATER
    return Finding(impact=Impact.LIMITED, when=when, message="not_agreed", item=item, evidence=evidence)


legacy_remote_tools = Probe(
    id="security.legacy-remote-tools",
    title="Only agreed programs of today let others take the machine over",
    check=check,
    levels=NoLevels(),
    messages={
        "retired": "{name} is installed: a program for remote control that should be used no more.",
        "retired_active": "{name} runs, or answers on the network: a program for remote control that should "
        "be used no more.",
        "not_agreed": "{name} is there: a program for remote control that nobody agreed to.",
        "unknown": "Port {port}, which programs for remote control use, is open ({program}).",
    },
    why="Whoever gets into such a program sits at the machine; forgotten ones of former suppliers are the "
    "easiest way in.",
    remedy="Uninstall what is not needed; record what is agreed under `approved_remote_tools` in the site "
    "file; use the agreed VPN.",
    verify="Programs and Features no longer lists it, and `netstat -ano` shows its port no more.",
    references=("domain: security.legacy-remote-tools",),
)
