"""Damage by the storage, as the error log has it."""

from __future__ import annotations

from checkup.api import RECOVERABILITY, Impact, Probe, When
from probes.sqlserver.error_log import RIGHTS
from probes.sqlserver.logged_errors import LogLevels, each_of

# "MSSQLSERVER_823" and so on, Microsoft Learn: read refused, page damaged, read after retry, cache damaged,
# page not as marked, wrong allocation.
DAMAGE = (605, 823, 824, 825, 829, 832)

probe = Probe(
    id="sqlserver.log-damage",
    title="The error log tells of no damage by the storage",
    check=each_of(DAMAGE, Impact.MAJOR, When.NOW, RECOVERABILITY),
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "logged": "The error log holds {item} ({count} since {since}, the last on {last}): a page could not "
        "be read, was read wrong, or was read right at a second attempt only."
    },
    why="Storage that fails once fails again. Back-ups taken since may hold the damage as well.",
    remedy=(
        "Keep all back-ups that you have, and copy the newest to another machine. Run DBCC CHECKDB on each "
        "database; send us what it says before anything is repaired. Have disks, controller and memory of "
        "the machine examined, and its event log, System."
    ),
    verify="DBCC CHECKDB reports no error, and the error log shows none of these errors afterwards.",
    rights=RIGHTS,
    references=(
        "MSSQLSERVER_823, MSSQLSERVER_824 and MSSQLSERVER_825, Microsoft Learn",
        "SQL Assessment API, ErrorLog823 to ErrorLog829",
    ),
)
