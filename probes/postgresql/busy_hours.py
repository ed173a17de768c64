"""What an instance does, and what its sessions wait for, while people work; made of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
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
from probes.postgresql.counting import MONITOR, monitored
from probes.postgresql.sessions import Sessions, sessions
from probes.sampling.blocking import BlockingLevels, Waiting, blocking_probe, judge_blocking
from probes.sampling.intervals import Interval, intervals, names, peak, rate, usable, watched
from probes.sampling.series import Series, series_of, too_short
from probes.sql.rows import reader

_TUNE_UP = frozenset({Visit.TUNE_UP})
_VERIFY = "`checkup sample` at the same hour of another week, then a tune-up: the value is within the level."


# --- blocking ---------------------------------------------------------------------------------


class SampledSessions(Series[Sessions]):
    pass


sampled_sessions = series_of(sessions, SampledSessions)


def check_blocking(facts: SampledSessions, levels: BlockingLevels, ctx: Context) -> Iterator[Result]:
    yield from judge_blocking(
        facts,
        lambda found: [
            Waiting(one.waiting_s or 0.0, f"{one.role_name} in {one.database_name}")
            for one in found.rows
            if one.blockers > 0
        ],
        levels,
    )


busy_blocking = blocking_probe(
    "postgresql",
    check_blocking,
    ahead="those who waited",
    remedy=(
        "Send us this report: which screen keeps its locks open is ours to mend. Until then ask users to "
        "save before they go away from the desk, and move reports, imports and maintenance out of busy "
        "hours. Nothing is changed on the server, so there is nothing to take back."
    ),
    rights=MONITOR,
    references=("PostgreSQL documentation: pg_blocking_pids",),
)


# --- waits ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActiveWait:
    """Sessions at work at the moment of asking, by what they wait for; "" for those that work."""

    wait_kind: str
    sessions: int


class ActiveWaits(SqlFacts[ActiveWait]):
    pass


class SampledActiveWaits(Series[ActiveWaits]):
    pass


_ACTIVE = """
SELECT COALESCE(a.wait_event_type, '')::text AS wait_kind, COUNT(*) AS sessions
FROM pg_stat_activity AS a
WHERE a.state = 'active' AND a.pid <> pg_backend_pid()
GROUP BY 1
"""

active_waits = Section(
    name="postgresql-active-waits",
    facts=ActiveWaits,
    collect={
        "postgresql": Sql(
            monitored(_ACTIVE, _ACTIVE, ("pg_stat_activity",)), row=ActiveWait, most_rows=100, sampled=True
        )
    },
    parse=reader(ActiveWaits, ActiveWait),
    privacy="numbers of sessions by what they wait for",
)
sampled_active_waits = series_of(active_waits, SampledActiveWaits)

# Kinds of waits that are nobody's wait: for the client, for a timer, for new work ("Wait Event Types").
_IDLE = frozenset({"", "Client", "Timeout", "Activity", "Extension"})


@dataclass(frozen=True, slots=True)
class WaitLevels:
    heavy: float = 1.0  # sessions that wait for it at any moment, on average; our own experience
    least_minutes: float = 15.0  # shorter is no busy hour


def check_waits(facts: SampledActiveWaits, levels: WaitLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    waited: Counter[str] = Counter()
    for sample in facts.samples:
        waited.update({one.wait_kind: one.sessions for one in sample.facts.rows})
    average = {kind: count / len(facts.samples) for kind, count in waited.most_common()}
    kinds = {kind: value for kind, value in average.items() if kind not in _IDLE}
    evidence: dict[str, Value] = {
        **watched(facts, ()),
        "working": Number(round(average.get("", 0.0), 2)),
        "top": Text(", ".join(f"{kind} {value:.2f}" for kind, value in kinds.items()) or "none"),
    }
    for kind, value in kinds.items():
        yield Metric(name="sessions", value=Number(round(value, 2)), item=kind)
    heavy = {kind: value for kind, value in kinds.items() if value >= levels.heavy}
    for kind, value in heavy.items():
        yield Finding(
            impact=Impact.LIMITED if kind == "Lock" else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if kind == "Lock" else When.LATER,
            message="heavy",
            item=kind,
            evidence={**evidence, "waiting": Number(round(value, 2)), "limit": Number(levels.heavy)},
            value=Number(round(value, 2)),
            worse=Worse.HIGHER,
        )
    if not heavy:
        yield Passed(evidence=evidence)


busy_waits = Probe(
    id="postgresql.busy-waits",
    title="In a busy hour sessions work more than they wait",
    check=check_waits,
    levels=WaitLevels(),
    kind="postgresql",
    visits=_TUNE_UP,
    messages={
        "heavy": "On average {waiting} sessions waited for {item} at any moment of {watched}; {working} "
        "worked. All that was waited for: {top}."
    },
    why="What people wait for at their busiest tells what to mend first: disk, locks, or the statements.",
    remedy=(
        "For us, the maker of the software: send us this report. Lock points to our transactions, IO to "
        "missing indexes, little shared_buffers or a slow disk, LWLock to too many sessions at once, IPC to "
        "parallel statements. Change nothing for the wait alone. Gain: the right thing is mended; there is "
        "nothing to take back."
    ),
    verify=_VERIFY,
    rights=MONITOR,
    references=("PostgreSQL documentation: Wait Event Types",),
)


# --- reads ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Activity:
    """What a database has counted since its counters were reset."""

    database_name: str
    transactions: int
    read_blocks: int
    hit_blocks: int
    temporary_bytes: int
    deadlocks: int


class Activities(SqlFacts[Activity]):
    pass


class SampledActivities(Series[Activities]):
    pass


activities = Section(
    name="postgresql-activity",
    facts=Activities,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT s.datname::text AS database_name, s.xact_commit + s.xact_rollback AS transactions,
       s.blks_read AS read_blocks, s.blks_hit AS hit_blocks, s.temp_bytes AS temporary_bytes,
       s.deadlocks AS deadlocks
FROM pg_stat_database AS s
WHERE s.datname IS NOT NULL AND s.datname NOT LIKE 'template%'
""",
                    reads=("pg_stat_database",),
                    since=(9, 6),
                ),
            ),
            row=Activity,
            most_rows=1000,
            sampled=True,
        )
    },
    parse=reader(Activities, Activity),
    privacy="names and counters of databases",
)
sampled_activities = series_of(activities, SampledActivities)

