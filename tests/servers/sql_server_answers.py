"""A SQL Server that answers the built-in sections: rows of the probes' samples, for any version and login.

As a real one it wants rights: each statement those that its variant names, with the errors that the server
has for their lack, or with rows left out without a word where the right is one to see metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from checkup import catalogue
from checkup.api import Sql, SqlVariant, Visit
from checkup.sql.batching import CANARY
from checkup.sql.values import columns
from checkup.testing.sql_columns import views

from .tds import (
    SQL_2019,
    Account,
    Answer,
    Column,
    Database,
    Error,
    Needs,
    Product,
    Rows,
    Scripted,
    data_types,
    errors,
)
from .tds.batches import normalised
from .tds.data_types import DataType
from .tds.script import SYSTEM_DATABASES
from .tds.statements import Statement

SAMPLES: Final = Path(__file__).parents[1] / "probes"
USER, PASSWORD = "checkup_ro", "only-for-a-test"

_TYPES: Mapping[type[Any], DataType] = {
    str: data_types.nvarchar(4000),
    int: data_types.BIGINT,
    float: data_types.FLOAT,
    bool: data_types.BIT,
    datetime: data_types.datetime2(3),
}
# Columns by which a row of the whole instance is one database's; in these sections it is not, for something
# else is there once only.
_DATABASE = ("database_name", "database")
_ONCE = ("sqlserver-statements",)
_SYSTEM = frozenset({*SYSTEM_DATABASES, "mssqlsystemresource", "", None})
# A sample shows some of the options only: here all that are shown anywhere.
_OPTIONS = "sqlserver-configuration"
_UP = timedelta(days=60)


def sections(visit: Visit | None = None) -> dict[str, Sql]:
    """What the built-in probes ask of SQL Server, on all visits or on one; by section."""
    probes = [
        entry
        for entry in catalogue.load().entries.values()
        if entry.probe.kind == "sqlserver" and (visit is None or visit in entry.probe.visits)
    ]
    found = {section.name: section.collect.get("sqlserver") for one in probes for section in one.sections}
    return {name: collector for name, collector in sorted(found.items()) if isinstance(collector, Sql)}


def sql_server(
    databases: Sequence[str] | Mapping[str, Database],
    *,
    product: Product = SQL_2019,
    accounts: Mapping[str, Account] | None = None,
    answers: Mapping[str, Answer] | None = None,
    now: datetime = Scripted.now,
) -> Scripted:
    """An instance with these databases. Without `accounts` there is one login, which sees all; `answers`
    stand in the place of a section's own (`name`, or `name:canary`). `now`, on the server's wall clock, is
    the moment at which the samples were taken."""
    there = databases if isinstance(databases, Mapping) else {name: Database() for name in databases}
    samples = _samples()
    own: dict[str, Answer] = {"hello-since": _since(now), "hello-databases": _listed}
    for name, sql in sections().items():
        own[name] = _Section(sql, samples.get(name, {}), tuple(there))
        own[name + CANARY] = _Canary(sql)
    return Scripted(
        product=product,
        accounts={USER: Account(PASSWORD, roles=frozenset({"sysadmin"}))} if accounts is None else accounts,
        databases=there,
        answers={**own, **(answers or {})},
        answer=_objects,
        now=now,
    )


# --- rights -------------------------------------------------------------------------------------

_SQL_2014, _SQL_2022 = (12,), (16,)
_STATES = ("VIEW SERVER STATE", "VIEW DATABASE STATE", "VIEW SERVER PERFORMANCE STATE")
_SEEING = ("VIEW ANY DEFINITION", "VIEW ANY DATABASE")  # without it rows are left out


def wanted(sql: Sql, product: Product) -> list[frozenset[str]]:
    """What an account must have, in the test server's words, for each of the variants that fit a version."""
    return [
        frozenset(permission_of(right, product) for right in _rights(one)) - {""}
        for one in sql.variants
        if _fits(one, product)
    ]


def all_permissions(product: Product) -> frozenset[str]:
    """What all sections together want of this version."""
    return frozenset(one for sql in sections().values() for found in wanted(sql, product) for one in found)


def _rights(variant: SqlVariant) -> frozenset[str]:
    """Those that the variant names, and those that a server wants for what it reads, whether named or not."""
    found = set(variant.rights)
    found |= {f"SELECT ON {name}" for name in variant.reads if name.startswith("msdb.")}
    if any(name.startswith("sys.dm_") for name in variant.reads) and not any(
        right.endswith(" STATE") for right in found
    ):
        found.add("VIEW SERVER STATE")
    return frozenset(found)


