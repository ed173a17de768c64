"""What an SQL engine is asked, and the facts that its rows become."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from checkup.api.collectors import Cost
from checkup.api.results import ErrorClass

R = TypeVar("R")

# Where a section's rows come from: the instance as a whole, or each of its databases in turn.
SqlScope = Literal["server", "database"]


@dataclass(frozen=True, slots=True)
class SqlVariant:
    """One statement that only reads, for the versions and editions that it fits.

    It projects the fields of the section's row class, by name and in order. `reads` are the objects it
    names (`sys.databases`, `msdb.dbo.backupset`); `needs` are objects or columns that are asked for
    before it is sent, because the version alone does not tell (`sys.dm_os_host_info`,
    `sys.dm_server_services.instant_file_initialization_enabled`); `rights` are all that the login must
    hold, in the words of the engine's own GRANT. Versions compare as tuples; `before` is the first that
    it no longer fits. `editions` are those that have what it reads (`standard`, `enterprise`), none for
    all.
    """

    text: str
    reads: tuple[str, ...]
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    editions: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keep:
    """Which rows of an answer are kept: those where the whole text of `column`, without the spaces around
    it, matches the regular expression `pattern`. For procedures of a server that may hand out more."""

    column: str
    pattern: str

    def __post_init__(self) -> None:
        re.compile(self.pattern)


@dataclass(frozen=True, slots=True)
class Sql:
    """What one SQL engine is asked; the first variant that fits is sent.

    `row` is a frozen dataclass whose fields are the columns: `str`, `int`, `float`, `bool`, `datetime`
    (UTC), each with `| None` where the server may say NULL; the unit is in the name (`free_bytes`). At
    database scope its first field is `database: str`. `canary` is a second statement of one row and one
    integer, other than 0 where the engine has left rows out without a word for want of a right.
    `cost`: small reads what lies in memory, medium reads catalogues of each database, large reads pages
    of tables or indexes and is sent only with `--deep`. `sampled`: counters of the instance, or what holds
    it up at the moment, which `checkup sample` takes again and again while people work. `keep`: all other
    rows are dropped before anything is stored.

    Raw data: {"server": {...}, "variant": number, "rows": [{column: value}, ...], "missing": {database:
    {"reason", "error"}}}, moments as ISO 8601 in UTC.
    """

    variants: tuple[SqlVariant, ...]
    row: type[Any]
    scope: SqlScope = "server"
    canary: str = ""
    most_rows: int = 500
    timeout_s: int = 15
    cost: Cost = "small"
    sampled: bool = False
    keep: Keep | None = None

    def __post_init__(self) -> None:
        if self.keep and self.keep.column not in {field.name for field in dataclasses.fields(self.row)}:
            raise ValueError(f"{self.row.__name__} has no column {self.keep.column} to keep rows by")


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlServer:
    """The instance that answered. `version` compares as a tuple: (15, 0, 4430, 1), (15, 18), (10, 11, 19).

    `edition` is "express", "web", "standard", "enterprise", "developer" or "evaluation" (SQL Server),
    "mariadb" or "mysql", else "". `started_at` is None where the login may not know. Counters since the
    start say little about an instance that was started yesterday: see `up_s`.
    """

    engine: str
    version: tuple[int, ...]
    edition: str
    platform: str  # "windows", "linux" or ""
    asked_at: datetime
    started_at: datetime | None = None

    @property
    def up_s(self) -> float | None:
        return (self.asked_at - self.started_at).total_seconds() if self.started_at else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A database that could not be looked into."""

    reason: str
    error: ErrorClass | None = None


@dataclass(frozen=True, kw_only=True)
class SqlFacts(Generic[R]):
    """The rows of one section. A section's own facts are a subclass without further fields.

    The engine itself makes "not checked" of each database in `missing`, and of a pass for the instance
    as a whole where any is missing.
    """

    rows: tuple[R, ...]
    server: SqlServer
    missing: Mapping[str, Missing] = field(default_factory=dict[str, Missing])
