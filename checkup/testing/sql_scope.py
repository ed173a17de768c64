"""Which table, function or query each name of a parsed statement stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from checkup.sql.engine import EngineName
from checkup.testing.sql_names import METHODS, SQLSERVER_DATABASES


@dataclass(frozen=True, slots=True)
class Statement:
    """One parsed statement of an engine."""

    engine: EngineName
    query: exp.Query


Source = exp.Table | exp.Lateral | exp.Query | exp.Expr


def source_of(node: exp.Column) -> Source | None:
    """The table, function or query that the column's alias stands for."""
    return named_here(node, node.table.lower())


def named_here(node: exp.Expr, alias: str) -> Source | None:
    """What is called so in this SELECT or one around it."""
    around = node.find_ancestor(exp.Select)
    while around is not None:
        found = sources_of(around).get(alias)
        if found is not None:
            return found
        around = around.find_ancestor(exp.Select)
    return None


def sources_of(select: exp.Select) -> dict[str, Source]:
    made: dict[str, Source] = {}
    for node in _own_nodes(select):
        if isinstance(node, exp.Table):
            made[node.alias_or_name.lower()] = common_table(node) or node
        elif isinstance(node, exp.Subquery) and node.alias:
            made[node.alias.lower()] = node.unnest()
        elif isinstance(node, exp.Lateral | exp.Values | exp.Unnest) and node.alias:
            inside = node.this if isinstance(node, exp.Lateral) else None
            made[node.alias.lower()] = inside.unnest() if isinstance(inside, exp.Subquery) else node
    return made


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a SELECT without those of the queries inside of it."""
    for key in ("from_", "joins", "laterals"):
        given = select.args.get(key)
        for one in cast("list[exp.Expr]", given if isinstance(given, list) else [given] if given else []):
            yield from one.walk(prune=lambda node: isinstance(node, exp.Query))


def common_table(table: exp.Table) -> exp.Query | None:
    if table.args.get("db") is not None:
        return None
    around = table.parent
    while around is not None:
        bound = around.args.get("with_")
        for one in bound.expressions if isinstance(bound, exp.With) else ():
            if one.alias.lower() == table.name.lower():
                return cast("exp.Query", one.this)
        around = around.parent
    return None


def tables_of(statement: Statement) -> Iterator[exp.Expr]:
    """Everything that is read: tables, and functions that make rows."""
    for node in statement.query.walk():
        if (isinstance(node, exp.Table) and common_table(node) is None) or isinstance(node, exp.Lateral):
            yield node


def object_name(statement: Statement, node: exp.Expr) -> str | None:
    """The object's name as the lists write it; None for rows that the statement makes itself."""
    if isinstance(node, exp.Table):
        called = node.this
        if isinstance(called, exp.Func) and not node.db:
            return None  # a function of the list FUNCTIONS, which sql_words has looked up
        own = called.name if isinstance(called, exp.Anonymous) else node.name
        parts = [node.catalog, node.db, own or called.sql()]
    elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Dot):
        if is_method(statement, node.this):
            return None
        parts = [one.name for one in node.this.flatten()]
    else:
        return None
    name = ".".join(part for part in parts if part).lower()
    return plain_name(statement.engine, name)


def plain_name(engine: EngineName, name: str) -> str:
    name = name.lower()
    if engine == "postgresql":
        return name.removeprefix("pg_catalog.")
    if engine == "sqlserver":
        database, _, rest = name.partition(".")
        if database in SQLSERVER_DATABASES and rest.startswith("sys."):
            return rest
    return name


def results_of(query: exp.Expr) -> list[str]:
    return [one.lower() for one in query.named_selects] if isinstance(query, exp.Query) else []


def branches(query: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(query, exp.SetOperation):
        yield from branches(query.this)
        yield from branches(query.expression)
    elif isinstance(query, exp.Subquery):
        yield from branches(query.this)
    elif isinstance(query, exp.Select):
        yield query


def parts_of(node: exp.Dot) -> list[str]:
    """The names before what is called; none where a value itself stands there."""
    return [one.name.lower() for one in node.flatten() if not isinstance(one, exp.Func)]


def is_method(statement: Statement, node: exp.Dot) -> bool:
    """A method of a column of a table here, `x.record.value(...)`: a schema's function may have its name."""
    if statement.engine != "sqlserver" or node.expression.name.lower() not in METHODS:
        return False
    parts = parts_of(node)
    return not parts or (len(parts) == 2 and named_here(node, parts[0]) is not None)
