"""Whole statements that are no SELECT and yet only read, each by hand, with its reason.

A form is a pattern for the whole text: nothing in it can be anything but the constants that it shows. To
allow one more, add a form, say what it does on the server, and where that is documented. SHOW REPLICA STATUS
and SHOW ENGINE STATUS are left out on purpose: they hand out texts of errors and statements. So is DBCC, but
for the trace flags, which no view shows: DBINFO and LOGINFO are for members of sysadmin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkup.sql.engine import EngineName

# The lines of an error log that are asked for, by two constants that they hold.
_LOGGED: Final = (
    r"(?:N'(?:Error: \d{1,5}, |)Severity: ', N'State: '"
    r"|N'Server process', N'ID is'"
    r"|N'requests taking longer than', N'SQL Server has encountered'"
    r"|N'process memory has been paged out', N'memory utilization')"
)
_NAME: Final = r"'\w{1,64}'"


@dataclass(frozen=True, slots=True)
class Form:
    """`pattern` matches the whole statement, its spaces drawn together. `reads` is what a variant of this
    form declares, and `columns` are those of its result, in order, which the row class has by the same names:
    the server chooses them. `free_text` is the column that may hold anything, whatever was asked for: a
    section says with `keep` which of its texts are stored. A form without `reads` is for a session, not for
    a section."""

    engine: EngineName
    pattern: str
    reason: str
    reads: str = ""
    columns: tuple[str, ...] = ()
    free_text: str = ""

    def matches(self, text: str) -> bool:
        return re.fullmatch(self.pattern, " ".join(text.split()), re.IGNORECASE) is not None

    def problems(self, reads: Sequence[str], fields: Sequence[str]) -> list[str]:
        """What a variant of this form declares wrongly."""
        found: list[str] = []
        if not self.reads:
            found.append("this is a statement of a session, not of a section")
        elif tuple(one.lower() for one in reads) != (self.reads,):
            found.append(f"`reads` of this form is {self.reads}")
        if self.columns and tuple(fields) != self.columns:
            found.append(f"the result has the columns {', '.join(self.columns)}, and the row class others")
        return found


def _log_lines(kind: str, order: str) -> Form:
    """One of the procedures that search an error log."""
    return Form(
        "sqlserver",
        rf"EXEC (?:master\.)?sys\.{kind}_readerrorlog [0-9]{{1,2}}, 1, {_LOGGED}{order};?",
        "searches one of the server's error logs and hands out the lines that hold both constants "
        "(sp_readerrorlog): those that begin an error, which hold numbers; that begin the log; that count "
        "slow requests to a file (833), which hold its path; that tell of memory that was paged out (17890), "
        "which hold numbers. Another message may hold both constants as well, and whatever its writer wrote",
        reads=f"master.sys.{kind}_readerrorlog",
        columns=("LogDate", "ProcessInfo", "Text"),
        free_text="Text",
    )


FORMS: Final[tuple[Form, ...]] = (
    # --- SQL Server: sections ---
    _log_lines("xp", r"(?:, NULL, NULL, N'(?:asc|desc)')?"),
    _log_lines("sp", ""),
    Form(
        "sqlserver",
        r"DBCC TRACESTATUS \(-1\) WITH NO_INFOMSGS;?",
        "lists the trace flags in force, by number; it takes no right and changes none (DBCC TRACESTATUS)",
        reads="dbcc tracestatus",
        columns=("TraceFlag", "Status", "Global", "Session"),
    ),
    # --- SQL Server: sessions ---
    Form("sqlserver", r"SET LOCK_TIMEOUT \d{1,5};?", "waits no longer for a lock; of this session only"),
    Form("sqlserver", r"SET DEADLOCK_PRIORITY LOW;?", "the check-up gives way in a deadlock"),
    Form(
        "sqlserver",
        r"SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;?",
        "takes no shared locks; of this session only",
    ),
    Form(
        "sqlserver",
        r"USE \[(?:[^\[\]]|\]\])+\];?",
        "enters a database, which the login must be allowed to; changes the session only",
    ),
    # --- PostgreSQL: sessions ---
    Form("postgresql", r"SET default_transaction_read_only = on;?", "the server itself refuses to write"),
    Form("postgresql", r"SET statement_timeout = \d{1,7};?", "the server ends what takes longer"),
    Form("postgresql", r"SET lock_timeout = \d{1,6};?", "waits no longer for a lock"),
    Form("postgresql", r"SET TimeZone = 'UTC';?", "moments come in UTC"),
    Form(
        "postgresql", r"SET search_path = pg_catalog;?", "no object of the site can stand in for a system one"
    ),
    # --- MariaDB, MySQL: sessions ---
    Form(
        "mariadb",
        rf"SHOW GLOBAL (?:VARIABLES|STATUS) (?:LIKE {_NAME}|"
        rf"WHERE Variable_name IN \({_NAME}(?:, {_NAME})*\));?",
        "values of settings or counters that are named one by one; unknown ones are left out",
    ),
    Form("mariadb", r"SET SESSION TRANSACTION READ ONLY;?", "the server itself refuses to write"),
    Form(
        "mariadb",
        r"SET SESSION time_zone = '\+00:00', lock_wait_timeout = \d{1,5}, "
        r"innodb_lock_wait_timeout = \d{1,5};?",
        "moments come in UTC, and no lock is waited for long; of this session only",
    ),
    Form(
        "mariadb",
        r"SET SESSION (?:max_execution_time|max_statement_time) = \d{1,7};?",
        "the server ends what takes longer; of this session only",
    ),
    Form("mariadb", r"USE `(?:[^`]|``)+`;?", "enters a database; changes the session only"),
)


def approved(engine: EngineName, text: str) -> Form | None:
    """The form that this whole statement has."""
    return next((form for form in FORMS if form.engine == engine and form.matches(text)), None)
