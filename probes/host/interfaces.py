"""Network interfaces: errors on the wire, and links slower than they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    PowerShell,
    Probe,
    Psutil,
    Ratio,
    Result,
    Section,
    Shell,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import Row, flag, number, rows, rows_or_none, text


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters since the interface came up. `speed_mbit` is 0 where it is not known, or says nothing of
    the cable: a wireless link, a virtual machine's. `counted`: the counters could be read."""

    name: str
    packets: int
    errors: int
    dropped: int
    speed_mbit: int
    half_duplex: bool
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Interfaces:
    interfaces: tuple[Interface, ...]


# Interfaces with a device behind them: bridges, tunnels and containers' ends count their packets twice.
POSIX = """
[ -r /proc/net/dev ] || unsupported "no /proc/net/dev on this system"
for link in /sys/class/net/*; do
  [ -e "$link/device" ] || continue
  up= speed= duplex=
  read -r up <"$link/operstate"
  [ "$up" = up ] || continue
  read -r speed <"$link/speed"
  read -r duplex <"$link/duplex"
  echo "link ${link##*/} ${speed:-0} ${duplex:-unknown}"
done 2>/dev/null
cat /proc/net/dev
exit 0
"""


# Windows 7 and Server 2008 R2 lack the first two classes, and count errors among the performance counters.
WINDOWS = r"""
$rows = @{}
$space = 'root\StandardCimv2'
$properties = @(
  'Name',
  'InterfaceDescription',
  'HardwareInterface',
  'InterfaceOperationalStatus',
  'FullDuplex',
  'Speed',
  'NdisPhysicalMedium'
)
$adapters = Wmi -Class 'MSFT_NetAdapter' -Namespace $space -Properties $properties -Optional
$rows['MSFT_NetAdapter'] = $adapters
$properties = @(
  'Name',
  'ReceivedPacketErrors',
  'OutboundPacketErrors',
  'ReceivedDiscardedPackets',
  'OutboundDiscardedPackets',
  'ReceivedUnicastPackets',
  'SentUnicastPackets'
)
$class = 'MSFT_NetAdapterStatisticsSettingData'
$rows[$class] = Wmi -Class $class -Namespace $space -Properties $properties -Optional
if ($null -eq $adapters) {
  $properties = 'Name', 'NetConnectionID', 'NetConnectionStatus', 'PhysicalAdapter', 'PNPDeviceID', 'Speed'
  $rows['Win32_NetworkAdapter'] = Wmi -Class 'Win32_NetworkAdapter' -Properties $properties
  $properties = @(
    'Name',
    'PacketsReceivedErrors',
    'PacketsOutboundErrors',
    'PacketsReceivedDiscarded',
    'PacketsOutboundDiscarded',
    'PacketsReceivedPersec',
    'PacketsSentPersec'
  )
  $old = 'Win32_PerfRawData_Tcpip_NetworkInterface'
  $rows[$old] = Wmi -Class $old -Properties $properties -Optional
}
$rows
"""

CIM = Wmi(
    (
        WmiQuery(
            "MSFT_NetAdapter",
            (
                "Name",
                "InterfaceDescription",
                "HardwareInterface",
                "InterfaceOperationalStatus",
                "FullDuplex",
                "Speed",
                "NdisPhysicalMedium",
            ),
            namespace="root\\StandardCimv2",
        ),
        WmiQuery(
            "MSFT_NetAdapterStatisticsSettingData",
            (
                "Name",
                "ReceivedPacketErrors",
                "OutboundPacketErrors",
                "ReceivedDiscardedPackets",
                "OutboundDiscardedPackets",
                "ReceivedUnicastPackets",
                "SentUnicastPackets",
            ),
            namespace="root\\StandardCimv2",
        ),
    ),
)


def read_local() -> JSON:
    counters = psutil.net_io_counters(pernic=True)
    found: list[JSON] = []
    for name, link in psutil.net_if_stats().items():
        if link.isup and name in counters:
            c = counters[name]
            half = link.duplex == psutil.NIC_DUPLEX_HALF
            packets = c.packets_recv + c.packets_sent
            found.append([name, packets, c.errin + c.errout, c.dropin + c.dropout, link.speed, half])
    return found


