"""The jobs of SQL Server Agent: what they are for by their steps, when they run, how they end.

Of a step's text nothing is fetched: the server looks for words in it. The history is kept to a number of
rows, so that of a job that runs often only the last days are known; `seen_since` says from when on.
Look-back: 30 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import Section, Sql, SqlFacts, SqlVariant
from probes.sql.rows import reader

# Express has msdb's tables, but no Agent that would run what is in them.
WITH_AGENT = ("web", "standard", "enterprise")

LOOK_BACK_DAYS = 30  # as the statement below has it; dbachecks, failed jobs

_TABLES = (
    "sysjobs",
    "sysjobsteps",
    "sysjobservers",
    "sysjobhistory",
    "sysjobactivity",
    "syssessions",
    "sysjobschedules",
    "sysschedules",
)
RIGHTS = "SELECT on msdb.dbo." + ", ".join(_TABLES)

FAILED = 0  # run_status and last_run_outcome ("sysjobhistory (Transact-SQL)")
NEVER = 5  # last_run_outcome: unknown


@dataclass(frozen=True, slots=True)
class Job:
    """`shortest_period_days` is the longest pause that the most frequent of its schedules in force means (3
    for Monday to Friday), None where that is no matter of days; `average_s` is of runs that went well."""

    job_name: str
    is_enabled: bool
    created_at: datetime
    backs_up: bool
    checks_integrity: bool
    keeps_statistics: bool
    runs_plan: bool
    schedules: int
    shortest_period_days: int | None
    last_run_at: datetime | None
    last_outcome: int | None
    runs: int
    failures: int
    last_failed_at: datetime | None
    seen_since: datetime | None
    average_s: float | None
    running_since: datetime | None

    @property
    def is_care(self) -> bool:
        """Does it keep the databases safe: back-ups, integrity checks, a maintenance plan?"""
        return self.backs_up or self.checks_integrity or self.runs_plan

    def is_late(self, now: datetime, grace: timedelta) -> bool:
        """Has it not run for longer than its schedule means? False where the schedule does not say."""
        if not self.is_enabled or not self.schedules or not self.shortest_period_days or self.running_since:
            return False
        since = self.last_run_at or self.created_at
        return now - since > timedelta(days=self.shortest_period_days) + grace


class Jobs(SqlFacts[Job]):
    @property
    def enabled(self) -> tuple[Job, ...]:
        return tuple(one for one in self.rows if one.is_enabled)


jobs = Section(
    name="sqlserver-jobs",
    facts=Jobs,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT j.name AS job_name, CASE WHEN j.enabled = 0 THEN 0 ELSE 1 END AS is_enabled,
       j.date_created AS created_at, ISNULL(t.backs_up, 0) AS backs_up,
       ISNULL(t.checks_integrity, 0) AS checks_integrity, ISNULL(t.keeps_statistics, 0) AS keeps_statistics,
       ISNULL(t.runs_plan, 0) AS runs_plan, ISNULL(c.schedules, 0) AS schedules,
       c.shortest_period_days AS shortest_period_days,
       CASE WHEN v.last_run_date > 0
            THEN DATEADD(second, v.last_run_time % 100 + (v.last_run_time / 100 % 100) * 60
                                 + (v.last_run_time / 10000) * 3600,
                         CONVERT(datetime, CONVERT(char(8), v.last_run_date), 112)) END AS last_run_at,
       CONVERT(int, v.last_run_outcome) AS last_outcome, ISNULL(h.runs, 0) AS runs,
       ISNULL(h.failures, 0) AS failures, h.last_failed_at AS last_failed_at, h.seen_since AS seen_since,
       h.average_s AS average_s, a.running_since AS running_since
FROM msdb.dbo.sysjobs AS j
LEFT JOIN msdb.dbo.sysjobservers AS v ON v.job_id = j.job_id AND v.server_id = 0
LEFT JOIN (
    SELECT s.job_id,
           MAX(CASE WHEN s.command COLLATE Latin1_General_CI_AS LIKE N'%BACKUP DATABASE%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%BACKUP LOG%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%DatabaseBackup%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%Backup-SqlDatabase%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%Backup-DbaDatabase%'
                    THEN 1 ELSE 0 END) AS backs_up,
           MAX(CASE WHEN s.command COLLATE Latin1_General_CI_AS LIKE N'%CHECKDB%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%DatabaseIntegrityCheck%'
                    THEN 1 ELSE 0 END) AS checks_integrity,
           MAX(CASE WHEN s.command COLLATE Latin1_General_CI_AS LIKE N'%UPDATE STATISTICS%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%sp_updatestats%'
                      OR s.command COLLATE Latin1_General_CI_AS LIKE N'%IndexOptimize%'
                    THEN 1 ELSE 0 END) AS keeps_statistics,
           MAX(CASE WHEN s.subsystem = N'SSIS'
                     AND s.command COLLATE Latin1_General_CI_AS LIKE N'%Maintenance Plans%'
                    THEN 1 ELSE 0 END) AS runs_plan
    FROM msdb.dbo.sysjobsteps AS s
    GROUP BY s.job_id
) AS t ON t.job_id = j.job_id
LEFT JOIN (
    SELECT k.job_id, COUNT(*) AS schedules,
           MIN(CASE e.freq_type WHEN 4 THEN e.freq_interval
                                WHEN 8 THEN 7 * e.freq_recurrence_factor + 1
                                            - SIGN(e.freq_interval & 1) - SIGN(e.freq_interval & 2)
                                            - SIGN(e.freq_interval & 4) - SIGN(e.freq_interval & 8)
                                            - SIGN(e.freq_interval & 16) - SIGN(e.freq_interval & 32)
                                            - SIGN(e.freq_interval & 64)
                                WHEN 16 THEN 31 * e.freq_recurrence_factor
                                WHEN 32 THEN 31 * e.freq_recurrence_factor END) AS shortest_period_days
    FROM msdb.dbo.sysjobschedules AS k
    JOIN msdb.dbo.sysschedules AS e ON e.schedule_id = k.schedule_id
    WHERE e.enabled = 1
      AND e.active_start_date <= CONVERT(int, CONVERT(char(8), GETDATE(), 112))
      AND e.active_end_date >= CONVERT(int, CONVERT(char(8), GETDATE(), 112))
    GROUP BY k.job_id
) AS c ON c.job_id = j.job_id
LEFT JOIN (
    SELECT d.job_id, COUNT(*) AS runs, SUM(CASE WHEN d.run_status = 0 THEN 1 ELSE 0 END) AS failures,
           MAX(CASE WHEN d.run_status = 0 THEN d.run_at END) AS last_failed_at, MIN(d.run_at) AS seen_since,
           AVG(CASE WHEN d.run_status = 1 THEN d.run_s END) AS average_s
    FROM (
        SELECT o.job_id, o.run_status,
               DATEADD(second, o.run_time % 100 + (o.run_time / 100 % 100) * 60
                               + (o.run_time / 10000) * 3600,
                       CONVERT(datetime, CONVERT(char(8), o.run_date), 112)) AS run_at,
               CONVERT(float, o.run_duration % 100 + (o.run_duration / 100 % 100) * 60
                              + (o.run_duration / 10000) * 3600) AS run_s
        FROM msdb.dbo.sysjobhistory AS o
        WHERE o.step_id = 0
          AND o.run_date >= CONVERT(int, CONVERT(char(8), DATEADD(day, -30, GETDATE()), 112))
    ) AS d
    GROUP BY d.job_id
) AS h ON h.job_id = j.job_id
LEFT JOIN (
    SELECT y.job_id,
           MAX(CASE WHEN y.stop_execution_date IS NULL THEN y.start_execution_date END) AS running_since
    FROM msdb.dbo.sysjobactivity AS y
    WHERE y.session_id = (SELECT MAX(z.session_id) FROM msdb.dbo.syssessions AS z)
    GROUP BY y.job_id
) AS a ON a.job_id = j.job_id
""",
                    reads=tuple(f"msdb.dbo.{name}" for name in _TABLES),
                    editions=WITH_AGENT,
                    rights=tuple(f"SELECT ON msdb.dbo.{name}" for name in _TABLES),
                ),
            ),
            row=Job,
            most_rows=2000,
        )
    },
    parse=reader(Jobs, Job),
    privacy="names of jobs, what they are for, when they ran and how they ended; no step's text",
)


