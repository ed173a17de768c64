"""The machine's clock: is it set from a source, and does it agree with ours?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Worse,
)
from probes.host.connection import Reached
from probes.windows.event_log import EventGroup, event_log
from probes.windows.rows import first, number, rows, text


@dataclass(frozen=True, slots=True)
class TimeSource:
    """`synchronised` is None where no program on the machine could say; `offset_s` is against its source.

    On Windows `troubles` counts the time service's complaints of the last 30 days, and
    `beside_domain` says that a member of a domain takes its time from elsewhere."""

    program: str
    synchronised: bool | None
    source: str = ""
    offset_s: float | None = None
    troubles: int | None = None
    beside_domain: bool = False


# chronyc and ntpq know the offset; timedatectl asks the kernel, whoever sets the clock.
TIME = """
if command -v chronyc >/dev/null && chronyc -n -c tracking 2>/dev/null; then
  echo "program=chrony"
elif command -v ntpq >/dev/null && ntpq -pn 2>/dev/null; then
  echo "program=ntp"
fi
if [ -d /run/systemd/system ] && command -v timedatectl >/dev/null; then
  timedatectl show -p NTP -p NTPSynchronized 2>/dev/null || timedatectl status --no-pager
fi
found=
for file in /proc/[0-9]*/comm; do
  read -r name <"$file"
  case "$name" in chronyd|ntpd|systemd-timesyn|openntpd|vmtoolsd|VBoxService) found="$found $name" ;; esac
