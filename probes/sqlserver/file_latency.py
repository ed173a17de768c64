"""How long the storage lets the instance wait, file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
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
from probes.sql.rows import reader
from probes.sqlserver.uptime import DAY_S, UNKNOWN_START, with_doubt, worded

RIGHTS = "VIEW SERVER STATE, VIEW ANY DEFINITION"


@dataclass(frozen=True, slots=True)
class FileUse:
    """Reads and writes of one file since the start, and how long they took in all."""

    database_name: str
    file_name: str
    kind: str
    reads: int
    read_stall_ms: int
    writes: int
    write_stall_ms: int

    @property
    def item(self) -> str:
        return f"{self.database_name}/{self.file_name}"


class FileUses(SqlFacts[FileUse]):
    pass


# 32767 is the server's own hidden database, which no list of files shows.
file_uses = Section(
    name="sqlserver-file-latency",
    facts=FileUses,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(DB_NAME(v.database_id), N'') AS database_name, f.name AS file_name, f.type_desc AS kind,
       v.num_of_reads AS reads, v.io_stall_read_ms AS read_stall_ms, v.num_of_writes AS writes,
       v.io_stall_write_ms AS write_stall_ms
FROM sys.dm_io_virtual_file_stats(NULL, NULL) AS v
JOIN sys.master_files AS f ON f.database_id = v.database_id AND f.file_id = v.file_id
""",
                    reads=("sys.dm_io_virtual_file_stats", "sys.master_files"),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=FileUse,
            # Without the second right the files of others' databases are left out, and no error.
            canary="""
SELECT COUNT(*) AS filtered
FROM sys.dm_io_virtual_file_stats(NULL, NULL) AS v
WHERE v.database_id <> 32767
  AND NOT EXISTS (SELECT 1 FROM sys.master_files AS f WHERE f.database_id = v.database_id)
""",
            most_rows=10_000,
            sampled=True,
        )
    },
    parse=reader(FileUses, FileUse),
    privacy="names of database files, counts and times",
)


_LEAST_DAYS = 7  # between two visits, for what lies between them to hold an ordinary week


@dataclass(frozen=True, slots=True)
class Latency:
    item: str
    operations: int
    seconds: float  # of one operation, on average


def _latencies(
    facts: FileUses, before: FileUses | None, of: Callable[[FileUse], tuple[int, int]]
) -> tuple[list[Latency], float | None]:
    """Of each file, and over how many seconds: since the visit before where the instance ran through, for
    an average over a year hides the last month; else since the start."""
    through = before is not None and _ran_through(before, facts)
    known = {one.item: of(one) for one in before.rows} if before is not None and through else {}
    found: list[Latency] = []
    for one in sorted(facts.rows, key=lambda one: one.item):
        operations, stall_ms = of(one)
        earlier = known.get(one.item, (0, 0))
        if operations >= earlier[0] and stall_ms >= earlier[1]:
            operations, stall_ms = operations - earlier[0], stall_ms - earlier[1]
        if operations > 0:
            found.append(Latency(one.item, operations, stall_ms / operations / 1000))
    if before is not None and through:
        return found, (facts.server.asked_at - before.server.asked_at).total_seconds()
    return found, facts.server.up_s


def _ran_through(before: FileUses, now: FileUses) -> bool:
    """Neither restarted nor replaced, so that what was counted then is part of what is counted now; and
    long enough ago for an average."""
    started, earlier = now.server.started_at, before.server.started_at
    if started is None or earlier is None or abs((started - earlier).total_seconds()) >= 120:
        return False
    return (now.server.asked_at - before.server.asked_at).total_seconds() >= _LEAST_DAYS * DAY_S


@dataclass(frozen=True, slots=True)
class Levels:
    slow_s: float = 0.100  # on average (sp_Blitz check 37; sp_BlitzFirst check 11)
    noticed_s: float = 0.030  # what a sound disk of a server stays below; our own experience
    least_operations: int = 10_000  # fewer are no average; a tenth of sp_Blitz's, for small sites


def _check(
    of: Callable[[FileUse], tuple[int, int]],
) -> Callable[[FileUses, Levels, Context], Iterator[Result]]:
    def check(facts: FileUses, levels: Levels, ctx: Context) -> Iterator[Result]:
        found, seconds = _latencies(facts, ctx.previous(FileUses), of)
        if seconds is None:
            yield UNKNOWN_START
            return
        looked = [one for one in found if one.operations >= levels.least_operations]
        if not looked:
            yield NotApplicable(reason=f"no file was used {levels.least_operations} times in this time")
        for one in looked:
            evidence: dict[str, Value] = {"operations": Number(one.operations), "up": Duration(seconds)}
            yield from judge(
                "latency",
                Duration(round(one.seconds, 4)),
                (
                    Step(levels.slow_s, Impact.LIMITED, message=worded("slow", seconds / DAY_S)),
                    Step(levels.noticed_s, Impact.NOTE, When.LATER),
                ),
                worse=Worse.HIGHER,
                message=worded("noticed", seconds / DAY_S),
                item=one.item,
                evidence=evidence,
            )

    return check


