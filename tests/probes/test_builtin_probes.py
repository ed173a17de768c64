"""Every built-in probe: its contract, its samples, its parsers and its lint stamp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import probes
from checkup.api import Section
from checkup.catalogue import Entry
from checkup.lint_stamp import STAMP_FILE, read_stamp
from checkup.testing.contract import problems, samples_without_probe
from checkup.testing.hostile_raw import parse_problems, recorded_raw
from checkup.testing.package import contents
from checkup.testing.powershell_lint import prologue_problems
from checkup.testing.running import run_sample
from checkup.testing.samples import sample_paths
from checkup.testing.sql_contract import sql_problems, sql_sample_problems
from checkup.testing.stamp import section_problems, stamp
from checkup.testing.windows_contract import (
    windows_problems,
    windows_sample_problems,
    without_shell_problems,
)

SAMPLES = Path(__file__).parent
CONTENTS = contents(probes)
CASES = [
    pytest.param(entry, path, id=f"{name}/{path.stem}")
    for name, entry in CONTENTS.catalogue.entries.items()
    for path in sample_paths(SAMPLES, name)
]


@pytest.mark.parametrize(("entry", "path"), CASES)
def test_sample(entry: Entry, path: Path) -> None:
    assert run_sample(entry, CONTENTS.catalogue, path) == []


@pytest.mark.parametrize("entry", CONTENTS.entries, ids=lambda entry: entry.probe.id)
def test_contract(entry: Entry) -> None:
    assert problems(entry.probe, SAMPLES) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_parser_survives_hostile_data(section: Section[Any]) -> None:
    assert parse_problems(section, recorded_raw(section, SAMPLES)) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_windows_collectors_are_documented_and_recorded(section: Section[Any]) -> None:
    assert windows_problems(section) + windows_sample_problems(section, SAMPLES) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_statements_are_documented_and_recorded(section: Section[Any]) -> None:
    assert sql_problems(section) + sql_sample_problems(section, SAMPLES) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_rows_say_the_same_with_and_without_a_shell(section: Section[Any]) -> None:
    assert without_shell_problems(section, SAMPLES) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_collectors_only_read(section: Section[Any]) -> None:
    assert section_problems(section) == []


def test_the_prologue_of_windows_batches_only_reads() -> None:
    assert prologue_problems() == []


def test_every_section_has_the_lint_stamp() -> None:
    assert [entry.probe.id for entry in CONTENTS.entries if not entry.linted] == []


def test_no_sample_without_a_probe() -> None:
    assert samples_without_probe(SAMPLES, CONTENTS.catalogue.entries) == []


def test_lint_stamp_is_in_step_with_the_collectors() -> None:
    committed = read_stamp((CONTENTS.folder / STAMP_FILE).read_text(encoding="utf-8"))
    assert committed == stamp(CONTENTS.sections), "run: python -m checkup.testing stamp probes"
