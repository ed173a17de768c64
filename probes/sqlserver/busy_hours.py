"""What an instance waits for, and how quickly its storage answers, while people work.

Made of samples (`checkup sample`): counters since the start hide ten o'clock behind a year of nights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.sampling.blocking import BlockingLevels, Waiting, blocking_probe, judge_blocking
from probes.sampling.intervals import (
    Interval,
    Peak,
    another_start,
    intervals,
    mean,
    names,
    peak,
    rate,
    usable,
    watched,
)
from probes.sampling.series import LEAST_SAMPLES, Series, series_of, too_short
from probes.sql.rows import reader
from probes.sqlserver.blocking import BlockedRequests, blocked_requests
from probes.sqlserver.file_latency import FileUse, FileUses, file_uses
from probes.sqlserver.waits import Waits, waits

RIGHTS = "VIEW SERVER STATE"
_TUNE_UP = frozenset({Visit.TUNE_UP})
_VERIFY = "`checkup sample` at the same hour of another week, then a tune-up: the value is below the level."

_NOTHING_COUNTED = NotChecked(reason="the instance was started anew between all samples")


class SampledWaits(Series[Waits]):
    pass


class SampledFileUses(Series[FileUses]):
    pass


class SampledBlocking(Series[BlockedRequests]):
    pass


sampled_waits = series_of(waits, SampledWaits)
sampled_file_uses = series_of(file_uses, SampledFileUses)
sampled_blocking = series_of(blocked_requests, SampledBlocking)


# --- waits ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WaitLevels:
    heavy: float = 1.0  # seconds waited in each second of the busiest interval; our own experience
    shown: int = 8  # kinds named in the report
    least_minutes: float = 15.0  # shorter is no busy hour


def _wait_times(facts: Waits) -> dict[str, tuple[float, ...]]:
    """Seconds, of them for a processor, by kind; kinds that are nobody's wait are left out."""
    return {
        one.wait_type: (one.wait_ms / 1000, one.signal_ms / 1000) for one in facts.rows if not one.is_idle
    }


def _set_back(before: Waits, after: Waits) -> bool:
    """Started anew, or cleared: then all kinds begin at nothing, and some are smaller than they were."""
    earlier = {one.wait_type: one.wait_ms for one in before.rows}
    cleared = any(one.wait_ms < earlier.get(one.wait_type, 0) for one in after.rows)
    return cleared or another_start(before.server, after.server)


