"""Settings of an instance, against what keeps data safe and work fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    RECOVERABILITY,
    SUPPORTABILITY,
    Bytes,
    Context,
    Finding,
    Impact,
    NoLevels,
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
    Visit,
    When,
    Worse,
)
from probes.postgresql.counting import named
from probes.sql.rows import reader

_ANYONE = "an ordinary login"
_UNIT = re.compile(r"(\d*)(B|kB|MB|GB)")
_BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3}


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of pg_settings. `value` is None for a setting that is named only because it waits for a restart,
    and "true" or "false" for commands: set or not."""

    name: str
    value: str | None
    unit: str | None
    is_waiting: bool


class Settings(SqlFacts[Setting]):
    def text(self, name: str) -> str | None:
        """None where this version has no such setting."""
        return next((one.value for one in self.rows if one.name == name), None)

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        return default if text is None or not text.lstrip("-").isdigit() else int(text)

    def size_bytes(self, name: str) -> int | None:
        """A size, whatever unit the server counts it in ("8kB" for pages)."""
        one = next((one for one in self.rows if one.name == name), None)
        if one is None or one.value is None or not one.value.lstrip("-").isdigit():
            return None
        unit = _UNIT.fullmatch(one.unit or "B")
        return None if unit is None else int(one.value) * int(unit[1] or 1) * _BYTES[unit[2]]


_NAMES = """(
        'archive_mode', 'autovacuum', 'data_checksums', 'effective_cache_size', 'fsync', 'full_page_writes',
        'maintenance_work_mem', 'max_connections', 'max_wal_size', 'password_encryption',
        'reserved_connections', 'shared_buffers', 'superuser_reserved_connections', 'synchronous_commit',
        'track_counts', 'work_mem')"""

settings = Section(
    name="postgresql-settings",
    facts=Settings,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    f"""
SELECT s.name AS name,
       CASE WHEN s.name IN {_NAMES} THEN s.reset_val END AS value,
       s.unit AS unit, s.pending_restart AS is_waiting
FROM pg_settings AS s
WHERE s.pending_restart OR s.name IN {_NAMES}
""",  # noqa: S608  the parts are constants of this file
                    reads=("pg_settings",),
                    since=(9, 6),
                ),
            ),
            row=Setting,
        )
    },
    parse=reader(Settings, Setting),
    privacy="some settings of the server: sizes, limits, switches",
)


def _unknown(*names: str) -> NotChecked:
    return NotChecked(reason=f"the server shows no setting {' or '.join(names)}")


# --- autovacuum -------------------------------------------------------------------------------


def check_autovacuum(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    values = {name: facts.text(name) for name in ("autovacuum", "track_counts")}
    if None in values.values():
        yield _unknown(*values)
        return
    off = [name for name, value in values.items() if value == "off"]
    if off:
        yield Finding(impact=Impact.MAJOR, message="off", evidence={"settings": Text(" and ".join(off))})
    else:
        yield Passed()


autovacuum = Probe(
    id="postgresql.autovacuum",
    title="The server cleans up after itself",
    check=check_autovacuum,
    levels=NoLevels(),
    kind="postgresql",
    messages={"off": "{settings} of the server is off: nothing is cleaned up by itself."},
    why=(
        "Deleted and changed rows stay in the files, which grow without end; after two thousand million "
        "transactions the server stops taking writes."
    ),
    remedy=(
        "As a superuser: ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT "
        "pg_reload_conf(); nobody needs to leave. The first clean-up takes hours; then run vacuumdb --all "
        "--analyze at night. The way back: ALTER SYSTEM RESET autovacuum and reload."
    ),
    verify="SHOW autovacuum and SHOW track_counts, in a new session, say on.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: The Autovacuum Daemon", "check_pgactivity: configuration"),
)


# --- what a crash costs -----------------------------------------------------------------------

_DURABLE = {
    "fsync": (Impact.MAJOR, "lose the whole instance"),
    "full_page_writes": (Impact.MAJOR, "leave half-written pages behind"),
    "synchronous_commit": (Impact.LIMITED, "lose the entries of the last moments"),
}


def check_durability(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    for name, (impact, loss) in _DURABLE.items():
        value = facts.text(name)
        if value is None:
            yield NotChecked(item=name, reason="the server shows no such setting")
        elif value == "off":
            yield Finding(
                impact=impact,
                function=RECOVERABILITY,
                message="off",
                item=name,
                evidence={"loss": Text(loss)},
            )
        else:
            yield Passed(item=name, evidence={"value": Text(value)})


durability = Probe(
    id="postgresql.durability",
    title="What was saved survives a power failure",
    check=check_durability,
    levels=NoLevels(),
    kind="postgresql",
    messages={"off": "{item} is off: a power failure may {loss}."},
    why="These settings make a server look fast in tests; in a clinic they cost data at the first crash.",
    remedy=(
        "As a superuser: ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; ALTER SYSTEM "
        "SET synchronous_commit = on; SELECT pg_reload_conf(); then CHECKPOINT, and a full back-up. Saving "
        "takes some milliseconds more. The way back: ALTER SYSTEM RESET of the three and reload."
    ),
    verify="SHOW fsync, SHOW full_page_writes and SHOW synchronous_commit, in a new session, say on.",
    rights=_ANYONE,
    references=(
        "PostgreSQL documentation: Write Ahead Log, Settings",
        "check_pgactivity: configuration",
    ),
)


# --- page checksums ---------------------------------------------------------------------------


def check_checksums(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    value = facts.text("data_checksums")
    if value is None:
        yield _unknown("data_checksums")
    elif value == "on":
        yield Passed()
    else:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            function=RECOVERABILITY,
            message="off",
            evidence={"data_checksums": Text(value)},
        )


page_checksums = Probe(
    id="postgresql.page-checksums",
    title="Pages carry a checksum",
    check=check_checksums,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "off": "Pages of this instance carry no checksum: what a disk gives back wrong may go unnoticed."
    },
    why=(
        "With checksums the server finds out at the first reading that a disk gave back something else than "
        "was written."
    ),
    remedy=(
        "From version 12, out of hours and with a fresh back-up: stop the service, run pg_checksums --enable "
        "--pgdata=DATA_DIRECTORY as the service's account, start the service. It reads and writes every file "
        "once. The way back: the same with --disable. Before version 12: at the next upgrade."
    ),
    verify="SHOW data_checksums says on.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: pg_checksums",),
)


