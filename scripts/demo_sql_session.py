"""A session with the clinic's SQL Server from a recording, in place of ODBC: the demo needs no driver."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from demo_sqlserver import BUILD, DATABASES, INSTALLED_DAYS, UP_DAYS, Instance

from checkup.api import JSON, Sql
from checkup.catalogue import AnySection
from checkup.sql.batching import DONE, FAILED
from checkup.sql.values import columns
from checkup.transports.odbc import session as odbc
from checkup.transports.odbc.session import ResultSet
from checkup.transports.session import ConnectionFacts
from tests.servers.tds.batches import pieces

ADDRESS = "srv-db.cedar-ridge.example:1433"

# The account was made by an older version of the access request, which did not ask for these.
NOT_GRANTED = ("xp_readerrorlog", "VIEW ANY ERROR LOG", "sysalerts", "ALTER TRACE")
NOT_GRANTED += ("CONNECT ANY DATABASE",)
NOT_THERE = ("sys.dm_os_memory_health_history",)  # came with a later version


@dataclass
class RecordedSession:
    """Answers each statement by the marker that names its section, as transports/odbc would hand it out."""

    one: Instance
    columns: Mapping[str, Sequence[str]]
    database: str = "master"

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]:
        sets: list[ResultSet] = []
        for piece in pieces(text):
            if use := re.fullmatch(r"USE \[(.*)\]", piece.text.strip("; ")):
                self.database = use[1].replace("]]", "]")
            if piece.check_id is not None:
                answer = self._answer(piece.check_id, piece.text)
                sets.append(answer)
                if DONE in piece.then and answer.columns[0] != FAILED:
                    count = len(answer.rows) if "@@ROWCOUNT" in piece.then else None
                    sets.append(ResultSet((DONE, "row_count"), [[piece.check_id, count]]))
        return sets

    def enter(self, database: str, **_: object) -> None:
        self.database = database

    def close(self) -> None:
        pass

    def _answer(self, name: str, text: str) -> ResultSet:
        if name == "database":
            return ResultSet(("database_name",), [[self.database]])
        if name.endswith(":canary"):
            return ResultSet(("filtered",), [[0]])
        if name.startswith("hello"):
            return self._hello(name, text)
        rows, columns = self.one.sections.get(name), tuple(self.columns[name])
        if rows is None:
            return _not_there(name)
        if columns[0] == "database":
            rows = [row for row in rows if row["database"] == self.database]
        return ResultSet(tuple(rows[0]) if rows else columns, [list(row.values()) for row in rows])

    def _hello(self, name: str, text: str) -> ResultSet:
        """Who answers, and what the login may do there."""
        now = self.one.ago(0)
        match name:
            case "hello":
                return _one_row(
                    version=BUILD,
                    edition="Standard Edition (64-bit)",
                    engine_edition=2,
                    server_name="SRV-DB",
                    banner="Microsoft SQL Server 2019 (X64) Standard Edition on Linux (Ubuntu 20.04)",
                    login="checkup_ro",
                    local_now=now,
                    utc_now=now,
                )
            case "hello-since":
                installed = self.one.before_today(INSTALLED_DAYS)
                # The moment of the installation is the instance's identity: the same at every visit.
                return _one_row(installed_at=(installed or "")[:10], started_at=self.one.ago(UP_DAYS))
            case "hello-databases":
                listed: list[list[JSON]] = [
                    [each.name, "ONLINE", "MULTI_USER", int(each.enters)] for each in DATABASES
                ]
                return ResultSet(("name", "state", "user_access", "enters"), listed)
            case "hello-rights":
                asked = re.split(r" AS r\d+", text)[:-1]
                held: list[JSON] = [int(not any(right in one for right in NOT_GRANTED)) for one in asked]
                return ResultSet(tuple(f"r{number}" for number in range(len(held))), [held])
            case _:
                there: list[list[JSON]] = [
                    [thing]
                    for thing in re.findall(r"SELECT N'([^']+)' AS name", text)
                    if not thing.startswith(NOT_THERE)
                ]
                return ResultSet(("name",), there)


def _not_there(section: str) -> ResultSet:
    """What SQL Server's CATCH says of an object that this version does not have; tests/test_demo.py names the
    sections that nobody has recorded yet."""
    return ResultSet((FAILED, "number", "state", "message"), [[section, 208, 1, "Invalid object name."]])


def _one_row(**values: JSON) -> ResultSet:
    return ResultSet(tuple(values), [list(values.values())])


def columns_of(sections: Mapping[str, AnySection]) -> dict[str, tuple[str, ...]]:
    """The columns of each section that a SQL Server is asked for."""
    asked = ((name, section.collect.get("sqlserver")) for name, section in sections.items())
    return {name: tuple(columns(sql.row)) for name, sql in asked if isinstance(sql, Sql)}


@contextmanager
def in_place_of_odbc(
    at: datetime, days: int, known: Callable[[], Mapping[str, AnySection]]
) -> Generator[None]:
    """Until the end of the block every connection to a SQL instance is one to this recording."""

    def open_recorded(*_: object, facts: ConnectionFacts, **__: object) -> RecordedSession:
        facts.address, facts.reached, facts.server = ADDRESS, True, f"SQL Server {BUILD}"
        facts.round_trip_s, facts.encryption = 0.011, "validated"
        return RecordedSession(Instance(at, days), columns_of(known()))

    opened = odbc.open_sql
    odbc.open_sql = open_recorded  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        odbc.open_sql = opened
