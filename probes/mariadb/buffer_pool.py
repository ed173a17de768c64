"""InnoDB's buffer pool: its size, how many reads it serves, how much of it is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
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
    Counted,
    Server,
    unknown,
    with_early,
)
from probes.mariadb.tables import TABLES_RIGHT, Tables


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
    visits=TUNE_UP,
    messages={"small": "The buffer pool is {pool}, InnoDB's data and indexes are {data}."},
    why="What is not in the buffer pool is read from disk, a thousand times slower than from memory.",
    remedy=(
        "If the machine has memory to spare (see the probe on memory): SET GLOBAL innodb_buffer_pool_size = "
        "bytes of the data and a quarter more, at most half of the memory, " + IN_FILE + ". Gain: after a "
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
    share = share_of(
        ("innodb_buffer_pool_reads", "innodb_buffer_pool_read_requests"),
        lambda n: Counted(
            metric="hits", part=n[1] - n[0], whole=n[1], least=levels.least_reads, what="reads of pages"
        ),
        facts,
    )
    yield from judge_counted(
        facts, share, levels.least, message="few", worse=Worse.LOWER, impact=Impact.LIMITED
    )


pool_hits = Probe(
    id="mariadb.buffer-pool-hits",
    title="Reads are served from memory",
    check=check_hits,
    levels=HitLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"few": "Only {hits} of InnoDB's reads were served from memory."}),
    why="The rest went to the disk: the pool is too small, or statements read whole tables without an index.",
    remedy=(
        "Memory to spare: SET GLOBAL innodb_buffer_pool_size = twice the present number (at most half of the "
        "memory), " + IN_FILE + ". None to spare: send us this report; an index may be missing, which is "
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
    share = share_of(
        ("innodb_buffer_pool_pages_free", "innodb_buffer_pool_pages_total"),
        lambda n: Counted(metric="free", part=n[0], whole=n[1], least=1, what="pages"),
        facts,
    )
    yield from judge_counted(facts, share, levels.most, message="free")


pool_use = Probe(
    id="mariadb.buffer-pool-use",
    title="The buffer pool is used",
    check=check_unused,
    levels=UnusedLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"free": "{free} of the buffer pool was never filled."}),
    why="Memory that the pool keeps and does not use is missing elsewhere on the machine.",
    remedy=(
        "Only where the machine is short of memory: SET GLOBAL innodb_buffer_pool_size = the present number "
        "less the unused part, " + IN_FILE + ". Else leave it: the data will grow. Gain: memory for other "
        "programs. The way back: the old number."
    ),
    verify=(
        "A week later SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_free' is below a fifth of the total."
    ),
    rights=ANYONE,
    references=("sql: MY-BPUSE (mysqltuner)",),
)
