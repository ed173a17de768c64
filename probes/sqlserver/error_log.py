"""The error log: which errors it holds, counted by number; never what their messages say.

The server writes an error as two lines: `Error: 823, Severity: 24, State: 2.` and its message. Only lines of
the first form are asked for, and of what comes back only those that are nothing else are stored. Errors that
are logged without such a line (833, 17883, 17890, 35206) are not seen here.

The lines are in the language of the server's installation. That this is English is known by another line that
every log begins with; where it is missing, nothing passes. The log now written and the one before are read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from checkup.api import (
    JSON,
    RECOVERABILITY,
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Keep,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    Value,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader

RIGHTS = "EXECUTE on master.sys.xp_readerrorlog"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line as the procedure gives it; the names of the columns are the procedure's."""

    LogDate: datetime
    ProcessInfo: str | None
    Text: str


class LogLines(SqlFacts[LogLine]):
    pass


_lines = reader(LogLines, LogLine)


@dataclass(frozen=True, slots=True)
class LoggedError:
    number: int
    severity: int
    at: datetime


class ErrorLog(SqlFacts[LoggedError]):
    """The log that is being written."""


class EarlierErrorLog(SqlFacts[LoggedError]):
    """The log before."""


@dataclass(frozen=True, slots=True)
class LogBegin:
    """The line with which a log begins, in English."""

    at: datetime


class ErrorLogBegin(SqlFacts[LogBegin]):
    pass


class EarlierErrorLogBegin(SqlFacts[LogBegin]):
    pass


_HEADER = re.compile(r"Error: (\d{1,9}), Severity: (\d{1,2}), State: \d{1,9}\.?")
_BEGIN = re.compile(r"Server process ID is \d{1,9}\.?")


def _error(line: LogLine) -> LoggedError | None:
    found = _HEADER.fullmatch(line.Text.strip())
    return LoggedError(int(found[1]), int(found[2]), line.LogDate) if found else None


def _begin(line: LogLine) -> LogBegin | None:
    return LogBegin(line.LogDate) if _BEGIN.fullmatch(line.Text.strip()) else None


F = TypeVar("F", bound=SqlFacts[Any])


def _parse(facts: type[F], read: Callable[[LogLine], Any]) -> Callable[[JSON, str, int], F]:
    """A line that is not of the form asked for is dropped unread."""

    def parse(raw: JSON, source: str, version: int) -> F:
        lines = _lines(raw, source, version)
        kept = tuple(one for one in map(read, lines.rows) if one is not None)
        return facts(rows=kept, server=lines.server, missing=lines.missing)

    return parse


# Number of the log (0 is the one being written), 1 for the server's log (2 is the Agent's), two texts that a
# line must hold, from when, until when, order: the newest first, so that a cut costs the oldest.
def _collector(text: str, line: re.Pattern[str], most_rows: int) -> Sql:
    return Sql(
        (
            SqlVariant(
                text,
                reads=("master.sys.xp_readerrorlog",),
                rights=("EXECUTE ON master.sys.xp_readerrorlog",),
            ),
        ),
        row=LogLine,
        most_rows=most_rows,
        timeout_s=30,
        cost="medium",
        keep=Keep("Text", line.pattern),
    )


MOST_ERRORS = 20_000
_PRIVACY = "numbers, severities and times of errors; no message"

error_log = Section(
    name="sqlserver-error-log",
    facts=ErrorLog,
    collect={
        "sqlserver": _collector(
            "EXEC master.sys.xp_readerrorlog 0, 1, N'Severity: ', N'State: ', NULL, NULL, N'desc'",
            _HEADER,
            MOST_ERRORS,
        )
    },
    parse=_parse(ErrorLog, _error),
    privacy=_PRIVACY,
)

earlier_error_log = Section(
    name="sqlserver-error-log-earlier",
    facts=EarlierErrorLog,
    collect={
        "sqlserver": _collector(
            "EXEC master.sys.xp_readerrorlog 1, 1, N'Severity: ', N'State: ', NULL, NULL, N'desc'",
            _HEADER,
            MOST_ERRORS,
        )
    },
    parse=_parse(EarlierErrorLog, _error),
    privacy=_PRIVACY,
)

error_log_begin = Section(
    name="sqlserver-error-log-begin",
    facts=ErrorLogBegin,
    collect={
        "sqlserver": _collector(
            "EXEC master.sys.xp_readerrorlog 0, 1, N'Server process', N'ID is', NULL, NULL, N'asc'",
            _BEGIN,
            10,
        )
    },
    parse=_parse(ErrorLogBegin, _begin),
    privacy="when the log was begun",
)

