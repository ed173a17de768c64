"""The objects of a file: the rows of MSysObjects.

Source: jackcess DatabaseImpl; the numbers of kinds that Jackcess does not name, from public lists of
MSysObjects.Type, and observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from checkup.jet.damage import Damage
from checkup.jet.definition import Definition, read_definitions
from checkup.jet.formats import CATALOGUE_PAGE
from checkup.jet.header import EncryptedError
from checkup.jet.opening import AccessFile
from checkup.jet.small_tables import Values, read_small_tables
from checkup.jet.values import LongBytes

ObjectKind = Literal[
    "table",
    "file",  # MSysDb, which carries the properties of the file
    "container",
    "odbc-link",
    "query",
    "link",
    "relationship",
    "form",
    "macro",
    "report",
    "module",
    "user",
    "document",
    "data-access-page",
    "unknown",
]

_KINDS: Final[dict[int, ObjectKind]] = {
    1: "table",
    2: "file",
    3: "container",
    4: "odbc-link",
    5: "query",
    6: "link",
    8: "relationship",
    -32756: "data-access-page",
    -32757: "document",
    -32758: "user",
    -32761: "module",
    -32764: "report",
    -32766: "macro",
    -32768: "form",
}
_SYSTEM: Final = 0x80000002  # jackcess TableImpl SYSTEM_OBJECT_FLAGS
_HIDDEN: Final = 0x8  # jackcess TableImpl HIDDEN_OBJECT_FLAG
_PAGE_MASK: Final = 0x00FFFFFF  # of a table's id: its definition page
_UNSIGNED: Final = 0xFFFFFFFF
_NAMES: Final = (
    "Id",
    "ParentId",
    "Name",
    "Type",
    "Flags",
    "DateCreate",
    "DateUpdate",
    "ForeignName",
)
_LONG_NAMES: Final = ("Connect", "Database", "LvProp")


class AccessObject(NamedTuple):
    """One row of the catalogue. `created` and `updated` are local times of whoever made the change."""

    id: int
    parent_id: int
    name: str
    type: int
    flags: int
    created: datetime | None
    updated: datetime | None
    foreign_name: str

    @property
    def kind(self) -> ObjectKind:
        return _KINDS.get(self.type, "unknown")

    @property
    def is_system(self) -> bool:
        return bool(self.flags & _SYSTEM)

    @property
    def is_hidden(self) -> bool:
        return bool(self.flags & _HIDDEN)

    @property
    def is_left_over(self) -> bool:
        """Something Access makes for itself, or has marked to be dropped: its name starts with a tilde."""
        return self.name.startswith("~")

    @property
    def definition_page(self) -> int:
        """Of a table."""
        return self.id & _PAGE_MASK


class LongFields(NamedTuple):
    """Those of an object's row, not read yet. They hold passwords: nothing but what is read from them on
    purpose (`links`, `properties`) goes further."""

    connect: LongBytes | None
    database: LongBytes | None
    properties: LongBytes | None


@dataclass(frozen=True)
class ObjectList:
    """Every object that could be read, and the definition of the table they are listed in.

    `long_fields` by the object's id, where it has any.
    """

    definition: Definition
    objects: tuple[AccessObject, ...]
    damages: tuple[Damage, ...]
    long_fields: Mapping[int, LongFields] = field(repr=False)

    def of_kind(self, *kinds: ObjectKind) -> tuple[AccessObject, ...]:
        return tuple(item for item in self.objects if item.kind in kinds)


def read_objects(file: AccessFile) -> ObjectList | Damage:
    """Two rounds in most files. Damage where the catalogue itself cannot be read.

    Raises EncryptedError, SourceError.
    """
    if not file.header.readable:
        raise EncryptedError(file.header.encryption)
    encoding = file.header.text_encoding
    definition = read_definitions(file.pages, (CATALOGUE_PAGE,), encoding)[CATALOGUE_PAGE]
    if isinstance(definition, Damage):
        return definition
    content = read_small_tables(file.pages, [(definition, (*_NAMES, *_LONG_NAMES))], encoding)[CATALOGUE_PAGE]
    objects: list[AccessObject] = []
    fields: dict[int, LongFields] = {}
    for row in content.rows:
        item = _object(row)
        if item is not None:
            objects.append(item)
            of_row = LongFields(*(long_bytes(row[name]) for name in _LONG_NAMES))
            if of_row != _NO_FIELDS:
                fields[item.id] = of_row
    return ObjectList(definition, tuple(objects), content.damages, fields)


def _object(row: Values) -> AccessObject | None:
    """None for a row without an id, which is no object."""
    number = row["Id"]
    if not isinstance(number, int):
        return None
    created, updated = row["DateCreate"], row["DateUpdate"]
    return AccessObject(
        id=number & _UNSIGNED,
        parent_id=whole(row["ParentId"]) & _UNSIGNED,
        name=text(row["Name"]),
        type=whole(row["Type"]),
        flags=whole(row["Flags"]) & _UNSIGNED,
        created=created if isinstance(created, datetime) else None,
        updated=updated if isinstance(updated, datetime) else None,
        foreign_name=text(row["ForeignName"]),
    )


_NO_FIELDS: Final = LongFields(None, None, None)


def whole(value: object) -> int:
    """A number, 0 for a null: what the catalogue leaves null is nothing."""
    return value if isinstance(value, int) else 0


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def long_bytes(value: object) -> LongBytes | None:
    return value if isinstance(value, LongBytes) else None
