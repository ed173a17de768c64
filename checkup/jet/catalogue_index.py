"""Whether the catalogue's own indexes have an entry for each of its rows.

Access finds tables through them; a compaction that does not find an object leaves it out of the new file
without a word. So a row without its entry is a table that the next compaction drops.

The pages of these indexes hold names of objects and nothing of anyone's rows; see `read_ahead`.
"""

from __future__ import annotations

from collections.abc import Iterable

from checkup.jet.damage import Damage
from checkup.jet.definition import Definition
from checkup.jet.formats import CATALOGUE_PAGE
from checkup.jet.index_checks import walk
from checkup.jet.index_keys import trees_of
from checkup.jet.pages import Pages
from checkup.jet.partition import Partition
from checkup.jet.problems import Findings, Problem, ProblemCode
from checkup.jet.rows import read_rows
from checkup.jet.usage_map import UsageMap, read_maps


def check_catalogue_index(
    pages: Pages, definition: Definition, partition: Partition, findings: Findings
) -> None:
    """Walks the trees, and compares their entries with the rows. Raises SourceError."""
    owned = read_maps(pages, (definition.owned_map,))[definition.owned_map]
    if isinstance(owned, Damage):
        return
    trees = trees_of(definition)
    walked = walk(pages, partition, trees, findings, "maps", keep_pointers=True)
    rows = read_rows(pages, CATALOGUE_PAGE, _pages(owned, partition))
    live = {row.at.page << 8 | row.at.row for row in rows.rows}
    primary = {index.data_number for index in definition.indexes if index.kind == "primary"}
    for number, tree in enumerate(trees):
        if not walked.whole[number] or tree.ignores_nulls or rows.damages or owned.damages:
            continue
        entries: set[int] = set(walked.pointers[number].tolist())
        for pointer in sorted(live - entries):
            numbers = (pointer & 0xFF, tree.part, int(tree.part in primary))
            _add(findings, "catalogue-entry-missing", pointer >> 8, numbers)
        for pointer in sorted(entries - live):
            _add(findings, "catalogue-entry-stale", pointer >> 8, (pointer & 0xFF, tree.part))


def _pages(owned: UsageMap, partition: Partition) -> Iterable[int]:
    return (page for page in owned if page < len(partition))


def _add(findings: Findings, code: ProblemCode, page: int, numbers: tuple[int, ...]) -> None:
    findings.add(
        Problem(code=code, page=page, kind="data", depth="maps", owner=CATALOGUE_PAGE, numbers=numbers)
    )
