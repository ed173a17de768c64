"""How long Windows takes to start, and what it waited for. Windows for workstations measures this itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
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
    Worse,
)
from probes.windows.event_log import EventGroup, event_log


@dataclass(frozen=True, slots=True)
class Start:
    """`desktop_s`: until the desktop, without the time that the user took to log in; `ready_s`: until
    the machine was quiet. `after_update`: the first start after updates is slow by design."""

    at: datetime
    ready_s: float
    desktop_s: float
    after_update: bool


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts of the last 90 days, newest first; `slow_things` are programs, drivers, services and
    devices that Windows blames, with how often, most often first. None: it does not measure starts."""

    starts: tuple[Start, ...] | None
    slow_things: tuple[tuple[str, int], ...] = ()


# Event 100: BootTime, MainPathBootTime and BootIsRebootAfterInstall are the inserted values 5, 6 and 20.
# 101 program, 102 driver, 103 service, 109 device: value 2 is its file name.
WINDOWS = """
$log = 'Microsoft-Windows-Diagnostics-Performance/Operational'
$now = [System.DateTime]::UtcNow
$epoch = New-Object System.DateTime(1970, 1, 1)
$since = [long] ($now - $epoch).TotalSeconds - 7776000
$starts = Events -Log $log -Since $since -Filter '(EventID=100)' -Fields @(5, 6, 20) -Optional
$things = $null
if ($null -ne $starts) {
  $filter = '(EventID=101 or EventID=102 or EventID=103 or EventID=109)'
  $things = Events -Log $log -Since $since -Filter $filter -Fields @(2) -Optional
}
@{ 'starts' = $starts; 'things' = $things }
"""

THINGS = {101: "program", 102: "driver", 103: "service", 109: "device"}
MOST_STARTS = 1000


def parse(raw: JSON, source: str, version: int) -> Starts:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    if raw["starts"] is None:
        return Starts(None)
    starts = [_start(group) for group in event_log(raw["starts"]).groups if group.number == 100]
    blamed: dict[str, int] = {}
    for group in event_log(raw["things"]).groups:
        if group.number in THINGS and group.fields:
            name = f"{THINGS[group.number]} {_file_name(group.fields[0])}"
            blamed[name] = blamed.get(name, 0) + group.count
    return Starts(
        starts=tuple(sorted(starts, key=lambda start: start.at, reverse=True)[:MOST_STARTS]),
        slow_things=tuple(sorted(blamed.items(), key=lambda pair: (-pair[1], pair[0]))[:20]),
    )


def _start(group: EventGroup) -> Start:
    ready, desktop, after_update = group.fields
    return Start(group.last, int(ready) / 1000, int(desktop) / 1000, after_update.casefold() == "true")


def _file_name(path: str) -> str:
    return path.replace("/", "\\").rpartition("\\")[2][:60]


starts = Section(
    name="starts",
    facts=Starts,
    collect={"windows": PowerShell(WINDOWS, timeout_s=40, rights="administrator", cost="medium")},
    parse=parse,
    privacy="durations of starts; names of programs, drivers, services and devices",
)


@dataclass(frozen=True, slots=True)
class Levels:
    slow_s: int = 60  # seconds to the desktop; our own experience
    bad_s: int = 180
    least_starts: int = 3  # fewer say nothing
    last_starts: int = 10  # how many of the newest are judged


def check(facts: Starts, levels: Levels, ctx: Context) -> Iterator[Result]:
    if facts.starts is None:
        yield NotApplicable(reason="this Windows does not measure its starts (a server)")
        return
    ordinary = [start for start in facts.starts if not start.after_update][: levels.last_starts]
    if len(ordinary) < levels.least_starts:
        yield NotChecked(reason=f"only {len(ordinary)} starts were measured in 90 days")
        return
    desktop = median(start.desktop_s for start in ordinary)
    evidence: dict[str, Value] = {
        "desktop": Duration(desktop),
        "ready": Duration(median(start.ready_s for start in ordinary)),
        "starts": Number(len(ordinary)),
    }
    if facts.slow_things:
        blamed = ", ".join(f"{name} ({count})" for name, count in facts.slow_things[:5])
        evidence["blamed"] = Text(blamed)
    yield Metric(name="desktop", value=Duration(desktop))
    if desktop < levels.slow_s:
        yield Passed(evidence={**evidence, "limit": Duration(levels.slow_s)})
        return
    bad = desktop >= levels.bad_s
    yield Finding(
        impact=Impact.LIMITED,
        when=When.BEFORE_NEXT_VISIT if bad else When.LATER,
        message="blamed" if facts.slow_things else "slow",
        evidence={**evidence, "limit": Duration(levels.bad_s if bad else levels.slow_s)},
        value=Duration(desktop),
        worse=Worse.HIGHER,
    )


probe = Probe(
    id="windows.boot-speed",
    title="Windows starts within a minute",
    check=check,
    levels=Levels(),
    messages={
        "slow": "Windows takes {desktop} to start (the middle of {starts} starts).",
        "blamed": "Windows takes {desktop} to start (the middle of {starts} starts); it waits for {blamed}.",
    },
    why="A slow start keeps staff waiting every morning, and often tells of a disk or a driver in trouble.",
    remedy="Remove or delay what Windows waits for; look at the disk's health and speed; give it a "
    "flash disk.",
    verify="After some starts the event log Diagnostics-Performance, event 100, shows shorter times.",
    rights="an administrator",
    references=("Microsoft-Windows-Diagnostics-Performance/Operational, events 100 to 110",),
)