earlier_error_log_begin = Section(
    name="sqlserver-error-log-earlier-begin",
    facts=EarlierErrorLogBegin,
    collect={
        "sqlserver": _collector(
            "EXEC master.sys.xp_readerrorlog 1, 1, N'Server process', N'ID is', NULL, NULL, N'asc'",
            _BEGIN,
            10,
        )
    },
    parse=_parse(EarlierErrorLogBegin, _begin),
    privacy="when the log was begun",
)


# --- what the checks look at ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Logs:
    now: ErrorLog
    begin: ErrorLogBegin
    earlier: EarlierErrorLog | None
    earlier_begin: EarlierErrorLogBegin | None

    @property
    def since(self) -> datetime | None:
        """From when on the logs are known; None where they are in another language."""
        begins = [one.at for one in self.begin.rows]
        if not begins:
            return None
        if self.earlier is not None and self.earlier_begin is not None:
            begins += [one.at for one in self.earlier_begin.rows]
        return min(begins)

    @property
    def errors(self) -> tuple[LoggedError, ...]:
        return self.now.rows + (self.earlier.rows if self.earlier is not None else ())


@dataclass(frozen=True, slots=True)
class LogLevels:
    days: int = 30  # back from now; the contract's shortest interval between two check-ups
    least_days: int = 7  # fewer days of log pass for nothing; our own, a working week


@dataclass(frozen=True, slots=True)
class Seen:
    """The errors within the days asked for, and from when on they are known."""

    errors: tuple[LoggedError, ...]
    since: datetime
    enough: bool

    def of(self, wanted: Callable[[LoggedError], bool]) -> tuple[LoggedError, ...]:
        return tuple(one for one in self.errors if wanted(one))


def _seen(facts: Logs, days: int, least_days: int) -> Seen | NotChecked:
    asked_at = facts.now.server.asked_at
    begun = facts.since
    if begun is None:
        return NotChecked(reason="the error log is not in English, or its beginning was not found")
    since = max(begun, asked_at - timedelta(days=days))
    enough = asked_at - begun >= timedelta(days=min(least_days, days))
    return Seen(tuple(one for one in facts.errors if one.at >= since), since, enough)


def _last(errors: Iterable[LoggedError]) -> datetime:
    return max(one.at for one in errors)


def _finding(
    errors: tuple[LoggedError, ...],
    seen: Seen,
    *,
    impact: Impact,
    message: str,
    item: str = "",
    when: When = When.BEFORE_NEXT_VISIT,
    function: str = "",
) -> Finding:
    count = Number(len(errors))
    return Finding(
        impact=impact,
        when=when,
        function=function,
        message=message,
        item=item,
        evidence={"count": count, "last": Instant(_last(errors)), "since": Instant(seen.since)},
        value=count,
        worse=Worse.HIGHER,
    )


def _passed(seen: Seen) -> Result:
    """Nothing was found, if there was enough to look at."""
    if seen.enough:
        return Passed(evidence={"since": Instant(seen.since)})
    return NotChecked(reason=f"the error logs that are read begin only on {seen.since:%Y-%m-%d}")


def _by_number(
    numbers: tuple[int, ...], impact: Impact, when: When, function: str = ""
) -> Callable[[Logs, LogLevels, Context], Iterator[Result]]:
    """A check that finds each of these errors that is in the log."""

    def check(facts: Logs, levels: LogLevels, ctx: Context) -> Iterator[Result]:
        seen = _seen(facts, levels.days, levels.least_days)
        if isinstance(seen, NotChecked):
            yield seen
            return
        there = sorted({one.number for one in seen.of(lambda one: one.number in numbers)})
        for number in there:
            errors = seen.of(lambda one, number=number: one.number == number)
            yield _finding(
                errors,
                seen,
                impact=impact,
                when=when,
                function=function,
                message="logged",
                item=f"error {number}",
            )
        if not there:
            yield _passed(seen)

    return check


# --- damage -----------------------------------------------------------------------------------

# "MSSQLSERVER_823" and so on, Microsoft Learn: read refused, page damaged, read after retry, cache damaged,
# page not as marked, wrong allocation.
DAMAGE = (605, 823, 824, 825, 829, 832)

