"""Instances, sections and answers that the tests of the SQL engines' pure part share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checkup.api import JSON, Sql, SqlVariant
from checkup.sql.batching import DONE, FAILED
from checkup.sql.engine import Database, EngineName, Instance

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """A result set as the transport hands it out."""

    columns: tuple[str, ...]
    rows: list[list[JSON]] = field(default_factory=list[list[JSON]])
    truncated: bool = False


def failed(name: str, number: int, text: str = "") -> Rows:
    return Rows((FAILED, "number", "state", "message"), [[name, number, 1, text]])


def done(name: str, count: int | None) -> Rows:
    return Rows((DONE, "row_count"), [[name, count]])


@dataclass(frozen=True, slots=True)
class Job:
    job: str
    last_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Size:
    database: str
    used_bytes: int


def sql(*variants: SqlVariant, row: type[object] = Job, rights: Iterable[str] = (), **more: object) -> Sql:
    chosen = variants or (SqlVariant("SELECT 1 AS job", reads=("sys.x",), rights=tuple(rights)),)
    return Sql(chosen, row=row, **more)  # pyright: ignore[reportArgumentType]


def instance(
    engine: EngineName = "sqlserver",
    version: tuple[int, ...] = (15, 0, 4430, 1),
    *,
    edition: str = "standard",
    rights: Iterable[str] = (),
    objects: Iterable[str] = (),
    databases: Iterable[Database] = (),
    login: str = "checkup_ro",
) -> Instance:
    return Instance(
        engine=engine,
        identity=f"{engine}:1",
        version=version,
        edition=edition,
        platform="windows",
        login=login,
        asked_at=NOW,
        started_at=None,
        databases=tuple(databases),
        rights=frozenset(rights),
        objects=frozenset(objects),
    )