def check_waits(facts: SampledWaits, levels: WaitLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    # The server's view is asked for kinds of a second or more in all, so that others seem to appear.
    found = intervals(facts, _wait_times, restarted=_set_back, appear=True)
    good = usable(found)
    whole = peak(good, lambda one: sum(seconds for seconds, *_ in one.counted.values()) / one.seconds)
    if whole is None:
        yield _NOTHING_COUNTED
        return
    kinds = {name: one for name in names(good) if (one := peak(good, rate(name))) is not None}
    top = sorted(kinds.items(), key=lambda pair: -pair[1].value)[: levels.shown]
    evidence: dict[str, Value] = {
        **watched(facts, found),
        "total": Number(round(whole.value, 2), "s each second"),
        "busiest": Instant(whole.at),
        "top": Text(", ".join(f"{name} {one.value:.2f}" for name, one in top) or "none"),
    }
    yield Metric(name="total", value=Number(round(whole.value, 2), "s each second"))
    for name, one in top:
        yield Metric(name="waited", value=Number(round(one.value, 2), "s each second"), item=name)
    heavy = [(name, one) for name, one in top if one.value >= levels.heavy]
    for name, one in heavy:
        waited = Number(round(one.value, 2), "s each second")
        locks = name.startswith("LCK_")
        yield Finding(
            impact=Impact.LIMITED if locks else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if locks else When.LATER,
            message="heavy",
            item=name,
            evidence={
                **evidence,
                "waited": waited,
                "at": Instant(one.at),
                "usual": Number(round(one.p95, 2), "s each second"),
                "limit": Number(levels.heavy, "s each second"),
            },
            value=waited,
            worse=Worse.HIGHER,
        )
    if not heavy:
        yield Passed(evidence=evidence)


busy_waits = Probe(
    id="sqlserver.busy-waits",
    title="In a busy hour the instance works more than it waits",
    check=check_waits,
    levels=WaitLevels(),
    kind="sqlserver",
    visits=_TUNE_UP,
    messages={
        "heavy": "At {at} {waited} went to {item} (19 of 20 intervals: at most {usual}). The largest, in "
        "seconds waited each second: {top}."
    },
    why="What people wait for at their busiest tells what to mend first: disk, memory, locks or statements.",
    remedy=(
        "For us, the maker of the software: send us this report. LCK_M points to our transactions, "
        "PAGEIOLATCH to missing indexes or little memory, WRITELOG to the disk of the log, "
        "SOS_SCHEDULER_YIELD to processors, ASYNC_NETWORK_IO to a slow client. Change nothing for the wait "
        "alone. Gain: the right thing is mended; there is nothing to take back."
    ),
    verify=_VERIFY,
    rights=RIGHTS,
    references=("sys.dm_os_wait_stats (Transact-SQL), Microsoft Learn",),
)


# --- the storage ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LatencyLevels:
    slow_s: float = 0.100  # of a request, in 19 of 20 intervals (sp_Blitz checks 36 and 37, as an average)
    noticed_s: float = 0.030  # what a sound disk of a server stays below; our own experience
    least_operations: int = 100  # in an interval; fewer are no average of it
    least_minutes: float = 15.0  # shorter is no busy hour


def _uses(facts: FileUses) -> dict[str, tuple[float, ...]]:
    return {one.item: _counters(one) for one in facts.rows}


def _counters(one: FileUse) -> tuple[float, ...]:
    return one.reads, one.read_stall_ms / 1000, one.writes, one.write_stall_ms / 1000


def check_latency(facts: SampledFileUses, levels: LatencyLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = intervals(facts, _uses, restarted=lambda one, other: another_start(one.server, other.server))
    good = usable(found)
    if not good:
        yield _NOTHING_COUNTED
        return
    looked = False
    for name in sorted(names(good)):
        for part, what in ((0, "reads"), (2, "writes")):
            of = mean(name, part, levels.least_operations)
            worst = peak(good, of)
            busy = sum(of(one) is not None for one in good)
            if worst is None or busy < LEAST_SAMPLES - 1:
                continue
            looked = True
            yield from _judged(f"{name}: {what}", worst, busy, facts, found, levels)
    if not looked:
        yield NotApplicable(
            reason=f"no file was read or written {levels.least_operations} times between two samples"
        )


def _judged(
    item: str,
    worst: Peak,
    busy: int,
    facts: SampledFileUses,
    found: list[Interval],
    levels: LatencyLevels,
) -> Iterator[Result]:
    yield from judge(
        "latency",
        Duration(round(worst.p95, 4)),
        (Step(levels.slow_s, Impact.LIMITED), Step(levels.noticed_s, Impact.NOTE, When.LATER)),
        worse=Worse.HIGHER,
        message="slow",
        item=item,
        evidence={
            **watched(facts, found),
            "worst": Duration(round(worst.value, 4)),
            "at": Instant(worst.at),
            "intervals": Number(busy),
        },
    )


busy_latency = Probe(
    id="sqlserver.busy-latency",
    title="In a busy hour the storage answers at once",
    check=check_latency,
    levels=LatencyLevels(),
    kind="sqlserver",
    visits=_TUNE_UP,
    messages={
        "slow": "{item} took up to {latency} each in 19 of 20 intervals between samples, and {worst} at {at}."
    },
    why="What is slow only while everybody works is hidden in an average over nights and weekends.",
    remedy=(
        "First exclude the .mdf, .ndf and .ldf files and sqlservr.exe from the virus scanner. Look what else "
        "used the same disks at the time named (back-ups, copies of virtual machines) and move it. Then ask "
        "the storage's vendor for the latency measured at that time. Gain: quicker screens at peak times. "
        "The way back: the scanner's setting."
    ),
    verify=_VERIFY,
    rights="VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=(
        "sys.dm_io_virtual_file_stats (Transact-SQL), Microsoft Learn",
        "sp_Blitz checks 36 and 37, First Responder Kit",
    ),
)


# --- blocking ---------------------------------------------------------------------------------


def check_blocking(facts: SampledBlocking, levels: BlockingLevels, ctx: Context) -> Iterator[Result]:
    yield from judge_blocking(
        facts,
        lambda blocked: [Waiting(one.wait_ms / 1000, one.blocking_program) for one in blocked.rows],
        levels,
    )


busy_blocking = blocking_probe(
    "sqlserver",
    check_blocking,
    ahead="programs in front",
    remedy=(
        "Send us this report: which screen keeps its locks open is ours to mend. Until then ask the users of "
        "the programs named to save before they go away from the desk, and move reports and exports out of "
        "busy hours. Nothing is changed on the server, so there is nothing to take back."
    ),
    rights=RIGHTS,
    references=("Understand and resolve blocking problems, Microsoft Learn",),
)


# --- processors -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Of the instance's process since its start, all processors together; how many it may use: an edition
    takes fewer than the machine has (Express four cores), and a share of the machine's would hide that they
    are taken."""

    kernel_ms: int
    user_ms: int
    processors: int


class ProcessorTimes(SqlFacts[ProcessorTime]):
    pass


class SampledProcessorTimes(Series[ProcessorTimes]):
    pass


processor_times = Section(
    name="sqlserver-processor-time",
    facts=ProcessorTimes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT i.process_kernel_time_ms AS kernel_ms, i.process_user_time_ms AS user_ms,
       (SELECT COUNT(*) FROM sys.dm_os_schedulers AS s WHERE s.status = N'VISIBLE ONLINE') AS processors
FROM sys.dm_os_sys_info AS i
""",
                    reads=("sys.dm_os_sys_info", "sys.dm_os_schedulers"),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=ProcessorTime,
            most_rows=1,
            sampled=True,
        )
    },
    parse=reader(ProcessorTimes, ProcessorTime),
    privacy="the processor time of the instance",
)
sampled_processor_times = series_of(processor_times, SampledProcessorTimes)


