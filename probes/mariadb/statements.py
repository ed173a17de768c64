"""How statements do their work: temporary tables, sorts and joins, and those that take long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    NoLevels,
    Number,
    Passed,
    Probe,
    Result,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from probes.mariadb.counted import IN_FILE, TUNE_UP, judge_counted, share_of
from probes.mariadb.server import (
    ANYONE,
    DAY_S,
    EARLY,
    YOUNG_S,
    Counted,
    Server,
    too_young,
    unknown,
    with_early,
)


@dataclass(frozen=True, slots=True)
class TemporaryLevels:
    most: float = 0.25  # of the temporary tables, on disk: mysqltuner
    least_tables: int = 1000  # ours


def check_temporary(facts: Server, levels: TemporaryLevels, ctx: Context) -> Iterator[Result]:
    share = share_of(
        ("created_tmp_disk_tables", "created_tmp_tables"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[1], least=levels.least_tables, what="temporary tables"
        ),
        facts,
    )
    yield from judge_counted(facts, share, levels.most, message="disk")


temporary_tables = Probe(
    id="mariadb.temporary-tables",
    title="Temporary tables stay in memory",
    check=check_temporary,
    levels=TemporaryLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"disk": "{share} of {whole} temporary tables went to disk, more than {limit}."}),
    why="Sorting and grouping that does not fit into memory, or reads long texts, is done on disk.",
    remedy=(
        "SET GLOBAL tmp_table_size = 67108864; SET GLOBAL max_heap_table_size = 67108864; "
        + IN_FILE
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
    share = share_of(
        ("sort_merge_passes", "sort_range", "sort_scan"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[1] + n[2], least=levels.least_sorts, what="sorts"
        ),
        facts,
    )
    yield from judge_counted(facts, share, levels.most, message="passes")


sorts = Probe(
    id="mariadb.sorts",
    title="Sorts fit into memory",
    check=check_sorts,
    levels=SortLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"passes": "{part} times part of a sort went to disk, in {whole} sorts."}),
    why="A sort that does not fit into its buffer is written to disk in pieces and merged.",
    remedy=(
        "SET GLOBAL sort_buffer_size = 4194304, " + IN_FILE + "; new connections use it. More than 4 MiB "
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
    visits=TUNE_UP,
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
    share = share_of(
        ("slow_queries", "questions"),
        lambda n: Counted(
            metric="slow", part=n[0], whole=n[1], least=levels.least_statements, what="statements"
        ),
        facts,
    )
    yield from judge_counted(facts, share, levels.most, message="slow", impact=Impact.LIMITED)


slow_statements = Probe(
    id="mariadb.slow-statements",
    title="Few statements are slow",
    check=check_slow,
    levels=SlowLevels(),
    kind="mariadb",
    visits=TUNE_UP,
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
    visits=TUNE_UP,
    messages={"off": "The slow log is off: nobody can say which statements take longer than {seconds}."},
    why="Without it we can only guess which index is missing.",
    remedy=(
        "SET GLOBAL long_query_time = 2; SET GLOBAL slow_query_log = ON, " + IN_FILE + ". The log holds "
        "patients' data: leave it in the data directory, readable to the service only, and delete it when "
        "its summary is made. Gain: we see what is slow. The way back: SET GLOBAL slow_query_log = OFF."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'slow_query_log' says ON.",
    rights=ANYONE,
    references=("sql: MY-SLOWLOG (mysqltuner)", "MariaDB documentation: Slow Query Log Overview"),
)