def login(product: Product, permissions: Iterable[str], databases: Iterable[str] = ()) -> Account:
    """One that has these; where no permission opens every database, it is a user in `databases`."""
    entered = databases if product.numbers < _SQL_2014 else ()
    return Account(PASSWORD, permissions=frozenset(permissions), databases=frozenset(entered))


def permission_of(right: str, product: Product) -> str:
    """The right as an account of the test server has it, "" where the version has none like it."""
    if found := re.fullmatch(r"(SELECT|EXECUTE) ON (.+)", right):
        return f"{found[2]}: {found[1]}"
    if right in _STATES:
        return "VIEW SERVER PERFORMANCE STATE" if product.numbers >= _SQL_2022 else "VIEW SERVER STATE"
    if right == "VIEW SERVER SECURITY STATE" and product.numbers < _SQL_2022:
        return "VIEW SERVER STATE"
    return right if right in product.permissions else ""


def _holds(statement: Statement, right: str) -> bool:
    account, product = statement.session.account, statement.session.script.product
    permission = permission_of(right, product)
    # The old word covers both of the new ones.
    return account.may(permission) or (permission.endswith(" STATE") and account.may("VIEW SERVER STATE"))


def _denied(statement: Statement, right: str) -> Answer:
    """What the server says for want of the right."""
    product = statement.session.script.product
    if right == "VIEW DATABASE STATE":
        word = "VIEW DATABASE PERFORMANCE STATE" if product.numbers >= _SQL_2022 else right
        return errors.denied_in_database(word, statement.session.database)
    if right == "ALTER TRACE":
        return Error(8189, "You do not have permission to run 'FN_TRACE_GETTABLE'.", 14, 6)
    if right == "VIEW ANY ERROR LOG":  # of what it says Microsoft tells nothing
        return errors.denied_on_object("EXECUTE", "sp_readerrorlog", "mssqlsystemresource", "sys")
    return Needs([permission_of(right, product)], ())


# --- sections -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """Rows as a sample has them; their moments are in UTC, some time before `taken_at`."""

    rows: Sequence[Mapping[str, Any]]
    taken_at: datetime


@dataclass(frozen=True)
class _Section:
    """A section's rows: of each database of the site, for which those of the samples' first stand, and
    beside them those of the system's databases or of none. At database scope they are those of the database
    that the session is in."""

    sql: Sql
    samples: Mapping[str, _Sample]  # by what their rows are of; _EACH: of a database of the site
    databases: Sequence[str]

    def __call__(self, statement: Statement) -> Answer:
        variant = _sent(self.sql, statement)
        if unknown := [name for name in variant.reads if not _has(statement.session.script.product, name)]:
            return errors.invalid_object(unknown[0])
        lacking = [
            right
            for right in sorted(_rights(variant))
            if right != "CONNECT ANY DATABASE" and not _holds(statement, right)
        ]
        for right in lacking:
            if right not in _SEEING:
                return _denied(statement, right)
        kinds = columns(self.sql.row)
        rows = () if lacking else self._rows(statement)
        shown = [Column(name, _TYPES[kind]) for name, kind in kinds.items()]
        return Rows(shown, list(rows))

    def _rows(self, statement: Statement) -> Iterator[tuple[object, ...]]:
        now, kinds = statement.session.script.now, columns(self.sql.row)
        inside = self.sql.scope == "database"
        names = [statement.session.database] if inside else self.databases
        for of, sample in self.samples.items():
            rows: Iterable[Mapping[str, Any]] = () if inside else sample.rows
            if of == _EACH:
                rows = _of_each(sample.rows, _named(self.sql), names)
            for row in rows:
                yield tuple(_value(row.get(name), kind, now, sample.taken_at) for name, kind in kinds.items())


@dataclass(frozen=True)
class _Canary:
    """How many rows a section's statement leaves out."""

    sql: Sql

    def __call__(self, statement: Statement) -> Answer:
        named = {right for one in self.sql.variants for right in one.rights}
        hidden = any(right in named and not _holds(statement, right) for right in _SEEING)
        return Rows((Column("filtered", data_types.INT),), [(int(hidden),)])


def _sent(sql: Sql, statement: Statement) -> SqlVariant:
    """The variant that the statement is; StopIteration on one that no probe wrote. Two versions may be sent
    the same text for other rights: then it is the one that fits."""
    same = [one for one in sql.variants if normalised(one.text) == statement.key]
    fitting = (one for one in same if _fits(one, statement.session.script.product))
    return next(fitting, None) or next(iter(same))


