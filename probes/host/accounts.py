"""Who may do everything on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Text,
)
from probes.windows.rows import rows, text, texts


@dataclass(frozen=True, slots=True)
class Administrators:
    """`roots` have user id 0; `members` belong to a group of administrators; `declared` are agreed.

    On Windows the only root is the account with the relative id 500, whatever it is called.
    """

    roots: tuple[str, ...]
    members: tuple[str, ...]
    declared: tuple[str, ...]
    builtin: str = "root"


# getent also sees accounts of a directory; only administrators' names leave the machine.
POSIX = """
users() { getent passwd 2>/dev/null || cat /etc/passwd; }
groups_of() { getent group sudo wheel admin 2>/dev/null || cat /etc/group; }
[ -r /etc/passwd ] || denied "/etc/passwd"
users | awk -F: '$3 == 0 { print "root " $1 }'
groups_of | awk -F: '$1 == "sudo" || $1 == "wheel" || $1 == "admin" {
  n = split($4, member, ","); for (i = 1; i <= n; i++) print "member " member[i] }'
printf '%s\\n' "$P_administrators" | while IFS= read -r name; do echo "declared $name"; done
exit 0
"""


# The group is S-1-5-32-544, whatever its name. Asked for the members of this one group, Windows does not
# walk through the domain. Members that it cannot resolve any more (and the roles of a cloud directory,
# S-1-12-1-...) are not listed.
WINDOWS = """
$product = [string] (RegistryValue 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\ProductOptions' 'ProductType')
if ($product -eq 'LanmanNT') {
  Unsupported 'a domain controller has no administrators of its own, only those of the domain'
}
$sid = New-Object System.Security.Principal.SecurityIdentifier('S-1-5-32-544')
$name = $sid.Translate([System.Security.Principal.NTAccount]).Value
$name = $name.Substring($name.IndexOf('\\') + 1)
$machine = [System.Environment]::MachineName
$quote = [string] [char] 39
$group = 'Win32_Group.Domain=' + $quote + $machine + $quote + ',Name=' + $quote + $name + $quote
$where = 'GroupComponent="' + $group + '"'
$properties = 'GroupComponent', 'PartComponent'
$members = Wmi -Class 'Win32_GroupUser' -Properties $properties -Where $where
$accounts = Wmi -Class 'Win32_UserAccount' -Properties 'Name', 'SID' -Where 'LocalAccount=TRUE'
@{
  'machine' = $machine
  'members' = $members
  'accounts' = $accounts
  'declared' = @($P.administrators)
}
"""
BUILT_IN = re.compile(r"S-1-5-21-.*-500")  # MS-DTYP, section 2.4.2.4: the relative id of the administrator
MEMBER = re.compile(r'Win32_\w+\.Domain="([^"]*)",Name="([^"]*)"', re.A)


def parse(raw: JSON, source: str, version: int) -> Administrators:
    return _windows_group(raw) if source == "windows" else _posix_groups(raw)


def _windows_group(raw: JSON) -> Administrators:
    """An account of the machine by its name alone, one of a domain as DOMAIN\\name."""
    if not isinstance(raw, dict):
        raise ValueError("not a list of members")
    machine = text(raw["machine"]).lower()
    builtin = next(
        (text(row["Name"]) for row in rows(raw, "accounts") if BUILT_IN.fullmatch(text(row["SID"]))), ""
    )
    members: set[str] = set()
    for row in rows(raw, "members"):
        found = MEMBER.search(text(row["PartComponent"]))
        if found is None:
            raise ValueError("a member without a name")
        domain, name = found.groups()
        members.add(name if domain.lower() == machine else f"{domain}\\{name}")
    if builtin not in members:
        raise ValueError(
            "the built-in administrator, who cannot be taken out of the group, is not in the list"
        )
    return Administrators((builtin,), tuple(sorted(members)), texts(raw["declared"]), builtin)


def _posix_groups(raw: JSON) -> Administrators:
    found = re.findall(r"^(root|member|declared) ?(.*)$", str(raw), re.M)
    if not any(kind == "declared" for kind, _ in found):
        raise ValueError("the list has no end")

    def names(kind: str) -> tuple[str, ...]:
        return tuple(sorted({name.strip() for k, name in found if k == kind and name.strip()}))

    return Administrators(names("root"), names("member"), names("declared"))


administrators = Section(
    name="administrators",
    facts=Administrators,
    collect={"posix": Shell(POSIX), "windows": PowerShell(WINDOWS, timeout_s=40, cost="medium")},
    parse=parse,
    parameters={"administrators": Parameter("texts", (), "accounts that may administer this machine")},
    privacy="names of administrators' accounts",
)


@dataclass(frozen=True, slots=True)
class AdministratorLevels:
    most: int = 5  # administrators beside the built-in one, where none are declared


def check(facts: Administrators, levels: AdministratorLevels, ctx: Context) -> Iterator[Result]:
    members = [name for name in facts.members if name != facts.builtin]
    declared = _agreed(facts)
    yield Metric(name="administrators", value=Number(len(members)))
    if not facts.roots:
        yield NotChecked(reason="the list of accounts has no root")
        return
    bad = False
    for name in facts.roots:
        if name != facts.builtin and name not in declared:
            bad = True
            yield Finding(impact=Impact.LIMITED, message="second_root", item=name)
    if facts.declared:
        for name in members:
            if _key(facts, name) not in declared:
                bad = True
                yield Finding(impact=Impact.LIMITED, message="undeclared", item=name)
    elif len(members) > levels.most:
        bad = True
        yield Finding(
            impact=Impact.NOTE,
            message="many",
            evidence={"administrators": Number(len(members)), "limit": Number(levels.most)},
            value=Number(len(members)),
        )
    if not bad:
        yield Passed(evidence={"administrators": Text(", ".join(members) or f"{facts.builtin} only")})


def _agreed(facts: Administrators) -> set[str]:
    return {_key(facts, name) for name in facts.declared}


def _key(facts: Administrators, name: str) -> str:
    """Windows compares names without regard to case."""
    return name if facts.builtin == "root" else name.lower()


root_users = Probe(
    id="host.root-users",
    title="Only agreed accounts administer the machine",
    check=check,
    levels=AdministratorLevels(),
    messages={
        "second_root": "Account {item} has all rights of root under another name.",
        "undeclared": "{item} may administer the machine, but is not among those agreed.",
        "many": "{administrators} accounts may administer the machine.",
    },
    why="Each account with all rights is a way to all data; forgotten ones are used by strangers.",
    remedy="Take the rights from accounts that no longer need them; record the others in the site file.",
    verify="`getent group sudo wheel` and `getent passwd 0`, on Windows the group with the SID S-1-5-32-544 "
    "in `lusrmgr.msc`, show only agreed accounts.",
    references=("domain: security.vendor-access",),
)
