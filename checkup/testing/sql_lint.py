"""What in the statements of a SQL section is not plain reading of the engine's own catalogues.

Two proofs, neither trusting the other: every word is on a list (sql_words), and what sqlglot makes of the
statement is one SELECT of allowed parts, which names its columns, reads objects that are listed, and hands
out none that hold texts, values or secrets. For SQL Server, which no test can ask, each column is looked up
in dmv_columns.json for every version that the statement is sent to.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from checkup.api import Sql, SqlVariant
from checkup.sql.engine import EngineName
from checkup.testing import sql_columns, sql_tsql, sql_words
from checkup.testing.sql_allowed import approved
from checkup.testing.sql_names import (
    QUERY_OPTIONS,
    RELATIONS,
    ROW_FUNCTIONS,
    SQLSERVER_BYTES,
    SQLSERVER_CONVERTED,
    SQLSERVER_SCALARS,
    SQLSERVER_SINCE,
    TABLE_HINTS,
)
from checkup.testing.sql_private import private_problems, setting_problems
from checkup.testing.sql_scope import (
    Statement,
    branches,
    is_method,
    object_name,
    parts_of,
    plain_name,
    results_of,
    source_of,
    tables_of,
)

DIALECT: Final[dict[EngineName, str]] = {
    "sqlserver": "tsql",
    "postgresql": "postgres",
    "mariadb": "mysql",
}

# What a reading statement is made of, beside functions, operators and comparisons.
_PARTS: Final = (
    *(exp.Select, exp.SetOperation, exp.Subquery, exp.With, exp.CTE, exp.From, exp.Join, exp.Lateral),
    *(exp.Table, exp.TableAlias, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit),
    *(exp.LimitOptions, exp.Distinct, exp.Column, exp.Identifier, exp.Alias, exp.Literal, exp.Boolean),
    *(exp.Null, exp.Star, exp.Paren, exp.Tuple, exp.Dot, exp.DataType, exp.DataTypeParam, exp.Interval),
    *(exp.Window, exp.WindowSpec, exp.WithinGroup, exp.Filter, exp.Values, exp.Bracket, exp.Var),
    *(exp.WithTableHint, exp.QueryOption, exp.Parameter, exp.SessionParameter, exp.Interval, exp.Escape),
    *(
        exp.National,
        exp.HexString,
        exp.JSONPath,
        exp.JSONPathRoot,
        exp.JSONPathKey,
        exp.JSONValue,
        exp.IgnoreNulls,
        exp.IntervalSpan,
    ),
    *(exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.Between, exp.In, exp.Collate, exp.AtTimeZone),
)
_NO_PARTS: Final = (exp.NextValueFor, exp.PropertyEQ, exp.Into, exp.Lock, exp.Command)

# Through these a value comes out as it went in.
_PASSING: Final = (exp.Max, exp.Min, exp.Coalesce, exp.Case, exp.If, exp.Paren, exp.Alias, exp.Nullif)


def problems(engine: EngineName, sql: Sql) -> list[str]:
    """Everything that is wrong with the statements of a collector, a sentence each."""
    found = [] if sql.variants else ["it has no statement"]
    fields = tuple(field.name for field in dataclasses.fields(sql.row))
    for number, variant in enumerate(sql.variants):
        found += [f"variant {number}: {text}" for text in variant_problems(engine, variant, fields)]
    if sql.scope == "database" and fields[:1] != ("database",):
        found.append("at database scope the first field of the row is `database`")
    if sql.canary:
        found += [f"canary: {text}" for text in canary_problems(engine, sql)]
    return found + list(dict.fromkeys(_keep_problems(engine, sql)))


_CONSTANT: Final = re.compile(r"N'([^']*)'")
_SOMEBODY: Final = "Ada Lovelace, born 1815"


def _keep_problems(engine: EngineName, sql: Sql) -> Iterator[str]:
    """What a procedure hands out beside what was asked for must go before anything is stored."""
    for variant in sql.variants:
        form = approved(engine, variant.text)
        if form is None or not form.free_text:
            continue
        if sql.keep is None or sql.keep.column != form.free_text:
            yield f"{form.free_text} may hold anything: say with `keep` which of its texts are stored"
            continue
        asked = " ".join(_CONSTANT.findall(variant.text))
        for line in ("", _SOMEBODY, f"{asked} {_SOMEBODY}", f"{_SOMEBODY} {asked}"):
            if re.fullmatch(sql.keep.pattern, line):
                yield f"keep lets free text through: {line!r}"


def variant_problems(engine: EngineName, variant: SqlVariant, fields: Sequence[str]) -> list[str]:
    form = approved(engine, variant.text)
    if form is not None:
        return form.problems(variant.reads, fields)
    statement = _read(engine, variant.text)
    if isinstance(statement, list):
        return statement
    found = [
        *_statement_problems(statement),
        *_projection_problems(statement, fields),
        *_reads_problems(statement, variant),
    ]
    if engine == "sqlserver":
        found += _version_problems(statement, variant)
    return list(dict.fromkeys(found))


def canary_problems(engine: EngineName, sql: Sql) -> list[str]:
    """A canary is one SELECT of one number, for every version that the section's variants fit."""
    statement = _read(engine, sql.canary)
    if isinstance(statement, list):
        return statement
    found = [*_statement_problems(statement), *_single_number_problems(statement)]
    if engine == "sqlserver":
        for variant in sql.variants:
            found += _version_problems(statement, variant)
    return list(dict.fromkeys(found))


