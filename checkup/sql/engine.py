"""What one SQL engine is asked first, and what its answers say of the instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from checkup.api import JSON

EngineName = Literal["sqlserver", "postgresql", "mariadb"]
Row = Mapping[str, JSON]
Answers = Mapping[str, Sequence[Row]]

# A statement waits no longer for a lock of the site's own work, in seconds. Longer waits would themselves
# hold up who comes after us.
LOCK_WAIT_S = 5


class Rows(Protocol):
    """One result set as the transport hands it out."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> list[list[JSON]]: ...
    @property
    def truncated(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Statement:
    """One text of the greeting. Its answer is filed under `name`; without `required` a server that refuses
    it leaves that part unknown."""

    name: str
    text: str
    required: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wants:
    """What the planned sections ask for: rights and objects, each in the words of `SqlVariant`."""

    rights: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A database of the instance. `unavailable` says why nobody can look into it now; `enters`, whether
    this login may."""

    name: str
    unavailable: str = ""
    enters: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """The instance that answered, and what this login may see there.

    `databases` are those of the site, without the engine's own. `rights` and `objects` are the words of
    `Wants` that it holds and has; `untold` those of which it would not say. `utc_offset_minutes` turns the
    server's wall clock into UTC. `identity` is "" where the server tells nothing that would be the same
    tomorrow.
    """

    engine: EngineName
    identity: str
    version: tuple[int, ...]
    edition: str
    platform: str
    login: str
    asked_at: datetime
    started_at: datetime | None
    utc_offset_minutes: int = 0
    databases: tuple[Database, ...] = ()
    rights: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    def as_json(self) -> dict[str, JSON]:
        """What goes with each section's rows."""
        return {
            "engine": self.engine,
            "version": self.version_text,
            "edition": self.edition,
            "platform": self.platform,
            "asked_at": self.asked_at.isoformat(),
            "started_at": self.started_at.isoformat() if self.started_at else None,
        }


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One kind of SQL server.

    `opening` are the texts sent right after the login, which make the session harmless and, where they can,
    bound each statement to `first_limit_s`; `limit` gives the text for another bound, "" where the driver
    keeps to it. `hello` asks who answers, and `read` understands what comes back; it raises ValueError or
    LookupError on answers that cannot be these. `quoted` writes a database's name so that it is nothing else.
    `several`: one round trip takes several statements, one of which may fail alone. `session_each`: a
    database is entered by a connection of its own.
    """

    name: EngineName
    title: str
    login_database: str
    opening: tuple[str, ...]
    limit: Callable[[Instance, int], str]
    hello: Callable[[Wants], tuple[Statement, ...]]
    read: Callable[[Answers, Wants], Instance]
    quoted: Callable[[str], str]
    first_limit_s: int = 0
    several: bool = False
    session_each: bool = False


def records(answer: Rows) -> list[dict[str, JSON]]:
    """The rows of a result set by the names of their columns."""
    return [dict(zip(answer.columns, row, strict=False)) for row in answer.rows]


def text_of(row: Row, column: str) -> str:
    """A text, "" for NULL; raises LookupError where there is no such column."""
    value = row[column]
    return "" if value is None else str(value)


def number_of(row: Row, column: str) -> int:
    """A whole number; raises ValueError on anything else."""
    value = row[column]
    if not isinstance(value, int | float | str):
        raise ValueError(f"{column} is no number")
    return int(value)


def is_set(row: Row, column: str) -> bool:
    """True for 1 and true, whatever type a driver makes of it; NULL is no."""
    return row.get(column) in (1, True, "1", "t", "true")


def literal(text: str) -> str:
    """A text between single quotes, in every engine's standard way."""
    return "'" + text.replace("'", "''") + "'"