damage = Probe(
    id="sqlserver.log-damage",
    title="The error log tells of no damage by the storage",
    check=_by_number(DAMAGE, Impact.MAJOR, When.NOW, RECOVERABILITY),
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


# --- no room ----------------------------------------------------------------------------------

NO_ROOM = (1101, 1105, 9002)  # no page in the filegroup, no room in the filegroup, log full

full = Probe(
    id="sqlserver.log-full",
    title="No database ran out of room",
    check=_by_number(NO_ROOM, Impact.MAJOR, When.NOW),
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


# --- back-ups ---------------------------------------------------------------------------------

BACKUP_FAILED = (3041, 18204, 18210)  # back-up failed, device not opened, device not written

backup_failed = Probe(
    id="sqlserver.log-backup-failed",
    title="No back-up failed",
    check=_by_number(BACKUP_FAILED, Impact.MAJOR, When.BEFORE_NEXT_VISIT, RECOVERABILITY),
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


# --- memory -----------------------------------------------------------------------------------

NO_MEMORY = (701, 802, 8645, 8651)  # out of memory, no buffer, waited for memory, memory grant refused

memory = Probe(
    id="sqlserver.log-memory",
    title="The instance had memory enough for its work",
    check=_by_number(NO_MEMORY, Impact.LIMITED, When.BEFORE_NEXT_VISIT),
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


# --- everything else that is severe -----------------------------------------------------------

SEVERE = 17  # from here on not the user's own fault ("Database Engine error severities")
# Connections that broke off or never were ours: scanners, network faults, half a login. Severity 20.
_NETWORK = frozenset({4014, 17806, 17810, 17828, 17830, 17832, 17835, 17836})
_ELSEWHERE = frozenset((*DAMAGE, *NO_ROOM, *BACKUP_FAILED, *NO_MEMORY))
_FATAL = 21  # of one database or the whole instance, rather than of one connection


def check_severe(facts: Logs, levels: LogLevels, ctx: Context) -> Iterator[Result]:
    seen = _seen(facts, levels.days, levels.least_days)
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
        yield _finding(
            errors,
            seen,
            impact=Impact.MAJOR if fatal else Impact.NOTE if network else Impact.LIMITED,
            when=When.LATER if network else When.BEFORE_NEXT_VISIT,
            function=RECOVERABILITY if fatal else SUPPORTABILITY,
            message="network" if network else "logged",
            item=f"error {number}",
        )
    if not there:
        yield _passed(seen)


severe = Probe(
    id="sqlserver.log-severe",
    title="The error log holds no severe error",
    check=check_severe,
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


# --- refused logins ---------------------------------------------------------------------------

REFUSED = frozenset(
    {18456, 18470, 18486, 18487, 18488}
)  # refused, disabled, locked out, expired, must change


@dataclass(frozen=True, slots=True)
class RefusedLevels:
    days: int = 30
    least_days: int = 7
    many_an_hour: int = 60  # one a minute is no person; our own
    attack_an_hour: int = 600


def check_refused(facts: Logs, levels: RefusedLevels, ctx: Context) -> Iterator[Result]:
    seen = _seen(facts, levels.days, levels.least_days)
    if isinstance(seen, NotChecked):
        yield seen
        return
    refused = seen.of(lambda one: one.number in REFUSED)
    if not refused:
        # The instance may be set to record none ("Configure login auditing"), which only a sysadmin may ask.
        yield NotChecked(reason="the error log holds no refused login: there was none, or none is recorded")
        return
    hours = Counter(one.at.replace(minute=0, second=0, microsecond=0) for one in refused)
    evidence: dict[str, Value] = {
        "count": Number(len(refused)),
        "last": Instant(_last(refused)),
        "since": Instant(seen.since),
    }
    yield from judge(
        "refused_an_hour",
        Number(max(hours.values())),
        (Step(levels.attack_an_hour, Impact.MAJOR), Step(levels.many_an_hour, Impact.LIMITED)),
        worse=Worse.HIGHER,
        message="many",
        function=SUPPORTABILITY,
        evidence=evidence,
    )


refused_logins = Probe(
    id="sqlserver.log-refused-logins",
    title="Few logins are refused",
    check=check_refused,
    levels=RefusedLevels(),
    kind="sqlserver",
    messages={
        "many": "In the worst hour {refused_an_hour} logins were refused, {count} since {since}, the last on "
        "{last}."
    },
    why="Somebody guesses passwords, or a service knocks with an old one, and may lock out an account.",
    remedy=(
        "Read the lines with 18456 in the error log: they name login and address. A machine of the clinic: "
        "correct the password in the service or ODBC source there. An address outside: close port 1433 in "
        "the firewall at once, see that sa is disabled, and call us."
    ),
    verify="The error log shows fewer than one refused login a minute on the following days.",
    rights=RIGHTS,
    references=("MSSQLSERVER_18456, Microsoft Learn",),
)


# --- a log that never ends --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgeLevels:
    old_days: int = 90  # our own: the size itself (SQL Assessment API: 50 MB) is shown to securityadmin only


def check_age(facts: ErrorLogBegin, levels: AgeLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the error log is not in English, or its beginning was not found")
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


age = Probe(
    id="sqlserver.log-age",
    title="The error log is begun anew now and then",
    check=check_age,
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
