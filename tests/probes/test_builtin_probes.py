"""Every built-in probe: its contract, its samples, its parsers and its lint stamp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkup.testing.stamp import section_problems, stamp

import probes
from checkup.api import Probe, Section
from checkup.lint_stamp import STAMP_FILE, read_stamp
from checkup.testing.contract import parse_problems, problems, recorded_texts, samples_without_probe
from checkup.testing.package import contents
from checkup.testing.running import by_facts, run_sample
from checkup.testing.samples import sample_paths

SAMPLES = Path(__file__).parent
CONTENTS = contents(probes)
SECTIONS = by_facts(CONTENTS.sections)
CASES = [
    pytest.param(probe, path, id=f"{probe.id}/{path.stem}")
    for probe in CONTENTS.probes
    for path in sample_paths(SAMPLES, probe.id)
]


@pytest.mark.parametrize(("probe", "path"), CASES)
def test_sample(probe: Probe[Any], path: Path) -> None:
    assert run_sample(probe, SECTIONS, path) == []


@pytest.mark.parametrize("probe", CONTENTS.probes, ids=lambda probe: probe.id)
def test_contract(probe: Probe[Any]) -> None:
    assert problems(probe, SECTIONS, SAMPLES) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_parser_survives_hostile_text(section: Section[Any]) -> None:
    assert parse_problems(section, recorded_texts(section, SAMPLES)) == []


@pytest.mark.parametrize("section", CONTENTS.sections, ids=lambda section: section.name)
def test_collectors_only_read(section: Section[Any]) -> None:
    assert section_problems(section) == []


def test_ids_and_names_are_unique() -> None:
    ids = [probe.id for probe in CONTENTS.probes]
    names = [section.name for section in CONTENTS.sections]
    assert len(set(ids)) == len(ids)
    assert len(set(names)) == len(names)
    assert len(SECTIONS) == len(names)


def test_no_sample_without_a_probe() -> None:
    assert samples_without_probe(SAMPLES, CONTENTS.probes) == []


def test_lint_stamp_is_in_step_with_the_collectors() -> None:
    committed = read_stamp((CONTENTS.folder / STAMP_FILE).read_text(encoding="utf-8"))
    assert committed == stamp(CONTENTS.sections), "run: python -m checkup.testing stamp probes"
