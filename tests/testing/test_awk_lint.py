from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.testing.awk_lint import awk_problems


@pytest.mark.parametrize(
    "program",
    [
        "{ print $1 }",
        "$3 > 4 { print }",
        '/a|b/ { print "a > b | c" }',
        "{ x = $1 / 2; if (x >= 1) print x, (x > 2) }",
        "{ print $1 } END { if (n > 3) print n }",
        'NR > 1 { n++ } # | > system\nEND { printf "%d\\n", n + 0 }',
        '{ sub(/[[(:].*/, "", name) }',
        "{ a[$1] = $2 || $3 }",
        "{ print ($1 > 2) ? 3 : 4 }",
    ],
)
def test_programs_that_only_read(program: str) -> None:
    assert awk_problems(program) == []


@pytest.mark.parametrize(
    "program",
    [
        '{ print > "f" }',
        "{ print $1, $2 > $3 }",
        '{ printf("%s", $1) > "f" }',
        '{ if ($1) print $1 >> "f"; x = 1 }',
        '{ print | "sh" }',
        '{ print |& "sh" }',
        '{ "date" | getline x }',
        '{ getline x < "f" }',
        'BEGIN { system("rm") }',
        "BEGIN { @f(1) }",
        '@load "filefuncs"',
        'BEGIN { x = (1) /"/; print | "sh" }',
        'BEGIN { print "a',
        "BEGIN { print /a",
        'BEGIN { x = a / 1; print "y" | "sh"; z = 1 / 2 }',
    ],
)
def test_programs_that_do_more(program: str) -> None:
    assert awk_problems(program)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    awk_problems(text)
