"""What Windows keeps from the account of the check-up, and from programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    SUPPORTABILITY,
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
    When,
)
from probes.windows.rows import flag, number


@dataclass(frozen=True, slots=True)
class Restrictions:
    """`elevated`: the account has the rights of an administrator in this session. `member`: it belongs to
    the administrators of the machine, whether it has their rights or not; None where that is not known.
    `local`: it is an account of this machine, and not of a domain. `consent`: User Account Control is on."""

    elevated: bool
    member: bool | None
    local: bool
    consent: bool | None


# Over the network Windows takes the rights of an administrator from local accounts, except from the built-in
# one, unless LocalAccountTokenFilterPolicy is 1 (learn.microsoft.com: "User Account Control and remote
# restrictions"). The token does not say so: the list of members does. Only yes or no leaves the machine.
WINDOWS = r"""
$account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object System.Security.Principal.WindowsPrincipal($account)
$machine = [System.Environment]::MachineName
$place = $account.Name.IndexOf('\')
$domain = $account.Name.Substring(0, $place)
$user = $account.Name.Substring($place + 1)
$sid = New-Object System.Security.Principal.SecurityIdentifier('S-1-5-32-544')
$group = $sid.Translate([System.Security.Principal.NTAccount]).Value
$group = $group.Substring($group.IndexOf('\') + 1)
$member = $null
$product = RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType'
if ($product -ne 'LanmanNT') {
  $quote = [string] [char] 39
  $path = 'Win32_Group.Domain=' + $quote + $machine + $quote + ',Name=' + $quote + $group + $quote
  $member = $false
  $end = 'Domain="' + $domain + '",Name="' + $user + '"'
  $where = 'GroupComponent="' + $path + '"'
  foreach ($row in (Wmi 'Win32_GroupUser' ('GroupComponent', 'PartComponent') -Where $where)) {
    if (([string] $row['PartComponent']).EndsWith($end, 'OrdinalIgnoreCase')) {
      $member = $true
    }
  }
}
$system = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
@{
  'elevated' = $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)
  'member' = $member
  'local' = ($domain -eq $machine)
  'consent' = (RegistryValue $system 'EnableLUA')
}
"""


def parse(raw: JSON, source: str, version: int) -> Restrictions:
    if not isinstance(raw, dict):
        raise ValueError("not the restrictions of a session")
    elevated = flag(raw["elevated"])
    if elevated is None:
        raise ValueError("it is not said whether the session has rights")
    consent = number(raw["consent"])
    return Restrictions(
        elevated=elevated,
        member=flag(raw["member"]),
        local=flag(raw["local"]) is True,
        consent=None if consent is None else consent != 0,
    )


restrictions = Section(
    name="restrictions",
    facts=Restrictions,
    collect={"windows": PowerShell(WINDOWS, timeout_s=40, cost="medium")},
    parse=parse,
    privacy="whether the check-up's own account is an administrator, and whether its rights are in force",
)


def check_rights(facts: Restrictions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.elevated:
        yield Passed(evidence={"account": Text("administrator")})
    elif facts.member is None:
        yield NotChecked(reason="whether the account is an administrator of a domain controller is not asked")
    elif not facts.member:
        yield Passed(evidence={"account": Text("ordinary")})
    elif facts.local:
        yield Finding(impact=Impact.LIMITED, function=SUPPORTABILITY, message="filtered")
    else:
        yield Finding(impact=Impact.NOTE, function=SUPPORTABILITY, when=When.LATER, message="not_elevated")


rights_in_force = Probe(
    id="windows.check-rights",
    title="The check-up's account has the rights that were given to it",
    check=check_rights,
    levels=NoLevels(),
    messages={
        "filtered": "The check-up's account is an administrator of this machine, but Windows takes the "
        "rights of local accounts away over the network: much could not be looked at.",
        "not_elevated": "The check-up's account is an administrator; the session ran without these rights.",
    },
    why="What needs the rights of an administrator is missing in this report, though they were granted.",
    remedy="Give the check-up an account of the domain, or the built-in administrator for the time of the "
    "visit; run a bundle as administrator. The setting LocalAccountTokenFilterPolicy lifts this for all "
    "local accounts and is not advised.",
    verify="The next check-up shows this machine's disk health and services as looked at.",
    references=("learn.microsoft.com: User Account Control and remote restrictions",),
)


def check_consent(facts: Restrictions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.consent is None:
        yield NotChecked(reason="the machine does not say whether User Account Control is on")
    elif facts.consent:
        yield Passed()
    else:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="off")


account_control = Probe(
    id="security.user-account-control",
    title="Programs need consent before they act as administrator",
    check=check_consent,
    levels=NoLevels(),
    messages={"off": "User Account Control is switched off."},
    why="Whatever an administrator opens, an attachment too, then has all rights of the machine at once.",
    remedy="Switch User Account Control on (policy: run all administrators in Admin Approval Mode) and "
    "restart; ask the maker of a program that does not bear it for a newer version.",
    verify="The settings page of User Account Control shows no longer Never notify, and EnableLUA is 1.",
    references=("learn.microsoft.com: User Account Control settings and configuration",),
)
