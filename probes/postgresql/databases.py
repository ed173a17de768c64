"""The databases of an instance: are they there, how old is their oldest transaction, what do they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
    Instant,
    Measured,
    Metric,
    NoLevels,
    NotApplicable,
    NotEnoughHistory,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Text,
    Value,
    Visit,
    When,
    Worse,
    judge,
)
from probes.postgresql.counting import hidden, identifier, too_young, window
from probes.postgresql.settings import Settings
from probes.sql.declared import MESSAGES, WHY, judge_declared
from probes.sql.rows import reader

_ANYONE = "an ordinary login"
_MORE_THAN_EMPTY = 64 * 1024**2  # bytes; an empty database has below ten


@dataclass(frozen=True, slots=True)
class Database:
    """A row of pg_database with its counters.

    `size_bytes` is None where the login may not connect to the database, `checksum_failures` where the
    instance has no page checksums or is older than version 12; `shared_checksum_failures` are those of the
    catalogues that all databases share.
    """

    database_name: str
    is_template: bool
    size_bytes: int | None
    transaction_age: int
    multixact_age: int
    transaction_age_limit: int
    multixact_age_limit: int
    connections: int
    deadlocks: int
    temporary_files: int
    temporary_bytes: int
    read_blocks: int
    hit_blocks: int
    checksum_failures: int | None
    checksum_failed_at: datetime | None
    shared_checksum_failures: int | None
    counted_since: datetime | None
    login: str


class Databases(SqlFacts[Database]):
    @property
    def users(self) -> tuple[Database, ...]:
        """The databases that people work in. `postgres` is there for logging in only, unless it is large."""
        return tuple(
            one
            for one in self.rows
            if not one.is_template
            and (one.database_name != "postgres" or (one.size_bytes or 0) >= _MORE_THAN_EMPTY)
        )


def _text(failures: str, failed_at: str, shared: str) -> str:
    return f"""
SELECT d.datname::text AS database_name, d.datistemplate AS is_template,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS size_bytes,
       age(d.datfrozenxid)::bigint AS transaction_age, mxid_age(d.datminmxid)::bigint AS multixact_age,
       current_setting('autovacuum_freeze_max_age')::bigint AS transaction_age_limit,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_age_limit,
       COALESCE(s.numbackends, 0)::bigint AS connections, COALESCE(s.deadlocks, 0) AS deadlocks,
       COALESCE(s.temp_files, 0) AS temporary_files, COALESCE(s.temp_bytes, 0) AS temporary_bytes,
       COALESCE(s.blks_read, 0) AS read_blocks, COALESCE(s.blks_hit, 0) AS hit_blocks,
       {failures} AS checksum_failures, {failed_at} AS checksum_failed_at,
       {shared} AS shared_checksum_failures,
       s.stats_reset AT TIME ZONE 'UTC' AS counted_since, current_user::text AS login
