"""A SQL server that answers by the marker of each statement, through no driver at all."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sql_examples import Rows, done, failed

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.servers

from checkup.api import JSON
from checkup.transports.odbc.session import SqlError
from checkup.transports.session import Told, TransportError, untold
from tests.servers.tds.batches import Piece, pieces

Given = Rows | SqlError | TransportError
Answer = Given | Callable[["FakeServer", str], Given]

SQLSERVER_HELLO: Mapping[str, JSON] = {
    "version": "15.0.4430.1",
    "edition": "Standard Edition (64-bit)",
    "engine_edition": 2,
    "server_name": "SRV-DB",
    "banner": "Microsoft SQL Server 2019 - 15.0 (X64)\n\tStandard Edition on Windows Server 2019",
    "login": "checkup_ro",
    "local_now": "2026-06-01T02:00:00",
    "utc_now": "2026-06-01T08:00:00",
}
POSTGRESQL_HELLO: Mapping[str, JSON] = {
    "version_number": "150018",
    "banner": "PostgreSQL 15.18 on x86_64-pc-linux-gnu",
    "login": "checkup_ro",
    "utc_now": "2026-06-01T08:00:00",
    "started_at": "2026-05-01T00:00:00",
}


def one_row(values: Mapping[str, JSON]) -> Rows:
    return Rows(tuple(values), [list(values.values())])


def sqlserver_answers(
    databases: Sequence[tuple[str, str, int]] = (), held: bool = True, **more: Answer
) -> dict[str, Answer]:
    """What a SQL Server of these databases (name, state, whether we may enter) says to the greeting."""
    listed = [[name, state, "MULTI_USER", enters] for name, state, enters in databases]

    def rights(server: FakeServer, text: str) -> Rows:
        count = text.count("HAS_PERMS_BY_NAME") + text.count("IS_SRVROLEMEMBER")
        return Rows(tuple(f"r{n}" for n in range(count)), [[int(held)] * count])

    return {
        "hello": one_row(SQLSERVER_HELLO),
        "hello-since": one_row(
            {"installed_at": "2024-03-01T10:22:11.433", "started_at": "2026-05-20T22:00:00"}
        ),
        "hello-databases": Rows(("name", "state", "user_access", "enters"), listed),
        "hello-rights": rights,
        "hello-objects": Rows(("name",)),
        **more,
    }


def postgresql_answers(databases: Sequence[str] = (), **more: Answer) -> dict[str, Answer]:
    return {
        "hello": one_row(POSTGRESQL_HELLO),
        "hello-identity": one_row({"identifier": "771"}),
        "hello-databases": Rows(("name", "open", "enters"), [[name, True, True] for name in databases]),
        "hello-rights": Rows(("name",)),
        **more,
    }


@dataclass
class FakeServer:
    """`answers` by section name. A number is what SQL Server's CATCH answers; a SqlError ends the batch."""

    answers: Mapping[str, Answer | int]
    texts: list[str] = field(default_factory=list[str])
    opened: list[str] = field(default_factory=list[str])
    entered: list[str] = field(default_factory=list[str])
    refused: dict[str, TransportError] = field(default_factory=dict[str, TransportError])
    database: str = "master"
    closed: int = 0
    drops: bool = False  # sets without rows, as some drivers do

    def open(self, plan: object, facts: object, database: str = "", told: Told = untold) -> FakeServer:
        if database in self.refused:
            raise self.refused[database]
        self.opened.append(database)
        self.database = database or "master"
        return self

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
        assert timeout_s > 0 and most_rows > 0
        self.texts.append(text)
        sets: list[Rows] = []
        for piece in pieces(text):
            if use := re.fullmatch(r"USE [\[`](.*)[\]`]", piece.text.strip("; ")):
                self.database = use[1].replace("]]", "]")
            if piece.check_id is None:
                continue
            if piece.check_id == "database":
                sets += self._told(piece, Rows(("database_name",), [[self.database]]))
                continue
            answer = self.answers[piece.check_id]
            if callable(answer):
                answer = answer(self, piece.text)
            if isinstance(answer, SqlError):
                raise SqlError(answer.sqlstate, answer.number, answer.text, tuple(sets))  # pyright: ignore[reportArgumentType]
            if isinstance(answer, TransportError):
                raise answer
            if isinstance(answer, int):
                sets.append(failed(piece.check_id, answer, "no"))
            else:
                sets += self._told(piece, answer)
        return sets

    def _told(self, piece: Piece, answer: Rows) -> list[Rows]:
        """The rows, and in a batch of SQL Server's what says that they were all."""
        assert piece.check_id is not None
        if not piece.then:
            return [answer]
        count = len(answer.rows) + answer.truncated if "@@ROWCOUNT" in piece.then else None
        kept = [] if self.drops and not answer.rows else [answer]
        return [*kept, done(piece.check_id, count)]

    def enter(self, database: str) -> None:
        self.entered.append(database)
        self.open(None, None, database)

    def close(self) -> None:
        self.closed += 1
