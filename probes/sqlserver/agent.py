"""SQL Server Agent: does it run, do its jobs run, and does any of them look after the databases?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Text,
    Value,
    Visit,
    When,
    Worse,
)
from probes.sqlserver import jobs as job_facts
from probes.sqlserver import services as service_facts
from probes.sqlserver.backup_sets import FULL, Backups, is_nothing
from probes.sqlserver.jobs import FAILED, LOOK_BACK_DAYS, Job, JobOwners, Jobs
from probes.sqlserver.services import AUTOMATIC, RUNNING, Services

# --- does it run ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentAndJobs:
    services: Services
    jobs: Jobs | None


def check_running(facts: AgentAndJobs, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    services = facts.services
    if services.server.edition == "express":
        yield NotApplicable(reason="Express has no SQL Server Agent")
        return
    agent = services.agent
    if agent is None or agent.status is None:
        yield NotChecked(reason="the server does not say how its Agent is")
        return
    scheduled = [one for one in (facts.jobs.enabled if facts.jobs else ()) if one.schedules]
    evidence: dict[str, Value] = {"service": Text(agent.service_name), "jobs": Number(len(scheduled))}
    if agent.status != RUNNING:
        depends = facts.jobs is None or any(one.is_care for one in scheduled)
        yield Finding(
            impact=Impact.MAJOR if depends else Impact.LIMITED if scheduled else Impact.NOTE,
            when=When.NOW if depends else When.BEFORE_NEXT_VISIT,
            function=RECOVERABILITY if depends else "",
            message="stopped",
            evidence=evidence,
        )
    elif agent.startup_type not in (AUTOMATIC, None) and not agent.is_clustered:
        # A cluster starts the service itself; there "manual" is right.
        yield Finding(impact=Impact.LIMITED, message="manual", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


running = Probe(
    id="sqlserver.agent-running",
    title="SQL Server Agent runs, and starts with its machine",
    check=check_running,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "stopped": "{service} does not run; jobs that wait for it: {jobs}.",
        "manual": "{service} runs, but does not start by itself; jobs that depend on it: {jobs}.",
    },
    why=(
        "Back-ups, integrity checks and alerts of this instance are the Agent's work: without it none is "
        "done."
    ),
    remedy=(
        "In SQL Server Configuration Manager open SQL Server Agent of this instance, Service, and set Start "
        "Mode to Automatic; then start it. If it stops again, send us its log (SQLAGENT.OUT in the "
        "instance's folder Log). The way back is the same page."
    ),
    verify=(
        "SELECT servicename, status_desc, startup_type_desc FROM sys.dm_server_services: Running, Automatic."
    ),
    rights=service_facts.RIGHTS,
    references=("sys.dm_server_services (Transact-SQL), Microsoft Learn", "sp_Blitz check 167"),
)


# --- failed jobs ------------------------------------------------------------------------------

_STOPPED = 3  # last_run_outcome: cancelled ("sysjobservers (Transact-SQL)")


@dataclass(frozen=True, slots=True)
class FailedLevels:
    important: tuple[str, ...] = ()  # parts of names of jobs that a clinic cannot do without: interfaces


def check_failed(facts: Jobs, levels: FailedLevels, ctx: Context) -> Iterator[Result]:
    looked = facts.enabled
    if not looked:
        yield NotApplicable(reason="no job is enabled on this instance")
    for job in looked:
        if job.last_run_at is None and not job.runs:
            yield NotApplicable(item=job.job_name, reason="it has never run")
            continue
        if _is_left_over(job, facts.server.asked_at):
            yield NotApplicable(
                item=job.job_name, reason=f"it has no schedule, and has not run for {LOOK_BACK_DAYS} days"
            )
            continue
        evidence: dict[str, Value] = {"failures": Number(job.failures), "runs": Number(job.runs)}
        if job.seen_since is not None:
            evidence["seen_since"] = Instant(job.seen_since)
        if job.last_failed_at is not None:
            evidence["last"] = Instant(job.last_failed_at)
        fails_now = job.last_outcome == FAILED
        if job.is_care and job.last_outcome == _STOPPED:
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="stopped",
                item=job.job_name,
                evidence=evidence,
            )
            continue
        if not fails_now and not job.failures:
            yield Passed(item=job.job_name, evidence=evidence)
            continue
        serious = job.is_care or _named(job, levels.important)
        yield Finding(
            impact=Impact.MAJOR if serious and fails_now else Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT if serious or fails_now else When.LATER,
            function=RECOVERABILITY if job.is_care else "",
            message="fails" if fails_now else "failed",
            item=job.job_name,
            evidence=evidence,
            value=Number(job.failures),
            worse=Worse.HIGHER,
        )


def _is_left_over(job: Job, now: datetime) -> bool:
    """Nobody starts it any more: how it ended years ago tells nothing of today."""
    return (
        not job.schedules
        and not job.runs
        and job.last_run_at is not None
        and now - job.last_run_at > timedelta(days=LOOK_BACK_DAYS)
    )


def _named(job: Job, parts: tuple[str, ...]) -> bool:
    return any(part.casefold() in job.job_name.casefold() for part in parts)


failed_jobs = Probe(
    id="sqlserver.failed-jobs",
    title="The Agent's jobs succeed",
    check=check_failed,
    levels=FailedLevels(),
    kind="sqlserver",
    messages={
        "fails": "The job {item} failed the last time it ran ({failures} of {runs} runs in 30 days).",
        "failed": "The job {item} failed in {failures} of {runs} runs in 30 days, the last time on {last}.",
        "stopped": "The job {item} was stopped before its end the last time it ran.",
    },
    why="A job that fails is work that is not done, and nobody sees it: often the back-up.",
    remedy=(
        "In Management Studio open SQL Server Agent, Jobs, this job, View History, and read the message of "
        "the step that failed: a full disk, a password that changed, a share that is gone? Mend that, then "
        "start the job by hand. If the job is ours, send us the message."
    ),
    verify="View History shows that the next run succeeded.",
    rights=job_facts.RIGHTS,
    references=("sysjobhistory (Transact-SQL), Microsoft Learn", "dbachecks FailedJob"),
)


# --- jobs that should have run ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LateLevels:
    grace_hours: int = 24  # beyond the period of the schedule; our own


def check_late(facts: Jobs, levels: LateLevels, ctx: Context) -> Iterator[Result]:
    now, grace = facts.server.asked_at, timedelta(hours=levels.grace_hours)
    looked = [one for one in facts.enabled if one.schedules and one.shortest_period_days]
    if not looked:
        yield NotApplicable(reason="no enabled job has a schedule in days, weeks or months")
    for job in looked:
        period = Duration((job.shortest_period_days or 0) * 86400)
        evidence: dict[str, Value] = {"period": period}
        if job.last_run_at is not None:
            evidence["last"] = Instant(job.last_run_at)
        if not job.is_late(now, grace):
            yield Passed(item=job.job_name, evidence=evidence)
            continue
        yield Finding(
            impact=Impact.MAJOR if job.is_care else Impact.LIMITED,
            function=RECOVERABILITY if job.is_care else "",
            message="late" if job.last_run_at else "never",
            item=job.job_name,
            evidence=evidence,
        )


late_jobs = Probe(
    id="sqlserver.late-jobs",
    title="The Agent's jobs run as their schedules say",
    check=check_late,
    levels=LateLevels(),
    kind="sqlserver",
    messages={
        "late": "The job {item} should run every {period}, and ran last on {last}.",
        "never": "The job {item} should run every {period}, and has never run.",
    },
    why="A job that does not start leaves no failure behind: only its absence shows it.",
    remedy=(
        "See that SQL Server Agent runs. In Management Studio open the job, Schedules: is the schedule "
        "enabled, and does its next run lie ahead (Job Activity Monitor, Next Run)? If not, open the "
        "schedule and save it anew. Start the job by hand once."
    ),
    verify="Job Activity Monitor shows a last run within the period, and a next run ahead.",
    rights=job_facts.RIGHTS,
    references=("sysjobservers and sysschedules (Transact-SQL), Microsoft Learn",),
)


# --- jobs that do not end ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LongLevels:
    factor: float = 1.5  # of the average of 30 days; dbachecks, job running longer than average
    least_minutes: int = 10  # below, a factor says nothing; our own


def check_long(facts: Jobs, levels: LongLevels, ctx: Context) -> Iterator[Result]:
    now = facts.server.asked_at
    if not facts.enabled:
        yield NotApplicable(reason="no job is enabled on this instance")
        return
    found = False
    for job in facts.rows:
        if job.running_since is None or job.average_s is None:
            continue
        took = (now - job.running_since).total_seconds()
        if took < max(levels.factor * job.average_s, levels.least_minutes * 60):
            continue
        found = True
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="long",
            item=job.job_name,
            evidence={"took": Duration(took), "average": Duration(job.average_s)},
        )
    if not found:
        yield Passed()


long_jobs = Probe(
    id="sqlserver.long-jobs",
    title="No job takes much longer than it used to",
    check=check_long,
    levels=LongLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"long": "The job {item} has been running for {took}; it takes {average} on average."},
    why="A job that runs into the working day slows everybody, and one that hangs does its work no more.",
    remedy=(
        "In Management Studio, Activity Monitor, see whether the job waits for somebody (Blocked By). If it "
        "is a back-up or index job, let it end, and move its schedule to an earlier hour. Gain: the day "
        "begins without it. The way back is the old time in the schedule."
    ),
    verify="Job Activity Monitor shows the job idle, and View History a duration near the average.",
    rights=job_facts.RIGHTS,
    references=("sysjobactivity (Transact-SQL), Microsoft Learn",),
)


# --- is there any job for it ------------------------------------------------------------------

_BACKUPS = "back-ups"
_KINDS: tuple[tuple[str, str, Callable[[Job], bool]], ...] = (
    (_BACKUPS, RECOVERABILITY, lambda one: one.backs_up),
    ("integrity check", RECOVERABILITY, lambda one: one.checks_integrity),
    ("statistics", "", lambda one: one.keeps_statistics),
)


@dataclass(frozen=True, slots=True)
class Care:
    jobs: Jobs
    backups: Backups | None


@dataclass(frozen=True, slots=True)
class CareLevels:
    backup_days: float = 7.0  # a full back-up within: somebody takes them (as sqlserver.full-backup)


def _taken_elsewhere(facts: Care, levels: CareLevels) -> datetime | None:
    """When something that is no job of the Agent's took a full back-up, if it was lately."""
    if facts.backups is None:
        return None
    since = facts.backups.server.asked_at - timedelta(days=levels.backup_days)
    ends = [one.last_finished_at for one in facts.backups.rows if one.kind == FULL and not is_nothing(one)]
    last = max(ends, default=None)
    return last if last is not None and last >= since else None


