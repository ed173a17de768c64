"""The transaction logs: how full, what keeps them full, and in how many fragments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
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
from probes.sql.rows import reader
from probes.sqlserver.databases import Databases
from probes.sqlserver.files import Files

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class LogSpace:
    database_name: str
    size_bytes: int
    used_bytes: int


class LogSpaces(SqlFacts[LogSpace]):
    pass


# Counters of the instance: one read for all databases, where sys.dm_db_log_space_usage would take one for
# each. Names are padded to their full width ("sys.dm_os_performance_counters (Transact-SQL)").
log_spaces = Section(
    name="sqlserver-log-space",
    facts=LogSpaces,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT RTRIM(c.instance_name) AS database_name,
       MAX(CASE WHEN c.counter_name LIKE N'Log File(s) Size (KB)%' THEN c.cntr_value ELSE 0 END) * 1024
           AS size_bytes,
       MAX(CASE WHEN c.counter_name LIKE N'Log File(s) Used Size (KB)%' THEN c.cntr_value ELSE 0 END) * 1024
           AS used_bytes
FROM sys.dm_os_performance_counters AS c
WHERE c.object_name LIKE N'%:Databases%'
  AND (c.counter_name LIKE N'Log File(s) Size (KB)%' OR c.counter_name LIKE N'Log File(s) Used Size (KB)%')
  AND c.instance_name NOT LIKE N'[_]Total%' AND c.instance_name NOT LIKE N'mssqlsystemresource%'
GROUP BY c.instance_name
""",
                    reads=("sys.dm_os_performance_counters",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=LogSpace,
            most_rows=5000,
        )
    },
    parse=reader(LogSpaces, LogSpace),
    privacy="names of databases and sizes of their logs",
)

# Broken counters of Windows leave the view empty.
_NO_COUNTERS = (
    "the server's performance counters are missing: rebuild them with lodctr /R and restart the service"
)


# --- how full ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Full:
    logs: LogSpaces
    files: Files | None


@dataclass(frozen=True, slots=True)
class SpaceLevels:
    tight: float = 0.75  # dbachecks logfilepercentused
    full: float = 0.90
    least_mib: float = 256.0  # a smaller log grows in a moment, and is often full; our own experience


def _log_may_grow(files: Files | None, database: str) -> bool | None:
    if files is None:
        return None
    return any(one.may_grow for one in files.rows if one.database_name == database and one.kind == "LOG")