# --- owners -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobOwner:
    """`owner_name` is None where nobody knows the owner any more, `is_disabled` where it is no login of its
    own here (a member of a group)."""

    job_name: str
    is_enabled: bool
    owner_name: str | None
    is_owned_by_sa: bool
    is_disabled: bool | None


class JobOwners(SqlFacts[JobOwner]):
    pass


job_owners = Section(
    name="sqlserver-job-owners",
    facts=JobOwners,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT j.name AS job_name, CASE WHEN j.enabled = 0 THEN 0 ELSE 1 END AS is_enabled,
       SUSER_SNAME(j.owner_sid) AS owner_name,
       CASE WHEN p.principal_id = 1 THEN 1 ELSE 0 END AS is_owned_by_sa, p.is_disabled AS is_disabled
FROM msdb.dbo.sysjobs AS j
LEFT JOIN sys.server_principals AS p ON p.sid = j.owner_sid
""",
                    reads=("msdb.dbo.sysjobs", "sys.server_principals"),
                    editions=WITH_AGENT,
                    # Without VIEW ANY DEFINITION others' logins are not there, and no error says so.
                    rights=("SELECT ON msdb.dbo.sysjobs", "VIEW ANY DEFINITION"),
                ),
            ),
            row=JobOwner,
            most_rows=2000,
        )
    },
    parse=reader(JobOwners, JobOwner),
    privacy="names of jobs and of the logins that own them",
)