def check_care(facts: Care, levels: CareLevels, ctx: Context) -> Iterator[Result]:
    scheduled = [one for one in facts.jobs.enabled if one.schedules]
    plans = [one.job_name for one in scheduled if one.runs_plan]
    taken = _taken_elsewhere(facts, levels)
    for kind, function, does in _KINDS:
        found = next((one.job_name for one in scheduled if does(one)), None)
        if found is not None:
            yield Passed(item=kind, evidence={"job": Text(found)})
        elif plans:
            yield NotChecked(
                item=kind, reason=f"the maintenance plan of the job {plans[0]} may do it; plans are not read"
            )
        elif kind == _BACKUPS and taken is not None:
            yield NotApplicable(
                item=kind,
                reason=f"no job does it, but something else took a full back-up on {taken:%Y-%m-%d}",
            )
        else:
            yield Finding(
                impact=Impact.LIMITED,
                function=function,
                message="none",
                item=kind,
                evidence={"jobs": Number(len(scheduled))},
            )


care = Probe(
    id="sqlserver.maintenance-jobs",
    title="Jobs back up, check and tend the databases",
    check=check_care,
    levels=CareLevels(),
    kind="sqlserver",
    messages={"none": "None of the {jobs} scheduled jobs of the Agent does this: {item}."},
    why=(
        "What is not scheduled is forgotten. A programme beside SQL Server may do the same: then see that it "
        "does all three."
    ),
    remedy=(
        "If no other programme does it: have Ola Hallengren's MaintenanceSolution.sql installed, and give "
        "its jobs schedules: DatabaseBackup FULL each night, LOG every 15 minutes, DatabaseIntegrityCheck "
        "and IndexOptimize with @UpdateStatistics = 'ALL' each week. The way back: disable the jobs."
    ),
    verify="The jobs are in Job Activity Monitor with a next run, and their first runs succeeded.",
    rights=f"{job_facts.RIGHTS}, backupset, backupmediafamily",
    references=("SQL Server maintenance solution, ola.hallengren.com", "dbachecks policy.ola"),
)


