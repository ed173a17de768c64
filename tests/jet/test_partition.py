"""Every page has its place, from maps alone; and what that costs is counted, not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.integrity import Integrity, Plan, examine
from checkup.jet.local import LocalSource
from checkup.jet.page_checks import scan
from checkup.jet.partition import DATA, FREE, INDEX, LONG_VALUES, ORPHAN, Partition
from checkup.jet.source import Range, SourceError
from tests.jet.corpora import BIG_FILES, corpus_file, readable_params, unpack_big_file
from tests.jet.made import BytesSource, data_page, inline_map
from tests.jet.sound import (
    BITMAP,
    CATALOGUE_INDEX,
    CATALOGUE_ROWS,
    CHAIN,
    LEAVES,
    MAPS,
    NEVER,
    ROOT,
    TABLE,
    TABLE_CONTINUES,
    TABLE_ROWS,
    VALUES,
    WARDS,
    sound_file,
)
from tests.jet.sound import (
    FREE as FREE_PAGE,
)

MOST_ROUNDS = 8  # and one for each further page of the longest definition
# By file: what places every page and checks the catalogue's own indexes.
MAPS_BYTES = {"mid200_jet4.mdb": 315_392, "mid200_ace.accdb": 430_080}
MAPS_REQUESTS = {"mid200_jet4.mdb": 71, "mid200_ace.accdb": 99}


def placed(answer: Integrity) -> Partition:
    assert answer.partition is not None
    return answer.partition


def further_definition_pages(answer: Integrity) -> int:
    assert answer.structure is not None
    return max(len(table.chain) for table in answer.structure.definitions.values()) - 1


@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
def test_every_page_has_its_place(layout: Format) -> None:
    result = placed(examine(BytesSource(sound_file(layout).data()), Plan("maps")))
    by_kind: dict[str, set[int]] = {}
    for page in range(len(result)):
        by_kind.setdefault(result.kind_of(page), set()).add(page)
    assert by_kind == {
        "file": {0},
        "map-rows": {1, MAPS},
        "definition": {2, TABLE, TABLE_CONTINUES},
        "map": {BITMAP},
        "data": {CATALOGUE_ROWS, *TABLE_ROWS},
        "index": {CATALOGUE_INDEX, ROOT, *LEAVES, WARDS},
        "long-values": {*CHAIN, VALUES},
        "free": {FREE_PAGE, NEVER},
    }
    assert result.complete
    assert [result.owner_of(page) for page in (CATALOGUE_ROWS, WARDS, MAPS)] == [2, TABLE, None]
    shares = {(share.kind, share.owner, share.part): share for share in result.shares}
    assert shares["data", TABLE, None].pages == 3
    assert (shares["index", TABLE, 0].first, shares["index", TABLE, 0].last) == (ROOT, LEAVES[1])
    assert shares["index", TABLE, 0].runs == 1
    assert shares["long-values", TABLE, 3].pages == 3


@pytest.mark.parametrize("path", readable_params())
def test_pages_are_what_the_maps_say(path: Path) -> None:
    source = LocalSource(path)
    answer = examine(source, Plan("maps"))
    result = placed(answer)
    read: Callable[[int, int], bytes] = lambda offset, length: source.read([(offset, length)])[0]  # noqa: E731
    table = scan(read, answer.header.layout, len(result))
    assert set(table.kind[result.role == DATA].tolist()) <= {1}
    assert set(table.kind[result.role == INDEX].tolist()) <= {3, 4}
    assert bool((table.owner[result.role == DATA] == result.owner[result.role == DATA]).all())
    assert sum(share.pages for share in result.shares) == int(np.count_nonzero(result.share >= 0))
    for number, share in enumerate(result.shares):
        assert share.pages == len(result.pages_of(number))


@pytest.mark.parametrize("path", readable_params())
def test_rounds_that_depend_on_each_other_are_few(path: Path) -> None:
    answer = examine(LocalSource(path), Plan("maps"))
    assert answer.counters.rounds <= MOST_ROUNDS + further_definition_pages(answer)


@pytest.fixture(scope="module", params=BIG_FILES)
def big_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = unpack_big_file(request.param, tmp_path_factory.mktemp("big"))
    yield path
    path.unlink()


def test_a_large_file_is_placed_from_a_few_hundred_kilobytes(big_file: Path) -> None:
    answer = examine(LocalSource(big_file), Plan("maps"))
    assert answer.state == "sound"
    assert answer.counters.bytes <= MAPS_BYTES[big_file.name]
    assert answer.counters.requests <= MAPS_REQUESTS[big_file.name]
    assert answer.counters.rounds <= MOST_ROUNDS + further_definition_pages(answer)
    assert placed(answer).count(LONG_VALUES) == 38_997


def test_orphans_are_told_as_stretches() -> None:
    """Of a file whose former pages were lost and not freed."""
    answer = examine(LocalSource(corpus_file("jackcess/V2000/testV2000.mdb")), Plan("maps"))
    assert placed(answer).count(ORPHAN) == 693
    orphans = [problem for problem in answer.problems if problem.code == "page-orphan"]
    assert sum(problem.pages for problem in orphans) == 693
    assert answer.state == "sound"


def test_pages_past_an_inline_list_of_free_pages_are_free() -> None:
    made = sound_file(JET4)
    for page in range(21, 600):
        made.pages[page] = bytes(4096)
    result = placed(examine(BytesSource(made.data()), Plan("maps")))
    # The list has 64 bytes of bits: it tells of 512 pages.
    assert result.kind_of(511) == "none"
    assert result.kind_of(512) == "free"


class WithoutIndexPages(BytesSource):
    """A source that has definitions, maps and the catalogue's rows, and nothing else."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        for offset, length in ranges:
            if offset <= CATALOGUE_INDEX * 4096 < offset + length:
                raise SourceError("budget", "not among the pages that were brought")
        return super().read(ranges)


