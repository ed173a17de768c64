"""Tables and indexes that are at hand: the cache of open tables, the key buffers of MyISAM and Aria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Impact,
    NotApplicable,
    Probe,
    Ratio,
    Result,
    Step,
    When,
    Worse,
    judge,
)
from probes.mariadb.counted import IN_FILE, TUNE_UP, judge_counted, share_of
from probes.mariadb.server import (
    ANYONE,
    EARLY,
    YOUNG_S,
    Counted,
    Server,
    too_young,
    with_early,
)


@dataclass(frozen=True, slots=True)
class CacheLevels:
    least: float = 0.20  # of openings found in the cache: mysqltuner
    least_openings: int = 1000  # ours


def check_table_cache(facts: Server, levels: CacheLevels, ctx: Context) -> Iterator[Result]:
    share = share_of(
        ("table_open_cache_hits", "table_open_cache_misses"),
        lambda n: Counted(
            metric="hits", part=n[0], whole=n[0] + n[1], least=levels.least_openings, what="openings"
        ),
        facts,
    )
    yield from judge_counted(facts, share, levels.least, message="few", worse=Worse.LOWER)


table_cache = Probe(
    id="mariadb.table-cache",
    title="Tables stay open between statements",
    check=check_table_cache,
    levels=CacheLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"few": "Only {hits} of {whole} openings of tables were served from the cache."}),
    why="A table that has to be opened anew costs several accesses to the disk before the first row is read.",
    remedy=(
        "SET GLOBAL table_open_cache = 4000 (or twice what it is), " + IN_FILE + "; see that the server may "
        "open as many files (probe on open files). Gain: small, with many tables noticeable. The way back: "
        "the old number."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-TABLECACHE (mysqltuner)", "MariaDB documentation: Optimizing table_open_cache"),
)


@dataclass(frozen=True, slots=True)
class KeyLevels:
    least: float = 0.95  # of reads of indexes, served from memory: mysqltuner
    least_reads: int = 100_000  # ours


_KEY_CACHES = {
    "MyISAM": ("key_reads", "key_read_requests"),
    "Aria": ("aria_pagecache_reads", "aria_pagecache_read_requests"),
}


def check_keys(facts: Server, levels: KeyLevels, ctx: Context) -> Iterator[Result]:
    if young := too_young(facts):
        yield young
        return
    looked = 0
    for engine, names in _KEY_CACHES.items():
        counts = facts.counts(*names)
        if counts is None or counts[1] < levels.least_reads:
            continue
        looked += 1
        reads, requests = counts
        seconds = facts.counted_s or 0.0
        yield from judge(
            "hits",
            Ratio((requests - reads) / requests),
            (Step(levels.least, Impact.NOTE, When.LATER),),
            worse=Worse.LOWER,
            message="few" + EARLY if seconds < YOUNG_S else "few",
            item=engine,
            evidence={"counted": Duration(seconds)},
        )
    if not looked:
        yield NotApplicable(reason="indexes of MyISAM and Aria are hardly read here")


key_buffers = Probe(
    id="mariadb.key-buffers",
    title="Indexes of MyISAM and Aria are read from memory",
    check=check_keys,
    levels=KeyLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"few": "Only {hits} of the reads of {item}'s indexes were served from memory."}),
    why="The rest went to the disk. The server itself uses Aria for what statements put aside on disk.",
    remedy=(
        "MyISAM: SET GLOBAL key_buffer_size = twice the present number, " + IN_FILE + ". Aria: the line "
        "aria_pagecache_buffer_size = twice the number there, and a restart out of hours. Watch the "
        "machine's memory. Gain: small. The way back: the old numbers."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-KEYBUF (mysqltuner)",),
)
