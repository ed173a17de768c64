"""A sample says how sure it is."""

from __future__ import annotations

import pytest

from checkup.jet.integrity import Plan, examine
from checkup.jet.sampling import SamplePlan, most_ratio
from tests.jet.made import BytesSource
from tests.jet.sound import TABLE, TABLE_ROWS, sound_file

SOUND = sound_file().data()


def test_a_sample_of_everything_is_exact() -> None:
    answer = examine(BytesSource(SOUND), Plan("sample"))
    whole = examine(BytesSource(SOUND), Plan("pages"))
    [table] = [totals for totals in whole.totals if totals.owner == TABLE]
    [rows] = [one for one in answer.estimates if (one.share.owner, one.share.kind) == (TABLE, "data")]
    assert rows.sampled == rows.share.pages == 3
    assert rows.rows_per_page.mean == pytest.approx(table.live_rows / 3)
    assert rows.free_ratio.mean == pytest.approx(table.free_bytes / 3 / 4096)
    assert rows.free_ratio.error == rows.rows_per_page.error == 0.0
    assert (rows.unsound, rows.unsound_most_ratio) == (0, 0.0)


def test_a_part_has_an_error_and_is_the_same_each_time() -> None:
    plan = Plan("sample", sample=SamplePlan(pages=2, owners=1, seed=3))
    first, again = (examine(BytesSource(SOUND), plan).estimates for _ in range(2))
    assert first == again
    [estimate] = first
    assert estimate.sampled == 2
    assert 0 < estimate.unsound_most_ratio <= 1


def test_damage_in_the_sample_is_named() -> None:
    at = TABLE_ROWS[1] * 4096 + 2
    damaged = SOUND[:at] + b"\xff" + SOUND[at + 1 :]
    answer = examine(BytesSource(damaged), Plan("sample"))
    assert [(one.code, one.page, one.depth) for one in answer.damages] == [
        ("page-free-word", TABLE_ROWS[1], "sample")
    ]
    assert sum(estimate.unsound for estimate in answer.estimates) == 1


@pytest.mark.parametrize(
    ("hits", "sampled", "population", "most"),
    [
        (0, 400, 100_000, 1 - 0.05 ** (1 / 400)),  # close to three in the sampled
        (0, 1, 10, 0.95),
        (2, 2, 10, 1.0),
        (1, 10, 10, 0.1),
        (3, 100, 100_000, 0.0757),
    ],
)
def test_what_no_sample_shows_may_still_be_there(
    hits: int, sampled: int, population: int, most: float
) -> None:
    assert most_ratio(hits, sampled, population) == pytest.approx(most, rel=0.01)
