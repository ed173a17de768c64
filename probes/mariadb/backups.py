"""What a server saw of its back-ups, and what the site file says of them.

MariaDB and MySQL keep no record of back-ups. What can be seen from inside: the tables in which programs for
back-ups note their own work, and MariaDB's counters of statements that such programs send ("Server Status
Variables", Com_xxx; MySQL shows them in no table that every login may read). A copy of the whole machine
leaves no trace at all. Of the programs' tables only the time of the last change is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    Context,
    Day,
    Duration,
    Finding,
    Impact,
    Instant,
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
from probes.mariadb.databases import SHOWN_TABLES, unless_granted
from probes.mariadb.server import ANYONE, DAY_S, Server
from probes.mariadb.tables import TABLES_RIGHT, Tables
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Record:
    """A table in which a program notes the back-ups that it made. InnoDB forgets when it was written to at
    each start of the server; MySQL 8 tells it up to a day late."""

    table_name: str
    written_at: datetime | None


class Records(SqlFacts[Record]):
    pass


# mariadb-backup --history since 10.11 and before, Percona XtraBackup; MySQL Enterprise Backup.
records = Section(
    name="mariadb-backup-records",
    facts=Records,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(
                    """
SELECT CONCAT(t.TABLE_SCHEMA, '.', t.TABLE_NAME) AS table_name, t.UPDATE_TIME AS written_at
FROM information_schema.TABLES AS t
WHERE t.TABLE_SCHEMA = 'mysql' AND t.TABLE_NAME IN ('mariadb_backup_history', 'backup_history')
   OR t.TABLE_SCHEMA IN ('PERCONA_SCHEMA', 'percona_schema') AND t.TABLE_NAME = 'xtrabackup_history'
