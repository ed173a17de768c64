from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, Collector, PowerShell, Section, Shell, Source, Wmi, WmiQuery
from checkup.testing.hostile_raw import parse_problems, recorded_raw, sources

ROWS: JSON = {"Win32_BIOS": [{"Name": "A1", "Size": 3}]}
WMI = Wmi((WmiQuery("Win32_BIOS", ("Name", "Size")),))


def section(parse: Callable[[JSON], Any], source: Source, collector: Collector) -> Section[int]:
    return Section(
        name="one",
        facts=int,
        collect={source: collector},
        parse=lambda raw, source, version: parse(raw),
    )


def careful(raw: JSON) -> int:
    rows = raw["Win32_BIOS"] if isinstance(raw, dict) else None
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise ValueError("no rows")
    return int(str(rows[0]["Size"]))


def forgetful(raw: JSON) -> int:
    assert isinstance(raw, dict)  # AssertionError is no reading error
    return 1


def untyped(raw: JSON) -> object:
    return raw["Win32_BIOS"][0]["Size"]  # type: ignore[index, call-overload]  # pyright: ignore


def test_a_careful_parser_survives() -> None:
    assert parse_problems(section(careful, "windows", WMI), [("windows", ROWS)]) == []


@pytest.mark.parametrize(("parse", "said"), [(forgetful, "AssertionError"), (untyped, "made ")])
def test_a_careless_parser_is_found_by_source(parse: Callable[[JSON], object], said: str) -> None:
    found = parse_problems(section(parse, "windows", WMI), [("windows", ROWS)])
    assert [said in text for text in found] == [True, True]  # over windows, and over cim


def test_a_parser_that_goes_too_deep_is_found() -> None:
    (problem,) = parse_problems(section(depth, "windows", PowerShell("1")), [], examples=200)
    assert "RecursionError" in problem


def depth(raw: JSON) -> int:
    return 1 + max((depth(one) for one in raw), default=0) if isinstance(raw, list) else 0


def test_texts_are_cut_and_mixed() -> None:
    shell = Shell("echo a")
    assert parse_problems(section(lambda raw: int(str(raw)), "posix", shell), [("posix", "12\n")]) == []
    (problem,) = parse_problems(section(forgetful, "posix", shell), [("posix", "12\n")])
    assert "AssertionError on posix" in problem


def test_queries_are_also_asked_without_a_shell() -> None:
    assert sources(section(careful, "windows", WMI)) == {"windows", "cim"}
    assert sources(section(careful, "windows", PowerShell("1"))) == {"windows"}


def test_raw_data_is_taken_from_the_samples(tmp_path: Path) -> None:
    folder = tmp_path / "a.b"
    folder.mkdir()
    (folder / "x.json").write_text(
        '{"about": "x", "now": "2026-11-20T10:00:00Z", "expect": [], "sections": '
        '{"one": {"source": "windows", "raw": {"a": 1}}, "two": {"raw": ["b"]}}}',
        encoding="utf-8",
    )
    assert recorded_raw(section(careful, "windows", WMI), tmp_path) == [("windows", {"a": 1})]
