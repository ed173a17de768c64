"""What the instance waits for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.processors import UNTOLD, Processors
from probes.sqlserver.uptime import DAY_S, UNKNOWN_START, with_doubt, worded

RIGHTS = "VIEW SERVER STATE"

# Kinds that are nobody's wait: threads that have nothing to do, timers, queues of the server's own
# ("sys.dm_os_wait_stats (Transact-SQL)" says which are background tasks).
_IDLE_BEGINNINGS = (
    *("BROKER_", "CLR_", "DBMIRROR", "FSAGENT", "FT_", "HADR_CLUSAPI", "HADR_FABRIC", "HADR_FILESTREAM"),
    *("HADR_LOGCAPTURE", "HADR_NOTIFICATION", "HADR_TIMER", "HADR_WORK_QUEUE", "MEMORY_ALLOCATION_EXT"),
    *("PARALLEL_REDO_", "PREEMPTIVE_", "PVS_PREALLOCATE", "PWAIT_", "QDS_", "SLEEP_", "SP_SERVER_DIAG"),
    *("SQLTRACE_", "VDI_CLIENT", "WAIT_XTP_", "XE_", "XTP_PREEMPTIVE"),
)
_IDLE = frozenset(
    (
        *(
            "AZURE_IMDS_VERSIONS",
            "CHECKPOINT_QUEUE",
            "CHKPT",
            "CXCONSUMER",
            "DIRTY_PAGE_POLL",
            "DISPATCHER_QUEUE_SEMAPHORE",
        ),
        *("EXECSYNC", "KSOURCE_WAKEUP", "LAZYWRITER_SLEEP", "LOGMGR_QUEUE", "MISCELLANEOUS"),
        *("ONDEMAND_TASK_QUEUE", "POPULATE_LOCK_ORDINALS", "PREDICTIVE_MEMORY_GRANT_QUEUE_EMPTY"),
        *("RBIO_COMM_RETRY", "REDO_THREAD_PENDING_WORK", "REQUEST_FOR_DEADLOCK_SEARCH"),
        *("RESOURCE_QUEUE", "RESOURCE_GOVERNOR_IDLE", "SERVER_IDLE_CHECK", "SNI_HTTP_ACCEPT"),
        *("SOS_WORK_DISPATCHER", "STARTUP_DEPENDENCY_MANAGER", "TRACEWRITE"),
        *("UCS_SESSION_REGISTRATION", "WAIT_FOR_RESULTS", "WAITFOR", "WAITFOR_TASKSHUTDOWN"),
        *("WINDOW_AGGREGATES_MULTIPASS",),
    )
)

# Sleepers that wait nearly all the time: how long they did tells since when the server counts.
_SLEEPERS = frozenset(
    (
        *("SQLTRACE_INCREMENTAL_FLUSH_SLEEP", "LAZYWRITER_SLEEP", "REQUEST_FOR_DEADLOCK_SEARCH"),
        *("XE_TIMER_EVENT",),
    )
)

# Rare, and each of them means that everybody stands still (sp_Blitz check 107).
_POISON = frozenset(
    (
        *("RESOURCE_SEMAPHORE", "RESOURCE_SEMAPHORE_QUERY_COMPILE", "THREADPOOL", "IO_QUEUE_LIMIT"),
        *("IO_RETRY", "LOG_RATE_GOVERNOR", "POOL_LOG_RATE_GOVERNOR", "RESMGR_THROTTLED"),
        *("PREEMPTIVE_DEBUG", "HADR_THROTTLE_LOG_RATE_GOVERNOR"),
        *("HADR_THROTTLE_LOG_RATE_SEND_RECV_QUEUE_SIZE", "SE_REPL_CATCHUP_THROTTLE"),
        *("SE_REPL_COMMIT_ACK", "SE_REPL_COMMIT_TURN", "SE_REPL_ROLLBACK_ACK"),
        *("SE_REPL_SLOW_SECONDARY_THROTTLE",),
    )
)


@dataclass(frozen=True, slots=True)
class Wait:
    """Of one kind, since the start or since the counters were cleared; `signal_ms` is the part of the time
    in which only a processor lacked."""

    wait_type: str
    waits: int
    wait_ms: int
    signal_ms: int

    @property
    def is_idle(self) -> bool:
        return self.wait_type not in _POISON and (
            self.wait_type in _IDLE or self.wait_type.startswith(_IDLE_BEGINNINGS)
        )


class Waits(SqlFacts[Wait]):
    @property
    def counted_s(self) -> float | None:
        """For how long the server has counted: since its start, or less where the counters were cleared."""
        if self.server.up_s is None:
            return None
        up_s = max(self.server.up_s, 1.0)
        slept = [one.wait_ms / 1000 for one in self.rows if one.wait_type in _SLEEPERS]
        return min(up_s, max(slept)) if slept and max(slept) > 0 else up_s


waits = Section(
    name="sqlserver-waits",
    facts=Waits,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT w.wait_type AS wait_type, w.waiting_tasks_count AS waits, w.wait_time_ms AS wait_ms,
       w.signal_wait_time_ms AS signal_ms
FROM sys.dm_os_wait_stats AS w
WHERE w.wait_time_ms >= 1000
""",
                    reads=("sys.dm_os_wait_stats",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=Wait,
            most_rows=2500,
            sampled=True,
        )
    },
    parse=reader(Waits, Wait),
    privacy="kinds of waits, with counts and times",
)

