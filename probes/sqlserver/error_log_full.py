"""Databases and logs that were full, as the error log has it."""

from __future__ import annotations

from checkup.api import Impact, Probe, When
from probes.sqlserver.error_log import RIGHTS
from probes.sqlserver.logged_errors import LogLevels, each_of

NO_ROOM = (1101, 1105, 9002)  # no page in the filegroup, no room in the filegroup, log full

probe = Probe(
    id="sqlserver.log-full",
    title="No database ran out of room",
    check=each_of(NO_ROOM, Impact.MAJOR, When.NOW),
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "logged": "The error log holds {item} ({count} since {since}, the last on {last}): a database or "
        "its log was full."
    },
    why="While a database or its log is full nobody can save anything.",
    remedy=(
        "SELECT name, log_reuse_wait_desc FROM sys.databases: LOG_BACKUP means that the log back-ups do not "
        "run; mend them. Make room on the disk, or let the files grow: ALTER DATABASE [name] MODIFY FILE "
        "(NAME = [file], MAXSIZE = UNLIMITED). On Express the size of the data itself has an end: call us."
    ),
    verify=(
        "The probes of file space, log space and volumes pass, and the error log shows no further 1105 or "
        "9002."
    ),
    rights=RIGHTS,
    references=(
        "MSSQLSERVER_1105 and MSSQLSERVER_9002, Microsoft Learn",
        "SQL Assessment API, error log rules",
    ),
)
