"""The tables, in types that SQLite and PostgreSQL both know.

What came from a client's machine lies in compressed JSON; columns hold identifiers, words, times
and numbers. A change here needs a migration: a test compares the two.
"""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from checkup.api import JSON, ErrorClass, Quality, Visit
from checkup.store.records import RunState

# The first byte of a blob says how the rest is packed, so that a better way can come later.
ZLIB_JSON = b"\x01"
LEVEL = 6


class Utc(TypeDecorator[datetime]):
    """A moment. Naive ones are refused: nobody knows when they are."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a time without a time zone cannot be stored: {value.isoformat()}")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        # SQLite keeps no zone: what it gives back is UTC because nothing else goes in.
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class CompressedJson(TypeDecorator[JSON]):
    """Plain JSON data: one format byte, then zlib. None is stored too, as the JSON null."""

    impl = LargeBinary
    cache_ok = True
    should_evaluate_none = True

    def process_bind_param(self, value: JSON, dialect: Dialect) -> bytes:
        # ASCII escapes carry any text a machine can send, unpaired surrogates included.
        text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
        return ZLIB_JSON + zlib.compress(text.encode("ascii"), LEVEL)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> JSON:
        if value is None:
            return None
        if value[:1] != ZLIB_JSON:
            raise ValueError("packed in a way that this version does not know, or damaged")
        try:
            return json.loads(zlib.decompress(value[1:]))
        except zlib.error as error:
            raise ValueError(f"damaged: {error}") from error


class Line(TypeDecorator[str]):
    """Text of our own that may quote a machine: what no database takes is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value and value.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


class Word(TypeDecorator[StrEnum]):
    """A word out of a closed list."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
    }
)


def _required(name: str, kind: Any, *more: Any) -> Column[Any]:
    return Column(name, kind, *more, nullable=False)


def _number() -> Column[Any]:
    return Column("id", Integer, primary_key=True)


visit = Table(
    "visit",
    metadata,
    _number(),
    _required("site", Text),
    _required("visit", Word(Visit)),
    _required("opened_at", Utc),
    Column("closed_at", Utc),
    # The kind while the visit is open, else null: so there is at most one open visit of a kind.
    # An interim visit closes nothing and never has it.
    Column("open_as", Word(Visit)),
    UniqueConstraint("site", "open_as"),
)

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    _required("site", Text),
    _required("visit_id", Integer, ForeignKey("visit.id")),
    _required("visit", Word(Visit)),
    _required("started_at", Utc),
    Column("finished_at", Utc),
    _required("state", Word(RunState)),
    _required("tool_version", Text),
    _required("site_json", CompressedJson),
    _required("plan_json", CompressedJson),
    _required("station_json", CompressedJson),
    _required("owner_host", Line),
    _required("owner_pid", Integer),
    _required("owner_started_at", Utc),
    Index(None, "site", "started_at"),
    Index(None, "visit_id"),
)

script = Table(
    "script",
    metadata,
    Column("sha256", Text, primary_key=True),
    _required("text", CompressedJson),
)

ledger = Table(
    "ledger",
    metadata,
    _number(),
    _required("run_id", Text, ForeignKey("run.id")),
    _required("endpoint", Text),
    _required("transport", Text),
    _required("at", Utc),
    _required("sha256", Text, ForeignKey("script.sha256")),
    _required("sent_bytes", BigInteger),
    Column("returned_bytes", BigInteger),
    Column("ended_at", Utc),
    _required("outcome", Line),
    Index(None, "run_id"),
)

endpoint_snapshot = Table(
    "endpoint_snapshot",
    metadata,
    _number(),
    _required("run_id", Text, ForeignKey("run.id")),
    _required("endpoint", Text),
    _required("started_at", Utc),
    _required("finished_at", Utc),
    _required("complete", Boolean),
    Column("error", Word(ErrorClass)),
    _required("noise_bytes", BigInteger),
    # targets, connection, hello, noise, reason
    _required("details", CompressedJson),
    UniqueConstraint("run_id", "endpoint"),
)

section_snapshot = Table(
    "section_snapshot",
    metadata,
    Column("endpoint_snapshot_id", Integer, ForeignKey("endpoint_snapshot.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _required("target", Text),
    _required("section", Text),
    _required("version", Integer),
    _required("source", Text),
    _required("quality", Word(Quality)),
    _required("collected_at", Utc),
    _required("raw", CompressedJson),
    Column("error", Word(ErrorClass)),
    _required("reason", Line),
    Column("milliseconds", BigInteger),
    _required("payload_bytes", BigInteger),
)

# What `checkup sample` took of a section at one moment; the order of the numbers is that of the moments.
sample = Table(
    "sample",
    metadata,
    _number(),
    _required("run_id", Text, ForeignKey("run.id")),
    _required("endpoint", Text),
    _required("target", Text),
    _required("section", Text),
    _required("version", Integer),
    _required("source", Text),
    _required("quality", Word(Quality)),
    _required("collected_at", Utc),
    _required("raw", CompressedJson),
    Column("error", Word(ErrorClass)),
    _required("reason", Line),
    Column("milliseconds", BigInteger),
    _required("payload_bytes", BigInteger),
    Index(None, "run_id"),
)

identity = Table(
    "identity",
    metadata,
    Column("site", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    _required("identity", Line),
    _required("pinned_at", Utc),
)

assessment = Table(
    "assessment",
    metadata,
    _number(),
    _required("visit_id", Integer, ForeignKey("visit.id")),
    _required("clock", Utc),
    _required("created_at", Utc),
    _required("tool_version", Text),
    _required("body", CompressedJson),
    Index(None, "visit_id"),
)

delivery = Table(
    "delivery",
    metadata,
    _number(),
    _required("assessment_id", Integer, ForeignKey("assessment.id")),
    _required("at", Utc),
    _required("folder", Line),
    _required("sha256", Text),
    _required("how", Line),
    Index(None, "assessment_id"),
)
