"""Sound files are called sound at every depth, and what keeps changing is never called damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.header import NotAccessError
from checkup.jet.integrity import STAGES, Integrity, Plan, examine
from checkup.jet.local import LocalSource
from checkup.jet.pages import Budget
from checkup.jet.problems import INFORMATION, MOST_OF_A_CODE, Depth, Problem
from checkup.jet.source import Range, SourceError
from tests.jet.corpora import BIG_FILES, corpus_params, unpack_big_file
from tests.jet.made import BytesSource
from tests.jet.sound import CHAIN, FREE, LEAVES, MAPS, NEVER, TABLE, TABLE_ROWS, sound_file

DEPTHS: tuple[Depth, ...] = tuple(STAGES)


class WatchedSource(BytesSource):
    """Does something before each round, by its number."""

    def __init__(self, data: bytes, before: Callable[[WatchedSource, int], None]) -> None:
        super().__init__(data)
        self._before = before

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        self._before(self, len(self.rounds))
        return super().read(ranges)


def with_page(data: bytes, number: int, change: Callable[[bytearray], None], layout: Format = JET4) -> bytes:
    size = layout.page_size
    page = bytearray(data[number * size : (number + 1) * size])
    change(page)
    return data[: number * size] + bytes(page) + data[(number + 1) * size :]


def flip_free_word(page: bytearray) -> None:
    page[2] ^= 0x10


SOUND = sound_file(JET4).data()
TORN = with_page(SOUND, TABLE_ROWS[0], flip_free_word)


def codes(problems: Sequence[Problem]) -> list[tuple[str, int]]:
    return [(problem.code, problem.page) for problem in problems]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("path", corpus_params())
def test_no_sound_file_is_called_damaged(path: Path, depth: Depth) -> None:
    answer = examine(LocalSource(path), Plan(depth))
    assert not answer.damages
    assert not answer.in_motion
    assert set(answer.counts) <= INFORMATION
    if answer.header.readable:
        assert answer.state == "sound"
        assert answer.done == STAGES[depth]
    else:
        assert answer.state == ("sound" if depth == "header" else "incomplete")
        assert {left.reason for left in answer.left_out} <= {"encrypted"}


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG_FILES)
def test_large_files_of_another_writer_are_sound(name: str, tmp_path: Path) -> None:
    path = unpack_big_file(name, tmp_path)
    answer = examine(LocalSource(path), Plan("rows"))
    path.unlink()
    assert answer.state == "sound"
    # That writer leaves the index pages that it emptied on the map, and no count is off.
    assert set(answer.counts) <= {"index-unreached", "page-orphan"}
    assert answer.structure is not None
    for totals in answer.totals:
        assert totals.live_rows == answer.structure.definitions[totals.owner].row_count


@pytest.mark.parametrize("layout", [JET3, JET4], ids=lambda layout: layout.name)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_sound_file_is_read_once(layout: Format, depth: Depth) -> None:
    data = sound_file(layout).data()
    source = BytesSource(data)
    answer = examine(source, Plan(depth), pause=lambda: pytest.fail("nothing to look at again"))
    assert (answer.state, answer.problems, answer.left_out) == ("sound", (), ())
    assert not answer.moved
    firsts = [ranges for ranges in source.rounds if (0, 12288) in ranges]
    assert len(firsts) == 1
    assert answer.counters.rounds == len(source.rounds)


def test_totals_tell_rows_and_space() -> None:
    answer = examine(BytesSource(SOUND), Plan("pages"))
    [table] = [totals for totals in answer.totals if totals.owner == TABLE]
    assert (table.data_pages, table.index_pages, table.long_value_pages) == (3, 4, 3)
    assert (table.live_rows, table.moved_rows, table.deleted_rows) == (15, 1, 1)


@pytest.mark.parametrize("page", [FREE, NEVER])
def test_free_pages_may_hold_anything(page: int) -> None:
    noise = bytes(range(256)) * 16
    data = SOUND[: page * 4096] + noise + SOUND[(page + 1) * 4096 :]
    assert examine(BytesSource(data), Plan("rows")).state == "sound"


def test_what_stays_wrong_is_damage() -> None:
    paused: list[bool] = []
    answer = examine(BytesSource(TORN), Plan("pages"), pause=lambda: paused.append(True))
    assert paused == [True]
    assert answer.state == "damaged"
    assert codes(answer.damages) == [("page-free-word", TABLE_ROWS[0])]
    [problem] = answer.damages
    assert (problem.owner, problem.kind, problem.depth) == (TABLE, "data", "pages")


def test_what_is_right_when_looked_at_again_was_in_motion() -> None:
    source = BytesSource(TORN)

    def finish_the_write() -> None:
        source.data = SOUND

    answer = examine(source, Plan("rows"), pause=finish_the_write)
    assert answer.state == "in-motion"
    assert not answer.damages
    assert ("page-free-word", TABLE_ROWS[0]) in codes(answer.in_motion)
    assert answer.moved
    assert "page-free-word" not in answer.counts


def test_what_is_wrong_otherwise_each_time_is_in_motion() -> None:
    def write(source: WatchedSource, number: int) -> None:
        source.data = with_page(TORN, TABLE_ROWS[0], lambda page: page.__setitem__(20, number))

    answer = examine(WatchedSource(TORN, write), Plan("pages"))
    assert answer.state == "in-motion"
    assert ("page-free-word", TABLE_ROWS[0]) in codes(answer.in_motion)


def test_damage_beside_motion_is_damage() -> None:
    source = BytesSource(with_page(TORN, CHAIN[0], flip_free_word))

    def finish_one_write() -> None:
        source.data = TORN

    answer = examine(source, Plan("pages"), pause=finish_one_write)
    assert answer.state == "damaged"
    assert codes(answer.damages) == [("page-free-word", TABLE_ROWS[0])]
    assert codes(answer.in_motion) == [("page-free-word", CHAIN[0])]


def test_what_only_the_second_look_finds_is_in_motion() -> None:
    source = BytesSource(TORN)

    def start_another_write() -> None:
        source.data = with_page(TORN, TABLE_ROWS[1], flip_free_word)

    answer = examine(source, Plan("pages"), pause=start_another_write)
    assert codes(answer.damages) == [("page-free-word", TABLE_ROWS[0])]
    assert codes(answer.in_motion) == [("page-free-word", TABLE_ROWS[1])]


def test_a_file_that_grows_while_it_is_read() -> None:
    """The map names a page that the file did not have when it was opened."""
    short = SOUND[: TABLE_ROWS[-1] * 4096]
    source = BytesSource(short)

    def grow() -> None:
        source.data = SOUND

    answer = examine(source, Plan("maps"), pause=grow)
    assert answer.state == "in-motion"
    assert answer.moved
    assert "page-beyond-end" in {problem.code for problem in answer.in_motion}
    assert examine(BytesSource(short), Plan("maps")).state == "damaged"


def test_a_file_that_shrinks_while_it_is_read() -> None:
    def shrink(source: WatchedSource, number: int) -> None:
        if number == 5:
            source.data = SOUND[: TABLE_ROWS[-1] * 4096]

    answer = examine(WatchedSource(SOUND, shrink), Plan("rows"))
    assert answer.state == "in-motion"
    assert answer.moved


def test_a_file_that_goes_away_is_not_called_sound() -> None:
    def vanish(source: WatchedSource, number: int) -> None:
        if number == 4:
            raise SourceError("gone", "the file was deleted")

    answer = examine(WatchedSource(SOUND, vanish), Plan("pages"))
    assert answer.state == "incomplete"
    assert {left.reason for left in answer.left_out} == {"gone"}
    assert "pages" not in answer.done


def test_damage_that_cannot_be_looked_at_again_is_not_called_damage() -> None:
    source = BytesSource(TORN)
    answer = examine(source, Plan("pages"), pause=source.close)
    assert answer.state == "in-motion"
    assert [left.reason for left in answer.left_out] == ["gone"]


def test_a_budget_leaves_the_rest_out() -> None:
    answer = examine(BytesSource(SOUND), Plan("rows", budget=Budget(bytes=60_000)))
    assert answer.state == "incomplete"
    assert {left.reason for left in answer.left_out} == {"budget"}
    assert answer.counters.bytes <= 60_000
    assert [left.stage for left in answer.left_out] == [
        stage for stage in STAGES["rows"] if stage not in answer.done
    ]


def test_an_unreadable_catalogue_leaves_everything_out() -> None:
    data = with_page(SOUND, 2, lambda page: page.__setitem__(0, 1))
    answer = examine(BytesSource(data), Plan("rows"))
    assert answer.state == "damaged"
    assert codes(answer.damages) == [("page-kind", 2)]
    assert {left.reason for left in answer.left_out} == {"catalogue-unreadable"}


@pytest.mark.parametrize("data", [b"", b"Dear colleague", bytes(8192)])
def test_what_is_no_access_file_is_refused(data: bytes) -> None:
    with pytest.raises(NotAccessError):
        examine(BytesSource(data), Plan("rows"))


def test_a_file_of_nothing_but_damage_is_told_in_bounds() -> None:
    data = _many_index_entries_to_nowhere()
    answer = examine(BytesSource(data), Plan("index"))
    kept = [problem for problem in answer.damages if problem.code == "index-pointer"]
    assert len(kept) == MOST_OF_A_CODE
    assert answer.counts["index-pointer"] > MOST_OF_A_CODE


def _many_index_entries_to_nowhere() -> bytes:
    """The second leaf of the table points past the end, from 400 entries."""
    from tests.jet.sound import index_page

    entries = [b"\x7f" + (0x80000100 + key).to_bytes(4, "big") + b"\x00\xff\xff\x00" for key in range(400)]
    page = index_page(JET4, 4, TABLE, entries, previous=LEAVES[0])
    return SOUND[: LEAVES[1] * 4096] + page + SOUND[(LEAVES[1] + 1) * 4096 :]


def test_a_longer_file_than_there_can_be_is_looked_at_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "endless.mdb"
    path.write_bytes(SOUND)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a hole, not a terabyte
    answer = examine(LocalSource(path), Plan("maps"))
    assert ("file-long", JET4.most_pages) in codes(answer.damages)
    assert answer.partition is not None
    assert len(answer.partition) == JET4.most_pages


@pytest.mark.slow
def test_a_file_near_the_limit(tmp_path: Path) -> None:
    """2.1 GB, of which nearly all was never written: pages past the list of free ones are free."""
    path = tmp_path / "large.mdb"
    path.write_bytes(SOUND)
    with path.open("r+b") as file:
        file.truncate(2_100_002_816)
    answer = examine(LocalSource(path), Plan("pages"))
    assert answer.state == "sound"
    assert answer.counters.bytes > 2_100_000_000


def test_threads_see_what_one_thread_sees() -> None:
    data = with_page(TORN, CHAIN[0], flip_free_word)
    answers: list[Integrity] = [
        examine(BytesSource(data), Plan("pages", threads=threads)) for threads in (1, 2)
    ]
    assert answers[0].problems == answers[1].problems
    assert answers[0].totals == answers[1].totals


def test_a_map_that_two_tables_have_is_told_of_the_second() -> None:
    """Both would take pages from it, and write over each other's rows."""
    from checkup.jet.formats import JET4 as layout

    at = layout.definition_owned_map
    data = with_page(SOUND, TABLE, lambda page: page.__setitem__(slice(at, at + 4), bytes([0, MAPS, 0, 0])))
    answer = examine(BytesSource(data), Plan("maps"))
    assert ("map-shared", TABLE) in codes(answer.damages)
