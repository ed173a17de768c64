"""Severe errors in the error log that no other check is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from checkup.api import RECOVERABILITY, SUPPORTABILITY, Context, Impact, NotChecked, Probe, Result, When
from probes.sqlserver.error_log import RIGHTS
from probes.sqlserver.error_log_backups import BACKUP_FAILED
from probes.sqlserver.error_log_damage import DAMAGE
from probes.sqlserver.error_log_full import NO_ROOM
from probes.sqlserver.error_log_memory import NO_MEMORY
from probes.sqlserver.logged_errors import LogLevels, Logs, finding, seen_in

SEVERE = 17  # from here on not the user's own fault ("Database Engine error severities")
# Connections that broke off or never were ours: scanners, network faults, half a login. Severity 20.
_NETWORK = frozenset({4014, 17806, 17810, 17828, 17830, 17832, 17835, 17836})
_ELSEWHERE = frozenset((*DAMAGE, *NO_ROOM, *BACKUP_FAILED, *NO_MEMORY))
_FATAL = 21  # of one database or the whole instance, rather than of one connection


def check(facts: Logs, levels: LogLevels, ctx: Context) -> Iterator[Result]:
    seen = seen_in(facts, levels.days, levels.least_days)
    if isinstance(seen, NotChecked):
        yield seen
        return
    there = Counter(
        one.number for one in seen.errors if one.severity >= SEVERE and one.number not in _ELSEWHERE
    )
    for number in sorted(there):
        errors = seen.of(lambda one, number=number: one.number == number)
        fatal = any(one.severity >= _FATAL for one in errors)
        network = number in _NETWORK
        yield finding(
            errors,
            seen,
            impact=Impact.MAJOR if fatal else Impact.NOTE if network else Impact.LIMITED,
            when=When.LATER if network else When.BEFORE_NEXT_VISIT,
            function=RECOVERABILITY if fatal else SUPPORTABILITY,
            message="network" if network else "logged",
            item=f"error {number}",
        )
    if not there:
        yield seen.window.passed()


probe = Probe(
    id="sqlserver.log-severe",
    title="The error log holds no severe error",
    check=check,
    levels=LogLevels(),
    kind="sqlserver",
    messages={
        "logged": "The error log holds {item}, a severe one ({count} since {since}, the last on {last}).",
        "network": "The error log holds {item} ({count} since {since}, the last on {last}): connections "
        "that broke off or were no proper logins.",
    },
    why="Errors of severity 17 and more are not made by users: the server lacks something, or is damaged.",
    remedy=(
        "Look the number up under `SELECT text FROM sys.messages WHERE message_id = number AND language_id = "
        "1033`, and read the lines around it in the error log (Management Studio, Management, SQL Server "
        "Logs). Send us number and time. For connections that broke off: look at the network, and at what "
        "scans it."
    ),
    verify="The error log shows no further error of that number.",
    rights=RIGHTS,
    references=("Database Engine error severities, Microsoft Learn", "SQL Assessment API, error log rules"),
)
