"""From the rows of a result set to a section's raw rows: columns checked, moments in UTC."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from checkup.api import JSON, Keep, Sql
from checkup.sql.batching import NoRows
from checkup.sql.engine import Rows


class ColumnsDiffer(ValueError):
    """The server projected other columns than the section's row class has."""


def raw_rows(answer: Rows, sql: Sql, utc_offset_minutes: int) -> list[dict[str, JSON]]:
    """The rows as raw data: at most `most_rows`, and of these the ones that are to be kept. Raises
    ColumnsDiffer, or ValueError on a moment that is none."""
    wanted = columns(sql.row)
    if tuple(answer.columns) != tuple(wanted) and not isinstance(answer, NoRows):
        raise ColumnsDiffer(f"the answer has the columns {', '.join(answer.columns) or 'none'}"[:200])
    moments = [index for index, kind in enumerate(wanted.values()) if kind is datetime]
    index_of = {name: index for index, name in enumerate(wanted)}
    kept: list[dict[str, JSON]] = []
    for given in answer.rows[: sql.most_rows]:
        if sql.keep is not None and not _matches(sql.keep, given[index_of[sql.keep.column]]):
            continue
        values = list(given)
        for index in moments:
            values[index] = utc_text(values[index], utc_offset_minutes)
        kept.append(dict(zip(wanted, values, strict=True)))
    return kept


def _matches(keep: Keep, value: JSON) -> bool:
    return isinstance(value, str) and re.fullmatch(keep.pattern, value.strip()) is not None


def utc_text(value: JSON, utc_offset_minutes: int) -> str | None:
    """A moment on the server's wall clock as ISO 8601 in UTC; one that has its own offset keeps to that.

    The offset is that of today: a moment on the other side of a change of summer time is an hour off.
    """
    if value is None:
        return None
    moment = moment_of(value)
    if moment.tzinfo is None:
        try:
            moment = (moment - timedelta(minutes=utc_offset_minutes)).replace(tzinfo=UTC)
        except OverflowError:  # year 1 or 9999: a server's way to say never
            moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat()


def moment_of(value: JSON) -> datetime:
    """Raises ValueError on what is no moment."""
    if not isinstance(value, str):
        raise ValueError("no moment")
    return datetime.fromisoformat(value)


@cache
def columns(row: type[Any]) -> Mapping[str, Any]:
    """The columns of a row class and their types without `| None`, in order."""
    hints = typing.get_type_hints(row)
    return {field.name: _bare(hints[field.name]) for field in dataclasses.fields(row)}


def _bare(kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        return next(one for one in typing.get_args(kind) if one is not type(None))
    return kind
