"""`checkup sample`: counters, waits and what holds people up, taken again and again in a busy hour.

Nothing is judged here. The samples are kept with a run of their own; the next analysis of a visit finds them
(workflow/sampled.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.collect.endpoint import Examined
from checkup.collect.opening import Opening
from checkup.collect.sampling import (
    EndpointSamples,
    Intervals,
    KeptConnections,
    Sampling,
    Taken,
    take_samples,
)
from checkup.collect.station import StationWatch
from checkup.collect.surroundings import Surroundings
from checkup.collect.watch import Watch
from checkup.plan import PlanError
from checkup.workflow.check_up import Say
from checkup.workflow.collecting import StoreRecorder, begin_run, finish_run
from checkup.workflow.exit_status import Exit
from checkup.workflow.prepare import Prepared, prepare, store_at, utc_now
from checkup.workflow.sampling_plan import SamplingPlan, sampling_plan

if TYPE_CHECKING:
    from checkup.plan import Plan
    from checkup.store import Store

# More often, the samples would be of the check-up itself.
OFTENEST = timedelta(seconds=10)
LONGEST = timedelta(hours=24)

# From two samples one difference can be made, and nobody knows whether it is of an ordinary minute.
LEAST_SAMPLES = 3
# What a report is made of lies in memory: a day by the minute.
MOST_SAMPLES = 1441

_PART = re.compile(r"(\d+)\s*(h|min|m|s)", re.IGNORECASE)
_SECONDS = {"h": 3600, "m": 60, "min": 60, "s": 1}


class BadTimes(PlanError):
    """`--for` and `--every` do not make sense; nothing was contacted."""


@dataclass(frozen=True, kw_only=True)
class SampleWish:
    """What the user asked for; `lasting` and `every` as they were typed."""

    site_file: Path
    lasting: str
    every: str = "60s"
    hosts: tuple[str, ...] = ()
    store: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sampled:
    status: Exit
    run_id: str
    endpoints: tuple[EndpointSamples, ...]


def duration(option: str, text: str) -> timedelta:
    """`2h`, `90m`, `1h30m`, `60s`. Raises BadTimes."""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise BadTimes(f"{option} {text!r} is no time: write it like 2h, 90m, 1h30m or 60s")
    return timedelta(seconds=sum(int(number) * _SECONDS[unit.lower()] for number, unit in parts))


def intervals(lasting: str, every: str) -> Intervals:
    """When to take samples. Raises BadTimes on what would measure nothing, or too much."""
    whole, step = duration("--for", lasting), duration("--every", every)
    if step < OFTENEST:
        raise BadTimes(
            f"--every {every} is too often: the samples would show the check-up's own work; "
            f"{OFTENEST.seconds}s is the least, 60s is usual"
        )
    if whole > LONGEST:
        raise BadTimes(f"--for {lasting} is too long: 24h is the most; sample one busy day, or a busy hour")
    count = whole // step + 1
    if count < LEAST_SAMPLES:
        least = (LEAST_SAMPLES - 1) * step
        raise BadTimes(
            f"--for {lasting} with --every {every} makes {count} sample{'s' if count > 1 else ''}, which "
            f"measures nothing: take at least {shown(least)}, better an hour or two"
        )
    if count > MOST_SAMPLES:
        fitting = -(-int(whole.total_seconds()) // (MOST_SAMPLES - 1))
        raise BadTimes(
            f"--for {lasting} with --every {every} makes {count:,} samples, more than the {MOST_SAMPLES:,} "
            f"that a report can be made of: take --every {fitting}s, or a shorter time"
        )
    return Intervals(every=step, count=count)


def shown(time_left: timedelta) -> str:
    """ "2 h 5 min", "45 s"."""
    seconds = round(time_left.total_seconds())
    hours, minutes = seconds // 3600, seconds // 60 % 60
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) if parts else f"{seconds} s"


def would_ask(wish: SampleWish, *, clock: Callable[[], datetime] = utc_now) -> SamplingPlan:
    """What `sample` would ask of whom. Contacts nothing and writes nothing; raises as `sample` does."""
    intervals(wish.lasting, wish.every)
    return sampling_plan(prepare(wish.site_file, clock()), clock(), wish.hosts)


def sample(
    wish: SampleWish,
    *,
    say: Say,
    tell: Callable[[Taken], None],
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Sampled:
    """Take the samples that were wished for; `tell` hears of each round.

    Raises BadTimes and the errors of the site file, the catalogue, the plan and the store before anything is
    contacted; whatever happens on the client's side is kept as a sample that brought nothing.
    """
    when = intervals(wish.lasting, wish.every)
    prepared = prepare(wish.site_file, clock())
    made = sampling_plan(prepared, clock(), wish.hosts)
    for name, reason in made.left_out:
        say(f"{name} is left out: {reason}")
    for probe in made.plan.unlinted:
        say(f"the samples for {probe} have no stamp of the read-only lint")
    names = ", ".join(endpoint.endpoint for endpoint in made.plan.endpoints)
    whole = (when.count - 1) * when.every
    say(
        f"{prepared.site.site.name}: {when.count} samples of {names}, one every {shown(when.every)} for "
        f"{shown(whole)}; Ctrl-C ends it and keeps what was taken"
    )
    with store_at(wish.store) as store:
        run_id = begin_run(prepared, store, made.plan, clock())
        done = _take(prepared, store, made.plan, run_id, when, tell, clock, monotonic, wait)
    for line in _summary(done, run_id, when, wish.site_file):
        say(line)
    return Sampled(status=_status(done), run_id=run_id, endpoints=done.endpoints)


def _take(
    prepared: Prepared,
    store: Store,
    plan: Plan,
    run_id: str,
    when: Intervals,
    tell: Callable[[Taken], None],
    clock: Callable[[], datetime],
    monotonic: Callable[[], float],
    wait: Callable[[float], None],
) -> Sampling:
    from checkup.store import RunState

    recorder = StoreRecorder(store, prepared.site, run_id, clock)
    told: set[str] = set()

    def keep(examined: Examined) -> None:
        snapshot = examined.snapshot
        first = snapshot.complete and snapshot.endpoint not in told
        recorder.save_sample(examined, first=first)
        if first:
            told.add(snapshot.endpoint)

    state = RunState.FAILED
    station = StationWatch()
    try:
        with Opening(prepared.site, prepared.loaded.path.parent) as opening, Watch() as watch:
            connections = KeptConnections(opening.open, opening.open_sql)
            done = take_samples(
                plan.endpoints,
                when,
                around=Surroundings(
                    sections=prepared.catalogue.sections,
                    open=connections.open,
                    clock=clock,
                    watch=watch,
                    emit=lambda event: None,
                    pinned=recorder.identity,
                    sent=recorder.sent,
                    left=opening.left,
                    open_sql=connections.open_sql,
                ),
                connections=connections,
                keep=keep,
                cut_off=recorder.cut_off,
                tell=tell,
                monotonic=monotonic,
                wait=wait,
            )
        ended = not done.interrupted and done.failure is None
        state = RunState.COMPLETE if ended else RunState.INTERRUPTED
    finally:
        finish_run(store, run_id, state, clock(), station)
    return done


def _summary(done: Sampling, run_id: str, when: Intervals, site_file: Path) -> list[str]:
    """What was kept, and what to do with it."""
    lines = [_line(one, when.count) for one in done.endpoints]
    if done.failure is not None:
        lines.append(f"ended, because a sample could not be kept: {done.failure}")
    if done.interrupted:
        lines.append("interrupted: every sample above is kept")
    if any(one.good >= LEAST_SAMPLES for one in done.endpoints):
        lines.append(
            f"run {run_id}: `checkup run {site_file} --visit tune-up` reads these samples; so does `checkup "
            "analyse` of a visit that was examined before"
        )
    else:
        lines.append(
            f"run {run_id}: too little to be judged; {LEAST_SAMPLES} samples of one instance are the least"
        )
    return lines


def _line(one: EndpointSamples, wanted: int) -> str:
    said = f"{one.endpoint}: {one.good} of {wanted} samples kept"
    if one.failed:
        said += f", {one.failed} brought nothing"
    if one.missed:
        said += f", {one.missed} left out because the one before took too long"
    return f"{said} ({one.reason})" if one.reason else said


def _status(done: Sampling) -> Exit:
    if done.interrupted:
        return Exit.INTERRUPTED
    if done.failure is not None or not any(one.good >= LEAST_SAMPLES for one in done.endpoints):
        return Exit.NOTHING
    incomplete = any(one.failed or one.missed or one.reason for one in done.endpoints)
    return Exit.INCOMPLETE if incomplete else Exit.COMPLETE
