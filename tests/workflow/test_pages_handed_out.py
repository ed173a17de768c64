"""Access files that only the machine can read which owns their disk: by its batch, by its bundle, or not."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from checkup.assessment import Assessment
from checkup.collect import machine_endpoint
from checkup.plan import PAGES_SECTION
from checkup.snapshot import EndpointSnapshot
from checkup.store import StoreError
from checkup.store.store import Store
from checkup.transports import winrm
from probes.access.server_pages import COLLECTOR
from tests.jet.corpora import corpus_file
from tests.jet.made import MadeFile, clinic_file, data_page
from tests.probes.powershell_subset import Disk, run
from tests.servers.recordings import recorded
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import WinrmServer
from tests.workflow.bundles import by_winrm, run_by_hand
from tests.workflow.conftest import (
    PASSWORD,
    SITE,
    SOON,
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    checkup,
    errors,
    outcomes,
    stored_text,
)

pytestmark = pytest.mark.usefixtures("paper")

AT = "D:\\Data\\ledger_be.mdb"
ROW = b"Jane Doe, born 1961-03-02, hypertension"


def pages_of(files: Mapping[str, Path]) -> Any:
    """What the fragment answers about these files."""
    return json.loads(json.dumps(run(COLLECTOR.script, {"access_files": list(files)}, Disk(files))[0]))


def made(marker: bytes = ROW) -> MadeFile:
    """A small file with a page of somebody's rows, that of a table (page 5 is its definition)."""
    file = clinic_file()
    file.pages[max(file.pages) + 1] = data_page(file.layout, 5, [b"\x01\x00" + marker])
    return file


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger_be.mdb"
    path.write_bytes(made().data())
    return path


def machine(path: Path | None = None, at: str = AT, **more: Any) -> WindowsMachine:
    sections = recorded("2019") if path is None else {**recorded("2019"), PAGES_SECTION: pages_of({at: path})}
    return WindowsMachine("SRV-FILES", version="2019", **{"sections": sections, **more})


def add_ledger(clinic: Clinic, **more: Any) -> None:
    clinic.more["access"] = [{"id": "ledger", "host": "srv-files", "path": AT, **more}]


@contextmanager
def by_batch(clinic: Clinic, served: WindowsMachine) -> Iterator[WinrmServer]:
    clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}
    with WinrmServer(served, {"checkup": PASSWORD}, name="SRV-FILES") as server:
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": server.port, "credential": "domain"}
        clinic.add("srv-files", connect)
        add_ledger(clinic)
        yield server


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winrm, "Deadlines", lambda: SOON)
    monkeypatch.setattr(machine_endpoint, "GRACE_S", 0.3)


def assert_judged(assessment: Assessment) -> None:
    found = outcomes(assessment, "ledger")
    assert found["access.column-limit"] == found["access.commit-words"] == "passed"
    assert outcomes(assessment, "srv-files")["access.pages-handed-out"] == "passed"


def raw_of(clinic: Clinic, section: str) -> Any:
    with clinic.store() as store:
        runs = [one.id for one in store.runs(SITE)]
        return [s.raw for one in store.snapshots(runs) for s in one.sections if s.section == section][-1]


# --- by the batch -----------------------------------------------------------------------------


def test_the_machines_one_batch_brings_the_file(clinic: Clinic, ledger: Path) -> None:
    served = machine(ledger)
    with by_batch(clinic, served):
        ended = clinic.run()
    assert_clean(clinic.texts(ended))
    assert_adds_up(ended.assessment)
    assert_judged(ended.assessment)
    assert len(served.scripts) == 1
    with clinic.store() as store:
        (one,) = store.runs(SITE)
        rows = {entry.endpoint: entry for entry in store.ledger([one.id])}
        text = store.script(rows["ledger"].sha256).decode()
        assert {snapshot.endpoint for snapshot in store.snapshots([one.id])} == {"srv-files", "ledger"}
    assert "handed out by srv-files's batch" in text
    assert "no page of anyone's rows" in text
    assert rows["ledger"].returned_bytes
    assert "pages that srv-files handed out" in next(
        text for name, text in clinic.texts(ended).items() if name.endswith(".html")
    )


