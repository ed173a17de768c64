"""Every built-in probe: its contract, its samples, its parsers and its lint stamp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import probes
from checkup.api import Section
from checkup.catalogue import Entry
from checkup.lint_stamp import STAMP_FILE, read_stamp
from checkup.testing.contract import parse_problems, problems, recorded_texts, samples_without_probe
from checkup.testing.package import contents
from checkup.testing.running import run_sample
from checkup.testing.samples import sample_paths
from checkup.testing.stamp import section_problems, stamp

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
def test_parser_survives_hostile_text(section: Section[Any]) -> None:
    assert parse_problems(section, recorded_texts(section, SAMPLES)) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_collectors_only_read(section: Section[Any]) -> None:
    assert section_problems(section) == []


def test_every_section_has_the_lint_stamp() -> None:
    assert [entry.probe.id for entry in CONTENTS.entries if not entry.linted] == []


def test_no_sample_without_a_probe() -> None:
    assert samples_without_probe(SAMPLES, CONTENTS.catalogue.entries) == []


def test_lint_stamp_is_in_step_with_the_collectors() -> None:
    committed = read_stamp((CONTENTS.folder / STAMP_FILE).read_text(encoding="utf-8"))
    assert committed == stamp(CONTENTS.sections), "run: python -m checkup.testing stamp probes"
