"""Replication: slots that hold back the log, standbys that fall behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    NotApplicable,
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
from probes.postgresql.counting import MONITOR, monitored
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Slot:
    """`held_bytes` is the log that the server keeps for it; `status` is None before version 13, and since
    17 the reason where the server gave the slot up for something else than the size of its log.
    `is_active`: somebody reads it, or, on a standby, the server itself keeps it like its primary's."""

    slot_name: str
    kind: str
    is_active: bool
    status: str | None
    held_bytes: int | None
    snapshot_age: int | None


class Slots(SqlFacts[Slot]):
    pass


def _slots(active: str, status: str, difference: str, current: str, replayed: str) -> str:
    return f"""
SELECT s.slot_name::text AS slot_name, s.slot_type AS kind, {active} AS is_active, {status} AS status,
       {difference}(CASE WHEN pg_is_in_recovery() THEN {replayed} ELSE {current} END,
                    s.restart_lsn)::bigint AS held_bytes,
       GREATEST(age(s.xmin), age(s.catalog_xmin))::bigint AS snapshot_age
FROM pg_replication_slots AS s
"""  # noqa: S608  the parts are constants of this file


_LSN = ("pg_wal_lsn_diff", "pg_current_wal_lsn()", "pg_last_wal_replay_lsn()")
_LOCATION = ("pg_xlog_location_diff", "pg_current_xlog_location()", "pg_last_xlog_replay_location()")
_SLOTS = ("pg_replication_slots",)
# "pg_replication_slots": `synced` means nothing on a primary; a slot that was given up has the status "lost".
_SYNCED = "(s.active OR (s.synced AND pg_is_in_recovery()))"
_GIVEN_UP = "COALESCE(NULLIF(s.invalidation_reason, 'wal_removed'), s.wal_status)"

slots = Section(
    name="postgresql-slots",
    facts=Slots,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(_slots(_SYNCED, _GIVEN_UP, *_LSN), reads=_SLOTS, since=(17,)),
                SqlVariant(
                    _slots("s.active", "s.wal_status", *_LSN), reads=_SLOTS, since=(13,), before=(17,)
                ),
                SqlVariant(_slots("s.active", "NULL::text", *_LSN), reads=_SLOTS, since=(10,), before=(13,)),
                SqlVariant(
                    _slots("s.active", "NULL::text", *_LOCATION), reads=_SLOTS, since=(9, 6), before=(10,)
                ),
            ),
            row=Slot,
        )
    },
    parse=reader(Slots, Slot),
    privacy="names and state of replication slots",
)


@dataclass(frozen=True, slots=True)
class SlotLevels:
    large: int = 10 * 1024**3  # bytes held back: enough to fill a small server's disk; ours


# Since version 17 ("pg_replication_slots", invalidation_reason). The log is not held back for it any more.
_LEFT = (Impact.LIMITED, When.BEFORE_NEXT_VISIT)
_GIVEN_UP_FOR = {
    "idle_timeout": "nobody had read it for longer than idle_replication_slot_timeout",
    "rows_removed": "rows that it needs were cleaned up on the primary",
    "wal_level_insufficient": "wal_level of the primary is not logical",
}


def check_slots(facts: Slots, levels: SlotLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="the instance has no replication slot")
    for one in facts.rows:
        held = Bytes(max(one.held_bytes or 0, 0))
        evidence: dict[str, Value] = {
            "held": held,
            "kind": Text(one.kind),
            "status": Text(one.status or "unknown"),
        }
        if reason := _GIVEN_UP_FOR.get(one.status or ""):
            evidence = {"reason": Text(reason), "kind": Text(one.kind)}
            forgotten = one.status == "idle_timeout"
            found = ("given_up", *_LEFT) if forgotten else ("given_up", Impact.MAJOR, When.NOW)
        elif one.status in ("lost", "unreserved"):
            found = ("lost", Impact.MAJOR, When.NOW)
        elif held.value >= levels.large:
            found = ("large", Impact.MAJOR, When.NOW)
        elif not one.is_active:
            found = ("left", *_LEFT)
        else:
            yield Passed(item=one.slot_name, evidence=evidence)
            continue
        message, impact, when = found
        yield Finding(
            impact=impact,
            when=when,
            message=message,
            item=one.slot_name,
            evidence=evidence,
            value=None if message == "given_up" else held,
            worse=Worse.HIGHER,
        )