""",
                    reads=("information_schema.TABLES",),
                    rights=("REFERENCES",),
                ),
            ),
            row=Record,
            canary=unless_granted("REFERENCES", "SELECT", shown=SHOWN_TABLES),
            most_rows=10,
        )
    },
    parse=reader(Records, Record),
    privacy="whether programs for back-ups keep a table of their work here, and when it was last written to",
)


# --- evidence ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    server: Server
    tables: Tables
    records: Records


@dataclass(frozen=True, slots=True)
class EvidenceLevels:
    late_days: float = 3.0  # since the last one: a weekend without back-ups, and a day; ours
    lost_days: float = 7.0  # dbachecks policy.backup.fullmaxdays, for any engine


_STAGES, _DEFINITIONS = "com_backup", "com_show_create_table"

# Programs that the server's counters would show, as a site file may name them.
_DUMP = re.compile(r"dump", re.IGNORECASE)
_PHYSICAL = re.compile(r"maria(db-?)?backup", re.IGNORECASE)


def check_evidence(facts: Evidence, levels: EvidenceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.tables.rows:
        yield NotApplicable(reason="the databases have no table")
        return
    now, signs = facts.server.server.asked_at, _signs(facts)
    told = ctx.target.declare.get("backup")
    noted = max((one.written_at for one in facts.records.rows if one.written_at), default=None)
    if noted is not None:
        age = Duration(max((now - noted).total_seconds(), 0.0))
        where = next(one.table_name for one in facts.records.rows if one.written_at == noted)
        evidence: dict[str, Value] = {
            "last": Instant(noted),
            "age": age,
            "noted_in": Text(where),
            "binary_log": Text(facts.server.setting("log_bin") or "not told"),
        }
        if age.value <= levels.late_days * DAY_S:
            yield Passed(evidence=evidence)
            return
        if not signs and told is None:
            lost = age.value > levels.lost_days * DAY_S
            yield _found("late", Impact.MAJOR if lost else Impact.LIMITED, evidence, age)
            return
    if told is not None and (missed := _contradicted(str(told), facts, levels)):
        yield _found("unseen", Impact.MAJOR, {"declared": Text(str(told)), **missed})
    elif told is not None:
        saw = f" The server saw {signs}." if signs else ""
        yield NotChecked(
            reason="what back-ups hold, and whether they are whole, the server does not know; the site file "
            f"says: {told}.{saw}"
        )
    elif signs:
        yield NotChecked(
            reason=f"the server saw {signs}, and does not tell when the last back-up ended: look at its "
            "file, and write how it is made under `declare: {backup: ...}` in the site file"
        )
    elif (counted_s := _counting(facts, levels)) is None:
        yield NotChecked(
            reason="from inside this server no evidence of back-ups can be had: look at the file of the last "
            "dump, and write how it is made under `declare: {backup: ...}` in the site file"
        )
    else:
        yield _found("none", Impact.MAJOR, {"counted": Duration(counted_s)})


def _signs(facts: Evidence) -> str:
    """What points at back-ups, without their day."""
    signs: list[str] = []
    stages, definitions = facts.server.counter(_STAGES), facts.server.counter(_DEFINITIONS)
    days = (facts.server.counted_s or 0.0) / DAY_S
    if stages:
        signs.append(f"{stages:,.0f} statements of mariadb-backup (BACKUP STAGE) in {days:,.1f} days")
    # A dump asks once for each table's definition; a person at a console seldom asks for as many.
    if definitions and definitions >= len(facts.tables.rows):
        signs.append(f"as many requests for tables as a dump makes ({definitions:,.0f} in {days:,.1f} days)")
    signs += [f"a table of back-ups ({one.table_name})" for one in facts.records.rows if not one.written_at]
    return ", and ".join(signs)


def _counting(facts: Evidence, levels: EvidenceLevels) -> float | None:
    """For how long a dump would have been counted; None where that is too short, or not shown."""
    counted_s = facts.server.counted_s
    if facts.server.counter(_DEFINITIONS) is None or counted_s is None:
        return None
    return counted_s if counted_s >= levels.late_days * DAY_S else None


def _contradicted(told: str, facts: Evidence, levels: EvidenceLevels) -> dict[str, Value]:
    """Evidence that what the site file names was not at work here for days; empty where nothing says so."""
    counted_s = _counting(facts, levels)
    if counted_s is None:
        return {}
    named = [(_DUMP, _DEFINITIONS), (_PHYSICAL, _STAGES)]
    counts = [facts.server.counter(counter) for words, counter in named if words.search(told)]
    if not counts or any(one != 0 for one in counts):
        return {}
    return {"counted": Duration(counted_s), "seen": Number(0)}


def _found(
    message: str, impact: Impact, evidence: dict[str, Value], value: Duration | None = None
) -> Finding:
    return Finding(
        impact=impact,
        when=When.BEFORE_NEXT_VISIT,
        function=RECOVERABILITY,
        message=message,
        evidence=evidence,
        value=value,
        worse=Worse.HIGHER if value else None,
    )


backup_evidence = Probe(
    id="mariadb.backup-evidence",
    title="The server saw its last back-up being made",
    check=check_evidence,
    levels=EvidenceLevels(),
    kind="mariadb",
    messages={
        "none": (
            "Nothing on this server shows that it is backed up: it counted no dump and no back-up in "
            "{counted}. Copies of the whole machine leave no trace here; if there are any, the site file "
            "does not name them."
        ),
        "late": "The last back-up that {noted_in} tells of was written down on {last}, {age} ago.",
        "unseen": "The site file says: {declared}. The server saw nothing of it in {counted}.",
    },
    why=(
        "Without a back-up a broken disk ends the clinic's records; that it stopped is else found when it is "
        "needed."
    ),
    remedy=(
        "If back-ups are made: write how under `declare: backup:` in the site file. Else, every night, to "
        "another machine: mariadb-dump --all-databases --single-transaction --routines --events (MySQL: "
        "mysqldump), or mariadb-backup --backup --history. If one stopped: look at the log of its job; often "
        "the password was changed, or the disk is full."
    ),
    verify="The file of last night is there and as large as the ones before; and a restore was tried.",
    rights=TABLES_RIGHT,
    references=(
        "MariaDB documentation: mariadb-dump; mariadb-backup, --history; BACKUP STAGE",
        "dbachecks: policy.backup.fullmaxdays",
    ),
)


# --- a restore that was tried -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestoreLevels:
    test_days: float = 365.0  # a documented test restore each year; our contract's practice


def check_restore(facts: Server, levels: RestoreLevels, ctx: Context) -> Iterator[Result]:
    declared = ctx.target.declare.get("restore_tested")
    if declared is None:
        yield NotChecked(
            reason="the server records no restore: write the day of the last test under `declare: "
            '{restore_tested: "2026-09-01"}` in the site file'
        )
        return
    tested, now = _day(declared), facts.server.asked_at
    if tested is None or tested > now:
        yield NotChecked(reason='the site file\'s restore_tested is no day of the past, like "2026-09-01"')
        return
    age = Duration((now - tested).total_seconds())
    limit = Duration(timedelta(days=levels.test_days).total_seconds())
    evidence: dict[str, Value] = {"last": Day(tested.date()), "age": age, "limit": limit}
    if age.value <= limit.value:
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.MAJOR,
        function=RECOVERABILITY,
        message="old",
        evidence=evidence,
        value=age,
        worse=Worse.HIGHER,
    )


def _day(declared: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(declared))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


restore_test = Probe(
    id="mariadb.restore-test",
    title="A back-up was restored within the last year",
    check=check_restore,
    levels=RestoreLevels(),
    kind="mariadb",
    messages={"old": "The last test restore that the site file names is {age} old (of {last})."},
    why=(
        "Whether a back-up is good shows when it is restored. Those that never were are often incomplete, "
        "and nobody knows how long it takes."
    ),
    remedy=(
        "Restore last night's back-up on another machine: mariadb < dump.sql (MySQL: mysql) into a fresh "
        "server, or mariadb-backup --prepare and --copy-back. Note the time that it took, look with us "
        "whether the newest case is there, delete the copy, and write the day under `declare: "
        "restore_tested:` in the site file."
    ),
    verify="The site file names the day, and the next check-up passes here.",
    rights=ANYONE + "; the day in the site file",
    references=("MariaDB documentation: Restoring Data from Dump Files",),
)
