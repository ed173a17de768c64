"""The parts of an Access file that tell where its pages belong, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from checkup.api import JSON
from checkup.collect.access_reading import COVERS, Reading
from checkup.jet.problems import Problem

if TYPE_CHECKING:
    from checkup.jet.integrity import Integrity
    from checkup.jet.partition import Share

BLOCK_PAGES: Final = 256  # pages of one digest: a megabyte in the files of today


def maps_part(reading: Reading) -> JSON:
    placed = None if reading.integrity is None else reading.integrity.partition
    if placed is None:
        return None
    from checkup.jet.partition import FREE, KINDS, ORPHAN

    tables = () if reading.catalogue is None else reading.catalogue.user_tables()
    users = {table.object.definition_page for table in tables}
    shares: dict[int, list[Share]] = {}
    for share in placed.shares:
        if share.owner in users:
            shares.setdefault(share.owner, []).append(share)
    return {
        "pages": len(placed),
        "free": placed.count(FREE),
        "orphan": placed.count(ORPHAN),
        "by_kind": {kind: placed.count(role) for role, kind in enumerate(KINDS)},
        "complete": placed.complete,
        "tables": [_placed(page, owned) for page, owned in shares.items()],
    }


def _placed(page: int, shares: Iterable[Share]) -> JSON:
    pages = {"data": 0, "index": 0, "long-values": 0}
    runs = 0
    for share in shares:
        if share.kind in pages:
            pages[share.kind] += share.pages
        if share.kind == "data":
            runs += share.runs
    return {
        "page": page,
        "data_pages": pages["data"],
        "index_pages": pages["index"],
        "long_value_pages": pages["long-values"],
        "runs": runs,
    }


def integrity_part(reading: Reading) -> JSON:
    names: dict[int, str] = {}
    if reading.catalogue is not None:
        names = {page: table.name for page, table in reading.catalogue.table_by_page.items()}
    return {
        "depth": reading.done[-1],
        "problems": [_problem(problem, names) for problem in reading.problems],
        "counts": dict[str, JSON](_counts(reading)),
        "in_motion": list[JSON](sorted({problem.page for problem in reading.in_motion})),
        "left_out": [{"part": left.part, "detail": left.detail} for left in reading.left_out],
        "sampled": None if reading.integrity is None else _sampled(reading.integrity),
        "complete": _complete(reading),
    }


def _complete(reading: Reading) -> bool:
    """Everything that the depth asks for was looked at."""
    reached = set(COVERS[reading.depth]) <= set(reading.done)
    return reached and reading.refused is None and not reading.left_out


def _counts(reading: Reading) -> dict[str, int]:
    """Of each code, those that were not kept one by one included."""
    counts: dict[str, int] = {}
    for problem in reading.problems:
        counts[problem.code] = counts.get(problem.code, 0) + 1
    if reading.integrity is not None:
        for code, count in reading.integrity.counts.items():
            counts[code] = max(count, counts.get(code, 0))
    return counts


def _problem(problem: Problem, names: Mapping[int, str]) -> JSON:
    return {
        "code": problem.code,
        "page": problem.page,
        "pages": problem.pages,
        "kind": problem.kind,
        "owner": problem.owner,
        "owner_name": None if problem.owner is None else names.get(problem.owner),
        "part": problem.part,
        "depth": problem.depth,
        "numbers": list[JSON](problem.numbers),
    }


def _sampled(integrity: Integrity) -> JSON:
    if "sample" not in integrity.done:
        return None
    return {
        "owners": [
            {
                "page": one.share.owner,
                "kind": one.share.kind,
                "part": one.share.part,
                "pages": one.share.pages,
                "sampled": one.sampled,
                "free_ratio": one.free_ratio.mean,
                "free_ratio_error": one.free_ratio.error,
                "deleted_ratio": one.deleted_ratio.mean,
                "deleted_ratio_error": one.deleted_ratio.error,
                "unsound": one.unsound,
                "unsound_most_ratio": one.unsound_most_ratio,
            }
            for one in integrity.estimates
        ]
    }


def blocks_part(reading: Reading) -> JSON:
    """A number of eight bytes for every BLOCK_PAGES pages, from a look at every page, to compare files by.

    It is a hash of sums over the pages: nothing can be had back from it.
    """
    sums = None if reading.integrity is None else reading.integrity.page_sums
    if sums is None:
        return None
    from hashlib import blake2b  # it brings OpenSSL along, which few looks need

    blocks = (sums[first : first + BLOCK_PAGES] for first in range(0, len(sums), BLOCK_PAGES))
    return {
        "pages": BLOCK_PAGES,
        "digests": [blake2b(block.astype("<u8").tobytes(), digest_size=8).hexdigest() for block in blocks],
    }