def test_no_byte_of_a_page_is_stored_and_no_row_crosses(clinic: Clinic, ledger: Path) -> None:
    served = machine(ledger)
    answer = served.sections[PAGES_SECTION]
    pages = [base64.b64decode(page) for page in answer["files"][0]["pages"]]
    assert len(pages) > 5
    assert not any(ROW in page for page in pages)
    with by_batch(clinic, served):
        ended = clinic.run()
    assert_judged(ended.assessment)
    kept = "".join(clinic.texts(ended).values())
    with sqlite3.connect(clinic.store_file) as store:
        kept += "".join(store.iterdump())
    assert "Jane Doe" not in kept
    for page in answer["files"][0]["pages"]:
        # Each text that a page could be found by: its base64, and that of the JSON text which carried it.
        for at in range(0, len(page) - 60, 60):
            assert page[at : at + 60] not in kept
    assert raw_of(clinic, PAGES_SECTION) == {
        "files": [
            {
                "path": AT,
                "state": "read",
                "size": ledger.stat().st_size,
                "page_bytes": 4096,
                "pages": {"first": 1, "definitions": 2, "maps": 2, "catalogue": 1},
                "bytes": 4096 * len(pages),
                "scanned": ledger.stat().st_size // 4096,
                "left_out": 0,
                "doubtful": 0,
                "stopped": False,
                "in_motion": False,
                "changed": 0,
                "lock": None,
            }
        ]
    }


@pytest.mark.parametrize(
    "name", ["V1997/indexTestV1997.mdb", "V2000/testV2000.mdb", "V2010/indexTestV2010.accdb"]
)
def test_a_real_file_is_judged_as_it_is_in_place(clinic: Clinic, name: str) -> None:
    path = corpus_file(f"/{name}")
    with by_batch(clinic, machine(path)):
        ended = clinic.run("--host", "ledger")
    here = Clinic(clinic.folder / "here")
    here.folder.mkdir()
    here.add_local()
    here.more["access"] = [{"id": "ledger", "host": "here", "path": str(path)}]
    in_place = here.run("--host", "ledger", "--store", here.folder / "store.db")
    mine, theirs = outcomes(ended.assessment, "ledger"), outcomes(in_place.assessment, "ledger")
    assert mine.keys() == theirs.keys()
    # Relationships, properties and the catalogue's own index lie in pages that stay on the machine, which
    # costs what needs them, and changes nothing else. Of queries and links the file has none, and says so.
    other = {probe for probe in mine if mine[probe] != theirs[probe]}
    assert {mine[probe] for probe in other} <= {"not checked"}
    assert other <= {
        "access.compaction-safe",
        "access.folder-rights",
        "access.foreign-key-indexes",
        "access.integrity",
        "access.name-autocorrect",
        "access.relationships-enforced",
        "access.subdatasheets",
    }


def test_the_file_alone_is_asked_of_its_machine_and_nothing_else(clinic: Clinic, ledger: Path) -> None:
    served = machine(ledger)
    with by_batch(clinic, served):
        ended = clinic.run("--host", "ledger")
    assert set(outcomes(ended.assessment, "ledger").values()) >= {"passed"}
    assert outcomes(ended.assessment, "srv-files") == {}
    (script,) = served.scripts
    assert re.findall(rb"^Section '([^']+)' '([^']+)'", script, re.MULTILINE) == [
        (b"srv-files", PAGES_SECTION.encode())
    ]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"changed": 0, "lock": True}, "finding"),
        ({"changed": 1, "lock": False}, "not checked"),
        ({"changed": None, "lock": True}, "not checked"),
        ({"changed": None, "lock": False}, "finding"),
    ],
)
def test_only_what_is_the_same_twice_is_damage(
    clinic: Clinic, tmp_path: Path, said: dict[str, Any], outcome: str
) -> None:
    file = made()
    file.pages[6] = b"\x02\x01" + bytes(4094)  # a definition, torn
    path, lock = tmp_path / "torn.mdb", tmp_path / "torn.ldb"
    path.write_bytes(file.data())
    lock.write_bytes(b"WS-3".ljust(32, b"\0") + b"Admin".ljust(32, b"\0"))
    answer = pages_of({AT: path, AT.replace(".mdb", ".ldb"): lock} if said["lock"] else {AT: path})
    one = {**answer["files"][0], "changed": said["changed"]}
    served = machine()
    served.sections = {**served.sections, PAGES_SECTION: {"files": [one]}}
    with by_batch(clinic, served):
        ended = clinic.run("--host", "ledger")
    assert outcomes(ended.assessment, "ledger")["access.integrity"] == outcome


def test_another_machine_under_the_name_hands_out_nothing(clinic: Clinic, ledger: Path) -> None:
    with by_batch(clinic, machine(ledger)):
        clinic.hosts[0]["identity"] = "machine-guid:00000000-0000-0000-0000-000000000000"
        ended = clinic.run()
    assert errors(ended.assessment, "ledger") == {"identity"}
    assert raw_of(clinic, PAGES_SECTION) is None


