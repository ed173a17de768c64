"""May Windows turn the network adapter off to save power?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Wmi,
    WmiQuery,
)
from probes.windows.rows import flag, number, rows, text

CONNECTED = 2  # Win32_NetworkAdapter.NetConnectionStatus


@dataclass(frozen=True, slots=True)
class AdapterPower:
    """`may_sleep` is the tick "Allow the computer to turn off this device"; None where there is none."""

    name: str
    device: str
    may_sleep: bool | None


@dataclass(frozen=True, slots=True)
class AdaptersPower:
    """Physical adapters that are connected."""

    adapters: tuple[AdapterPower, ...]


WINDOWS = Wmi(
    (
        WmiQuery(
            "Win32_NetworkAdapter",
            ("Name", "NetConnectionID", "PNPDeviceID", "PhysicalAdapter", "NetConnectionStatus"),
        ),
        WmiQuery("MSPower_DeviceEnable", ("InstanceName", "Enable"), namespace="root\\wmi"),
    ),
    rights="administrator",
)


def parse(raw: JSON, source: str, version: int) -> AdaptersPower:
    # An instance is named for its device, with a running number behind.
    ticks = {
        text(row["InstanceName"]).upper().rpartition("_")[0]: flag(row["Enable"])
        for row in rows(raw, "MSPower_DeviceEnable")
    }
    found: list[AdapterPower] = []
    for row in rows(raw, "Win32_NetworkAdapter"):
        device = text(row["PNPDeviceID"]).upper()
        real = flag(row["PhysicalAdapter"]) is not False and not device.startswith("ROOT\\")
        if device and real and number(row["NetConnectionStatus"]) == CONNECTED:
            name = text(row["NetConnectionID"]) or text(row["Name"])
            found.append(AdapterPower(name, text(row["Name"]), ticks.get(device)))
    return AdaptersPower(tuple(found))


adapters_power = Section(
    name="network-adapters-power",
    facts=AdaptersPower,
    collect={"windows": WINDOWS},
    parse=parse,
    privacy="names of the network adapters and their power setting",
)


def check(facts: AdaptersPower, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.adapters:
        yield NotApplicable(reason="no physical network adapter is connected")
    for one in facts.adapters:
        evidence = {"device": Text(one.device)}
        if one.may_sleep is None:
            yield NotApplicable(item=one.name, reason="the driver of this adapter has no such setting")
        elif one.may_sleep:
            yield Finding(impact=Impact.LIMITED, message="sleeps", item=one.name, evidence=evidence)
        else:
            yield Passed(item=one.name, evidence=evidence)


nic_power = Probe(
    id="workstation.nic-power",
    title="Windows leaves the network adapters on",
    check=check,
    levels=NoLevels(),
    messages={"sleeps": "Windows may turn adapter {item} ({device}) off to save power."},
    why="When the adapter sleeps, open files on the server are cut off: an Access file may be damaged, and "
    "programs stop with network errors after a break.",
    remedy="Device Manager, the adapter, Power Management: clear `Allow the computer to turn off this device "
    "to save power`. A new driver sets it again.",
    verify="The tick is still gone after the next restart.",
    rights="an administrator",
    references=("domain: workstation.nic-power",),
)
