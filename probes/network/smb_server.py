"""A Windows file server: its settings, and how long its own shares make clients wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
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
    When,
    Wmi,
    WmiQuery,
)
from probes.network.share_counters import ShareSpeed, SpeedLevels, collector, judged, parse_shares
from probes.windows.rows import flag, number, rows

SMB = "root\\Microsoft\\Windows\\SMB"
# From this build on (Windows 11 24H2) editions differ in what they ask for by themselves.
SIGNING_BY_EDITION = 26100
CLIENT = 1  # Win32_OperatingSystem.ProductType


@dataclass(frozen=True, slots=True)
class SmbServer:
    """None where it cannot be seen. `told_by` is "class" or "registry": the registry holds what was set, and
    what was not is taken as this Windows has it by itself. `sessions` are open ones. `workstation`: this
    Windows is no server, whatever it shares."""

    smb1: bool | None
    signing_required: bool | None
    encrypts: bool | None
    sessions: int | None
    workstation: bool
    told_by: str


# An ordinary account may read the registry, but not the classes.
WINDOWS = r"""
$service = 'HKLM:\SYSTEM\CurrentControlSet\Services\LanmanServer'
$start = RegistryValue $service 'Start'
if ($null -eq $start) {
  Absent 'this Windows has no file server'
}
if ([int] $start -eq 4) {
  Absent 'the file server of this Windows is disabled'
}
$data = @{ 'MSFT_SmbServerConfiguration' = $null; 'MSFT_SmbSession' = $null }
$space = 'root\Microsoft\Windows\SMB'
$settings = @('EnableSMB1Protocol', 'RequireSecuritySignature', 'EncryptData')
$class = 'MSFT_SmbServerConfiguration'
try {
  $data[$class] = Wmi -Class 'MSFT_SmbServerConfiguration' -Namespace $space -Properties $settings -Optional
  $sessions = @('SessionId')
  $data['MSFT_SmbSession'] = Wmi -Class 'MSFT_SmbSession' -Namespace $space -Properties $sessions -Optional
} catch [System.Management.ManagementException] {
  if ([string] $_.Exception.ErrorCode -ne 'AccessDenied') {
    throw
  }
} catch [System.UnauthorizedAccessException] {
  $data[$class] = $null
}
$values = RegistryValues ($service + '\Parameters')
$chosen = @{}
foreach ($name in @('SMB1', 'RequireSecuritySignature', 'EncryptData')) {
  $chosen[$name] = $null
  if ($null -ne $values) {
    $chosen[$name] = $values[$name]
  }
}
$data['registry'] = $chosen
$data['build'] = RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion' 'CurrentBuildNumber'
$data['Win32_OperatingSystem'] = Wmi -Class 'Win32_OperatingSystem' -Properties @('ProductType')
$data['smb1_driver'] = $null -ne (RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\srv' 'Start')
$data
"""

CIM = Wmi(
    (
        WmiQuery(
            "MSFT_SmbServerConfiguration",
            ("EnableSMB1Protocol", "RequireSecuritySignature", "EncryptData"),
            namespace=SMB,
            optional=True,
        ),
        WmiQuery("MSFT_SmbSession", ("SessionId",), namespace=SMB, optional=True),
        WmiQuery("Win32_OperatingSystem", ("ProductType",)),
    ),
    rights="administrator",
)


def parse(raw: JSON, source: str, version: int) -> SmbServer:
    if not isinstance(raw, dict):
        raise ValueError("not an object of settings")
    sessions = raw.get("MSFT_SmbSession")
    counted = len(rows(raw, "MSFT_SmbSession")) if sessions is not None else None
    workstation = number(rows(raw, "Win32_OperatingSystem")[0]["ProductType"]) == CLIENT
    if raw.get("MSFT_SmbServerConfiguration") is not None:
        row = rows(raw, "MSFT_SmbServerConfiguration")[0]
        return SmbServer(
            smb1=flag(row["EnableSMB1Protocol"]),
            signing_required=flag(row["RequireSecuritySignature"]),
            encrypts=flag(row["EncryptData"]),
            sessions=counted,
            workstation=workstation,
            told_by="class",
        )
    if source == "cim":
        return SmbServer(None, None, None, counted, workstation, "")
    chosen = raw["registry"]
    if not isinstance(chosen, dict):
        raise ValueError("not an object of values")
    values = {name: number(value) for name, value in chosen.items()}
    driver = flag(raw["smb1_driver"])
    smb1, signing = values["SMB1"], values["RequireSecuritySignature"]
    known = signing is not None or (number(raw["build"]) or 0) < SIGNING_BY_EDITION
    return SmbServer(
        # The driver is there unless SMB 1 was taken out as a feature, as new installations have it since
        # Windows 10 1709 and Server 2019; with it, SMB 1 is on until it is switched off.
        smb1=bool(driver) and smb1 != 0,
        signing_required=bool(signing) if known else None,
        encrypts=bool(values["EncryptData"]),
        sessions=counted,
        workstation=workstation,
        told_by="registry",
    )


smb_server = Section(
    name="smb-server",
    facts=SmbServer,
    collect={"windows": PowerShell(WINDOWS), "cim": CIM},
    parse=parse,
    privacy="settings of the file server, number of open sessions",
)


def check_smb1(facts: SmbServer, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.sessions is not None:
        yield Metric(name="sessions", value=Number(facts.sessions))
    if facts.smb1 is None:
        yield NotChecked(reason="this Windows does not say whether its file server speaks SMB 1")
    elif facts.smb1:
        yield Finding(impact=Impact.LIMITED, message="on", evidence={"told_by": Text(facts.told_by)})
    else:
        yield Passed(evidence={"told_by": Text(facts.told_by)})


smb1 = Probe(
    id="server.smb1",
    title="The file server does not speak SMB 1",
    check=check_smb1,
    levels=NoLevels(),
    messages={"on": "This machine still serves files by SMB 1."},
    why="SMB 1 has no protection against being listened to or changed on the way, and is how ransomware "
    "spread through whole networks. Microsoft has taken it out of new installations since 2017.",
    remedy="Find out whether a scanner, a copier or an old device still needs it (audit SMB 1 access for a "
    "while), then remove the Windows feature `SMB 1.0/CIFS File Sharing Support` and restart.",
    verify="`Get-SmbServerConfiguration` shows EnableSMB1Protocol as False.",
    references=("domain: server.smb1",),
)


def check_signing(facts: SmbServer, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.workstation:
        yield NotApplicable(reason="this Windows is a workstation, no file server")
        return
    if facts.signing_required is None:
        yield NotChecked(reason="this Windows does not say whether its file server asks for signatures")
        return
    evidence: dict[str, Value] = {
        "encrypts": Text("yes" if facts.encrypts else "no"),
        "told_by": Text(facts.told_by),
    }
    if facts.signing_required or facts.encrypts:
        yield Passed(evidence=evidence)
    else:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="unsigned", evidence=evidence)


smb_signing = Probe(
    id="security.smb-signing",
    title="The file server asks for signed connections",
    check=check_signing,
    levels=NoLevels(),
    messages={"unsigned": "This file server also takes connections whose packets are not signed."},
    why="Without signatures someone in the network can pose as a user towards the file server, or change "
    "what is read and written.",
    remedy="Require signatures by group policy (`Microsoft network server: Digitally sign communications "
    "(always)`) after trying it with the oldest clients, scanners and copiers.",
    verify="`Get-SmbServerConfiguration` shows RequireSecuritySignature as True.",
    references=("domain: security.share-rights, server.smb1",),
)

# --- how long clients wait --------------------------------------------------------------------

COUNTERS = "Win32_PerfRawData_Counters_SMBServerShares"


@dataclass(frozen=True, slots=True)
class ServedShares:
    shares: tuple[ShareSpeed, ...]


def parse_served(raw: JSON, source: str, version: int) -> ServedShares:
    return ServedShares(parse_shares(raw, COUNTERS))


served_shares = Section(
    name="smb-server-shares",
    facts=ServedShares,
    collect={"windows": collector(COUNTERS)},
    parse=parse_served,
    privacy="names of shares, number and mean time of requests",
)


def check_speed(facts: ServedShares, levels: SpeedLevels, ctx: Context) -> Iterator[Result]:
    results = [result for one in facts.shares for result in judged(one, one.share, levels)]
    if not results:
        yield NotApplicable(reason="no share of this machine was used enough since its start")
    yield from results


file_speed = Probe(
    id="server.file-speed",
    title="The file server answers quickly",
    check=check_speed,
    levels=SpeedLevels(),
    messages={
        "slow_read": "Reading from share {item} took the server {mean} on average ({reads} requests).",
        "slow_write": "Writing to share {item} took the server {mean} on average ({writes} requests).",
    },
    why="This is the server's own part of the waiting, network left out. Every user of the share waits for "
    "it with every screen.",
    remedy="Look at the server's disks (queue, health, RAID state, backup or virus scan in working hours) "
    "and at its memory.",
    verify="After a restart and a week of work the mean is below the limit (Performance Monitor, SMB Server "
    "Shares, Avg. sec/Read).",
    rights="an ordinary account in the group Performance Monitor Users",
    references=("domain: network.client-rtt",),
)
