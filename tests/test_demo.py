"""The demo's recordings: every section is there, reads well, and is dated relative to today."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, Quality, Sql
from checkup.assessment import Outcome
from checkup.batch.frames import Frame, FrameReader
from checkup.plan import PAGES_SECTION
from checkup.sql.batching import Ask, Doubt, Failure, batch, sort_answers
from checkup.sql.sqlserver import SQLSERVER
from checkup.sql.values import raw_rows
from checkup.testing.shapes import SHAPES_FILE, differences, read_shapes, shape_of
from checkup.transports.odbc import session as odbc
from checkup.transports.odbc.session import ResultSet
from checkup.transports.session import ConnectionFacts
from checkup.workflow.access_file import examine_file
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
    """What the probes ask of a Windows machine that owns no Access file."""
    asked = (section for entry in prepared.catalogue.entries.values() for section in entry.sections)
    return {section.name for section in asked if "windows" in section.collect} - {PAGES_SECTION}


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


@pytest.mark.parametrize("days", VISITS)
def test_the_access_file_is_sound_never_ages_and_takes_no_room(
    scripts: Any, tmp_path: Path, days: int
) -> None:
    at, file = TODAY - timedelta(days=days), tmp_path / "registry_be.accdb"
    demo = scripts("demo_access")
    demo.write(at, days, file)
    found = examine_file(str(file), depth="maps", now=lambda: at, pause=lambda: None)
    # Lost pages are what compaction gives back; nothing else may be odd.
    assert {one.code for one in found.reading.problems} == {"page-orphan"}
    assert not found.reading.left_out and not found.reading.in_motion
    assert {"access.integrity", "access.compaction-safe"} <= {
        one.result.probe for one in found.of(Outcome.PASSED)
    }
    assert found.reading.header.created is not None
    assert (TODAY.date() - found.reading.header.created.date()).days == demo.MADE_DAYS
    assert file.stat().st_blocks * 512 < 20 * 1024**2 < 1024**3 < file.stat().st_size


def test_the_access_file_of_today_has_what_the_report_shows(scripts: Any, tmp_path: Path) -> None:
    demo, file = scripts("demo_access"), tmp_path / "registry_be.accdb"
    demo.write(TODAY, 0, file)
    found = examine_file(str(file), depth="maps", now=lambda: TODAY, pause=lambda: None)
    assert {"access.size-limit", "access.reclaimable", "access.foreign-key-indexes"} <= {
        one.result.probe for one in found.of(Outcome.FINDING)
    }


# The demo's login may not read the error log, and its version does not know these.
UNANSWERED = (
    "sqlserver-error-log",
    "sqlserver-slow-requests",
    "sqlserver-memory-health",
    "sqlserver-paged-out",
)


@pytest.mark.parametrize("days", VISITS)
def test_the_sql_server_answers_every_section_in_a_form_that_is_read(
    scripts: Any, prepared: Prepared, days: int
) -> None:
    at = TODAY - timedelta(days=days)
    session, sections = scripts("demo_sql_session"), prepared.catalogue.sections
    one = scripts("demo_sqlserver").Instance(at, days)
    known = session.columns_of(sections)
    assert set(one.sections) <= set(known)
    assert [name for name in known if name not in one.sections and not name.startswith(UNANSWERED)] == []
    server: dict[str, JSON] = {"engine": "sqlserver", "version": "15.0.4375.4", "asked_at": at.isoformat()}
    for name, rows in one.sections.items():
        collector = sections[name].collect["sqlserver"]
        assert isinstance(collector, Sql)
        given = ResultSet(known[name], [list(row.values()) for row in rows])
        assert all(tuple(row) == known[name] for row in rows), name
        kept: list[JSON] = [*raw_rows(given, collector, 0)]
        sections[name].parse({"server": server, "rows": kept}, "sqlserver", sections[name].version)


def test_the_sql_server_of_the_demo_never_ages(scripts: Any) -> None:
    def dates(today: datetime) -> set[str]:
        told = json.dumps(scripts("demo_sqlserver").Instance(today, 0).sections)
        return set(re.findall(r"\b20[0-9]{2}-[01][0-9]-[0-3][0-9]", told))

    now, later = dates(TODAY), dates(TODAY.replace(year=2031))
    assert len(now) > 10 and not now & later


def test_a_recorded_sql_session_takes_the_place_of_a_driver_and_leaves_it_again(
    scripts: Any, prepared: Prepared
) -> None:
    session = scripts("demo_sql_session")
    real = odbc.open_sql
    with session.in_place_of_odbc(TODAY, 0, lambda: prepared.catalogue.sections):
        facts = ConnectionFacts(transport="odbc")
        opened = odbc.open_sql(None, "sqlserver", None, gate=None, jump=None, facts=facts)  # pyright: ignore[reportArgumentType]
    assert odbc.open_sql is real
    assert facts.reached and facts.encryption == "validated"
    text = batch(SQLSERVER, [Ask(name="sqlserver-processors", text="SELECT 1 AS x")])
    answers = sort_answers(
        SQLSERVER, [Ask(name="sqlserver-processors", text="")], opened.run(text, timeout_s=1, most_rows=9)
    )
    found = answers["sqlserver-processors"]
    assert not isinstance(found, Failure | Doubt) and found.rows == [[8, 8, 1]]


def test_what_the_demo_has_no_answer_for_is_named(scripts: Any) -> None:
    demo = scripts("demo_windows")
    with pytest.raises(ValueError, match=r"no answer for `declare: services: \[Nosuch\]`"):
        demo.answer(demo.MACHINES[0], TODAY, 0, {"services": ("Nosuch",)})
