"""Remote desktop: who is let in before a password was asked for."""

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
    NotChecked,
    Number,
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
from probes.windows.rows import number, rows, text


@dataclass(frozen=True, slots=True)
class RemoteDesktop:
    """`asks_first`: a user must log in before a session is made (network level authentication). `layer`: 0
    RDP's own encryption, which does not prove who the server is, 1 negotiated, 2 TLS. None: not known."""

    on: bool | None
    asks_first: bool | None
    layer: int | None
    port: int | None


# Remote desktop is on where fDenyTSConnections is 0. A policy goes before the machine's own setting.
WINDOWS = r"""
$server = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server'
$listener = $server + '\WinStations\RDP-Tcp'
$policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services'
$settings = @{
  'deny' = (RegistryValue $server 'fDenyTSConnections')
  'asks' = (RegistryValue $listener 'UserAuthentication')
  'layer' = (RegistryValue $listener 'SecurityLayer')
  'port' = (RegistryValue $listener 'PortNumber')
}
$decided = RegistryValues $policy
if ($null -ne $decided) {
  if ($null -ne $decided['fDenyTSConnections']) {
    $settings['deny'] = $decided['fDenyTSConnections']
  }
  if ($null -ne $decided['UserAuthentication']) {
    $settings['asks'] = $decided['UserAuthentication']
  }
  if ($null -ne $decided['SecurityLayer']) {
    $settings['layer'] = $decided['SecurityLayer']
  }
}
$settings
"""
TERMINAL_SERVICES = "root\\cimv2\\TerminalServices"
CIM = Wmi(
    (
        WmiQuery("Win32_TerminalServiceSetting", ("AllowTSConnections",), namespace=TERMINAL_SERVICES),
        WmiQuery(
            "Win32_TSGeneralSetting",
            ("TerminalName", "UserAuthenticationRequired", "SecurityLayer"),
            namespace=TERMINAL_SERVICES,
        ),
    ),
    rights="administrator",
)


def parse(raw: JSON, source: str, version: int) -> RemoteDesktop:
    if not isinstance(raw, dict):
        raise ValueError("not the settings of remote desktop")
    if source == "cim":
        return _classes(raw)
    deny = number(raw["deny"])
    return RemoteDesktop(
        on=None if deny is None else deny == 0,
        asks_first=_yes(number(raw["asks"])),
        layer=number(raw["layer"]),
        port=number(raw["port"]),
    )


def _classes(raw: dict[str, JSON]) -> RemoteDesktop:
    service = rows(raw, "Win32_TerminalServiceSetting")[0]
    listener = next(
        (
            row
            for row in rows(raw, "Win32_TSGeneralSetting")
            if text(row["TerminalName"]).lower() == "rdp-tcp"
        ),
        None,
    )
    return RemoteDesktop(
        on=_yes(number(service["AllowTSConnections"])),
        asks_first=_yes(number(listener["UserAuthenticationRequired"])) if listener else None,
        layer=number(listener["SecurityLayer"]) if listener else None,
        port=None,
    )


def _yes(value: int | None) -> bool | None:
    return None if value is None else value != 0


remote_desktop = Section(
    name="remote-desktop",
    facts=RemoteDesktop,
    collect={"windows": PowerShell(WINDOWS), "cim": CIM},
    parse=parse,
    privacy="settings of remote desktop; no users",
)

LAYERS = {0: "RDP's own", 1: "negotiated", 2: "TLS"}
OWN_LAYER = 0


def check(facts: RemoteDesktop, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"layer": Text(LAYERS.get(facts.layer or 0, "not known"))}
    if facts.layer is None:
        evidence["layer"] = Text("not known")
    if facts.port is not None:
        evidence["port"] = Number(facts.port)
    if facts.on is None:
        yield NotChecked(reason="the machine does not say whether remote desktop is on")
    elif not facts.on:
        yield NotApplicable(reason="remote desktop is off")
    elif facts.asks_first is None:
        yield NotChecked(reason="the machine does not say whether it asks for a login first")
    elif not facts.asks_first:
        yield Finding(impact=Impact.LIMITED, message="no_login_first", evidence=evidence)
    elif facts.layer == OWN_LAYER:
        yield Finding(impact=Impact.LIMITED, message="own_layer", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


remote_desktop_login = Probe(
    id="security.remote-desktop",
    title="Remote desktop asks for a login before it opens a session",
    check=check,
    levels=NoLevels(),
    messages={
        "no_login_first": "Remote desktop is on and does not ask for network level authentication.",
        "own_layer": "Remote desktop is on and does not prove to its users which machine it is (no TLS).",
    },
    why="Who is shown a session before the login can use every hole of it; remote desktop is the way in that "
    "extortionists take most.",
    remedy="Require network level authentication and TLS by policy; switch remote desktop off where nobody "
    "needs it, and let it be reached through the VPN only.",
    verify="In the system properties, tab Remote, the box for network level authentication is ticked.",
    references=("domain: security.legacy-remote-tools", "learn.microsoft.com: Win32_TSGeneralSetting"),
)
