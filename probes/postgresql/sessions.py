"""Sessions as they are at the moment of asking: who waits, who keeps others waiting, who sends in clear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
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
    Visit,
    When,
    Worse,
)
from probes.postgresql.counting import MONITOR, named
from probes.postgresql.replication import Slots
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Session:
    """A client's connection, our own left out.

    The times are since the transaction, the statement, the present state and the wait for a lock began;
    `snapshot_age` is in transactions. `is_remote`: it came over the network from another machine.
    """

    database_name: str
    role_name: str
    is_superuser: bool
    state: str | None
    is_remote: bool
    is_encrypted: bool | None
    transaction_s: float | None
    statement_s: float | None
    state_s: float | None
    snapshot_age: int | None
    blockers: int
    waiting_s: float | None


class Sessions(SqlFacts[Session]):
    pass


def _text(waiting: str, clients: str) -> str:
    return f"""
SELECT COALESCE(a.datname, '')::text AS database_name, COALESCE(a.usename, '')::text AS role_name,
       COALESCE(r.rolsuper, false) AS is_superuser, a.state AS state,
       COALESCE(a.client_addr NOT IN ('127.0.0.1', '::1'), false) AS is_remote, t.ssl AS is_encrypted,
       EXTRACT(epoch FROM clock_timestamp() - a.xact_start)::double precision AS transaction_s,
       EXTRACT(epoch FROM clock_timestamp() - a.query_start)::double precision AS statement_s,
       EXTRACT(epoch FROM clock_timestamp() - a.state_change)::double precision AS state_s,
       age(a.backend_xmin)::bigint AS snapshot_age,
       CASE WHEN a.wait_event_type = 'Lock' THEN COALESCE(ARRAY_LENGTH(pg_blocking_pids(a.pid), 1), 0)
            ELSE 0 END AS blockers,
       CASE WHEN a.wait_event_type = 'Lock' THEN {waiting} END AS waiting_s
