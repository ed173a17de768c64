"""When a database was last looked through for damage, and the other signs of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
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
    Value,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.databases import Databases

# --- the last complete check ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LastCheck:
    """`checked_at` is in 1900 for never; None where the server does not say."""

    database_name: str
    checked_at: datetime | None


class LastChecks(SqlFacts[LastCheck]):
    def of(self, database: str) -> LastCheck | None:
        return next((one for one in self.rows if one.database_name == database), None)


_LAST_CHECKS = """
SELECT d.name AS database_name,
       CONVERT(datetime, DATABASEPROPERTYEX(d.name, N'LastGoodCheckDbTime')) AS checked_at
FROM sys.databases AS d
WHERE d.source_database_id IS NULL AND d.state = 0
"""

last_checks = Section(
    name="sqlserver-last-checks",
    facts=LastChecks,
    collect={
        "sqlserver": Sql(
            (
                # Since 2016 SP2 and 2017 CU9 ("DATABASEPROPERTYEX (Transact-SQL)"); before, the property is
                # not known and NULL.
                SqlVariant(
                    _LAST_CHECKS,
                    reads=("sys.databases",),
                    since=(14, 0, 3030),
                    rights=("VIEW ANY DATABASE",),
                ),
                SqlVariant(
                    _LAST_CHECKS,
                    reads=("sys.databases",),
                    since=(13, 0, 5026),
                    before=(14,),
                    rights=("VIEW ANY DATABASE",),
                ),
            ),
            row=LastCheck,
            most_rows=5000,
        )
    },
    parse=reader(LastChecks, LastCheck),
    privacy="names of databases and times",
)


@dataclass(frozen=True, slots=True)
class Checked:
    databases: Databases
    checks: LastChecks


@dataclass(frozen=True, slots=True)
class CheckLevels:
    late_days: float = 14.0  # sp_Blitz check 68; dbachecks policy.dbcc.maxdays and Microsoft's rules say 7
    old_days: float = 30.0  # damage that is older is in all back-ups that most clinics keep


def check_last(facts: Checked, levels: CheckLevels, ctx: Context) -> Iterator[Result]:
    now = facts.checks.server.asked_at
    late = timedelta(days=levels.late_days)
    looked = False
    for one in facts.databases.rows:
        if one.database_name == "tempdb" or one.source_database_id is not None or not one.is_online:
            continue
        looked = True
        name = one.database_name
        found = facts.checks.of(name)
        if one.is_read_only:
            yield NotApplicable(item=name, reason="it is read-only: the server does not note checks of it")
        elif found is None or found.checked_at is None:
            yield NotChecked(item=name, reason="the server does not say when it was checked")
        elif found.checked_at.year <= 1900:
            if now - one.created_at <= late:
                yield NotApplicable(item=name, reason=f"it is younger than {levels.late_days:g} days")
            else:
                yield Finding(
                    impact=Impact.LIMITED if one.is_system else Impact.MAJOR,
                    function=RECOVERABILITY,
                    message="never",
                    item=name,
                )
        else:
            age = Duration(max((now - found.checked_at).total_seconds(), 0.0))
            evidence: dict[str, Value] = {
                "last": Instant(found.checked_at),
                "age": age,
                "limit": Duration(late.total_seconds()),
            }
            yield Metric(name="age", value=age, item=name)
            if age.value <= late.total_seconds():
                yield Passed(item=name, evidence=evidence)
            else:
                old = age.value > levels.old_days * 86400
                yield Finding(
                    # master, model and msdb hold no record of a patient, and can be made anew.
                    impact=Impact.MAJOR if old and not one.is_system else Impact.LIMITED,
                    function=RECOVERABILITY,
                    message="late",
                    item=name,
                    evidence=evidence,
                    value=age,
                    worse=Worse.HIGHER,
                )
    if not looked:
        yield NotApplicable(reason="no database is online")


_CHECK_WHY = (
    "Damage in pages that nobody reads is found by DBCC CHECKDB only. Found after months, it is in every "
    "back-up that is left."
)
_CHECK_REMEDY = (
    "Every week, in a quiet hour: DBCC CHECKDB ([name]) WITH NO_INFOMSGS; it only reads. Schedule it by the "
    "Agent (on Express by the Windows task scheduler and sqlcmd) for all databases, and have someone told "
    "when it reports an error. If it does: keep all back-ups and call us before anything is repaired."
)

integrity_check = Probe(
    id="sqlserver.integrity-check",
    title="Databases are looked through for damage every week",
    check=check_last,
    levels=CheckLevels(),
    kind="sqlserver",
    messages={
        "never": "{item} was never looked through for damage (DBCC CHECKDB).",
        "late": "{item} was last looked through for damage {age} ago (on {last}); {limit} is the most.",
    },
    why=_CHECK_WHY,
    remedy=_CHECK_REMEDY,
    verify="SELECT DATABASEPROPERTYEX(N'name', N'LastGoodCheckDbTime') shows last night.",
    rights="VIEW ANY DATABASE",
    references=(
        "DATABASEPROPERTYEX (Transact-SQL), Microsoft Learn",
        "sp_Blitz check 68, First Responder Kit",
    ),
)


# --- older versions: is there a job that checks? ----------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckJob:
    """A step of a job that runs CHECKDB, or a maintenance plan, whose content the step does not show."""

    job_name: str
    is_enabled: bool
    is_plan: bool
    last_done_at: datetime | None


class CheckJobs(SqlFacts[CheckJob]):
    pass


# run_status and last_run_outcome 1 are success; dates and times are numbers, YYYYMMDD and HHMMSS
# ("sysjobhistory (Transact-SQL)"). The history is kept to 1,000 rows of all jobs, and one that runs every few
# minutes drives out a weekly one's; how a job ended last stays in sysjobservers.
_CHECK_JOBS = """
SELECT j.name AS job_name, j.enabled AS is_enabled,
       MAX(CASE WHEN s.subsystem = N'SSIS' THEN 1 ELSE 0 END) AS is_plan,
       ISNULL((SELECT MAX(CONVERT(datetime, CONVERT(char(8), h.run_date), 112)
                   + CONVERT(datetime, STUFF(STUFF(RIGHT('000000' + CONVERT(varchar(6), h.run_time), 6),
                                                   5, 0, ':'), 3, 0, ':'), 108))
        FROM msdb.dbo.sysjobhistory AS h
        WHERE h.job_id = j.job_id AND h.step_id = 0 AND h.run_status = 1),
       MAX(CASE WHEN v.last_run_outcome = 1 AND v.last_run_date > 0
                THEN DATEADD(second, v.last_run_time % 100 + (v.last_run_time / 100 % 100) * 60
                                     + (v.last_run_time / 10000) * 3600,
                             CONVERT(datetime, CONVERT(char(8), v.last_run_date), 112)) END)) AS last_done_at
