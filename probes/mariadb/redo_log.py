"""InnoDB's log: its size beside the buffer pool, and whether saving waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Duration,
    Impact,
    Number,
    Probe,
    Ratio,
    Result,
    Step,
    When,
    Worse,
    judge,
)
from probes.mariadb.counted import IN_FILE, TUNE_UP
from probes.mariadb.server import (
    ANYONE,
    EARLY,
    YOUNG_S,
    Server,
    too_young,
    unknown,
    with_early,
)


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
    visits=TUNE_UP,
    messages={"small": "InnoDB's log is {log}, the buffer pool {pool}: {share}, less than {limit}."},
    why="With a small log InnoDB writes its pages to disk in haste, and saving waits for that in busy hours.",
    remedy=(
        "Set it to a quarter of the pool. MySQL 8.0.30 and newer: SET PERSIST innodb_redo_log_capacity = "
        "bytes. MariaDB 10.9 and newer: SET GLOBAL innodb_log_file_size = bytes, " + IN_FILE + ". Older: "
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
    visits=TUNE_UP,
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