def parse(raw: JSON, source: str, version: int) -> Interfaces:
    if source in ("windows", "cim"):
        adapters = rows_or_none(raw, "MSFT_NetAdapter")
        return Interfaces(tuple(_from_old_windows(raw) if adapters is None else _from_windows(raw, adapters)))
    found = _from_psutil(raw) if source == "local" else _from_proc(str(raw))
    return Interfaces(
        tuple(one for one in found if not one.name.lower().startswith(("lo", "docker", "veth")))
    )


def _from_psutil(raw: Any) -> Iterator[Interface]:
    for name, packets, errors, dropped, speed, half in raw:
        yield Interface(str(name), int(packets), int(errors), int(dropped), int(speed), bool(half))


def _from_proc(text: str) -> Iterator[Interface]:
    if "Receive" not in text:
        raise ValueError("the counters of /proc/net/dev are missing")
    links = [line.split() for line in text.splitlines() if line.startswith("link ")]
    counters: dict[str, list[int]] = {}
    for line in text.splitlines():
        name, colon, numbers = line.partition(":")
        if colon and len(numbers.split()) == 16:
            counters[name.strip()] = [int(number) for number in numbers.split()]
    for _, name, speed, duplex in links:
        if name not in counters:
            continue
        c = counters[name]
        # Columns: received bytes, packets, errors, dropped, …; sent from the ninth on in the same order.
        yield Interface(name, c[1] + c[9], c[2] + c[10], c[3] + c[11], max(0, int(speed)), duplex == "half")


# --- Windows ----------------------------------------------------------------------------------

# MSFT_NetAdapter.NdisPhysicalMedium (ntddndis.h): wireless, and networks that are no LAN.
WIRELESS = frozenset({1, 9})
NO_LAN = frozenset({8, 10})  # mobile telephony, Bluetooth
UP = 1  # InterfaceOperationalStatus (RFC 2863): up
FASTEST_MBIT = 1_000_000  # a link that is down tells a nonsense speed
CONNECTED = 2  # Win32_NetworkAdapter.NetConnectionStatus
CABLE_MBIT = frozenset({10, 100, 1000, 2500, 5000, 10_000, 20_000, 25_000, 40_000, 50_000, 100_000})
SYNTHETIC = ("vmxnet", "virtual", "virtio", "hyper-v", "xen net", "multiplexor")

NEW_COUNTERS = (
    ("ReceivedUnicastPackets", "SentUnicastPackets"),
    ("ReceivedPacketErrors", "OutboundPacketErrors"),
    ("ReceivedDiscardedPackets", "OutboundDiscardedPackets"),
)
OLD_COUNTERS = (
    ("PacketsReceivedPersec", "PacketsSentPersec"),
    ("PacketsReceivedErrors", "PacketsOutboundErrors"),
    ("PacketsReceivedDiscarded", "PacketsOutboundDiscarded"),
)


def _from_windows(raw: JSON, adapters: list[Row]) -> Iterator[Interface]:
    counters = {text(row["Name"]): row for row in rows(raw, "MSFT_NetAdapterStatisticsSettingData")}
    for row in adapters:
        medium = number(row["NdisPhysicalMedium"])
        up = number(row["InterfaceOperationalStatus"]) == UP
        if not up or flag(row["HardwareInterface"]) is not True or medium in NO_LAN:
            continue
        name = text(row["Name"])
        found = counters.get(name)
        packets, errors, dropped = _counts(found, NEW_COUNTERS)
        no_cable = medium in WIRELESS or _synthetic(text(row["InterfaceDescription"]))
        speed = 0 if no_cable else _mbit(row["Speed"])
        half = flag(row["FullDuplex"]) is False and not no_cable
        yield Interface(name, packets, errors, dropped, speed, half, found is not None)


