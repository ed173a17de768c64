"""What would make an instance faster, by its settings and by what it counted since its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Step,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.mariadb.server import (
    ANYONE,
    DAY_S,
    EARLY,
    YOUNG_S,
    Counted,
    Server,
    judge_share,
    too_young,
    unknown,
    with_early,
)
from probes.mariadb.tables import TABLES_RIGHT, Tables

_TUNE_UP = frozenset({Visit.TUNE_UP})
_IN_FILE = "and the same line in my.cnf (my.ini), section [mysqld]"


def _shares(
    names: tuple[str, ...], made: Callable[[list[float]], Counted], facts: Server
) -> Counted | Result:
    """The share made of these counters, or why it cannot be judged."""
    counts = facts.counts(*names)
    if counts is None:
        return unknown(*names)
    return too_young(facts) or made(counts)


def _judged(
    facts: Server,
    share: Counted | Result,
    limit: float,
    *,
    message: str,
    worse: Worse = Worse.HIGHER,
    impact: Impact = Impact.NOTE,
) -> Iterator[Result]:
    if not isinstance(share, Counted):
        yield share
        return
    evidence: dict[str, Value] = {"part": Number(share.part), "whole": Number(share.whole)}
    yield from judge_share(
        facts, share, limit, worse=worse, impact=impact, message=message, evidence=evidence
    )


# --- InnoDB's buffer pool ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pool:
    server: Server
    tables: Tables


@dataclass(frozen=True, slots=True)
class PoolLevels:
    least: float = 1.0  # of data and indexes of InnoDB: mysqltuner


def check_pool(facts: Pool, levels: PoolLevels, ctx: Context) -> Iterator[Result]:
    size = facts.server.number("innodb_buffer_pool_size")
    if size is None:
        yield unknown("innodb_buffer_pool_size")
        return
    held = sum(one.data_bytes + one.index_bytes for one in facts.tables.rows if one.is_innodb)
    if not held:
        yield NotApplicable(reason="no table of the clinic is kept by InnoDB")
        return
    yield from judge(
        "share",
        Ratio(size / held),
        (Step(levels.least, Impact.NOTE, When.LATER),),
        worse=Worse.LOWER,
        message="small",
        evidence={"pool": Bytes(int(size)), "data": Bytes(held)},
    )


pool_size = Probe(
    id="mariadb.buffer-pool-size",
    title="Data and indexes fit into the buffer pool",
    check=check_pool,
    levels=PoolLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages={"small": "The buffer pool is {pool}, InnoDB's data and indexes are {data}."},
    why="What is not in the buffer pool is read from disk, a thousand times slower than from memory.",
    remedy=(
        "If the machine has memory to spare (see the probe on memory): SET GLOBAL innodb_buffer_pool_size = "
        "bytes of the data and a quarter more, at most half of the memory, " + _IN_FILE + ". Gain: after a "
        "day screens open without the disk. The way back: the old number."
    ),
    verify=(
        "SHOW GLOBAL VARIABLES LIKE 'innodb_buffer_pool_size' shows it; innodb_buffer_pool_reads grows "
        "slower."
    ),
    rights=TABLES_RIGHT,
    references=("sql: MY-BP (mysqltuner)", "MariaDB documentation: InnoDB Buffer Pool"),
)


@dataclass(frozen=True, slots=True)
class HitLevels:
    least: float = 0.90  # of reads served from memory: mysqltuner
    least_reads: int = 1_000_000  # fewer are the warming-up after a start; ours


def check_hits(facts: Server, levels: HitLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("innodb_buffer_pool_reads", "innodb_buffer_pool_read_requests"),
        lambda n: Counted(
            metric="hits", part=n[1] - n[0], whole=n[1], least=levels.least_reads, what="reads of pages"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.least, message="few", worse=Worse.LOWER, impact=Impact.LIMITED)


pool_hits = Probe(
    id="mariadb.buffer-pool-hits",
    title="Reads are served from memory",
    check=check_hits,
    levels=HitLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"few": "Only {hits} of InnoDB's reads were served from memory."}),
    why="The rest went to the disk: the pool is too small, or statements read whole tables without an index.",
    remedy=(
        "Memory to spare: SET GLOBAL innodb_buffer_pool_size = twice the present number (at most half of the "
        "memory), " + _IN_FILE + ". None to spare: send us this report; an index may be missing, which is "
        "our part. Gain: fewer waits for the disk. The way back: the old number."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-BP (mysqltuner)", "MariaDB documentation: InnoDB Buffer Pool"),
)


@dataclass(frozen=True, slots=True)
class UnusedLevels:
    most: float = 0.20  # of the pool's pages, free: mysqltuner


def check_unused(facts: Server, levels: UnusedLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("innodb_buffer_pool_pages_free", "innodb_buffer_pool_pages_total"),
        lambda n: Counted(metric="free", part=n[0], whole=n[1], least=1, what="pages"),
        facts,
    )
    yield from _judged(facts, share, levels.most, message="free")


pool_use = Probe(
    id="mariadb.buffer-pool-use",
    title="The buffer pool is used",
    check=check_unused,
    levels=UnusedLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"free": "{free} of the buffer pool was never filled."}),
    why="Memory that the pool keeps and does not use is missing elsewhere on the machine.",
    remedy=(
        "Only where the machine is short of memory: SET GLOBAL innodb_buffer_pool_size = the present number "
        "less the unused part, " + _IN_FILE + ". Else leave it: the data will grow. Gain: memory for other "
        "programs. The way back: the old number."
    ),
    verify=(
        "A week later SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_free' is below a fifth of the total."
    ),
    rights=ANYONE,
    references=("sql: MY-BPUSE (mysqltuner)",),
)


# --- InnoDB's log -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RedoLevels:
    # Of the buffer pool: mysqltuner, 20 to 30 %. More does no harm but a longer start after a crash, and is
    # the servers' own default with a small pool, so there is no upper level.
    least: float = 0.20


def check_redo(facts: Server, levels: RedoLevels, ctx: Context) -> Iterator[Result]:
    pool = facts.number("innodb_buffer_pool_size")
    log = facts.number("innodb_redo_log_capacity")  # MySQL 8.0.30 and newer; the old names mean nothing there
    if log is None:
        size = facts.number("innodb_log_file_size")
        log = None if size is None else size * (facts.number("innodb_log_files_in_group") or 1)
    if not pool or log is None:
        yield unknown("innodb_buffer_pool_size", "innodb_log_file_size")
        return
    yield from judge(
        "share",
        Ratio(log / pool),
        (Step(levels.least, Impact.NOTE, When.LATER),),
        worse=Worse.LOWER,
        message="small",
        evidence={"log": Bytes(int(log)), "pool": Bytes(int(pool))},
    )


redo_log = Probe(
    id="mariadb.redo-log",
    title="InnoDB's log suits its buffer pool",
    check=check_redo,
    levels=RedoLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages={"small": "InnoDB's log is {log}, the buffer pool {pool}: {share}, less than {limit}."},
    why="With a small log InnoDB writes its pages to disk in haste, and saving waits for that in busy hours.",
    remedy=(
        "Set it to a quarter of the pool. MySQL 8.0.30 and newer: SET PERSIST innodb_redo_log_capacity = "
        "bytes. MariaDB 10.9 and newer: SET GLOBAL innodb_log_file_size = bytes, " + _IN_FILE + ". Older: "
        "the line only, and a restart out of hours after a back-up. Gain: even saving. The way back: the "
        "old number, the same way."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'innodb_log_file_size' (innodb_redo_log_capacity) shows it.",
    rights=ANYONE,
    references=("sql: MY-REDO (mysqltuner)", "MariaDB documentation: InnoDB Redo Log"),
)


@dataclass(frozen=True, slots=True)
class CountLevels:
    most: int = 0


def check_log_waits(facts: Server, levels: CountLevels, ctx: Context) -> Iterator[Result]:
    waits = facts.counter("innodb_log_waits")
    if waits is None:
        yield unknown("Innodb_log_waits")
        return
    if young := too_young(facts):
        yield young
        return
    seconds = facts.counted_s or 0.0
    yield from judge(
        "waits",
        Number(waits),
        (Step(levels.most + 1, Impact.NOTE, When.LATER),),
        worse=Worse.HIGHER,
        message="waited" + EARLY if seconds < YOUNG_S else "waited",
        evidence={"counted": Duration(seconds)},
    )


log_waits = Probe(
    id="mariadb.log-waits",
    title="Saving never waits for InnoDB's log buffer",
    check=check_log_waits,
    levels=CountLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"waited": "Saving waited {waits} times for the log buffer since the start."}),
    why="A change larger than the buffer waits until the disk has written part of it.",
    remedy=(
        "In my.cnf (my.ini), section [mysqld]: innodb_log_buffer_size = 64M (or twice what it is), and a "
        "restart out of hours. Gain: large imports and scans save faster. The way back: take the line out "
        "and restart."
    ),
    verify="A week after the restart SHOW GLOBAL STATUS LIKE 'Innodb_log_waits' shows 0.",
    rights=ANYONE,
    references=("sql: MY-LOGWAIT (mysqltuner)",),
)


# --- statements -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TemporaryLevels:
    most: float = 0.25  # of the temporary tables, on disk: mysqltuner
    least_tables: int = 1000  # ours


def check_temporary(facts: Server, levels: TemporaryLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("created_tmp_disk_tables", "created_tmp_tables"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[1], least=levels.least_tables, what="temporary tables"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.most, message="disk")


temporary_tables = Probe(
    id="mariadb.temporary-tables",
    title="Temporary tables stay in memory",
    check=check_temporary,
    levels=TemporaryLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"disk": "{share} of {whole} temporary tables went to disk, more than {limit}."}),
    why="Sorting and grouping that does not fit into memory, or reads long texts, is done on disk.",
    remedy=(
        "SET GLOBAL tmp_table_size = 67108864; SET GLOBAL max_heap_table_size = 67108864; "
        + _IN_FILE
        + ". Each connection may use that much, so watch the machine's memory. If the share stays, it is "
        "long texts in statements: tell us. Gain: faster lists. The way back: the old numbers."
    ),
    verify="After FLUSH STATUS and a week the share is below the limit.",
    rights=ANYONE,
    references=("sql: MY-TMPDISK (mysqltuner)",),
)


@dataclass(frozen=True, slots=True)
class SortLevels:
    most: float = 0.10  # passes for each sort: mysqltuner
    least_sorts: int = 1000  # ours


def check_sorts(facts: Server, levels: SortLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("sort_merge_passes", "sort_range", "sort_scan"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[1] + n[2], least=levels.least_sorts, what="sorts"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.most, message="passes")


sorts = Probe(
    id="mariadb.sorts",
    title="Sorts fit into memory",
    check=check_sorts,
    levels=SortLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"passes": "{part} times part of a sort went to disk, in {whole} sorts."}),
    why="A sort that does not fit into its buffer is written to disk in pieces and merged.",
    remedy=(
        "SET GLOBAL sort_buffer_size = 4194304, " + _IN_FILE + "; new connections use it. More than 4 MiB "
        "makes small sorts slower. If nothing changes, an index is missing, which is our part: tell us. "
        "Gain: faster lists. The way back: the old number."
    ),
    verify="After FLUSH STATUS and a week the share is below the limit.",
    rights=ANYONE,
    references=("sql: MY-SORT (mysqltuner)",),
)


@dataclass(frozen=True, slots=True)
class JoinLevels:
    most_per_day: float = 250.0  # mysqltuner


def check_joins(facts: Server, levels: JoinLevels, ctx: Context) -> Iterator[Result]:
    joins = facts.counter("select_full_join")
    if joins is None:
        yield unknown("Select_full_join")
        return
    if young := too_young(facts):
        yield young
        return
    seconds = facts.counted_s or float(DAY_S)
    yield from judge(
        "joins",
        Number(joins / seconds * DAY_S, "a day"),
        (Step(levels.most_per_day, Impact.NOTE, When.LATER),),
        worse=Worse.HIGHER,
        message="many" + EARLY if seconds < YOUNG_S else "many",
        evidence={"counted": Duration(seconds)},
    )


joins = Probe(
    id="mariadb.joins",
    title="Tables are joined by indexes",
    check=check_joins,
    levels=JoinLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"many": "Tables were joined without an index ({joins} times)."}),
    why="Such a statement reads the whole second table for each row of the first: slower with every case.",
    remedy=(
        "This is addressed to us, the vendor: send us this report. We name the statements from the slow log "
        "(see there) and add the index with the next release, or by a script that we send. Gain: the screen "
        "concerned opens at once. The way back: DROP INDEX of that name."
    ),
    verify="After FLUSH STATUS and a week there are fewer a day than the limit.",
    rights=ANYONE,
    references=("sql: MY-JOIN (mysqltuner)",),
)


@dataclass(frozen=True, slots=True)
class SlowLevels:
    most: float = 0.05  # of all statements: mysqltuner
    least_statements: int = 1000  # ours


def check_slow(facts: Server, levels: SlowLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("slow_queries", "questions"),
        lambda n: Counted(
            metric="slow", part=n[0], whole=n[1], least=levels.least_statements, what="statements"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.most, message="slow", impact=Impact.LIMITED)


slow_statements = Probe(
    id="mariadb.slow-statements",
    title="Few statements are slow",
    check=check_slow,
    levels=SlowLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"slow": "{part} of {whole} statements ({slow}) took longer than long_query_time."}),
    why="Each of them is somebody who waits in front of a screen.",
    remedy=(
        "Switch the slow log on for a working day (see there) and send us its summary, made with "
        "mariadb-dumpslow (MySQL: mysqldumpslow), which leaves values out; never the log itself, it holds "
        "patients' data. Indexes are our part. Gain: the slowest screens first. The way back: nothing was "
        "changed."
    ),
    verify="After our next release, FLUSH STATUS and a week the share is below the limit.",
    rights=ANYONE,
    references=("sql: MY-SLOW (mysqltuner)",),
)


def check_slow_log(facts: Server, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    seconds = facts.number("long_query_time")
    if facts.setting("slow_query_log") is None or seconds is None:
        yield unknown("slow_query_log", "long_query_time")
        return
    evidence: dict[str, Value] = {"seconds": Duration(seconds)}
    if facts.is_off("slow_query_log"):
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="off", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


slow_log = Probe(
    id="mariadb.slow-log",
    title="Slow statements are logged",
    check=check_slow_log,
    levels=NoLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages={"off": "The slow log is off: nobody can say which statements take longer than {seconds}."},
    why="Without it we can only guess which index is missing.",
    remedy=(
        "SET GLOBAL long_query_time = 2; SET GLOBAL slow_query_log = ON, " + _IN_FILE + ". The log holds "
        "patients' data: leave it in the data directory, readable to the service only, and delete it when "
        "its summary is made. Gain: we see what is slow. The way back: SET GLOBAL slow_query_log = OFF."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'slow_query_log' says ON.",
    rights=ANYONE,
    references=("sql: MY-SLOWLOG (mysqltuner)", "MariaDB documentation: Slow Query Log Overview"),
)


# --- caches and locks of tables ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CacheLevels:
    least: float = 0.20  # of openings found in the cache: mysqltuner
    least_openings: int = 1000  # ours


def check_table_cache(facts: Server, levels: CacheLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("table_open_cache_hits", "table_open_cache_misses"),
        lambda n: Counted(
            metric="hits", part=n[0], whole=n[0] + n[1], least=levels.least_openings, what="openings"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.least, message="few", worse=Worse.LOWER)


table_cache = Probe(
    id="mariadb.table-cache",
    title="Tables stay open between statements",
    check=check_table_cache,
    levels=CacheLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"few": "Only {hits} of {whole} openings of tables were served from the cache."}),
    why="A table that has to be opened anew costs several accesses to the disk before the first row is read.",
    remedy=(
        "SET GLOBAL table_open_cache = 4000 (or twice what it is), " + _IN_FILE + "; see that the server may "
        "open as many files (probe on open files). Gain: small, with many tables noticeable. The way back: "
        "the old number."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-TABLECACHE (mysqltuner)", "MariaDB documentation: Optimizing table_open_cache"),
)


@dataclass(frozen=True, slots=True)
class LockLevels:
    least: float = 0.95  # of locks on tables, given at once: mysqltuner
    least_locks: int = 1000  # ours


def check_locks(facts: Server, levels: LockLevels, ctx: Context) -> Iterator[Result]:
    share = _shares(
        ("table_locks_immediate", "table_locks_waited"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[0] + n[1], least=levels.least_locks, what="locks on tables"
        ),
        facts,
    )
    yield from _judged(facts, share, levels.least, message="waits", worse=Worse.LOWER)


table_locks = Probe(
    id="mariadb.table-locks",
    title="Locks on whole tables are given at once",
    check=check_locks,
    levels=LockLevels(),
    kind="mariadb",
    visits=_TUNE_UP,
    messages=with_early({"waits": "Only {share} of {whole} locks on tables were given at once."}),
    why="Tables of MyISAM and Aria are locked as a whole: one who saves makes all others wait.",
    remedy=(
        "Convert the tables that the probe on storage engines names, with our word that our release is "
        "tested so. Gain: nobody waits for somebody else's saving. The way back is named there."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-LOCKS (mysqltuner)",),
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
    visits=_TUNE_UP,
    messages=with_early({"few": "Only {hits} of the reads of {item}'s indexes were served from memory."}),
    why="The rest went to the disk. The server itself uses Aria for what statements put aside on disk.",
    remedy=(
        "MyISAM: SET GLOBAL key_buffer_size = twice the present number, " + _IN_FILE + ". Aria: the line "
        "aria_pagecache_buffer_size = twice the number there, and a restart out of hours. Watch the "
        "machine's memory. Gain: small. The way back: the old numbers."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-KEYBUF (mysqltuner)",),
)
