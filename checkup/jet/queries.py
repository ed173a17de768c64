"""Queries by their shape: kind, sources, how these are joined, whether anything limits the rows.

Texts of expressions are never looked at, let alone kept: they may hold names of patients. Of a connection
text only its target is kept, as for linked tables.

Source: jackcess QueryFormat and QueryImpl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from checkup.jet.links import LinkTarget, link_target
from checkup.jet.objects import AccessObject, long_bytes, text, whole
from checkup.jet.small_tables import Values
from checkup.jet.values import LongBytes

TABLE: Final = "MSysQueries"
COLUMNS: Final = ("ObjectId", "Attribute", "Name1", "Name2", "Flag", "Expression")

QueryKind = Literal[
    "select",
    "crosstab",
    "delete",
    "update",
    "append",
    "make-table",
    "definition",
    "pass-through",
    "union",
    "unknown",
]
JoinKind = Literal["inner", "left", "right"]

_KINDS: Final[dict[int, QueryKind]] = {
    0: "select",
    16: "crosstab",
    32: "delete",
    48: "update",
    64: "append",
    80: "make-table",
    96: "definition",
    112: "pass-through",
    128: "union",
}
_KIND_MASK: Final = 0xF0
_UNSIGNED: Final = 0xFFFFFFFF
_FREE_TEXT: Final[frozenset[QueryKind]] = frozenset({"pass-through", "definition", "union", "unknown"})
_JOINS: Final[dict[int, JoinKind]] = {1: "inner", 2: "left", 3: "right"}

_TYPE: Final = 1
_PARAMETER: Final = 2
_FLAGS: Final = 3
_REMOTE: Final = 4
_SOURCE: Final = 5
_COLUMN: Final = 6
_JOIN: Final = 7
_WHERE: Final = 8
_GROUP: Final = 9
_HAVING: Final = 10
_ORDER: Final = 11

_DISTINCT: Final = 0x02
_DISTINCT_ROW: Final = 0x08
_TOP: Final = 0x10


class QuerySource(NamedTuple):
    """A table or query that rows come from; `name` is empty where it is a text of its own (a part of a
    union). `alias` is how the query calls it."""

    name: str
    alias: str


class QueryJoin(NamedTuple):
    """The aliases that are joined."""

    left: str
    right: str
    kind: JoinKind


class Query(NamedTuple):
    """`target` is the table that an action query writes to; `remote` where rows come from or go to if not
    this file; `belongs_to_object`: the source of rows of a form, a report or a list, not a query that
    someone made as such."""

    id: int
    name: str
    kind: QueryKind
    is_hidden: bool
    belongs_to_object: bool
    target: str
    sources: tuple[QuerySource, ...]
    joins: tuple[QueryJoin, ...]
    parameters: int
    columns: int
    remote: LinkTarget | None
    has_criteria: bool
    groups: bool
    sorts: bool
    is_distinct: bool
    is_limited: bool

    @property
    def is_shape_known(self) -> bool:
        """Whether the parts tell what is read; not so where the query is one text (pass-through, union)."""
        return self.kind not in _FREE_TEXT

    @property
    def separate_sources(self) -> int:
        """Groups of sources that no join connects; more than one without criteria multiply each other."""
        return _separate(self.sources, self.joins)

    @property
    def is_cartesian(self) -> bool:
        """Every row of one source with every row of another: no join connects them, no criterion could."""
        return self.is_shape_known and not self.has_criteria and self.separate_sources > 1


def connection_fields(rows: Iterable[Values]) -> dict[int, LongBytes]:
    """By query id, the long value with the connection text of a query that goes to another file."""
    fields: dict[int, LongBytes] = {}
    for row in rows:
        field = long_bytes(row["Expression"])
        if whole(row["Attribute"]) == _REMOTE and field is not None:
            fields.setdefault(_query_id(row), field)
    return fields


def queries(
    objects: Iterable[AccessObject], rows: Iterable[Values], connections: Mapping[int, str]
) -> tuple[Query, ...]:
    """The queries among the objects, each with its rows of MSysQueries; `connections` by query id."""
    by_query: dict[int, list[Values]] = {}
    for row in rows:
        by_query.setdefault(_query_id(row), []).append(row)
    return tuple(
        _query(item, by_query.get(item.id, []), connections.get(item.id, ""))
        for item in objects
        if item.kind == "query"
    )


def _query_id(row: Values) -> int:
    return whole(row["ObjectId"]) & _UNSIGNED


def _query(item: AccessObject, rows: Sequence[Values], connection: str) -> Query:
    parts: dict[int, list[Values]] = {}
    for row in rows:
        parts.setdefault(whole(row["Attribute"]), []).append(row)
    flags = 0
    for row in parts.get(_FLAGS, ()):
        flags |= whole(row["Flag"])
    kind = _KINDS.get(item.flags & _KIND_MASK, "unknown")
    target = next((text(row["Name1"]) for row in parts.get(_TYPE, ())), "")
    place = next((text(row["Name1"]) for row in parts.get(_REMOTE, ())), "")
    if kind == "pass-through":
        # Here the place of a target holds the connection text, passwords included.
        target, connection = "", target
    return Query(
        id=item.id,
        name=item.name,
        kind=kind,
        is_hidden=item.is_hidden,
        belongs_to_object=item.is_left_over,
        target=target,
        sources=tuple(_source(row) for row in parts.get(_SOURCE, ())),
        joins=tuple(_join(row) for row in parts.get(_JOIN, ())),
        parameters=len(parts.get(_PARAMETER, ())),
        columns=len(parts.get(_COLUMN, ())),
        remote=link_target(connection, place, target) if connection or place else None,
        has_criteria=bool(parts.get(_WHERE) or parts.get(_HAVING)),
        groups=bool(parts.get(_GROUP)),
        sorts=bool(parts.get(_ORDER)),
        is_distinct=bool(flags & (_DISTINCT | _DISTINCT_ROW)),
        is_limited=bool(flags & _TOP),
    )


def _source(row: Mapping[str, object]) -> QuerySource:
    name = text(row["Name1"])
    return QuerySource(name, text(row["Name2"]) or name)


def _join(row: Mapping[str, object]) -> QueryJoin:
    return QueryJoin(text(row["Name1"]), text(row["Name2"]), _JOINS.get(whole(row["Flag"]), "inner"))


def _separate(sources: Sequence[QuerySource], joins: Sequence[QueryJoin]) -> int:
    group = {source.alias.casefold(): source.alias.casefold() for source in sources}

    def root(name: str) -> str:
        while group[name] != name:
            group[name] = group[group[name]]
            name = group[name]
        return name

    for join in joins:
        left, right = join.left.casefold(), join.right.casefold()
        if left in group and right in group:
            group[root(left)] = root(right)
    return len({root(name) for name in group})
