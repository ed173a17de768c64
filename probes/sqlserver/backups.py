"""Are the databases backed up, often enough, and could the chain of log back-ups be played forward?"""

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
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Value,
    Worse,
)
from probes.sqlserver.backup_sets import (
    DIFFERENTIAL,
    ELSEWHERE,
    FILES_OR_PARTS,
    FULL,
    LOG,
    RIGHTS,
    Backups,
    LogChains,
    RecoveryStatuses,
    in_use,
    is_new,
    unrecorded,
)
from probes.sqlserver.databases import Databases

NOBODY = "no database of the clinic is online here"
_YOUNG = "it was made less than a day ago"


def _age(since: datetime, now: datetime) -> Duration:
    return Duration(max((now - since).total_seconds(), 0.0))


def _judged(
    item: str, last: datetime | None, now: datetime, most: timedelta, never: str, old: str
) -> Iterator[Result]:
    """One kind of back-up of one database: none, too old, or as it should be."""
    if last is None:
        yield Finding(impact=Impact.MAJOR, function=RECOVERABILITY, message=never, item=item)
        return
    age = _age(last, now)
    evidence: dict[str, Value] = {
        "last": Instant(last),
        "age": age,
        "limit": Duration(most.total_seconds()),
    }
    yield Metric(name="age", value=age, item=item)
    if now - last <= most:
        yield Passed(item=item, evidence=evidence)
    else:
        yield Finding(
            impact=Impact.MAJOR,
            function=RECOVERABILITY,
            message=old,
            item=item,
            evidence=evidence,
            value=age,
            worse=Worse.HIGHER,
        )


# --- full back-ups ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    databases: Databases
    backups: Backups
    status: RecoveryStatuses


@dataclass(frozen=True, slots=True)
class FullLevels:
    full_days: float = 7.0  # sp_Blitz check 1, dbachecks fullmaxdays; 1 where every night is agreed


