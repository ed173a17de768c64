"""What a look really costs, against the estimate; and which kinds of pages it really reads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from checkup.access_cost import budget_bytes, cost_of
from checkup.access_depth import DEPTHS, WITH_ROWS
from checkup.api import Depth
from checkup.collect.access_reading import read_access
from checkup.jet.local import LocalSource
from checkup.jet.partition import DATA, INDEX, LONG_VALUES
from checkup.jet.source import Range
from tests.jet.corpora import BIG_FILES, readable_params, unpack_big_file
from tests.jet.made import BytesSource
from tests.jet.planted import DAMAGES, Damage, survey
from tests.jet.sound import sound_file

CLAIMED = ("page owned, and on the list of free pages", "file cut within a page", "file cut between pages")


def within_twice(measured: int, estimated: int) -> bool:
    return estimated / 2 <= measured <= estimated * 2


def test_the_estimates_are_right_within_a_factor_of_two(tmp_path: Path) -> None:
    path = unpack_big_file(BIG_FILES[0], tmp_path)
    for depth in DEPTHS:
        source = LocalSource(path)
        spent = read_access(source, depth=depth).cost
        source.close()
        size = path.stat().st_size
        estimated = cost_of(depth, size)
        assert within_twice(spent.bytes, estimated.bytes), (depth, spent, estimated)
        assert within_twice(spent.requests, estimated.requests), (depth, spent, estimated)
        assert within_twice(spent.rounds, estimated.rounds), (depth, spent, estimated)
        assert spent.bytes <= budget_bytes(depth, size)
    path.unlink()


class Watched(BytesSource):
    """Remembers what it was asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[Range] = []

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        self.asked += ranges
        return super().read(ranges)

    def pages(self, size: int) -> set[int]:
        return {n for at, length in self.asked for n in range(at // size, -(-(at + length) // size))}


@pytest.mark.parametrize("path", readable_params())
def test_no_page_of_values_is_read_without_the_consent_that_its_depth_needs(path: Path) -> None:
    """Pages of rows, long values and indexes of everything that is not the catalogue's own."""
    known = survey(path.read_bytes())
    placed = known.partition
    catalogue = {page for page, name in _system_tables(known.data).items() if name in CATALOGUE_TABLES}
    for depth in DEPTHS:
        source = Watched(known.data)
        read_access(source, depth=depth)
        read = [page for page in source.pages(known.layout.page_size) if page < len(placed)]
        values = {
            int(placed.role[page])
            for page in read
            if placed.role[page] in (DATA, INDEX, LONG_VALUES) and placed.owner_of(page) not in catalogue
        }
        assert values <= ALLOWED[depth], depth


@pytest.mark.parametrize("depth", ["header", "catalogue", "maps"])
@pytest.mark.parametrize("damage", [one for one in DAMAGES if one.name in CLAIMED], ids=lambda one: one.name)
def test_what_is_said_of_a_page_of_rows_is_no_reason_to_read_it(damage: Damage, depth: Depth) -> None:
    """The maps tell that two owners claim it: what is on it would tell no more."""
    known = survey(sound_file().data())
    planted = damage.plant(known, random.Random(1))
    assert planted is not None
    source = Watched(planted.data)
    read_access(source, depth=depth)
    read = source.pages(known.layout.page_size)
    own = (DATA, INDEX, LONG_VALUES)
    values = {page for role in own for page in known.of_role(role) if known.partition.owner_of(page) != 2}
    assert not read & values


# What no one but Access itself writes to: names, properties, queries, relationships.
CATALOGUE_TABLES = ("MSysObjects", "MSysQueries", "MSysRelationships")
ALLOWED: dict[Depth, set[int]] = {
    **{depth: set[int]() for depth in DEPTHS if depth not in WITH_ROWS},
    "sample": {DATA, LONG_VALUES},
    "index": {INDEX},
    "pages": {DATA, INDEX, LONG_VALUES},
    "rows": {DATA, INDEX, LONG_VALUES},
}


def _system_tables(data: bytes) -> dict[int, str]:
    catalogue = read_access(BytesSource(data), depth="catalogue").catalogue
    assert catalogue is not None
    return {page: table.name for page, table in catalogue.table_by_page.items()}
