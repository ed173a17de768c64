"""The network adapters of a Windows machine: addresses, way out, and what carries the connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
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
from probes.windows.rows import Row, flag, number, rows, text, texts

WIRED, WIRELESS, MOBILE, VIRTUAL, UNKNOWN = "wired", "wireless", "mobile", "virtual", "unknown"

# RFC 3927: what a machine gives itself when nobody gives it an address.
SELF_ASSIGNED = IPv4Network("169.254.0.0/16")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter with an address. `name` is what its owner calls it ("Ethernet"), `device` what it is.

    `dhcp` is None where it is not said; `forced` is the fixed speed and duplex ("" for negotiated ones, and
    for what cannot be seen).
    """

    index: int
    name: str
    device: str
    medium: str
    networks: tuple[str, ...]
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    name_servers: tuple[str, ...]
    dhcp: bool | None
    forced: str

    def near(self, address: str) -> bool:
        """Is this IPv4 address in a network of the adapter's own?"""
        return any(_within(address, network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Route:
    network: str
    index: int
    metric: int


@dataclass(frozen=True, slots=True)
class Adapters:
    """`wireless_devices` counts Wi-Fi adapters, connected or not; None where they look like wired ones."""

    adapters: tuple[Adapter, ...]
    routes: tuple[Route, ...]
    server: bool
    domain_member: bool
    wireless_devices: int | None

    def leading_to(self, address: str) -> Adapter | None:
        """The adapter that packets for this IPv4 address leave by; None where no route is known."""
        fitting = [route for route in self.routes if _within(address, route.network)]
        by_index = {adapter.index: adapter for adapter in self.adapters}
        fitting = [route for route in fitting if route.index in by_index]
        best = min(fitting, key=lambda route: (-_bits(route.network), route.metric), default=None)
        return by_index[best.index] if best else None

    def having(self, address: str) -> Adapter | None:
        return next((adapter for adapter in self.adapters if address in adapter.addresses), None)


def _within(address: str, network: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Network(network)
    except AddressValueError:
        return False


def _bits(network: str) -> int:
    return int(network.partition("/")[2])


# --- collecting -------------------------------------------------------------------------------

# Windows 7 and Server 2008 R2 lack MSFT_NetAdapter, and their older class calls Wi-Fi "Ethernet 802.3":
# there the kind comes from the interface itself. A fixed speed is a number in the driver's own key.
WINDOWS = r"""
$data = @{}
$names = @(
  'InterfaceIndex', 'SettingID', 'Description', 'IPAddress', 'IPSubnet', 'DefaultIPGateway',
  'DNSServerSearchOrder', 'DHCPEnabled'
)
$class = 'Win32_NetworkAdapterConfiguration'
$data[$class] = Wmi -Class 'Win32_NetworkAdapterConfiguration' -Properties $names -Where 'IPEnabled=TRUE'
$names = @(
  'InterfaceIndex', 'GUID', 'Name', 'NetConnectionID', 'PNPDeviceID', 'PhysicalAdapter', 'AdapterTypeID'
)
$data['Win32_NetworkAdapter'] = Wmi -Class 'Win32_NetworkAdapter' -Properties $names
$names = @('Destination', 'Mask', 'InterfaceIndex', 'Metric1')
$data['Win32_IP4RouteTable'] = Wmi -Class 'Win32_IP4RouteTable' -Properties $names
$names = @('DomainRole', 'PartOfDomain')
$data['Win32_ComputerSystem'] = Wmi -Class 'Win32_ComputerSystem' -Properties $names
$names = @('InterfaceGuid', 'NdisPhysicalMedium', 'HardwareInterface')
$space = 'root\StandardCimv2'
$data['MSFT_NetAdapter'] = Wmi -Class 'MSFT_NetAdapter' -Namespace $space -Properties $names -Optional
$kinds = New-Object System.Collections.ArrayList
foreach ($one in [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()) {
  [void]$kinds.Add(@{ 'guid' = $one.Id; 'type' = [int] $one.NetworkInterfaceType })
}
$data['kinds'] = $kinds
$drivers = New-Object System.Collections.ArrayList
$key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Class\{4D36E972-E325-11CE-BFC1-08002BE10318}'
$numbers = RegistryKeys $key
foreach ($number in $numbers) {
  if ($number -match '^[0-9]{4}$') {
    $guid = RegistryValue ($key + '\' + $number) 'NetCfgInstanceId'
    $speed = RegistryValue ($key + '\' + $number) '*SpeedDuplex'
    if ($null -ne $guid -and $null -ne $speed) {
      [void]$drivers.Add(@{ 'guid' = [string] $guid; 'speed' = [string] $speed })
    }
  }
}
$data['drivers'] = $drivers
$data
"""

CIM = Wmi(
    (
        WmiQuery(
            "Win32_NetworkAdapterConfiguration",
            (
                "InterfaceIndex",
                "SettingID",
                "Description",
                "IPAddress",
                "IPSubnet",
                "DefaultIPGateway",
                "DNSServerSearchOrder",
                "DHCPEnabled",
            ),
            where="IPEnabled=TRUE",
        ),
        WmiQuery(
            "Win32_NetworkAdapter",
            (
                "InterfaceIndex",
                "GUID",
                "Name",
                "NetConnectionID",
                "PNPDeviceID",
                "PhysicalAdapter",
                "AdapterTypeID",
            ),
        ),
        WmiQuery("Win32_IP4RouteTable", ("Destination", "Mask", "InterfaceIndex", "Metric1")),
        WmiQuery("Win32_ComputerSystem", ("DomainRole", "PartOfDomain")),
        WmiQuery(
            "MSFT_NetAdapter",
            ("InterfaceGuid", "NdisPhysicalMedium", "HardwareInterface"),
            namespace="root\\StandardCimv2",
            optional=True,
        ),
        WmiQuery(
            "MSFT_NetAdapterAdvancedPropertySettingData",
            ("InstanceID", "RegistryValue"),
            where="RegistryKeyword='*SpeedDuplex'",
            namespace="root\\StandardCimv2",
            optional=True,
        ),
    )
)

# --- reading ----------------------------------------------------------------------------------

# NDIS_PHYSICAL_MEDIUM of ntddndis.h.
NDIS_MEDIUM = {1: WIRELESS, 8: MOBILE, 9: WIRELESS, 10: MOBILE, 14: WIRED, 19: WIRED}
# ifType of IANA's list, as System.Net.NetworkInformation names it: Ethernet, PPP, Wi-Fi, tunnel, cellular.
INTERFACE_TYPE = {6: WIRED, 23: VIRTUAL, 71: WIRELESS, 131: VIRTUAL, 243: MOBILE, 244: MOBILE}
# The standardised keyword *SpeedDuplex: 0 negotiates, and so do gigabit and faster even where chosen.
FIXED_SPEED = {1: "10 Mbit/s half duplex", 2: "10 Mbit/s", 3: "100 Mbit/s half duplex", 4: "100 Mbit/s"}
WIFI_ADAPTER_TYPE = 9  # Win32_NetworkAdapter.AdapterTypeID "Wireless", where a driver says so
SERVER_ROLES = (2, 3, 4, 5)  # Win32_ComputerSystem.DomainRole: the others are workstations


def parse(raw: JSON, source: str, version: int) -> Adapters:
    devices = {_guid(row["GUID"]): row for row in rows(raw, "Win32_NetworkAdapter") if text(row["GUID"])}
    media = {guid: _medium(guid, row, raw) for guid, row in devices.items()}
    fixed = dict(_fixed_speeds(raw))
    adapters: list[Adapter] = []
    for row in rows(raw, "Win32_NetworkAdapterConfiguration"):
        guid = _guid(row["SettingID"])
        adapters.append(_adapter(row, devices.get(guid), media.get(guid, UNKNOWN), fixed.get(guid, "")))
    system = rows(raw, "Win32_ComputerSystem")[0]
    return Adapters(
        adapters=tuple(adapters),
        routes=tuple(_routes(rows(raw, "Win32_IP4RouteTable"))),
        server=number(system["DomainRole"]) in SERVER_ROLES,
        domain_member=flag(system["PartOfDomain"]) is True,
        wireless_devices=None
        if UNKNOWN in media.values()
        else sum(medium == WIRELESS for medium in media.values()),
    )


def _guid(value: JSON) -> str:
    return text(value).strip("{}").lower()


def _listed(raw: JSON, name: str) -> list[Row]:
    """The rows of a class that not every Windows has."""
    return rows(raw, name) if isinstance(raw, dict) and raw.get(name) is not None else []


def _medium(guid: str, device: Row, raw: JSON) -> str:
    """What carries the connection: the class of Windows 8 and later says it, then the interface's type."""
    if flag(device["PhysicalAdapter"]) is False or text(device["PNPDeviceID"]).upper().startswith("ROOT\\"):
        return VIRTUAL
    for row in _listed(raw, "MSFT_NetAdapter"):
        if _guid(row["InterfaceGuid"]) == guid:
            if flag(row["HardwareInterface"]) is False:
                return VIRTUAL
            medium = NDIS_MEDIUM.get(number(row["NdisPhysicalMedium"]) or 0)
            if medium:
                return medium
    for row in _listed(raw, "kinds"):
        if _guid(row["guid"]) == guid:
            return INTERFACE_TYPE.get(number(row["type"]) or 0, UNKNOWN)
    if number(device["AdapterTypeID"]) == WIFI_ADAPTER_TYPE:
        return WIRELESS
    # Windows 8 and later list every adapter; one that says neither is an adapter of wires.
    return WIRED if _listed(raw, "MSFT_NetAdapter") else UNKNOWN


def _fixed_speeds(raw: JSON) -> Iterator[tuple[str, str]]:
    for row in _listed(raw, "drivers"):
        yield _guid(row["guid"]), FIXED_SPEED.get(number(row["speed"]) or 0, "")
    for row in _listed(raw, "MSFT_NetAdapterAdvancedPropertySettingData"):
        # InstanceID is "{guid}::*SpeedDuplex".
        value = next(iter(texts(row["RegistryValue"])), "")
        yield _guid(text(row["InstanceID"]).partition("::")[0]), FIXED_SPEED.get(number(value) or 0, "")


def _adapter(row: Row, device: Row | None, medium: str, forced: str) -> Adapter:
    addresses, masks = texts(row["IPAddress"]), texts(row["IPSubnet"])
    called = text(row["Description"])
    index = number(row["InterfaceIndex"])
    if index is None:
        raise ValueError("an adapter without an interface index")
    return Adapter(
        index=index,
        name=(text(device["NetConnectionID"]) if device else "") or called,
        device=(text(device["Name"]) if device else "") or called,
        medium=medium,
        networks=tuple(_networks(addresses, masks)),
        addresses=addresses,
        gateways=texts(row["DefaultIPGateway"]),
        name_servers=texts(row["DNSServerSearchOrder"]),
        dhcp=flag(row["DHCPEnabled"]),
        forced=forced,
    )


def _networks(addresses: Iterable[str], masks: Iterable[str]) -> Iterator[str]:
    """Of IPv4 addresses; the mask of an IPv6 address is its prefix length, and is left out."""
    for address, mask in zip(addresses, masks, strict=False):
        try:
            yield str(IPv4Network(f"{IPv4Address(address)}/{mask}", strict=False))
        except (AddressValueError, NetmaskValueError):
            continue


def _routes(found: Iterable[Row]) -> Iterator[Route]:
    for row in found:
        index, metric = number(row["InterfaceIndex"]), number(row["Metric1"])
        if index is None:
            continue
        for network in _networks((text(row["Destination"]),), (text(row["Mask"]),)):
            yield Route(network, index, metric or 0)


adapters = Section(
    name="network-adapters",
    facts=Adapters,
    collect={"windows": PowerShell(WINDOWS, timeout_s=30, cost="medium"), "cim": CIM},
    parse=parse,
    privacy="names, addresses, name servers and routes of the network adapters; no hardware addresses",
)

# --- judging ----------------------------------------------------------------------------------


def check(facts: Adapters, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.adapters:
        yield NotApplicable(reason="no network adapter has an address")
    ways_out = [adapter for adapter in facts.adapters if adapter.gateways]
    for adapter in facts.adapters:
        evidence: dict[str, Value] = {
            "device": Text(adapter.device),
            "medium": Text(adapter.medium),
            "addresses": Text(", ".join(adapter.addresses) or "none"),
            "gateways": Text(", ".join(adapter.gateways) or "none"),
            "dhcp": Text({True: "yes", False: "no", None: "not known"}[adapter.dhcp]),
            "forced": Text(adapter.forced or "no"),
            "ways_out": Number(len(ways_out)),
        }
        message, impact, when = _judged(adapter, facts.server, len(ways_out))
        if message:
            yield Finding(impact=impact, when=when, message=message, item=adapter.name, evidence=evidence)
        else:
            yield Passed(item=adapter.name, evidence=evidence)


def _judged(adapter: Adapter, server: bool, ways_out: int) -> tuple[str, Impact, When]:
    own = [address for address in adapter.addresses if _within(address, str(SELF_ASSIGNED))]
    if own and len(own) == len([a for a in adapter.addresses if ":" not in a]):
        return "self_assigned", Impact.LIMITED, When.BEFORE_NEXT_VISIT
    if adapter.forced:
        return "forced", Impact.LIMITED, When.BEFORE_NEXT_VISIT
    if server and adapter.dhcp and adapter.medium != VIRTUAL:
        return "dhcp", Impact.LIMITED, When.LATER
    if ways_out > 1 and adapter.gateways:
        return "two_ways", Impact.NOTE, When.LATER
    return "", Impact.NOTE, When.LATER


network_adapters = Probe(
    id="network.adapters",
    title="Network adapters have the addresses and the speed they should have",
    check=check,
    levels=NoLevels(),
    messages={
        "self_assigned": "Adapter {item} ({device}) has only given itself an address ({addresses}).",
        "forced": "Adapter {item} ({device}) is fixed to {forced}; a switch that negotiates falls to half "
        "duplex.",
        "dhcp": "Adapter {item} ({device}) of this server takes its address from DHCP.",
        "two_ways": "This machine has {ways_out} adapters with a way out; {item} leads to {gateways}.",
    },
    why="Two ends of a cable that disagree on duplex lose packets under load; shared database files suffer. "
    "A server whose address can change is lost to its clients when it does.",
    remedy="Set speed and duplex to automatic at both ends. Give servers a fixed address, or a reservation "
    "in DHCP and say so in a waiver. Leave one default gateway; find out why DHCP does not answer.",
    verify="`ipconfig /all` shows the address and the gateway, the adapter's properties an automatic speed.",
    references=("domain: network.client-rtt", "RFC 3927"),
)
