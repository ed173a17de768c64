"""What the server answers without a script: session settings, and what drivers ask at connect."""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import errors, scalars
from .answers import Affected, Answer, Column, Error, Pause, Rows, Step
from .data_types import INT, SMALLINT, SYSNAME, varchar
from .script import Database
from .statements import Session, Statement

# "SET statements (Transact-SQL)"
_OPTIONS = frozenset(
    [
        "ANSI_DEFAULTS",
        "ANSI_NULLS",
        "ANSI_NULL_DFLT_OFF",
        "ANSI_NULL_DFLT_ON",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "ARITHABORT",
        "ARITHIGNORE",
        "CONCAT_NULL_YIELDS_NULL",
        "CONTEXT_INFO",
        "CURSOR_CLOSE_ON_COMMIT",
        "DATEFIRST",
        "DATEFORMAT",
        "DEADLOCK_PRIORITY",
        "FMTONLY",
        "FORCEPLAN",
        "IMPLICIT_TRANSACTIONS",
        "LANGUAGE",
        "LOCK_TIMEOUT",
        "NOCOUNT",
        "NOEXEC",
        "NUMERIC_ROUNDABORT",
        "PARSEONLY",
        "QUERY_GOVERNOR_COST_LIMIT",
        "QUOTED_IDENTIFIER",
        "REMOTE_PROC_TRANSACTIONS",
        "ROWCOUNT",
        "TEXTSIZE",
        "XACT_ABORT",
    ]
)
_SET = re.compile(
    r"\s*SET\s+(?P<options>[A-Z_]+(?:\s*,\s*[A-Z_]+)*)\s+(?P<value>[^\s;,]+)\s*;?", re.IGNORECASE
)
_ISOLATION = re.compile(
    r"\s*SET\s+TRANSACTION\s+ISOLATION\s+LEVEL\s+"
    r"(?P<value>READ\s+UNCOMMITTED|READ\s+COMMITTED|REPEATABLE\s+READ|SNAPSHOT|SERIALIZABLE)\s*;?",
    re.IGNORECASE,
)
_USE = re.compile(r"USE\s+(?:\[(?P<quoted>(?:[^\]]|\]\])+)\]|(?P<name>\w+))", re.IGNORECASE)
_TRANSACTION = re.compile(
    r"(?:IF\s+@@TRANCOUNT\s*>\s*0\s+)?(?P<verb>BEGIN|COMMIT|ROLLBACK)(?:\s+TRAN(?:SACTION)?)?", re.IGNORECASE
)
_WAIT = re.compile(r"WAITFOR\s+DELAY\s+N?'(\d+):(\d+)(?::(\d+(?:\.\d+)?))?'", re.IGNORECASE)
_TYPE_INFO = re.compile(
    r"(?:EXEC(?:UTE)?\s+)?(?:master\.)?(?:\[?sys\]?|dbo)?\.{0,2}\[?sp_datatype_info(?:_90|_100)?\]?"
    r"\s+(?:@data_type\s*=\s*)?(?P<type>-?\d+).*",
    re.IGNORECASE | re.DOTALL,
)


def answer(statement: Statement) -> Answer | None:
    """None where it is not one of these."""
    text, session = statement.text.strip("; \t\r\n"), statement.session
    if text[:3].upper() == "SET":
        return _set(text, session)
    if match := _USE.fullmatch(text):
        return use((match["quoted"] or match["name"]).replace("]]", "]"), session)
    if match := _TRANSACTION.fullmatch(text):
        return _transaction(match["verb"].upper(), session)
    if match := _WAIT.fullmatch(text):
        hours, minutes, seconds = match.groups(default="0")
        return [Pause(int(hours) * 3600 + int(minutes) * 60 + float(seconds)), Affected()]
    if match := _TYPE_INFO.fullmatch(text):
        return type_info(int(match["type"]))
    try:
        return scalars.select(text, session)
    except scalars.NotScalars:
        return None


def use(name: str, session: Session) -> Step:
    """Enters a database, or says why not."""
    if error := refused(name, session):
        return error
    session.database = _known(name, session) or name
    return Affected()


def refused(name: str, session: Session) -> Error | None:
    """Why the account may not use this database now."""
    known = _known(name, session)
    if known is None:
        return errors.no_such_database(name)
    unusable = _unusable(known, session.script.all_databases[known])
    if unusable:
        return unusable
    if not session.account.enters(known):
        return errors.no_access_to_database(session.user, known)
    return None


def _known(name: str, session: Session) -> str | None:
    return next(
        (known for known in session.script.all_databases if known.casefold() == name.casefold()), None
    )


def _unusable(name: str, database: Database) -> Error | None:
    match database.state:
        case "online":
            return None
        case "offline":
            return errors.database_offline(name)
        case "restoring":
            return errors.database_restoring(name)
        case "recovering":
            return errors.database_recovering(name)
        case "recovery pending":
            return errors.database_inaccessible(name)
        case "suspect":
            return errors.database_suspect(name)
        case "single user":
            return errors.database_single_user(name)