def test_the_self_test_reads_the_files_of_its_machine(clinic: Clinic, ledger: Path) -> None:
    with by_batch(clinic, machine(ledger)):
        ended = checkup("selftest", clinic.site_file, "srv-files", "--section", PAGES_SECTION)
    assert "1 of 1 sections work" in ended.err
    (row,) = [line.split() for line in ended.out.splitlines() if PAGES_SECTION in line]
    assert row[:3] == [PAGES_SECTION, "windows", "ok"]


# --- trouble ----------------------------------------------------------------------------------


def reasons(assessment: Assessment, target: str = "ledger") -> str:
    return " ".join({str(result.reason) for result in assessment.not_checked if result.target == target})


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"qualities": {PAGES_SECTION: ("denied", "no rights")}}, "denied", "did not hand out its pages"),
        ({"late": (PAGES_SECTION,)}, "timeout", "not done within"),
        ({"sections": {PAGES_SECTION: {"files": [{"path": AT}]}}}, "bad_output", "could not be read"),
        ({"sections": {PAGES_SECTION: {"files": []}}}, "bad_output", "says nothing of"),
        ({"cut_at": 4000}, "dropped", "cut in the middle"),
        ({"filtered": True}, "denied", "Access is denied"),
        ({"antivirus": True}, "blocked_by_av", ""),
    ],
    ids=["denied", "late", "odd", "silent", "cut", "filtered", "antivirus"],
)
def test_what_kept_the_pages_from_coming_is_the_reason(
    clinic: Clinic, more: dict[str, Any], error: str, said: str
) -> None:
    with by_batch(clinic, machine(**more)):
        ended = clinic.run()
    assert errors(ended.assessment, "ledger") == {error}, reasons(ended.assessment)
    assert set(outcomes(ended.assessment, "ledger").values()) == {"not checked"}
    assert said in reasons(ended.assessment)
    assert_adds_up(ended.assessment)
    assert_clean(clinic.texts(ended))


@pytest.mark.parametrize(
    ("content", "error"), [(None, "unreachable"), (b"Dear Sirs, ...", "bad_output"), (b"", "bad_output")]
)
def test_a_file_that_is_none_passes_nothing(
    clinic: Clinic, tmp_path: Path, content: bytes | None, error: str
) -> None:
    path = tmp_path / "ledger_be.mdb"
    if content is not None:
        path.write_bytes(content)
    served = machine()
    there = {} if content is None else {AT: path}
    answer = run(COLLECTOR.script, {"access_files": [AT]}, Disk(there))[0]
    served.sections = {**served.sections, PAGES_SECTION: json.loads(json.dumps(answer))}
    with by_batch(clinic, served):
        ended = clinic.run()
    assert errors(ended.assessment, "ledger") == {error}
    expected = "finding" if content is None else "not applicable"
    assert outcomes(ended.assessment, "srv-files")["access.pages-handed-out"] == expected


def test_a_machine_that_is_asleep_takes_its_file_with_it(clinic: Clinic) -> None:
    with by_batch(clinic, machine()) as server:
        pass
    assert server.port
    ended = clinic.run()
    assert errors(ended.assessment, "ledger") == {"unreachable"}


def test_a_machine_that_is_not_touched_hands_out_nothing(clinic: Clinic, ledger: Path) -> None:
    served = machine(ledger)
    with by_batch(clinic, served):
        clinic.hosts[0]["touch"] = "never"
        ended = clinic.run()
    assert errors(ended.assessment, "ledger") == {"opted_out"}
    assert served.scripts == []


