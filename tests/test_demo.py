"""The demo's recordings: every section is there, reads well, and is dated relative to today."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, Quality
from checkup.batch.frames import Frame, FrameReader
from checkup.testing.shapes import SHAPES_FILE, differences, read_shapes, shape_of
from checkup.workflow.prepare import Prepared, prepare

ROOT = Path(__file__).parents[1]
TODAY = datetime(2027, 3, 9, 17, 40, tzinfo=UTC)
VISITS = [0, 182, 368]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a module of scripts/ by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(ROOT / "inventory.example.yaml", TODAY)


def windows_sections(prepared: Prepared) -> set[str]:
    """What the probes ask of a Windows machine."""
    asked = (section for entry in prepared.catalogue.entries.values() for section in entry.sections)
    return {section.name for section in asked if "windows" in section.collect}


def frames_of(data: bytes) -> list[Frame]:
    reader = FrameReader()
    frames = reader.feed(data)
    assert reader.ended and not reader.noise_bytes
    return [frame for frame in frames if frame.kind == "SECTION"]


@pytest.mark.parametrize("days", VISITS)
def test_every_windows_machine_answers_every_section_in_a_form_that_is_read(
    scripts: Any, prepared: Prepared, days: int
) -> None:
    catalogue = prepared.catalogue
    versions = {name: section.version for name, section in catalogue.sections.items()}
    windows = [
        answer
        for answer in scripts("demo_recordings").answers(prepared, TODAY, days)
        if answer.hello["platform"] == "windows"
    ]
    assert len(windows) == 10
    for answer in windows:
        data = scripts("demo_answers").bundle(answer, versions)
        frames = frames_of(data)
        assert {frame.section for frame in frames} == windows_sections(prepared)
        assert data.count(b" cksum=sha1:") == data.count(b"#CHECKUP ") == len(frames) + 2
        for frame in frames:
            workstation = answer.hello["os_id"] == "client"
            assert frame.status is Quality.OK or (frame.status is Quality.ABSENT and not workstation)
            if frame.status is Quality.OK:
                section = catalogue.sections[frame.section]
                section.parse(json.loads(frame.payload), "windows", frame.version)


def test_the_data_have_the_shape_of_what_probes_were_written_for(scripts: Any, prepared: Prepared) -> None:
    shapes = read_shapes((ROOT / "probes" / SHAPES_FILE).read_text(encoding="utf-8"))
    for answer in scripts("demo_recordings").answers(prepared, TODAY, 0):
        if answer.hello["platform"] == "windows":
            for section in answer.sections:
                if section.quality is Quality.OK:
                    recorded = shapes[section.name]["windows"]
                    assert differences(recorded, shape_of([section.raw])) == [], section.name


def test_the_demo_never_ages(scripts: Any, prepared: Prepared) -> None:
    def dates(today: datetime) -> set[str]:
        answers = scripts("demo_recordings").answers(prepared, today, 0)
        sections: list[JSON] = [section.raw for answer in answers for section in answer.sections]
        return set(re.findall(r"\b20[0-9]{2}-?[01][0-9]-?[0-3][0-9]", json.dumps(sections)))

    now, later = dates(TODAY), dates(TODAY.replace(year=2031))
    assert len(now) > 50 and not now & later


def test_what_the_demo_has_no_answer_for_is_named(scripts: Any) -> None:
    demo = scripts("demo_windows")
    with pytest.raises(ValueError, match=r"no answer for `declare: services: \[Nosuch\]`"):
        demo.answer(demo.MACHINES[0], TODAY, 0, {"services": ("Nosuch",)})
