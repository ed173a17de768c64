"""A table on a server has a definition in the file: whether Access knows a key of it shows there."""

from __future__ import annotations

from typing import Any

import pytest

from checkup.jet.catalogue import read_catalogue
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.integrity import Plan, examine
from checkup.jet.links import has_key
from checkup.jet.problems import Depth
from tests.jet.made import LONG, TEXT, MadeIndex, clinic_file, definition, definition_pages
from tests.jet.sound import sound_file

COLUMNS = (("Id", LONG), ("Name", TEXT))


def link(page: int) -> dict[str, Any]:
    return {"Id": page, "ParentId": 0x0F000001, "Name": "Rates", "Type": 4, "Flags": 0x20000000}


@pytest.mark.parametrize("layout", [JET3, JET4], ids=["jet3", "jet4"])
@pytest.mark.parametrize(
    ("indexes", "expected"),
    [
        ([MadeIndex("__uniqueindex", columns=(0,), flags=0x81)], True),
        ([MadeIndex("PrimaryKey", columns=(0,), kind=1, flags=0x89)], True),
        ([MadeIndex("ByName", columns=(1,))], False),
        ([], False),
    ],
)
def test_a_unique_index_is_a_key(layout: Format, indexes: list[MadeIndex], expected: bool) -> None:
    page = 40
    file = clinic_file(layout, [link(page)])
    joined = definition(layout, COLUMNS, indexes=indexes)
    file.pages.update(definition_pages(layout, joined, [page]))
    (found,) = read_catalogue(file.open()).links
    assert found.definition is not None
    assert [column.name for column in found.definition.columns] == ["Id", "Name"]
    assert has_key(found.definition) is expected


@pytest.mark.parametrize("page", [-0x7FFFFFD8, 4000, 1], ids=["no page", "beyond", "no definition"])
def test_a_link_without_one_is_no_damage(page: int) -> None:
    catalogue = read_catalogue(clinic_file(objects=[link(page)]).open())
    (found,) = catalogue.links
    assert found.definition is None
    assert catalogue.damages == read_catalogue(clinic_file().open()).damages


@pytest.mark.parametrize("depth", ["maps", "index", "pages", "rows"])
def test_its_page_is_no_lost_one_at_any_depth(depth: Depth) -> None:
    """In a sound file with nothing lost but what is put here."""
    link_page, lost_page = 30, 31
    file = sound_file(more=[link(link_page)])
    joined = definition(file.layout, COLUMNS, indexes=[MadeIndex("__uniqueindex", (0,), flags=0x81)])
    for page in (link_page, lost_page):
        file.pages.update(definition_pages(file.layout, joined, [page]))
    found = examine(file.source(), Plan(depth))
    codes = {(one.code, one.page) for one in found.problems if one.page in (link_page, lost_page)}
    expected = {("page-orphan", lost_page)}
    if depth in ("pages", "rows"):
        expected.add(("definition-unlisted", lost_page))
    assert codes == expected
    assert found.partition is not None and found.partition.kind_of(link_page) == "definition"
