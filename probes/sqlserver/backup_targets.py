"""Where back-ups go, whether they can be trusted, and who else takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    Context,
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
    When,
)
from probes.sqlserver.backup_sets import (
    DIFFERENTIAL,
    FULL,
    LOG,
    RIGHTS,
    BackupGroup,
    Backups,
    LastBackups,
    in_use,
    is_nothing,
)
from probes.sqlserver.databases import Databases
from probes.sqlserver.files import Files
from probes.sqlserver.places import device_kind, volume_of
from probes.sqlserver.volumes import Volumes

NOBODY = "no database of the clinic is online here"
MOST_NAMED = 5


# --- on the disk of the data ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Targets:
    databases: Databases
    backups: Backups
    files: Files
    volumes: Volumes | None


@dataclass(frozen=True, slots=True)
class PlaceLevels:
    look_back_days: float = 14.0  # sp_Blitz check 93


def data_volumes(database: str, files: Files, volumes: Volumes | None) -> frozenset[str]:
    """The volumes of the database's files, as far as paths tell them. A disk that takes only other databases
    with it, or tempdb, leaves this one."""
    mounts = volumes.mounts if volumes else ()
    name = database.casefold()
    own = [one.path for one in files.rows if one.database_name.casefold() == name]
    return frozenset(volume_of(path, mounts).casefold() for path in own) - {""}


def where(group: BackupGroup, mounts: tuple[str, ...], data: frozenset[str]) -> str:
    """The kind of place in words: "disk of the data", "other disk", "disk that is not known", "share" …"""
    kind = device_kind(group.folder, group.device_type)
    if kind != "disk":
        return "snapshot" if kind == "virtual device" and group.is_snapshot else kind
    volume = volume_of(group.folder, mounts).casefold()
    if not volume:
        return "disk that is not known"
    return "disk of the data" if volume in data else "other disk"


def check_place(facts: Targets, levels: PlaceLevels, ctx: Context) -> Iterator[Result]:
    mounts = facts.volumes.mounts if facts.volumes else ()
    since = facts.backups.server.asked_at - timedelta(days=levels.look_back_days)
    copied = ctx.target.declare.get("backups_copied_by", "")
    looked = False
    for one in in_use(facts.databases):
        recent = [
            group
            for group in facts.backups.of(one.database_name, FULL, DIFFERENTIAL)
            if group.last_finished_at >= since
        ]
        if not recent:
            continue
        looked = True
        data = data_volumes(one.database_name, facts.files, facts.volumes)
        places = {where(group, mounts, data) for group in recent} - {"nothing"}
        evidence: dict[str, Value] = {
            "places": Text(", ".join(sorted(places))),
            "folders": Text(_folders(recent)),
        }
        if places == {"disk of the data"}:
            yield Finding(
                impact=Impact.LIMITED if copied else Impact.MAJOR,
                function=RECOVERABILITY,
                message="copied" if copied else "same",
                item=one.database_name,
                evidence={**evidence, "copied": Text(_text(copied))} if copied else evidence,
            )
        elif places and places <= {"disk of the data", "disk that is not known"}:
            yield NotChecked(
                item=one.database_name, reason="on which disk the folder of its back-ups lies is not known"
            )
        elif places:
            yield Passed(item=one.database_name, evidence=evidence)
        else:
            yield NotApplicable(item=one.database_name, reason="its back-ups are written to nothing")
    if not looked:
        yield NotApplicable(reason=f"no back-up of the last {levels.look_back_days:g} days is recorded")


def _folders(groups: list[BackupGroup]) -> str:
    named = sorted({group.folder for group in groups if group.folder})
    return ", ".join(named[:MOST_NAMED]) + (", …" if len(named) > MOST_NAMED else "")


def _text(declared: object) -> str:
    return ", ".join(map(str, declared)) if isinstance(declared, tuple) else str(declared)


backup_place = Probe(
    id="sqlserver.backup-place",
    title="Back-ups do not lie on the disk of the data alone",
    check=check_place,
    levels=PlaceLevels(),
    kind="sqlserver",
    messages={
        "same": (
            "All back-ups of {item} lie on a disk that also holds its own files ({folders}). Whether "
            "something copies them away cannot be seen from here."
        ),
        "copied": (
            "All back-ups of {item} lie on a disk that also holds its own files ({folders}); the site file "
            "says that they are copied by {copied}."
        ),
    },
    why="The disk that takes the data with it takes the back-ups too; so does an attacker who encrypts it.",
    remedy=(
        "Write back-ups to another machine (TO DISK = N'\\\\nas\\backup\\...' with the service's account "
        "allowed to write there), and keep a copy out of the house that the server cannot change. If a "
        "product copies the folder already, say so in the site file: declare: backups_copied_by."
    ),
    verify="msdb.dbo.backupmediafamily shows the new place for last night's back-up, and its file is there.",
    rights=f"{RIGHTS}; VIEW ANY DEFINITION",
    references=("backupmediafamily (Transact-SQL), Microsoft Learn", "sp_Blitz check 93"),
)


# --- written to nothing -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    databases: Databases
    backups: Backups


@dataclass(frozen=True, slots=True)
class NothingLevels:
    look_back_days: float = 30.0  # older ones have been followed by others


def check_nothing(facts: Taken, levels: NothingLevels, ctx: Context) -> Iterator[Result]:
    since = facts.backups.server.asked_at - timedelta(days=levels.look_back_days)
    looked = False
    for one in in_use(facts.databases):
        groups = [group for group in facts.backups.of(one.database_name) if group.last_finished_at >= since]
        if not groups:
            continue
        looked = True
        lost = [
            group for group in groups if is_nothing(group) and not (group.is_copy_only and group.kind == FULL)
        ]
        if lost:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="nothing",
                item=one.database_name,
                evidence={
                    "sets": Number(sum(group.sets for group in lost)),
                    "last": Instant(max(group.last_finished_at for group in lost)),
                },
            )
        else:
            yield Passed(item=one.database_name)
    if not looked:
        yield NotApplicable(reason=f"no back-up of the last {levels.look_back_days:g} days is recorded")


backup_nothing = Probe(
    id="sqlserver.backup-to-nothing",
    title="No back-up is written to nothing",
    check=check_nothing,
    levels=NothingLevels(),
    kind="sqlserver",
    messages={"nothing": "{sets} back-ups of {item} were written to NUL, the last on {last}: they are gone."},
    why=(
        "A back-up to NUL counts as done: the log is emptied, the next differential builds on it, and what "
        "it held can never be restored."
    ),
    remedy=(
        "Find the job or product that writes TO DISK = N'NUL' (some that save the whole machine do so to "
        "keep logs short) and give it a real place, or turn that setting off. Then at once: BACKUP DATABASE "
        "[name] TO DISK = N'\\\\nas\\backup\\name.bak' WITH CHECKSUM."
    ),
    verify="msdb.dbo.backupmediafamily gains no row with NUL, and a full back-up was taken since.",
    rights=RIGHTS,
    references=("BACKUP (Transact-SQL), Microsoft Learn", "sp_Blitz check 256, First Responder Kit"),
)


# --- checksums and damage ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lasts:
    databases: Databases
    lasts: LastBackups


def check_checksum(facts: Lasts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = False
    for one in in_use(facts.databases):
        name = one.database_name
        full = facts.lasts.of(name, FULL)
        damaged = [
            last
            for kind in (FULL, DIFFERENTIAL, LOG)
            if (last := facts.lasts.of(name, kind)) is not None and last.is_damaged
        ]
        if full is None and not damaged:
            continue
        looked = True
        if damaged:
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW,
                function=RECOVERABILITY,
                message="damaged",
                item=name,
                evidence={"at": Instant(max(last.finished_at for last in damaged))},
            )
        elif full is not None and full.is_snapshot:
            yield NotApplicable(
                item=name, reason="its last full back-up is a snapshot, which has no checksum"
            )
        elif full is not None and not full.has_checksums:
            yield Finding(
                impact=Impact.LIMITED,
                when=When.LATER,
                function=RECOVERABILITY,
                message="without",
                item=name,
                evidence={"at": Instant(full.finished_at)},
            )
        elif full is not None:
            yield Passed(item=name, evidence={"at": Instant(full.finished_at)})
    if not looked:
        yield NotApplicable(reason="no full back-up is recorded")


backup_checksum = Probe(
    id="sqlserver.backup-checksum",
    title="Back-ups are sound and carry a checksum",
    check=check_checksum,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "without": "The last full back-up of {item} (of {at}) was written without a checksum.",
        "damaged": "SQL Server met damage in {item} while it backed it up on {at}, and went on.",
    },
    why=(
        "With a checksum the server reads each page for damage while it saves it, and a restore knows "
        "whether the file is whole. Without it a damaged back-up looks like any other."
    ),
    remedy=(
        "Add WITH CHECKSUM to the BACKUP statement, or from 2014 on: EXEC sp_configure 'backup checksum "
        "default', 1; RECONFIGURE; the way back is 0. If damage is named: keep older back-ups, run DBCC "
        "CHECKDB ([name]) WITH NO_INFOMSGS, and call us before anything is repaired."
    ),
    verify="SELECT has_backup_checksums, is_damaged FROM msdb.dbo.backupset shows 1 and 0 for last night.",
    rights="SELECT on msdb.dbo.backupset, msdb.dbo.backupmediaset; VIEW ANY DATABASE",
    references=("backupset (Transact-SQL), Microsoft Learn", "Possible media errors during backup"),
)


# --- several who back up ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnerLevels:
    look_back_days: float = 30.0


def _taker(group: BackupGroup) -> str:
    """Who took it, as far as the kind of device tells."""
    if group.is_snapshot:
        return "a snapshot of the machine"
    if device_kind(group.folder, group.device_type) == "virtual device":
        return "another product"
    return "SQL Server to a file"


def _goes_on(group: BackupGroup, now: datetime) -> bool:
    """Is its next one not overdue yet? Then it will come between again, whoever was last."""
    spacing = (group.last_finished_at - group.first_finished_at) / max(group.sets - 1, 1)
    return now - group.last_finished_at <= 1.5 * spacing


def check_owner(facts: Taken, levels: OwnerLevels, ctx: Context) -> Iterator[Result]:
    now = facts.backups.server.asked_at
    since = now - timedelta(days=levels.look_back_days)
    looked = False
    for one in in_use(facts.databases):
        recent = [
            group
            for group in facts.backups.of(one.database_name, FULL, DIFFERENTIAL)
            if group.last_finished_at >= since
        ]
        differential = {_taker(group) for group in recent if group.kind == DIFFERENTIAL}
        if not differential:
            continue
        looked = True
        bases = [group for group in recent if group.kind == FULL and not group.is_copy_only]
        own = [group.last_finished_at for group in bases if _taker(group) in differential]
        others = {
            _taker(group)
            for group in bases
            if _taker(group) not in differential
            and (group.last_finished_at > max(own, default=since) or _goes_on(group, now))
        }
        takers = {_taker(group) for group in bases} | differential
        evidence = {"takers": Text(", ".join(sorted(takers)))}
        if others:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="others",
                item=one.database_name,
                evidence={**evidence, "others": Text(", ".join(sorted(others)))},
            )
        else:
            yield Passed(item=one.database_name, evidence=evidence)
    if not looked:
        yield NotApplicable(reason="no differential back-ups are in use")


backup_owner = Probe(
    id="sqlserver.backup-owner",
    title="Full and differential back-ups come from the same hand",
    check=check_owner,
    levels=OwnerLevels(),
    kind="sqlserver",
    messages={
        "others": (
            "Full back-ups of {item} are also taken by {others}: differential back-ups then build on those, "
            "and cannot be restored without them."
        )
    },
    why=(
        "A differential back-up fits only the last full one, whoever took it. A snapshot of the machine in "
        "between makes the next differentials useless beside your own full back-up."
    ),
    remedy=(
        "Set the other product to copy-only (in the Windows VSS products: application backup 'copy', or turn "
        "its SQL log handling off), or leave all of it to that product and stop the jobs. Then take a full "
        "back-up."
    ),
    verify=(
        "SELECT type, is_copy_only, is_snapshot FROM msdb.dbo.backupset shows 1 for is_copy_only of the "
        "other."
    ),
    rights=RIGHTS,
    references=("Copy-only backups, Microsoft Learn", "backupset (Transact-SQL), Microsoft Learn"),
)
