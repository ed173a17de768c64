"""What a data file is made of: tables, indexes, links, queries, relationships, by name and never by value."""

from __future__ import annotations

from dataclasses import dataclass

from checkup.api import JSON, AccessFile, Section
from probes.access import parts
from probes.access.parts import Part

INDEX_KINDS = frozenset({"normal", "primary", "foreign"})
LINK_KINDS = frozenset({"access", "odbc", "other"})
OBJECT_KINDS = frozenset({"query", "form", "report", "macro", "module"})


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    autonumber: bool
    random: bool


@dataclass(frozen=True, slots=True)
class Index:
    """`data`: the number of the tree that the index is kept in; several indexes may share one. `descending`:
    those of its columns that go downwards."""

    name: str
    columns: tuple[str, ...]
    descending: tuple[str, ...]
    unique: bool
    kind: str
    data: int


@dataclass(frozen=True, slots=True)
class Table:
    """`page`: of its definition. `most_columns` counts deleted columns too. `last_autonumber` without its
    sign: 2**31 and above are negative. `subdatasheet`: what is to be shown below its rows, None where that
    was never set."""

    name: str
    page: int
    rows: int
    columns: tuple[Column, ...]
    most_columns: int
    indexes: tuple[Index, ...]
    last_autonumber: int
    subdatasheet: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """A table that lies elsewhere: `target` is a file or server, without what would let anyone in. `has_key`
    is None where that does not show."""

    name: str
    kind: str
    target: str
    saves_password: bool
    has_key: bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """Its shape, never its text. `criteria`: something says which rows are wanted; `limited`: only the first
    so many are. `for_object`: where the rows of a form, a report or a list come from, not made as a query."""

    name: str
    kind: str
    sources: tuple[str, ...]
    cartesian: bool
    criteria: bool
    limited: bool
    for_object: bool


@dataclass(frozen=True, slots=True)
class Relationship:
    child: str
    child_columns: tuple[str, ...]
    parent: str
    enforced: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """`objects`: kind and name of each. `tracks_names`: whether name AutoCorrect is on, None where the file
    does not say."""

    tables: tuple[Table, ...]
    links: tuple[Link, ...]
    queries: tuple[Query, ...]
    relationships: tuple[Relationship, ...]
    objects: tuple[tuple[str, str], ...]
    tracks_names: bool | None


def parse(raw: JSON, source: str, version: int) -> Contents:
    properties = parts.part(parts.part(raw, "file"), "properties")
    return Contents(
        tables=tuple(_table(one) for one in parts.objects(raw, "tables")),
        links=tuple(_link(one) for one in parts.objects(raw, "links")),
        queries=tuple(_query(one) for one in parts.objects(raw, "queries")),
        relationships=tuple(_relationship(one) for one in parts.objects(raw, "relationships")),
        objects=tuple(
            (parts.word(one, "kind", OBJECT_KINDS), parts.text(one, "name"))
            for one in parts.objects(raw, "objects")
        ),
        tracks_names=parts.flag_or_none(properties, "name_autocorrect"),
    )


def _table(one: Part) -> Table:
    return Table(
        name=parts.text(one, "name"),
        page=parts.whole(one, "page"),
        rows=parts.whole(one, "rows"),
        columns=tuple(_column(column) for column in parts.objects(one, "columns")),
        most_columns=parts.whole(one, "most_columns"),
        indexes=tuple(_index(index) for index in parts.objects(one, "indexes")),
        last_autonumber=parts.whole(one, "last_autonumber"),
        subdatasheet=parts.text_or_none(one, "subdatasheet"),
    )


def _column(one: Part) -> Column:
    return Column(
        parts.text(one, "name"),
        parts.flag(one, "autonumber"),
        parts.flag(one, "random"),
    )


def _index(one: Part) -> Index:
    return Index(
        parts.text(one, "name"),
        parts.texts(one, "columns"),
        parts.texts(one, "descending") if "descending" in one else (),  # the first readings did not tell
        parts.flag(one, "unique"),
        parts.word(one, "kind", INDEX_KINDS),
        parts.whole(one, "data"),
    )


def _link(one: Part) -> Link:
    return Link(
        parts.text(one, "name"),
        parts.word(one, "kind", LINK_KINDS),
        parts.text(one, "target"),
        parts.flag(one, "saves_password"),
        parts.flag_or_none(one, "has_key"),
    )


def _query(one: Part) -> Query:
    return Query(
        name=parts.text(one, "name"),
        kind=parts.text(one, "kind"),
        sources=parts.texts(one, "sources"),
        cartesian=parts.flag(one, "cartesian"),
        criteria=parts.flag(one, "criteria"),
        limited="limited" in one and parts.flag(one, "limited"),  # the first readings did not tell
        for_object=parts.flag(one, "hidden_source"),
    )


def _relationship(one: Part) -> Relationship:
    return Relationship(
        parts.text(one, "child"),
        parts.texts(one, "child_columns"),
        parts.text(one, "parent"),
        parts.flag(one, "enforced"),
    )


contents = Section(
    name="access-contents",
    facts=Contents,
    collect={
        "access": AccessFile(
            ("tables", "links", "queries", "relationships", "objects", "file"), depth="catalogue"
        )
    },
    parse=parse,
    privacy="names of tables, columns, indexes, links and queries; counts of rows; no values, no query texts",
)
