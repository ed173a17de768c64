"""Whole tables that are small: those of the system, of which every row is wanted.

Several are read side by side: one round for their maps, one for their data pages, one for rows that lie
elsewhere. Bounded: a table that claims more pages than such a table can have is read as far as the bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from checkup.jet.damage import Damage
from checkup.jet.definition import Definition
from checkup.jet.pages import Pages
from checkup.jet.rows import TableRows, read_rows
from checkup.jet.usage_map import UsageMap, read_maps
from checkup.jet.values import Value, row_values

MOST_PAGES: Final = 4096  # of one table: 16 MB; the catalogue of 32,768 objects has some 2,000

Values = Mapping[str, Value]


class TableContent(NamedTuple):
    """The named values of every row that could be read."""

    rows: tuple[Values, ...]
    damages: tuple[Damage, ...]


def read_small_tables(
    pages: Pages, wanted: Sequence[tuple[Definition, Sequence[str]]], text_encoding: str
) -> dict[int, TableContent]:
    """The named columns of each table, by definition page. Raises SourceError."""
    maps = read_maps(pages, [definition.owned_map for definition, _ in wanted])
    numbers: dict[int, tuple[int, ...]] = {}
    damages: dict[int, list[Damage]] = {}
    for definition, _ in wanted:
        numbers[definition.page], damages[definition.page] = _data_pages(
            definition, maps[definition.owned_map]
        )
    pages.get(number for of_table in numbers.values() for number in of_table)
    contents: dict[int, TableContent] = {}
    for definition, names in wanted:
        rows = read_rows(pages, definition.page, numbers[definition.page])
        contents[definition.page] = _decoded(
            rows, definition, names, pages, text_encoding, damages[definition.page]
        )
    return contents


def _data_pages(definition: Definition, owned: UsageMap | Damage) -> tuple[tuple[int, ...], list[Damage]]:
    if isinstance(owned, Damage):
        return (), [owned]
    damages = list(owned.damages)
    count = owned.count()
    if count > MOST_PAGES:
        damages.append(
            Damage(code="table-long", page=definition.page, owner=definition.page, numbers=(count,))
        )
    numbers: list[int] = []
    for number in owned:
        if len(numbers) == MOST_PAGES:
            break
        numbers.append(number)
    return tuple(numbers), damages


def _decoded(
    rows: TableRows,
    definition: Definition,
    names: Sequence[str],
    pages: Pages,
    text_encoding: str,
    damages: Sequence[Damage],
) -> TableContent:
    decoded: list[Values] = []
    wrong: list[Damage] = [*damages, *rows.damages]
    for row in rows.rows:
        values = row_values(row, definition, names, pages.layout, text_encoding)
        if isinstance(values, Damage):
            wrong.append(values)
        else:
            decoded.append(values)
    return TableContent(tuple(decoded), tuple(wrong))
