"""Lines and trees as a person sees them."""

from __future__ import annotations

import io
import sys

import pytest

from checkup.cli.plain_text import Branch, print_line, print_tree


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")


def _tree() -> Branch:
    root = Branch("Cedar Ridge")
    tables = root.add("Tables")
    tables.add("Visits: a text that is longer than the line")
    tables.add("Labels")
    root.add("No links")
    return root


def test_a_tree_has_guides_and_its_long_texts_go_on_below_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_tree(_tree())
    assert capsys.readouterr().out.splitlines() == [
        "Cedar Ridge",
        "├── Tables",
        "│   ├── Visits: a text that is",
        "│   │   longer than the line",
        "│   └── Labels",
        "└── No links",
    ]


def test_where_the_output_has_no_such_letters_the_guides_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252", newline=""))
    print_tree(_tree())
    sys.stdout.flush()
    assert out.getvalue().decode("cp1252").splitlines()[1:3] == [
        "+-- Tables",
        "|   +-- Visits: a text that is",
    ]


def test_a_text_is_broken_within_its_indent(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("What to do: compact the file tonight", by=4)
    print_line()
    assert capsys.readouterr().out.splitlines() == [
        "    What to do: compact the",
        "    file tonight",
        "",
    ]
