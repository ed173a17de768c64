"""What SQL Server refuses although a parser reads it: no test can ask it, so the usual slips are looked for.

Error numbers are the server's own, from "Database Engine events and errors".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from checkup.testing.sql_scope import results_of, sources_of

# Columns of the type bit, by the way the system views name them: neither added up nor compared for size.
_BIT: Final = re.compile(r"(is|has|uses)_\w+")


def problems(query: exp.Query) -> Iterator[str]:
    """A sentence for each slip in a statement of SQL Server."""
    for node in query.walk():
        if isinstance(node, exp.Select):
            yield from _group_problems(node)
            yield from _truth_problems(node)
        elif isinstance(node, exp.AggFunc):
            yield from _aggregate_problems(node)
        elif isinstance(node, exp.Order):
            yield from _order_problems(node)
        elif isinstance(node, exp.Column) and node.table:
            yield from _sideways_problems(node)


def _aggregate_problems(node: exp.AggFunc) -> Iterator[str]:
    windowed = isinstance(node.parent, exp.Window)  # an aggregate over the groups' own results
    if not windowed and any(one is not node for one in node.find_all(exp.Query, exp.AggFunc)):
        yield f"{node.sql_name()}() of an aggregate or a subquery is error 130: make a derived table of it"
    given = node.this
    summed = isinstance(node, exp.Max | exp.Min | exp.Sum | exp.Avg)
    if summed and isinstance(given, exp.Column) and _BIT.fullmatch(given.name.lower()):
        yield f"{node.sql_name()}() of the bit {given.name} is error 8117: CONVERT(int, …)"


def _truth_problems(select: exp.Select) -> Iterator[str]:
    for one in select.expressions:
        value = one.unalias().unnest()
        if isinstance(value, exp.Predicate | exp.And | exp.Or | exp.Not):
            yield f"{one.alias_or_name}: a comparison is no value: CASE WHEN … THEN 1 ELSE 0 END"


def _order_problems(node: exp.Order) -> Iterator[str]:
    query = node.parent
    if isinstance(query, exp.Window | exp.WithinGroup) or not isinstance(query, exp.Query):
        return
    inside = query.parent is not None
    if inside and query.args.get("limit") is None:
        yield "ORDER BY inside of a statement without TOP is error 1033"
    for one in node.find_all(exp.Column):
        if not one.table and not isinstance(one.parent, exp.Ordered):
            yield f"ORDER BY takes the result {one.name} as it is, not inside of an expression (error 207)"
    if isinstance(query, exp.SetOperation):
        for one in node.find_all(exp.Column):
            if one.table or one.name.lower() not in results_of(query):
                yield f"after UNION, ORDER BY takes results only, not {one.sql()} (error 104)"


# --- groups -------------------------------------------------------------------------------------


def _group_problems(select: exp.Select) -> Iterator[str]:
    """Columns that are neither grouped nor aggregated (error 8120)."""
    group = select.args.get("group")
    grouped = {_text(one) for one in group.expressions} if isinstance(group, exp.Group) else set[str]()
    for one in group.expressions if isinstance(group, exp.Group) else ():
        if isinstance(one, exp.Column) and not one.table:
            yield f"GROUP BY takes columns, not the result {one.name} (error 207)"
    parts = [one.unalias() for one in select.expressions]
    having = select.args.get("having")
    order = select.args.get("order")
    if isinstance(having, exp.Having):
        parts.append(having.this)
    if isinstance(order, exp.Order):
        parts += [one.this for one in order.expressions]
    if group is None and having is None and not any(_aggregates(part, select) for part in parts):
        return
    own = sources_of(select)
    for part in parts:
        for column in _loose(part, select, grouped):
            if column.table and column.table.lower() in own:
                yield f"{column.sql()} is neither in GROUP BY nor in an aggregate (error 8120)"


def _text(node: exp.Expr) -> str:
    return node.sql(dialect="tsql").lower()


def _aggregates(part: exp.Expr, select: exp.Select) -> bool:
    return any(
        not isinstance(one.parent, exp.Window) and one.find_ancestor(exp.Select) is select
        for one in part.find_all(exp.AggFunc)
    )


def _loose(node: exp.Expr, select: exp.Select, grouped: set[str]) -> Iterator[exp.Column]:
    """Columns of this SELECT that stand outside of aggregates and of what is grouped by."""
    if _text(node) in grouped:
        return
    if isinstance(node, exp.Column):
        yield node
    elif isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Window):
        return
    elif isinstance(node, exp.Select):
        inner = sources_of(node)
        for column in node.find_all(exp.Column):
            around = column.find_ancestor(exp.Select)
            hidden = column.table.lower() in inner or (
                around is not None and around is not node and column.table.lower() in sources_of(around)
            )
            if not hidden and _text(column) not in grouped:
                yield column
    else:
        for one in node.iter_expressions():
            yield from _loose(one, select, grouped)


# --- derived tables -----------------------------------------------------------------------------


def _sideways_problems(node: exp.Column) -> Iterator[str]:
    """A derived table that names its neighbour (error 4104); APPLY may."""
    wanted = node.table.lower()
    inner: exp.Expr = node
    above = node.parent
    derived = False
    while above is not None:
        if isinstance(above, exp.From | exp.Join) and above.this is inner and isinstance(inner, exp.Subquery):
            derived = True
        if isinstance(above, exp.Select):
            if wanted in sources_of(above):
                if derived:
                    yield f"{node.sql()}: a derived table does not see its neighbours (4104): CROSS APPLY"
                return
            derived = False
        inner, above = above, above.parent
