"""What is wrong in a file, as frozen data: a code, the page, its owner, and bare numbers."""

from __future__ import annotations

from typing import Literal, NamedTuple

DamageCode = Literal[
    "page-missing",  # beyond the end of the file
    "page-kind",  # numbers: the kind found
    "page-owner",  # numbers: the owner found
    "definition-cut",  # numbers: where the next field would be, bytes there are
    "definition-loop",
    "definition-long",  # numbers: pages in the chain so far
    "definition-many",  # numbers: pages of definitions read before; this one was not read
    "definition-count",  # numbers: the count that cannot be
    "map-row-missing",  # numbers: row
    "map-kind",  # numbers: row, the kind found
    "map-page-twice",  # numbers: row, bitmap page
    "map-many",  # numbers: row; maps took too much room before, this one was not kept
    "row-missing",  # numbers: row
    "row-cut",  # numbers: row
    "row-pointer",  # numbers: row, page and row pointed to
    "value-pointer",  # numbers: row pointed to
    "value-loop",  # numbers: row
    "value-length",  # numbers: length said, bytes found
    "value-long",  # numbers: rows in the chain so far
    "value-many",  # numbers: length said; values took too much room before, this one was not read
    "value-cut",  # numbers: bytes there are
    "properties-cut",  # numbers: where the next field would be, bytes there are
    "table-long",  # numbers: pages it has, or rows read; the rest was not read
    "table-missing",  # a system table that every file has
]


class Damage(NamedTuple):
    """One thing that does not hold. `owner` is the definition page of the table concerned, where known."""

    code: DamageCode
    page: int
    owner: int | None = None
    numbers: tuple[int, ...] = ()


class DamageError(Exception):
    """A structure cannot be read; carries why."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(f"{damage.code} at page {damage.page} {damage.numbers}")
        self.damage = damage
