"""Relationships between tables, as MSysRelationships has them.

Source: jackcess RelationshipImpl; DAO's RelationAttributeEnum for "inherited".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from checkup.jet.objects import text, whole
from checkup.jet.small_tables import Values

TABLE: Final = "MSysRelationships"
COLUMNS: Final = (
    "szRelationship",
    "grbit",
    "icolumn",
    "ccolumn",
    "szObject",
    "szColumn",
    "szReferencedObject",
    "szReferencedColumn",
)

_ONE_TO_ONE: Final = 0x1
_NOT_ENFORCED: Final = 0x2
_INHERITED: Final = 0x4
_CASCADES_UPDATES: Final = 0x100
_CASCADES_DELETES: Final = 0x1000
_CASCADES_NULLS: Final = 0x2000
_LEFT: Final = 0x01000000
_RIGHT: Final = 0x02000000


class Relationship(NamedTuple):
    """`child` holds the foreign key, `parent` is what it refers to; the columns are in pairs. `join` is how
    Access suggests to join them. `is_enforced`: the engine refuses children without a parent."""

    name: str
    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    is_enforced: bool
    is_one_to_one: bool
    is_inherited: bool
    cascades_updates: bool
    cascades_deletes: bool
    cascades_nulls: bool
    join: Literal["inner", "left", "right"]

    @property
    def concerns_system(self) -> bool:
        """Between tables that Access keeps for itself."""
        return self.child.startswith("MSys") and self.parent.startswith("MSys")


def relationships(rows: Iterable[Values]) -> tuple[Relationship, ...]:
    """One per name, its columns in their order."""
    by_name: dict[str, list[Values]] = {}
    for row in rows:
        by_name.setdefault(text(row["szRelationship"]), []).append(row)
    return tuple(
        _relationship(name, sorted(of_name, key=lambda row: whole(row["icolumn"])))
        for name, of_name in by_name.items()
    )


def _relationship(name: str, rows: list[Values]) -> Relationship:
    first = rows[0]
    bits = whole(first["grbit"])
    return Relationship(
        name=name,
        child=text(first["szObject"]),
        child_columns=tuple(text(row["szColumn"]) for row in rows),
        parent=text(first["szReferencedObject"]),
        parent_columns=tuple(text(row["szReferencedColumn"]) for row in rows),
        is_enforced=not bits & _NOT_ENFORCED,
        is_one_to_one=bool(bits & _ONE_TO_ONE),
        is_inherited=bool(bits & _INHERITED),
        cascades_updates=bool(bits & _CASCADES_UPDATES),
        cascades_deletes=bool(bits & _CASCADES_DELETES),
        cascades_nulls=bool(bits & _CASCADES_NULLS),
        join="left" if bits & _LEFT else "right" if bits & _RIGHT else "inner",
    )