@dataclass(frozen=True, slots=True)
class ProcessorLevels:
    full: float = 0.90  # of all processors, in 19 of 20 intervals: work queues; our own experience
    busy: float = 0.70  # SQL Assessment API, HighCPUUsage
    least_minutes: float = 15.0  # shorter is no busy hour


def _processor_seconds(facts: ProcessorTimes) -> dict[str, tuple[float, ...]]:
    return {"all": (sum(one.kernel_ms + one.user_ms for one in facts.rows) / 1000,)}


def check_processors(facts: SampledProcessorTimes, levels: ProcessorLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    processors = max((one.processors for sample in facts.samples for one in sample.facts.rows), default=0)
    found = intervals(
        facts, _processor_seconds, restarted=lambda one, other: another_start(one.server, other.server)
    )
    most = peak(usable(found), rate("all"))
    if most is None or processors < 1:
        yield _NOTHING_COUNTED
        return
    yield from judge(
        "share",
        Ratio(round(most.p95 / processors, 3)),
        (Step(levels.full, Impact.LIMITED), Step(levels.busy, Impact.NOTE, When.LATER)),
        worse=Worse.HIGHER,
        message="busy",
        evidence={
            **watched(facts, found),
            "peak": Ratio(round(most.value / processors, 3)),
            "at": Instant(most.at),
            "processors": Number(processors),
        },
    )


busy_processors = Probe(
    id="sqlserver.busy-processors",
    title="In a busy hour the processors have room",
    check=check_processors,
    levels=ProcessorLevels(),
    kind="sqlserver",
    visits=_TUNE_UP,
    messages={
        "busy": "SQL Server took up to {share} of the {processors} processors that it may use in 19 of 20 "
        "intervals, and {peak} at {at}."
    },
    why="When the processors are taken, every screen waits its turn, however good disk and network are.",
    remedy=(
        "Send us this report: the probe of the statements that cost most names where the time goes, and we "
        "mend those first. If they are in order, the machine needs more cores, as far as the licence "
        "allows. Gain: shorter waits at peak times. The way back: take the cores away."
    ),
    verify=_VERIFY,
    rights=RIGHTS,
    references=(
        "sys.dm_os_sys_info (Transact-SQL), Microsoft Learn",
        "SQL Assessment API, rule HighCPUUsage",
    ),
)
