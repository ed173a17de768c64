"""The parts of an Access file that its catalogue tells: tables, links, queries, relationships, objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from checkup.api import JSON

if TYPE_CHECKING:
    from checkup.jet.catalogue import Catalogue, Link, Table
    from checkup.jet.definition import Column, Definition, Index
    from checkup.jet.links import LinkTarget
    from checkup.jet.objects import AccessObject, ObjectKind
    from checkup.jet.properties import Properties
    from checkup.jet.queries import Query
    from checkup.jet.relationships import Relationship

# The parts that the catalogue tells.
STRUCTURE: Final = ("tables", "links", "queries", "relationships", "objects", "leftovers", "file")

# What a new record gets by default where AutoNumbers are random (Access, "NewValues" property).
_RANDOM: Final = "genuniqueid"
# Tables that Access makes when an import, a paste or a compaction could not take everything over.
_ERROR_TABLE: Final = re.compile(r"MSysCompactError|.*_ImportErrors\d*|Paste Errors\d*|Conversion Errors\d*")
_KEPT_OBJECTS: Final = ("query", "form", "report", "macro", "module")

# What may lack something where a part of the catalogue was not read. Of a table only what its properties say
# lies elsewhere: whether AutoNumbers are random is None then, what is to be shown below its rows nothing asks
# for that does not ask for the file as well.
_OF_CATALOGUE: Final[Mapping[str, tuple[str, ...]]] = {
    "definitions": ("tables", "leftovers"),
    "queries-and-relationships": ("queries", "relationships"),
    "links-and-properties": ("links", "file"),
}
# What is whole all the same where the list of objects has none of the kind.
_LISTED: Final[Mapping[str, tuple[ObjectKind, ...]]] = {
    "queries": ("query",),
    "relationships": ("relationship",),
    "links": ("link", "odbc-link"),
}


def lacking(catalogue: Catalogue) -> dict[str, str]:
    """The parts that are not whole because pages of the catalogue were not read, and why these were not."""
    listed = {item.kind for item in catalogue.objects}
    return {
        part: f"{left.part} left out: {left.detail}"
        for left in catalogue.left_out
        for part in _OF_CATALOGUE[left.part]
        if part not in _LISTED or not listed.isdisjoint(_LISTED[part])
    }


def catalogue_parts(catalogue: Catalogue) -> dict[str, JSON]:
    """Every part that the catalogue tells."""
    return {
        "tables": _tables(catalogue),
        "links": [_link(link) for link in catalogue.links],
        "queries": [_query(query) for query in catalogue.queries],
        "relationships": _relationships(catalogue),
        "objects": _objects(catalogue),
        "leftovers": _leftovers(catalogue),
        "file": _file(catalogue),
    }


def _tables(catalogue: Catalogue) -> JSON:
    """The users' tables that can be read; a table without a readable definition is a problem, not a table."""
    told = "file" not in lacking(catalogue)
    return [
        _table(table, table.definition, told)
        for table in catalogue.user_tables()
        if table.definition is not None
    ]


def _table(table: Table, definition: Definition, told: bool) -> JSON:
    """`told`: were its properties read?"""
    return {
        "name": table.name,
        "page": definition.page,
        "rows": definition.row_count,
        "columns": [_column(column, table.properties if told else None) for column in definition.columns],
        "most_columns": definition.most_columns,
        "indexes": [_index(index, definition) for index in definition.indexes],
        "last_autonumber": definition.last_autonumber,
        "subdatasheet": _text(table.properties.own.get("SubdatasheetName")),
        "created": local_time(table.object.created),
        "updated": local_time(table.object.updated),
    }


def _column(column: Column, properties: Properties | None) -> JSON:
    return {
        "name": column.name,
        "type": column.type_name,
        "length": column.length,
        "autonumber": column.is_autonumber or column.is_auto_guid,
        "random": column.is_auto_guid or (column.is_autonumber and _is_random(column, properties)),
    }


def _is_random(column: Column, properties: Properties | None) -> bool | None:
    if properties is None:
        return None
    default = properties.columns.get(column.name, {}).get("DefaultValue")
    return isinstance(default, str) and _RANDOM in default.casefold()


def _index(index: Index, definition: Definition) -> JSON:
    data = definition.index_data[index.data_number]
    named = [(definition.column_by_number.get(one.number), one.ascending) for one in data.columns]
    columns = [(column.name, ascending) for column, ascending in named if column is not None]
    return {
        "name": index.name,
        "columns": [name for name, _ in columns],
        "descending": [name for name, ascending in columns if not ascending],
        "unique": data.is_unique,
        "kind": index.kind,
        "data": index.data_number,
    }


def _link(link: Link) -> JSON:
    from checkup.jet.links import has_key

    target = link.target
    return {
        "name": link.name,
        "kind": _link_kind(link.object, target),
        "target": "" if target is None else _place(target),
        "table": link.object.foreign_name,
        "saves_password": target is not None and target.keeps_password,
        "has_key": None if link.definition is None else has_key(link.definition),
    }


def _link_kind(item: AccessObject, target: LinkTarget | None) -> Literal["access", "odbc", "other"]:
    if item.kind == "odbc-link" or (target is not None and target.format.casefold() == "odbc"):
        return "odbc"
    return "access" if target is None or target.format == "Access" else "other"


def _place(target: LinkTarget) -> str:
    """The file, else the server, else the name under which the machine knows the server."""
    return target.server or target.database or target.data_source


def _query(query: Query) -> JSON:
    return {
        "name": query.name,
        "kind": query.kind,
        "sources": [source.name for source in query.sources if source.name],
        "cartesian": query.is_cartesian,
        "criteria": query.has_criteria,
        "limited": query.is_limited,
        "hidden_source": query.belongs_to_object,
    }


def _relationships(catalogue: Catalogue) -> JSON:
    def one(relationship: Relationship) -> JSON:
        return {
            "name": relationship.name,
            "child": relationship.child,
            "child_columns": list[JSON](relationship.child_columns),
            "parent": relationship.parent,
            "parent_columns": list[JSON](relationship.parent_columns),
            "enforced": relationship.is_enforced,
            "cascades_deletes": relationship.cascades_deletes,
        }

    return [one(known) for known in catalogue.relationships if not known.concerns_system]


def _objects(catalogue: Catalogue) -> JSON:
    return [
        {"kind": item.kind, "name": item.name, "updated": local_time(item.updated)}
        for item in catalogue.customisations()
        if item.kind in _KEPT_OBJECTS
    ]


def _file(catalogue: Catalogue) -> JSON:
    own = catalogue.file_properties.own
    return {
        "properties": {
            "AccessVersion": _text(own.get("AccessVersion")),
            "name_autocorrect": _switch(own.get("Track Name AutoCorrect Info")),
            "auto_compact": _switch(own.get("Auto Compact")),
        },
    }


def _leftovers(catalogue: Catalogue) -> JSON:
    names = [table.name for table in catalogue.tables if _ERROR_TABLE.fullmatch(table.name)]
    return {"lost_by_compaction": catalogue.lost_by_compaction(), "error_tables": list[JSON](names)}


def local_time(when: datetime | None) -> str | None:
    return None if when is None else when.replace(microsecond=0).isoformat()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _switch(value: object) -> bool | None:
    """Access keeps a switch as a number or as a boolean."""
    return bool(value) if isinstance(value, bool | int) else None
