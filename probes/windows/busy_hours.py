"""How hard a Windows machine works while people do: processors, memory, disks; made of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Duration,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Number,
    Probe,
    Ratio,
    Result,
    Section,
    Step,
    Visit,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.sampling.intervals import Interval, intervals, mean, names, peak, usable, watched
from probes.sampling.series import LEAST_SAMPLES, Series, series_of, too_short
from probes.windows.disk_speed import VolumeSpeeds, volume_speeds
from probes.windows.rows import first, number

RIGHTS = "a member of Performance Monitor Users"
_TUNE_UP = frozenset({Visit.TUNE_UP})
_VERIFY = "`checkup sample` at the same hour of another week, then a tune-up: the value is within the level."

_PROCESSOR = "Win32_PerfRawData_PerfOS_Processor"
_MEMORY = "Win32_PerfRawData_PerfOS_Memory"


@dataclass(frozen=True, slots=True)
class Load:
    """Time of the processors since the start, in which they worked and in which they did nothing; memory at
    the moment, and pages read back from disk since the start."""

    working_s: float
    idle_s: float
    available_bytes: int
    paged_in: int


_TIMES = ("PercentUserTime", "PercentPrivilegedTime", "PercentIdleTime")  # in units of 100 ns

load = Section(
    name="windows-load",
    facts=Load,
    collect={
        "windows": Wmi(
            (
                WmiQuery(_PROCESSOR, _TIMES, where="Name = '_Total'"),
                WmiQuery(_MEMORY, ("AvailableBytes", "PagesInputPersec")),
            ),
            rights="performance-monitor-user",
            cost="medium",
            sampled=True,
        )
    },
    parse=lambda raw, source, version: _load(raw),
    privacy="counters of processor and memory",
)


def _load(raw: JSON) -> Load:
    processor, memory = first(raw, _PROCESSOR), first(raw, _MEMORY)
    user, privileged, idle = (number(processor[name]) for name in _TIMES)
    available, paged = number(memory["AvailableBytes"]), number(memory["PagesInputPersec"])
    if user is None or privileged is None or idle is None or available is None or paged is None:
        raise ValueError("a counter is not there")
    return Load((user + privileged) / 1e7, idle / 1e7, available, paged)


class SampledLoad(Series[Load]):
    pass


class SampledVolumeSpeeds(Series[VolumeSpeeds]):
    pass


sampled_load = series_of(load, SampledLoad)
sampled_volume_speeds = series_of(volume_speeds, SampledVolumeSpeeds)


# --- processors -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProcessorLevels:
    full: float = 0.90  # of the processors, in 19 of 20 intervals: work queues; our own experience
    busy: float = 0.80  # Microsoft's usual advice for servers
    least_minutes: float = 15.0  # shorter is no busy hour


def _clocks(facts: Load) -> dict[str, tuple[float, ...]]:
    return {"all": (facts.working_s, facts.idle_s, float(facts.paged_in))}


def _busy(one: Interval) -> float | None:
    counted = one.counted.get("all")
    if counted is None or counted[0] + counted[1] <= 0:
        return None
    return counted[0] / (counted[0] + counted[1])


def check_processors(facts: SampledLoad, levels: ProcessorLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = intervals(facts, _clocks)
    most = peak(usable(found), _busy)
    if most is None:
        yield NotChecked(reason="the machine was started anew between all samples")
        return
    yield from judge(
        "share",
        Ratio(round(most.p95, 3)),
        (Step(levels.full, Impact.LIMITED), Step(levels.busy, Impact.NOTE, When.LATER)),
        worse=Worse.HIGHER,
        message="busy",
        evidence={**watched(facts, found), "peak": Ratio(round(most.value, 3)), "at": Instant(most.at)},
    )


busy_processors = Probe(
    id="windows.busy-processors",
    title="In a busy hour the machine's processors have room",
    check=check_processors,
    levels=ProcessorLevels(),
    visits=_TUNE_UP,
    messages={
        "busy": "The processors were taken up to {share} in 19 of 20 intervals between samples, and {peak} "
        "at {at}."
    },
    why="When the processors are taken, every program on the machine waits its turn.",
    remedy=(
        "Look in the task manager, at the same hour, which program takes the time. Move back-ups, virus "
        "scans and updates out of busy hours; if it is the work itself, the machine needs more or faster "
        "processors. Gain: shorter waits at peak times. The way back: the old hours."
    ),
    verify=_VERIFY,
    rights=RIGHTS,
    references=("Win32_PerfRawData_PerfOS_Processor",),
)


# --- memory -----------------------------------------------------------------------------------

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    least_mib: float = 200.0  # available; below it Windows writes memory to disk; our own experience
    low_mib: float = 500.0  # our own experience
    least_minutes: float = 15.0  # shorter is no busy hour


def check_memory(facts: SampledLoad, levels: MemoryLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    least = min(facts.samples, key=lambda one: one.facts.available_bytes)
    found = intervals(facts, _clocks)
    paged = peak(usable(found), lambda one: one.counted["all"][2] / one.seconds if one.counted else None)
    yield from judge(
        "available",
        Bytes(least.facts.available_bytes),
        (Step(levels.least_mib * MIB, Impact.LIMITED), Step(levels.low_mib * MIB, Impact.NOTE, When.LATER)),
        worse=Worse.LOWER,
        message="low",
        evidence={
            **watched(facts, found),
            "at": Instant(least.at),
            "paged": Number(round(paged.value, 1) if paged else 0.0, "pages a second"),
        },
    )


busy_memory = Probe(
    id="windows.busy-memory",
    title="In a busy hour the machine has free memory",
    check=check_memory,
    levels=MemoryLevels(),
    visits=_TUNE_UP,
    messages={
        "low": "At {at} only {available} of memory were left; up to {paged} were read back from the disk."
    },
    why="Short of memory Windows writes programs to the disk and reads them back: all gets slow at once.",
    remedy=(
        "Look in the task manager, at the same hour, which programs hold the memory, and end those that "
        "are not needed there. Where a database server runs on it, limit what that may take. If all of it is "
        "needed, add memory. The way back: the old limit."
    ),
    verify=_VERIFY,
    rights=RIGHTS,
    references=("Win32_PerfRawData_PerfOS_Memory",),
)


# --- disks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiskLevels:
    slow_s: float = 0.020  # of a request, in 19 of 20 intervals; as windows.disk-speed has it for averages
    bad_s: float = 0.050  # the same
    least_requests: int = 100  # in an interval; fewer are no average of it
    least_minutes: float = 15.0  # shorter is no busy hour


def _speeds(facts: VolumeSpeeds) -> dict[str, tuple[float, ...]]:
    return {one.volume: (one.reads, one.read_s, one.writes, one.write_s) for one in facts.volumes}


def check_disks(facts: SampledVolumeSpeeds, levels: DiskLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = intervals(facts, _speeds)
    good = usable(found)
    looked = False
    for name in sorted(names(good)):
        for part, what in ((0, "reads"), (2, "writes")):
            of = mean(name, part, levels.least_requests)
            worst = peak(good, of)
            busy = sum(of(one) is not None for one in good)
            if worst is None or busy < LEAST_SAMPLES - 1:
                continue
            looked = True
            yield from judge(
                "latency",
                Duration(round(worst.p95, 4)),
                (Step(levels.bad_s, Impact.LIMITED), Step(levels.slow_s, Impact.NOTE, When.LATER)),
                worse=Worse.HIGHER,
                message="slow",
                item=f"{name} {what}",
                evidence={
                    **watched(facts, found),
                    "worst": Duration(round(worst.value, 4)),
                    "at": Instant(worst.at),
                    "intervals": Number(busy),
                },
            )
    if not looked:
        yield NotApplicable(
            reason=f"no volume was read or written {levels.least_requests} times between two samples"
        )


busy_disks = Probe(
    id="windows.busy-disks",
    title="In a busy hour volumes answer quickly",
    check=check_disks,
    levels=DiskLevels(),
    visits=_TUNE_UP,
    messages={"slow": "{item} took up to {latency} each in 19 of 20 intervals, and {worst} at {at}."},
    why="What is slow only while everybody works is hidden in an average over nights and weekends.",
    remedy=(
        "Find what was busy on the volume at the time named (resource monitor: back-ups, virus scans, "
        "copies) and move it; or move the data to a flash disk. Look at the health of disk and controller. "
        "Gain: quicker screens at peak times. The way back: the old hours."
    ),
    verify=_VERIFY,
    rights=RIGHTS,
    references=("Win32_PerfRawData_PerfDisk_LogicalDisk", "SQL Server: disk latency of 10, 20 and 50 ms"),
)
