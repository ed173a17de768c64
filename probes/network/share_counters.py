"""Counters that Windows keeps for every share, as a file server and as its client: how long requests took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import JSON, Impact, NotChecked, Number, Result, Step, Value, Wmi, WmiQuery, Worse, judge
from probes.windows.rows import Row, number, rows, text

# A request's own counters "Avg. sec/Read" are 32 bits wide and turn over every seven minutes of waiting. The
# queue length is the same sum of waiting in 64 bits: the number waiting, added up over time. It counts in
# units of 100 ns or of the performance counter; where that ticks every 100 ns the two are one.
PROPERTIES = (
    "Name",
    "Frequency_PerfTime",
    "AvgReadQueueLength",
    "AvgWriteQueueLength",
    "ReadRequestsPersec",
    "WriteRequestsPersec",
)
TICKS = 10_000_000  # a second

# Queues of named pipes and the drives' hidden shares are no files that people wait for.
NO_DATA = ("_total", "ipc$", "print$")


# Whoever may not read counters is shown none, as if no share were in use. One that is always there tells.
ALWAYS_THERE = WmiQuery("Win32_PerfRawData_PerfOS_System", ("SystemUpTime",))


def collector(wmi_class: str) -> Wmi:
    """Windows 7 and Server 2008 R2 have no such class; there the section is unsupported."""
    return Wmi((WmiQuery(wmi_class, PROPERTIES), ALWAYS_THERE), rights="performance-monitor-user")


@dataclass(frozen=True, slots=True)
class ShareSpeed:
    """Since the share was first used after the start. The times are means; None where there was no request,
    or where the unit of this Windows' counters is not certain (`certain` is False then)."""

    server: str
    share: str
    reads: int
    writes: int
    read_ms: float | None
    write_ms: float | None
    certain: bool


def parse_shares(raw: JSON, wmi_class: str) -> tuple[ShareSpeed, ...]:
    """The shares of a class of SMB counters; ValueError where the account sees no counters at all."""
    if not rows(raw, ALWAYS_THERE.wmi_class):
        raise ValueError("no counters are visible to this account")
    found = (_speed(row) for row in rows(raw, wmi_class))
    return tuple(one for one in found if one.share.lower() not in NO_DATA and one.share[1:] != "$")


def _speed(row: Row) -> ShareSpeed:
    # Instances are called \server\share; of a server's own shares the first part may be an asterisk.
    parts = [part for part in text(row["Name"]).split("\\") if part]
    server, share = (parts[0], parts[-1]) if len(parts) > 1 else ("", "".join(parts))
    reads, writes = number(row["ReadRequestsPersec"]) or 0, number(row["WriteRequestsPersec"]) or 0
    certain = number(row["Frequency_PerfTime"]) == TICKS
    return ShareSpeed(
        server=server,
        share=share,
        reads=reads,
        writes=writes,
        read_ms=_mean_ms(number(row["AvgReadQueueLength"]), reads) if certain else None,
        write_ms=_mean_ms(number(row["AvgWriteQueueLength"]), writes) if certain else None,
        certain=certain,
    )


def _mean_ms(ticks: int | None, requests: int) -> float | None:
    return ticks * 1000 / TICKS / requests if ticks is not None and requests else None


@dataclass(frozen=True, slots=True)
class SpeedLevels:
    # Mean milliseconds. A read in a local network takes its way (network.client-rtt: 5 ms, 10 ms) and the
    # server's disk (good ones below 10 ms, slow from 20 ms, as for databases).
    slow_ms: float = 20.0
    bad_ms: float = 50.0
    least: int = 1000  # requests of a kind; fewer say nothing


def judged(one: ShareSpeed, item: str, levels: SpeedLevels) -> Iterator[Result]:
    """The slower of reads and writes of one share; nothing where there were too few."""
    kinds = (("read", one.reads, one.read_ms), ("write", one.writes, one.write_ms))
    enough = [(kind, count, ms) for kind, count, ms in kinds if count >= levels.least]
    if not enough:
        return
    told = [(ms, kind) for kind, _, ms in enough if ms is not None]
    if not told:
        yield NotChecked(item=item, reason="the unit of this Windows' counters is not certain")
        return
    worst, kind = max(told)
    evidence: dict[str, Value] = {"reads": Number(one.reads), "writes": Number(one.writes)}
    evidence |= {f"{name}_ms": Number(ms, "ms") for ms, name in told}
    yield from judge(
        "mean",
        Number(worst, "ms"),
        (Step(levels.bad_ms, Impact.MAJOR), Step(levels.slow_ms, Impact.LIMITED)),
        worse=Worse.HIGHER,
        message=f"slow_{kind}",
        item=item,
        evidence=evidence,
    )
