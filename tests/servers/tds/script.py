"""What a test gives the server: the product, who may come in, and what statements are answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from .answers import Answer
from .batches import normalised
from .products import SQL_2019, Product

if TYPE_CHECKING:
    from .statements import Statement

State = Literal["online", "restoring", "recovering", "recovery pending", "suspect", "offline", "single user"]


@dataclass(frozen=True)
class Account:
    """A SQL login.

    `permissions`: of the server ("VIEW SERVER STATE"), of a database ("clinic: VIEW DATABASE STATE") or of
    an object ("msdb.dbo.backupset: SELECT"). `databases`: those that it may enter; master and tempdb it
    always may. `default` is entered when the login names none.
    """

    password: str
    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()  # "sysadmin", "##MS_ServerStateReader##"
    databases: frozenset[str] = frozenset()
    default: str = "master"
    refused: Literal["disabled", "locked", "expired", "must change"] | None = None

    @property
    def sysadmin(self) -> bool:
        return "sysadmin" in self.roles

    def may(self, permission: str) -> bool:
        return self.sysadmin or permission in self.permissions or "CONTROL SERVER" in self.permissions

    def enters(self, database: str) -> bool:
        everywhere = self.may("CONNECT ANY DATABASE")
        return everywhere or database in ("master", "tempdb") or database in self.databases


@dataclass(frozen=True)
class Database:
    state: State = "online"
    properties: Mapping[str, object] = field(default_factory=dict)  # of DATABASEPROPERTYEX


SYSTEM_DATABASES: Mapping[str, Database] = {
    name: Database() for name in ("master", "tempdb", "model", "msdb")
}


@dataclass(frozen=True)
class Scripted:
    """A SQL Server that knows its lines.

    A statement is looked up in `answers` by its check id, then by its text (in any case and spacing), then
    `answer` is asked, which says None to what it does not know. Then come the statements that the server
    answers by itself, see `builtin`. To the rest it says error 50000 "not scripted".
    """

    product: Product = SQL_2019
    accounts: Mapping[str, Account] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)  # beside the system's own
    answers: Mapping[str, Answer] = field(default_factory=dict)
    answer: Callable[[Statement], Answer | None] | None = None
    now: dt.datetime = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))

    @cached_property
    def _by_text(self) -> dict[str, Answer]:
        return {normalised(text): answer for text, answer in self.answers.items()}

    @property
    def all_databases(self) -> dict[str, Database]:
        return {**SYSTEM_DATABASES, **self.databases}

    def find(self, statement: Statement) -> Answer | None:
        """The answer that the test gave for it, if any."""
        if statement.check_id is not None and statement.check_id in self.answers:
            return self.answers[statement.check_id]
        if (found := self._by_text.get(statement.key)) is not None:
            return found
        return self.answer(statement) if self.answer else None