FROM pg_stat_activity AS a
LEFT JOIN pg_stat_ssl AS t ON t.pid = a.pid
LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.pid <> pg_backend_pid() AND {clients}
"""  # noqa: S608  the parts are constants of this file


# Before version 14 nobody knows when a wait began: the statement that waits began earlier.
_SINCE_14 = """(
           SELECT EXTRACT(epoch FROM clock_timestamp() - MIN(l.waitstart))::double precision
           FROM pg_locks AS l WHERE l.pid = a.pid AND NOT l.granted)"""
_BEFORE_14 = "EXTRACT(epoch FROM clock_timestamp() - a.query_start)::double precision"
_CLIENTS = "a.backend_type = 'client backend'"
_READS = ("pg_stat_activity", "pg_stat_ssl", "pg_roles")

sessions = Section(
    name="postgresql-sessions",
    facts=Sessions,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    _text(_SINCE_14, _CLIENTS),
                    reads=(*_READS, "pg_locks"),
                    since=(14,),
                    rights=("pg_monitor",),
                ),
                SqlVariant(
                    _text(_BEFORE_14, _CLIENTS),
                    reads=_READS,
                    since=(10,),
                    before=(14,),
                    rights=("pg_monitor",),
                ),
                SqlVariant(
                    _text(_BEFORE_14, "a.datname IS NOT NULL"),
                    reads=_READS,
                    since=(9, 6),
                    before=(10,),
                    rights=("superuser",),
                ),
            ),
            row=Session,
            # Of others' sessions all but login and database is kept back from who may not see it, without an
            # error.
            canary=(
                "SELECT COUNT(*) AS filtered FROM pg_stat_activity AS a"
                " WHERE a.datname IS NOT NULL AND a.backend_start IS NULL"
            ),
            most_rows=2000,
            sampled=True,
        )
    },
    parse=reader(Sessions, Session),
    privacy="databases, logins, states and times of sessions; no statements, no addresses",
)


def _by_database(found: Sequence[Session]) -> Iterator[tuple[str, list[Session]]]:
    grouped: dict[str, list[Session]] = defaultdict(list)
    for one in found:
        grouped[one.database_name].append(one)
    yield from sorted(grouped.items())


def _longest(
    seconds: Callable[[Session], float | None],
    counts: Callable[[Session], bool],
    impact: Impact,
    when: When,
) -> Callable[[Sessions, LastingLevels, Context], Iterator[Result]]:
    """A check that finds, database by database, the sessions that have lasted too long."""

    def check(facts: Sessions, levels: LastingLevels, ctx: Context) -> Iterator[Result]:
        found = [one for one in facts.rows if counts(one) and (seconds(one) or 0) >= levels.seconds]
        for database, those in _by_database(found):
            longest = Duration(round(max(seconds(one) or 0 for one in those)))
            yield Finding(
                impact=impact,
                when=when,
                message="long",
                item=database,
                evidence={
                    "sessions": Number(len(those)),
                    "longest": longest,
                    "logins": Text(named(sorted({one.role_name for one in those}))),
                },
                value=longest,
                worse=Worse.HIGHER,
            )
        if not found:
            yield Passed(evidence={"sessions": Number(len(facts.rows))})

    return check


@dataclass(frozen=True, slots=True)
class LastingLevels:
    seconds: float


idle_in_transaction = Probe(
    id="postgresql.idle-in-transaction",
    title="No program leaves a transaction open and does nothing",
    check=_longest(
        lambda one: one.state_s,
        lambda one: (one.state or "").startswith("idle in transaction"),
        Impact.LIMITED,
        When.BEFORE_NEXT_VISIT,
    ),
    levels=LastingLevels(seconds=3600),  # check_pgactivity oldest_idlexact has no default; ours
    kind="postgresql",
    messages={
        "long": (
            "Sessions in {item} do nothing within an open transaction: {sessions} in number, the longest "
            "for {longest} (logins: {logins})."
        )
    },
    why=(
        "An open transaction keeps its locks and hinders the clean-up of everything that is deleted "
        "meanwhile: tables grow, others wait."
    ),
    remedy=(
        "Have the user concerned close the program. If nobody can: SELECT pg_terminate_backend(pid) FROM "
        "pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 "
        "hour'; what was not saved there is lost. Tell us: the program should not do so."
    ),
    verify=(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < "
        "now() - interval '1 hour' shows 0."
    ),
    rights=MONITOR,
    references=("check_pgactivity: oldest_idlexact",),
)

long_statements = Probe(
    id="postgresql.long-statements",
    title="No statement runs for minutes",
    check=_longest(lambda one: one.statement_s, lambda one: one.state == "active", Impact.NOTE, When.LATER),
    levels=LastingLevels(seconds=60),  # PgHero long_running_query_sec
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "long": (
            "Statements in {item} run long: {sessions} in number, the longest for {longest} so far "
            "(logins: {logins})."
        )
    },
    why="Someone is waiting for a list or a report; the server is busy for everyone meanwhile.",
    remedy=(
        "Ask what was being done at the moment of the visit and tell us: it is for us, the vendor, to make "
        "it faster. Gain: seconds instead of minutes. Nothing is changed on the server."
    ),
    verify="The next tune-up, taken at a busy hour, shows none.",
    rights=MONITOR,
    references=("PgHero: long_running_query_sec",),
)

blocked = Probe(
    id="postgresql.blocked-sessions",
    title="Nobody waits for somebody else's lock",
    check=_longest(lambda one: one.waiting_s, lambda one: one.blockers > 0, Impact.LIMITED, When.NOW),
    levels=LastingLevels(seconds=60),  # PgHero blocked_queries, check_pgactivity locks have no time; ours
    kind="postgresql",
    messages={
        "long": (
            "Sessions in {item} wait for others' locks: {sessions} in number, the longest for {longest} "
            "(logins: {logins})."
        )
    },
    why="Their screens stand still until the other one saves, or for ever if that one has gone home.",
    remedy=(
        "Have whoever keeps the lock save or close. If nobody can, as a superuser: SELECT "
        "pg_terminate_backend(b) FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b WHERE "
        "a.wait_event_type = 'Lock' AND a.query_start < now() - interval '1 minute'; what was not saved "
        "there is lost. Tell us what was being done."
    ),
    verify="SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' shows 0 a minute later.",
    rights=MONITOR,
    references=("PgHero: blocked_queries", "check_pgactivity: locks"),
)


# --- what hinders the clean-up ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that was prepared for a commit in two phases and waits for it."""

    database_name: str
    role_name: str
    prepared_s: float
    transaction_age: int


