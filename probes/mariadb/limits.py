"""What an instance runs out of: connections, open files, memory; and how long it has run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from probes.mariadb.server import (
    ANYONE,
    DAY_S,
    Counted,
    Server,
    judge_share,
    too_young,
    unknown,
    with_early,
)

# --- since when it runs -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UptimeLevels:
    short_s: int = DAY_S  # counters of less say nothing: mysqltuner


def check_uptime(facts: Server, levels: UptimeLevels, ctx: Context) -> Iterator[Result]:
    up_s = facts.server.up_s if facts.server.up_s is not None else facts.counter("uptime")
    if up_s is None:
        yield unknown("Uptime")
        return
    yield from judge(
        "up",
        Duration(up_s),
        (Step(levels.short_s, Impact.NOTE, When.LATER),),
        worse=Worse.LOWER,
        message="started",
    )


uptime = Probe(
    id="mariadb.uptime",
    title="The server has been up for more than a day",
    check=check_uptime,
    levels=UptimeLevels(),
    kind="mariadb",
    messages={"started": "The server was started {up} ago."},
    why=(
        "A restart that nobody asked for is often a crash, or a machine out of memory. What the server has "
        "counted since then says little, so that other checks are not done."
    ),
    remedy=(
        "Ask who restarted it. If nobody did, read the end of the server's error log before the start "
        "(SHOW GLOBAL VARIABLES LIKE 'log_error' names the file) and send it to us. Repeat the check-up "
        "when the server has run for a week."
    ),
    verify="SHOW GLOBAL STATUS LIKE 'Uptime' shows more than 86400 seconds.",
    rights=ANYONE,
    references=("sql: MY-UPTIME (mysqltuner)", "MariaDB documentation: Server Status Variables"),
)


# --- connections ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectionLevels:
    most: float = 0.85  # of max_connections, ever used at a time: mysqltuner


def check_connections(facts: Server, levels: ConnectionLevels, ctx: Context) -> Iterator[Result]:
    used, limit = facts.counter("max_used_connections"), facts.number("max_connections")
    if used is None or not limit:
        yield unknown("Max_used_connections", "max_connections")
        return
    # The most ever used can only grow: however young the count, what it reached it reached.
    yield from judge(
        "used",
        Ratio(used / limit),
        (
            Step(1.0, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "full"),
            Step(levels.most, Impact.LIMITED),
        ),
        worse=Worse.HIGHER,
        message="many",
        evidence={"most": Number(used), "allowed": Number(limit)},
    )


connections = Probe(
    id="mariadb.connections",
    title="There are connections to spare at the busiest hour",
    check=check_connections,
    levels=ConnectionLevels(),
    kind="mariadb",
    messages={
        "many": "Of {allowed} connections allowed, {most} were in use at a time ({used}).",
        "full": "All {allowed} connections were in use: since its start the server has turned users away.",
    },
    why="When all connections are in use, the next workstation gets an error in place of its screen.",
    remedy=(
        "Tell us first: often a program leaves connections open. If there is memory to spare: SET GLOBAL "
        "max_connections = twice the present number, and the same line max_connections = N in my.cnf (my.ini "
        "on Windows), section [mysqld]. Then FLUSH STATUS, to count anew. The way back: the old number."
    ),
    verify="A week later SHOW GLOBAL STATUS LIKE 'Max_used_connections' shows less than 85 % of the number.",
    rights=ANYONE,
    references=("sql: MY-CONN (mysqltuner)", "MariaDB documentation: Handling Too Many Connections"),
)


@dataclass(frozen=True, slots=True)
class AbortedLevels:
    most: float = 0.03  # of all connections: mysqltuner
    least_connections: int = 100  # fewer make no share; ours


def check_aborted(facts: Server, levels: AbortedLevels, ctx: Context) -> Iterator[Result]:
    counts = facts.counts("aborted_connects", "aborted_clients", "connections")
    if counts is None:
        yield unknown("Aborted_connects", "Aborted_clients", "Connections")
        return
    if young := too_young(facts):
        yield young
        return
    refused, broken, every = counts
    evidence: dict[str, Value] = {"refused": Number(refused), "broken": Number(broken), "all": Number(every)}
    counted = Counted(
        metric="aborted",
        part=refused + broken,
        whole=every,
        least=levels.least_connections,
        what="connections",
    )
    yield from judge_share(facts, counted, levels.most, message="many", evidence=evidence)


aborted_connections = Probe(
    id="mariadb.aborted-connections",
    title="Connections end as they should",
    check=check_aborted,
    levels=AbortedLevels(),
    kind="mariadb",
    messages=with_early(
        {"many": "Of {all} connections {aborted} failed: {refused} at the login, {broken} later."}
    ),
    why=(
        "Logins that fail are a wrong password in some program, or somebody who tries passwords; connections "
        "that break off are crashes of programs, or a network that loses packets."
    ),
    remedy=(
        "Run SET GLOBAL log_warnings = 2 (MySQL: SET GLOBAL log_error_verbosity = 3) for a day; the error "
        "log then names account and workstation of each. Correct that program's password, or look at that "
        "workstation's network. The way back: the number that it had."
    ),
    verify="After FLUSH STATUS and a week the share is below the limit.",
    rights=ANYONE,
    references=(
        "sql: MY-ABORT (mysqltuner)",
        "MySQL documentation: Communication Errors and Aborted Connections",
    ),
)


# --- open files -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileLevels:
    most: float = 0.85  # of open_files_limit: mysqltuner


def check_files(facts: Server, levels: FileLevels, ctx: Context) -> Iterator[Result]:
    opened, limit = facts.counter("open_files"), facts.number("open_files_limit")
    if opened is None or limit is None:
        yield unknown("Open_files", "open_files_limit")
    elif limit == 0:  # "The number of files that the system lets it open cannot be told"
        yield NotChecked(reason="the server does not know how many files it may open")
    else:
        yield from judge(
            "open",
            Ratio(opened / limit),
            (Step(levels.most, Impact.LIMITED),),
            worse=Worse.HIGHER,
            message="many",
            evidence={"files": Number(opened), "allowed": Number(limit)},
        )


open_files = Probe(
    id="mariadb.open-files",
    title="The server may open the files that it needs",
    check=check_files,
    levels=FileLevels(),
    kind="mariadb",
    messages={"many": "The server has {files} of {allowed} files open ({open})."},
    why="A server that may open no further file cannot open tables: screens fail with error 24.",
    remedy=(
        "Linux: systemctl edit mariadb (or mysql), add the lines [Service] and LimitNOFILE=32768, restart "
        "the service out of hours. Windows: open_files_limit=32768 in my.ini, section [mysqld], and "
        "restart. The way back: take the lines out."
    ),
    verify="SHOW GLOBAL VARIABLES LIKE 'open_files_limit' shows the new number.",
    rights=ANYONE,
    references=("sql: MY-OPENFILES (mysqltuner)", "MariaDB documentation: open_files_limit"),
)


# --- memory -----------------------------------------------------------------------------------

_GLOBAL = (
    "aria_pagecache_buffer_size",
    "innodb_buffer_pool_size",
    "innodb_log_buffer_size",
    "key_buffer_size",
    "query_cache_size",
)
_EACH = ("join_buffer_size", "read_buffer_size", "read_rnd_buffer_size", "sort_buffer_size", "thread_stack")
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    most: float = 0.85  # of the machine's memory: mysqltuner


def check_memory(facts: Server, levels: MemoryLevels, ctx: Context) -> Iterator[Result]:
    most, allowed = facts.counter("max_used_connections"), facts.number("max_connections")
    pool = facts.number("innodb_buffer_pool_size")
    if most is None or allowed is None or pool is None:
        yield unknown("Max_used_connections", "max_connections", "innodb_buffer_pool_size")
        return
    shared = sum(facts.number(name) or 0.0 for name in _GLOBAL)
    shared += min(facts.number("tmp_table_size") or 0.0, facts.number("max_heap_table_size") or 0.0)
    each = sum(facts.number(name) or 0.0 for name in _EACH)
    if not facts.is_off("log_bin"):
        each += facts.number("binlog_cache_size") or 0.0
    used, possible = int(shared + each * most), int(shared + each * allowed)
    yield Metric(name="used_bytes", value=Bytes(used))
    yield Metric(name="possible_bytes", value=Bytes(possible))
    memory = _memory_bytes(ctx)
    if memory is None:
        yield NotChecked(
            reason=f"the server may use {possible / GIB:.1f} GiB; what its machine has stands nowhere: add "
            "`declare: {memory_gib: 16}` (the machine's own number) to the instance in the site file"
        )
        return
    evidence: dict[str, Value] = {
        "used": Bytes(used),
        "possible": Bytes(possible),
        "memory": Bytes(memory),
        "limit": Ratio(levels.most),
    }
    if used > levels.most * memory:
        impact, message, value = Impact.MAJOR, "used", used
    elif possible > levels.most * memory:
        impact, message, value = Impact.LIMITED, "possible", possible
    else:
        yield Passed(evidence=evidence)
        return
    yield Finding(impact=impact, message=message, evidence=evidence, value=Bytes(value), worse=Worse.HIGHER)


def _memory_bytes(ctx: Context) -> int | None:
    declared = ctx.target.declare.get("memory_gib")
    try:
        memory = float(declared) * GIB if isinstance(declared, int | str) else 0.0
    except ValueError:
        return None
    return int(memory) if 0 < memory < 2**50 else None


memory = Probe(
    id="mariadb.memory",
    title="The server's buffers fit into the machine's memory",
    check=check_memory,
    levels=MemoryLevels(),
    kind="mariadb",
    messages={
        "used": "At its busiest the server could use {used} of the machine's {memory}, more than {limit}.",
        "possible": (
            "With all connections in use the server could use {possible} of the machine's {memory}, more "
            "than {limit}."
        ),
    },
    why=(
        "A machine whose memory runs out writes it to disk, which makes everything slow; Linux then ends the "
        "largest process, which is the database."
    ),
    remedy=(
        "Lower innodb_buffer_pool_size to half of the machine's memory: SET GLOBAL innodb_buffer_pool_size = "
        "bytes (MySQL 5.7, MariaDB 10.2 and newer), and the same line in my.cnf, section [mysqld]; or lower "
        "max_connections to what is needed; or add memory. The way back: the old numbers."
    ),
    verify=(
        "The next check-up passes here; SHOW GLOBAL VARIABLES LIKE 'innodb_buffer_pool_size' shows the "
        "number."
    ),
    rights=ANYONE + "; the machine's memory in the site file",
    references=("sql: MY-MEM (mysqltuner)", "MariaDB documentation: MariaDB Memory Allocation"),
)
