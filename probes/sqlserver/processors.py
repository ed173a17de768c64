"""The processors that the instance has, and how busy they were in the last hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
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
    SqlServer,
    SqlVariant,
    Step,
    Visit,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader

RIGHTS = "VIEW SERVER STATE"


@dataclass(frozen=True, slots=True)
class ProcessorCounts:
    """`schedulers` is one for each logical processor that SQL Server sees, `online` those that it uses."""

    schedulers: int
    online: int
    nodes: int


class Processors(SqlFacts[ProcessorCounts]):
    @property
    def one(self) -> ProcessorCounts | None:
        return self.rows[0] if self.rows and self.rows[0].online > 0 else None


# Hidden schedulers serve the server itself, and (DAC) the administrator's connection
# ("sys.dm_os_schedulers (Transact-SQL)").
processors = Section(
    name="sqlserver-processors",
    facts=Processors,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS schedulers, ISNULL(SUM(CASE WHEN s.is_online = 1 THEN 1 ELSE 0 END), 0) AS online,
       COUNT(DISTINCT CASE WHEN s.is_online = 1 THEN s.parent_node_id END) AS nodes
FROM sys.dm_os_schedulers AS s
WHERE s.status IN (N'VISIBLE ONLINE', N'VISIBLE OFFLINE')
""",
                    reads=("sys.dm_os_schedulers",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=ProcessorCounts,
            most_rows=1,
        )
    },
    parse=reader(Processors, ProcessorCounts),
    privacy="numbers of processors",
)

UNTOLD = NotChecked(reason="the server names no processor")


# --- processors that are not used -------------------------------------------------------------


# Cores that one instance uses at most ("Compute capacity limits by edition of SQL Server"); in a virtual
# machine a processor counts as a core. 2008 R2 counts sockets only.
_MOST_CORES = {
    "express": (((11,), 4),),
    "web": (((11,), 16),),
    "standard": (((11,), 16), ((13,), 24), ((17,), 32)),
}


def _most_cores(server: SqlServer) -> int | None:
    fitting = [most for since, most in _MOST_CORES.get(server.edition, ()) if server.version >= since]
    return fitting[-1] if fitting else None


