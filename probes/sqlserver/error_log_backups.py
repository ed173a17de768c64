"""Back-ups that failed, as the error log has it."""

from __future__ import annotations

from checkup.api import RECOVERABILITY, Impact, Probe, When
from probes.sqlserver.error_log import RIGHTS
from probes.sqlserver.logged_errors import LogLevels, each_of

BACKUP_FAILED = (3041, 18204, 18210)  # back-up failed, device not opened, device not written

probe = Probe(
    id="sqlserver.log-backup-failed",
    title="No back-up failed",
    check=each_of(BACKUP_FAILED, Impact.MAJOR, When.BEFORE_NEXT_VISIT, RECOVERABILITY),
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "logged": "The error log holds {item} ({count} since {since}, the last on {last}): a back-up failed."
    },
    why="A back-up that fails leaves the clinic with the one before, or with none.",
    remedy=(
        "Look in the history of the back-up job, or in the back-up programme, for the reason at that time: "
        "disk full, share gone, no rights on the folder? Mend it, then take the back-up by hand: BACKUP "
        "DATABASE [name] TO DISK = N'path' WITH CHECKSUM."
    ),
    verify="The back-up is in msdb.dbo.backupset with its time, and the error log shows no further 3041.",
    rights=RIGHTS,
    references=("MSSQLSERVER_3041, Microsoft Learn", "SQL Assessment API, error log rules"),
)
