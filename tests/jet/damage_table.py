"""Which depth names which damage: found out by planting all of it, and written into the documentation.

`python -m tests.jet.damage_table` renews the table in docs/access-integrity.md.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from checkup.jet.integrity import STAGES, Plan, examine
from checkup.jet.problems import Depth, Problem
from tests.jet.corpora import access_files
from tests.jet.made import BytesSource
from tests.jet.planted import DAMAGES, Damage, Planted, Survey, survey

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "access-integrity.md"
START, END = "<!-- made by tests/jet/damage_table.py -->\n", "<!-- end -->\n"

DEPTHS: Final[tuple[Depth, ...]] = tuple(depth for depth in get_args(Depth) if depth != "sample")

# Of every version, with trees of two levels, rows that lie elsewhere, definitions over two pages, long values
# in chains, maps with pages of their own.
FILES: Final = (
    "V1997/indexTestV1997.mdb",
    "V1997/test2V1997.mdb",
    "V1997/testIndexCodesV1997.mdb",
    "V2000/queryTestV2000.mdb",
    "V2000/compIndexTestV2000.mdb",
    "V2000/test2V2000.mdb",
    "V2010/binIdxTestV2010.accdb",
    "V2010/test2V2010.accdb",
    "V2010/indexTestV2010.accdb",
    "V2016/longtext.accdb",
    "V2016/attachments.accdb",
)


@dataclass(frozen=True)
class Found:
    """Of `planted` copies: in how many each depth named the damage, and in how many it noticed any."""

    planted: int
    named: Mapping[Depth, int]
    noticed: Mapping[Depth, int]


def surveys() -> tuple[Survey, ...]:
    """None where the corpora are absent."""
    chosen = [path for path in access_files() if path.as_posix().endswith(FILES)]
    return tuple(survey(path.read_bytes()) for path in chosen)


def plant_and_look(damage: Damage, sound_files: Iterable[Survey]) -> Found:
    """One look at the deepest depth tells of all: every problem says the least depth that shows it."""
    outcomes: list[tuple[Planted, tuple[Problem, ...]]] = []
    for place, sound in enumerate(sound_files):
        planted = damage.plant(sound, random.Random(f"{damage.name} {damage.page_kind} {place}"))
        if planted is not None:
            outcomes.append((planted, examine(BytesSource(planted.data), Plan("rows")).damages))
    return Found(
        len(outcomes),
        {depth: sum(_names(planted, seen, depth) for planted, seen in outcomes) for depth in DEPTHS},
        {depth: sum(bool(_at(seen, depth)) for _, seen in outcomes) for depth in DEPTHS},
    )


def _names(planted: Planted, seen: Iterable[Problem], depth: Depth) -> bool:
    return any(planted.is_named_by(problem) for problem in _at(seen, depth))


def _at(problems: Iterable[Problem], depth: Depth) -> list[Problem]:
    return [problem for problem in problems if problem.depth in STAGES[depth]]


def table(sound_files: tuple[Survey, ...]) -> str:
    lines = [
        "| damage | on a page of | copies | " + " | ".join(DEPTHS) + " |",
        "|---|---|--:|" + "---|" * len(DEPTHS),
    ]
    for damage in DAMAGES:
        found = plant_and_look(damage, sound_files)
        cells = [_cell(found, depth) for depth in DEPTHS]
        lines.append(f"| {damage.name} | {damage.page_kind} | {found.planted} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: Found, depth: Depth) -> str:
    named, noticed = found.named[depth], found.noticed[depth]
    if not noticed:
        return "–"
    if named == found.planted:
        return "**named**"
    return f"{named} named" + (f", {noticed} noticed" if noticed > named else "")


def renewed(page: str, sound_files: tuple[Survey, ...]) -> str:
    before, rest = page.split(START)
    return before + START + table(sound_files) + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), surveys()), encoding="utf-8")