def check_space(facts: Full, levels: SpaceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.logs.rows:
        yield NotChecked(reason=_NO_COUNTERS)
    for one in sorted(facts.logs.rows, key=lambda one: one.database_name):
        if one.size_bytes <= 0:
            continue
        grows = _log_may_grow(facts.files, one.database_name)
        evidence: dict[str, Value] = {
            "size": Bytes(one.size_bytes),
            "used": Bytes(one.used_bytes),
            "growth": Text({True: "may grow", False: "may not grow", None: "not known"}[grows]),
        }
        share = Ratio(one.used_bytes / one.size_bytes)
        if grows is not False and one.size_bytes < levels.least_mib * MIB:
            yield Passed(item=one.database_name, evidence={**evidence, "share": share})
            continue
        yield from judge(
            "share",
            share,
            (
                Step(levels.full, Impact.MAJOR if grows is False else Impact.LIMITED, message="full"),
                Step(levels.tight, Impact.LIMITED),
            ),
            worse=Worse.HIGHER,
            message="tight",
            item=one.database_name,
            evidence=evidence,
        )


log_space = Probe(
    id="sqlserver.log-space",
    title="Transaction logs have room",
    check=check_space,
    levels=SpaceLevels(),
    kind="sqlserver",
    messages={
        "tight": "The log of {item} ({size}, {growth}) is {share} full.",
        "full": "The log of {item} ({size}, {growth}) is {share} full: without room nothing can be saved.",
    },
    why="A log that is full and cannot grow stops every entry with error 9002 until it is emptied.",
    remedy=(
        "SELECT name, log_reuse_wait_desc FROM sys.databases tells what keeps it. LOG_BACKUP: BACKUP LOG "
        "[name] TO DISK = N'\\\\other machine\\share\\name.trn'. ACTIVE_TRANSACTION: find the old "
        "transaction with DBCC OPENTRAN and call us. Never delete the log file, never detach the database."
    ),
    verify="DBCC SQLPERF(LOGSPACE) shows a lower share for the database.",
    rights="VIEW SERVER STATE; VIEW ANY DEFINITION to tell whether it may grow",
    references=(
        "Troubleshoot a full transaction log (error 9002), Microsoft Learn",
        "dbachecks logfilepercentused",
    ),
)


# --- what keeps it full -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    databases: Databases
    logs: LogSpaces


@dataclass(frozen=True, slots=True)
class ReuseLevels:
    share: float = 0.50  # used; below, the wait is a moment's state; our own experience
    least_mib: float = 256.0


# Those that last until somebody acts; the others (CHECKPOINT, ACTIVE_BACKUP_OR_RESTORE …) pass by themselves.
_LASTING = frozenset(
    {"LOG_BACKUP", "ACTIVE_TRANSACTION", "REPLICATION", "AVAILABILITY_REPLICA", "DATABASE_MIRRORING"}
)


def check_reuse(facts: Kept, levels: ReuseLevels, ctx: Context) -> Iterator[Result]:
    logs = {one.database_name: one for one in facts.logs.rows}
    if not logs:
        yield NotChecked(reason=_NO_COUNTERS)
        return
    looked = False
    for one in facts.databases.users:
        log = logs.get(one.database_name)
        if not one.is_online or log is None or log.size_bytes <= 0:
            continue
        looked = True
        share = Ratio(log.used_bytes / log.size_bytes)
        evidence: dict[str, Value] = {
            "wait": Text(one.log_reuse_wait),
            "share": share,
            "size": Bytes(log.size_bytes),
        }
        large = log.size_bytes >= levels.least_mib * MIB
        if one.log_reuse_wait in _LASTING and large and share.value >= levels.share:
            yield Finding(
                impact=Impact.LIMITED,
                message=one.log_reuse_wait.lower().replace("_", "-"),
                item=one.database_name,
                evidence=evidence,
                value=share,
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=one.database_name, evidence=evidence)
    if not looked:
        yield NotApplicable(reason="no database of the clinic is online here")


log_reuse = Probe(
    id="sqlserver.log-reuse",
    title="Nothing keeps the logs from being emptied",
    check=check_reuse,
    levels=ReuseLevels(),
    kind="sqlserver",
    messages={
        "log-backup": "The log of {item} ({size}, {share} full) waits for a log back-up ({wait}).",
        "active-transaction": (
            "The log of {item} ({size}, {share} full) is kept by a transaction that is open ({wait})."
        ),
        "replication": (
            "The log of {item} ({size}, {share} full) waits for replication or change data capture ({wait})."
        ),
        "availability-replica": (
            "The log of {item} ({size}, {share} full) waits for another replica ({wait})."
        ),
        "database-mirroring": "The log of {item} ({size}, {share} full) waits for its mirror ({wait}).",
    },
    why="As long as something holds on to it, the log only grows, until the disk is full.",
    remedy=(
        "LOG_BACKUP: back the log up more often, or agree on SIMPLE. ACTIVE_TRANSACTION: DBCC OPENTRAN names "
        "the session; ask its user to finish, else call us. REPLICATION: see that the log reader job runs, "
        "or call us if nobody uses it. AVAILABILITY_REPLICA, DATABASE_MIRRORING: bring the other server "
        "back."
    ),
    verify="SELECT name, log_reuse_wait_desc FROM sys.databases shows NOTHING after a log back-up.",
    rights="VIEW ANY DATABASE, VIEW SERVER STATE",
    references=("The transaction log, factors that delay truncation, Microsoft Learn",),
)


# --- fragments --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogFragments:
    database: str
    fragments: int


class AllFragments(SqlFacts[LogFragments]):
    pass


log_fragments = Section(
    name="sqlserver-log-fragments",
    facts=AllFragments,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], COUNT(*) AS fragments
FROM sys.dm_db_log_info(DB_ID()) AS l
""",
                    reads=("sys.dm_db_log_info",),
                    since=(13, 0, 5026),
                    needs=("sys.dm_db_log_info",),
                    rights=("VIEW DATABASE STATE", "CONNECT ANY DATABASE"),
                ),
            ),
            row=LogFragments,
            scope="database",
            cost="medium",
        )
    },
    parse=reader(AllFragments, LogFragments),
    privacy="names of databases and counts",
)


@dataclass(frozen=True, slots=True)
class FragmentLevels:
    many: int = 1000  # sp_Blitz check 69; dbachecks says 512, Microsoft's rules 50


def check_fragments(facts: AllFragments, levels: FragmentLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="no database of the clinic could be entered, or there is none")
    for one in facts.rows:
        yield Metric(name="fragments", value=Number(one.fragments), item=one.database)
        evidence: dict[str, Value] = {"fragments": Number(one.fragments), "limit": Number(levels.many)}
        if one.fragments >= levels.many:
            yield Finding(
                impact=Impact.LIMITED,
                when=When.LATER,
                message="many",
                item=one.database,
                evidence=evidence,
                value=Number(one.fragments),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=one.database, evidence=evidence)


fragments = Probe(
    id="sqlserver.log-fragments",
    title="Logs are not cut into thousands of pieces",
    check=check_fragments,
    levels=FragmentLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"many": "The log of {item} is cut into {fragments} pieces (virtual log files)."},
    why="Each piece is read when the database starts, is restored or is backed up: thousands take minutes.",
    remedy=(
        "After a log back-up, in a quiet hour: USE [name]; DBCC SHRINKFILE (N'log file', 64), then ALTER "
        "DATABASE [name] MODIFY FILE (NAME = N'log file', SIZE = its old size, FILEGROWTH = 64MB). Gain: "
        "quicker start and restore. There is nothing to take back."
    ),
    verify="SELECT COUNT(*) FROM sys.dm_db_log_info(DB_ID()), run in the database, shows a few dozen.",
    rights="VIEW SERVER STATE, CONNECT ANY DATABASE",
    references=(
        "sys.dm_db_log_info (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 69, First Responder Kit",
    ),
)
