"""A Windows machine as a client of file servers: old protocols, and how long it waits for them."""

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
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    When,
    Wmi,
    WmiQuery,
)
from probes.network.share_counters import ShareSpeed, SpeedLevels, collector, judged, parse_shares
from probes.windows.rows import flag, number, rows, text

SMB = "root\\Microsoft\\Windows\\SMB"
DISABLED = 4  # SERVICE_DISABLED, the Start value of a driver


@dataclass(frozen=True, slots=True)
class SmbClient:
    """None where it cannot be seen."""

    smb1: bool | None
    guest_logons: bool | None


WINDOWS = r"""
$services = 'HKLM:\SYSTEM\CurrentControlSet\Services\'
if ($null -eq (RegistryValue ($services + 'LanmanWorkstation') 'Start')) {
  Absent 'this Windows has no client for file servers'
}
$policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\LanmanWorkstation'
@{
  'smb1_start' = RegistryValue ($services + 'mrxsmb10') 'Start'
  'guest' = RegistryValue ($services + 'LanmanWorkstation\Parameters') 'AllowInsecureGuestAuth'
  'guest_policy' = RegistryValue $policy 'AllowInsecureGuestAuth'
}
"""

# The driver of SMB 2 is always there: a list without it is not the whole list.
CIM = Wmi(
    (
        WmiQuery("Win32_SystemDriver", ("Name", "StartMode"), where="Name='mrxsmb10' OR Name='mrxsmb20'"),
        WmiQuery("MSFT_SmbClientConfiguration", ("EnableInsecureGuestLogons",), namespace=SMB, optional=True),
    )
)


def parse(raw: JSON, source: str, version: int) -> SmbClient:
    if not isinstance(raw, dict):
        raise ValueError("not an object of settings")
    if source == "cim":
        drivers = {
            text(row["Name"]).lower(): text(row["StartMode"]) for row in rows(raw, "Win32_SystemDriver")
        }
        smb1 = drivers.get("mrxsmb10", "Disabled") != "Disabled"
        client = raw.get("MSFT_SmbClientConfiguration")
        guest = rows(raw, "MSFT_SmbClientConfiguration") if client is not None else []
        return SmbClient(
            smb1=smb1 if "mrxsmb20" in drivers else None,
            guest_logons=flag(guest[0]["EnableInsecureGuestLogons"]) if guest else None,
        )
    start, guest, policy = (number(raw[name]) for name in ("smb1_start", "guest", "guest_policy"))
    # What nobody chose differs between editions; only what somebody allowed is known.
    chosen = guest if policy is None else policy
    return SmbClient(
        smb1=start is not None and start != DISABLED,
        guest_logons=None if chosen is None else chosen != 0,
    )


smb_client = Section(
    name="smb-client",
    facts=SmbClient,
    collect={"windows": PowerShell(WINDOWS), "cim": CIM},
    parse=parse,
    privacy="settings of the client for file servers",
)


def check(facts: SmbClient, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.smb1 is None:
        yield NotChecked(item="smb1", reason="the list of drivers is not complete for this account")
    elif facts.smb1:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="smb1", item="smb1")
    else:
        yield Passed(item="smb1")
    if facts.guest_logons:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="guest", item="guest")
    elif facts.guest_logons is None:
        yield NotApplicable(item="guest", reason="nobody chose it: this edition of Windows decides by itself")
    else:
        yield Passed(item="guest")


old_protocols = Probe(
    id="workstation.smb-client",
    title="The machine uses file servers by safe means only",
    check=check,
    levels=NoLevels(),
    messages={
        "smb1": "The client for SMB 1 is installed and not disabled.",
        "guest": "This machine takes files from servers that ask for no name and password.",
    },
    why="Over SMB 1, and from servers without a login, anyone in the network can hand this machine other "
    "files than it asked for, or read what it writes.",
    remedy="Find the old device that needs it and give it a way of its own; then remove the Windows feature "
    "`SMB 1.0/CIFS Client`, and disable insecure guest logons by group policy.",
    verify="`Get-WindowsOptionalFeature -Online -FeatureName SMB1Protocol-Client` says Disabled.",
    references=("domain: server.smb1",),
)

# --- how long it waits ------------------------------------------------------------------------

COUNTERS = "Win32_PerfRawData_Counters_SMBClientShares"


@dataclass(frozen=True, slots=True)
class UsedShares:
    shares: tuple[ShareSpeed, ...]


def parse_used(raw: JSON, source: str, version: int) -> UsedShares:
    return UsedShares(parse_shares(raw, COUNTERS))


used_shares = Section(
    name="smb-client-shares",
    facts=UsedShares,
    collect={"windows": collector(COUNTERS)},
    parse=parse_used,
    privacy="names of servers and shares in use, number and mean time of requests",
)


def check_speed(facts: UsedShares, levels: SpeedLevels, ctx: Context) -> Iterator[Result]:
    declared = ctx.target.declare.get("backends", ())
    names = declared if isinstance(declared, tuple) else (str(declared),)
    wanted = {_machine(name) for name in names}
    looked_at = [one for one in facts.shares if not wanted or _machine(one.server) in wanted]
    results = [result for one in looked_at for result in judged(one, f"{one.server}\\{one.share}", levels)]
    if not results:
        yield NotApplicable(reason="no share of a file server was used enough since the start")
    yield from results


def _machine(name: str) -> str:
    """A server's first name; an address as it is."""
    host = name.lower().partition(":")[0]
    return host if host.replace(".", "").isdigit() else host.partition(".")[0]


file_speed = Probe(
    id="network.file-speed",
    title="Files on the server are read and written without long waits",
    check=check_speed,
    levels=SpeedLevels(),
    messages={
        "slow_read": "Reading from {item} took {mean} on average ({reads} requests).",
        "slow_write": "Writing to {item} took {mean} on average ({writes} requests).",
    },
    why="This is what people at this workstation feel: the server's disks and the way to it together. An "
    "Access screen needs hundreds of such requests.",
    remedy="Compare with `network.client-rtt`: if the way is short, look at the server (disks, memory, virus "
    "scanner); if it is long, at cable, Wi-Fi and switch of this workstation.",
    verify="After a restart and a week of work the mean is below the limit (Performance Monitor, SMB Client "
    "Shares, Avg. sec/Read).",
    rights="an ordinary account in the group Performance Monitor Users",
    references=("domain: network.client-rtt",),
)
