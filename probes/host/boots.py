"""When this machine was started, and whether it was shut down properly before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from checkup.api import (
    JSON,
    Context,
    Duration,
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
    Shell,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from probes.host.system import OperatingSystem
from probes.windows.rows import Row, instant, number, rows, text


@dataclass(frozen=True, slots=True)
class UptimeLevels:
    long_days: int = 180  # longer than two cycles of updates: the running kernel lacks their fixes
    windows_days: int = 30  # Windows updates monthly, and each needs a restart (workstation.reboot-pending)


def check_uptime(facts: OperatingSystem, levels: UptimeLevels, ctx: Context) -> Iterator[Result]:
    if facts.uptime_s is None:
        yield NotChecked(reason="the machine does not tell how long it has run")
        return
    windows = facts.distribution.startswith("windows")
    days = levels.windows_days if windows else levels.long_days
    pending = windows and facts.restart_required is True
    yield from judge(
        "uptime",
        Duration(facts.uptime_s),
        (Step(days * 86400, Impact.LIMITED, When.BEFORE_NEXT_VISIT if pending else When.LATER),),
        worse=Worse.HIGHER,
        message="pending" if pending else "long",
    )


uptime = Probe(
    id="host.uptime",
    title="The machine was restarted recently enough",
    check=check_uptime,
    levels=UptimeLevels(),
    messages={
        "long": "The machine has run for {uptime} without a restart.",
        "pending": "The machine has run for {uptime} without a restart, and one is outstanding.",
    },
    why="A machine that never restarts runs an old kernel, and nobody knows whether it would start again.",
    remedy="Plan a restart in the next quiet window, with someone at hand who can reach the machine. On "
    "Windows choose Restart: shutting down may keep the old system (fast startup).",
    verify="`uptime`, on Windows the task manager (Performance), shows a recent start; all services "
    "are back.",
    references=("domain: workstation.reboot-pending",),
)


# --- restarts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    kind: str  # "boot" or "shutdown"
    at: datetime


@dataclass(frozen=True, slots=True)
class Boots:
    """The machine's own record of starts and shutdowns, oldest first.

    `unexpected`: Windows itself says which starts followed no shutdown; `crashes` are those of them that
    a crash of Windows caused. None where the record has to be read for it."""

    records: tuple[Record, ...]
    begins_at: datetime | None
    unexpected: tuple[datetime, ...] | None = None
    crashes: tuple[datetime, ...] = ()

    @property
    def unclean(self) -> tuple[datetime, ...]:
        """Starts that follow a start without a shutdown between them."""
        if self.unexpected is not None:
            return self.unexpected
        return tuple(b.at for a, b in pairwise(self.records) if (a.kind, b.kind) == ("boot", "boot"))


# Named records only, so that no user's login leaves the machine. TZ: old versions print no zone.
BOOTS = """
command -v last >/dev/null || absent "no last command: starts are not recorded in a form that can be read"
[ -e /var/log/wtmp ] || absent "no /var/log/wtmp: starts are not recorded"
[ -r /var/log/wtmp ] || denied "/var/log/wtmp"
TZ=UTC last -xF -n 400 reboot shutdown 2>/dev/null || unsupported "this last command cannot list starts"
"""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOMENT = r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})"


# Kernel-Power 41 and EventLog 6008 are both written at a start without a shutdown before it, 1001 after a
# crash of Windows. The first inserted value of 41 is the crash's number, or 0.
WINDOWS = """
# Windows PowerShell 2.0 loads the classes used below with this command only.
[void](Get-WinEvent -ListLog 'System')
$oldest = OldestEvent 'System'
$providers = @(
  "@Name='Microsoft-Windows-Kernel-Power'",
  "@Name='EventLog'",
  "@Name='Microsoft-Windows-WER-SystemErrorReporting'",
  "@Name='BugCheck'"
)
$condition = 'Provider[' + [string]::Join(' or ', $providers) + ']'
$condition = $condition + ' and (EventID=41 or EventID=6008 or EventID=1001)'
$path = '*[System[' + $condition + ']]'
$query = New-Object System.Diagnostics.Eventing.Reader.EventLogQuery('System', 'LogName', $path)
$query.ReverseDirection = $true
$reader = New-Object System.Diagnostics.Eventing.Reader.EventLogReader($query)
$found = New-Object System.Collections.ArrayList
while ($found.Count -lt 400) {
  $record = $reader.ReadEvent()
  if ($null -eq $record) {
    break
  }
  $code = ''
  if ($record.Id -eq 41 -and $record.Properties.Count -gt 0) {
    $code = [string] $record.Properties[0].Value
  }
  $mark = @{
    'provider' = $record.ProviderName
    'id' = $record.Id
    'at' = $record.TimeCreated
    'code' = $code
  }
  [void]$found.Add($mark)
  $record.Dispose()
}
$reader.Dispose()
@{ 'oldest' = $oldest; 'events' = $found.ToArray() }
"""


def parse_boots(raw: JSON, source: str, version: int) -> Boots:
    if source == "windows":
        return _from_windows(raw)
    records: list[Record] = []
    begins: datetime | None = None
    for line in str(raw).splitlines():
        moment = re.search(MOMENT, line, re.A)
        if moment is None:
            continue
        if line.startswith("reboot ") and "system boot" in line:
            records.append(Record("boot", _instant(moment)))
        elif line.startswith("shutdown ") and "system down" in line:
            records.append(Record("shutdown", _instant(moment)))
        elif " begins " in line:
            begins = _instant(moment)
    if not records and begins is None:
        raise ValueError("neither a start nor the beginning of the record")
    return Boots(tuple(reversed(records)), begins)


# The events of one start are written within this time of each other.
SAME_START = timedelta(minutes=15)

EXPECTED = {
    41: ("microsoft-windows-kernel-power",),
    6008: ("eventlog",),
    1001: ("microsoft-windows-wer-systemerrorreporting", "bugcheck"),
}


def _from_windows(raw: JSON) -> Boots:
    if not isinstance(raw, dict):
        raise ValueError("not the events of a log")
    begins = instant(raw["oldest"])
    marks = sorted(mark for row in rows(raw, "events") if (mark := _mark(row)) is not None)
    starts: list[list[tuple[datetime, bool]]] = []
    for mark in marks:
        if starts and mark[0] - starts[-1][0][0] <= SAME_START:
            starts[-1].append(mark)
        else:
            starts.append([mark])
    return Boots(
        records=(),
        begins_at=begins,
        unexpected=tuple(start[0][0] for start in starts),
        crashes=tuple(start[0][0] for start in starts if any(crash for _, crash in start)),
    )


def _mark(row: Row) -> tuple[datetime, bool] | None:
    """When, and whether it tells of a crash of Windows; None for another program's event of that number."""
    at, event = instant(row["at"]), number(row["id"])
    if at is None or event is None:
        raise ValueError("an event without number or time")
    if text(row["provider"]).lower() not in EXPECTED.get(event, ()):
        return None
    return at, event == 1001 or text(row["code"]) not in ("", "0")


