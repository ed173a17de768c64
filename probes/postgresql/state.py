"""What an instance says of itself: started when, archiving its log, in back-up mode, a standby."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Measured,
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
    Text,
    Value,
    When,
    Worse,
)
from probes.postgresql.counting import DAY_S, named
from probes.postgresql.replication import Replicas
from probes.sql.rows import reader

_ANYONE = "an ordinary login"


@dataclass(frozen=True, slots=True)
class OneState:
    """`backup_mode` is None since version 15, which has none; what concerns a standby is None on a primary.

    `receivers` are connections to the primary, `replay_age_s` is how long ago the last transaction that was
    replayed was made.
    """

    is_standby: bool
    archive_mode: str
    archived: int
    archived_at: datetime | None
    failures: int
    failed_at: datetime | None
    loaded_at: datetime
    backup_mode: bool | None
    backup_mode_since: datetime | None
    receivers: int
    replay_age_s: float | None
    is_caught_up: bool | None
    is_paused: bool | None


class State(SqlFacts[OneState]):
    @property
    def only(self) -> OneState | None:
        return self.rows[0] if self.rows else None


def _text(mode: str, since: str, received: str, replayed: str, paused: str) -> str:
    return f"""
SELECT pg_is_in_recovery() AS is_standby, current_setting('archive_mode') AS archive_mode,
       a.archived_count AS archived, a.last_archived_time AT TIME ZONE 'UTC' AS archived_at,
       a.failed_count AS failures, a.last_failed_time AT TIME ZONE 'UTC' AS failed_at,
       pg_conf_load_time() AT TIME ZONE 'UTC' AS loaded_at,
       {mode} AS backup_mode, {since} AS backup_mode_since,
       (SELECT COUNT(*) FROM pg_stat_wal_receiver AS r WHERE r.pid IS NOT NULL) AS receivers,
       EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::double precision
           AS replay_age_s,
       {received} = {replayed} AS is_caught_up,
       CASE WHEN pg_is_in_recovery() THEN {paused} END AS is_paused