read_latency = Probe(
    id="sqlserver.read-latency",
    title="The storage answers reads at once",
    check=_check(lambda one: (one.reads, one.read_stall_ms)),
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "slow": "A read from {item} took {latency} on average, over {operations} reads in {up}.",
            "noticed": "A read from {item} took {latency} on average, over {operations} reads in {up}.",
        }
    ),
    why="What is not in memory is read while somebody waits: each screen needs hundreds of such reads.",
    remedy=(
        "First exclude the .mdf, .ndf and .ldf files and sqlservr.exe from the virus scanner. Then look what "
        "else uses the same disks (back-ups, copies of virtual machines), and ask the host's or storage's "
        "vendor for the latency that they measure. Gain: quicker screens. The way back: the scanner's "
        "setting."
    ),
    verify="The next tune-up, which counts from this one, finds the time below the level.",
    rights=RIGHTS,
    references=(
        "sys.dm_io_virtual_file_stats (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 36, First Responder Kit",
    ),
)

write_latency = Probe(
    id="sqlserver.write-latency",
    title="The storage answers writes at once",
    check=_check(lambda one: (one.writes, one.write_stall_ms)),
    levels=Levels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages=with_doubt(
        {
            "slow": "A write to {item} took {latency} on average, over {operations} writes in {up}.",
            "noticed": "A write to {item} took {latency} on average, over {operations} writes in {up}.",
        }
    ),
    why="Nobody's entry is saved before the log is written: a slow disk of the log slows every save.",
    remedy=(
        "First exclude the .mdf, .ndf and .ldf files and sqlservr.exe from the virus scanner. Ask whether "
        "the controller's write cache has its battery; put logs on the fastest disks, away from back-ups. "
        "Then ask the storage's vendor. Gain: quicker saving. The way back: the scanner's setting, the old "
        "place."
    ),
    verify="The next tune-up, which counts from this one, finds the time below the level.",
    rights=RIGHTS,
    references=(
        "sys.dm_io_virtual_file_stats (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 37, First Responder Kit",
    ),
)


# --- at this moment ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PendingRow:
    requests: int
    longest_ms: int


class PendingRequests(SqlFacts[PendingRow]):
    pass


pending_requests = Section(
    name="sqlserver-pending-requests",
    facts=PendingRequests,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS requests, ISNULL(MAX(CONVERT(bigint, p.io_pending_ms_ticks)), 0) AS longest_ms
FROM sys.dm_io_pending_io_requests AS p
WHERE p.io_pending = 1
""",
                    reads=("sys.dm_io_pending_io_requests",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=PendingRow,
            most_rows=1,
        )
    },
    parse=reader(PendingRequests, PendingRow),
    privacy="a count and a time",
)


@dataclass(frozen=True, slots=True)
class PendingLevels:
    longest_s: float = 1.0  # a request that the system has not answered for so long; our own experience


def check_pending(facts: PendingRequests, levels: PendingLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the server does not tell its waiting requests")
        return
    one = facts.rows[0]
    longest = Duration(one.longest_ms / 1000)
    evidence: dict[str, Value] = {"requests": Number(one.requests), "longest": longest}
    if one.requests and longest.value >= levels.longest_s:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="waiting",
            evidence=evidence,
            value=longest,
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


pending = Probe(
    id="sqlserver.pending-requests",
    title="No request to the storage hangs",
    check=check_pending,
    levels=PendingLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "waiting": "As we looked, requests waited for the storage ({requests}), the oldest for {longest}."
    },
    why=(
        "It is one look at one moment; together with slow reads or writes it says that the storage is the "
        "cause."
    ),
    remedy=(
        "See what this report says of reads and writes. If it names files there, have the storage examined: "
        "controller, disks, paths, and what else uses them at this hour. Gain: quicker screens. There is "
        "nothing to take back."
    ),
    verify="The next tune-up, at the same hour, finds no request that waits.",
    rights="VIEW SERVER STATE",
    references=(
        "sys.dm_io_pending_io_requests (Transact-SQL), Microsoft Learn",
        "SQL Assessment API, rule PendingDiskIORequests",
    ),
)
