"""Sections of Access files: their stamp and their samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, AccessFile, Depth, Section
from checkup.lint_stamp import collector_digest
from checkup.testing.hostile_raw import parse_problems
from checkup.testing.samples import SampleError, load


class Pages:
    pass


def wrong(raw: JSON, source: str, version: int) -> Any:
    return f"of {source}"


def section(parts: tuple[str, ...] = ("maps",), depth: Depth = "maps") -> Section[Pages]:
    return Section(name="pages", facts=Pages, collect={"access": AccessFile(parts, depth)}, parse=wrong)


def test_stamp_is_of_parts_and_depth() -> None:
    digests = {
        collector_digest(one) for one in (section(), section(depth="rows"), section(parts=("maps", "header")))
    }

    assert len(digests) == 3 and "" not in digests


def test_hostile_data_reach_the_parser() -> None:
    found = parse_problems(section(), [("access", {"maps": None})])

    assert len(found) == 1 and found[0].startswith("pages: parse made str of access")


def test_raw_data_of_a_file_are_an_object(tmp_path: Path) -> None:
    sample = {
        "about": "a list",
        "sections": {"pages": {"source": "access", "raw": ["a line"]}},
        "now": "2026-11-20T10:00:00Z",
        "expect": [],
    }
    path = tmp_path / "list.json"
    path.write_text(json.dumps(sample), encoding="utf-8")

    with pytest.raises(SampleError, match="raw data of access is an object"):
        load(path)