replication_slots = Probe(
    id="postgresql.replication-slots",
    title="Replication slots are in use and up to date",
    check=check_slots,
    levels=SlotLevels(),
    kind="postgresql",
    messages={
        "given_up": "The server has given up the slot {item}: {reason}.",
        "lost": "The log that the slot {item} needs is gone or about to go ({status}).",
        "large": "The slot {item} holds back {held} of the server's log.",
        "left": "Nobody reads the slot {item}; the server keeps all its log for it, {held} by now.",
    },
    why="A slot that nobody reads keeps files until the disk is full, and the server stops.",
    remedy=(
        "Ask whose slot it is (a standby, a copy for reports). If it is still needed, start its reader "
        "again; where the log is gone or the slot was given up, build the reader anew. If not, as a "
        "superuser: SELECT pg_drop_replication_slot('NAME') with the slot's name. There is no way back but a "
        "new slot and a new copy."
    ),
    verify="SELECT slot_name, active FROM pg_replication_slots shows no slot that is not active.",
    rights="an ordinary login",
    references=(
        "PostgreSQL documentation: pg_replication_slots",
        "check_pgactivity: replication_slots",
    ),
)


# --- standbys, seen from the primary ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replica:
    """A connection that is sent the log; `lag_s` is None before version 10 and while nothing is sent."""

    replica_name: str
    state: str | None
    lag_s: float | None
    lag_bytes: int | None


class Replicas(SqlFacts[Replica]):
    pass


def _replicas(lag: str, difference: str, current: str, replayed: str) -> str:
    return f"""
SELECT COALESCE(r.application_name, '') AS replica_name, r.state AS state, {lag} AS lag_s,
       CASE WHEN NOT pg_is_in_recovery() THEN {difference}({current}, {replayed})::bigint END AS lag_bytes
FROM pg_stat_replication AS r
"""  # noqa: S608  the parts are constants of this file


replicas = Section(
    name="postgresql-replicas",
    facts=Replicas,
    collect={
        "postgresql": Sql(
            monitored(
                _replicas(
                    "EXTRACT(epoch FROM r.replay_lag)::double precision",
                    "pg_wal_lsn_diff",
                    "pg_current_wal_lsn()",
                    "r.replay_lsn",
                ),
                _replicas(
                    "NULL::double precision",
                    "pg_xlog_location_diff",
                    "pg_current_xlog_location()",
                    "r.replay_location",
                ),
                ("pg_stat_replication",),
            ),
            row=Replica,
        )
    },
    parse=reader(Replicas, Replica),
    privacy="names and delay of standbys",
)


@dataclass(frozen=True, slots=True)
class ReplicaLevels:
    late_s: float = 300  # PgHero replication_lag; ours
    late_bytes: int = 1024**3  # not yet replayed; where the server does not tell the time; ours


def check_replicas(facts: Replicas, levels: ReplicaLevels, ctx: Context) -> Iterator[Result]:
    declared = ctx.target.declare.get("standbys", ())
    expected = declared if isinstance(declared, tuple) else ()
    by_name: dict[str, Replica] = {}
    for one in facts.rows:
        worst = by_name.get(one.replica_name)
        if worst is None or (one.lag_s or 0, one.lag_bytes or 0) > (worst.lag_s or 0, worst.lag_bytes or 0):
            by_name[one.replica_name] = one
    if not by_name and not expected:
        yield NotApplicable(reason="no standby is connected, and the site file names none")
    for name in expected:
        if name not in by_name:
            yield Finding(
                impact=Impact.MAJOR, when=When.NOW, function=RECOVERABILITY, message="gone", item=name
            )
    for name, one in sorted(by_name.items()):
        lag = Duration(one.lag_s or 0.0)
        evidence: dict[str, Value] = {
            "lag": lag,
            "unsent": Bytes(max(one.lag_bytes or 0, 0)),
            "state": Text(one.state or "unknown"),
        }
        if lag.value >= levels.late_s or (one.lag_bytes or 0) >= levels.late_bytes:
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="late",
                item=name,
                evidence=evidence,
                value=lag,
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=name, evidence=evidence)


replication = Probe(
    id="postgresql.replication",
    title="Standbys are connected and up to date",
    check=check_replicas,
    levels=ReplicaLevels(),
    kind="postgresql",
    messages={
        "gone": "The standby {item}, named in the site file, is not connected.",
        "late": "The standby {item} is {lag} behind; {unsent} of the log are not yet replayed there.",
    },
    why="If this server fails, all that its standby lacks is lost.",
    remedy=(
        "Gone: start the standby and read its log: network, password, pg_hba.conf, or a WAL segment that has "
        "been removed (then build it anew with pg_basebackup). Late: look at the network and at the "
        "standby's disks and long queries. A standby that is no longer meant: remove it from the site file."
    ),
    verify=(
        "SELECT application_name, state, replay_lag FROM pg_stat_replication shows each standby streaming, "
        "with little lag."
    ),
    rights=MONITOR,
    references=("PostgreSQL documentation: pg_stat_replication", "check_pgactivity: streaming_delta"),
)