_NO_WAITS = NotChecked(reason="the server shows no wait at all")


# --- the counters themselves ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClearedLevels:
    share: float = 0.5  # of the time since the start that the counters should cover; our own experience


def check_cleared(facts: Waits, levels: ClearedLevels, ctx: Context) -> Iterator[Result]:
    up_s, counted_s = facts.server.up_s, facts.counted_s
    if up_s is None or counted_s is None:
        yield UNKNOWN_START
        return
    if not facts.rows:
        yield _NO_WAITS
        return
    evidence = {"counted": Duration(counted_s), "up": Duration(up_s)}
    if counted_s < levels.share * up_s:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="cleared", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


cleared = Probe(
    id="sqlserver.counters-cleared",
    title="The instance counts its waits since its start",
    check=check_cleared,
    levels=ClearedLevels(),
    kind="sqlserver",
    messages={"cleared": "The instance is up for {up}, and counts its waits for {counted} only."},
    why=(
        "Somebody cleared the counters, or the machine slept: what this report says of waits covers less "
        "time."
    ),
    remedy=(
        "Ask whether a monitoring program clears them (DBCC SQLPERF ('sys.dm_os_wait_stats', CLEAR)), and "
        "have it read differences instead. A database server that goes to sleep: set the power plan to High "
        "performance."
    ),
    verify="The next check-up finds the two times about the same.",
    rights=RIGHTS,
    references=("sys.dm_os_wait_stats (Transact-SQL), Microsoft Learn", "sp_Blitz checks 185 and 205"),
)


# --- the largest ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TopNeeds:
    waits: Waits
    processors: Processors


@dataclass(frozen=True, slots=True)
class TopLevels:
    heavy_s: float = 360.0  # of one kind for each processor and hour: a tenth of the time; our own experience
    shown: int = 10  # kinds named in the report


