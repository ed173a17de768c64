"""What a file holds: tables with their columns, indexes and counts, links, queries, relationships, and what
customers added; from definitions and system tables alone, never from a page with anyone's rows.

`read_table_counts` is the short way: names and counts. `read_catalogue` is everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, TypeVar

from checkup.jet import queries as query_table
from checkup.jet import relationships as relationship_table
from checkup.jet.damage import Damage
from checkup.jet.definition import Definition, DefinitionStart, read_definitions, read_starts
from checkup.jet.links import LinkTarget, link_target, local_definition_page
from checkup.jet.long_values import read_long_values
from checkup.jet.objects import AccessObject, ObjectKind, ObjectList, read_objects
from checkup.jet.opening import AccessFile
from checkup.jet.properties import Properties, parse_properties
from checkup.jet.queries import Query
from checkup.jet.relationships import Relationship
from checkup.jet.small_tables import Values, read_small_tables
from checkup.jet.source import SourceError
from checkup.jet.values import LongBytes, decode_text

LOST_BY_COMPACTION: Final = "MSysCompactError"  # Access makes it when a compaction could not copy everything

Part = Literal["definitions", "queries-and-relationships", "links-and-properties"]

_CUSTOM: Final[tuple[ObjectKind, ...]] = (
    "query",
    "form",
    "report",
    "macro",
    "module",
    "data-access-page",
)
_Answer = TypeVar("_Answer")


class UnreadableError(Exception):
    """The catalogue itself cannot be read: nothing is known of what the file holds."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(f"the catalogue cannot be read: {damage.code} at page {damage.page}")
        self.damage = damage


class TableCount(NamedTuple):
    """`start` is None where the definition cannot be read; why is among the damages."""

    object: AccessObject
    start: DefinitionStart | None

    @property
    def row_count(self) -> int | None:
        return None if self.start is None else self.start.row_count


class TableCounts(NamedTuple):
    """The tables that are the users', with their counts of rows."""

    tables: tuple[TableCount, ...]
    damages: tuple[Damage, ...]


class Table(NamedTuple):
    """One table of this file, the system's included. `definition` is None where it cannot be read."""

    object: AccessObject
    definition: Definition | None
    properties: Properties

    @property
    def name(self) -> str:
        return self.object.name


class Link(NamedTuple):
    """A table that lies elsewhere; `target` is None where its place could not be read.

    `definition` is what this file knows of a table on a server, without any row; None where it keeps none.
    """

    object: AccessObject
    target: LinkTarget | None
    properties: Properties
    definition: Definition | None

    @property
    def name(self) -> str:
        return self.object.name


class LeftOut(NamedTuple):
    """A part that the source would not give: a budget was reached, or the source holds it not."""

    part: Part
    detail: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything. A part in `left_out` is empty because it was not read, not because there is none of it.

    `file_properties` are those of the file as a whole ("AccessVersion" and the like).
    """

    objects: tuple[AccessObject, ...]
    tables: tuple[Table, ...]
    links: tuple[Link, ...]
    queries: tuple[Query, ...]
    relationships: tuple[Relationship, ...]
    file_properties: Properties
    damages: tuple[Damage, ...]
    left_out: tuple[LeftOut, ...]

    def table(self, name: str) -> Table | None:
        """By its name, whatever its case."""
        return self._table_by_name.get(name.casefold())

    @cached_property
    def _table_by_name(self) -> Mapping[str, Table]:
        return {table.name.casefold(): table for table in self.tables}

    @cached_property
    def table_by_page(self) -> Mapping[int, Table]:
        return {table.object.definition_page: table for table in self.tables}

    def user_tables(self) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if not table.object.is_system)

    def customisations(self) -> tuple[AccessObject, ...]:
        """Queries, forms, reports, macros and modules that someone made, hidden row sources apart."""
        return tuple(
            item
            for item in self.objects
            if item.kind in _CUSTOM and not item.is_left_over and not item.is_system
        )

    def lost_by_compaction(self) -> int | None:
        """How many things the last compaction could not copy; None if it left no note of that."""
        table = self.table(LOST_BY_COMPACTION)
        return None if table is None or table.definition is None else table.definition.row_count


def read_table_counts(file: AccessFile) -> TableCounts:
    """The users' tables and their counts: the catalogue's rows and the first page of each definition.

    Raises UnreadableError, EncryptedError, SourceError.
    """
    listed = _object_list(file)
    tables = [item for item in listed.of_kind("table") if not item.is_system]
    starts = read_starts(file.pages, [item.definition_page for item in tables])
    counts: list[TableCount] = []
    damages = list(listed.damages)
    for item in tables:
        start = starts[item.definition_page]
        if isinstance(start, Damage):
            damages.append(start)
        counts.append(TableCount(item, start if isinstance(start, DefinitionStart) else None))
    return TableCounts(tuple(counts), tuple(damages))


def read_catalogue(file: AccessFile) -> Catalogue:
    """Raises UnreadableError, EncryptedError, and SourceError but of kind "budget": that leaves parts out.

    In a file of 206 MB with seven tables, 180 columns in one of them: 98 to 160 KB in 20 to 35 requests and
    eight or nine rounds, of which tables and counts (`read_table_counts`) are 49 to 53 KB, 10 or 11 and four.
    """
    listed = _object_list(file)
    reading = _Reading(file, listed)
    definitions = reading.part("definitions", reading.definitions, {})
    rows, connections = reading.part(
        "queries-and-relationships", lambda: reading.system_rows(definitions), ({}, {})
    )
    links, properties = reading.part("links-and-properties", reading.links_and_properties, ({}, {}))
    empty = Properties()
    return Catalogue(
        objects=listed.objects,
        tables=tuple(
            Table(item, definitions.get(item.definition_page), properties.get(item.id, empty))
            for item in listed.of_kind("table")
        ),
        links=tuple(
            Link(
                item,
                links.get(item.id),
                properties.get(item.id, empty),
                definitions.get(item.id) if item.kind == "odbc-link" else None,
            )
            for item in listed.of_kind("link", "odbc-link")
        ),
        queries=query_table.queries(listed.objects, rows.get(query_table.TABLE, ()), connections),
        relationships=relationship_table.relationships(rows.get(relationship_table.TABLE, ())),
        file_properties=next((properties[i.id] for i in listed.of_kind("file") if i.id in properties), empty),
        damages=tuple(reading.damages),
        left_out=tuple(reading.left_out),
    )


def _object_list(file: AccessFile) -> ObjectList:
    listed = read_objects(file)
    if isinstance(listed, Damage):
        raise UnreadableError(listed)
    if not listed.objects:
        raise UnreadableError(listed.damages[0] if listed.damages else _no_objects(listed))
    return listed


def _no_objects(listed: ObjectList) -> Damage:
    """Every file lists at least the system's own tables."""
    return Damage(code="table-missing", page=listed.definition.page, owner=listed.definition.page)


