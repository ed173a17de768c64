"""Memory and processor: is there enough for the work that this machine does?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psutil

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Passed,
    PowerShell,
    Probe,
    Psutil,
    Ratio,
    Result,
    Section,
    Shell,
    Step,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.windows.rows import Row, first, number, rows, rows_or_none


@dataclass(frozen=True, slots=True)
class Resources:
    """`available_bytes` is what programs could still get without swapping; loads are averages over
    1, 5 and 15 minutes (None on Windows, which has none); `stalled_ratio` is the share of the last five
    minutes in which some program waited for memory (None on kernels that do not count it).

    On Windows only: `committed_ratio` is how much of all the memory that can be promised to programs is
    promised, `busy_ratios` are shares of the processors' time in short samples, `busy_since_start_ratio`
    in all the time that the machine was awake."""

    memory_bytes: int
    available_bytes: int
    swap_bytes: int
    swap_free_bytes: int
    processors: int
    load_1: float | None
    load_5: float | None
    load_15: float | None
    stalled_ratio: float | None = None
    committed_ratio: float | None = None
    busy_ratios: tuple[float, ...] = ()
    busy_since_start_ratio: float | None = None


# Kernel files only. A container shows its host's numbers here, as its programs see them.
POSIX = """
[ -r /proc/meminfo ] || unsupported "no /proc/meminfo on this system"
cat /proc/meminfo
read -r loads </proc/loadavg && echo "loads: $loads"
read -r online </sys/devices/system/cpu/online && echo "online: $online"
grep -c '^processor' /proc/cpuinfo 2>/dev/null
[ -r /proc/pressure/memory ] && read -r some </proc/pressure/memory && echo "stalled: $some"
exit 0
"""


SYSTEM = ("TotalVisibleMemorySize", "FreePhysicalMemory", "TotalVirtualMemorySize", "FreeVirtualMemory")
PAGE_FILES = ("AllocatedBaseSize", "CurrentUsage")

# The raw class counts since the start: the difference of two answers is what happened between them. Five
# spans, because this batch itself makes the first ones busy.
WINDOWS = """
$rows = @{}
$properties = 'TotalVisibleMemorySize', 'FreePhysicalMemory', 'TotalVirtualMemorySize', 'FreeVirtualMemory'
$rows['Win32_OperatingSystem'] = Wmi -Class 'Win32_OperatingSystem' -Properties $properties
$properties = 'AllocatedBaseSize', 'CurrentUsage'
$rows['Win32_PageFileUsage'] = Wmi -Class 'Win32_PageFileUsage' -Properties $properties
$properties = @('NumberOfLogicalProcessors')
$rows['Win32_ComputerSystem'] = Wmi -Class 'Win32_ComputerSystem' -Properties $properties
$class = 'Win32_PerfRawData_PerfOS_Processor'
$properties = 'PercentUserTime', 'PercentPrivilegedTime', 'PercentIdleTime'
$samples = New-Object System.Collections.ArrayList
try {
  for ($n = 0; $n -lt 6; $n++) {
    if ($n -gt 0) {
      Start-Sleep -Milliseconds 600
    }
    $found = Wmi -Class $class -Properties $properties -Where "Name = '_Total'" -Optional
    if ($null -ne $found) {
      foreach ($row in $found) {
        [void]$samples.Add($row)
      }
    }
  }
} catch [System.Management.ManagementException] {
  # The reader of these rows reports that the processors could not be watched.
  $samples.Clear()
}
$rows[$class] = $samples.ToArray()
$rows
"""

CIM = Wmi(
    (
        WmiQuery("Win32_OperatingSystem", SYSTEM),
        WmiQuery("Win32_PageFileUsage", PAGE_FILES),
        WmiQuery("Win32_ComputerSystem", ("NumberOfLogicalProcessors",)),
    ),
)


def read_local() -> JSON:
    memory = psutil.virtual_memory()
    swap = psutil.swap_memory()
    loads = psutil.getloadavg()
    return {
        "memory": [memory.total, memory.available],
        "swap": [swap.total, swap.free],
        "processors": psutil.cpu_count(),
        "loads": list(loads),
    }


def parse(raw: JSON, source: str, version: int) -> Resources:
    if source in ("windows", "cim"):
        return _from_windows(raw)
    return _from_psutil(raw) if source == "local" else _from_proc(str(raw))


def _from_windows(raw: JSON) -> Resources:
    system = first(raw, "Win32_OperatingSystem")
    files = rows(raw, "Win32_PageFileUsage")
    promised, unpromised = _kib(system, "TotalVirtualMemorySize"), _kib(system, "FreeVirtualMemory")
    samples = [_times(row) for row in rows_or_none(raw, "Win32_PerfRawData_PerfOS_Processor") or []]
    shares = [_busy(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(samples)]
    return Resources(
        memory_bytes=_kib(system, "TotalVisibleMemorySize"),
        available_bytes=_kib(system, "FreePhysicalMemory"),
        swap_bytes=sum((number(row["AllocatedBaseSize"]) or 0) for row in files) * 1024**2,
        swap_free_bytes=sum(
            (number(row["AllocatedBaseSize"]) or 0) - (number(row["CurrentUsage"]) or 0) for row in files
        )
        * 1024**2,
        processors=max(1, number(first(raw, "Win32_ComputerSystem")["NumberOfLogicalProcessors"]) or 1),
        load_1=None,
        load_5=None,
        load_15=None,
        committed_ratio=1 - unpromised / promised if promised > 0 else None,
        busy_ratios=tuple(share for share in shares if share is not None),
        busy_since_start_ratio=_busy(*samples[0]) if samples else None,
    )


def _kib(row: Row, name: str) -> int:
    return (number(row[name]) or 0) * 1024


def _times(row: Row) -> tuple[int, int]:
    """Busy and idle time so far, in units of 100 ns. Neither grows while the machine sleeps."""
    user, system = number(row["PercentUserTime"]), number(row["PercentPrivilegedTime"])
    idle = number(row["PercentIdleTime"])
    if user is None or system is None or idle is None:
        raise ValueError("a sample of the processors lacks a number")
    return user + system, idle


def _busy(busy: int, idle: int) -> float | None:
    """None where no time has passed, or a counter went back: that says nothing."""
    return busy / (busy + idle) if busy >= 0 and idle >= 0 and busy + idle > 0 else None


def _from_psutil(raw: Any) -> Resources:
    memory, available = raw["memory"]
    swap, swap_free = raw["swap"]
    return Resources(memory, available, swap, swap_free, int(raw["processors"] or 1), *raw["loads"])


def _from_proc(text: str) -> Resources:
    kib = {m[1]: int(m[2]) * 1024 for m in re.finditer(r"^(\w+):\s+(\d{1,15}) kB$", text, re.M | re.A)}
    loads = re.search(r"^loads: ([\d.]{1,12}) ([\d.]{1,12}) ([\d.]{1,12})", text, re.M | re.A)
    if loads is None:
        raise ValueError("no load averages")
    # Kernels before 3.14 do not say what is available; free and cached memory comes near.
    rough = kib["MemFree"] + kib.get("Buffers", 0) + kib.get("Cached", 0)
    stalled = re.search(r"^stalled: some .*avg300=([\d.]{1,8})", text, re.M | re.A)
    return Resources(
        memory_bytes=kib["MemTotal"],
        available_bytes=kib.get("MemAvailable", rough),
        swap_bytes=kib.get("SwapTotal", 0),
        swap_free_bytes=kib.get("SwapFree", 0),
        processors=_processors(text),
        load_1=float(loads[1]),
        load_5=float(loads[2]),
        load_15=float(loads[3]),
        stalled_ratio=float(stalled[1]) / 100 if stalled else None,
    )


def _processors(text: str) -> int:
    """`online: 0-3,6` counts five; without it, the processors that /proc/cpuinfo lists."""
    if online := re.search(r"^online: ([\d,-]{1,200})$", text, re.M | re.A):
        ranges = [part.split("-") for part in online[1].split(",")]
        return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)
    if counted := re.search(r"^(\d{1,5})$", text, re.M | re.A):
        return max(1, int(counted[1]))
    raise ValueError("no number of processors")


resources = Section(
    name="resources",
    facts=Resources,
    collect={
        "posix": Shell(POSIX),
        "local": Psutil(read_local),
        "windows": PowerShell(WINDOWS, timeout_s=40, rights="performance-monitor-user", cost="medium"),
        "cim": CIM,
    },
    parse=parse,
    privacy="sizes and load numbers",
)


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    scarce: float = 0.10  # share of memory still available: little is left for a busy hour
    short: float = 0.05  # share of memory still available: programs are about to be ended
    swapped: float = 0.50  # share of the swap space in use, counted only while memory is scarce
    stalled: float = 0.10  # share of time that programs waited for memory (kernel's pressure numbers)
    committed: float = 0.90  # share of the memory that Windows can promise (workstation.memory-pressure)
    exhausted: float = 0.97  # share of it at which programs are about to be refused memory


def check_memory(facts: Resources, levels: MemoryLevels, ctx: Context) -> Iterator[Result]:
    if facts.memory_bytes <= 0:
        yield NotChecked(reason="the machine gives no size of its memory")
        return
    swap_used = facts.swap_bytes - facts.swap_free_bytes
    available = facts.available_bytes / facts.memory_bytes
    evidence: dict[str, Value] = {
        "free": Bytes(facts.available_bytes),
        "memory": Bytes(facts.memory_bytes),
        "swap_used": Bytes(max(0, swap_used)),
    }
    if facts.stalled_ratio is not None:
        evidence["stalled"] = Ratio(facts.stalled_ratio)
        if facts.stalled_ratio >= levels.stalled and available > levels.short:
            yield Metric(name="available", value=Ratio(available))
            yield Finding(
                impact=Impact.LIMITED,
                message="stalled",
                evidence={**evidence, "available": Ratio(available), "limit": Ratio(levels.stalled)},
                value=Ratio(facts.stalled_ratio),
                worse=Worse.HIGHER,
            )
            return
    if facts.committed_ratio is not None:
        evidence["committed"] = Ratio(facts.committed_ratio)
        yield Metric(name="committed", value=Ratio(facts.committed_ratio))
        if facts.committed_ratio >= levels.committed and available > levels.short:
            exhausted = facts.committed_ratio >= levels.exhausted
            yield Metric(name="available", value=Ratio(available))
            yield Finding(
                impact=Impact.MAJOR if exhausted else Impact.LIMITED,
                message="committed",
                evidence={
                    **evidence,
                    "available": Ratio(available),
                    "limit": Ratio(levels.exhausted if exhausted else levels.committed),
                },
                value=Ratio(facts.committed_ratio),
                worse=Worse.HIGHER,
            )
            return
    swapping = facts.swap_bytes > 0 and swap_used / facts.swap_bytes >= levels.swapped
    yield from judge(
        "available",
        Ratio(available),
        (
            Step(levels.short, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "swapping" if swapping else ""),
            Step(levels.scarce, Impact.LIMITED, When.LATER, "swapping" if swapping else ""),
        ),
        worse=Worse.LOWER,
        message="scarce",
        evidence=evidence,
    )


memory = Probe(
    id="host.memory",
    title="Memory suffices for the work of this machine",
    check=check_memory,
    levels=MemoryLevels(),
    messages={
        "scarce": "Only {free} of {memory} memory is available ({available}).",
        "swapping": "Only {free} of {memory} memory is available, and {swap_used} has moved to disk.",
        "stalled": "Programs waited for memory during {stalled} of the last minutes; {free} is available.",
        "committed": "{committed} of the memory and page file that Windows can give to programs is promised.",
    },
    why="Without free memory programs move to disk and become slow, or the system ends the largest one: "
    "often the database.",
    remedy="Find the program that holds the most memory; close what is not needed, or add memory.",
    verify="`free -m`, on Windows the task manager, shows in a busy hour more memory available than the "
    "level given.",
    references=("domain: workstation.memory-pressure (commit > 90 %)", "Linux: admin-guide/psi"),
)


@dataclass(frozen=True, slots=True)
class LoadLevels:
    busy: float = 1.5  # programs ready to run or waiting for a disk, per processor, over 15 minutes
    overloaded: float = 4.0
    busy_now: float = 0.90  # share of the processors' time in every sample (Windows); our own experience
    busy_always: float = 0.60  # share since the machine's start (Windows): busy hours are well above it


def check_load(facts: Resources, levels: LoadLevels, ctx: Context) -> Iterator[Result]:
    if facts.load_1 is None or facts.load_5 is None or facts.load_15 is None:
        yield from _check_busy(facts, levels)
        return
    processors = max(1, facts.processors)
    per_processor = (facts.load_1 / processors, facts.load_5 / processors, facts.load_15 / processors)
    yield Metric(name="load", value=Number(per_processor[2], "per processor"))
    # One busy minute is no finding: all three averages must lie beyond the level.
    lasting = min(per_processor)
    evidence = {
        "load_1": Number(per_processor[0], "per processor"),
        "load_5": Number(per_processor[1], "per processor"),
        "load_15": Number(per_processor[2], "per processor"),
        "processors": Number(processors),
    }
    if lasting < levels.busy:
        yield Passed(evidence=evidence)
        return
    overloaded = lasting >= levels.overloaded
    yield Finding(
        impact=Impact.MAJOR if overloaded else Impact.LIMITED,
        when=When.BEFORE_NEXT_VISIT if overloaded else When.LATER,
        message="busy",
        evidence={**evidence, "limit": Number(levels.overloaded if overloaded else levels.busy)},
        value=Number(lasting, "per processor"),
        worse=Worse.HIGHER,
    )


def _check_busy(facts: Resources, levels: LoadLevels) -> Iterator[Result]:
    """Windows counts no waiting programs over time, but the time that its processors worked."""
    since_start = facts.busy_since_start_ratio
    if since_start is None or not facts.busy_ratios:
        yield NotChecked(reason="how busy the processors are could not be seen")
        return
    yield Metric(name="busy_since_start", value=Ratio(since_start))
    # The check-up itself is work: only what is busy in every sample, its quiet moments included, counts.
    lasting = min(facts.busy_ratios)
    evidence: dict[str, Value] = {
        "busy_now": Ratio(lasting),
        "busy_since_start": Ratio(since_start),
        "processors": Number(facts.processors),
    }
    if since_start >= levels.busy_always:
        message, limit, share = "always", levels.busy_always, since_start
    elif lasting >= levels.busy_now:
        message, limit, share = "busy_now", levels.busy_now, lasting
    else:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED,
        when=When.LATER,
        message=message,
        evidence={**evidence, "limit": Ratio(limit)},
        value=Ratio(share),
        worse=Worse.HIGHER,
    )


cpu_load = Probe(
    id="host.cpu-load",
    title="Processors keep up with the work",
    check=check_load,
    levels=LoadLevels(),
    messages={
        "busy": "For 15 minutes, more programs wanted to run than the {processors} processors could serve: "
        "{load_15} on average.",
        "busy_now": "The {processors} processors had no quiet moment while we looked: at least {busy_now} in "
        "use.",
        "always": "On average since its start, {busy_since_start} of the {processors} processors was in use.",
    },
    why="When programs queue for the processors or the disk, every user of the machine waits.",
    remedy="Find what is busy (`top`, on Windows the task manager, by processor and by disk); move or limit "
    "it, or add processors.",
    verify="In a busy hour the averages of `uptime` stay below the level times the number of processors; on "
    "Windows the task manager shows the processors idle now and then.",
    references=("Linux: proc_loadavg(5)", "Windows: Win32_PerfRawData_PerfOS_Processor"),
)
