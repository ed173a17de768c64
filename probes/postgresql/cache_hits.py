"""How many pages are found in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Impact,
    Instant,
    NotApplicable,
    Probe,
    Ratio,
    Result,
    Step,
    Text,
    Visit,
    When,
    Worse,
    judge,
)
from probes.postgresql.counting import window
from probes.postgresql.databases import Databases


@dataclass(frozen=True, slots=True)
class CacheLevels:
    hits: float = 0.99  # PgHero cache_hit_rate_threshold
    least_blocks: int = 1_000_000  # read or hit; fewer are no sample; our own experience


def check_cache(facts: Databases, levels: CacheLevels, ctx: Context) -> Iterator[Result]:
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.users:
        asked = one.read_blocks + one.hit_blocks
        if asked < levels.least_blocks:
            yield NotApplicable(item=one.database_name, reason=f"only {asked} blocks were asked for")
            continue
        # Since version 15 the server does not say since when it counts, and counters outlive its restarts.
        counted = window(facts.server, one.counted_since) if one.counted_since else None
        since = {"since": Instant(counted.since)} if counted else {"since": Text("an unknown day")}
        yield from judge(
            "hits",
            Ratio(round(one.hit_blocks / asked, 4)),
            (Step(levels.hits, Impact.NOTE, When.LATER, "young" if counted and counted.is_young else "few"),),
            worse=Worse.LOWER,
            message="few",
            item=one.database_name,
            evidence=since,
        )


cache_hits = Probe(
    id="postgresql.cache-hits",
    title="Most pages are found in memory",
    check=check_cache,
    levels=CacheLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "few": "{item} found {hits} of its pages in the server's own memory since {since}.",
        "young": (
            "{item} found {hits} of its pages in the server's own memory, counted since {since} only: a "
            "hint, no more."
        ),
    },
    why="A page that is not in shared_buffers comes from the operating system or the disk, which is slower.",
    remedy=(
        "On a server of its own: ALTER SYSTEM SET shared_buffers to a quarter of the memory (for 16 GB: "
        "'4GB'), then restart the service out of hours. Gain: fewer reads from disk. The way back: ALTER "
        "SYSTEM RESET shared_buffers, restart."
    ),
    verify="The next tune-up shows 99 % or more.",
    rights="an ordinary login",
    references=("PgHero: cache_hit_rate", "PostgreSQL documentation: shared_buffers"),
)
