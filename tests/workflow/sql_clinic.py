"""A clinic with SQL instances, whose own probes ask them, and a SQL Server that knows its lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.servers.tds import (
    SQL_2019,
    Account,
    Answer,
    Column,
    Database,
    Needs,
    Product,
    Rows,
    Scripted,
    Statement,
    data_types,
)
from tests.workflow.conftest import PASSWORD, Clinic, install_probe, outcomes

# Two sections for each engine: one of the instance that needs a right, one of each database.
OWN = """
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    Context, Finding, Impact, NoLevels, NotChecked, Number, Passed, Probe, Result, Section, Sql, SqlFacts,
    SqlVariant, Text,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Session:
    sessions: int


@dataclass(frozen=True, slots=True)
class Tables:
    database: str
    tables: int


class Sessions(SqlFacts[Session]):
    pass


class EachDatabase(SqlFacts[Tables]):
    pass


class Everything(SqlFacts[Session]):
    pass


def server(text: str, right: str, **more: object) -> Sql:
    variant = SqlVariant(text, reads=("x",), rights=(right,) if right else ())
    return Sql((variant,), row=Session, **more)


def each(text: str) -> Sql:
    return Sql((SqlVariant(text, reads=("x",)),), row=Tables, scope="database")


TEXTS = {
    "sqlserver": (
        "SELECT COUNT(*) AS sessions FROM sys.dm_exec_sessions AS s",
        "VIEW SERVER STATE",
        "SELECT DB_NAME() AS [database], COUNT(*) AS tables FROM sys.tables AS t",
    ),
    "postgresql": (
        "SELECT count(*) AS sessions FROM pg_stat_activity AS s",
        "pg_monitor",
        "SELECT current_database()::text AS database, count(*) AS tables FROM pg_tables AS t "
        "WHERE t.schemaname = 'public'",
    ),
    "mariadb": (
        "SELECT COUNT(*) AS sessions FROM information_schema.PROCESSLIST AS p",
        "PROCESS",
        "SELECT DATABASE() AS `database`, COUNT(*) AS tables FROM information_schema.TABLES AS t "
        "WHERE t.TABLE_SCHEMA = DATABASE()",
    ),
}

sessions = Section(
    name="own-sessions", facts=Sessions, parse=reader(Sessions, Session),
    collect={engine: server(text, right) for engine, (text, right, _) in TEXTS.items()},
)
tables = Section(
    name="own-tables", facts=EachDatabase, parse=reader(EachDatabase, Tables),
    collect={engine: each(text) for engine, (_, _, text) in TEXTS.items()},
)
everything = Section(
    name="own-everything", facts=Everything, parse=reader(Everything, Session),
    collect={engine: server(text, "", cost="large") for engine, (text, _, _) in TEXTS.items()},
)


def check_sessions(facts: Sessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed(evidence={"sessions": Number(facts.rows[0].sessions)})


def check_tables(facts: EachDatabase, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    for row in facts.rows:
        if row.tables == 0:
            yield Finding(impact=Impact.NOTE, message="empty", item=row.database)
    yield Passed(evidence={"names": Text(", ".join(row.database for row in facts.rows))})


def check_everything(facts: Everything, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed()


def made(engine: str, name: str, check: object) -> Probe:
    return Probe(
        id=f"own.{engine}-{name}", title="It is as it should be", check=check, levels=NoLevels(), kind=engine,
        messages={"empty": "{item} is empty."}, why="A test.", remedy="None.", verify="None.",
    )


CHECKS = {"sessions": check_sessions, "tables": check_tables, "everything": check_everything}
probes = {
    f"{engine}_{name}": made(engine, name, check)
    for engine in TEXTS
    for name, check in CHECKS.items()
}
globals().update(probes)
"""


@pytest.fixture
def site(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A clinic whose own probes ask SQL servers, beside the built-in ones."""
    monkeypatch.syspath_prepend(install_probe(clinic.folder, OWN))
    clinic.add_local()
    clinic.more["sql"] = []
    return clinic


def add(site: Clinic, name: str, kind: str, port: int, user: str, password: str, **more: Any) -> None:
    site.credentials[name] = {"user": user, "password": f"file:{site.folder / name}.password"}
    (site.folder / f"{name}.password").write_text(password, encoding="utf-8")
    (site.folder / f"{name}.password").chmod(0o600)
    where = {"id": name, "engine": kind, "server": "127.0.0.1", "port": port, "credential": name}
    site.more["sql"].append({**where, "encryption": "clear", **more})


def own(ended: Any, name: str) -> dict[str, str]:
    """The outcomes of the clinic's own checks, by the last part of their names."""
    found = outcomes(ended.assessment, name)
    return {probe.rpartition("-")[2]: outcome for probe, outcome in found.items() if probe.startswith("own.")}


def reasons(ended: Any, name: str) -> dict[tuple[str, str], str]:
    return {
        (one.probe.rpartition("-")[2], one.item): one.reason
        for one in ended.assessment.not_checked
        if one.target == name and one.probe.startswith("own.")
    }


LISTED = (
    Column("name", data_types.SYSNAME),
    Column("state", data_types.nvarchar(60)),
    Column("user_access", data_types.nvarchar(60)),
    Column("enters", data_types.INT),
)
SINCE = Rows(
    (Column("installed_at", data_types.nvarchar(30)), Column("started_at", data_types.DATETIME)),
    [("2024-03-01T10:22:11.433", datetime(2026, 2, 20, 22, 0))],
)


def state_desc(database: Database) -> str:
    """As sys.databases has it."""
    return "ONLINE" if database.state == "single user" else database.state.upper().replace(" ", "_")


def databases(statement: Statement) -> Rows:
    session = statement.session
    return Rows(
        LISTED,
        [
            (
                name,
                state_desc(database),
                "SINGLE_USER" if database.state == "single user" else "MULTI_USER",
                int(database.state == "online" and session.account.enters(name)),
            )
            for name, database in sorted(session.script.databases.items())
        ],
    )


def count(name: str, value: object) -> Rows:
    return Rows((Column(name, data_types.INT),), [(value,)])


def tables(statement: Statement) -> Rows:
    columns = (Column("database", data_types.SYSNAME), Column("tables", data_types.INT))
    return Rows(columns, [(statement.session.database, 3)])


def sql_server(
    account: Account, product: Product = SQL_2019, more: Mapping[str, Answer] | None = None
) -> Scripted:
    return Scripted(
        product=product,
        accounts={"checkup_ro": account},
        databases={
            "ledger": Database(),
            "a]b'c \U0001f600<b>": Database(),
            "old": Database(state="offline"),
            "alone": Database(state="single user"),
        },
        answers={
            "hello-since": SINCE,
            "hello-databases": databases,
            "own-sessions": Needs(["VIEW SERVER STATE"], count("sessions", 7)),
            "own-tables": tables,
            "own-everything": count("sessions", 7),
            **(more or {}),
        },
    )


SEES_ALL = Account(PASSWORD, permissions=frozenset({"VIEW SERVER STATE", "CONNECT ANY DATABASE"}))
