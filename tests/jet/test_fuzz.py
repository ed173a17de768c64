"""Whatever bytes a file holds, the deepest look ends, with an answer, after bounded work."""

from __future__ import annotations

import pytest

from tests.jet.fuzzing import Base, bases, run_case

CASES = 2_000
CASES_FOR_EVERY_RUN = 150


@pytest.fixture(scope="module")
def all_bases() -> tuple[Base, ...]:
    return bases()


def test_mutated_files_end_in_an_answer(all_bases: tuple[Base, ...]) -> None:
    _run(range(CASES_FOR_EVERY_RUN), all_bases)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_mutated_files_end_in_an_answer(all_bases: tuple[Base, ...], part: int) -> None:
    _run(range(part, CASES, 4), all_bases)


def _run(cases: range, all_bases: tuple[Base, ...]) -> None:
    states = {run_case(case, all_bases).state for case in cases}
    assert "damaged" in states
    assert "sound" in states  # where only what nobody owns was hit