def check_full(facts: Kept, levels: FullLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    most = timedelta(days=levels.full_days)
    looked = False
    for one in in_use(facts.databases):
        looked = True
        name = one.database_name
        last = facts.backups.last(name, FULL)
        late = last is None or now - last > most
        if last is None and is_new(one, now):
            yield NotApplicable(item=name, reason=_YOUNG)
        elif late and facts.status.elsewhere(name):
            yield NotChecked(item=name, reason=ELSEWHERE)
        elif late and (why := unrecorded(ctx)):
            yield NotChecked(item=name, reason=why)
        elif last is None and facts.backups.of(name, *FILES_OR_PARTS):
            yield NotChecked(
                item=name,
                reason=(
                    "single files or parts of it are backed up: whether they make up the whole is not known"
                ),
            )
        else:
            yield from _judged(name, last, now, most, "never", "old")
    if not looked:
        yield NotApplicable(reason=NOBODY)


full_backup = Probe(
    id="sqlserver.full-backup",
    title="Each database has a recent full back-up",
    check=check_full,
    levels=FullLevels(),
    kind="sqlserver",
    messages={
        "never": "No full back-up of {item} is recorded in the last 400 days.",
        "old": "The last full back-up of {item} is {age} old (of {last}); {limit} is the most.",
    },
    why=(
        "Every restore begins with a full back-up. Without a recent one a broken disk or an attack costs all "
        "that was entered since."
    ),
    remedy=(
        "Now: BACKUP DATABASE [name] TO DISK = N'\\\\nas\\backup\\name.bak' WITH CHECKSUM, where the "
        "service's account may write; then every night, each time to a new file (on Express by the Windows "
        "task scheduler and sqlcmd), copied out of the house, and someone told when it fails. If a product "
        "does it without the server's knowledge, show us, and write how under `declare: backup:` in the site "
        "file."
    ),
    verify="msdb.dbo.backupset has a row of type D for the database from last night, and its file is there.",
    rights=RIGHTS,
    references=("backupset (Transact-SQL), Microsoft Learn", "sp_Blitz check 1, First Responder Kit"),
)


# --- the engine's own databases ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SystemLevels:
    full_days: float = 7.0  # as for the others; logins and jobs change seldom


def check_system(facts: Kept, levels: SystemLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    for name in ("master", "msdb"):
        last, most = facts.backups.last(name, FULL), timedelta(days=levels.full_days)
        if (last is None or now - last > most) and (why := unrecorded(ctx)):
            yield NotChecked(item=name, reason=why)
        else:
            yield from _judged(name, last, now, most, "never", "old")


system_backup = Probe(
    id="sqlserver.system-backup",
    title="The databases of the server itself are backed up",
    check=check_system,
    levels=SystemLevels(),
    kind="sqlserver",
    messages={
        "never": "No full back-up of {item} is recorded in the last 400 days.",
        "old": "The last full back-up of {item} is {age} old (of {last}); {limit} is the most.",
    },
    why=(
        "master holds logins and settings, msdb the jobs and the history of back-ups. Without them a new "
        "server has the data, but nobody can log in and nothing runs by itself."
    ),
    remedy=(
        "BACKUP DATABASE [master] TO DISK = N'\\\\nas\\backup\\master.bak' WITH CHECKSUM, a file on another "
        "machine, the same for [msdb] and [model]; add them to what runs each night. They are small."
    ),
    verify="msdb.dbo.backupset has rows of type D for master and msdb of this week.",
    rights=RIGHTS,
    references=("Back up and restore of system databases, Microsoft Learn", "sp_Blitz check 1"),
)


# --- log back-ups -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogLevels:
    late_hours: float = 24.0  # OutdatedTranLogBackup of Microsoft's assessment rules
    agreed_minutes: float = 0.0  # what the clinic agreed to lose at most; 0: nothing was agreed


def check_log(facts: Kept, levels: LogLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    most = timedelta(hours=levels.late_hours)
    if levels.agreed_minutes:
        most = min(most, timedelta(minutes=levels.agreed_minutes))
    looked = False
    for one in in_use(facts.databases):
        if one.recovery_model == "SIMPLE" or one.is_read_only:
            continue
        looked = True
        name = one.database_name
        last = facts.backups.last(name, LOG)
        if last is None and is_new(one, now):
            yield NotApplicable(item=name, reason=_YOUNG)
        elif (last is None or now - last > most) and facts.status.elsewhere(name):
            yield NotChecked(item=name, reason=ELSEWHERE)
        else:
            yield from _judged(name, last, now, most, "never", "old")
    if not looked:
        yield NotApplicable(reason="no database that is online and written to keeps its log for back-ups")


log_backup = Probe(
    id="sqlserver.log-backup",
    title="Logs that are kept for back-ups are backed up",
    check=check_log,
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "never": (
            "No log back-up of {item} is recorded in the last 60 days, though its recovery model asks for "
            "them."
        ),
        "old": "The last log back-up of {item} is {age} old (of {last}); {limit} is the most.",
    },
    why=(
        "In the models FULL and BULK_LOGGED the log grows until it is backed up: without that it fills the "
        "disk, and a restore still loses everything since the last full back-up."
    ),
    remedy=(
        "BACKUP LOG [name] TO DISK = N'\\\\nas\\backup\\name.trn' WITH CHECKSUM, every 15 to 60 minutes by a "
        "job (on Express by the Windows task scheduler and sqlcmd), each to a new file; a full back-up first "
        "if there is none. Where a lost day is acceptable to the clinic, agree on it with us and run ALTER "
        "DATABASE [name] SET RECOVERY SIMPLE; the way back: SET RECOVERY FULL and a full back-up."
    ),
    verify="msdb.dbo.backupset has a row of type L for the database from the last hour.",
    rights=RIGHTS,
    references=("Recovery models, Microsoft Learn", "sp_Blitz check 2, First Responder Kit"),
)


# --- the chain --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chained:
    databases: Databases
    backups: Backups
    status: RecoveryStatuses
    chains: LogChains


def check_chain(facts: Chained, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = False
    for one in in_use(facts.databases):
        if one.recovery_model == "SIMPLE" or one.is_read_only:
            continue
        looked = True
        name = one.database_name
        status, chain = facts.status.of(name), facts.chains.of(name)
        if status is None or not status.is_open:
            yield NotChecked(item=name, reason="the server does not tell how its log stands")
        elif not status.has_log_chain and status.is_in_group:
            yield NotChecked(item=name, reason=ELSEWHERE)
        elif not status.has_log_chain:
            yield Finding(impact=Impact.MAJOR, function=RECOVERABILITY, message="none", item=name)
        elif chain is None:
            yield NotApplicable(item=name, reason="no log back-up of the last 14 days is recorded")
        elif chain.last_gap_at is not None and _matters(facts.backups, name, chain.last_gap_at):
            if status.is_in_group:
                yield NotChecked(item=name, reason=ELSEWHERE)
                continue
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="gap",
                item=name,
                evidence={
                    "gaps": Number(chain.gaps),
                    "sets": Number(chain.sets),
                    "last": Instant(chain.last_gap_at),
                },
                value=Number(chain.gaps),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=name, evidence={"sets": Number(chain.sets), "gaps": Number(chain.gaps)})
    if not looked:
        yield NotApplicable(reason="no database that is online and written to keeps its log for back-ups")


def _matters(backups: Backups, database: str, gap: datetime) -> bool:
    """A full or differential back-up taken after the gap begins anew."""
    last = backups.last(database, FULL, DIFFERENTIAL)
    return last is None or last < gap


log_chain = Probe(
    id="sqlserver.log-chain",
    title="Log back-ups follow on one another without a gap",
    check=check_chain,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "none": (
            "{item} is not in the recovery model SIMPLE, but its log cannot be backed up: no full back-up "
            "was made since the model was changed."
        ),
        "gap": (
            "Of {sets} log back-ups of {item} in the last 14 days, {gaps} do not follow on the one before, "
            "the last on {last}; no full back-up was made since."
        ),
    },
    why=(
        "Log back-ups can only be played forward one after the other. Behind a gap they are worth nothing "
        "until the next full or differential back-up."
    ),
    remedy=(
        "Now: BACKUP DATABASE [name] TO DISK = N'\\\\nas\\backup\\name.bak' WITH CHECKSUM (no COPY_ONLY), "
        "which begins a new chain. Then find who else backs up or changes the recovery model: a second "
        "product, a job that sets SIMPLE for a while, somebody who removed history. Only one may take log "
        "back-ups."
    ),
    verify=(
        "SELECT last_log_backup_lsn FROM sys.database_recovery_status is not NULL, and the next check-up "
        "counts no gap."
    ),
    rights=RIGHTS,
    references=("sys.database_recovery_status (Transact-SQL), Microsoft Learn", "dbachecks PseudoSimple"),
)


# --- differential back-ups --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DifferentialLevels:
    late_hours: float = 25.0  # dbachecks diffmaxhours: a day and an hour
    used_days: float = 30.0  # with one in this time, differential back-ups are in use


def check_differential(facts: Kept, levels: DifferentialLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    most = timedelta(hours=levels.late_hours)
    looked = False
    for one in in_use(facts.databases):
        name = one.database_name
        used = facts.backups.last(name, DIFFERENTIAL)
        if used is None or now - used > timedelta(days=levels.used_days):
            continue
        looked = True
        last = max(used, facts.backups.last(name, FULL) or used)
        if now - last > most and facts.status.elsewhere(name):
            yield NotChecked(item=name, reason=ELSEWHERE)
        else:
            yield from _judged(name, last, now, most, "old", "old")
    if not looked:
        yield NotApplicable(reason="no differential back-ups are in use")


differential_backup = Probe(
    id="sqlserver.differential-backup",
    title="Differential back-ups are made every day where they are used",
    check=check_differential,
    levels=DifferentialLevels(),
    kind="sqlserver",
    messages={
        "old": (
            "The newest full or differential back-up of {item} is {age} old (of {last}); {limit} is the most."
        )
    },
    why="The nights between two full back-ups rest on the differential ones; when they stop, nobody notices.",
    remedy=(
        "Look at the job that runs BACKUP DATABASE [name] ... WITH DIFFERENTIAL: has it failed, was it "
        "disabled? Start it once by hand, and have someone told when it fails."
    ),
    verify="msdb.dbo.backupset has a row of type I or D for the database from last night.",
    rights=RIGHTS,
    references=("Differential backups, Microsoft Learn", "dbachecks policy.backup.diffmaxhours"),
)