def _instant(moment: re.Match[str]) -> datetime:
    day, hour, minute, second, year = (int(moment[n]) for n in (2, 3, 4, 5, 6))
    return datetime(year, MONTHS.index(moment[1]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)


boots = Section(
    name="boots",
    facts=Boots,
    collect={
        "posix": Shell(BOOTS),
        "windows": PowerShell(WINDOWS, timeout_s=40, rights="event-log-reader", cost="medium"),
    },
    parse=parse_boots,
    privacy="times of starts and shutdowns; no logins",
)


@dataclass(frozen=True, slots=True)
class RestartLevels:
    some: int = 1  # starts without a shutdown before them, since the last visit (server.unexpected-restart)
    many: int = 3
    window_days: int = 180  # looked at where there was no earlier visit
    least_days: int = 7  # a record shorter than this says nothing


def check_restarts(facts: Boots, levels: RestartLevels, ctx: Context) -> Iterator[Result]:
    since = ctx.previous_at or ctx.collected_at - timedelta(days=levels.window_days)
    known = [at for at in (facts.begins_at, *(record.at for record in facts.records)) if at]
    if not known:
        yield NotChecked(reason="the machine's record of its starts is empty")
        return
    begins = min(known)
    seen_from = max(since, begins)
    unclean = [at for at in facts.unclean if at >= since]
    evidence: dict[str, Value] = {"since": Instant(seen_from), "restarts": Number(len(unclean))}
    crashes = [at for at in facts.crashes if at >= since]
    if crashes:
        evidence["crashes"] = Number(len(crashes))
    yield Metric(name="restarts", value=Number(len(unclean)))
    if len(unclean) >= levels.some:
        many = len(unclean) >= levels.many
        yield Finding(
            impact=Impact.MAJOR if many else Impact.LIMITED,
            message="crashed" if crashes else "unclean",
            evidence={
                **evidence,
                "last": Instant(unclean[-1]),
                "limit": Number(levels.many if many else levels.some),
            },
            value=Number(len(unclean)),
            worse=Worse.HIGHER,
        )
    elif ctx.collected_at - seen_from < timedelta(days=levels.least_days) and begins > since:
        yield NotChecked(reason=f"the machine's record of starts begins only on {begins:%Y-%m-%d}")
    else:
        yield Passed(evidence=evidence)


restarts = Probe(
    id="host.restarts",
    title="The machine stops only by a proper shutdown",
    check=check_restarts,
    levels=RestartLevels(),
    messages={
        "unclean": "Starts without a shutdown before them since {since}: {restarts}, the last on {last}.",
        "crashed": "Starts without a shutdown before them since {since}: {restarts}, the last on {last}; "
        "after {crashes} of them Windows reported a crash of its own.",
    },
    why="A machine that loses power or crashes may leave half-written data, and will do so again.",
    remedy="Check power supply and UPS, and test that the UPS shuts the machine down; then look for crashes.",
    verify="`last -x reboot shutdown` shows a shutdown before each new start; on Windows the system log has "
    "no new event 41 or 6008.",
    references=("domain: server.unexpected-restart",),
)
