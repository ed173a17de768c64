"""Columns and settings that hold texts, values or secrets: compared, never handed out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from checkup.testing.sql_names import GUARDED, HARMLESS_SETTINGS, JSON_PARTS, PRIVATE, SECRET_SETTINGS
from checkup.testing.sql_scope import Statement

# Where a private column may stand: compared, after having been brought into shape.
_COMPARING: Final = (exp.Predicate, exp.In, exp.Between, exp.Is)
_SHAPING: Final = (
    *(
        exp.Lower,
        exp.Upper,
        exp.Trim,
        exp.Coalesce,
        exp.Cast,
        exp.Convert,
        exp.Collate,
        exp.Paren,
        exp.Length,
    ),
    *(exp.Left, exp.Substring, exp.Concat, exp.JSONExtract, exp.JSONExtractScalar, exp.JSONValue, exp.Nullif),
)


def private_problems(statement: Statement, node: exp.Column, name: str) -> Iterator[str]:
    column = node.name.lower()
    private = column in PRIVATE[statement.engine].get(name, frozenset())
    if private and not _only_compared(node) and not _harmless_part(node, name):
        yield f"{name}.{column} may be compared, but not handed out: it holds texts, values or secrets"
    by, guarded = GUARDED[statement.engine].get(name, ("", frozenset[str]()))
    if column in guarded:
        named = _named_settings(node, by)
        if named is None:
            yield f"{name}.{column} is handed out only of settings that the statement names: {by} IN ('…')"
        else:
            secret = sorted(one for one in named if _is_secret(one))
            yield from (f"the setting {one} may hold a secret or a text of the site's" for one in secret)


def _only_compared(node: exp.Expr) -> bool:
    above = node.parent
    while isinstance(above, _SHAPING):
        above = above.parent
    return isinstance(above, _COMPARING)


def _harmless_part(node: exp.Column, name: str) -> bool:
    """A part of a JSON column that is on the list, by a constant path."""
    above = node.parent
    if not isinstance(above, exp.JSONExtract | exp.JSONExtractScalar | exp.JSONValue):
        return False
    path = above.args.get("path") or above.args.get("expression")
    text = path.sql(dialect="mysql").strip("'") if isinstance(path, exp.Expr) else ""
    return text.lower() in JSON_PARTS.get(name, frozenset())


def _is_secret(setting: str) -> bool:
    return bool(SECRET_SETTINGS.fullmatch(setting)) and setting.lower() not in HARMLESS_SETTINGS


def _named_settings(node: exp.Column, by: str) -> list[str] | None:
    """The settings to which a condition around this value, or of its own SELECT, confines it, or None."""
    inner: exp.Expr = node
    above = node.parent
    while above is not None:
        if isinstance(above, exp.If) and above.args.get("true") is inner:
            named = _confined(above.this, node.table, by)
            if named is not None:
                return named
        if isinstance(above, exp.Filter):
            named = _confined(above.expression, node.table, by)
            if named is not None:
                return named
        if isinstance(above, exp.Select):
            where = above.args.get("where")
            return _confined(where.this, node.table, by) if isinstance(where, exp.Where) else None
        inner, above = above, above.parent
    return None


def _confined(condition: exp.Expr, table: str, by: str) -> list[str] | None:
    """The constants to which one of the joined conditions confines the column `by`."""
    for one in condition.flatten() if isinstance(condition, exp.And) else (condition,):
        part = one.unnest()
        if isinstance(part, exp.And):
            named = _confined(part, table, by)
            if named is not None:
                return named
        given = part.this.unnest() if isinstance(part, exp.EQ | exp.In) else None
        while isinstance(given, exp.Lower | exp.Upper):
            given = given.this
        if not isinstance(given, exp.Column) or (given.table, given.name.lower()) != (table, by):
            continue
        values = part.expressions if isinstance(part, exp.In) else [part.args["expression"]]
        if values and all(isinstance(value, exp.Literal) for value in values):
            return [value.name for value in values]
    return None


def setting_problems(node: exp.Func) -> Iterator[str]:
    """current_setting() and PostgreSQL's kin take a constant, which is no secret."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "current_setting":
        first = node.expressions[0] if node.expressions else None
        if not isinstance(first, exp.Literal):
            yield "current_setting() takes the name of a setting as a constant"
        elif _is_secret(first.name):
            yield f"the setting {first.name} may hold a secret or a text of the site's"