FROM pg_database AS d
LEFT JOIN pg_stat_database AS s ON s.datid = d.oid
"""  # noqa: S608  the parts are constants of this file


_READS = ("pg_database", "pg_stat_database")

databases = Section(
    name="postgresql-databases",
    facts=Databases,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    _text(
                        "s.checksum_failures",
                        "s.checksum_last_failure AT TIME ZONE 'UTC'",
                        "(SELECT MAX(g.checksum_failures) FROM pg_stat_database AS g WHERE g.datid = 0)",
                    ),
                    reads=_READS,
                    since=(12,),
                ),
                SqlVariant(
                    _text("NULL::bigint", "NULL::timestamp", "NULL::bigint"),
                    reads=_READS,
                    since=(9, 6),
                    before=(12,),
                ),
            ),
            row=Database,
            most_rows=5000,
            timeout_s=30,
        )
    },
    parse=reader(Databases, Database),
    privacy="names, sizes, ages and counters of databases",
)


# --- declared ---------------------------------------------------------------------------------


def check_declared(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield from judge_declared([one.database_name for one in facts.rows], len(facts.users), ctx)


declared_databases = Probe(
    id="postgresql.declared-databases",
    title="The databases that belong to the site are on the instance",
    check=check_declared,
    levels=NoLevels(),
    kind="postgresql",
    messages=MESSAGES,
    why=WHY,
    remedy=(
        "Find out where the database went: another instance, another name (upper and lower case differ), "
        "dropped? Then correct `databases:` in the site file, or restore the database from the last back-up."
    ),
    verify="SELECT datname FROM pg_database shows the database.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: pg_database",),
)


# --- wraparound -------------------------------------------------------------------------------

_HORIZON = 2**31  # transactions; the server stops taking writes a little before ("Routine Vacuuming")


@dataclass(frozen=True, slots=True)
class WraparoundLevels:
    stopped: int = (
        3_000_000  # transactions left; the server refuses writes ("Routine Vacuuming", 14 and newer)
    )
    danger: int = 10_000_000  # transactions left; PgHero transaction_id_danger
    half: int = 2**30  # transactions left; half of all: vacuuming has failed for long; our own experience
    overdue: float = 1.5  # times autovacuum_freeze_max_age, where the server must act; check_pgactivity 1.0


def check_wraparound(facts: Databases, levels: WraparoundLevels, ctx: Context) -> Iterator[Result]:
    steps = (
        (levels.stopped, Impact.DOWN, When.NOW, "stopped"),
        (levels.danger, Impact.MAJOR, When.NOW, "danger"),
        (levels.half, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "danger"),
    )
    for one in facts.rows:
        oldest = max(one.transaction_age, one.multixact_age)
        left = _HORIZON - oldest
        allowed = max(
            one.transaction_age / one.transaction_age_limit, one.multixact_age / one.multixact_age_limit
        )
        value = Ratio(oldest / _HORIZON)
        evidence: dict[str, Value] = {
            "used": value,
            "left": Number(left),
            "age": Number(oldest),
            "times_the_limit": Number(round(allowed, 2)),
        }
        yield Metric(name="used", value=value, item=one.database_name, limit=1.0)
        hit = next((step for step in steps if left <= step[0]), None)
        if hit is None and allowed > levels.overdue:
            hit = (0, Impact.LIMITED, When.BEFORE_NEXT_VISIT, "overdue")
        if hit is None:
            yield Passed(item=one.database_name, evidence=evidence)
            continue
        _, impact, when, message = hit
        yield Finding(
            impact=impact,
            when=when,
            message=message,
            item=one.database_name,
            evidence=evidence,
            value=value,
            worse=Worse.HIGHER,
        )


wraparound = Probe(
    id="postgresql.wraparound",
    title="No database runs out of transaction numbers",
    check=check_wraparound,
    levels=WraparoundLevels(),
    kind="postgresql",
    messages={
        "stopped": "{item} has {left} transaction numbers left: the server refuses to write.",
        "danger": "{item} has used {used} of the transaction numbers; {left} are left.",
        "overdue": (
            "{item} should have been vacuumed long ago: its oldest row is {age} transactions old, "
            "{times_the_limit} times what is allowed."
        ),
    },
    why=(
        "Numbers of transactions are used again. Rows that no vacuum has frozen in time would vanish, so the "
        "server stops taking writes first: the clinic stands still."
    ),
    remedy=(
        "As a superuser, at a quiet hour: vacuumdb --freeze --dbname=NAME with the database named. If its "
        "age stays, an open transaction, a prepared one or a replication slot holds it: see "
        "postgresql.old-snapshots. Then turn autovacuum on."
    ),
    verify=(
        "SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database shows less than 200 "
        "million."
    ),
    rights=_ANYONE,
    references=(
        "PostgreSQL documentation: Preventing Transaction ID Wraparound Failures",
        "check_pgactivity: max_freeze_age",
        "PgHero: transaction_id_danger",
    ),
)


# --- damaged pages ----------------------------------------------------------------------------


def check_failures(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.version < (12,):
        yield NotApplicable(reason="PostgreSQL counts damaged pages since version 12")
        return
    looked = [one for one in facts.rows if one.checksum_failures is not None]
    if not looked:
        yield NotApplicable(reason="the instance has no page checksums (postgresql.page-checksums)")
        return
    failed = False
    for one in looked:
        if one.checksum_failures:
            failed = True
            yield _damaged(one.database_name, one.checksum_failures, one.checksum_failed_at)
    shared = max(one.shared_checksum_failures or 0 for one in looked)
    if shared:
        yield _damaged("shared catalogues", shared, None)
    if not failed and not shared:
        yield Passed(evidence={"databases": Number(len(looked))})


def _damaged(item: str, failures: int, last: datetime | None) -> Finding:
    evidence: dict[str, Value] = {"failures": Number(failures)}
    if last is not None:
        evidence["last"] = Instant(last)
    return Finding(
        impact=Impact.MAJOR,
        when=When.NOW,
        function=RECOVERABILITY,
        message="damaged" if last is None else "damaged_last",
        item=item,
        evidence=evidence,
        value=Number(failures),
        worse=Worse.HIGHER,
    )


checksum_failures = Probe(
    id="postgresql.damaged-pages",
    title="The server has met no damaged page",
    check=check_failures,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "damaged": "PostgreSQL met damaged pages in {item} ({failures} failures).",
        "damaged_last": "PostgreSQL met damaged pages in {item} ({failures} failures, the last on {last}).",
    },
    why=(
        "A page whose checksum is wrong is lost data, and a sign of storage that fails. Back-ups taken since "
        "may lack it or hold the damage."
    ),
    remedy=(
        "Keep all back-ups that you have. Have the storage and memory examined, and call us before anything "
        "is repaired or zeroed. Restore the database from the last good back-up. Afterwards: SELECT "
        "pg_stat_reset() in the database that is named."
    ),
    verify=(
        "pg_dump of the database ends without an error, and checksum_failures in pg_stat_database stays 0."
    ),
    rights=_ANYONE,
    references=("PostgreSQL documentation: pg_stat_database", "check_pgactivity: checksum_errors"),
)


# --- growth -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    soon_days: int = 180  # doubled within this time: look at the disk before the next visit; ours
    later_days: int = 365  # doubled within this time: plan; ours


def check_growth(facts: Databases, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.users:
        if one.size_bytes is None:
            grant = f"GRANT CONNECT ON DATABASE {identifier(one.database_name)} TO {identifier(one.login)}"
            yield hidden(grant, one.database_name)
            continue
        size = Bytes(one.size_bytes)
        yield Metric(name="size_bytes", value=size, item=one.database_name)
        forecast = ctx.forecast("size_bytes", one.size_bytes, 2.0 * one.size_bytes, one.database_name)
        if isinstance(forecast, NotEnoughHistory):
            yield NotApplicable(
                item=one.database_name,
                reason=f"not enough history: {forecast.points} of {forecast.needed} measurements",
            )
            continue
        evidence: dict[str, Value] = {
            "size": size,
            "growth_a_month": Bytes(round(forecast.per_day * 30)),
        }
        days = (forecast.reached - ctx.now).total_seconds() / 86_400 if forecast.reached else None
        if forecast.reached is None or days is None or days > levels.later_days:
            yield Passed(item=one.database_name, evidence=evidence)
            continue
        soon = days <= levels.soon_days
        yield Finding(
            impact=Impact.LIMITED if soon else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if soon else When.LATER,
            message="doubles",
            item=one.database_name,
            evidence=evidence | {"on": Instant(forecast.reached)},
            value=Number(round(days), "days"),
            worse=Worse.LOWER,
        )


growth = Probe(
    id="postgresql.database-growth",
    title="Databases grow slowly enough to plan for",
    check=check_growth,
    levels=GrowthLevels(),
    kind="postgresql",
    messages={"doubles": "{item} has {size} and grows by {growth_a_month} a month: it doubles about {on}."},
    why="A disk that the database fills stops the whole instance, and back-ups take longer and longer.",
    remedy=(
        "Compare with the free space of the disk that holds the data directory and of the back-ups. Extend "
        "the disk before the date given, and tell us which database grows so fast."
    ),
    verify="The next visits show slower growth, or a disk with room for twice the size.",
    rights="CONNECT on the databases",
    references=("check_pgactivity: database_size",),
)


# --- connections ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Occupied:
    databases: Databases
    settings: Settings


@dataclass(frozen=True, slots=True)
class ConnectionLevels:
    full: float = 0.95  # share of the connections that ordinary logins may use; ours
    many: float = 0.8  # check_pgactivity backends


def check_connections(facts: Occupied, levels: ConnectionLevels, ctx: Context) -> Iterator[Result]:
    said = facts.settings
    usable = (
        said.number("max_connections", 0)
        - said.number("superuser_reserved_connections", 0)
        - said.number("reserved_connections", 0)
    )
    used = sum(one.connections for one in facts.databases.rows)
    yield from judge(
        "share",
        Ratio(used / max(usable, 1)),
        (
            Step(levels.full, Impact.MAJOR, When.NOW),
            Step(levels.many, Impact.LIMITED),
        ),
        worse=Worse.HIGHER,
        message="many",
        evidence={"used": Number(used), "usable": Number(usable)},
    )


connections = Probe(
    id="postgresql.connections",
    title="There is room for more connections",
    check=check_connections,
    levels=ConnectionLevels(),
    kind="postgresql",
    messages={"many": "{used} of {usable} connections are in use ({share})."},
    why="When all are taken, the next one who starts the program is turned away.",
    remedy=(
        "Find programs that open connections and keep them (SELECT usename, count(*) FROM pg_stat_activity "
        "GROUP BY 1) and restart them. If the need is real: ALTER SYSTEM SET max_connections = 200, then "
        "restart the service out of hours. The way back: ALTER SYSTEM RESET max_connections, restart."
    ),
    verify="At the busiest hour less than 80 % are in use.",
    rights=_ANYONE,
    references=("check_pgactivity: backends", "PgHero: total_connections"),
)


# --- counters for the tune-up -----------------------------------------------------------------


def _rate(
    name: str,
    daily: Callable[[Database, float], Measured],
    total: Callable[[Database], Measured],
    impact: Impact,
) -> Callable[[Databases, DailyLevels, Context], Iterator[Result]]:
    """A check of a counter per day, database by database."""

    def check(facts: Databases, levels: DailyLevels, ctx: Context) -> Iterator[Result]:
        if not facts.users:
            yield NotApplicable(reason="no database of the clinic is on this instance")
        for one in facts.users:
            counted = window(facts.server, one.counted_since)
            young = too_young(counted, levels.least_days, one.database_name)
            if young is not None or counted is None:
                yield young or NotApplicable(reason="")
                continue
            yield from judge(
                name,
                daily(one, counted.days),
                (Step(levels.a_day, impact, When.LATER, "young" if counted.is_young else "many"),),
                worse=Worse.HIGHER,
                message="many",
                item=one.database_name,
                evidence={"total": total(one), "since": Instant(counted.since)},
            )

    return check


@dataclass(frozen=True, slots=True)
class DailyLevels:
    a_day: float
    least_days: float = 1  # less says nothing of a working day


deadlocks = Probe(
    id="postgresql.deadlocks",
    title="Programs do not lock each other out",
    check=_rate(
        "a_day",
        lambda one, days: Number(round(one.deadlocks / days, 1)),
        lambda one: Number(one.deadlocks),
        Impact.LIMITED,
    ),
    levels=DailyLevels(a_day=10),  # our own experience: a few are normal
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "many": "{item} has {a_day} deadlocks a day ({total} since {since}).",
        "young": "{item} has {a_day} deadlocks a day, counted since {since} only: a hint, no more.",
    },
    why=(
        "Of two who wait for each other the server ends one: someone's entry is refused and has to be made "
        "again."
    ),
    remedy=(
        "Send us this report: it is for us, the vendor, to have the program take its locks in one order. "
        "Gain: no refused entries. Nothing is changed on the server, so there is no way back to keep."
    ),
    verify="The next tune-up shows fewer than ten a day.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: pg_stat_database",),
)

temporary_files = Probe(
    id="postgresql.temporary-files",
    title="Sorting finds room in memory",
    check=_rate(
        "a_day",
        lambda one, days: Bytes(round(one.temporary_bytes / days)),
        lambda one: Number(one.temporary_files),
        Impact.NOTE,
    ),
    levels=DailyLevels(a_day=1024**3),  # our own experience; check_pgactivity temp_files has no default
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "many": "{item} writes {a_day} a day to temporary files ({total} files since {since}).",
        "young": (
            "{item} writes {a_day} a day to temporary files, counted since {since} only: a hint, no more."
        ),
    },
    why="What does not fit into work_mem is sorted on disk, which takes many times as long.",
    remedy=(
        "With 8 GB of memory or more: ALTER SYSTEM SET work_mem = '16MB', then SELECT pg_reload_conf(). Each "
        "sort of each session may take as much. Gain: lists and reports open faster. The way back: ALTER "
        "SYSTEM RESET work_mem and SELECT pg_reload_conf()."
    ),
    verify="The next tune-up shows less; the server has free memory at the busiest hour.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: work_mem", "check_pgactivity: temp_files"),
)


@dataclass(frozen=True, slots=True)
class CacheLevels:
    hits: float = 0.99  # PgHero cache_hit_rate_threshold
    least_blocks: int = 1_000_000  # read or hit; fewer are no sample; our own experience


def check_cache(facts: Databases, levels: CacheLevels, ctx: Context) -> Iterator[Result]:
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.users:
        asked = one.read_blocks + one.hit_blocks
        if asked < levels.least_blocks:
            yield NotApplicable(item=one.database_name, reason=f"only {asked} blocks were asked for")
            continue
        counted = window(facts.server, one.counted_since)
        since = {"since": Instant(counted.since)} if counted else {"since": Text("an unknown day")}
        yield from judge(
            "hits",
            Ratio(round(one.hit_blocks / asked, 4)),
            (Step(levels.hits, Impact.NOTE, When.LATER, "young" if counted and counted.is_young else "few"),),
            worse=Worse.LOWER,
            message="few",
            item=one.database_name,
            evidence=since,
        )


cache_hits = Probe(
    id="postgresql.cache-hits",
    title="Most pages are found in memory",
    check=check_cache,
    levels=CacheLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "few": "{item} found {hits} of its pages in the server's own memory since {since}.",
        "young": (
            "{item} found {hits} of its pages in the server's own memory, counted since {since} only: a "
            "hint, no more."
        ),
    },
    why="A page that is not in shared_buffers comes from the operating system or the disk, which is slower.",
    remedy=(
        "On a server of its own: ALTER SYSTEM SET shared_buffers to a quarter of the memory (for 16 GB: "
        "'4GB'), then restart the service out of hours. Gain: fewer reads from disk. The way back: ALTER "
        "SYSTEM RESET shared_buffers, restart."
    ),
    verify="The next tune-up shows 99 % or more.",
    rights=_ANYONE,
    references=("PgHero: cache_hit_rate", "PostgreSQL documentation: shared_buffers"),
)