FROM pg_stat_archiver AS a
"""  # noqa: S608  the parts are constants of this file


_MODE = ("pg_is_in_backup()", "pg_backup_start_time() AT TIME ZONE 'UTC'")
_WAL = ("pg_last_wal_receive_lsn()", "pg_last_wal_replay_lsn()", "pg_is_wal_replay_paused()")
_XLOG = (
    "pg_last_xlog_receive_location()",
    "pg_last_xlog_replay_location()",
    "NULL::boolean",
)
_READS = ("pg_stat_archiver", "pg_stat_wal_receiver")

state = Section(
    name="postgresql-state",
    facts=State,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(_text("NULL::boolean", "NULL::timestamp", *_WAL), reads=_READS, since=(15,)),
                SqlVariant(_text(*_MODE, *_WAL), reads=_READS, since=(10,), before=(15,)),
                SqlVariant(_text(*_MODE, *_XLOG), reads=_READS, since=(9, 6), before=(10,)),
            ),
            row=OneState,
            most_rows=1,
        )
    },
    parse=reader(State, OneState),
    privacy="moments, counts and switches of the instance",
)


def _nothing() -> NotChecked:
    return NotChecked(reason="the server says nothing about itself")


# --- back-up evidence -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Archiving:
    """`replicas` is None where the login may not see who is sent the log."""

    state: State
    replicas: Replicas | None


# Programs that fetch the log as it is written, by the names that they give themselves.
_RECEIVERS = frozenset({"pg_receivewal", "pg_receivexlog", "barman_receive_wal", "barman_streaming"})


@dataclass(frozen=True, slots=True)
class ArchivingLevels:
    stale_hours: float = 24  # since the log was last archived; a day's work; ours


def check_archiving(facts: Archiving, levels: ArchivingLevels, ctx: Context) -> Iterator[Result]:
    one = facts.state.only
    if one is None:
        yield _nothing()
        return
    if one.is_standby and one.archive_mode != "always":
        yield NotApplicable(reason="a standby: its primary makes the back-ups")
        return
    receivers = [] if facts.replicas is None else [row.replica_name for row in facts.replicas.rows]
    told = ctx.target.declare.get("backup")
    if one.archive_mode == "off":
        if fetched := _RECEIVERS.intersection(receivers):
            yield Passed(evidence={"fetched_by": Text(named(sorted(fetched)))})
        elif told:
            yield NotChecked(
                reason=f"back-ups are made outside of the server, which knows nothing of them: {told}"
            )
        else:
            evidence: dict[str, Value] = {"archive_mode": Text(one.archive_mode)}
            yield _found("none", Impact.MAJOR, When.BEFORE_NEXT_VISIT, evidence)
        return
    evidence = {"archived": Number(one.archived), "failures": Number(one.failures)}
    if one.failed_at is not None and (one.archived_at is None or one.failed_at > one.archived_at):
        evidence["failed"] = Instant(one.failed_at)
        yield _found("failing", Impact.MAJOR, When.NOW, evidence)
        return
    if one.archived_at is None:
        yield _found("never", Impact.MAJOR, When.BEFORE_NEXT_VISIT, evidence)
        return
    age = Duration((facts.state.server.asked_at - one.archived_at).total_seconds())
    evidence |= {"last": Instant(one.archived_at), "age": age}
    if age.value > levels.stale_hours * 3600:
        yield _found("stale", Impact.LIMITED, When.BEFORE_NEXT_VISIT, evidence, age)
    else:
        yield Passed(evidence=evidence)


def _found(
    message: str, impact: Impact, when: When, evidence: dict[str, Value], value: Measured | None = None
) -> Finding:
    return Finding(
        impact=impact,
        when=when,
        function=RECOVERABILITY,
        message=message,
        evidence=evidence,
        value=value,
        worse=Worse.HIGHER if value else None,
    )


archiving = Probe(
    id="postgresql.backup-evidence",
    title="The server hands its log to a back-up",
    check=check_archiving,
    levels=ArchivingLevels(),
    kind="postgresql",
    messages={
        "none": (
            "Nothing on this server shows that it is backed up: its log is not archived. Dumps made "
            "from outside leave no trace here; if there are any, the site file does not name them."
        ),
        "never": "archive_mode is on, but no file of the log was ever archived.",
        "failing": "The log cannot be archived (failures: {failures}, the last on {failed}).",
        "stale": "The log was last archived on {last}.",
    },
    why=(
        "Without the archived log a back-up brings back the evening before at best; without any back-up a "
        "broken disk ends the clinic's records."
    ),
    remedy=(
        "If dumps are made: write how under `declare: backup:` in the site file. Else: ALTER SYSTEM SET "
        "archive_mode = on; ALTER SYSTEM SET archive_command = 'test ! -f /backup/wal/%f && cp %p "
        "/backup/wal/%f'; restart the service; then pg_basebackup every night. If it fails: read the "
        "server's log; usually the folder is full or gone."
    ),
    verify=(
        "After SELECT pg_switch_wal(), last_archived_time in pg_stat_archiver is new; and a restore was "
        "tried on another machine."
    ),
    rights="an ordinary login; pg_monitor to see programs that fetch the log",
    references=(
        "PostgreSQL documentation: Continuous Archiving and Point-in-Time Recovery",
        "check_pgactivity: archiver",
    ),
)


# --- back-up mode -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackupModeLevels:
    hours: float = 24  # check_pgactivity backup_label_age has no default; no copy takes a day here


def check_backup_mode(facts: State, levels: BackupModeLevels, ctx: Context) -> Iterator[Result]:
    one = facts.only
    if one is None:
        yield _nothing()
    elif one.backup_mode is None:
        yield NotApplicable(reason="since version 15 PostgreSQL has no back-up mode that can be left on")
    elif not one.backup_mode or one.backup_mode_since is None:
        yield Passed()
    else:
        age = Duration((facts.server.asked_at - one.backup_mode_since).total_seconds())
        evidence: dict[str, Value] = {"since": Instant(one.backup_mode_since), "age": age}
        if age.value > levels.hours * 3600:
            yield _found("left", Impact.LIMITED, When.BEFORE_NEXT_VISIT, evidence, age)
        else:
            yield Passed(evidence=evidence)


backup_mode = Probe(
    id="postgresql.backup-mode",
    title="No back-up was left unfinished",
    check=check_backup_mode,
    levels=BackupModeLevels(),
    kind="postgresql",
    messages={
        "left": "The server has been in back-up mode since {since}: a back-up was begun and never ended."
    },
    why=(
        "That back-up is worth nothing, later ones are refused, and after a crash the server may not start "
        "again by itself."
    ),
    remedy=(
        "Make sure that no back-up is running. Then, as a superuser: SELECT pg_stop_backup(); and mend the "
        "back-up program, or use pg_basebackup, which cannot leave this behind."
    ),
    verify="SELECT pg_is_in_backup() says false, and tonight's back-up ends.",
    rights=_ANYONE,
    references=(
        "PostgreSQL documentation: Backup Control Functions",
        "check_pgactivity: backup_label_age",
    ),
)


# --- restarts ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UptimeLevels:
    days: float = 7  # a start that recent should be explained, and its counters say little


def check_uptime(facts: State, levels: UptimeLevels, ctx: Context) -> Iterator[Result]:
    up, started = facts.server.up_s, facts.server.started_at
    if up is None or started is None:
        yield NotChecked(reason="the server does not say when it was started")
        return
    evidence: dict[str, Value] = {"started": Instant(started), "up": Duration(up)}
    if facts.only is not None:
        evidence["configured"] = Instant(facts.only.loaded_at)
    if up >= levels.days * DAY_S:
        yield Passed(evidence=evidence)
    else:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="recent",
            evidence={**evidence, "limit": Duration(levels.days * DAY_S)},
            value=Duration(up),
            worse=Worse.LOWER,
        )


uptime = Probe(
    id="postgresql.uptime",
    title="The server has not been started anew of late",
    check=check_uptime,
    levels=UptimeLevels(),
    kind="postgresql",
    messages={"recent": "The server was started on {started}."},
    why=(
        "A start that nobody ordered may be a crash; and what the server has counted since then is too "
        "little to judge it by."
    ),
    remedy=(
        "Ask whether the start was planned (updates, settings). If nobody knows: read the server's log "
        "before that moment for 'terminated by signal', 'out of memory', 'PANIC', and send it to us."
    ),
    verify="The cause is known, and the next visit shows the same start.",
    rights=_ANYONE,
    references=("check_pgactivity: uptime",),
)


# --- a standby --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StandbyLevels:
    late_s: float = 300  # behind its primary; check_pgactivity streaming_delta has no default; ours


def check_standby(facts: State, levels: StandbyLevels, ctx: Context) -> Iterator[Result]:
    one = facts.only
    if one is None:
        yield _nothing()
        return
    if not one.is_standby:
        yield NotApplicable(reason="the instance is no standby")
        return
    behind = Duration(one.replay_age_s or 0.0)
    evidence: dict[str, Value] = {"behind": behind, "receivers": Number(one.receivers)}
    late = one.replay_age_s is None or one.replay_age_s > levels.late_s
    if one.is_paused:
        yield _found("paused", Impact.MAJOR, When.BEFORE_NEXT_VISIT, evidence)
    elif one.receivers == 0 and late:
        yield _found("alone", Impact.MAJOR, When.NOW, evidence, behind)
    # A primary on which nobody works sends nothing to replay.
    elif late and not one.is_caught_up:
        yield _found("late", Impact.LIMITED, When.BEFORE_NEXT_VISIT, evidence, behind)
    else:
        yield Passed(evidence=evidence)


standby = Probe(
    id="postgresql.standby",
    title="The standby follows its primary",
    check=check_standby,
    levels=StandbyLevels(),
    kind="postgresql",
    messages={
        "paused": "The standby has been told to stand still; it is {behind} behind.",
        "alone": "The standby has no connection to its primary and is {behind} behind.",
        "late": "The standby is {behind} behind its primary.",
    },
    why="If the primary fails, all that the standby lacks is lost.",
    remedy=(
        "Paused: SELECT pg_wal_replay_resume(). Alone: read the standby's log; mend network, password or "
        "pg_hba.conf; if it says that a WAL segment has been removed, build the standby anew with "
        "pg_basebackup. Late: look for long queries on the standby and slow disks."
    ),
    verify=(
        "SELECT now() - pg_last_xact_replay_timestamp() on the standby is below five minutes while people "
        "work."
    ),
    rights=_ANYONE,
    references=(
        "PostgreSQL documentation: Recovery Information Functions",
        "check_pgactivity: streaming_delta",
    ),
)
