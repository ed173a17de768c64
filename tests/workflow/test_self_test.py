"""`checkup selftest`: every section on one machine, and what differs from what was recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checkup import catalogue
from checkup.api import Quality
from checkup.snapshot import SectionSnapshot
from checkup.transports import winrm
from checkup.workflow.self_test import examined, recorded_shapes, release, table_rows
from tests.servers.recordings import recorded as recorded_facts
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import WinrmServer
from tests.workflow.conftest import PASSWORD, SOON, Clinic, checkup, install_probe, own_probe

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def seen(raw: Any, quality: Quality = Quality.OK, milliseconds: int = 100) -> SectionSnapshot:
    return SectionSnapshot(
        target="ws-3",
        section="page-file",
        version=1,
        source="windows",
        quality=quality,
        collected_at=NOW,
        raw=raw,
        milliseconds=milliseconds,
        payload_bytes=10,
    )


@pytest.fixture(scope="module")
def known() -> catalogue.Catalogue:
    return catalogue.load()


def recorded(name: str) -> Any:
    """Raw data of a section from our samples."""
    for path in sorted((Path(__file__).parents[1] / "probes").glob("*/*.json")):
        sample = json.loads(path.read_text(encoding="utf-8"))
        section = sample.get("sections", {}).get(name, {})
        if section.get("source") == "windows" and section.get("quality", "ok") == "ok":
            return section["raw"]
    raise AssertionError(f"no sample of {name}")


def test_a_section_like_the_recorded_ones_works(known: catalogue.Catalogue) -> None:
    one = examined(seen(recorded("page-file")), known.sections["page-file"], recorded_shapes(known))
    assert (one.parsed, one.compared, one.differences) == ("yes", True, ())
    assert one.works and not one.too_slow
    assert table_rows([one])[0] == ("page-file", "windows", "ok", "100", "10", "yes", "no")


def test_a_section_that_is_slow_odd_or_unreadable_says_so(known: catalogue.Catalogue) -> None:
    one = examined(
        seen({"Win32_Mood": []}, milliseconds=700), known.sections["page-file"], recorded_shapes(known)
    )
    assert not one.works
    assert one.too_slow
    assert "$.Win32_Mood is new" in one.differences
    (row,) = table_rows([one])
    assert row[3] == "700 (slow for small)"
    assert row[5].partition(":")[0].endswith("Error")


@pytest.mark.parametrize(
    ("quality", "works"),
    [(Quality.DENIED, True), (Quality.ABSENT, True), (Quality.BAD_OUTPUT, False), (Quality.TIMEOUT, False)],
)
def test_a_proper_reason_is_no_fault(known: catalogue.Catalogue, quality: Quality, works: bool) -> None:
    one = examined(seen(None, quality), known.sections["page-file"], recorded_shapes(known))
    assert one.works is works
    assert (one.parsed, one.compared) == ("", False)


@pytest.mark.parametrize(
    ("kernel", "kind", "name"),
    [
        ("Windows 6.1.7601", "client", "7"),
        ("Windows 10.0.19045", "client", "10"),
        ("Windows 10.0.22631", "client", "11"),
        ("Windows 6.3.9600", "server", "2012r2"),
        ("Windows 10.0.20348", "domain-controller", "2022"),
        ("Windows unknown", "client", ""),
    ],
)
def test_a_release_is_known_by_its_build(kernel: str, kind: str, name: str) -> None:
    assert release({"platform": "windows", "kernel": kernel, "os_id": kind}) == name
    assert release({"platform": "posix", "kernel": kernel}) == ""


def test_every_section_of_a_machine_is_run_and_kept_in_the_ledger(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, own_probe("echo green; echo $(hostname) >&2")))
    clinic.add_local("station")
    ended = checkup(
        "selftest",
        clinic.site_file,
        "station",
        "--section",
        "lamp",
        "--section",
        "system",
        "--record",
        "r.json",
    )
    assert ended.status == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["lamp", "posix", "ok"] in [row[:3] for row in rows]
    assert "2 of 2 sections work" in ended.err
    with clinic.store() as store:
        (run,) = store.runs()
        (entry,) = store.ledger([run.id])
        assert entry.endpoint == "station"
        assert store.assessments("harbour") == []
    recording = json.loads((clinic.folder / "r.json").read_text(encoding="utf-8"))
    assert set(recording["sections"]) == {"lamp", "system"}
    assert recording["sections"]["lamp"]["raw"].strip() == "green"
    assert "station" not in json.dumps(recording)


def test_a_windows_machine_is_recorded_without_what_tells_whose_it_is(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winrm, "Deadlines", lambda: SOON)
    clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}
    machine = WindowsMachine("WS-3", version="11", sections=recorded_facts("11"), user="WS-3\\rosa")
    with WinrmServer(machine, {"checkup": PASSWORD}, name="WS-3") as server:
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": server.port, "credential": "domain"}
        clinic.add("ws-3", connect)
        ended = checkup("selftest", clinic.site_file, "ws-3", "--record", "r.json")
    assert server.shells == {}
    recording = json.loads((clinic.folder / "r.json").read_text(encoding="utf-8"))
    assert recording["windows"] == "11"
    assert not any(name.startswith("discovery-") for name in recording["sections"])
    text = json.dumps(recording).lower()
    assert "ws-3" not in text and "rosa" not in text and machine.guid not in text
    working = [line.split()[0] for line in ended.out.splitlines() if " windows " in line and " ok " in line]
    assert {"volumes", "system", "software"} <= set(working)


def test_a_section_that_fails_is_exit_3_with_its_reason(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, own_probe("echo gone wrong >&2; exit 9")))
    clinic.add_local("station")
    ended = checkup("selftest", clinic.site_file, "station", "--section", "lamp")
    assert ended.status == 3
    assert "lamp: exit status 9: gone wrong" in ended.out
    assert "0 of 1 sections work" in ended.err


def test_an_unknown_host_or_section_is_named(clinic: Clinic) -> None:
    clinic.add_local("station")
    ended = checkup("selftest", clinic.site_file, "ws-3")
    assert (ended.status, "no host 'ws-3'" in ended.err) == (2, True)
    ended = checkup("selftest", clinic.site_file, "station", "--section", "lampe")
    assert (ended.status, "no section 'lampe'" in ended.err) == (2, True)


def test_a_machine_not_to_be_touched_is_not(clinic: Clinic) -> None:
    clinic.add("cath", {"transport": "local"}, touch="never")
    ended = checkup("selftest", clinic.site_file, "cath")
    assert (ended.status, "is not touched" in ended.err) == (2, True)
    assert not clinic.store_file.exists()
