"""What msdb remembers of back-ups and restores, and where a database's log chain stands.

Of this instance only: what another replica holds, or a product that copies whole disks, is not in its msdb.
Look-back windows are in the statements: 400 days for full and differential back-ups, 60 for those of the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import Context, Section, Sql, SqlFacts, SqlVariant
from probes.sql.rows import reader
from probes.sqlserver.databases import Database, Databases
from probes.sqlserver.places import device_kind

LOOK_BACK_DAYS = 400  # as the statements below have it

FULL, DIFFERENTIAL, LOG = "D", "I", "L"  # backupset.type ("backupset (Transact-SQL)")
FILES_OR_PARTS = frozenset({"F", "G", "P", "Q"})  # files, their differentials, parts of a database

_BACKUP_RIGHTS = ("SELECT ON msdb.dbo.backupset", "SELECT ON msdb.dbo.backupmediafamily")
RIGHTS = "SELECT on msdb.dbo.backupset, msdb.dbo.backupmediafamily; VIEW ANY DATABASE"


# --- which back-ups, and where they went ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackupGroup:
    """Back-ups of one database that are alike. `folder` ends in its separator; "" for a virtual device."""

    database_name: str
    kind: str
    is_copy_only: bool
    is_snapshot: bool
    device_type: int | None
    folder: str
    sets: int
    first_finished_at: datetime
    last_finished_at: datetime


class Backups(SqlFacts[BackupGroup]):
    def of(self, database: str, *kinds: str) -> tuple[BackupGroup, ...]:
        """The groups of one database; names are compared as a server does that knows no case."""
        name = database.casefold()
        return tuple(
            one for one in self.rows if one.database_name.casefold() == name and one.kind in (kinds or _ALL)
        )

    def last(self, database: str, *kinds: str) -> datetime | None:
        """When the newest one was finished that wrote to somewhere."""
        found = [one.last_finished_at for one in self.of(database, *kinds) if not is_nothing(one)]
        return max(found, default=None)


_ALL = frozenset({FULL, DIFFERENTIAL, LOG, *FILES_OR_PARTS})


def is_nothing(group: BackupGroup) -> bool:
    """Written to the device that forgets."""
    return device_kind(group.folder, group.device_type) == "nothing"


backups = Section(
    name="sqlserver-backups",
    facts=Backups,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    r"""
SELECT b.database_name AS database_name, b.kind AS kind, b.is_copy_only AS is_copy_only,
       b.is_snapshot AS is_snapshot, b.device_type AS device_type, b.folder AS folder,
       COUNT(DISTINCT b.backup_set_id) AS sets, MIN(b.finished_at) AS first_finished_at,
       MAX(b.finished_at) AS last_finished_at
