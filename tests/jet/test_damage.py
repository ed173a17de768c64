"""Every kind of damage, planted alone in a sound file, is found and named."""

from __future__ import annotations

import random

import pytest

from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.integrity import Plan, examine
from checkup.jet.problems import Depth
from tests.jet import damage_table
from tests.jet.corpora import ABSENT, corpora_folder
from tests.jet.made import BytesSource
from tests.jet.planted import DAMAGES, Damage, survey
from tests.jet.sound import sound_file

# Damage that leaves nothing to compare with, or for which the made file has no second owner.
NOTHING_TO_SEE = {("page torn, its second part overwritten", "long-values")}
# What is named is the row that leads to the page.
NOTICED = {("page replaced by one of the same owner", "long-values")}
NO_PLACE = {
    ("pages of two owners swapped", "long-values"),
    ("page replaced by one of another owner", "long-values"),
    ("two row pointers to one row body", "data"),
}
SHOWN_BY: dict[str, Depth] = {
    "file cut within a page": "header",
    "page owned, and on the list of free pages": "maps",
    "entry of the catalogue's index lost": "maps",
    "link between leaves broken": "index",
    "bit of the free-space word flipped": "pages",
    "pages of one owner swapped": "rows",
}


def _words(damage: Damage) -> str:
    return f"{damage.name}, {damage.page_kind}"


@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
@pytest.mark.parametrize("damage", DAMAGES, ids=_words)
def test_damage_is_named_by_page_owner_and_kind(damage: Damage, layout: Format) -> None:
    planted = damage.plant(survey(sound_file(layout).data()), random.Random(1))
    if (damage.name, damage.page_kind) in NO_PLACE:
        assert planted is None
        return
    assert planted is not None
    answer = examine(BytesSource(planted.data), Plan("rows"))
    if (damage.name, damage.page_kind) in NOTHING_TO_SEE:
        assert answer.state == "sound"
        return
    assert answer.state == "damaged"
    assert not answer.in_motion
    if (damage.name, damage.page_kind) not in NOTICED:
        assert any(planted.is_named_by(problem) for problem in answer.damages), answer.damages


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one.name in SHOWN_BY], ids=_words)
def test_damage_shows_at_its_depth_and_not_before(damage: Damage) -> None:
    planted = damage.plant(survey(sound_file(JET4).data()), random.Random(1))
    assert planted is not None
    shown_by = SHOWN_BY[damage.name]
    if damage.page_kind == "index" and shown_by in ("pages", "rows"):
        shown_by = "index"
    for depth in damage_table.DEPTHS:
        answer = examine(BytesSource(planted.data), Plan(depth))
        seen = any(planted.is_named_by(problem) for problem in answer.damages)
        reached = shown_by in answer.done
        assert seen == reached or (seen and depth == "pages" and shown_by == "index"), depth


@pytest.mark.slow
@pytest.mark.skipif(corpora_folder() is None, reason=ABSENT)
def test_the_table_of_the_documentation_is_what_planting_shows() -> None:
    page = damage_table.PAGE.read_text(encoding="utf-8")
    found = damage_table.renewed(page, damage_table.surveys())
    assert found == page, "run: python -m tests.jet.damage_table"