done 2>/dev/null
echo "daemons=$found"
[ -e /run/systemd/timesync/synchronized ] && echo "timesync=yes"
[ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -e /run/systemd/container ] && echo "container=yes"
exit 0
"""


# A policy goes before the service's own settings. w32tm would tell the state, in the machine's language.
WINDOWS = r"""
$rows = @{}
$now = [System.DateTime]::UtcNow
$epoch = New-Object System.DateTime(1970, 1, 1)
$since = [long] ($now - $epoch).TotalSeconds - 2592000
$service = 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
$policy = 'HKLM:\SOFTWARE\Policies\Microsoft\W32Time\Parameters'
foreach ($name in @('Type', 'NtpServer')) {
  $value = RegistryValue $policy $name
  if ($null -eq $value) {
    $value = RegistryValue $service $name
  }
  $rows[$name] = $value
}
$rows['Win32_ComputerSystem'] = Wmi -Class 'Win32_ComputerSystem' -Properties @('DomainRole')
$properties = 'Name', 'State', 'StartMode'
$where = "Name = 'W32Time' OR Name = 'NTP' OR Name = 'NetTimeSvc' OR Name = 'Dimension4'"
$services = @()
try {
  $services = Wmi -Class 'Win32_Service' -Properties $properties -Where $where
} catch [System.Management.ManagementException] {
  # Not every account is shown services; the events of this one tell enough.
  $services = @()
}
$rows['Win32_Service'] = $services
$filter = "Provider[@Name='Microsoft-Windows-Time-Service']"
$rows['System'] = Events -Log 'System' -Since $since -Filter $filter
$rows
"""


def parse(raw: JSON, source: str, version: int) -> TimeSource:
    if source == "windows":
        return _from_windows(raw)
    report = str(raw)
    values = dict(line.split("=", 1) for line in report.splitlines() if "=" in line)
    if "daemons" not in values:
        raise ValueError("the answer has no end")
    if values.get("program") == "chrony":
        return _from_chrony(report)
    if values.get("program") == "ntp":
        return _from_ntp(report)
    if "NTPSynchronized" in values:
        return TimeSource("systemd", values["NTPSynchronized"] == "yes", values["daemons"].strip())
    if old := re.search(r"NTP synchronized: (yes|no)", report):
        return TimeSource("systemd", old[1] == "yes", values["daemons"].strip())
    if "timesync" in values:
        return TimeSource("systemd", True, "systemd-timesyncd")
    if values.get("container"):
        return TimeSource("container", None)
    daemons = values["daemons"].strip()
    return TimeSource("", None if daemons else False, daemons)


def _from_chrony(report: str) -> TimeSource:
    """`chronyc -c tracking`: id, source, stratum, reference time, system time offset, …, leap status."""
    row = next((line.split(",") for line in report.splitlines() if line.count(",") >= 12), None)
    if row is None:
        raise ValueError("chrony gave no tracking line")
    synchronised = row[13] != "Not synchronised" if len(row) > 13 else row[2] != "0"
    return TimeSource("chrony", synchronised, row[1], float(row[4]))


def _from_ntp(report: str) -> TimeSource:
    """`ntpq -pn`: a `*` marks the peer that is followed; the ninth column is the offset in milliseconds."""
    for line in report.splitlines():
        words = line[1:].split()
        if line.startswith(("*", "o")) and len(words) >= 10:
            return TimeSource("ntp", True, words[0], float(words[8]) / 1000)
    return TimeSource("ntp", False)


# --- Windows ----------------------------------------------------------------------------------

# Events of Microsoft-Windows-Time-Service in the system log. Good: 35 follows a source, 37 gets good time
# from it, 143 is a source itself. Trouble: 24, 29, 47, 129, 130, 131, 134 get no time from a source, 36 not
# for a day, 50 was far off.
GOOD = frozenset({35, 37, 143})
TROUBLE = frozenset({24, 29, 36, 47, 50, 129, 130, 131, 134})

# Win32_ComputerSystem.DomainRole: members of a domain; its controllers may follow another source.
MEMBERS = frozenset({1, 3})
CONTROLLERS = frozenset({4, 5})


def _from_windows(raw: JSON) -> TimeSource:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    kind = text(raw["Type"]).casefold()
    role = number(first(raw, "Win32_ComputerSystem")["DomainRole"])
    services = {text(row["Name"]).casefold(): row for row in rows(raw, "Win32_Service")}
    running = {name for name, row in services.items() if text(row["State"]).casefold() == "running"}
    other = sorted(running - {"w32time"})
    if other and "w32time" not in running:
        return TimeSource(other[0], None)
    if raw["Type"] is None:
        return TimeSource("w32time", None)
    log = event_log(raw["System"])
    troubles = sum(group.count for group in log.groups if group.number in TROUBLE)
    peers = ", ".join(peer.split(",")[0] for peer in text(raw["NtpServer"]).split())
    in_domain = role in MEMBERS | CONTROLLERS
    by_domain = kind in ("nt5ds", "allsync") and in_domain
    by_peers = kind in ("ntp", "allsync") and bool(peers)
    disabled = "w32time" in services and text(services["w32time"]["StartMode"]).casefold() == "disabled"
    if disabled or not (by_domain or by_peers):
        return TimeSource("w32time", False, troubles=troubles)
    stopped = "w32time" in services and "w32time" not in running
    return TimeSource(
        program="w32time",
        synchronised=_state(log.groups, expected_to_run=in_domain, stopped=stopped),
        source="the domain" if by_domain else peers,
        troubles=troubles,
        beside_domain=role in MEMBERS and not by_domain,
    )


def _state(groups: tuple[EventGroup, ...], *, expected_to_run: bool, stopped: bool) -> bool | None:
    """What the newest event says. Outside a domain the service runs once a week: stopped is normal."""
    if stopped and expected_to_run:
        return False
    good = [group.last for group in groups if group.number in GOOD]
    bad = [group.last for group in groups if group.number in TROUBLE]
    if not good and not bad:
        return None
    never = datetime.min.replace(tzinfo=(good or bad)[0].tzinfo)
    return max(good, default=never) > max(bad, default=never)


time_source = Section(
    name="time-source",
    facts=TimeSource,
    collect={
        "posix": Shell(TIME),
        "windows": PowerShell(WINDOWS, timeout_s=40, rights="event-log-reader", cost="medium"),
    },
    parse=parse,
    privacy="name or address of the time source",
)


@dataclass(frozen=True, slots=True)
class SyncLevels:
    offset_s: float = 1.0  # against its own source (IHE Consistent Time: median error below 1 s)
    troubles: int = 30  # complaints of Windows' time service in 30 days: one a day; our own experience


def check_sync(facts: TimeSource, levels: SyncLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"program": Text(facts.program or facts.source or "none")}
    if facts.source:
        evidence["source"] = Text(facts.source)
    if facts.offset_s is not None:
        evidence["offset"] = Duration(facts.offset_s)
    if facts.troubles is not None:
        evidence["troubles"] = Number(facts.troubles)
        yield Metric(name="troubles", value=Number(facts.troubles))
    if facts.synchronised is None:
        reason = (
            "a container has its host's clock"
            if facts.program == "container"
            else "its state is not readable"
        )
        yield NotChecked(reason=f"{facts.source or 'time'}: {reason}")
    elif not facts.synchronised:
        message = "free" if not facts.source else "lost"
        yield Finding(impact=Impact.LIMITED, message=message, evidence=evidence)
    elif facts.offset_s is not None and abs(facts.offset_s) > levels.offset_s:
        yield Finding(
            impact=Impact.LIMITED,
            message="offset",
            evidence={**evidence, "limit": Duration(levels.offset_s)},
            value=Duration(abs(facts.offset_s)),
            worse=Worse.HIGHER,
        )
    elif facts.beside_domain:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="beside", evidence=evidence)
    elif facts.troubles is not None and facts.troubles >= levels.troubles:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="troubled",
            evidence={**evidence, "limit": Number(levels.troubles)},
            value=Number(facts.troubles),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


time_sync = Probe(
    id="host.time-sync",
    title="The clock is set from a time source",
    check=check_sync,
    levels=SyncLevels(),
    messages={
        "free": "The clock is not set from any time source; it will drift.",
        "lost": "{source} is to set the clock, but it is not synchronised at the moment.",
        "offset": "The clock is {offset} away from its own source {source}.",
        "beside": "The machine belongs to a domain, but takes its time from {source}.",
        "troubled": "The time service complained {troubles} times in 30 days about its source ({source}).",
    },
    why="Times of results and orders are compared between machines; logins fail when clocks are far apart.",
    remedy="Let the clock follow the site's time source (chrony, ntpd or systemd-timesyncd; on Windows the "
    "service Windows Time, in a domain from the domain).",
    verify="`timedatectl` or `chronyc tracking` says synchronised; on Windows `w32tm /query /status` names "
    "the source.",
    references=("domain: server.time-source", "IHE Consistent Time"),
)


@dataclass(frozen=True, slots=True)
class SkewLevels:
    off_s: float = 1.0  # IHE Consistent Time
    far_s: float = 60.0  # entries appear in the wrong order to people
    broken_s: float = 300.0  # Kerberos refuses logins (its default)


def check_skew(facts: Reached, levels: SkewLevels, ctx: Context) -> Iterator[Result]:
    if facts.clock_offset_s is None or facts.clock_error_s is None:
        brought = facts.transport == "bundle"
        why = "the answer came as a file" if brought else "the machine did not tell its time"
        yield NotChecked(reason=facts.detail or why, error=facts.error)
        return
    # Only what lies beyond the error bar is certain.
    offset, error = abs(facts.clock_offset_s), abs(facts.clock_error_s)
    certain = max(0.0, offset - error)
    evidence: dict[str, Value] = {"offset": Duration(facts.clock_offset_s), "error": Duration(error)}
    yield Metric(name="offset", value=Duration(facts.clock_offset_s))
    steps = (
        (levels.broken_s, Impact.MAJOR, When.NOW, "broken"),
        (levels.far_s, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "off"),
        (levels.off_s, Impact.LIMITED, When.BEFORE_NEXT_VISIT, "off"),
    )
    for limit, impact, when, message in steps:
        if certain >= limit:
            yield Finding(
                impact=impact,
                when=when,
                message=message,
                evidence={**evidence, "limit": Duration(limit)},
                value=Duration(offset),
                worse=Worse.HIGHER,
            )
            return
    if error > levels.off_s:
        yield NotChecked(reason=f"the clock could be read only to within {error:.0f} s")
        return
    yield Passed(evidence={**evidence, "limit": Duration(levels.off_s)})


clock_skew = Probe(
    id="host.clock-skew",
    title="The clock agrees with the time of the check-up",
    check=check_skew,
    levels=SkewLevels(),
    messages={
        "off": "The clock is {offset} off (measured to within {error}).",
        "broken": "The clock is {offset} off (measured to within {error}): logins may be refused.",
    },
    why="Times of results and orders are compared between machines; beyond five minutes logins fail.",
    remedy="Set the clock from the site's time source, and find out why it was not.",
    verify="The next run measures an offset below one second.",
    references=(
        "domain: workstation.time-skew",
        "IHE Consistent Time",
        "Kerberos: default maximum skew 5 minutes",
    ),
)
