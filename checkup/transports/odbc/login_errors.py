"""Why a login failed: what was refused, and whether it was the credential.

AUTH stops the credential for the whole run, before it locks an account; so what cannot be told apart from a
refusal counts as one. Numbers: SQL Server's `sys.messages` (18450 to 18489 are refusals), MariaDB's "Error
codes". PostgreSQL's driver passes on no number, only sentences, in the server's language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.odbc.drivers import Driver, is_unloadable, not_loaded
from checkup.transports.odbc.login import Login
from checkup.transports.session import TransportError


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One login: where, as whom, by which driver, into which database, and with which `encryption:`."""

    where: str
    login: Login
    driver: Driver
    database: str
    encryption: str


Reason = tuple[ErrorClass, str]

# Sentences go on after "<where> "; {shown} is the credential, {database} the database.
_RIGHT = (ErrorClass.AUTH, "refused {shown}: are user and password right?")
_NO_DATABASE = (ErrorClass.DENIED, "lets {shown} in, but not into the database {database}, or has none such")
_FULL = (ErrorClass.QUOTA, "takes no further connection; try again at a quieter hour")
_NOT_UP = (ErrorClass.UNREACHABLE, "takes no login yet: it is starting, stopping or recovering")
_LATE = (
    ErrorClass.TIMEOUT,
    "did not answer the login in time: it, or the domain behind it, may be overloaded",
)
_BROKE = (ErrorClass.DROPPED, "ended the connection before the login was done")
_NO_TICKET = (
    ErrorClass.AUTH,
    "was not asked: this station holds no valid Kerberos ticket for {shown}; run `kinit`, or log on to the "
    "domain",
)
_FROM_ELSEWHERE = (
    ErrorClass.DENIED,
    "takes no login from this station's address, ask for an account that may",
)
_TLS = (ErrorClass.TLS, "and the ODBC driver could not agree on TLS")

_SQL_SERVER: Final[Mapping[int, Reason]] = {
    18456: _RIGHT,
    18452: (
        ErrorClass.AUTH,
        "refused {shown}: it is no account of a domain that this server trusts; SQL logins have no backslash",
    ),
    18470: (ErrorClass.AUTH, "refused {shown}: the login is disabled"),
    18486: (ErrorClass.AUTH, "refused {shown}: the login is locked; its administrator unlocks it"),
    18487: (ErrorClass.AUTH, "refused {shown}: the password has expired"),
    18488: (ErrorClass.AUTH, "refused {shown}: it wants a new password first"),
    4060: _NO_DATABASE,
    4064: _NO_DATABASE,
    17142: (ErrorClass.DISABLED, "is paused: its administrator resumes it"),
    17188: _NOT_UP,
    17187: _NOT_UP,
    17809: _FULL,
    18401: _NOT_UP,  # "server is in script upgrade mode"
    18461: (ErrorClass.DISABLED, "is in single user mode, and somebody else is in"),
}
_REFUSALS = range(18450, 18490)

_MARIADB: Final[Mapping[int, Reason]] = {
    1045: _RIGHT,
    1698: (ErrorClass.AUTH, "refused {shown}: this account logs in by another method than a password"),
    1820: (ErrorClass.AUTH, "refused {shown}: it wants a new password first"),
    1862: (ErrorClass.AUTH, "refused {shown}: the password has expired"),
    3118: (ErrorClass.AUTH, "refused {shown}: the account is locked"),
    4151: (ErrorClass.AUTH, "refused {shown}: the account is locked"),
    1044: _NO_DATABASE,
    1049: _NO_DATABASE,
    1040: _FULL,
    1203: _FULL,
    1226: _FULL,
    1129: _FROM_ELSEWHERE,
    1130: _FROM_ELSEWHERE,
    1053: _NOT_UP,
    2026: _TLS,
    3159: (ErrorClass.TLS, "takes no login without TLS: write encryption: unvalidated or validated"),
    2059: (ErrorClass.UNSUPPORTED, "wants a way to log in that this ODBC driver does not know"),
    **dict.fromkeys((2002, 2003, 2006, 2013, 2055, 1158, 1159, 1160, 1161), _BROKE),
}