FROM (
    SELECT s.backup_set_id AS backup_set_id, s.database_name AS database_name, s.type AS kind,
           ISNULL(s.is_copy_only, 0) AS is_copy_only, ISNULL(s.is_snapshot, 0) AS is_snapshot,
           CONVERT(int, f.device_type) AS device_type, s.backup_finish_date AS finished_at,
           CASE
               WHEN f.physical_device_name IS NULL OR f.device_type IN (7, 107) THEN N''
               WHEN f.physical_device_name LIKE N'\\.\%' THEN f.physical_device_name
               WHEN CHARINDEX(N'\', f.physical_device_name) > 0
               THEN LEFT(f.physical_device_name, LEN(f.physical_device_name) + 1
                         - CHARINDEX(N'\', REVERSE(f.physical_device_name)))
               WHEN CHARINDEX(N'/', f.physical_device_name) > 0
               THEN LEFT(f.physical_device_name, LEN(f.physical_device_name) + 1
                         - CHARINDEX(N'/', REVERSE(f.physical_device_name)))
               ELSE f.physical_device_name
           END AS folder
    FROM msdb.dbo.backupset AS s
    LEFT JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id
    WHERE s.server_name = CONVERT(nvarchar(128), SERVERPROPERTY(N'ServerName'))
      AND s.database_name IS NOT NULL AND s.type IS NOT NULL
      AND (s.backup_finish_date >= DATEADD(day, -60, GETDATE())
           OR (s.type <> 'L' AND s.backup_finish_date >= DATEADD(day, -400, GETDATE())))
) AS b
GROUP BY b.database_name, b.kind, b.is_copy_only, b.is_snapshot, b.device_type, b.folder
ORDER BY MAX(b.finished_at) DESC
""",
                    reads=("msdb.dbo.backupset", "msdb.dbo.backupmediafamily"),
                    rights=_BACKUP_RIGHTS,
                ),
            ),
            row=BackupGroup,
            most_rows=5000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Backups, BackupGroup),
    privacy="names of databases, folders that back-ups go to, counts and times",
)


# --- the last one of each kind ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LastBackup:
    database_name: str
    kind: str
    is_copy_only: bool
    is_snapshot: bool
    started_at: datetime
    finished_at: datetime
    size_bytes: int | None
    compressed_bytes: int | None
    has_checksums: bool | None
    is_damaged: bool | None
    software: str | None

    @property
    def took_s(self) -> float:
        return max((self.finished_at - self.started_at).total_seconds(), 0.0)


class LastBackups(SqlFacts[LastBackup]):
    def of(self, database: str, kind: str) -> LastBackup | None:
        name = database.casefold()
        found = [one for one in self.rows if one.database_name.casefold() == name and one.kind == kind]
        return max(found, key=lambda one: one.finished_at, default=None)


last_backups = Section(
    name="sqlserver-last-backups",
    facts=LastBackups,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT b.database_name AS database_name, b.kind AS kind, b.is_copy_only AS is_copy_only,
       b.is_snapshot AS is_snapshot, b.started_at AS started_at, b.finished_at AS finished_at,
       b.size_bytes AS size_bytes, b.compressed_bytes AS compressed_bytes,
       b.has_checksums AS has_checksums, b.is_damaged AS is_damaged, b.software AS software
FROM (
    SELECT s.database_name AS database_name, s.type AS kind,
           ISNULL(s.is_copy_only, 0) AS is_copy_only, ISNULL(s.is_snapshot, 0) AS is_snapshot,
           s.backup_start_date AS started_at,
           s.backup_finish_date AS finished_at, CONVERT(bigint, s.backup_size) AS size_bytes,
           CONVERT(bigint, s.compressed_backup_size) AS compressed_bytes,
           s.has_backup_checksums AS has_checksums, s.is_damaged AS is_damaged,
           m.software_name AS software,
           ROW_NUMBER() OVER (PARTITION BY s.database_name, s.type, ISNULL(s.is_copy_only, 0)
                              ORDER BY s.backup_finish_date DESC, s.backup_set_id DESC) AS place
    FROM msdb.dbo.backupset AS s
    LEFT JOIN msdb.dbo.backupmediaset AS m ON m.media_set_id = s.media_set_id
    WHERE s.server_name = CONVERT(nvarchar(128), SERVERPROPERTY(N'ServerName'))
      AND s.type IN ('D', 'I', 'L') AND s.database_name IS NOT NULL
      AND s.backup_start_date IS NOT NULL AND s.backup_finish_date IS NOT NULL
      AND (s.backup_finish_date >= DATEADD(day, -60, GETDATE())
           OR (s.type <> 'L' AND s.backup_finish_date >= DATEADD(day, -400, GETDATE())))
) AS b
WHERE b.place = 1
""",
                    reads=("msdb.dbo.backupset", "msdb.dbo.backupmediaset"),
                    rights=("SELECT ON msdb.dbo.backupset", "SELECT ON msdb.dbo.backupmediaset"),
                ),
            ),
            row=LastBackup,
            most_rows=5000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(LastBackups, LastBackup),
    privacy="names of databases, times and sizes of back-ups, the product that took them",
)


# --- the chain of log back-ups ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogChain:
    """Log back-ups of fourteen days; a gap is one that does not begin where another ended, and that no full
    or differential back-up before it leads to (a log's first back-up after its model was changed is none)."""

    database_name: str
    sets: int
    gaps: int
    last_gap_at: datetime | None


class LogChains(SqlFacts[LogChain]):
    def of(self, database: str) -> LogChain | None:
        name = database.casefold()
        return next((one for one in self.rows if one.database_name.casefold() == name), None)


