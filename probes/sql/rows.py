"""From the raw rows of a SQL section to its facts."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from checkup.api import JSON, ErrorClass, Missing, SqlFacts, SqlServer

F = TypeVar("F", bound=SqlFacts[Any])

MOST_ROWS = 200_000
MOST_CHARACTERS = 2_000


def reader(facts: type[F], row: type[Any]) -> Callable[[JSON, str, int], F]:
    """The `parse` of a section whose rows are of the class `row`.

    Raises ValueError or KeyError on rows of another shape: a column that is not there, a text where a
    number should be, NULL where the class knows none.
    """

    def parse(raw: JSON, source: str, version: int) -> F:
        if not isinstance(raw, dict):
            raise ValueError("not an object of rows")
        given = raw["rows"]
        if not isinstance(given, list) or len(given) > MOST_ROWS:
            raise ValueError("not a list of rows")
        return facts(
            rows=tuple(_row(row, one) for one in given),
            server=server(raw["server"]),
            missing=_missing(raw.get("missing")),
        )

    return parse


def server(raw: JSON) -> SqlServer:
    """The instance that answered."""
    if not isinstance(raw, dict):
        raise ValueError("nothing is said about the server")
    started = raw.get("started_at")
    return SqlServer(
        engine=_text(raw["engine"]),
        version=tuple(int(part) for part in _text(raw["version"]).split(".")[:5]),
        edition=_text(raw.get("edition", "")),
        platform=_text(raw.get("platform", "")),
        asked_at=_instant(raw["asked_at"]),
        started_at=None if started is None else _instant(started),
    )


def _missing(raw: JSON) -> dict[str, Missing]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ValueError("not an object of missing databases")
    missing: dict[str, Missing] = {}
    for database, why in raw.items():
        if not isinstance(why, dict):
            raise ValueError("a missing database without a reason")
        error = why.get("error")
        missing[database] = Missing(
            reason=_text(why.get("reason", "")), error=ErrorClass(_text(error)) if error else None
        )
    return missing


def _row(row: type[Any], given: JSON) -> Any:
    if not isinstance(given, dict):
        raise ValueError("a row that is not an object")
    return row(**{name: _value(name, kind, given[name]) for name, kind in columns(row).items()})


@cache
def columns(row: type[Any]) -> Mapping[str, Any]:
    """The columns of a row class and their types, in order."""
    hints = typing.get_type_hints(row)
    return {field.name: hints[field.name] for field in dataclasses.fields(row)}


def _value(name: str, kind: Any, value: JSON) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    try:
        return _READ[kind](value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"column {name} is no {kind.__name__}") from None


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value[:MOST_CHARACTERS]


def _integer(value: JSON) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


def _number(value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _flag(value: JSON) -> bool:
    if value in (0, 1):  # a bit of SQL Server, a number of MariaDB, a truth value of PostgreSQL
        return bool(value)
    raise ValueError("not a truth value")


def _instant(value: JSON) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment


_READ = cast(
    "Mapping[Any, Callable[[JSON], Any]]",
    {str: _text, int: _integer, float: _number, bool: _flag, datetime: _instant},
)
