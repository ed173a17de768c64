"""How long the volumes take to answer, on average since the machine's start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Duration,
    ErrorClass,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import Row, number, rows, text


@dataclass(frozen=True, slots=True)
class VolumeSpeed:
    """Requests since the start, and the time that all of them took together; `waiting` requests now."""

    volume: str
    reads: int
    read_s: float
    writes: int
    write_s: float
    waiting: int

    @property
    def mean_read_s(self) -> float:
        return self.read_s / self.reads if self.reads else 0.0

    @property
    def mean_write_s(self) -> float:
        return self.write_s / self.writes if self.writes else 0.0


@dataclass(frozen=True, slots=True)
class VolumeSpeeds:
    volumes: tuple[VolumeSpeed, ...]


# The counters of average times (AvgDisksecPerRead) are of 32 bits and overflow within minutes of work;
# PercentDiskReadTime is the same time in 64 bits, in units of 100 ns.
WINDOWS = Wmi(
    (
        WmiQuery(
            "Win32_PerfRawData_PerfDisk_LogicalDisk",
            (
                "Name",
                "DiskReadsPersec",
                "DiskWritesPersec",
                "PercentDiskReadTime",
                "PercentDiskWriteTime",
                "CurrentDiskQueueLength",
            ),
        ),
    ),
    rights="performance-monitor-user",
    cost="medium",
    sampled=True,
)


def parse(raw: JSON, source: str, version: int) -> VolumeSpeeds:
    found = rows(raw, "Win32_PerfRawData_PerfDisk_LogicalDisk")
    # Volumes without a letter (HarddiskVolume3) are those for starting and recovery; _Total is the sum.
    return VolumeSpeeds(tuple(_volume(row) for row in found if ":" in text(row["Name"])))


def _volume(row: Row) -> VolumeSpeed:
    reads, read_time = number(row["DiskReadsPersec"]), number(row["PercentDiskReadTime"])
    writes, write_time = number(row["DiskWritesPersec"]), number(row["PercentDiskWriteTime"])
    if reads is None or writes is None or read_time is None or write_time is None:
        raise ValueError("a volume lacks a counter")
    if min(reads, writes, read_time, write_time) < 0:
        raise ValueError("a counter is below zero")
    waiting = number(row["CurrentDiskQueueLength"]) or 0
    return VolumeSpeed(text(row["Name"]), reads, read_time / 1e7, writes, write_time / 1e7, waiting)


volume_speeds = Section(
    name="volume-speed",
    facts=VolumeSpeeds,
    collect={"windows": WINDOWS},
    parse=parse,
    privacy="counters by drive letter",
)


@dataclass(frozen=True, slots=True)
class Levels:
    slow_s: float = 0.020  # mean time of a request; above 20 ms is slow for databases (Microsoft, SQL Server)
    bad_s: float = 0.050  # above 50 ms it is a serious bottleneck (the same)
    least_requests: int = 10_000  # fewer say nothing
    impossible_s: float = 5.0  # a counter of requests has overflowed


def check(facts: VolumeSpeeds, levels: Levels, ctx: Context) -> Iterator[Result]:
    if not facts.volumes:
        yield NotChecked(
            reason="the counters of disks were not shown to this account", error=ErrorClass.DENIED
        )
    for one in facts.volumes:
        if one.reads + one.writes < levels.least_requests:
            yield NotApplicable(item=one.volume, reason="hardly used since the start of the machine")
            continue
        slowest = max(one.mean_read_s, one.mean_write_s)
        if slowest >= levels.impossible_s:
            yield NotChecked(
                item=one.volume, reason="the counters make no sense", error=ErrorClass.BAD_OUTPUT
            )
            continue
        yield Metric(name="mean_read", value=Duration(one.mean_read_s), item=one.volume)
        yield Metric(name="mean_write", value=Duration(one.mean_write_s), item=one.volume)
        evidence: dict[str, Value] = {
            "mean_read": Duration(one.mean_read_s),
            "mean_write": Duration(one.mean_write_s),
            "reads": Number(one.reads),
            "writes": Number(one.writes),
            "waiting": Number(one.waiting),
        }
        if slowest < levels.slow_s:
            yield Passed(item=one.volume, evidence={**evidence, "limit": Duration(levels.slow_s)})
            continue
        bad = slowest >= levels.bad_s
        yield Finding(
            impact=Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT if bad else When.LATER,
            message="bad" if bad else "slow",
            item=one.volume,
            evidence={**evidence, "limit": Duration(levels.bad_s if bad else levels.slow_s)},
            value=Duration(slowest),
            worse=Worse.HIGHER,
        )


probe = Probe(
    id="windows.disk-speed",
    title="Volumes answer quickly",
    check=check,
    levels=Levels(),
    messages={
        "slow": "Since its start the machine took {mean_read} to read and {mean_write} to write on {item}.",
        "bad": "Since its start the machine took {mean_read} to read and {mean_write} to write on {item}: "
        "very slow.",
    },
    why="Every user of a database waits for the disk that it lies on.",
    remedy="Find what is busy on the volume (resource monitor); move it, or move the data to a flash disk; "
    "look at the health of disk and controller.",
    verify="After a restart and a week of work the averages lie below the level given.",
    rights="a member of Performance Monitor Users",
    references=("Win32_PerfRawData_PerfDisk_LogicalDisk", "SQL Server: disk latency of 10, 20 and 50 ms"),
)