def text_problems(engine: EngineName, text: str) -> list[str]:
    """What is wrong with a statement that no row class belongs to: one of the engines' own."""
    if approved(engine, text) is not None:
        return []
    statement = _read(engine, text)
    return statement if isinstance(statement, list) else list(dict.fromkeys(_statement_problems(statement)))


def _read(engine: EngineName, text: str) -> Statement | list[str]:
    """The statement, or why it is none."""
    if found := sql_words.problems(engine, text):
        return found
    try:
        parsed = sqlglot.parse(text, read=DIALECT[engine])
    except SqlglotError as problem:
        first = str(problem).splitlines()[0]
        return [f"sqlglot cannot read it as {DIALECT[engine]}: {first}"]
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Select | exp.SetOperation):
        return ["it is not one SELECT"]
    return Statement(engine, parsed[0])


# --- what it is made of -------------------------------------------------------------------------


def _statement_problems(statement: Statement) -> Iterator[str]:
    for node in statement.query.walk():
        yield from _node_problems(statement, node)
    for node in tables_of(statement):
        name = object_name(statement, node)
        if name is not None and not _is_listed(statement.engine, name):
            yield (
                f"{name} is not on the list of what may be read "
                f"({'dmv_columns.json' if statement.engine == 'sqlserver' else 'RELATIONS of sql_names'})"
            )
        if name == "sys.fn_trace_gettable" and not _reads_own_trace(node):
            yield "sys.fn_trace_gettable reads the file that sys.traces names, none by a constant"
        renamed = node.args.get("alias")
        if name is not None and isinstance(renamed, exp.TableAlias) and renamed.columns:
            yield f"{name}: its columns keep their names"
    if statement.engine == "sqlserver":
        yield from sql_tsql.problems(statement.query)


def _reads_own_trace(node: exp.Expr) -> bool:
    call = next(node.find_all(exp.Anonymous), None)
    return call is not None and bool(call.expressions) and call.expressions[0].find(exp.Column) is not None


