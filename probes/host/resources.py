"""Memory and processor: is there enough for the work that this machine does?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
    Probe,
    Psutil,
    Ratio,
    Result,
    Section,
    Shell,
    Step,
    Value,
    When,
    Worse,
    judge,
)


@dataclass(frozen=True, slots=True)
class Resources:
    """`available_bytes` is what programs could still get without swapping; loads are averages over
    1, 5 and 15 minutes; `stalled_ratio` is the share of the last five minutes in which some program
    waited for memory (None on kernels that do not count it)."""

    memory_bytes: int
    available_bytes: int
    swap_bytes: int
    swap_free_bytes: int
    processors: int
    load_1: float
    load_5: float
    load_15: float
    stalled_ratio: float | None = None


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
    return _from_psutil(raw) if source == "local" else _from_proc(str(raw))


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
    collect={"posix": Shell(POSIX), "local": Psutil(read_local)},
    parse=parse,
    privacy="sizes and load numbers",
)


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    scarce: float = 0.10  # share of memory still available: little is left for a busy hour
    short: float = 0.05  # share of memory still available: programs are about to be ended
    swapped: float = 0.50  # share of the swap space in use, counted only while memory is scarce
    stalled: float = 0.10  # share of time that programs waited for memory (kernel's pressure numbers)


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
    },
    why="Without free memory programs move to disk and become slow, or the system ends the largest one: "
    "often the database.",
    remedy="Find the program that holds the most memory; close what is not needed, or add memory.",
    verify="`free -m` in a busy hour shows more memory available than the level given.",
    references=("domain: workstation.memory-pressure (commit > 90 %)", "Linux: admin-guide/psi"),
)


@dataclass(frozen=True, slots=True)
class LoadLevels:
    busy: float = 1.5  # programs ready to run or waiting for a disk, per processor, over 15 minutes
    overloaded: float = 4.0


def check_load(facts: Resources, levels: LoadLevels, ctx: Context) -> Iterator[Result]:
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


cpu_load = Probe(
    id="host.cpu-load",
    title="Processors keep up with the work",
    check=check_load,
    levels=LoadLevels(),
    messages={
        "busy": "For 15 minutes, more programs wanted to run than the {processors} processors could serve: "
        "{load_15} on average."
    },
    why="When programs queue for the processors or the disk, every user of the machine waits.",
    remedy="Find what is busy (`top`, by processor and by disk wait); move or limit it, or add processors.",
    verify="`uptime` in a busy hour shows averages below the level times the number of processors.",
    references=("Linux: proc_loadavg(5)",),
)
