"""Times at which a Windows machine lost its network, or its file server."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotChecked,
    Number,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    Worse,
)
from probes.windows.rows import flag, instant, number, rows, text

DAYS = 7
KERNEL_POWER = "microsoft-windows-kernel-power"
NDIS = "microsoft-windows-ndis"
NETWORK_PROFILE = "microsoft-windows-networkprofile"
SMB_CLIENT = "microsoft-windows-smbclient"

# Going to sleep, and coming back from it or starting: between the two nobody works. Kernel-Power 42 and 506
# (modern standby), 107 and 507; Kernel-General 13 (stops) and 12 (starts); Kernel-Power 109 (shuts down).
ASLEEP = frozenset({(KERNEL_POWER, 42), (KERNEL_POWER, 506), (KERNEL_POWER, 109)})
ASLEEP |= {("microsoft-windows-kernel-general", 13)}
AWAKE = frozenset({(KERNEL_POWER, 107), (KERNEL_POWER, 507), ("microsoft-windows-kernel-general", 12)})
AWAKE |= {("microsoft-windows-power-troubleshooter", 1)}

# Around these the network comes and goes by itself.
SETTLING = timedelta(minutes=3)
# What is logged within this time of each other is one interruption.
TOGETHER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Interruption:
    """`link`: the cable or the adapter was seen to go; `server`: a connection to a file server was lost."""

    at: datetime
    link: bool
    server: bool


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Of the last seven days, but for those around sleep, start and stop.

    `log_from` is the time of the oldest event of the System log, None for an empty one; `server_log` says
    whether this Windows keeps a log of lost file servers. `cut`: there was more.
    """

    found: tuple[Interruption, ...]
    log_from: datetime | None
    server_log: bool
    cut: bool


# 27 of Intel's and Realtek's drivers and 4 of Broadcom's: the link is gone; Tcpip 4202 the same; NDIS 10400:
# the adapter is reset; NetworkProfile 10001: disconnected; SMBClient 30805, 30807, 30809: session lost, share
# lost, no answer. Names of servers and shares stay where they are.
WINDOWS = r"""
$data = @{ 'cut' = $false }
$from = [System.DateTime]::UtcNow.AddDays(-7)
$when = $from.ToString('yyyy-MM-ddTHH:mm:ss.fffZ', $Invariant)
$cards = '^(e1[a-z0-9]*express|e2f[a-z]*|rt[a-z0-9]*x(64|86)|rtl[0-9a-z]*|[bk]57nd60[ax]|l2nd)$'

function Times([string] $log, [string] $condition) {
  $path = "*[System[TimeCreated[@SystemTime>='" + $when + "'] and (" + $condition + ')]]'
  $query = New-Object System.Diagnostics.Eventing.Reader.EventLogQuery($log, 'LogName', $path)
  $query.ReverseDirection = $true
  $reader = New-Object System.Diagnostics.Eventing.Reader.EventLogReader($query)
  $found = New-Object System.Collections.ArrayList
  $read = 0
  while ($read -lt 20000 -and $found.Count -lt 2000) {
    $record = $reader.ReadEvent()
    if ($null -eq $record) {
      break
    }
    $read = $read + 1
    $source = [string] $record.ProviderName
    $id = [int] $record.Id
    $known = $source -match '^Microsoft-Windows-(Kernel-Power|Kernel-General|Power-Troubleshooter|NDIS)$'
    if ($id -eq 27 -or $id -eq 4) {
      $known = $source -match $cards
    }
    if ($id -eq 4202) {
      $known = $source -eq 'Tcpip'
    }
    if ($known -or $log -ne 'System') {
      [void]$found.Add(@{ 'provider' = $source; 'id' = $id; 'at' = $record.TimeCreated })
    }
    $record.Dispose()
  }
  $reader.Dispose()
  if ($read -ge 20000 -or $found.Count -ge 2000) {
    $data['cut'] = $true
  }
  return ,$found.ToArray()
}

# Windows PowerShell 2.0 loads the classes of the logs with this command only.
[void](Get-WinEvent -ListLog 'System')
$ids = 'EventID=1 or EventID=4 or EventID=12 or EventID=13 or EventID=27 or EventID=42 or EventID=107'
$ids = $ids + ' or EventID=109 or EventID=506 or EventID=507 or EventID=4202 or EventID=10400'
$data['system'] = Times 'System' $ids
$data['system_from'] = OldestEvent 'System'

$logs = @{
  'profile' = @('Microsoft-Windows-NetworkProfile/Operational', 'EventID=10001')
  'server' = @('Microsoft-Windows-SMBClient/Connectivity', 'EventID=30805 or EventID=30807 or EventID=30809')
}
foreach ($name in @('profile', 'server')) {
  $log = $logs[$name][0]
  $data[$name] = $null
  $there = $true
  try {
    [void](Get-WinEvent -ListLog $log)
  } catch {
    if ($_.FullyQualifiedErrorId -notlike 'NoMatchingLogsFound*') {
      Partial ('the log ' + $log + ' could not be looked up')
    }
    $there = $false
  }
  $data[$name + '_log'] = $there
  if ($there) {
    try {
      $data[$name] = Times $log $logs[$name][1]
    } catch {
      Partial ('the log ' + $log + ' could not be read')
    }
  }
}
$data
"""


