"""An error log that is never begun anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Duration,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Probe,
    Result,
    Step,
    When,
    Worse,
    judge,
)
from probes.sqlserver.error_log import RIGHTS, UNKNOWN_BEGIN, ErrorLogBegin


@dataclass(frozen=True, slots=True)
class AgeLevels:
    old_days: int = 90  # our own: the size itself (SQL Assessment API: 50 MB) is shown to securityadmin only


def check(facts: ErrorLogBegin, levels: AgeLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason=UNKNOWN_BEGIN)
        return
    begun = min(one.at for one in facts.rows)
    age = (facts.server.asked_at - begun).total_seconds()
    if age < 0:
        yield NotApplicable(reason="the log was begun while we looked")
        return
    yield from judge(
        "age",
        Duration(age),
        (Step(levels.old_days * 86400, Impact.NOTE, When.LATER),),
        worse=Worse.HIGHER,
        message="old",
        function=SUPPORTABILITY,
        evidence={"begun": Instant(begun)},
    )


probe = Probe(
    id="sqlserver.log-age",
    title="The error log is begun anew now and then",
    check=check,
    levels=AgeLevels(),
    kind="sqlserver",
    messages={"old": "The error log goes back to {begun}: it is {age} long."},
    why="A log of many months is slow to open when it is needed most, and fills the disk.",
    remedy=(
        "EXEC sp_cycle_errorlog, best as a weekly job of the Agent; nothing stops, and the old log is "
        "kept. Under Management, SQL Server Logs, Configure, keep 30 logs instead of 6. There is nothing to "
        "take back."
    ),
    verify="The error log begins within the last weeks.",
    rights=RIGHTS,
    references=("sp_cycle_errorlog (Transact-SQL), Microsoft Learn", "SQL Assessment API, ErrorLogSize"),
)
