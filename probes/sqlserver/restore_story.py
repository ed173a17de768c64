"""Could you restore, to when, from where, and how long would it take? One result for each database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Text,
    Value,
    Worse,
)
from probes.sqlserver.backup_sets import (
    DIFFERENTIAL,
    ELSEWHERE,
    FULL,
    LOG,
    RIGHTS,
    Backups,
    LastBackups,
    LogChains,
    RecoveryStatuses,
    Restores,
    in_use,
    is_new,
    is_nothing,
    unrecorded,
)
from probes.sqlserver.backup_targets import data_volumes, where
from probes.sqlserver.databases import Database, Databases
from probes.sqlserver.files import Files
from probes.sqlserver.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Story:
    databases: Databases
    backups: Backups
    lasts: LastBackups
    status: RecoveryStatuses
    chains: LogChains
    restores: Restores | None
    files: Files | None
    volumes: Volumes | None


@dataclass(frozen=True, slots=True)
class StoryLevels:
    lost_hours: float = 25.0  # a nightly back-up, and an hour; the site file says what the clinic agreed to
    # A restore writes and checks what the back-up only read, and plays logs forward: our own experience.
    restore_factor: float = 2.0


@dataclass(frozen=True, slots=True)
class Reach:
    """To when the database could be restored, and how the chain of logs stands, in words."""

    to: datetime | None
    chain: str


def reach(facts: Story, database: Database) -> Reach:
    """The end of the newest full or differential back-up, or of the log behind it that has no gap."""
    name = database.database_name
    full = facts.backups.last(name, FULL)
    if full is None:
        return Reach(None, "nothing to begin with")
    differential = facts.backups.last(name, DIFFERENTIAL)
    base = max(full, differential) if differential else full
    if database.recovery_model == "SIMPLE":
        return Reach(base, "no log back-ups (SIMPLE)")
    log = facts.backups.last(name, LOG)
    chain, status = facts.chains.of(name), facts.status.of(name)
    if log is None or log < base:
        broken = status is not None and status.is_open and not status.has_log_chain
        return Reach(base, "not begun" if broken else "no log back-up since")
    if _forgotten(facts.backups, name, base):
        return Reach(base, "broken: log back-ups were written to nothing")
    if chain is not None and chain.last_gap_at is not None and chain.last_gap_at > base:
        return Reach(base, "broken")
    return Reach(log, "unbroken")


def _forgotten(backups: Backups, database: str, since: datetime) -> bool:
    return any(is_nothing(one) and one.last_finished_at > since for one in backups.of(database, LOG))


def check(facts: Story, levels: StoryLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    looked = False
    for one in in_use(facts.databases):
        looked = True
        name = one.database_name
        found = reach(facts, one)
        evidence = _evidence(facts, one, found, levels)
        if found.to is None:
            if is_new(one, now):
                yield NotApplicable(item=name, reason="it was made less than a day ago")
            elif facts.status.elsewhere(name):
                yield NotChecked(item=name, reason=ELSEWHERE)
            elif why := unrecorded(ctx):
                yield NotChecked(item=name, reason=why)
            else:
                yield Finding(
                    impact=Impact.MAJOR,
                    function=RECOVERABILITY,
                    message="nothing",
                    item=name,
                    evidence=evidence,
                )
            continue
        lost = Duration(max((now - found.to).total_seconds(), 0.0))
        evidence |= {"lost": lost, "limit": Duration(levels.lost_hours * 3600)}
        yield Metric(name="lost", value=lost, item=name)
        if lost.value <= levels.lost_hours * 3600:
            yield Passed(item=name, evidence=evidence)
        elif facts.status.elsewhere(name):
            yield NotChecked(item=name, reason=ELSEWHERE)
        elif one.is_read_only:
            yield NotApplicable(item=name, reason="it is read-only: its last back-up holds all of it")
        elif why := unrecorded(ctx):
            yield NotChecked(item=name, reason=why)
        else:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="lost",
                item=name,
                evidence=evidence,
                value=lost,
                worse=Worse.HIGHER,
            )
    if not looked:
        yield NotApplicable(reason="no database of the clinic is online here")


def _evidence(facts: Story, database: Database, found: Reach, levels: StoryLevels) -> dict[str, Value]:
    """The whole story; a part that is not known is left out."""
    name = database.database_name
    told: dict[str, Value] = {
        "recovery_model": Text(database.recovery_model),
        "chain": Text(found.chain),
        "place": Text(_place(facts, name)),
    }
    for word, kind in (("last_full", FULL), ("last_differential", DIFFERENTIAL), ("last_log", LOG)):
        moment = facts.backups.last(name, kind)
        if moment is not None:
            told[word] = Instant(moment)
    if found.to is not None:
        told["restorable_to"] = Instant(found.to)
    restored = facts.restores.last(name) if facts.restores else None
    if restored is not None:
        told["last_restore"] = Instant(restored)
    elif facts.restores is not None:
        told["last_restore"] = Text("none recorded here")
    full = facts.lasts.of(name, FULL)
    if full is not None:
        told["full_took"] = Duration(full.took_s)
        if full.size_bytes is not None:
            told["full_size"] = Bytes(full.size_bytes)
        if full.compressed_bytes is not None:
            told["full_size_on_disk"] = Bytes(full.compressed_bytes)
        if not full.is_snapshot:
            told["restore_estimate"] = Duration(full.took_s * levels.restore_factor)
    return told


def _place(facts: Story, database: str) -> str:
    """The kind of place that the newest full back-up lies in."""
    groups = [one for one in facts.backups.of(database, FULL) if not is_nothing(one)]
    if not groups:
        return "nowhere"
    newest = max(groups, key=lambda one: one.last_finished_at)
    if facts.files is None:
        return "not known"
    mounts = facts.volumes.mounts if facts.volumes else ()
    return where(newest, mounts, data_volumes(database, facts.files, facts.volumes))


restore_story = Probe(
    id="sqlserver.restore-story",
    title="Databases can be restored to within a day",
    check=check,
    levels=StoryLevels(),
    kind="sqlserver",
    messages={
        "nothing": "{item} could not be restored at all from what is recorded here.",
        "lost": (
            "{item} could be restored to {restorable_to}: {lost} of work would be lost (log back-ups: "
            "{chain}). The most is {limit}."
        ),
    },
    why=(
        "What counts is not that back-ups run, but to which moment they lead back, from which place, and how "
        "long people wait. The time to restore is an estimate: twice what the last full back-up took."
    ),
    remedy=(
        "Follow the findings on full, differential and log back-ups of this database first. Then BACKUP "
        "DATABASE [name] TO DISK = N'\\\\nas\\backup\\name.bak' WITH CHECKSUM every night, to a new file on "
        "another machine, and in the model FULL also BACKUP LOG [name] every 15 to 60 minutes. Agree with us "
        "how much work may be lost, and set the level lost_hours to it."
    ),
    verify="The next check-up names a moment of the same day to which each database could be restored.",
    rights=f"{RIGHTS}; SELECT on msdb.dbo.backupmediaset, msdb.dbo.restorehistory; VIEW ANY DEFINITION",
    references=(
        "Restore and recovery overview, Microsoft Learn",
        "backupset (Transact-SQL), Microsoft Learn",
    ),
)