_TRANSACTIONS, _READ, _HIT, _TEMPORARY, _DEADLOCKS = range(5)


@dataclass(frozen=True, slots=True)
class ReadLevels:
    hits: float = 0.95  # of the pages, in the worst interval; a little below PgHero's for all time
    least_blocks: int = 10_000  # asked for in an interval; fewer are no share
    least_minutes: float = 15.0  # shorter is no busy hour


def _activity(facts: Activities) -> dict[str, tuple[float, ...]]:
    return {
        one.database_name: (
            one.transactions,
            one.read_blocks,
            one.hit_blocks,
            one.temporary_bytes,
            one.deadlocks,
        )
        for one in facts.rows
    }


def check_reads(facts: SampledActivities, levels: ReadLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = intervals(facts, _activity)
    good = usable(found)
    looked = False
    for name in sorted(names(good)):

        def missed(one: Interval, name: str = name) -> float | None:
            counted = one.counted.get(name)
            asked = counted[_READ] + counted[_HIT] if counted else 0.0
            return counted[_READ] / asked if counted and asked >= levels.least_blocks else None

        work = peak(good, rate(name, _TRANSACTIONS))
        if work is not None:
            yield Metric(name="transactions", value=Number(round(work.value, 1), "a second"), item=name)
        worst = peak(good, missed)
        if worst is None or work is None:
            continue
        looked = True
        deadlocks = sum(one.counted[name][_DEADLOCKS] for one in good if name in one.counted)
        yield from judge(
            "hits",
            Ratio(round(1 - worst.value, 4)),
            (Step(levels.hits, Impact.NOTE, When.LATER),),
            worse=Worse.LOWER,
            message="few",
            item=name,
            evidence={
                **watched(facts, found),
                "at": Instant(worst.at),
                "transactions": Number(round(work.value, 1), "a second"),
                "deadlocks": Number(deadlocks),
            },
        )
    if not looked:
        yield NotApplicable(
            reason=f"no database was asked for {levels.least_blocks} pages between two samples"
        )


busy_reads = Probe(
    id="postgresql.busy-reads",
    title="In a busy hour most pages are found in memory",
    check=check_reads,
    levels=ReadLevels(),
    kind="postgresql",
    visits=_TUNE_UP,
    messages={
        "few": "At {at} {item} found {hits} of its pages in the server's own memory; at its busiest it made "
        "{transactions} transactions."
    },
    why="A page that is not in shared_buffers comes from the system or the disk, while somebody waits.",
    remedy=(
        "Send us this report: a statement that reads whole tables is the usual cause, and ours to mend. Was "
        "it a back-up or a report at the time named, move it. With memory to spare: ALTER SYSTEM SET "
        "shared_buffers to a quarter of the memory, restart out of hours. Gain: fewer reads from disk. The "
        "way back: ALTER SYSTEM RESET shared_buffers, restart."
    ),
    verify=_VERIFY,
    rights="an ordinary login",
    references=("PostgreSQL documentation: pg_stat_database", "PgHero: cache_hit_rate"),
)