def parse(raw: JSON, source: str, version: int) -> Interruptions:
    if not isinstance(raw, dict):
        raise ValueError("not an object of events")
    events = sorted(
        (at, (text(row["provider"]).lower(), number(row["id"]) or 0))
        for name in ("system", "profile", "server")
        if raw.get(name) is not None
        for row in rows(raw, name)
        if (at := instant(row["at"])) is not None
    )
    rows(raw, "system")  # without it there is nothing to say
    return Interruptions(
        found=tuple(_interruptions(events)),
        log_from=instant(raw["system_from"]),
        server_log=flag(raw["server_log"]) is True,
        cut=flag(raw["cut"]) is True,
    )


Event = tuple[datetime, tuple[str, int]]


def _interruptions(events: Iterable[Event]) -> Iterator[Interruption]:
    """Losses while the machine was awake; those close together are one."""
    all_events = list(events)
    quiet = _quiet_times(all_events)
    ends = [end for _, end in quiet]
    group: list[Event] = []
    for event in all_events:
        at, kind = event
        place = bisect_left(ends, at)
        if not _is_loss(kind) or (place < len(quiet) and quiet[place][0] <= at):
            continue
        if group and at - group[-1][0] > TOGETHER:
            yield _one(group)
            group = []
        group.append(event)
    if group:
        yield _one(group)


def _is_loss(kind: tuple[str, int]) -> bool:
    provider = kind[0]
    if provider.startswith("microsoft-windows-"):
        return kind == (NDIS, 10400) or provider in (NETWORK_PROFILE, SMB_CLIENT)
    return True


def _quiet_times(events: Iterable[Event]) -> list[tuple[datetime, datetime]]:
    """Beginnings and ends of sleep and starts, in order and without overlap."""
    quiet: list[tuple[datetime, datetime]] = []
    asleep_since: datetime | None = None
    for at, kind in events:
        if kind in ASLEEP:
            asleep_since = asleep_since or at
            begin = at - SETTLING
        elif kind in AWAKE:
            begin, asleep_since = (asleep_since or at) - SETTLING, None
        else:
            continue
        while quiet and quiet[-1][1] >= begin:
            begin = min(begin, quiet.pop()[0])
        quiet.append((begin, at + SETTLING))
    return quiet


def _one(group: list[Event]) -> Interruption:
    server = [kind for _, kind in group if kind[0] == SMB_CLIENT]
    return Interruption(group[0][0], link=len(server) < len(group), server=bool(server))


interruptions = Section(
    name="network-interruptions",
    facts=Interruptions,
    collect={"windows": PowerShell(WINDOWS, timeout_s=60, rights="event-log-reader", cost="medium")},
    parse=parse,
    privacy="times of network, sleep and start events; no names",
)


@dataclass(frozen=True, slots=True)
class Levels:
    some: int = 3  # interruptions in seven days (workstation.link-flaps)
    many: int = 10  # the same


def check(facts: Interruptions, levels: Levels, ctx: Context) -> Iterator[Result]:
    count = len(facts.found)
    yield Metric(name="interruptions", value=Number(count))
    evidence = _evidence(facts)
    if count >= levels.some:
        many = count >= levels.many
        yield Finding(
            impact=Impact.MAJOR if many else Impact.LIMITED,
            message="interrupted",
            evidence={**evidence, "limit": Number(levels.many if many else levels.some)},
            value=Number(count),
            worse=Worse.HIGHER,
        )
    elif facts.log_from is None:
        yield NotChecked(reason="the System log is empty")
    elif facts.log_from > ctx.collected_at - timedelta(days=DAYS - 1):
        days = (ctx.collected_at - facts.log_from).total_seconds() / 86400
        yield NotChecked(reason=f"the System log goes back only {days:.1f} of {DAYS} days")
    elif facts.cut:
        yield NotChecked(reason="there are too many events in the log to read them all")
    else:
        yield Passed(evidence=evidence)


def _evidence(facts: Interruptions) -> Mapping[str, Value]:
    by_day = Counter(one.at.date().isoformat() for one in facts.found)
    evidence: dict[str, Value] = {
        "count": Number(len(facts.found)),
        "days": Number(DAYS, "days"),
        "link": Number(sum(one.link for one in facts.found)),
        "server": Number(sum(one.server for one in facts.found)),
        "by_day": Text(", ".join(f"{day}: {count}" for day, count in sorted(by_day.items())) or "none"),
        "server_log": Text("yes" if facts.server_log else "this Windows keeps none"),
    }
    if facts.found:
        evidence["last"] = Instant(facts.found[-1].at)
    return evidence


link_flaps = Probe(
    id="workstation.link-flaps",
    title="The network holds while the machine is in use",
    check=check,
    levels=Levels(),
    messages={
        "interrupted": "The network was interrupted {count} times in {days}: the link {link} times, the "
        "connection to a file server {server} times.",
    },
    why="Every interruption cuts open files off. An Access file that was being written is then damaged, and "
    "the program stops with a disk or network error.",
    remedy="Replace the cable, try another wall socket and switch port, then update the adapter's driver. If "
    "other machines show the same times, look at the switch or the server.",
    verify="After a week the System log shows no more of these events outside of starts and sleep.",
    rights="a member of Event Log Readers",
    references=("domain: workstation.link-flaps",),
)