FROM msdb.dbo.sysjobs AS j
JOIN msdb.dbo.sysjobsteps AS s ON s.job_id = j.job_id
LEFT JOIN msdb.dbo.sysjobservers AS v ON v.job_id = j.job_id AND v.server_id = 0
WHERE (s.subsystem = N'SSIS' AND s.command COLLATE Latin1_General_CI_AS LIKE N'%Maintenance Plans%')
   OR s.command COLLATE Latin1_General_CI_AS LIKE N'%CHECKDB%'
   OR s.command COLLATE Latin1_General_CI_AS LIKE N'%DatabaseIntegrityCheck%'
GROUP BY j.job_id, j.name, j.enabled
"""
_JOB_TABLES = (
    *("msdb.dbo.sysjobs", "msdb.dbo.sysjobsteps", "msdb.dbo.sysjobhistory", "msdb.dbo.sysjobservers"),
)
_JOB_RIGHTS = tuple(f"SELECT ON {table}" for table in _JOB_TABLES)

check_jobs = Section(
    name="sqlserver-check-jobs",
    facts=CheckJobs,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(_CHECK_JOBS, reads=_JOB_TABLES, before=(13, 0, 5026), rights=_JOB_RIGHTS),
                SqlVariant(
                    _CHECK_JOBS, reads=_JOB_TABLES, since=(14,), before=(14, 0, 3030), rights=_JOB_RIGHTS
                ),
            ),
            row=CheckJob,
        )
    },
    parse=reader(CheckJobs, CheckJob),
    privacy="names of jobs that check databases, and when they last ended well",
)


@dataclass(frozen=True, slots=True)
class JobLevels:
    late_days: float = 14.0  # as for the newer versions
    old_days: float = 30.0


def check_job(facts: CheckJobs, levels: JobLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.edition == "express":
        yield NotChecked(
            reason="Express has no jobs, and this version notes checks where only sysadmin looks"
        )
        return
    jobs = [one for one in facts.rows if not one.is_plan]
    done = [one.last_done_at for one in jobs if one.is_enabled and one.last_done_at is not None]
    if done:
        age = Duration(max((facts.server.asked_at - max(done)).total_seconds(), 0.0))
        limit = Duration(levels.late_days * 86400)
        evidence: dict[str, Value] = {"last": Instant(max(done)), "age": age, "limit": limit}
        if age.value <= limit.value:
            yield Passed(evidence=evidence)
        else:
            yield Finding(
                impact=Impact.MAJOR if age.value > levels.old_days * 86400 else Impact.LIMITED,
                function=RECOVERABILITY,
                message="late",
                evidence=evidence,
                value=age,
                worse=Worse.HIGHER,
            )
    elif any(one.is_plan and one.is_enabled for one in facts.rows):
        yield NotChecked(reason="a maintenance plan may check the databases: look into it by hand")
    else:
        yield Finding(
            impact=Impact.MAJOR, function=RECOVERABILITY, message="none", evidence={"jobs": Number(len(jobs))}
        )


integrity_job = Probe(
    id="sqlserver.integrity-job",
    title="A job looks through the databases for damage every week",
    check=check_job,
    levels=JobLevels(),
    kind="sqlserver",
    messages={
        "none": "No job that looks for damage (DBCC CHECKDB) has ended well; {jobs} would run it.",
        "late": "The last job that looks for damage (DBCC CHECKDB) ended well {age} ago (on {last}).",
    },
    why=_CHECK_WHY,
    remedy=_CHECK_REMEDY,
    verify="The history of the job shows success for last week, in the Agent's job activity monitor.",
    rights="SELECT on msdb.dbo.sysjobs, sysjobsteps, sysjobhistory, sysjobservers",
    references=("DBCC CHECKDB (Transact-SQL), Microsoft Learn", "sp_Blitz check 68, First Responder Kit"),
)


# --- pages that a partner repaired ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repair:
    database_name: str
    pages: int
    last_at: datetime | None


class Repairs(SqlFacts[Repair]):
    pass


repairs = Section(
    name="sqlserver-page-repairs",
    facts=Repairs,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(DB_NAME(p.database_id), N'') AS database_name, COUNT(*) AS pages,
       MAX(p.modification_time) AS last_at
FROM (
    SELECT m.database_id AS database_id, m.modification_time AS modification_time
    FROM sys.dm_db_mirroring_auto_page_repair AS m
    UNION ALL
    SELECT h.database_id AS database_id, h.modification_time AS modification_time
    FROM sys.dm_hadr_auto_page_repair AS h
) AS p
GROUP BY p.database_id
""",
                    reads=("sys.dm_db_mirroring_auto_page_repair", "sys.dm_hadr_auto_page_repair"),
                    since=(11,),
                    needs=("sys.dm_db_mirroring_auto_page_repair", "sys.dm_hadr_auto_page_repair"),
                    rights=("VIEW SERVER STATE",),
                ),
                SqlVariant(
                    """
SELECT ISNULL(DB_NAME(m.database_id), N'') AS database_name, COUNT(*) AS pages,
       MAX(m.modification_time) AS last_at
FROM sys.dm_db_mirroring_auto_page_repair AS m
GROUP BY m.database_id
""",
                    reads=("sys.dm_db_mirroring_auto_page_repair",),
                    before=(11,),
                    needs=("sys.dm_db_mirroring_auto_page_repair",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=Repair,
            most_rows=1000,
        )
    },
    parse=reader(Repairs, Repair),
    privacy="names of databases, counts and times",
)


