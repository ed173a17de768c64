"""Work that was refused for want of memory, as the error log has it."""

from __future__ import annotations

from checkup.api import Impact, Probe, When
from probes.sqlserver.error_log import RIGHTS
from probes.sqlserver.logged_errors import LogLevels, each_of

NO_MEMORY = (701, 802, 8645, 8651)  # out of memory, no buffer, waited for memory, memory grant refused

probe = Probe(
    id="sqlserver.log-memory",
    title="The instance had memory enough for its work",
    check=each_of(NO_MEMORY, Impact.LIMITED, When.BEFORE_NEXT_VISIT),
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "logged": "The error log holds {item} ({count} since {since}, the last on {last}): work was "
        "refused for want of memory."
    },
    why="Users get errors instead of their data, and try again until the server stands still.",
    remedy=(
        "See what else runs on the machine at those hours, and move it. SELECT value_in_use FROM "
        "sys.configurations WHERE name = 'max server memory (MB)': it should leave 4 GB or a tenth to "
        "Windows, but not less than the data need. Then give the machine more memory. Tell us the hours: a "
        "report of ours may ask for too much."
    ),
    verify="The error log shows none of these errors in the following weeks.",
    rights=RIGHTS,
    references=("MSSQLSERVER_701, Microsoft Learn", "SQL Assessment API, error log rules"),
)