def _set(text: str, session: Session) -> Step | None:
    settings: dict[str, str] = {}
    position = 0
    while position < len(text):
        if match := _ISOLATION.match(text, position):
            settings["TRANSACTION ISOLATION LEVEL"] = " ".join(match["value"].upper().split())
        elif match := _SET.match(text, position):
            for option in re.split(r"\s*,\s*", match["options"].upper()):
                if option not in _OPTIONS:
                    return Error(195, f"'{option}' is not a recognized SET option.", 15, stops="batch")
                settings[option] = match["value"].upper()
        else:
            return None
        position = match.end()
    session.settings |= settings
    return Affected()


def _transaction(verb: str, session: Session) -> Step:
    if verb == "BEGIN":
        session.transactions += 1
    elif verb == "COMMIT":
        session.transactions = max(session.transactions - 1, 0)
    else:
        session.transactions = 0
    return Affected()


_TYPE_COLUMNS = (
    Column("TYPE_NAME", SYSNAME, nullable=False),
    Column("DATA_TYPE", SMALLINT, nullable=False),
    Column("PRECISION", INT),
    Column("LITERAL_PREFIX", varchar(32)),
    Column("LITERAL_SUFFIX", varchar(32)),
    Column("CREATE_PARAMS", varchar(32)),
    Column("NULLABLE", SMALLINT, nullable=False),
    Column("CASE_SENSITIVE", SMALLINT, nullable=False),
    Column("SEARCHABLE", SMALLINT, nullable=False),
    Column("UNSIGNED_ATTRIBUTE", SMALLINT),
    Column("MONEY", SMALLINT, nullable=False),
    Column("AUTO_INCREMENT", SMALLINT),
    Column("LOCAL_TYPE_NAME", SYSNAME),
    Column("MINIMUM_SCALE", SMALLINT),
    Column("MAXIMUM_SCALE", SMALLINT),
    Column("SQL_DATA_TYPE", SMALLINT, nullable=False),
    Column("SQL_DATETIME_SUB", SMALLINT),
    Column("NUM_PREC_RADIX", INT),
    Column("INTERVAL_PRECISION", SMALLINT),
    Column("USERTYPE", SMALLINT),
)
# name, ODBC type, size, prefix, suffix, parameters, concise type, sub-code, scale, user type
_TYPES: Sequence[
    tuple[str, int, int, str | None, str | None, str | None, int, int | None, int | None, int]
] = (
    ("bit", -7, 1, None, None, None, -7, None, 0, 50),
    ("tinyint", -6, 3, None, None, None, -6, None, 0, 5),
    ("smallint", 5, 5, None, None, None, 5, None, 0, 6),
    ("int", 4, 10, None, None, None, 4, None, 0, 7),
    ("bigint", -5, 19, None, None, None, -5, None, 0, 0),
    ("float", 6, 53, None, None, None, 6, None, None, 8),
    ("real", 7, 24, None, None, None, 7, None, None, 23),
    ("decimal", 3, 38, None, None, "precision,scale", 3, None, 38, 24),
    ("numeric", 2, 38, None, None, "precision,scale", 2, None, 38, 10),
    ("char", 1, 8000, "'", "'", "length", 1, None, None, 1),
    ("varchar", 12, 8000, "'", "'", "max length", 12, None, None, 2),
    ("nchar", -8, 4000, "N'", "'", "length", -8, None, None, 0),
    ("nvarchar", -9, 4000, "N'", "'", "max length", -9, None, None, 0),
    ("binary", -2, 8000, "0x", None, "length", -2, None, None, 3),
    ("varbinary", -3, 8000, "0x", None, "max length", -3, None, None, 4),
    ("date", 91, 10, "'", "'", None, 9, 1, None, 0),
    ("time", -154, 16, "'", "'", "scale", -154, 0, 7, 0),
    ("datetime2", 93, 27, "'", "'", "scale", 9, 3, 7, 0),
    ("datetime", 93, 23, "'", "'", None, 9, 3, 3, 12),
    ("datetimeoffset", -155, 34, "'", "'", "scale", -155, 0, 7, 0),
    ("uniqueidentifier", -11, 36, "'", "'", None, -11, None, None, 0),
)


def type_info(odbc_type: int) -> Rows:
    """sp_datatype_info of one type; 0 is all."""
    chosen = [kind for kind in _TYPES if odbc_type in (0, kind[1])]
    return Rows(_TYPE_COLUMNS, [_type_row(*kind) for kind in sorted(chosen, key=lambda kind: kind[1])])


def _type_row(
    name: str,
    odbc_type: int,
    size: int,
    prefix: str | None,
    suffix: str | None,
    parameters: str | None,
    concise: int,
    sub_code: int | None,
    scale: int | None,
    user_type: int,
) -> tuple[object, ...]:
    text = odbc_type in (1, 12, -8, -9)
    number = prefix is None and name != "uniqueidentifier"
    unsigned = int(name in ("bit", "tinyint")) if number else None
    increments = 0 if number else None
    radix = (2 if name in ("float", "real") else 10) if number and name != "bit" else None
    search = 3 if text else 2
    return (
        name, odbc_type, size, prefix, suffix, parameters, 1, 0, search, unsigned, 0, increments, name,
        0 if scale is not None else None, scale, concise, sub_code, radix, None, user_type,
    )  # fmt: skip