@dataclass(frozen=True, slots=True)
class RepairLevels:
    recent_days: float = 30.0  # sp_Blitz checks 34 and 89; older ones are told as a note


def check_repairs(facts: Repairs, levels: RepairLevels, ctx: Context) -> Iterator[Result]:
    since = facts.server.asked_at - timedelta(days=levels.recent_days)
    found = [one for one in facts.rows if one.last_at is not None and one.pages]
    for one in found:
        assert one.last_at is not None
        recent = one.last_at >= since
        yield Finding(
            impact=Impact.MAJOR if recent else Impact.NOTE,
            when=When.NOW if recent else When.LATER,
            function=RECOVERABILITY,
            message="repaired",
            item=one.database_name,
            evidence={"pages": Number(one.pages), "last": Instant(one.last_at)},
            value=Number(one.pages),
            worse=Worse.HIGHER,
        )
    if not found:
        yield Passed()


page_repairs = Probe(
    id="sqlserver.page-repairs",
    title="No page had to be fetched back from a mirror",
    check=check_repairs,
    levels=RepairLevels(),
    kind="sqlserver",
    messages={
        "repaired": "{pages} damaged pages of {item} were fetched, or asked for, from the other server, the "
        "last on {last}."
    },
    why="The repair hides what caused it: storage that damages pages, and will damage more.",
    remedy=(
        "Have the storage of this server examined: event log of Windows, controller, disks, firmware. Run "
        "DBCC CHECKDB ([name]) WITH NO_INFOMSGS on both servers, and keep all back-ups until both are clean."
    ),
    verify="DBCC CHECKDB reports no error on either server, and the next check-up counts no further page.",
    rights="VIEW SERVER STATE",
    references=("Automatic page repair, Microsoft Learn", "sp_Blitz checks 34 and 89, First Responder Kit"),
)