def test_a_source_without_index_pages_places_every_page_too() -> None:
    data = sound_file(JET4).data()
    whole = examine(BytesSource(data), Plan("maps"))
    answer = examine(WithoutIndexPages(data), Plan("maps"))
    assert bool((placed(answer).share == placed(whole).share).all())
    assert [(left.stage, left.reason) for left in answer.left_out] == [("maps", "budget")]
    assert answer.state == "incomplete"


def test_the_catalogues_indexes_cost_no_round() -> None:
    data = sound_file(JET4).data()
    source = BytesSource(data)
    examine(source, Plan("maps"))
    pages = [{offset // 4096 for offset, _ in ranges} for ranges in source.rounds]
    assert sum(CATALOGUE_INDEX in one for one in pages) == 1
    assert {CATALOGUE_INDEX, MAPS} <= next(one for one in pages if CATALOGUE_INDEX in one)


def codes(data: bytes) -> set[tuple[str, int]]:
    return {(one.code, one.page) for one in examine(BytesSource(data), Plan("maps")).damages}


def test_a_free_space_map_with_another_tables_page() -> None:
    made = sound_file(JET4)
    rows = _map_rows(made.pages[MAPS])
    rows[1] = inline_map([VALUES])
    made.pages[MAPS] = data_page(JET4, 0, rows)
    assert codes(made.data()) == {("free-space-unowned", VALUES)}


def test_an_index_whose_root_is_not_its_own() -> None:
    made = sound_file(JET4)
    rows = _map_rows(made.pages[MAPS])
    rows[6] = inline_map([])
    made.pages[MAPS] = data_page(JET4, 0, rows)
    assert codes(made.data()) == {("index-root-unowned", WARDS)}


def test_with_an_unreadable_definition_nobody_is_called_an_orphan() -> None:
    made = sound_file(JET4)
    made.pages[TABLE] = bytes(4096)
    answer = examine(BytesSource(made.data()), Plan("maps"))
    assert not placed(answer).complete
    assert placed(answer).count(FREE) == 2
    assert {problem.code for problem in answer.problems} == {"page-kind"}


def _map_rows(page: bytes) -> list[bytes]:
    """The rows of the page of maps, in order."""
    count = int.from_bytes(page[12:14], "little")
    ends = [4096, *(int.from_bytes(page[14 + 2 * row : 16 + 2 * row], "little") for row in range(count))]
    return [page[start:end] for end, start in pairwise(ends)]
