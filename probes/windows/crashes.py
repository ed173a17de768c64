"""Programs and services that crashed or hung in the last thirty days, as Windows' event logs counted them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ntpath import basename

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Step,
    Text,
    Value,
    When,
    Worse,
    judge,
)
from probes.windows.event_log import EventGroup, event_log


@dataclass(frozen=True, slots=True)
class Fault:
    """One program, with the part of it that failed most often ("" for a program that only hung)."""

    program: str
    version: str
    module: str
    crashes: int
    hangs: int
    last_at: datetime

    @property
    def count(self) -> int:
        return self.crashes + self.hangs


@dataclass(frozen=True, slots=True)
class Crashes:
    """Of the last thirty days, most first. `services` are those that ended without having been stopped, by
    the name that Windows shows; `dotnet` are unhandled errors of .NET programs, which crash besides.
    `cut`: there were more than could be read, and only the newest were counted."""

    programs: tuple[Fault, ...]
    services: tuple[tuple[str, int], ...]
    dotnet: int
    cut: bool


# Values 0 of the events are names of programs: 1000 (program, version, time, module, ...) and 1002
# (program, version, ...) of the Application log, 7031 and 7034 (service, ...) of the System log. That of
# 1026 is a text with whatever the program was doing: it is only counted.
WINDOWS = """
$now = ([System.DateTime]::UtcNow - (New-Object System.DateTime(1970, 1, 1))).TotalSeconds
$since = [long] ($now - 30 * 86400)
$faults = "(Provider[@Name='Application Error'] and EventID=1000)"
$hangs = "(Provider[@Name='Application Hang'] and EventID=1002)"
$dotnet = "(Provider[@Name='.NET Runtime'] and EventID=1026)"
$services = "(Provider[@Name='Service Control Manager'] and (EventID=7031 or EventID=7034))"
$answers = @{
  'faults' = Events -Log 'Application' -Since $since -Filter $faults -Fields 0, 1, 3
  'hangs' = Events -Log 'Application' -Since $since -Filter $hangs -Fields 0, 1
  'dotnet' = Events -Log 'Application' -Since $since -Filter $dotnet
  'services' = Events -Log 'System' -Since $since -Filter $services -Fields 0
}
foreach ($name in 'faults', 'services') {
  $log = $answers[$name]
  if ($null -eq $log['oldest']) {
    Partial ('the log ' + $log['log'] + ' is empty')
  } else {
    $begins = ($log['oldest'].ToUniversalTime() - (New-Object System.DateTime(1970, 1, 1))).TotalSeconds
    if ($begins -gt $since + 3600) {
      Partial ('the log ' + $log['log'] + ' does not reach back thirty days')
    }
  }
}
$answers
"""


def parse(raw: JSON, source: str, version: int) -> Crashes:
    if not isinstance(raw, dict):
        raise ValueError("not the events of the logs")
    faults, hangs, services = (event_log(raw[name]) for name in ("faults", "hangs", "services"))
    by_program: dict[str, tuple[list[EventGroup], list[EventGroup]]] = {}
    for place, log in enumerate((faults, hangs)):
        for group in log.groups:
            by_program.setdefault(_field(group, 0).lower(), ([], []))[place].append(group)
    ended: Counter[str] = Counter()
    for group in services.groups:
        ended[_field(group, 0)] += group.count
    programs = [_fault(*groups) for groups in by_program.values()]
    return Crashes(
        programs=tuple(sorted(programs, key=lambda one: (-one.count, one.program))),
        services=tuple(ended.most_common()),
        dotnet=_count(event_log(raw["dotnet"]).groups),
        cut=faults.cut or hangs.cut or services.cut,
    )


def _field(group: EventGroup, place: int) -> str:
    """The name of a program, never the folder it came from."""
    given = group.fields[place] if place < len(group.fields) else ""
    return basename(given) or "(not named)"


def _count(groups: Iterable[EventGroup]) -> int:
    return sum(group.count for group in groups)


def _fault(faults: Sequence[EventGroup], hangs: Sequence[EventGroup]) -> Fault:
    modules: Counter[str] = Counter()
    for group in faults:
        modules[_field(group, 2)] += group.count
    newest = max((*faults, *hangs), key=lambda group: group.last)
    return Fault(
        program=_field(newest, 0),
        version=_field(newest, 1),
        module=modules.most_common(1)[0][0] if modules else "",
        crashes=_count(faults),
        hangs=_count(hangs),
        last_at=newest.last,
    )


crashes = Section(
    name="crashes",
    facts=Crashes,
    collect={"windows": PowerShell(WINDOWS, timeout_s=60, rights="event-log-reader", cost="medium")},
    parse=parse,
    parameters={
        "applications": Parameter(
            "texts", (), "paths of the executables and front ends that this machine uses"
        )
    },
    privacy="names and versions of programs, modules and services that crashed; numbers and times",
)


# --- the programs that the site lives by ------------------------------------------------------

ACCESS = "msaccess.exe"


@dataclass(frozen=True, slots=True)
class OwnLevels:
    few: int = 3  # crashes and hangs of one program in 30 days (domain: workstation.app-crashes)
    many: int = 10


def check_own(facts: Crashes, levels: OwnLevels, ctx: Context) -> Iterator[Result]:
    ours = _our_programs(ctx)
    for program in ours:
        fault = next((one for one in facts.programs if one.program.lower() == program), None)
        if fault is None and facts.cut:
            yield NotChecked(item=program, reason="there were too many crashes to count them all")
            continue
        yield from judge(
            "crashes",
            Number(fault.count if fault else 0, "in 30 days"),
            (
                Step(levels.many, Impact.MAJOR),
                Step(levels.few, Impact.LIMITED),
            ),
            worse=Worse.HIGHER,
            message="crashes",
            item=program,
            evidence=_evidence(fault) if fault else None,
        )


def _our_programs(ctx: Context) -> tuple[str, ...]:
    """Access, which runs the front ends, and the executables that the site file names."""
    given = ctx.target.declare.get("applications", ())
    paths = given if isinstance(given, tuple) else (str(given),)
    names = [basename(path).lower() for path in paths]
    return tuple(dict.fromkeys((ACCESS, *(name for name in names if name.endswith(".exe")))))


def _evidence(fault: Fault) -> dict[str, Value]:
    return {
        "hangs": Number(fault.hangs),
        "version": Text(fault.version),
        "module": Text(fault.module or "none: it hung"),
        "last": Instant(fault.last_at),
    }


own_crashes = Probe(
    id="workstation.app-crashes",
    title="The programs of the daily work run without crashing",
    check=check_own,
    levels=OwnLevels(),
    messages={"crashes": "{item} crashed or hung {crashes}, most often in {module}."},
    why="Each crash costs the work since the last save; one in the middle of writing can damage a database.",
    remedy="Install the update of the program, repair the Office installation if Access is named, and look "
    "for the cause in the module named; move a front end from a network drive to the machine.",
    verify="The Reliability Monitor (`perfmon /rel`) shows no new failure of the program in the next weeks.",
    rights="membership in Event Log Readers",
    references=("domain: workstation.app-crashes",),
)


# --- everything else --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OtherLevels:
    programs: int = 10  # crashes and hangs of one program in 30 days, every third day
    services: int = 3  # times that one service ended by itself in 30 days (as for our own programs)


def check_others(facts: Crashes, levels: OtherLevels, ctx: Context) -> Iterator[Result]:
    ours = _our_programs(ctx)
    others = [fault for fault in facts.programs if fault.program.lower() not in ours]
    total = sum(fault.count for fault in others)
    yield Metric(name="crashes", value=Number(total, "in 30 days"))
    found = False
    for fault in others[:50]:
        if fault.count >= levels.programs:
            found = True
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="program",
                item=fault.program,
                evidence={"crashes": Number(fault.count, "in 30 days"), **_evidence(fault)},
                value=Number(fault.count, "in 30 days"),
                worse=Worse.HIGHER,
            )
    for name, count in facts.services[:50]:
        if count >= levels.services:
            found = True
            yield Finding(
                impact=Impact.LIMITED,
                message="service",
                item=f"service {name}",
                evidence={"crashes": Number(count, "in 30 days")},
                value=Number(count, "in 30 days"),
                worse=Worse.HIGHER,
            )
    if not found and facts.cut:
        yield NotChecked(reason="there were too many crashes to count them all")
    elif not found:
        yield Passed(evidence={"crashes": Number(total), "dotnet": Number(facts.dotnet)})


other_crashes = Probe(
    id="windows.crashes",
    title="Programs and services do not end by themselves",
    check=check_others,
    levels=OtherLevels(),
    messages={
        "program": "{item} crashed or hung {crashes}, most often in {module}.",
        "service": "The {item} ended by itself {crashes}.",
    },
    why="A service that ends by itself leaves its work undone until somebody notices; a program that crashes "
    "every few days often hides a failing driver or disk.",
    remedy="Update or repair the program or service named; where many different programs crash, test memory "
    "and disk.",
    verify="The Reliability Monitor (`perfmon /rel`) shows no new failure of it in the next weeks.",
    rights="membership in Event Log Readers",
    references=("domain: workstation.app-crashes, for other programs",),
)