def _from_old_windows(raw: JSON) -> Iterator[Interface]:
    """These name the counters by the adapter's description, with other brackets; duplex is not told."""
    counters = {
        text(row["Name"]): row for row in rows_or_none(raw, "Win32_PerfRawData_Tcpip_NetworkInterface") or []
    }
    for row in rows(raw, "Win32_NetworkAdapter"):
        device = text(row["PNPDeviceID"])
        connected = number(row["NetConnectionStatus"]) == CONNECTED
        if not connected or flag(row["PhysicalAdapter"]) is not True or device.startswith("ROOT\\"):
            continue
        description = text(row["Name"])
        instance = description.translate(str.maketrans("()#/\\", "[]___"))
        found = counters.get(instance)
        packets, errors, dropped = _counts(found, OLD_COUNTERS)
        speed = _mbit(row["Speed"])
        if _synthetic(description) or speed not in CABLE_MBIT:
            speed = 0
        name = text(row["NetConnectionID"]) or description
        yield Interface(name, packets, errors, dropped, speed, False, found is not None)


def _counts(row: Row | None, names: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
    if row is None:
        return (0, 0, 0)
    return tuple(sum(number(row[name]) or 0 for name in pair) for pair in names)


def _synthetic(description: str) -> bool:
    return any(word in description.casefold() for word in SYNTHETIC)


def _mbit(value: JSON) -> int:
    speed = (number(value) or 0) // 1_000_000
    return speed if 0 <= speed <= FASTEST_MBIT else 0


interfaces = Section(
    name="interfaces",
    facts=Interfaces,
    collect={
        "posix": Shell(POSIX),
        "local": Psutil(read_local),
        "windows": PowerShell(WINDOWS, timeout_s=30, rights="performance-monitor-user", cost="medium"),
        "cim": CIM,
    },
    parse=parse,
    privacy="names and counters of network interfaces; no addresses",
)


@dataclass(frozen=True, slots=True)
class InterfaceLevels:
    errors: float = 0.0001  # errors in packets; a good cable has none
    dropped: float = 0.01  # packets that the machine itself did not take (network.loss: 1 %)
    least_packets: int = 10_000  # fewer say nothing
    slow_mbit: int = 100  # a wired link at or below this holds up everyone behind it


def check(facts: Interfaces, levels: InterfaceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.interfaces:
        yield NotApplicable(reason="no network device of its own: a container, or virtual networks only")
    for one in facts.interfaces:
        errors = one.errors / max(1, one.packets)
        dropped = one.dropped / max(1, one.packets)
        evidence: dict[str, Value] = {
            "errors": Number(one.errors),
            "dropped": Number(one.dropped),
            "packets": Number(one.packets),
            "error_share": Ratio(errors),
            "dropped_share": Ratio(dropped),
            "speed": Number(one.speed_mbit, "Mbit/s"),
        }
        yield Metric(name="error_share", value=Ratio(errors), item=one.name)
        enough = one.packets >= levels.least_packets
        message = ""
        if one.half_duplex:
            message = "half"
        elif enough and errors >= levels.errors:
            message = "errors"
        elif 0 < one.speed_mbit <= levels.slow_mbit:
            message = "slow"
        elif enough and dropped >= levels.dropped:
            message = "dropped"
        if not message:
            if one.counted:
                yield Passed(item=one.name, evidence=evidence)
            else:
                yield NotChecked(item=one.name, reason="its error counters were not shown to this account")
            continue
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER if message == "dropped" else When.BEFORE_NEXT_VISIT,
            message=message,
            item=one.name,
            evidence=evidence,
            value=Ratio(dropped if message == "dropped" else errors),
            worse=Worse.HIGHER,
        )


network_interfaces = Probe(
    id="host.interfaces",
    title="Network links are fast and free of errors",
    check=check,
    levels=InterfaceLevels(),
    messages={
        "half": "Interface {item} runs at half duplex: the other end is set otherwise, or the cable is bad.",
        "errors": "Interface {item} has seen {errors} faulty packets ({error_share} of all).",
        "slow": "Interface {item} is linked at only {speed}.",
        "dropped": "Interface {item} dropped {dropped} packets ({dropped_share} of all).",
    },
    why="Faulty packets are sent again: programs become slow, and shared database files may be damaged.",
    remedy="Replace the cable, then try another port of the switch; let both ends negotiate.",
    verify="After a week the counters of `ip -s link`, on Windows of `netstat -e`, have not grown.",
    references=("domain: workstation.link-flaps, network.loss",),
)