# libpq's sentences, and the server's where it speaks English.
_POSTGRESQL: Final[Sequence[tuple[str, Reason]]] = (
    (
        r"no pg_hba\.conf entry .*(no encryption|SSL off)",  # before version 14
        (
            ErrorClass.TLS,
            "takes {shown} from this station with TLS only: write encryption: unvalidated or validated",
        ),
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        (
            ErrorClass.DENIED,
            "takes no login of {shown} from this station into the database {database}: its pg_hba.conf needs "
            "a line for it",
        ),
    ),
    (r"is not permitted to log in", (ErrorClass.AUTH, "refused {shown}: the role may not log in")),
    (
        r'database ".*" does not exist|permission denied for database|not currently accepting'
        r"|cannot connect to invalid database",
        _NO_DATABASE,
    ),
    (
        r"SASL authentication mechanisms are supported|authentication method \d+ not supported",
        (
            ErrorClass.UNSUPPORTED,
            "asks for a way to log in that this station's ODBC driver does not know: for {shown} its "
            "pg_hba.conf needs a line with scram-sha-256",
        ),
    ),
    (r"too many (clients|connections)|remaining connection slots", _FULL),
    (r"starting up|shutting down|recovery mode|not yet accepting", _NOT_UP),
    (r"timeout expired", _LATE),
    (r"server closed the connection|Connection reset", _BROKE),
    (r"GSSAPI|No Kerberos credentials", _NO_TICKET),
    (r"SSL|certificate", _TLS),
)

_DRIVERS = re.compile(r"^(\[[^\]]*\])+\s*")  # their names before what is said
_LATE_STATES = ("HYT00", "HYT01")
_TLS_WORDS = re.compile(r"SSL Provider|TLS/SSL error|SSL routines|[Ee]ncryption not supported")
_TICKET_WORDS = re.compile(
    r"No credentials were supplied|No Kerberos credentials|Cannot generate SSPI|SSPI Provider"
)


def refused_login(engine: str, error: Mapping[str, Any], attempt: Attempt) -> TransportError:
    """`error` is the worker's."""
    sqlstate, number, text = str(error["sqlstate"]), int(error["number"]), str(error["text"])
    if is_unloadable(sqlstate, text):
        return not_loaded(attempt.driver)
    reason = _reason(engine, sqlstate, number, text, attempt)
    if reason is None:
        code = f"error {number}" if number else f"SQLSTATE {sqlstate}"
        said = clean_line(_DRIVERS.sub("", text), 150)
        return TransportError(ErrorClass.PROTOCOL, f"{attempt.where} let nobody in ({code}: {said})")
    kind, sentence = reason
    told = sentence.format(shown=attempt.login.shown, database=clean_line(attempt.database, 128))
    return TransportError(kind, f"{attempt.where} {told}{_more(engine, kind, number, text, attempt)}")


def _reason(engine: str, sqlstate: str, number: int, text: str, attempt: Attempt) -> Reason | None:
    if sqlstate in _LATE_STATES:
        return _LATE
    if attempt.login.password is None and _TICKET_WORDS.search(text):
        return _NO_TICKET
    if engine == "postgresql":
        found = (reason for pattern, reason in _POSTGRESQL if re.search(pattern, text, re.DOTALL))
        return next(found, _RIGHT)
    known = (_SQL_SERVER if engine == "sqlserver" else _MARIADB).get(number)
    if known is not None:
        return known
    if (engine == "sqlserver" and number in _REFUSALS) or sqlstate == "28000":
        return _RIGHT
    if _TLS_WORDS.search(text):
        return _TLS
    if sqlstate == "08001" and attempt.driver.family == "freetds":
        return _silent(attempt)
    return _BROKE if sqlstate.startswith("08") else None


def _silent(attempt: Attempt) -> Reason:
    """FreeTDS gives no reason for anything but the server's own words."""
    if attempt.login.password is None:
        return _NO_TICKET
    if attempt.encryption == "validated":
        return (
            ErrorClass.TLS,
            "and FreeTDS could not connect: it believes the certificate less than this station",
        )
    return _BROKE


def _more(engine: str, kind: ErrorClass, number: int, text: str, attempt: Attempt) -> str:
    if kind is ErrorClass.TLS and number != 3159 and "pg_hba" not in text:
        # FreeTDS says nothing of use.
        return "" if attempt.driver.family == "freetds" else f": {clean_line(_DRIVERS.sub('', text), 120)}"
    if engine == "mariadb" and number == 1045 and attempt.encryption == "clear":
        return " (MariaDB says the same where it, or the account, takes no login without TLS)"
    return f" (error {number})" if number and kind is ErrorClass.AUTH else ""