def check_offline(facts: Processors, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = facts.one
    if one is None:
        yield UNTOLD
        return
    evidence = {
        "unused": Number(one.schedulers - one.online),
        "processors": Number(one.schedulers),
    }
    most = _most_cores(facts.server)
    if most is not None and one.online >= most:  # what is left over is the edition's limit, and no fault
        yield Passed(evidence={**evidence, "limit": Number(most)})
    elif one.online < one.schedulers:
        yield Finding(impact=Impact.LIMITED, message="unused", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


offline = Probe(
    id="sqlserver.unused-processors",
    title="The instance uses all processors that it sees",
    check=check_offline,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"unused": "The instance leaves {unused} of the machine's {processors} processors unused."},
    why=(
        "Editions use a fixed number of sockets and cores: a virtual machine with many sockets of one core "
        "each leaves most of them idle, and all work queues at the rest."
    ),
    remedy=(
        "Virtual machine: shut it down and give it the same number of cores in fewer sockets (Standard uses "
        "4 sockets, Express 1). Else look for an affinity: sp_configure "
        "'affinity mask'. Gain: the processors that are paid for. The way back is the same setting."
    ),
    verify="SELECT COUNT(*) FROM sys.dm_os_schedulers WHERE status = 'VISIBLE OFFLINE' shows 0.",
    rights=RIGHTS,
    references=(
        "Compute capacity limits by edition of SQL Server, Microsoft Learn",
        "sp_Blitz check 101, First Responder Kit",
    ),
)


# --- how busy ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BusyMinute:
    """Shares of all processors over one minute, in percent: the instance's own, and of nobody."""

    age_s: int
    own_percent: int
    idle_percent: int


class BusyMinutes(SqlFacts[BusyMinute]):
    @property
    def own(self) -> float:
        return sum(one.own_percent for one in self.rows) / len(self.rows) / 100

    @property
    def others(self) -> float:
        """What other programs took; rounding can make it a little less than nothing."""
        left = (max(100 - one.own_percent - one.idle_percent, 0) for one in self.rows)
        return sum(left) / len(self.rows) / 100


# The scheduler monitor notes the load once a minute and keeps 256 notes; the view is not documented by
# Microsoft, its records are read so by Management Studio's own reports.
busy_minutes = Section(
    name="sqlserver-busy-minutes",
    facts=BusyMinutes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT TOP (256) CONVERT(bigint, (i.ms_ticks - e.at_ms) / 1000) AS age_s,
       ISNULL(e.record.value('(./Record/SchedulerMonitorEvent/SystemHealth/ProcessUtilization)[1]', 'int'), 0)
           AS own_percent,
       ISNULL(e.record.value('(./Record/SchedulerMonitorEvent/SystemHealth/SystemIdle)[1]', 'int'), 0)
           AS idle_percent
FROM (
    SELECT r.timestamp AS at_ms, CONVERT(xml, r.record) AS record
    FROM sys.dm_os_ring_buffers AS r
    WHERE r.ring_buffer_type = N'RING_BUFFER_SCHEDULER_MONITOR' AND r.record LIKE N'%<SystemHealth>%'
) AS e
CROSS JOIN sys.dm_os_sys_info AS i
ORDER BY e.at_ms DESC
""",
                    reads=("sys.dm_os_ring_buffers", "sys.dm_os_sys_info"),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=BusyMinute,
            most_rows=300,
        )
    },
    parse=reader(BusyMinutes, BusyMinute),
    privacy="load of the processors by minute",
)


@dataclass(frozen=True, slots=True)
class BusyNeeds:
    minutes: BusyMinutes
    processors: Processors | None

    @property
    def scale(self) -> float:
        """The server tells its share of all processors of the machine, of which it may use but some."""
        machine = self.processors.one if self.processors else None
        return machine.schedulers / machine.online if machine else 1.0


@dataclass(frozen=True, slots=True)
class BusyLevels:
    busy: float = 0.70  # average over the minutes known (SQL Assessment API, HighCPUUsage)
    least_minutes: int = 60  # fewer say nothing of a day; our own experience


def _too_few(facts: BusyMinutes, least: int) -> NotChecked | None:
    if len(facts.rows) >= least:
        return None
    return NotChecked(reason=f"the server remembers only {len(facts.rows)} minutes of its load")


def check_busy(facts: BusyNeeds, levels: BusyLevels, ctx: Context) -> Iterator[Result]:
    minutes = facts.minutes
    if refused := _too_few(minutes, levels.least_minutes):
        yield refused
        return
    yield from judge(
        "share",
        Ratio(min(minutes.own * facts.scale, 1.0)),
        (Step(levels.busy, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message="busy",
        evidence={
            "minutes": Number(len(minutes.rows)),
            "full": Number(sum(one.own_percent * facts.scale >= levels.busy * 100 for one in minutes.rows)),
        },
    )


busy = Probe(
    id="sqlserver.processor-load",
    title="The instance leaves its processors room to breathe",
    check=check_busy,
    levels=BusyLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "busy": "SQL Server took {share} of the processors that it may use over the last {minutes} "
        "minutes, and was at or above the level in {full} of them."
    },
    why="When the processors are taken, every screen waits its turn, however good disk and network are.",
    remedy=(
        "Send us this report: its part on statements names where the time goes, and we "
        "mend the statements or indexes first. If they are in order, the machine needs more cores, as far "
        "as the licence allows. Gain: shorter waits at peak times. The way back: take the cores away."
    ),
    verify="The next tune-up, at the same time of day, finds the share below the level.",
    rights=RIGHTS,
    references=("SQL Assessment API, rule HighCPUUsage",),
)


@dataclass(frozen=True, slots=True)
class OtherLevels:
    others: float = 0.25  # average share of other programs (sp_BlitzFirst check 28)
    least_minutes: int = 60


def check_others(facts: BusyMinutes, levels: OtherLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.platform == "linux":
        # SystemIdle is not filled there on all builds, and everything would look taken.
        yield NotApplicable(reason="on Linux the server does not tell what other programs take")
        return
    if refused := _too_few(facts, levels.least_minutes):
        yield refused
        return
    yield from judge(
        "share",
        Ratio(facts.others),
        (Step(levels.others, Impact.NOTE, When.LATER),),
        worse=Worse.HIGHER,
        message="others",
        evidence={"minutes": Number(len(facts.rows))},
    )


others = Probe(
    id="sqlserver.other-programs-load",
    title="The processors of the database machine serve the database",
    check=check_others,
    levels=OtherLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "others": "Programs other than SQL Server took {share} of the processors over the last {minutes} "
        "minutes."
    },
    why="A virus scanner, a back-up product or a desktop on the database server takes what users wait for.",
    remedy=(
        "On the machine open Task Manager, Details, sorted by CPU, and note what is on top during work. "
        "Exclude the folders of the .mdf, .ndf and .ldf files from the virus scanner, move scans and "
        "back-ups to the night, other programs to another machine. The way back is each program's setting."
    ),
    verify="The next tune-up, at the same time of day, finds the share below the level.",
    rights=RIGHTS,
    references=("sp_BlitzFirst check 28, First Responder Kit",),
)
