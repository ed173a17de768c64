"""SELECT without FROM: the functions in which a server tells of itself, the session and the account.

Literals, @@variables, calls, CONVERT and CAST, named or not; no operators.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import data_types as types
from .answers import Column, Error, Rows
from .data_types import DataType
from .script import Scripted
from .statements import Session

_TOKEN = re.compile(
    r"\s*(?:(?P<string>N?'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>@{0,2}[A-Za-z_#][\w#]*|\[[^\]]+\])"
    r"|(?P<mark>[(),.=;])|(?P<comment>/\*.*?\*/|--[^\n]*))",
    re.DOTALL,
)


class NotScalars(Exception):
    """A statement that is none of these, or uses what is not known here."""


@dataclass(frozen=True)
class Scalar:
    type: DataType
    value: object


def select(text: str, session: Session, caught: Error | None = None) -> Rows:
    """The one row of such a statement. `caught`: the error of the CATCH block in which it stands."""
    parser = _Parser(text, session, caught)
    items = list(parser.items())
    columns = tuple(Column(name, scalar.type) for name, scalar in items)
    return Rows(columns, (tuple(scalar.value for _, scalar in items),))


class _Parser:
    def __init__(self, text: str, session: Session, caught: Error | None) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._session = session
        self._caught = caught

    def items(self) -> Iterator[tuple[str, Scalar]]:
        self._expect("SELECT")
        while True:
            yield self._item()
            if not self._accept(","):
                break
        self._accept(";")
        if self._at < len(self._tokens):
            raise NotScalars(f"{self._tokens[self._at]} after the columns")

    def _item(self) -> tuple[str, Scalar]:
        if self._peek(1) == "=":
            name = self._next()
            self._expect("=")
            return _bare(name), self._expression()
        scalar = self._expression()
        named = self._accept("AS")
        if named or self._peek() not in ("", ",", ";"):
            return _bare(self._next()), scalar
        return "", scalar

    def _expression(self) -> Scalar:
        token = self._next()
        if token[:2] in ("N'", "n'") or token[:1] == "'":
            text = token[token.index("'") + 1 : -1].replace("''", "'")
            kind = types.varchar if token[0] == "'" else types.nvarchar
            return Scalar(kind(max(len(text), 1)), text)
        if re.fullmatch(r"-?\d+", token):
            return Scalar(types.INT, int(token))
        if re.fullmatch(r"-?\d+\.\d+", token):
            digits = token.lstrip("-")
            scale = len(digits.split(".")[1])
            return Scalar(types.numeric(len(digits) - 1, scale), Decimal(token))
        if token.upper() == "NULL":
            return Scalar(types.INT, None)
        if token.startswith("@@"):
            return self._looked_up(_VARIABLES, token.upper())(self._session)
        if self._accept("("):
            return self._call(token.upper())
        raise NotScalars(f"{token} is not known")

    def _call(self, name: str) -> Scalar:
        if name in ("CONVERT", "TRY_CONVERT"):
            kind = self._type()
            self._expect(",")
            scalar = self._expression()
            if self._accept(","):
                self._expression()  # the style
            self._expect(")")
            return _converted(scalar, kind)
        if name in ("CAST", "TRY_CAST"):
            scalar = self._expression()
            self._expect("AS")
            kind = self._type()
            self._expect(")")
            return _converted(scalar, kind)
        arguments: list[Scalar] = []
        while not self._accept(")"):
            arguments.append(self._expression())
            self._accept(",")
        if name in _OF_ERRORS:
            return _OF_ERRORS[name](self._caught)
        function = self._looked_up(_FUNCTIONS, name)
        return function(self._session, *(argument.value for argument in arguments))

    def _type(self) -> str:
        text = self._next()
        if self._accept("("):
            text += "("
            while not self._accept(")"):
                text += self._next()
            text += ")"
        return text.lower()

    def _looked_up(self, known: Mapping[str, Callable[..., Scalar]], name: str) -> Callable[..., Scalar]:
        if name not in known:
            raise NotScalars(f"{name} is not known")
        return known[name]

    def _peek(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._tokens[position] if position < len(self._tokens) else ""

    def _next(self) -> str:
        if not (token := self._peek()):
            raise NotScalars("the statement ends too early")
        self._at += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek().upper() == token:
            self._at += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise NotScalars(f"{self._peek() or 'the end'} instead of {token}")


def _tokens(text: str) -> Iterator[str]:
    position, text = 0, text.rstrip()
    while position < len(text):
        if not (match := _TOKEN.match(text, position)):
            raise NotScalars(f"{text[position : position + 20]!r} is not known")
        if match.lastgroup != "comment":
            yield match[match.lastgroup or 0]
        position = match.end()


def _bare(name: str) -> str:
    if name[:1] == "[":
        return name[1:-1]
    return name.split("'")[1] if "'" in name else name


def _converted(scalar: Scalar, kind: str) -> Scalar:
    name, _, rest = kind.partition("(")
    sizes = [size.strip() for size in rest.rstrip(")").split(",")] if rest else []
    value: Any = scalar.value.value if isinstance(scalar.value, types.Variant) else scalar.value
    if name in ("int", "bigint", "smallint", "tinyint", "bit"):
        target = {
            "int": types.INT,
            "bigint": types.BIGINT,
            "smallint": types.SMALLINT,
            "tinyint": types.TINYINT,
        }
        number = None if value is None else int(value)
        return (
            Scalar(types.BIT, None if number is None else bool(number))
            if name == "bit"
            else Scalar(target[name], number)
        )
    if name in ("nvarchar", "varchar", "sysname"):
        if name == "sysname":
            return Scalar(types.SYSNAME, None if value is None else str(value))
        length = None if sizes == ["max"] else int(sizes[0]) if sizes else 30
        text = None if value is None else str(value)[:length]
        return Scalar(types.nvarchar(length) if name == "nvarchar" else types.varchar(length), text)
    if name in ("datetime", "datetime2", "datetimeoffset") and (
        value is None or isinstance(value, dt.datetime)
    ):
        return Scalar(
            _moment_type(name, sizes),
            value.replace(tzinfo=None) if value and name != "datetimeoffset" else value,
        )
    raise NotScalars(f"a conversion of {value!r} to {kind}")


def _moment_type(name: str, sizes: list[str]) -> DataType:
    if name == "datetime":
        return types.DATETIME
    scale = int(sizes[0]) if sizes else 7
    return types.datetime2(scale) if name == "datetime2" else types.datetimeoffset(scale)


def _name(value: object) -> Scalar:
    return Scalar(types.SYSNAME, value)


def _whole(value: int | bool | None) -> Scalar:
    return Scalar(types.INT, None if value is None else int(value))


def _variant(value: object) -> Scalar:
    return Scalar(types.SQL_VARIANT, value)


def _by_name(known: Mapping[str, Any], name: object) -> Any:
    wanted = str(name).casefold()
    return next((value for key, value in known.items() if key.casefold() == wanted), None)


def _server_property(session: Session, name: object) -> Scalar:
    return _variant(_by_name(session.script.product.properties, name))


def _database_property(session: Session, database: object, name: object) -> Scalar:
    found = session.script.all_databases.get(str(database))
    if found is None:
        return _variant(None)
    known: dict[str, object] = {
        "Collation": session.script.product.collation.name,
        "Status": found.state.upper().replace("SINGLE USER", "ONLINE").replace(" ", "_"),
        "UserAccess": "SINGLE_USER" if found.state == "single user" else "MULTI_USER",
        **found.properties,
    }
    return _variant(_by_name(known, name))


def _has_permission(
    session: Session, securable: object, securable_class: object, permission: object
) -> Scalar:
    wanted = str(permission).upper()
    if securable is None and securable_class is None:
        if wanted not in session.script.product.permissions:
            return _whole(None)
        return _whole(session.account.may(wanted))
    return _whole(session.account.may(f"{securable}: {wanted}"))


def _in_role(session: Session, role: object) -> Scalar:
    return _whole(str(role) in session.account.roles)


def _has_access(session: Session, database: object) -> Scalar:
    known = session.script.all_databases
    if str(database) not in known:
        return _whole(None)
    usable = known[str(database)].state in ("online", "single user")
    return _whole(usable and session.account.enters(str(database)))


def _database_id(session: Session, database: object = None) -> Scalar:
    names = list(session.script.all_databases)
    wanted = session.database if database is None else str(database)
    return _whole(names.index(wanted) + 1 if wanted in names else None)


def _database_name(session: Session, number: object = None) -> Scalar:
    if number is None:
        return _name(session.database)
    names = list(session.script.all_databases)
    return _name(names[int(str(number)) - 1] if int(str(number)) <= len(names) else None)


def _now(kind: DataType, zone: bool, utc: bool = False) -> Callable[[Session], Scalar]:
    def now(session: Session) -> Scalar:
        moment = session.script.now.astimezone(dt.UTC) if utc else session.script.now
        return Scalar(kind, moment if zone else moment.replace(tzinfo=None))

    return now


def _user(session: Session) -> Scalar:
    return _name(session.user)


def _microsoft_version(script: Scripted) -> int:
    major, minor, build = script.product.wire_version
    return major << 24 | minor << 16 | build


_VARIABLES: Mapping[str, Callable[[Session], Scalar]] = {
    "@@VERSION": lambda session: Scalar(types.nvarchar(300), session.script.product.version_text),
    "@@SPID": lambda session: Scalar(types.SMALLINT, session.spid),
    "@@SERVERNAME": lambda session: _name(session.script.product.server_name),
    "@@SERVICENAME": lambda session: _name(session.script.product.instance or "MSSQLSERVER"),
    "@@MICROSOFTVERSION": lambda session: _whole(_microsoft_version(session.script)),
    "@@ROWCOUNT": lambda session: _whole(session.row_count),
    "@@TRANCOUNT": lambda session: _whole(session.transactions),
    "@@LOCK_TIMEOUT": lambda session: _whole(int(session.settings.get("LOCK_TIMEOUT", "-1"))),
    "@@LANGUAGE": lambda session: _name("us_english"),
    "@@MAX_PRECISION": lambda session: Scalar(types.TINYINT, 38),
}
_FUNCTIONS: Mapping[str, Callable[..., Scalar]] = {
    "SERVERPROPERTY": _server_property,
    "DATABASEPROPERTYEX": _database_property,
    "HAS_PERMS_BY_NAME": _has_permission,
    "IS_SRVROLEMEMBER": _in_role,
    "HAS_DBACCESS": _has_access,
    "DB_ID": _database_id,
    "DB_NAME": _database_name,
    "SUSER_NAME": _user,
    "SUSER_SNAME": _user,
    "ORIGINAL_LOGIN": _user,
    "HOST_NAME": lambda session: _name(session.host),
    "APP_NAME": lambda session: _name(session.application),
    "GETDATE": _now(types.DATETIME, zone=False),
    "GETUTCDATE": _now(types.DATETIME, zone=False, utc=True),
    "SYSDATETIME": _now(types.datetime2(), zone=False),
    "SYSUTCDATETIME": _now(types.datetime2(), zone=False, utc=True),
    "SYSDATETIMEOFFSET": _now(types.datetimeoffset(), zone=True),
}
_OF_ERRORS: Mapping[str, Callable[[Error | None], Scalar]] = {
    "ERROR_NUMBER": lambda error: _whole(error and error.number),
    "ERROR_SEVERITY": lambda error: _whole(error and error.severity),
    "ERROR_STATE": lambda error: _whole(error and error.state),
    "ERROR_LINE": lambda error: _whole(error and error.line),
    "ERROR_PROCEDURE": lambda error: _name((error and error.procedure) or None),
    "ERROR_MESSAGE": lambda error: Scalar(types.nvarchar(4000), error and error.text),
}