# --- memory dumps -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dumps:
    dumps: int
    last_at: datetime | None


class MemoryDumps(SqlFacts[Dumps]):
    pass


memory_dumps = Section(
    name="sqlserver-memory-dumps",
    facts=MemoryDumps,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT COUNT(*) AS dumps, CONVERT(datetime2(0), MAX(m.creation_time)) AS last_at
FROM sys.dm_server_memory_dumps AS m
WHERE m.creation_time >= DATEADD(day, -365, SYSDATETIMEOFFSET())
""",
                    reads=("sys.dm_server_memory_dumps",),
                    since=(10, 50, 2500),
                    needs=("sys.dm_server_memory_dumps",),
                    rights=("VIEW SERVER STATE",),
                ),
            ),
            row=Dumps,
            most_rows=1,
        )
    },
    parse=reader(MemoryDumps, Dumps),
    privacy="a count and a time",
)


@dataclass(frozen=True, slots=True)
class DumpLevels:
    most: int = 0  # in a year; dbachecks policy.dump.maxcount lets one pass
    recent_days: float = 30.0


def check_dumps(facts: MemoryDumps, levels: DumpLevels, ctx: Context) -> Iterator[Result]:
    found = next(iter(facts.rows), None)
    if found is None:
        yield NotChecked(reason="the server did not count them")
        return
    yield Metric(name="dumps", value=Number(found.dumps))
    if found.dumps <= levels.most or found.last_at is None:
        yield Passed(evidence={"dumps": Number(found.dumps)})
        return
    recent = facts.server.asked_at - found.last_at <= timedelta(days=levels.recent_days)
    yield Finding(
        impact=Impact.MAJOR if recent else Impact.LIMITED,
        message="dumped",
        evidence={"dumps": Number(found.dumps), "last": Instant(found.last_at)},
        value=Number(found.dumps),
        worse=Worse.HIGHER,
    )


dumps = Probe(
    id="sqlserver.memory-dumps",
    title="The server has not crashed or dumped its memory",
    check=check_dumps,
    levels=DumpLevels(),
    kind="sqlserver",
    messages={"dumped": "SQL Server dumped its memory in the last year ({dumps}), the last time on {last}."},
    why=(
        "A dump is written at a fault inside the server: a crash, a hang, or damage in a database. The next "
        "may take it down in working hours."
    ),
    remedy=(
        "Install the newest cumulative update, run DBCC CHECKDB ([name]) WITH NO_INFOMSGS on each database, "
        "and read the error log at the hour of the dump. If it comes again, open a case with Microsoft; the "
        "dump holds data of patients, so it leaves the house encrypted only, or not at all."
    ),
    verify="SELECT MAX(creation_time) FROM sys.dm_server_memory_dumps shows none since the update.",
    rights="VIEW SERVER STATE",
    references=("sys.dm_server_memory_dumps, Microsoft Learn", "sp_Blitz check 171, First Responder Kit"),
)
