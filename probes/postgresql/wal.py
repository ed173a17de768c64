"""The write-ahead log: its size, what waits to be archived, how often it forces a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Impact,
    Instant,
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
    Visit,
    When,
    Worse,
    judge,
)
from probes.postgresql.counting import MONITOR, window
from probes.postgresql.settings import Settings
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class OneWal:
    """`waiting_files` are those that still have to be archived; None before version 12."""

    files: int
    size_bytes: int
    waiting_files: int | None


class Wal(SqlFacts[OneWal]):
    pass


_FILES = """
SELECT COUNT(*) AS files, COALESCE(SUM(w.size), 0)::bigint AS size_bytes, {waiting} AS waiting_files
FROM pg_ls_waldir() AS w
WHERE LENGTH(w.name) = 24
"""
_READY = "(SELECT COUNT(*) FROM pg_ls_archive_statusdir() AS r WHERE r.name LIKE '%.ready')"

wal = Section(
    name="postgresql-wal",
    facts=Wal,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    _FILES.format(waiting=_READY),
                    reads=("pg_ls_waldir()", "pg_ls_archive_statusdir()"),
                    since=(12,),
                    rights=("pg_monitor",),
                ),
                SqlVariant(
                    _FILES.format(waiting="NULL::bigint"),
                    reads=("pg_ls_waldir()",),
                    since=(10,),
                    before=(12,),
                    rights=("pg_monitor",),
                ),
            ),
            row=OneWal,
            most_rows=1,
        )
    },
    parse=reader(Wal, OneWal),
    privacy="number and size of the log's files",
)


# --- size -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WalAndSettings:
    wal: Wal
    settings: Settings


@dataclass(frozen=True, slots=True)
class SizeLevels:
    times: float = 2  # of max_wal_size; check_pgactivity wal_files


def check_size(facts: WalAndSettings, levels: SizeLevels, ctx: Context) -> Iterator[Result]:
    allowed = facts.settings.size_bytes("max_wal_size")
    if not facts.wal.rows or not allowed:
        yield NotChecked(reason="the server does not say how large its log may be")
        return
    size = facts.wal.rows[0].size_bytes
    yield from judge(
        "times",
        Number(round(size / allowed, 2)),
        (Step(levels.times, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message="large",
        evidence={
            "size": Bytes(size),
            "allowed": Bytes(allowed),
            "files": Number(facts.wal.rows[0].files),
        },
    )


size = Probe(
    id="postgresql.wal-size",
    title="The server's log stays within its size",
    check=check_size,
    levels=SizeLevels(),
    kind="postgresql",
    messages={"large": "The log has {size} in {files} files, {times} times max_wal_size ({allowed})."},
    why="Something keeps the server from letting go of old files; when the disk is full, it stops.",
    remedy=(
        "Never delete files in pg_wal. See what holds them: postgresql.backup-evidence (archiving fails), "
        "postgresql.replication-slots (a slot that nobody reads). Mend that; then, as a superuser: "
        "CHECKPOINT. The files go by themselves."
    ),
    verify="SELECT sum(size) FROM pg_ls_waldir() is below twice max_wal_size.",
    rights=MONITOR,
    references=("check_pgactivity: wal_files", "PostgreSQL documentation: WAL Configuration"),
)


# --- waiting for the archive ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueLevels:
    many: int = 100  # files of 16 MB: 1.6 GB that a lost disk takes along; ours
    some: int = 10  # more than a busy minute leaves behind; ours


def check_queue(facts: WalAndSettings, levels: QueueLevels, ctx: Context) -> Iterator[Result]:
    if facts.settings.text("archive_mode") == "off":
        yield NotApplicable(reason="the log is not archived (postgresql.backup-evidence)")
        return
    waiting = facts.wal.rows[0].waiting_files if facts.wal.rows else None
    if waiting is None:
        yield NotApplicable(reason="PostgreSQL counts these files since version 12")
        return
    yield from judge(
        "waiting",
        Number(waiting),
        (Step(levels.many, Impact.MAJOR, When.NOW), Step(levels.some, Impact.LIMITED)),
        worse=Worse.HIGHER,
        message="many",
        function=RECOVERABILITY,
    )


queue = Probe(
    id="postgresql.archive-queue",
    title="The log reaches its archive at once",
    check=check_queue,
    levels=QueueLevels(),
    kind="postgresql",
    messages={"many": "{waiting} files of the log wait to be archived."},
    why="What waits is not yet in the back-up: it is lost with the disk, and it fills the disk.",
    remedy=(
        "Read the server's log for 'archive command failed'. Mend what it names: a full or missing folder, "
        "rights, network. Nothing else has to be done; the server tries again by itself."
    ),
    verify="SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready' falls below 10.",
    rights=MONITOR,
    references=("check_pgactivity: archiver",),
)


# --- checkpoints ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    timed: int
    requested: int
    counted_since: datetime | None


class Checkpoints(SqlFacts[Checkpoint]):
    pass


checkpoints = Section(
    name="postgresql-checkpoints",
    facts=Checkpoints,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT c.num_timed AS timed, c.num_requested AS requested,
       c.stats_reset AT TIME ZONE 'UTC' AS counted_since
FROM pg_stat_checkpointer AS c
""",
                    reads=("pg_stat_checkpointer",),
                    since=(17,),
                ),
                SqlVariant(
                    """
SELECT b.checkpoints_timed AS timed, b.checkpoints_req AS requested,
       b.stats_reset AT TIME ZONE 'UTC' AS counted_since
FROM pg_stat_bgwriter AS b
""",
                    reads=("pg_stat_bgwriter",),
                    since=(9, 6),
                    before=(17,),
                ),
            ),
            row=Checkpoint,
            most_rows=1,
        )
    },
    parse=reader(Checkpoints, Checkpoint),
    privacy="counters",
)


@dataclass(frozen=True, slots=True)
class CheckpointLevels:
    requested: float = (
        0.5  # of all; more than half come for want of room in the log; check_pgactivity bgwriter
    )
    least: int = 50  # checkpoints; fewer are no sample; ours


def check_checkpoints(facts: Checkpoints, levels: CheckpointLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the server counts no checkpoints")
        return
    one = facts.rows[0]
    total = one.timed + one.requested
    counted = window(facts.server, one.counted_since)
    if total < levels.least or counted is None:
        yield NotChecked(reason=f"too few checkpoints were counted: {total}, where {levels.least} are needed")
        return
    yield from judge(
        "requested",
        Ratio(round(one.requested / total, 3)),
        (Step(levels.requested, Impact.NOTE, When.LATER, "young" if counted.is_young else "forced"),),
        worse=Worse.HIGHER,
        message="forced",
        evidence={"total": Number(total), "since": Instant(counted.since)},
    )


forced_checkpoints = Probe(
    id="postgresql.checkpoints",
    title="Checkpoints come by the clock",
    check=check_checkpoints,
    levels=CheckpointLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "forced": (
            "{requested} of {total} checkpoints since {since} were forced, most for want of room in the log."
        ),
        "young": (
            "{requested} of {total} checkpoints were forced, counted since {since} only: a hint, no more."
        ),
    },
    why="A forced checkpoint writes everything at once; people wait meanwhile.",
    remedy=(
        "If the disk has 4 GB to spare: ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf(). "
        "Gain: even writing instead of stops. Starting after a crash takes longer. The way back: ALTER "
        "SYSTEM RESET max_wal_size and reload."
    ),
    verify="The next tune-up shows less than half.",
    rights="an ordinary login",
    references=("PostgreSQL documentation: WAL Configuration", "check_pgactivity: bgwriter"),
)
