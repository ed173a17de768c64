"""The shares that hold the data: what they let clients keep of the files, and who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    ErrorClass,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
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
from probes.windows.rows import Row, flag, number, rows, text, texts

SMB = "root\\Microsoft\\Windows\\SMB"

DATA_FOLDERS = Parameter("texts", (), "local folders that hold the data, like D:\\Data")

FULL, CHANGE, READ, NOBODY = "full", "change", "read", "none"
ORDER = (NOBODY, READ, CHANGE, FULL)


@dataclass(frozen=True, slots=True)
class Share:
    """`caching` is what offline files may keep ("none", "manual", "documents", "programs", "branchcache"),
    "" where it cannot be seen. `leasing`: may a client keep parts of open files to itself? `everyone` is the
    most that all users together may do on the share. None where it cannot be seen.
    """

    name: str
    path: str
    caching: str
    leasing: bool | None
    encrypted: bool | None
    everyone: str | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A declared folder; `everyone` is the most that all users together may do in it by its own rights."""

    path: str
    there: bool
    everyone: str | None


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares that people made, not the hidden ones of Windows. `server_leasing` is the setting for all;
    None where it cannot be seen."""

    shares: tuple[Share, ...]
    folders: tuple[Folder, ...]
    server_leasing: bool | None


# The registry holds every share, its offline flags and its rights, for any account and any Windows; the
# classes know the newer settings, for administrators. Rights leave as SDDL: identifiers, no names.
WINDOWS = r"""
$service = 'HKLM:\SYSTEM\CurrentControlSet\Services\LanmanServer'
$listed = RegistryValues ($service + '\Shares')
if ($null -eq $listed) {
  Absent 'this Windows has no file server'
}
$data = @{ 'MSFT_SmbShare' = $null; 'MSFT_SmbServerConfiguration' = $null }
$space = 'root\Microsoft\Windows\SMB'
$names = @('Name', 'Path', 'Special', 'CachingMode', 'LeasingMode', 'EncryptData', 'SecurityDescriptor')
$settings = @('EnableLeasing', 'EnableOplocks')
$class = 'MSFT_SmbServerConfiguration'
try {
  $data['MSFT_SmbShare'] = Wmi -Class 'MSFT_SmbShare' -Namespace $space -Properties $names -Optional
  $data[$class] = Wmi -Class 'MSFT_SmbServerConfiguration' -Namespace $space -Properties $settings -Optional
} catch [System.Management.ManagementException] {
  if ([string] $_.Exception.ErrorCode -ne 'AccessDenied') {
    throw
  }
} catch [System.UnauthorizedAccessException] {
  $data['MSFT_SmbShare'] = $null
}
$rights = $null
try {
  $rights = RegistryValues ($service + '\Shares\Security')
} catch [System.Security.SecurityException] {
  $rights = $null
}
$found = New-Object System.Collections.ArrayList
foreach ($name in @($listed.Keys)) {
  $values = @($listed[$name])
  $sddl = $null
  if ($null -ne $rights -and $rights[$name] -is [byte[]]) {
    $bytes = $rights[$name]
    $descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor($bytes, 0)
    $sddl = $descriptor.GetSddlForm('Access')
  }
  [void]$found.Add(@{ 'name' = $name; 'values' = $values; 'sddl' = $sddl })
}
$data['listed'] = $found
$parameters = RegistryValues ($service + '\Parameters')
$data['DisableLeasing'] = $null
$data['EnableOplocks'] = $null
if ($null -ne $parameters) {
  $data['DisableLeasing'] = $parameters['DisableLeasing']
  $data['EnableOplocks'] = $parameters['EnableOplocks']
}
$folders = New-Object System.Collections.ArrayList
foreach ($folder in @($P.data_folders)) {
  $row = @{ 'path' = $folder; 'there' = $false; 'sddl' = $null }
  if ($folder -match '^[A-Za-z]:[\\][^\[\]*?]*$' -and [System.IO.Directory]::Exists($folder)) {
    $row['there'] = $true
    try {
      $acl = Get-Acl -Path $folder
      $row['sddl'] = $acl.GetSecurityDescriptorSddlForm('Access')
    } catch {
      $row['sddl'] = $null
    }
  }
  [void]$folders.Add($row)
}
$data['folders'] = $folders
$data
"""

CIM = Wmi(
    (
        WmiQuery("Win32_Share", ("Name", "Path", "Type")),
        WmiQuery(
            "MSFT_SmbShare",
            ("Name", "Path", "Special", "CachingMode", "LeasingMode", "EncryptData", "SecurityDescriptor"),
            namespace=SMB,
            optional=True,
        ),
        WmiQuery(
            "MSFT_SmbServerConfiguration", ("EnableLeasing", "EnableOplocks"), namespace=SMB, optional=True
        ),
    ),
    rights="administrator",
)

# --- reading ----------------------------------------------------------------------------------

# MSFT_SmbShare.CachingMode.
CACHING_MODE = {0: "none", 1: "manual", 2: "documents", 3: "programs", 4: "branchcache"}
# [MS-SRVS] 2.2.2.5 and lmshare.h, shi1005_flags: what the registry calls CSCFlags.
CACHING_MASK = 0x30
CACHING_FLAG = {0x00: "manual", 0x10: "documents", 0x20: "programs", 0x30: "none"}
LEVEL_TWO_ONLY, NO_CLIENT_BUFFERING = 0x1000, 0x20000
ENCRYPTED = 0x8000
FULL_LEASING = 0  # MSFT_SmbShare.LeasingMode: the others keep back what clients may hold

SPECIAL = 2**31  # Win32_Share.Type: Windows made it


def parse(raw: JSON, source: str, version: int) -> Shares:
    if not isinstance(raw, dict):
        raise ValueError("not an object of shares")
    classes = {
        text(row["Name"]).lower(): row for row in _listed(raw, "MSFT_SmbShare") if not flag(row["Special"])
    }
    found = {}
    if source == "cim":
        shown = {
            text(row["Name"]): text(row["Path"])
            for row in rows(raw, "Win32_Share")
            if (number(row["Type"]) or 0) < SPECIAL
        }
        found = {name.lower(): Share(name, path, "", None, None, None) for name, path in shown.items()}
    else:
        for row in rows(raw, "listed"):
            share = _of_registry(row)
            if share.path:
                found[share.name.lower()] = share
    for key, row in classes.items():
        found[key] = _of_class(row, found.get(key))
    return Shares(
        shares=tuple(share for _, share in sorted(found.items())),
        folders=tuple(
            Folder(text(row["path"]), flag(row["there"]) is True, everyone_may(text(row["sddl"])))
            for row in _listed(raw, "folders")
        ),
        server_leasing=_server_leasing(raw, source),
    )


def _listed(raw: Mapping[str, JSON], name: str) -> list[Row]:
    return rows(dict(raw), name) if raw.get(name) is not None else []


def _of_registry(row: Row) -> Share:
    values = {name: value for name, _, value in (one.partition("=") for one in texts(row["values"]))}
    flags = number(values.get("CSCFlags"))
    sddl = text(row["sddl"])
    return Share(
        name=text(row["name"]),
        path=values.get("Path", "") if values.get("Type", "0") == "0" else "",
        caching="" if flags is None else CACHING_FLAG[flags & CACHING_MASK],
        leasing=None if flags is None else not flags & (LEVEL_TWO_ONLY | NO_CLIENT_BUFFERING),
        encrypted=None if flags is None else bool(flags & ENCRYPTED),
        everyone=everyone_may(sddl),
    )


def _of_class(row: Row, before: Share | None) -> Share:
    """The class where it says something, else what the registry said."""
    caching, leasing = number(row["CachingMode"]), number(row["LeasingMode"])
    kept = before or Share(text(row["Name"]), text(row["Path"]), "", None, None, None)
    encrypted, rights = flag(row["EncryptData"]), everyone_may(text(row["SecurityDescriptor"]))
    return Share(
        name=text(row["Name"]),
        path=text(row["Path"]) or kept.path,
        caching=CACHING_MODE.get(caching, "") if caching is not None else kept.caching,
        leasing=leasing == FULL_LEASING if leasing is not None else kept.leasing,
        encrypted=encrypted if encrypted is not None else kept.encrypted,
        everyone=rights if rights is not None else kept.everyone,
    )


def _server_leasing(raw: Mapping[str, JSON], source: str) -> bool | None:
    configuration = _listed(raw, "MSFT_SmbServerConfiguration")
    if configuration:
        leasing, oplocks = (flag(configuration[0][name]) for name in ("EnableLeasing", "EnableOplocks"))
        return leasing is not False and oplocks is not False
    if source == "cim":
        return None
    # On until somebody switches it off: DisableLeasing 1, or EnableOplocks 0.
    return not number(raw["DisableLeasing"]) and number(raw["EnableOplocks"]) != 0


# --- rights: SDDL ([MS-DTYP] 2.5.1) -------------------------------------------------------------

# Everyone, anonymous, authenticated and interactive users, users and guests of the machine or the domain.
BROAD = frozenset({"WD", "AN", "AU", "IU", "NU", "BU", "BG", "DU", "DG"})
BROAD |= {"S-1-1-0", "S-1-5-7", "S-1-5-11", "S-1-5-4", "S-1-5-2", "S-1-5-32-545", "S-1-5-32-546"}
BROAD_IN_DOMAIN = re.compile(r"S-1-5-21(-[0-9]+){3}-51[34]")  # domain users, domain guests

ENTRY = re.compile(r"\(([A-Z]{1,2});([A-Z]*);([^;()]*);[^;()]*;[^;()]*;([^;()]*)\)")
ALL, MODIFY, WRITE, READ_DATA = 0x1F01FF, 0x1301BF, 0x2, 0x1
GENERIC = {"GA": ALL, "GR": 0x120089, "GW": 0x120116, "GX": 0x1200A0}
FILE = {"FA": ALL, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0}
SINGLE = {"CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80}
SINGLE |= {"CR": 0x100, "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000}
GENERIC_BITS = {0x10000000: ALL, 0x80000000: 0x120089, 0x40000000: 0x120116, 0x20000000: 0x1200A0}


def everyone_may(sddl: str) -> str | None:
    """The most that the entries for all users allow together; None for a text without a list of rights.

    Entries that deny are left out: the answer is an upper limit.
    """
    _, mark, entries = sddl.partition("D:")
    if not mark:
        return None
    if "NO_ACCESS_CONTROL" in entries:
        return FULL
    allowed = 0
    for kind, _, rights, who in ENTRY.findall(entries.partition("S:")[0]):
        if kind == "A" and (who in BROAD or BROAD_IN_DOMAIN.fullmatch(who)):
            allowed |= _mask(rights)
    if allowed & ALL == ALL:
        return FULL
    if allowed & WRITE:
        return CHANGE
    return READ if allowed & READ_DATA else NOBODY


def _mask(rights: str) -> int:
    if rights.lower().startswith("0x"):
        mask = int(rights, 16)
        for bit, meant in GENERIC_BITS.items():
            mask |= meant if mask & bit else 0
        return mask
    names = {**SINGLE, **FILE, **GENERIC}
    mask = 0
    for at in range(0, len(rights), 2):
        mask |= names.get(rights[at : at + 2], 0)
    return mask


shares = Section(
    name="shares",
    facts=Shares,
    collect={"windows": PowerShell(WINDOWS, timeout_s=30, rights="administrator"), "cim": CIM},
    parse=parse,
    parameters={"data_folders": DATA_FOLDERS},
    privacy="names, local paths, settings and rights of shares; accounts as identifiers only",
)

# --- judging ----------------------------------------------------------------------------------


def _holding(facts: Shares, ctx: Context) -> tuple[tuple[str, ...], list[Share]]:
    """The declared folders, and the shares by which one of them, or something in it, is reached."""
    declared = ctx.target.declare.get("data_folders", ())
    folders = declared if isinstance(declared, tuple) else (str(declared),)
    return folders, [
        share for share in facts.shares if any(_overlap(share.path, folder) for folder in folders)
    ]


def _overlap(one: str, other: str) -> bool:
    ends = [path.replace("/", "\\").rstrip("\\").lower() + "\\" for path in (one, other)]
    return ends[0].startswith(ends[1]) or ends[1].startswith(ends[0])


def check_settings(facts: Shares, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    folders, holding = _holding(facts, ctx)
    if not folders:
        yield NotApplicable(reason="no data folders are declared for this machine")
    elif not holding:
        yield NotApplicable(reason="no declared data folder is shared from this machine")
    for share in holding:
        evidence: dict[str, Value] = {
            "path": Text(share.path),
            "caching": Text(share.caching or "not known"),
            "encrypted": Text({True: "yes", False: "no", None: "not known"}[share.encrypted]),
        }
        yield _offline(share, evidence)
        yield _leased(share, facts.server_leasing, evidence)


def _offline(share: Share, evidence: Mapping[str, Value]) -> Result:
    item = f"{share.name}/offline-files"
    if not share.caching:
        return NotChecked(item=item, reason="the share's settings cannot be seen", error=ErrorClass.DENIED)
    if share.caching == "none":
        return Passed(item=item, evidence=evidence)
    by_itself = share.caching != "manual"
    message = "offline_always" if by_itself else "offline_by_hand"
    return Finding(
        impact=Impact.MAJOR, message=message, item=item, evidence={**evidence, "share": Text(share.name)}
    )


def _leased(share: Share, server: bool | None, evidence: Mapping[str, Value]) -> Result:
    item = f"{share.name}/leasing"
    if server is False or share.leasing is False:
        return Passed(item=item, evidence=evidence)
    if server is None or share.leasing is None:
        return NotChecked(item=item, reason="the share's settings cannot be seen", error=ErrorClass.DENIED)
    return Finding(
        impact=Impact.LIMITED, message="leased", item=item, evidence={**evidence, "share": Text(share.name)}
    )


share_settings = Probe(
    id="server.share-settings",
    title="Shares with data let clients keep nothing of the files",
    check=check_settings,
    levels=NoLevels(),
    messages={
        "offline_always": "Share {share} ({path}) makes clients keep copies of opened files ({caching}).",
        "offline_by_hand": "Share {share} ({path}) lets users make its files available offline.",
        "leased": "Share {share} ({path}) lets clients hold back changes to open files (leasing).",
    },
    why="An offline copy of a database goes its own way, and puts itself in place of the real one later. "
    "Leasing delays writes in the client: with Access files it has caused damage since Windows 10 1803.",
    remedy="Let clients keep nothing of the share's files: no offline copies and, for Access files, no "
    "leasing. In an elevated PowerShell: `Set-SmbShare -Name X -CachingMode None`, and after agreement "
    "`-LeasingMode None` (older Windows: DisableLeasing, for all shares). The share gets slower without "
    "leasing: try it first.",
    verify="`Get-SmbShare X | Format-List *` shows CachingMode and LeasingMode as None.",
    rights="an administrator",
    references=("domain: server.share-settings",),
)


def check_rights(facts: Shares, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    folders, holding = _holding(facts, ctx)
    if not folders:
        yield NotApplicable(reason="no data folders are declared for this machine")
    elif not holding:
        yield NotApplicable(reason="no declared data folder is shared from this machine")
    for share in holding:
        below = [folder for folder in facts.folders if _overlap(share.path, folder.path)]
        yield _open_to_all(share, below)


def _open_to_all(share: Share, folders: Iterable[Folder]) -> Result:
    """What a user may do is what the share and the folder both allow."""
    known = [folder.everyone for folder in folders if folder.everyone is not None]
    widest = max(known, key=ORDER.index, default=None)
    evidence: dict[str, Value] = {
        "path": Text(share.path),
        "share_rights": Text(share.everyone or "not known"),
        "folder_rights": Text(widest or "not known"),
    }
    if any(rights not in (None, FULL) for rights in (share.everyone, widest)):
        return Passed(item=share.name, evidence=evidence)
    if share.everyone is None or widest is None:
        return NotChecked(item=share.name, reason="not all rights can be seen", error=ErrorClass.DENIED)
    return Finding(impact=Impact.LIMITED, message="open", item=share.name, evidence=evidence)


share_rights = Probe(
    id="security.share-rights",
    title="Data are not under everyone's full control",
    check=check_rights,
    levels=NoLevels(),
    messages={"open": "All users have full control of share {item} and of its folder {path}."},
    why="Whoever has full control can delete the data, change who may read them, and encrypt them all with "
    "one click on a bad attachment.",
    remedy="Give the group of the application's users the right to change on share and folder, "
    "administrators full control, and take Everyone, Users and Domain Users off the list.",
    verify="The lists on the tabs Sharing and Security of the folder name the application's group only.",
    rights="an administrator",
    references=("domain: security.share-rights", "[MS-DTYP] 2.5.1"),
)