def _node_problems(statement: Statement, node: exp.Expr) -> Iterator[str]:
    if not isinstance(node, _PARTS) or isinstance(node, _NO_PARTS):
        yield f"{type(node).__name__} is no part of a statement that only reads"
    elif isinstance(node, exp.Star):
        if not isinstance(node.parent, exp.Count):
            yield "name the columns: * is whatever a later version makes of it"
    elif isinstance(node, exp.WithTableHint):
        hints = {one.name.lower() for one in node.expressions}
        if not hints <= TABLE_HINTS:
            yield f"table hint {', '.join(sorted(hints - TABLE_HINTS))} may lock"
    elif isinstance(node, exp.QueryOption):
        if node.name.lower() not in QUERY_OPTIONS:
            yield f"OPTION ({node.name}) is not on the list QUERY_OPTIONS of sql_names"
    elif isinstance(node, exp.Dot):
        yield from _dot_problems(statement, node)
    elif isinstance(node, exp.Column):
        yield from _column_problems(statement, node)
    elif isinstance(node, exp.Func):
        yield from setting_problems(node)


def _dot_problems(statement: Statement, node: exp.Dot) -> Iterator[str]:
    """A method of an XML column, or a function of a schema that gives one value."""
    called = node.expression
    if not isinstance(called, exp.Func) or isinstance(node.parent, exp.Lateral):
        return  # no call; or one that makes rows, which is judged as an object
    name = called.name.lower() if isinstance(called, exp.Anonymous) else called.sql_name().lower()
    parts = parts_of(node)
    own = statement.engine == "sqlserver" and parts[-1:] == ["sys"] and name in SQLSERVER_SCALARS
    if not own and not is_method(statement, node):
        yield f"{'.'.join(parts)}.{name}() is not on a list: METHODS or SQLSERVER_SCALARS of sql_names"


def _column_problems(statement: Statement, node: exp.Column) -> Iterator[str]:
    if not node.table:
        argument = isinstance(node.parent, exp.Anonymous) and node.name.lower() == "default"
        if not _is_own_name(node) and not (argument and statement.engine == "sqlserver"):
            yield f"{node.name} has no table before it: write alias.{node.name}"
        return
    source = source_of(node)
    if source is None:
        yield f"{node.table}.{node.name}: nothing here is called {node.table}"
        return
    if isinstance(source, exp.Query):
        if node.name.lower() not in results_of(source):
            yield f"{node.table}.{node.name}: {node.table} projects no such column"
        return
    name = object_name(statement, source)
    if name is None:
        return
    if statement.engine == "postgresql" and ROW_FUNCTIONS.fullmatch(node.name.lower()):
        yield f"{node.table}.{node.name} may be a function of the whole row"
    yield from private_problems(statement, node, name)


def _is_own_name(node: exp.Column) -> bool:
    """A name of the statement's own result in ORDER BY or GROUP BY; or what only looks like a column."""
    holder = node.find_ancestor(exp.Order, exp.Group, exp.Query)
    query = node.find_ancestor(exp.Query)
    if isinstance(holder, exp.Order | exp.Group) and query is not None and not node.find_ancestor(exp.Window):
        return node.name.lower() in results_of(query)
    return False


def _is_listed(engine: EngineName, name: str) -> bool:
    return sql_columns.is_known(name) if engine == "sqlserver" else name in RELATIONS[engine]


# --- what comes out -----------------------------------------------------------------------------


def _projection_problems(statement: Statement, fields: Sequence[str]) -> Iterator[str]:
    selects = list(branches(statement.query))
    for number, branch in enumerate(selects):
        given = branch.expressions
        if len(given) != len(fields):
            yield f"it projects {len(given)} columns, the row class has {len(fields)}"
            return
        if number == 0:
            unnamed = [one.sql()[:40] for one in given if not isinstance(one, exp.Alias)]
            yield from (f"name the result with AS: {text}" for text in unnamed)
            names = tuple(one.alias for one in given if isinstance(one, exp.Alias))
            if not unnamed and names != tuple(fields):
                yield f"it projects {', '.join(names)}, the fields of the row are {', '.join(fields)}"
        for one in given:
            yield from _type_problems(statement, one)