class PreparedTransactions(SqlFacts[Prepared]):
    pass


prepared_transactions = Section(
    name="postgresql-prepared",
    facts=PreparedTransactions,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT p.database::text AS database_name, p.owner::text AS role_name,
       EXTRACT(epoch FROM clock_timestamp() - p.prepared)::double precision AS prepared_s,
       age(p.transaction)::bigint AS transaction_age
FROM pg_prepared_xacts AS p
""",
                    reads=("pg_prepared_xacts",),
                    since=(9, 6),
                ),
            ),
            row=Prepared,
        )
    },
    parse=reader(PreparedTransactions, Prepared),
    privacy="databases, logins and ages of prepared transactions; not their names",
)


@dataclass(frozen=True, slots=True)
class Holders:
    sessions: Sessions
    prepared: PreparedTransactions
    slots: Slots


@dataclass(frozen=True, slots=True)
class SnapshotLevels:
    session_hours: float = 6  # a transaction that long outlives half a working day; ours
    prepared_hours: float = 1  # a commit in two phases takes seconds; check_pgactivity oldest_2pc; ours
    slot_transactions: int = 10_000_000  # a twentieth of autovacuum_freeze_max_age; ours


def check_snapshots(facts: Holders, levels: SnapshotLevels, ctx: Context) -> Iterator[Result]:
    found = False
    old = [
        one
        for one in facts.sessions.rows
        if one.snapshot_age is not None and (one.transaction_s or 0) >= levels.session_hours * 3600
    ]
    for database, those in _by_database(old):
        found = True
        yield _holder(f"sessions in {database}", "session", max(one.transaction_s or 0 for one in those))
    by_database: dict[str, float] = {}
    for one in facts.prepared.rows:
        if one.prepared_s >= levels.prepared_hours * 3600:
            by_database[one.database_name] = max(by_database.get(one.database_name, 0), one.prepared_s)
    for database, seconds in sorted(by_database.items()):
        found = True
        yield _holder(f"prepared in {database}", "prepared", seconds)
    for slot in facts.slots.rows:
        if (slot.snapshot_age or 0) >= levels.slot_transactions:
            found = True
            age = Number(slot.snapshot_age or 0, "transactions")
            yield Finding(
                impact=Impact.LIMITED,
                message="slot",
                item=f"slot {slot.slot_name}",
                evidence={"age": age},
                value=age,
                worse=Worse.HIGHER,
            )
    if not found:
        yield Passed()


def _holder(item: str, message: str, seconds: float) -> Finding:
    age = Duration(round(seconds))
    return Finding(
        impact=Impact.LIMITED,
        message=message,
        item=item,
        evidence={"age": age},
        value=age,
        worse=Worse.HIGHER,
    )


old_snapshots = Probe(
    id="postgresql.old-snapshots",
    title="Nothing old hinders the clean-up",
    check=check_snapshots,
    levels=SnapshotLevels(),
    kind="postgresql",
    messages={
        "session": "{item}: a transaction has been open for {age}.",
        "prepared": "{item}: a transaction was prepared {age} ago and never ended.",
        "slot": "{item}: its reader needs rows of {age} ago.",
    },
    why=(
        "Whatever was deleted since then must be kept for it: tables grow, searches slow down, and in the "
        "end the server runs out of transaction numbers."
    ),
    remedy=(
        "Session: have the program closed, or see postgresql.idle-in-transaction. Prepared: SELECT gid FROM "
        "pg_prepared_xacts; ask us; then, in that database, ROLLBACK PREPARED 'GID'. Slot: see "
        "postgresql.replication-slots. Then, in the database: VACUUM."
    ),
    verify="The next check-up names none, and n_dead_tup in pg_stat_user_tables falls.",
    rights=MONITOR,
    references=("check_pgactivity: oldest_xmin, oldest_2pc",),
)


# --- encryption, superusers -------------------------------------------------------------------


def check_encryption(facts: Sessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    remote = [one for one in facts.rows if one.is_remote]
    if not remote:
        yield NotApplicable(reason="nobody is connected from another machine now")
        return
    clear = [one for one in remote if not one.is_encrypted]
    evidence: dict[str, Value] = {"clear": Number(len(clear)), "remote": Number(len(remote))}
    if not clear:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.LIMITED,
        message="clear",
        evidence=evidence | {"logins": Text(named(sorted({one.role_name for one in clear})))},
        value=Number(len(clear)),
        worse=Worse.HIGHER,
    )


encrypted_sessions = Probe(
    id="postgresql.encrypted-sessions",
    title="What goes over the network is encrypted",
    check=check_encryption,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "clear": "{clear} of {remote} sessions from other machines are not encrypted (logins: {logins})."
    },
    why="Whoever is in the clinic's network can read what these sessions read.",
    remedy=(
        "Ask us first. Put a certificate (server.crt, server.key) into the data directory; ALTER SYSTEM SET "
        "ssl = on; SELECT pg_reload_conf(); once all programs connect with sslmode=require, turn 'host' into "
        "'hostssl' in pg_hba.conf and reload. The way back: 'host' again."
    ),
    verify=(
        "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE NOT s.ssl AND "
        "a.client_addr IS NOT NULL counts none from other machines."
    ),
    rights=MONITOR,
    references=("PostgreSQL documentation: Secure TCP/IP Connections with SSL", "PgHero: connections"),
)


def check_superusers(facts: Sessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    powerful: dict[str, list[Session]] = defaultdict(list)
    for one in facts.rows:
        if one.is_superuser and one.database_name != "postgres":
            powerful[one.role_name].append(one)
    for role, those in sorted(powerful.items()):
        yield Finding(
            impact=Impact.LIMITED,
            function=SUPPORTABILITY,
            message="superuser",
            item=role,
            evidence={
                "sessions": Number(len(those)),
                "databases": Text(named(sorted({one.database_name for one in those}))),
            },
            value=Number(len(those)),
            worse=Worse.HIGHER,
        )
    if not powerful:
        yield Passed(evidence={"sessions": Number(len(facts.rows))})


superuser_sessions = Probe(
    id="postgresql.superuser-sessions",
    title="Programs work without the rights of a superuser",
    check=check_superusers,
    levels=NoLevels(),
    kind="postgresql",
    messages={"superuser": "The superuser {item} is at work in {databases} (sessions: {sessions})."},
    why=(
        "A fault or a stranger in that program can read, change and delete everything, and run programs on "
        "the server."
    ),
    remedy=(
        "If it is an administrator at work, nothing is wrong. If it is the clinic's program: ask us for the "
        "login and rights that it needs, have it use them, and then: ALTER ROLE name NOSUPERUSER (never of "
        "the last superuser). The way back: ALTER ROLE name SUPERUSER."
    ),
    verify=(
        "SELECT a.usename FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename WHERE r.rolsuper "
        "shows administrators only."
    ),
    rights=MONITOR,
    references=("PostgreSQL documentation: Role Attributes",),
)
