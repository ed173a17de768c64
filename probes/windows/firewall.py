"""The Windows firewall: on or off in each of its three profiles, and who said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotChecked,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Wmi,
    WmiQuery,
)
from probes.windows.rows import Row, number, rows, text


@dataclass(frozen=True, slots=True)
class Profile:
    """`on` is None where nothing says so. `lets_in`: what no rule names is let in. `by` is who decided:
    "policy" of the domain, "management" of devices, or "machine"."""

    name: str
    on: bool | None
    lets_in: bool
    by: str


@dataclass(frozen=True, slots=True)
class Firewall:
    """`runs` is None where the service cannot be seen; `others` are firewalls of other makers that are on."""

    profiles: tuple[Profile, ...]
    runs: bool | None
    others: tuple[str, ...]


# A policy goes before what the machine says. The private profile is called StandardProfile on the machine,
# in a policy also PrivateProfile. Start 4 of the service MpsSvc: disabled.
WINDOWS = r"""
$shared = 'HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy'
$places = @(
  @{ 'by' = 'policy'; 'key' = 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall' },
  @{ 'by' = 'management'; 'key' = $shared + '\Mdm' },
  @{ 'by' = 'machine'; 'key' = $shared }
)
$settings = @()
foreach ($place in $places) {
  foreach ($name in 'DomainProfile', 'PrivateProfile', 'StandardProfile', 'PublicProfile') {
    $values = RegistryValues ($place['key'] + '\' + $name)
    if ($null -ne $values) {
      $settings += @{
        'by' = $place['by']
        'profile' = $name
        'enabled' = $values['EnableFirewall']
        'inbound' = $values['DefaultInboundAction']
      }
    }
  }
}
$products = $null
try {
  $properties = 'displayName', 'productState'
  $products = Wmi 'FirewallProduct' $properties -Namespace 'root\SecurityCenter2' -Optional
} catch {
  # The profiles say enough where the security centre is closed to this account.
  if ((QualityOf $_.Exception) -ne 'denied') {
    throw
  }
}
@{
  'settings' = $settings
  'start' = (RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\MpsSvc' 'Start')
  'FirewallProduct' = $products
}
"""
CIM = Wmi(
    (
        WmiQuery(
            "MSFT_NetFirewallProfile",
            ("Name", "Enabled", "DefaultInboundAction"),
            namespace="root\\StandardCimv2",
        ),
    )
)

PROFILES = {
    "DomainProfile": "domain",
    "PrivateProfile": "private",
    "StandardProfile": "private",
    "PublicProfile": "public",
}
DISABLED = 4
# MSFT_NetFirewallProfile: Enabled is a GpoBoolean (0 false, 1 true, 2 not configured), an action is
# 0 not configured, 2 allow, 4 block.
YES_NO: Mapping[int | None, bool] = {0: False, 1: True}
ALLOW = 2


def parse(raw: JSON, source: str, version: int) -> Firewall:
    if not isinstance(raw, dict):
        raise ValueError("not the firewall's settings")
    if source == "cim":
        return Firewall(tuple(map(_listed, rows(raw, "MSFT_NetFirewallProfile"))), None, ())
    settings = rows(raw, "settings")
    if not {text(row["profile"]) for row in settings} <= set(PROFILES):
        raise ValueError("a profile that no Windows has")
    start = number(raw["start"])
    return Firewall(
        profiles=tuple(_decided(name, settings) for name in ("domain", "private", "public")),
        runs=None if start is None else start != DISABLED,
        others=_others(raw),
    )


def _decided(name: str, settings: Sequence[Row]) -> Profile:
    """Of several who set the same thing the first has the word."""
    own = [row for row in settings if PROFILES[text(row["profile"])] == name]
    by = next((row for row in own if number(row["enabled"]) is not None), None)
    inbound = next((number(row["inbound"]) for row in own if number(row["inbound"]) is not None), None)
    if by is None:
        return Profile(name, None, False, "")
    return Profile(name, number(by["enabled"]) != 0, inbound == 0, text(by["by"]))


def _listed(row: Row) -> Profile:
    on = YES_NO.get(number(row["Enabled"]))
    return Profile(text(row["Name"]).lower(), on, number(row["DefaultInboundAction"]) == ALLOW, "machine")


def _others(raw: dict[str, JSON]) -> tuple[str, ...]:
    """Bits 12 to 15 of productState: 1 is on (see antivirus)."""
    if raw.get("FirewallProduct") is None:
        return ()
    products = rows(raw, "FirewallProduct")
    return tuple(text(one["displayName"]) for one in products if _is_on(number(one["productState"]) or 0))


def _is_on(state: int) -> bool:
    return state >> 12 & 0xF == 1


firewall = Section(
    name="firewall",
    facts=Firewall,
    collect={"windows": PowerShell(WINDOWS), "cim": CIM},
    parse=parse,
    privacy="states of the firewall's profiles, names of firewall products",
)


def check(facts: Firewall, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.others:
        yield Passed(evidence={"product": Text(", ".join(facts.others))})
        return
    if facts.runs is False:
        yield Finding(impact=Impact.LIMITED, message="service")
        return
    for profile in facts.profiles:
        evidence = {"by": Text(profile.by or "nobody")}
        if profile.on is None:
            yield NotChecked(item=profile.name, reason="the machine does not say whether it is on")
        elif not profile.on:
            yield Finding(impact=Impact.LIMITED, message="off", item=profile.name, evidence=evidence)
        elif profile.lets_in:
            yield Finding(impact=Impact.LIMITED, message="lets_in", item=profile.name, evidence=evidence)
        else:
            yield Passed(item=profile.name, evidence=evidence)
    if not facts.profiles:
        yield NotChecked(reason="no profile of the firewall was seen")


firewall_profiles = Probe(
    id="security.firewall",
    title="The Windows firewall is on in all its profiles",
    check=check,
    levels=NoLevels(),
    messages={
        "service": "The service of the Windows firewall (MpsSvc) is disabled.",
        "off": "The Windows firewall is off in the {item} profile (set by: {by}).",
        "lets_in": "The Windows firewall is on in the {item} profile, but lets in what no rule names.",
    },
    why="Without it every service of the machine can be reached from every other, an infected one too.",
    remedy="Switch the firewall on, in the policy where that decides, and let in what is needed by rules for "
    "single programs or ports.",
    verify="`netsh advfirewall show allprofiles state` shows every profile as on.",
    references=("learn.microsoft.com: MSFT_NetFirewallProfile",),
)