def test_machine_and_file_are_kept_together_and_a_resumed_run_brings_both(
    clinic: Clinic, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = machine(ledger)
    save = Store.save_endpoint

    def full(store: Store, run_id: str, snapshot: EndpointSnapshot) -> None:
        if snapshot.endpoint == "ledger":
            raise StoreError("the disk is full")
        save(store, run_id, snapshot)

    with by_batch(clinic, served):
        with monkeypatch.context() as patch:
            patch.setattr(Store, "save_endpoint", full)
            ended = clinic.run()
        assert "the disk is full" in ended.err
        assert_judged(ended.assessment)  # of what could not be written, too
        with clinic.store() as store:
            (one,) = store.runs(SITE)
            assert store.finished_endpoints(one.id) == set()
        ended = checkup("run", clinic.site_file, "--resume", one.id, "--json")
    assert_judged(ended.assessment)
    assert len(served.scripts) == 2
    with clinic.store() as store:
        assert store.finished_endpoints(one.id) == {"srv-files", "ledger"}


# --- by a bundle ------------------------------------------------------------------------------


def brought(clinic: Clinic, served: WindowsMachine) -> bytes:
    """The file that the machine's script leaves."""
    done = checkup("bundle", clinic.site_file, "--host", "srv-files", "--visit", "six-month")
    assert done.status == 0, done.err
    script = (clinic.folder / "bundles" / "srv-files.ps1").read_bytes()
    assert b"'access-pages'" in script
    said = b" ".join(line.removeprefix(b"# ") for line in script.splitlines()[:40])
    assert AT.encode() in said
    assert b"no page of anyone's rows" in said
    return run_by_hand(script, {"srv-files": by_winrm(served)})


@pytest.fixture
def by_hand(clinic: Clinic) -> Clinic:
    clinic.add("srv-files", {"transport": "bundle", "file": "srv-files.bundle"}, platform="windows")
    add_ledger(clinic)
    return clinic


def take(clinic: Clinic, content: bytes, *arguments: object) -> Ended:
    path = clinic.folder / "brought.bundle"
    path.write_bytes(content)
    return checkup("import", clinic.site_file, path, "--visit", "six-month", "--json", *arguments)


def test_a_bundle_that_lies_there_is_read_by_the_run(by_hand: Clinic, ledger: Path) -> None:
    (by_hand.folder / "srv-files.bundle").write_bytes(brought(by_hand, machine(ledger)))
    ended = by_hand.run()
    assert_judged(ended.assessment)
    assert_adds_up(ended.assessment)


def test_a_bundle_that_comes_later_brings_the_file_into_the_visit(by_hand: Clinic, ledger: Path) -> None:
    content = brought(by_hand, machine(ledger))
    ended = by_hand.run()
    assert errors(ended.assessment, "ledger") == {"unreachable"}
    assert "was not brought yet" in reasons(ended.assessment)
    ended = take(by_hand, content)
    assert ended.status in (0, 1, 3, 10), ended.err
    assert "made by another plan" not in ended.err
    assert_judged(ended.assessment)
    assert_adds_up(ended.assessment)
    assert_clean(by_hand.texts(ended))
    assert "Jane Doe" not in stored_text(by_hand.store_file)
    with by_hand.store() as store:
        newest = store.runs(SITE)[0]
        (entry,) = store.ledger([newest.id])
        assert entry.endpoint == "ledger"
        assert "srv-files's bundle" in store.script(entry.sha256).decode()
    again = take(by_hand, content)
    assert "already imported" in again.err


@pytest.mark.parametrize(
    ("cut", "error"), [(False, "bad_output"), (True, "dropped")], ids=["damaged", "cut off"]
)
def test_of_an_answer_that_is_not_whole_no_page_is_kept(
    by_hand: Clinic, ledger: Path, cut: bool, error: str
) -> None:
    content = brought(by_hand, machine(ledger))
    start = content.index(b"\n", content.index(b"section=access-pages")) + 1
    place = start + 4000
    broken = content[:place] if cut else content[:place] + b"!" + content[place + 1 :]
    ended = take(by_hand, broken, "--partial")
    assert errors(ended.assessment, "ledger") == {error}
    kept = "".join(by_hand.texts(ended).values())
    lines = [line.decode() for line in content[start:place].split() if len(line) > 40]
    assert len(lines) > 40
    assert not [line for line in lines if line in kept]
    assert ("pages of a file may be among it" in kept) is not cut


# --- the plan ---------------------------------------------------------------------------------


def test_the_plan_shows_section_paths_and_way(clinic: Clinic) -> None:
    with by_batch(clinic, machine()):
        pass
    add_ledger(clinic)
    plan = json.loads(checkup("plan", clinic.site_file, "--host", "srv-files", "--json").out)
    host, file = plan["endpoints"]
    pages = host["sections"][-1]
    assert (pages["name"], pages["parameters"]["access_files"]) == (PAGES_SECTION, [AT])
    assert (file["carrier"], file["path"], file["transport"]) == ("srv-files", AT, "server-pages")
    shown = checkup("plan", clinic.site_file, "--host", "srv-files", "--batch").out
    assert "ledger by pages that srv-files hands out" in shown
    assert "Section 'srv-files' 'access-pages'" in shown
    request = checkup("access-request", clinic.site_file).out
    assert request


def test_a_machine_without_files_is_not_asked_for_pages(clinic: Clinic) -> None:
    with by_batch(clinic, machine()):
        pass
    clinic.more.clear()
    plan = json.loads(checkup("plan", clinic.site_file, "--json").out)
    assert PAGES_SECTION not in {one["name"] for one in plan["endpoints"][0]["sections"]}
    assert "access.pages-handed-out" not in {one["probe"] for one in plan["checks"]}
    add_ledger(clinic, reach={"transport": "smb", "host": "srv", "share": "Data", "path": "ledger_be.mdb"})
    plan = json.loads(checkup("plan", clinic.site_file, "--json").out)
    assert PAGES_SECTION not in {one["name"] for one in plan["endpoints"][0]["sections"]}
