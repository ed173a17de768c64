"""What a data file is made of: tables, indexes, links, queries, relationships, by name and never by value.

Each has a section of its own, because they lie in pages of their own: where a machine hands out the pages
that describe tables and no others, what needs only tables can still be told.
"""

from __future__ import annotations

from typing import NamedTuple

from checkup.api import JSON, AccessFile, Section
from probes.access import parts
from probes.access.parts import Part

INDEX_KINDS = frozenset({"normal", "primary", "foreign"})
LINK_KINDS = frozenset({"access", "odbc", "other"})
OBJECT_KINDS = frozenset({"query", "form", "report", "macro", "module"})


class Column(NamedTuple):
    """`random`: its AutoNumbers are; None where what says so could not be read."""

    name: str
    autonumber: bool
    random: bool | None


class Index(NamedTuple):
    """`data`: the number of the tree that the index is kept in; several indexes may share one. `descending`:
    those of its columns that go downwards."""

    name: str
    columns: tuple[str, ...]
    descending: tuple[str, ...]
    unique: bool
    kind: str
    data: int


class Table(NamedTuple):
    """`page`: of its definition. `most_columns` counts deleted columns too. `last_autonumber` without its
    sign: 2**31 and above are negative."""

    name: str
    page: int
    rows: int
    columns: tuple[Column, ...]
    most_columns: int
    indexes: tuple[Index, ...]
    last_autonumber: int


class Tables(NamedTuple):
    """The file's own tables; `objects`: kind and name of each query, form, report, macro and module."""

    tables: tuple[Table, ...]
    objects: tuple[tuple[str, str], ...]


class Link(NamedTuple):
    """A table that lies elsewhere: `target` is a file or server, without what would let anyone in. `has_key`
    is None where that does not show."""

    name: str
    kind: str
    target: str
    saves_password: bool
    has_key: bool | None


class Query(NamedTuple):
    """Its shape, never its text. `criteria`: something says which rows are wanted; `limited`: only the first
    so many are. `for_object`: where the rows of a form, a report or a list come from, not made as a query."""

    name: str
    kind: str
    sources: tuple[str, ...]
    cartesian: bool
    criteria: bool
    limited: bool
    for_object: bool


class Relationship(NamedTuple):
    child: str
    child_columns: tuple[str, ...]
    parent: str
    enforced: bool


class Links(NamedTuple):
    links: tuple[Link, ...]


class Queries(NamedTuple):
    queries: tuple[Query, ...]


class Relationships(NamedTuple):
    relationships: tuple[Relationship, ...]


class Settings(NamedTuple):
    """`subdatasheets`: of each table, what is to be shown below its rows, None where that was never set.
    `tracks_names`: whether name AutoCorrect is on, None where the file does not say."""

    subdatasheets: tuple[tuple[str, str | None], ...]
    tracks_names: bool | None


def parse_tables(raw: JSON, source: str, version: int) -> Tables:
    return Tables(
        tuple(_table(one) for one in parts.objects(raw, "tables")),
        tuple(
            (parts.word(one, "kind", OBJECT_KINDS), parts.text(one, "name"))
            for one in parts.objects(raw, "objects")
        ),
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
    )


def _column(one: Part) -> Column:
    return Column(
        parts.text(one, "name"),
        parts.flag(one, "autonumber"),
        parts.flag_or_none(one, "random"),
    )


def _index(one: Part) -> Index:
    return Index(
        parts.text(one, "name"),
        parts.texts(one, "columns"),
        parts.texts(one, "descending"),
        parts.flag(one, "unique"),
        parts.word(one, "kind", INDEX_KINDS),
        parts.whole(one, "data"),
    )


tables = Section(
    name="access-tables",
    facts=Tables,
    collect={"access": AccessFile(("tables", "objects"), depth="catalogue")},
    parse=parse_tables,
    privacy="names of tables, columns, indexes, queries, forms, reports, macros and modules; counts of rows",
)


def parse_links(raw: JSON, source: str, version: int) -> Links:
    return Links(tuple(_link(one) for one in parts.objects(raw, "links")))


def _link(one: Part) -> Link:
    return Link(
        parts.text(one, "name"),
        parts.word(one, "kind", LINK_KINDS),
        parts.text(one, "target"),
        parts.flag(one, "saves_password"),
        parts.flag_or_none(one, "has_key"),
    )


links = Section(
    name="access-links",
    facts=Links,
    collect={"access": AccessFile(("links",), depth="catalogue")},
    parse=parse_links,
    privacy="names of linked tables, of the files and servers they lie in; no names of users, no passwords",
)


def parse_queries(raw: JSON, source: str, version: int) -> Queries:
    return Queries(tuple(_query(one) for one in parts.objects(raw, "queries")))


def _query(one: Part) -> Query:
    return Query(
        name=parts.text(one, "name"),
        kind=parts.text(one, "kind"),
        sources=parts.texts(one, "sources"),
        cartesian=parts.flag(one, "cartesian"),
        criteria=parts.flag(one, "criteria"),
        limited=parts.flag(one, "limited"),
        for_object=parts.flag(one, "hidden_source"),
    )


queries = Section(
    name="access-queries",
    facts=Queries,
    collect={"access": AccessFile(("queries",), depth="catalogue")},
    parse=parse_queries,
    privacy="names of queries and of the tables they read, and their shape; no query texts",
)


def parse_relationships(raw: JSON, source: str, version: int) -> Relationships:
    return Relationships(tuple(_relationship(one) for one in parts.objects(raw, "relationships")))


def _relationship(one: Part) -> Relationship:
    return Relationship(
        parts.text(one, "child"),
        parts.texts(one, "child_columns"),
        parts.text(one, "parent"),
        parts.flag(one, "enforced"),
    )


relationships = Section(
    name="access-relationships",
    facts=Relationships,
    collect={"access": AccessFile(("relationships",), depth="catalogue")},
    parse=parse_relationships,
    privacy="names of tables and columns",
)


def parse_settings(raw: JSON, source: str, version: int) -> Settings:
    properties = parts.part(parts.part(raw, "file"), "properties")
    return Settings(
        tuple(
            (parts.text(one, "name"), parts.text_or_none(one, "subdatasheet"))
            for one in parts.objects(raw, "tables")
        ),
        parts.flag_or_none(properties, "name_autocorrect"),
    )


settings = Section(
    name="access-settings",
    facts=Settings,
    collect={"access": AccessFile(("tables", "file"), depth="catalogue")},
    parse=parse_settings,
    privacy="names of tables; settings of the file and its tables that are no text of anyone's",
)
