"""What an instance does, and what holds its sessions up, while people work; made of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.mariadb.server import ANYONE, unknown
from probes.mariadb.sessions import Sessions, sessions
from probes.sampling.blocking import BlockingLevels, Waiting, blocking_probe, judge_blocking
from probes.sampling.intervals import Interval, another_start, intervals, peak, rate, usable, watched
from probes.sampling.series import Series, series_of, too_short
from probes.sql.rows import reader

_TUNE_UP = frozenset({Visit.TUNE_UP})
_VERIFY = "`checkup sample` at the same hour of another week, then a tune-up: the value is within the level."
_NOTHING_COUNTED = NotChecked(reason="the instance was started anew between all samples")


# --- blocking ---------------------------------------------------------------------------------


class SampledSessions(Series[Sessions]):
    pass


sampled_sessions = series_of(sessions, SampledSessions)


def _waiting(found: Sessions) -> list[Waiting]:
    """Who waits for a row or for a table, with who they are: who is ahead is not told by every version."""
    waits = ((one.who, one.lock_wait_s or one.waits_for_table_s) for one in found.rows)
    return [Waiting(seconds, who) for who, seconds in waits if seconds is not None]


def check_blocking(facts: SampledSessions, levels: BlockingLevels, ctx: Context) -> Iterator[Result]:
    yield from judge_blocking(facts, _waiting, levels)


busy_blocking = blocking_probe(
    "mariadb",
    check_blocking,
    ahead="those who waited",
    remedy=(
        "Send us this report: which screen keeps its locks open is ours to mend. Until then ask users to "
        "save before they go away from the desk, and move reports, imports and back-ups out of busy hours. "
        "Nothing is changed on the server, so there is nothing to take back."
    ),
    rights="PROCESS",
    references=("MariaDB documentation: Information Schema INNODB_TRX Table",),
)


# --- counters ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counter:
    """One of the server's own counters; the name in small letters."""

    name: str
    value: str | None


class Activity(SqlFacts[Counter]):
    def counters(self) -> dict[str, tuple[float, ...]]:
        return {one.name: (float(one.value),) for one in self.rows if one.value}


class SampledActivity(Series[Activity]):
    pass


def _text(place: str) -> str:
    return f"""
SELECT LOWER(s.VARIABLE_NAME) AS name, s.VARIABLE_VALUE AS value
FROM {place} AS s
WHERE LOWER(s.VARIABLE_NAME) IN ('questions', 'slow_queries', 'innodb_row_lock_time', 'innodb_row_lock_waits',
                                 'innodb_buffer_pool_reads', 'innodb_buffer_pool_read_requests')
"""  # noqa: S608  the place is a constant of this file


activity = Section(
    name="mariadb-activity",
    facts=Activity,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    _text("information_schema.GLOBAL_STATUS"),
                    reads=("information_schema.GLOBAL_STATUS",),
                    editions=("mariadb",),
                ),
                SqlVariant(
                    _text("performance_schema.global_status"),
                    reads=("performance_schema.global_status",),
                    since=(5, 7),
                    editions=("mysql",),
                ),
            ),
            row=Counter,
            most_rows=20,
            sampled=True,
        )
    },
    parse=reader(Activity, Counter),
    privacy="six counters of the server",
)
sampled_activity = series_of(activity, SampledActivity)

_LOCKED, _READS, _REQUESTS = (
    "innodb_row_lock_time",
    "innodb_buffer_pool_reads",
    "innodb_buffer_pool_read_requests",
)


def _intervals(facts: SampledActivity) -> list[Interval]:
    return intervals(
        facts, Activity.counters, restarted=lambda one, other: another_start(one.server, other.server)
    )


def _work(found: list[Interval]) -> Iterator[Result]:
    busiest = peak(found, rate("questions"))
    if busiest is not None:
        yield Metric(name="statements", value=Number(round(busiest.value, 1), "a second"))


