"""Commands that take texts and flags only: they say what is wrong as the others do."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.conftest import checkup


def test_a_depth_that_there_is_not_is_refused_with_those_there_are(tmp_path: Path) -> None:
    ended = checkup("access", str(tmp_path / "none.mdb"), "--depth", "deep")
    assert ended.status == 2
    assert "'--depth'" in ended.err and "'deep' is not one of header, catalogue, maps" in ended.err


def test_a_file_must_be_named() -> None:
    ended = checkup("access")
    assert ended.status == 2
    assert "Missing argument 'FILE'" in ended.err


def test_help_names_the_depths() -> None:
    ended = checkup("access", "--help")
    assert ended.status == 0
    assert "header|catalogue|maps|sample|index|pages|rows" in ended.out