log_chains = Section(
    name="sqlserver-log-chains",
    facts=LogChains,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT l.database_name AS database_name, COUNT(*) AS sets, SUM(l.gap) AS gaps,
       MAX(CASE WHEN l.gap = 1 THEN l.finished_at END) AS last_gap_at
FROM (
    SELECT s.database_name AS database_name, s.backup_finish_date AS finished_at,
           CASE WHEN EXISTS (
               SELECT 1 FROM msdb.dbo.backupset AS p
               WHERE p.database_name = s.database_name AND p.type = 'L' AND p.last_lsn = s.first_lsn
                 AND p.backup_finish_date >= DATEADD(day, -28, GETDATE())
           ) THEN 0
           WHEN EXISTS (
               SELECT 1 FROM msdb.dbo.backupset AS b
               WHERE b.database_name = s.database_name AND b.type IN ('D', 'I')
                 AND b.last_lsn >= s.first_lsn AND b.backup_set_id < s.backup_set_id
                 AND b.backup_finish_date >= DATEADD(day, -60, GETDATE())
           ) THEN 0
           WHEN EXISTS (
               SELECT 1 FROM msdb.dbo.backupset AS p
               WHERE p.database_name = s.database_name AND p.type = 'L'
                 AND p.backup_set_id < s.backup_set_id
                 AND p.backup_finish_date >= DATEADD(day, -28, GETDATE())
           ) THEN 1 ELSE 0 END AS gap
    FROM msdb.dbo.backupset AS s
    WHERE s.type = 'L' AND s.database_name IS NOT NULL
      AND s.server_name = CONVERT(nvarchar(128), SERVERPROPERTY(N'ServerName'))
      AND s.backup_finish_date >= DATEADD(day, -14, GETDATE())
) AS l
GROUP BY l.database_name
""",
                    reads=("msdb.dbo.backupset",),
                    rights=("SELECT ON msdb.dbo.backupset",),
                ),
            ),
            row=LogChain,
            most_rows=5000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(LogChains, LogChain),
    privacy="names of databases, counts and times",
)


@dataclass(frozen=True, slots=True)
class RecoveryStatus:
    """`has_log_chain`: a log back-up could be taken now. `is_in_group`: an availability group has it."""

    database_name: str
    is_open: bool
    has_log_chain: bool
    is_in_group: bool


class RecoveryStatuses(SqlFacts[RecoveryStatus]):
    def of(self, database: str) -> RecoveryStatus | None:
        name = database.casefold()
        return next((one for one in self.rows if one.database_name.casefold() == name), None)

    def elsewhere(self, database: str) -> bool:
        """May another server have taken the back-ups?"""
        found = self.of(database)
        return found is not None and found.is_in_group


ELSEWHERE = (
    "it belongs to an availability group, and msdb here does not tell what another replica backed up: "
    "check the other replicas as well"
)


def unrecorded(ctx: Context) -> str:
    """Why nothing may be said of back-ups that msdb does not know: the site file names what makes them; "".

    An image of the whole machine that the server was not told of leaves no row in backupset.
    """
    told = ctx.target.declare.get("backup")
    return f"back-ups are made outside of the server, which knows nothing of them: {told}" if told else ""


recovery_status = Section(
    name="sqlserver-recovery-status",
    facts=RecoveryStatuses,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.name AS database_name, CASE WHEN r.database_guid IS NULL THEN 0 ELSE 1 END AS is_open,
       CASE WHEN r.last_log_backup_lsn IS NULL THEN 0 ELSE 1 END AS has_log_chain,
       CASE WHEN d.replica_id IS NULL THEN 0 ELSE 1 END AS is_in_group
FROM sys.databases AS d
LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id
WHERE d.source_database_id IS NULL
""",
                    reads=("sys.databases", "sys.database_recovery_status"),
                    since=(11,),
                    rights=("VIEW ANY DATABASE",),
                ),
                SqlVariant(
                    """
SELECT d.name AS database_name, CASE WHEN r.database_guid IS NULL THEN 0 ELSE 1 END AS is_open,
       CASE WHEN r.last_log_backup_lsn IS NULL THEN 0 ELSE 1 END AS has_log_chain, 0 AS is_in_group
FROM sys.databases AS d
LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id
WHERE d.source_database_id IS NULL
""",
                    reads=("sys.databases", "sys.database_recovery_status"),
                    before=(11,),
                    rights=("VIEW ANY DATABASE",),
                ),
            ),
            row=RecoveryStatus,
            most_rows=5000,
        )
    },
    parse=reader(RecoveryStatuses, RecoveryStatus),
    privacy="names of databases",
)


# --- restores ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restore:
    """Restores of full back-ups in the last 400 days; `database_name` is the one that was backed up."""

    database_name: str
    destination_name: str
    restores: int
    last_at: datetime


class Restores(SqlFacts[Restore]):
    def last(self, database: str) -> datetime | None:
        name = database.casefold()
        return max((one.last_at for one in self.rows if one.database_name.casefold() == name), default=None)


restores = Section(
    name="sqlserver-restores",
    facts=Restores,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(s.database_name, N'') AS database_name, ISNULL(r.destination_database_name, N'')
       AS destination_name, COUNT(*) AS restores, MAX(r.restore_date) AS last_at
FROM msdb.dbo.restorehistory AS r
LEFT JOIN msdb.dbo.backupset AS s ON s.backup_set_id = r.backup_set_id
WHERE r.restore_type = 'D' AND r.restore_date >= DATEADD(day, -400, GETDATE())
GROUP BY s.database_name, r.destination_database_name
""",
                    reads=("msdb.dbo.restorehistory", "msdb.dbo.backupset"),
                    rights=("SELECT ON msdb.dbo.restorehistory", "SELECT ON msdb.dbo.backupset"),
                ),
            ),
            row=Restore,
            most_rows=2000,
        )
    },
    parse=reader(Restores, Restore),
    privacy="names of databases, counts and times",
)


# --- which databases are asked about ----------------------------------------------------------

# A database made in the last day has not met its first nightly back-up yet.
NEW = timedelta(days=1)


def in_use(databases: Databases) -> Iterator[Database]:
    """The databases that should be backed up: those of the clinic that are online."""
    return (one for one in databases.users if one.is_online)


def is_new(database: Database, now: datetime) -> bool:
    return now - database.created_at < NEW