@dataclass(frozen=True, slots=True)
class WaitLevels:
    heavy: float = 1.0  # seconds waited for rows in each second of the busiest interval; our own experience
    least_minutes: float = 15.0  # shorter is no busy hour


def check_waits(facts: SampledActivity, levels: WaitLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = _intervals(facts)
    good = usable(found)
    if not good:
        yield _NOTHING_COUNTED
        return
    most, waits = peak(good, rate(_LOCKED)), peak(good, rate("innodb_row_lock_waits"))
    if most is None or waits is None:
        yield unknown("Innodb_row_lock_time")
        return
    yield from _work(good)
    evidence: dict[str, Value] = {
        **watched(facts, found),
        "at": Instant(most.at),
        "usual": Number(round(most.p95 / 1000, 2), "s each second"),
        "waits": Number(round(waits.value, 2), "a second"),
    }
    yield from judge(
        "waited",
        Number(round(most.value / 1000, 2), "s each second"),
        (Step(levels.heavy, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message="heavy",
        evidence=evidence,
    )


busy_waits = Probe(
    id="mariadb.busy-waits",
    title="In a busy hour sessions hardly wait for each other's rows",
    check=check_waits,
    levels=WaitLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages={
        "heavy": "At {at} {waited} went to waiting for rows that others had locked (19 of 20 intervals: at "
        "most {usual}); at most {waits} such waits began."
    },
    why="Whoever waits for another's row sits before a screen that stands still.",
    remedy=(
        "For us, the maker of the software: send us this report; which screens keep rows locked, and for how "
        "long, is ours to mend. Was an import or a report under way at the time named, move it out of busy "
        "hours. Gain: screens that save at once. Nothing is changed on the server."
    ),
    verify=_VERIFY,
    rights=ANYONE,
    references=("MariaDB documentation: InnoDB Status Variables, Innodb_row_lock_time",),
)


@dataclass(frozen=True, slots=True)
class ReadLevels:
    hits: float = 0.95  # of the reads of pages, in the worst interval; our own experience
    least_reads: int = 10_000  # in an interval; fewer are no share
    least_minutes: float = 15.0  # shorter is no busy hour


def check_reads(facts: SampledActivity, levels: ReadLevels, ctx: Context) -> Iterator[Result]:
    if short := too_short(facts, levels.least_minutes):
        yield short
        return
    found = _intervals(facts)
    good = usable(found)
    if not good:
        yield _NOTHING_COUNTED
        return

    def missed(one: Interval) -> float | None:
        read, asked = one.counted.get(_READS), one.counted.get(_REQUESTS)
        if read is None or asked is None or asked[0] < levels.least_reads:
            return None
        return read[0] / asked[0]

    worst = peak(good, missed)
    if worst is None:
        yield NotApplicable(reason=f"fewer than {levels.least_reads} pages were read between two samples")
        return
    yield from judge(
        "hits",
        Ratio(round(1 - worst.value, 4)),
        (Step(levels.hits, Impact.NOTE, When.LATER),),
        worse=Worse.LOWER,
        message="few",
        evidence={**watched(facts, found), "at": Instant(worst.at)},
    )


busy_reads = Probe(
    id="mariadb.busy-reads",
    title="In a busy hour reads are served from memory",
    check=check_reads,
    levels=ReadLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages={"few": "At {at} only {hits} of InnoDB's reads of pages were served from memory."},
    why="The rest went to the disk, while somebody waited for a screen.",
    remedy=(
        "Send us this report: a statement that reads whole tables is the usual cause, and ours to mend. Was "
        "it a back-up or a report at the time named, move it. With memory to spare: SET GLOBAL "
        "innodb_buffer_pool_size = twice the present number (at most half of the memory), and the same line "
        "in my.cnf (my.ini), section [mysqld]. Gain: fewer waits for the disk. The way back: the old number."
    ),
    verify=_VERIFY,
    rights=ANYONE,
    references=("MariaDB documentation: InnoDB Buffer Pool",),
)