_EACH = "*"


def _named(sql: Sql) -> str:
    """The column that names the database, "" where there is none."""
    return next((one for one in _DATABASE if one in columns(sql.row)), "")


def _of_each(
    rows: Sequence[Mapping[str, Any]], named: str, names: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """The rows of the first database, for each of these."""
    own = [row for row in rows if row[named] == rows[0][named]]
    for name in names:
        for row in own:
            yield {**row, named: name}


def _value(value: Any, kind: type[Any], now: datetime, taken_at: datetime) -> Any:
    """The server tells moments on its own wall clock."""
    if kind is datetime and value is not None:
        moment = datetime.fromisoformat(value) + (now - taken_at)
        return moment.astimezone(now.tzinfo).replace(tzinfo=None)
    return value


def _samples() -> dict[str, dict[str, _Sample]]:
    """For each section, and what its rows are of, the sample that has the most of them."""
    asked = sections()
    found: dict[str, dict[str, _Sample]] = {name: {} for name in asked}
    for file in sorted(SAMPLES.glob("sqlserver.*/*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        taken_at = datetime.fromisoformat(data.get("collected_at", data["now"]))
        for name, given in data.get("sections", {}).items():
            if name in asked and isinstance(given.get("raw"), dict):
                for of, rows in _sorted(name, asked[name], given["raw"].get("rows", ())).items():
                    if of not in found[name] or _told(rows) > _told(found[name][of].rows):
                        found[name][of] = _Sample(rows, taken_at)
    return found


def _told(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How much rows say: NULL says nothing."""
    return len(rows), sum(value is not None for row in rows for value in row.values())


def _sorted(name: str, sql: Sql, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows by what they are of."""
    named = "" if name in _ONCE else _named(sql)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        of = (
            _EACH
            if named and row.get(named) not in _SYSTEM
            else str(row.get("option_name" if name == _OPTIONS else named))
        )
        found.setdefault(of, []).append(row)
    return found


# --- versions -----------------------------------------------------------------------------------


# What a release gained later, and the next release had not at first: from when, and before which version.
_WITH_A_SERVICE_PACK: Mapping[str, Sequence[tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "sys.dm_db_stats_properties": (((10, 50, 4000), (11,)), ((11, 0, 3000), (99,))),
}


def _fits(variant: SqlVariant, product: Product) -> bool:
    newer = variant.before and product.numbers >= variant.before
    return variant.since <= product.numbers and not newer and all(_has(product, one) for one in variant.needs)


def _has(product: Product, need: str) -> bool:
    """Whether the version has this object or column; what the table of the lint does not know, it has."""
    if need in _WITH_A_SERVICE_PACK:
        return any(first <= product.numbers < after for first, after in _WITH_A_SERVICE_PACK[need])
    if (known := views().get(need.lower())) is not None:
        return product.numbers >= known.since
    thing, _, column = need.lower().rpartition(".")
    span = views()[thing].columns.get(column) if thing in views() else None
    return span is None or (
        span.since <= product.numbers and (not span.before or product.numbers < span.before)
    )


# --- the greeting -------------------------------------------------------------------------------


def _since(now: datetime) -> Rows:
    shown = (Column("installed_at", data_types.nvarchar(30)), Column("started_at", data_types.DATETIME))
    return Rows(shown, [("2024-03-01T10:22:11.433", (now - _UP).replace(tzinfo=None))])


def _listed(statement: Statement) -> Answer:
    session = statement.session
    text = data_types.nvarchar(128)
    shown = (Column("name", text), Column("state", text), Column("user_access", text))
    rows = [
        (
            name,
            "ONLINE" if one.state == "single user" else one.state.upper().replace(" ", "_"),
            "SINGLE_USER" if one.state == "single user" else "MULTI_USER",
            int(one.state == "online" and session.account.enters(name)),
        )
        for name, one in sorted(session.script.databases.items())
    ]
    return Rows((*shown, Column("enters", data_types.INT)), rows)


def _objects(statement: Statement) -> Answer | None:
    """To whether objects are there: those that the version has."""
    if not (statement.check_id or "").startswith("hello-objects"):
        return None
    asked = re.findall(r"SELECT N'([^']+)' AS name", statement.text)
    there = [(name,) for name in asked if _has(statement.session.script.product, name)]
    return Rows((Column("name", data_types.nvarchar(300)),), there)