class _Reading:
    """The parts one after the other; each may be left out, none hinders the next."""

    def __init__(self, file: AccessFile, listed: ObjectList) -> None:
        self.pages = file.pages
        self.page_count = file.page_count
        self.layout = file.header.layout
        self.encoding = file.header.text_encoding
        self.listed = listed
        self.damages: list[Damage] = list(listed.damages)
        self.left_out: list[LeftOut] = []

    def part(self, part: Part, read: Callable[[], _Answer], nothing: _Answer) -> _Answer:
        try:
            return read()
        except SourceError as error:
            if error.kind != "budget":
                raise
            self.left_out.append(LeftOut(part, error.detail))
            return nothing

    def definitions(self) -> dict[int, Definition]:
        numbers = [item.definition_page for item in self.listed.of_kind("table")]
        linked = (
            local_definition_page(item.id, self.page_count) for item in self.listed.of_kind("odbc-link")
        )
        found = read_definitions(
            self.pages, [*numbers, *(number for number in linked if number is not None)], self.encoding
        )
        # Of a linked table nothing is lost with its definition: the link is made anew.
        outcomes = (found[number] for number in dict.fromkeys(numbers))
        self.damages += [outcome for outcome in outcomes if isinstance(outcome, Damage)]
        return {page: outcome for page, outcome in found.items() if isinstance(outcome, Definition)}

    def system_rows(
        self, definitions: Mapping[int, Definition]
    ) -> tuple[dict[str, tuple[Values, ...]], dict[int, str]]:
        """The rows by table, and the connection texts of queries by query id."""
        columns: dict[str, Sequence[str]] = {
            query_table.TABLE: query_table.COLUMNS,
            relationship_table.TABLE: relationship_table.COLUMNS,
        }
        found: dict[str, Definition] = {}
        for item in self.listed.of_kind("table"):
            definition = definitions.get(item.definition_page)
            if item.name in columns and definition is not None:
                found.setdefault(item.name, definition)
        contents = read_small_tables(
            self.pages, [(definition, columns[name]) for name, definition in found.items()], self.encoding
        )
        for content in contents.values():
            self.damages += content.damages
        rows = {name: contents[definition.page].rows for name, definition in found.items()}
        fields = query_table.connection_fields(rows.get(query_table.TABLE, ()))
        texts = self.long_values(tuple(fields.values()))
        return rows, {number: self.text(data) for number, data in zip(fields, texts, strict=True)}

    def links_and_properties(self) -> tuple[dict[int, LinkTarget], dict[int, Properties]]:
        """Both are long values, which are read side by side."""
        links = self.listed.of_kind("link", "odbc-link")
        stored = self.listed.long_fields
        owners = [item for item in self.listed.objects if item.id in stored]
        fields: list[LongBytes | None] = []
        for item in links:
            of_link = stored.get(item.id)
            fields += (of_link.connect, of_link.database) if of_link else (None, None)
        found = self.long_values([*fields, *(stored[item.id].properties for item in owners)])
        targets: dict[int, LinkTarget] = {}
        for place, item in enumerate(links):
            connect, database = (self.text(data) for data in found[2 * place : 2 * place + 2])
            targets[item.id] = link_target(connect, database, item.foreign_name)
        properties = {
            item.id: parsed
            for item, data in zip(owners, found[len(fields) :], strict=True)
            if data and (parsed := self.parsed(item, data)) is not None
        }
        return targets, properties

    def parsed(self, item: AccessObject, data: bytes) -> Properties | None:
        parsed = parse_properties(data, self.layout, self.encoding)
        if isinstance(parsed, Properties):
            return parsed
        page = item.definition_page if item.kind == "table" else self.listed.definition.page
        self.damages.append(Damage(code=parsed.code, page=page, owner=page, numbers=parsed.numbers))
        return None

    def text(self, data: bytes | None) -> str:
        return decode_text(data, self.layout, self.encoding) if data else ""

    def long_values(self, fields: Sequence[LongBytes | None]) -> list[bytes | None]:
        values = read_long_values(self.pages, fields)
        self.damages += [value for value in values if isinstance(value, Damage)]
        return [None if isinstance(value, Damage) else value for value in values]