def _type_problems(statement: Statement, projected: exp.Expr) -> Iterator[str]:
    """Columns of types that no driver hands out, which come out as they are."""
    if statement.engine != "sqlserver":
        return
    for node in _passed(projected):
        if isinstance(node, exp.Anonymous) and node.name.lower() in ("serverproperty", "databasepropertyex"):
            yield f"{node.name}() is a sql_variant: CONVERT it"
        if not isinstance(node, exp.Column) or not node.table:
            continue
        source = source_of(node)
        if isinstance(source, exp.Query):
            for branch in branches(source):
                inner = {one.alias_or_name.lower(): one for one in branch.expressions}
                if node.name.lower() in inner:
                    yield from _type_problems(statement, inner[node.name.lower()])
        elif source is not None:
            name = object_name(statement, source) or ""
            column = node.name.lower()
            if column in SQLSERVER_CONVERTED.get(name, frozenset()) or SQLSERVER_BYTES.fullmatch(column):
                yield f"{name}.{node.name} is of a type that no driver hands out: CONVERT it"


def _passed(node: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of an expression whose value comes out unchanged."""
    if isinstance(node, exp.Case):
        results = [one.args.get("true") for one in node.args.get("ifs", [])] + [node.args.get("default")]
        for one in results:
            if isinstance(one, exp.Expr):
                yield from _passed(one)
    elif isinstance(node, exp.Nullif):
        yield from _passed(node.this)
    elif isinstance(node, _PASSING):
        for one in node.iter_expressions():
            if not isinstance(one, exp.Identifier):
                yield from _passed(one)
    else:
        yield node


def _single_number_problems(statement: Statement) -> Iterator[str]:
    query = statement.query
    if not isinstance(query, exp.Select) or len(query.expressions) != 1:
        yield "it is one SELECT of one number"
        return
    if query.args.get("group") is not None:
        yield "it gives one row: no GROUP BY"
    if query.args.get("from_") is None:
        return
    for node in query.expressions[0].find_all(exp.Column):
        if node.find_ancestor(exp.Select) is query and node.find_ancestor(exp.AggFunc) is None:
            yield f"it gives one row: {node.sql()} is not inside of COUNT, SUM, MIN or MAX"


# --- objects and versions -----------------------------------------------------------------------


def _objects(statement: Statement) -> dict[str, exp.Expr]:
    found = ((object_name(statement, node), node) for node in tables_of(statement))
    return {name: node for name, node in found if name is not None}


def _reads_problems(statement: Statement, variant: SqlVariant) -> Iterator[str]:
    declared = {plain_name(statement.engine, name.removesuffix("()")) for name in variant.reads}
    read = set(_objects(statement))
    # Functions without a schema are no objects here; a variant may name them all the same.
    called = {node.name.lower() for node in statement.query.find_all(exp.Anonymous)}
    for name in sorted(read - declared):
        yield f"it reads {name}, which `reads` does not say"
    for name in sorted(declared - read - called):
        yield f"`reads` says {name}, which it does not read"


def _version_problems(statement: Statement, variant: SqlVariant) -> Iterator[str]:
    """Columns and functions that a version this variant is sent to does not have."""
    needs = frozenset(plain_name("sqlserver", need) for need in variant.needs)
    span = sql_columns.Span(variant.since, variant.before)
    for name in _objects(statement):
        yield from sql_columns.object_problems(name, span, needs)
    for node in statement.query.find_all(exp.Column):
        source = source_of(node) if node.table else None
        name = object_name(statement, source) if isinstance(source, exp.Table | exp.Lateral) else None
        if name is not None:
            yield from sql_columns.column_problems(name, node.name.lower(), span, needs)
    for name in sql_words.called("sqlserver", variant.text):
        since = SQLSERVER_SINCE.get(name, ())
        if span.lowest < since:
            yield f"{name.upper()}() came with version {sql_columns.dotted(since)}"


def engine_of(source: str) -> EngineName | None:
    """The engine whose statements a section's source takes; None for a source that is no SQL engine."""
    return next((engine for engine in DIALECT if engine == source), None)