# --- who owns them ----------------------------------------------------------------------------


def check_owners(facts: JobOwners, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.rows if one.is_enabled]
    if not looked:
        yield NotApplicable(reason="no job is enabled on this instance")
    for job in looked:
        owner = Text(job.owner_name or "nobody known")
        if job.owner_name is None:
            yield Finding(
                impact=Impact.LIMITED,
                function=SUPPORTABILITY,
                message="gone",
                item=job.job_name,
                evidence={"owner": owner},
            )
        elif job.is_disabled and not job.is_owned_by_sa:
            # Jobs of a disabled sa run on: it is the instance's own.
            yield Finding(
                impact=Impact.LIMITED,
                function=SUPPORTABILITY,
                message="disabled",
                item=job.job_name,
                evidence={"owner": owner},
            )
        else:
            yield Passed(item=job.job_name, evidence={"owner": owner})


owners = Probe(
    id="sqlserver.job-owners",
    title="Jobs belong to logins that are there",
    check=check_owners,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "gone": "The login that owns the job {item} is gone.",
        "disabled": "The job {item} belongs to {owner}, which is disabled.",
    },
    why="A job whose owner left the clinic fails from one day to the next, the back-up too.",
    remedy=(
        "Let sa own it, which works with sa disabled as well: EXEC msdb.dbo.sp_update_job @job_name = "
        "N'name', @owner_login_name = N'sa'. Ask us first if the job is ours. The way back is the same "
        "statement with the old owner."
    ),
    verify="The job's properties show sa as owner, and its next run succeeds.",
    rights="SELECT on msdb.dbo.sysjobs; VIEW ANY DEFINITION",
    references=("sp_update_job (Transact-SQL), Microsoft Learn", "sp_Blitz check 6, First Responder Kit"),
)
