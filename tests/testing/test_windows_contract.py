from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, Collector, PowerShell, Section, Shell, Source, Wmi, WmiQuery
from checkup.testing.windows_contract import (
    windows_problems,
    windows_sample_problems,
    without_shell,
    without_shell_problems,
)

WMI = Wmi((WmiQuery("Win32_BIOS", ("Name", "Size")), WmiQuery("Win32_Fan", ("Name",), optional=True)))
ROWS: dict[str, JSON] = {"Win32_BIOS": [{"Name": "A1", "Size": 3}]}


def section(collect: dict[Source, Collector], privacy: str = "a count", typed: bool = False) -> Section[str]:
    def parse(raw: JSON, source: str, version: int) -> str:
        return repr(raw) if typed else str(raw).replace("'3'", "3")

    return Section(name="bios", facts=str, collect=collect, parse=parse, privacy=privacy)


def record(folder: Path, name: str, raw: JSON, windows: str = "", source: str = "windows") -> None:
    sample: dict[str, Any] = {"about": name, "now": "2026-11-20T10:00:00Z", "expect": []}
    sample["sections"] = {"bios": {"source": source, "raw": raw}}
    if windows:
        sample["windows"] = windows
    path = folder / "host.bios" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(sample), encoding="utf-8")


def test_an_old_and_a_new_windows_are_recorded(tmp_path: Path) -> None:
    bios = section({"windows": WMI})
    assert [text.split("(")[0] for text in windows_sample_problems(bios, tmp_path)] == [
        "bios: no sample of an old Windows ",
        "bios: no sample of a new Windows ",
    ]
    record(tmp_path, "seven", ROWS, "7")
    record(tmp_path, "eleven", ROWS | {"Win32_Fan": []}, "11")
    assert windows_sample_problems(bios, tmp_path) == []
    record(tmp_path, "unmarked", ROWS)
    assert ["say which Windows" in text for text in windows_sample_problems(bios, tmp_path)] == [True]


def test_a_section_of_other_platforms_owes_nothing(tmp_path: Path) -> None:
    bios = section({"posix": Shell("echo")}, privacy="")
    assert windows_sample_problems(bios, tmp_path) == windows_problems(bios) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "Win32_BIOS is missing"),
        ({"Win32_BIOS": {}}, "Win32_BIOS is a list of rows"),
        ({"Win32_BIOS": [3]}, "is asked for Name, Size, not 3"),
        ({"Win32_BIOS": [{"Name": "x"}]}, "is asked for Name, Size, not Name"),
        (ROWS | {"Win32_Battery": []}, "nothing asks for Win32_Battery"),
    ],
)
def test_recorded_rows_fit_the_queries(tmp_path: Path, raw: JSON, said: str) -> None:
    record(tmp_path, "seven", raw, "7")
    record(tmp_path, "ten", ROWS, "10")
    (problem,) = windows_sample_problems(section({"windows": WMI}), tmp_path)
    assert said in problem


def test_rows_without_a_shell_are_texts(tmp_path: Path) -> None:
    record(tmp_path, "seven", ROWS, "7", "cim")
    record(tmp_path, "ten", without_shell(ROWS), "10", "cim")
    (problem,) = windows_sample_problems(section({"windows": WMI}), tmp_path)
    assert "every value is a text" in problem


def test_a_second_collector_is_recorded_too(tmp_path: Path) -> None:
    record(tmp_path, "seven", {"any": 1}, "7")
    record(tmp_path, "ten", {"any": 1}, "10")
    both = section({"windows": PowerShell("1"), "cim": WMI})
    (problem,) = windows_sample_problems(both, tmp_path)
    assert "source cim" in problem


def test_what_ws_management_makes_of_rows() -> None:
    row: JSON = {"a": 1, "b": True, "c": None, "d": "x", "e": ["y"], "f": [1, 2], "g": []}
    assert without_shell({"C": [row], "D": None}) == {
        "C": [{"a": "1", "b": "true", "c": None, "d": "x", "e": "y", "f": ["1", "2"], "g": None}],
        "D": None,
    }


def test_facts_are_the_same_with_and_without_a_shell(tmp_path: Path) -> None:
    record(tmp_path, "seven", ROWS, "7")
    assert without_shell_problems(section({"windows": WMI}), tmp_path) == []
    (problem,) = without_shell_problems(section({"windows": WMI}, typed=True), tmp_path)
    assert "as texts the facts are" in problem


@pytest.mark.parametrize(
    ("collect", "privacy", "said"),
    [
        ({"windows": Shell("echo")}, "x", "Shell cannot collect there"),
        ({"cim": PowerShell("1")}, "x", "PowerShell cannot collect there"),
        ({"windows": PowerShell("1", rights="king")}, "x", "rights 'king' is none of user"),  # pyright: ignore
        ({"windows": PowerShell("1", cost="huge")}, "x", "cost 'huge' is none of small"),  # pyright: ignore
        ({"windows": PowerShell("1", timeout_s=0)}, "x", "timeout should be"),
        ({"windows": WMI}, " ", "privacy should say"),
        ({"windows": WMI}, "x" * 200, "privacy should say"),
    ],
)
def test_rights_cost_and_privacy_are_stated(collect: Any, privacy: str, said: str) -> None:
    (problem,) = windows_problems(section(collect, privacy))
    assert said in problem


def test_a_documented_collector_has_no_problem() -> None:
    assert windows_problems(section({"windows": WMI, "posix": Shell("echo")})) == []