# --- memory -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemoryLevels:
    """Bytes; below, the setting is smaller than the server's own default: check_pgactivity configuration."""

    work_mem: int = 4 * 1024**2
    maintenance_work_mem: int = 64 * 1024**2
    shared_buffers: int = 128 * 1024**2
    effective_cache_size: int = 1024**3


def check_memory(facts: Settings, levels: MemoryLevels, ctx: Context) -> Iterator[Result]:
    least = {
        "work_mem": levels.work_mem,
        "maintenance_work_mem": levels.maintenance_work_mem,
        "shared_buffers": levels.shared_buffers,
        "effective_cache_size": levels.effective_cache_size,
    }
    for name, limit in least.items():
        size = facts.size_bytes(name)
        if size is None:
            yield NotChecked(item=name, reason="the server shows no such setting")
            continue
        evidence = {"size": Bytes(size), "limit": Bytes(limit)}
        if size >= limit:
            yield Passed(item=name, evidence=evidence)
            continue
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="small",
            item=name,
            evidence=evidence,
            value=Bytes(size),
            worse=Worse.LOWER,
        )


memory = Probe(
    id="postgresql.memory-settings",
    title="The server may use the memory that it needs",
    check=check_memory,
    levels=MemoryLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"small": "{item} is {size}, less than {limit}."},
    why=(
        "Smaller than the defaults is smaller than what any clinic's server has to spare: sorts and "
        "clean-ups go to disk."
    ),
    remedy=(
        "As a superuser, for the setting named: ALTER SYSTEM RESET name; then SELECT pg_reload_conf(), for "
        "shared_buffers a restart of the service. If it is set in postgresql.conf, remove the line there. "
        "Gain: fewer reads from disk. The way back: ALTER SYSTEM SET name = the value above."
    ),
    verify="SHOW of the setting shows at least the limit.",
    rights=_ANYONE,
    references=("check_pgactivity: configuration", "PostgreSQL documentation: Resource Consumption"),
)


# --- waiting for a restart --------------------------------------------------------------------


def check_pending(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    waiting = sorted(one.name for one in facts.rows if one.is_waiting)
    if not waiting:
        yield Passed()
        return
    yield Finding(
        impact=Impact.NOTE,
        when=When.LATER,
        function=SUPPORTABILITY,
        message="waiting",
        evidence={"count": Number(len(waiting)), "names": Text(named(waiting))},
        value=Number(len(waiting)),
        worse=Worse.HIGHER,
    )


pending_restart = Probe(
    id="postgresql.pending-restart",
    title="All settings are in force",
    check=check_pending,
    levels=NoLevels(),
    kind="postgresql",
    messages={"waiting": "Settings were changed and wait for a restart ({count}): {names}."},
    why=(
        "The server works with other settings than its files say; at the next restart, perhaps months from "
        "now, it changes its behaviour and nobody knows why."
    ),
    remedy=(
        "Ask who changed them and whether they are meant. Then restart the PostgreSQL service out of hours; "
        "or take the change back: ALTER SYSTEM RESET name, or the old line in postgresql.conf, and SELECT "
        "pg_reload_conf()."
    ),
    verify="SELECT name FROM pg_settings WHERE pending_restart shows no row.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: pg_settings", "check_pgactivity: pending_restart"),
)


# --- how passwords are kept -------------------------------------------------------------------


def check_passwords(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.version < (10,):
        yield NotApplicable(reason="PostgreSQL knows nothing better than MD5 before version 10")
        return
    value = facts.text("password_encryption")
    if value is None:
        yield _unknown("password_encryption")
    elif value == "scram-sha-256":
        yield Passed(evidence={"method": Text(value)})
    else:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            function=SUPPORTABILITY,
            message="old",
            evidence={"method": Text(value)},
        )


password_hashing = Probe(
    id="postgresql.password-hashing",
    title="Passwords are kept in the way of today",
    check=check_passwords,
    levels=NoLevels(),
    kind="postgresql",
    messages={"old": "New passwords are kept as {method}, not as scram-sha-256."},
    why=(
        "MD5 passwords can be used by whoever gets hold of a back-up of the server's catalogue, and "
        "PostgreSQL will drop them."
    ),
    remedy=(
        "Ask us whether all programs of the clinic know SCRAM. Then: ALTER SYSTEM SET password_encryption = "
        "'scram-sha-256'; SELECT pg_reload_conf(); and set each login's password again with \\password. The "
        "way back: ALTER SYSTEM RESET password_encryption and reload."
    ),
    verify="SHOW password_encryption, in a new session, says scram-sha-256.",
    rights=_ANYONE,
    references=("PostgreSQL documentation: Password Authentication",),
)
