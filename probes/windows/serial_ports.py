"""Serial ports: the declared ones, and those whose driver reports a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
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
    Wmi,
    WmiQuery,
)
from probes.windows.declaration import declared_texts
from probes.windows.devices import FAULTS
from probes.windows.rows import number, rows, text, texts


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port as the device manager knows it; `fault` is its error code, 0 for none."""

    name: str
    device: str
    fault: int


@dataclass(frozen=True, slots=True)
class SerialPorts:
    """`usable` are the names that programs can open, whoever made them; None where not asked for."""

    ports: tuple[Port, ...]
    usable: tuple[str, ...] | None


# USB adapters and virtual ports are no Win32_SerialPort: the device class has them all. The number stands
# in the device's (translated) name, the same way in every language.
PORTS = WmiQuery(
    "Win32_PnPEntity",
    ("Name", "ConfigManagerErrorCode"),
    where="ClassGuid='{4d36e978-e325-11ce-bfc1-08002be10318}'",
)
WINDOWS = r"""
$found = @{}
$properties = @('Name', 'ConfigManagerErrorCode')
$class = "ClassGuid='{4d36e978-e325-11ce-bfc1-08002be10318}'"
$found['Win32_PnPEntity'] = Wmi -Class 'Win32_PnPEntity' -Properties $properties -Where $class

# Without any port there is no such key.
$names = New-Object System.Collections.ArrayList
$map = RegistryValues 'HKLM:\HARDWARE\DEVICEMAP\SERIALCOMM'
if ($null -ne $map) {
  foreach ($device in @($map.Keys)) {
    [void]$names.Add([string] $map[$device])
  }
}
$found['usable'] = $names.ToArray()
$found
"""

_NUMBERED = re.compile(r"(?P<device>.*?)\s*\((?P<name>COM[0-9]{1,3})\)", re.ASCII | re.DOTALL)


def parse(raw: JSON, source: str, version: int) -> SerialPorts:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    ports: list[Port] = []
    for row in rows(raw, "Win32_PnPEntity"):
        # Printer ports are of the same class.
        if found := _NUMBERED.match(text(row["Name"])):
            ports.append(Port(found["name"], found["device"], number(row["ConfigManagerErrorCode"]) or 0))
    usable = tuple(name.upper() for name in texts(raw["usable"])) if source == "windows" else None
    return SerialPorts(ports=tuple(ports), usable=usable)


serial_ports = Section(
    name="serial-ports",
    facts=SerialPorts,
    collect={
        "windows": PowerShell(WINDOWS, timeout_s=20, rights="user", cost="medium"),
        "cim": Wmi((PORTS,), timeout_s=20, rights="user", cost="medium"),
    },
    parse=parse,
    parameters={
        "serial_ports": Parameter("texts", (), "serial ports that devices of this machine use, like COM5")
    },
    privacy="names and states of serial ports",
)


def check(facts: SerialPorts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    declared = tuple(name.upper() for name in declared_texts(ctx, "serial_ports"))
    known = {port.name: port for port in facts.ports}
    missing = [name for name in declared if name not in known and name not in (facts.usable or ())]
    for name in dict.fromkeys((*declared, *known)):
        port = known.get(name)
        evidence: dict[str, Value] = {
            "device": Text(port.device if port else "not known to the device manager"),
            "fault": Text(FAULTS.get(port.fault, "unknown fault") if port else "none"),
            "code": Number(port.fault if port else 0),
            "declared": Text("yes" if name in declared else "no"),
        }
        if name in missing and facts.usable is None:
            yield NotChecked(item=name, reason="the names that programs can open could not be asked")
        elif name in missing:
            impact = Impact.MAJOR if len(missing) == len(set(declared)) else Impact.LIMITED
            yield Finding(impact=impact, message="missing", item=name, evidence=evidence)
        elif port and port.fault:
            impact = Impact.LIMITED if name in declared else Impact.NOTE
            yield Finding(impact=impact, message="fault", item=name, evidence=evidence)
        elif name in declared and facts.usable is not None and name not in facts.usable:
            yield NotChecked(item=name, reason="the port is known, but programs cannot open it at the moment")
        else:
            yield Passed(item=name, evidence=evidence)
    if not declared and not known:
        yield NotApplicable(reason="no serial port is declared, and there is none")


probe = Probe(
    id="inventory.downloader-present",
    title="The serial ports that devices need are there and work",
    check=check,
    levels=NoLevels(),
    messages={
        "missing": "Serial port {item} is declared, but this machine has no such port.",
        "fault": "Serial port {item} ({device}) reports: {fault} (code {code}).",
    },
    why="A dock or downloader on a port that is gone, or that got another number, delivers no counts.",
    remedy="Plug the device's adapter into the USB socket it was set up on, reinstall its driver, and give "
    "the port its old number in the device manager (port settings, advanced).",
    verify="The device manager shows the port under Ports (COM & LPT) without a mark.",
    references=("domain: inventory.downloader-present",),
)