def check_top(facts: TopNeeds, levels: TopLevels, ctx: Context) -> Iterator[Result]:
    counted_s, machine = facts.waits.counted_s, facts.processors.one
    if counted_s is None:
        yield UNKNOWN_START
        return
    if machine is None or not facts.waits.rows:
        yield UNTOLD if machine is None else _NO_WAITS
        return
    core_hours = counted_s / 3600 * machine.online
    real = sorted((one for one in facts.waits.rows if not one.is_idle), key=lambda one: -one.wait_ms)
    total = sum(one.wait_ms for one in real) or 1
    top = real[: levels.shown]
    for one in top:
        yield Metric(name="wait", value=Duration(_rate(one, core_hours)), item=one.wait_type)
    evidence: dict[str, Value] = {
        "top": Text(", ".join(f"{one.wait_type} {one.wait_ms / total:.1%}" for one in top)),
        "up": Duration(counted_s),
    }
    heavy = [one for one in top if _rate(one, core_hours) >= levels.heavy_s]
    for one in heavy:
        rate = Duration(round(_rate(one, core_hours), 1))
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message=worded("heavy", counted_s / DAY_S),
            item=one.wait_type,
            evidence={
                **evidence,
                "rate": rate,
                "share": Ratio(one.wait_ms / total),
                "signal": Ratio(one.signal_ms / max(one.wait_ms, 1)),
            },
            value=rate,
            worse=Worse.HIGHER,
        )
    if not heavy:
        yield Passed(evidence=evidence)


def _rate(one: Wait, core_hours: float) -> float:
    """Seconds waited for each processor and hour."""
    return one.wait_ms / 1000 / core_hours


top = Probe(
    id="sqlserver.top-waits",
    title="The instance works more than it waits",
    check=check_top,
    levels=TopLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "heavy": "{item} makes {share} of all waits in {up}: {rate} for each processor and hour, "
            "{signal} of it for a processor. The largest: {top}."
        }
    ),
    why=(
        "What the server waits for tells what to mend first: disk, memory, processors, locks, or the network."
    ),
    remedy=(
        "For us, the maker of the software: PAGEIOLATCH points to missing indexes or little memory, WRITELOG "
        "to the disk of the log, LCK_M to our transactions, CXPACKET to parallel statements, "
        "ASYNC_NETWORK_IO to a slow client. Send us this report; change nothing for the wait alone. Gain: "
        "the right thing is mended."
    ),
    verify="The next tune-up finds fewer seconds for each processor and hour.",
    rights=RIGHTS,
    references=("sys.dm_os_wait_stats (Transact-SQL), Microsoft Learn", "sp_Blitz check 152"),
)


# --- those that stop everybody ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PoisonLevels:
    total_s: float = 60.0  # in all, and
    per_hour_s: float = 5.0  # an hour (both sp_Blitz check 107)


def check_poison(facts: Waits, levels: PoisonLevels, ctx: Context) -> Iterator[Result]:
    counted_s = facts.counted_s
    if counted_s is None:
        yield UNKNOWN_START
        return
    if not facts.rows:
        yield _NO_WAITS
        return
    hours = counted_s / 3600
    found = False
    for one in facts.rows:
        total_s = one.wait_ms / 1000
        if one.wait_type not in _POISON or total_s <= levels.total_s or total_s / hours <= levels.per_hour_s:
            continue
        found = True
        rate = Duration(round(total_s / hours, 1))
        yield Finding(
            impact=Impact.LIMITED,
            message=worded("poison", counted_s / DAY_S),
            item=one.wait_type,
            evidence={"total": Duration(total_s), "rate": rate, "up": Duration(counted_s)},
            value=rate,
            worse=Worse.HIGHER,
        )
    if not found:
        yield Passed(evidence={"up": Duration(counted_s)})


poison = Probe(
    id="sqlserver.poison-waits",
    title="The instance does not run out of threads or memory",
    check=check_poison,
    levels=PoisonLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {"poison": "{item}: {total} of waiting in {up}, {rate} an hour. While it lasts, everybody waits."}
    ),
    why="These waits mean that the server had no thread, no memory or no allowance left for new work.",
    remedy=(
        "Send us this report before anything is changed. THREADPOOL: mostly one user blocks many; "
        "RESOURCE_SEMAPHORE: statements that ask for too much memory; LOG_RATE_GOVERNOR: the "
        "edition or the host limits the disk, ask who runs it. Gain: no standstills. Nothing to take back."
    ),
    verify="The next tune-up finds less than a minute of these waits.",
    rights=RIGHTS,
    references=(
        "sys.dm_os_wait_stats (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 107, First Responder Kit",
    ),
)
