"""`checkup access`: what a person and a program see of one file, and that the file never notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkup.jet.local import LocalSource
from checkup.jet.source import SourceError
from checkup.transports import access_source
from checkup.transports.access_source import LocalFiles
from checkup.workflow import access_file
from tests.jet.corpora import corpus_file
from tests.jet.made import clinic_file
from tests.servers.samba import PASSWORD, SHARE, needs_samba, samba
from tests.workflow.conftest import Ended, checkup


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_file, "PAUSE_S", 0)
    monkeypatch.setenv("COLUMNS", "200")


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def copy(part: str, folder: Path) -> Path:
    """A file of the corpora where nothing but it lies."""
    original = corpus_file(part)
    return put(folder, original.name, original.read_bytes())


def said(ended: Ended) -> str:
    """Everything, on one line: where lines break is the terminal's business."""
    assert "Traceback" not in ended.err and "unexpected" not in ended.err
    return " ".join((ended.out + ended.err).split())


# --- what is no Access file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"Name,Born\nno one,never\n", "holds text"),
        (bytes(8192), "nothing but zeros"),
        (b"PK\x03\x04" + bytes(range(200)), "a ZIP archive"),
        (b"SQLite format 3\x00" + bytes(range(200)), "SQLite"),
        (clinic_file().data()[:1000], "ends after 1000"),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: Path, content: bytes, what: str) -> None:
    ended = checkup("access", put(tmp_path, "ledger.mdb", content))
    assert ended.status == 2 and ended.out == ""
    assert "no Access file" in said(ended) and what in said(ended)
    assert "never" not in said(ended)


def test_a_missing_file_and_a_folder_are_usage_errors(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "gone.mdb", "does not exist"), (tmp_path, "is a folder")):
        ended = checkup("access", path)
        assert ended.status == 2 and what in said(ended)


def test_a_file_without_the_right_to_read_it_could_not_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise SourceError("denied", "Permission denied")

    monkeypatch.setattr("checkup.jet.local.LocalSource", refuse)
    ended = checkup("access", put(tmp_path, "ledger.mdb", clinic_file().data()))
    assert ended.status == 3 and "no right to read it" in said(ended)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("smb://alex@srv/data/ledger.mdb", "patients' data over the network"),
        ("sftp://alex@srv/ledger.mdb", "patients' data over the network"),
    ],
)
def test_pages_with_data_never_cross_a_network(address: str, what: str) -> None:
    ended = checkup("access", address, "--depth", "pages")
    assert ended.status == 2 and what in said(ended)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("ftp://srv/ledger.mdb", "no way to a file"),
        ("smb://srv/data/ledger.mdb", "names no user"),
        ("sftp://alex:Quiet-Meadow-7@srv/ledger.mdb", "a password must not stand in an address"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(address: str, what: str) -> None:
    ended = checkup("access", address)
    assert ended.status == 2 and what in said(ended)
    assert "Quiet-Meadow-7" not in said(ended)


# --- what is one --------------------------------------------------------------------------------


def test_the_structure_is_shown_as_a_tree(tmp_path: Path) -> None:
    ended = checkup("access", copy("jackcess/V2010/indexTestV2010.accdb", tmp_path))
    assert ended.status in (0, 1), ended.err
    lines = [line.strip("│├└─ ") for line in ended.out.splitlines()]
    assert "Passed" in ended.out
    assert any(line.startswith("Tables (") for line in lines)
    assert any(line.startswith("Table1: 4 rows, 5 columns,") and "of the file" in line for line in lines)
    assert any(line.startswith("PrimaryKey (id): primary key,") for line in lines)
    assert "Relationships (2)" in lines
    assert any(line.startswith("Table1 (otherfk1) to Table2 (id)") for line in lines)
    assert lines[-1].startswith("Cost: ")


def test_json_is_one_document_with_the_judgement_and_the_parts(tmp_path: Path) -> None:
    path = copy("jackcess/V2010/indexTestV2010.accdb", tmp_path)
    ended = checkup("access", path, "--json", "--depth", "catalogue")
    document: dict[str, Any] = json.loads(ended.out)
    assert document["depth"] == "catalogue"
    assert {one["name"] for one in document["parts"]["tables"]} >= {"Table1", "Table2"}
    assert document["parts"]["maps"] is None
    assert {"finding", "passed"} >= {one["outcome"] for one in document["results"]} - {"not applicable"}
    findings = [one for one in document["results"] if one["outcome"] == "finding"]
    assert all(one["message"] and one["remedy"] and one["impact"] for one in findings)
    assert document["not_asked"]
    assert ended.status == int(any(one["impact"] != "note" for one in findings))


def test_findings_come_with_the_worst_first(tmp_path: Path) -> None:
    sound = copy("jackcess/V2000/testV2000.mdb", tmp_path).read_bytes()
    damaged = put(tmp_path, "damaged.mdb", sound[: len(sound) // 2] + b"cut")
    ended = checkup("access", damaged, "--json", "--depth", "maps")
    assert ended.status == 1
    impacts = [one["impact"] for one in json.loads(ended.out)["results"] if one["outcome"] == "finding"]
    order = ["down", "major", "limited", "note"]
    assert impacts == sorted(impacts, key=order.index) and impacts[0] in ("down", "major")


def test_an_encrypted_file_is_not_called_sound(tmp_path: Path) -> None:
    ended = checkup("access", copy("db2007-enc.accdb", tmp_path))
    assert ended.status in (1, 3)
    text = said(ended)
    assert "the file is encrypted: only its header can be read" in text
    assert "Not checked (" in text and "Encrypted (office-agile)" in text
    assert "Tables (" not in text


def test_a_smaller_depth_says_what_it_does_not_answer(tmp_path: Path) -> None:
    ended = checkup("access", put(tmp_path, "ledger.mdb", clinic_file().data()), "--depth", "header")
    assert "that only --depth catalogue can answer" in said(ended)
    assert "Tables (" not in ended.out


def test_text_of_the_file_is_neither_markup_nor_an_escape_sequence(tmp_path: Path) -> None:
    table = {"Id": 5, "ParentId": 0x0F000001, "Name": "\x1b[31m[bold]Red", "Type": 5, "Flags": 0}
    path = put(tmp_path, "[red]x.mdb", clinic_file(objects=[table]).data())
    ended = checkup("access", path, "--depth", "catalogue")
    assert "\x1b" not in ended.out
    assert "[red]x.mdb" in ended.out and "[bold]Red" in ended.out


# --- the file and its neighbours ----------------------------------------------------------------


def record(machine: str, user: str) -> bytes:
    return machine.encode().ljust(32, b"\0") + user.encode().ljust(32, b"\0")


def seen(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in the folder, and the folder itself: size and time of the last change."""
    found = {path.name: path.stat() for path in (*folder.iterdir(), folder)}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


@pytest.mark.parametrize("depth", ["catalogue", "rows"])
def test_nothing_is_created_or_changed_beside_the_file(tmp_path: Path, depth: str) -> None:
    path = copy("jackcess/V2010/indexTestV2010.accdb", tmp_path)
    put(tmp_path, "indexTestV2010.laccdb", record("WS-3", "Admin") + record("FRONT", "morgan"))
    for one in tmp_path.iterdir():
        os.utime(one, (1_600_000_000, 1_600_000_000))
    before = seen(tmp_path)
    text = said(checkup("access", path, "--depth", depth))
    assert seen(tmp_path) == before
    assert "WS-3" in text and "FRONT" in text and "morgan" not in text
    assert "No lock file beside it" not in text


def test_a_lock_file_that_cannot_be_read_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLockFiles(LocalSource):
        def __init__(self, path: Path) -> None:
            if path.suffix == ".ldb":
                raise SourceError("denied", "Permission denied")
            super().__init__(path)

    monkeypatch.setattr("checkup.jet.local.LocalSource", NoLockFiles)
    path = put(tmp_path, "ledger.mdb", clinic_file().data())
    ended = checkup("access", path, "--depth", "header")
    assert "The lock file could not be read: Permission denied" in said(ended)
    assert "No lock file beside it" not in said(ended) and ended.status in (1, 3)
    document = json.loads(checkup("access", path, "--depth", "header", "--json").out)
    outcomes = {one["probe"]: one["outcome"] for one in document["results"]}
    assert "passed" not in {outcome for probe, outcome in outcomes.items() if "lock" in probe}
    assert not document["complete"]


def test_a_file_on_a_server_is_read_to_its_maps_and_the_connection_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy("jackcess/V2010/indexTestV2010.accdb", tmp_path)
    put(tmp_path, "indexTestV2010.laccdb", record("WS-3", "Admin"))
    closed: list[bool] = []

    class Server(LocalFiles):
        def close(self) -> None:
            closed.append(True)

    def connect(address: object, *, credential: access_source.Credential) -> tuple[LocalFiles, str]:
        assert (credential.user, credential.password) == ("CLINIC\\alex", "env:PASSWORD_OF_ALEX")
        return Server(), str(path)

    monkeypatch.setattr(access_source, "open_address", connect)
    address = "smb://CLINIC;alex@srv/data/ledger.accdb"
    ended = checkup("access", address, "--json", "--password", "env:PASSWORD_OF_ALEX")
    document = json.loads(ended.out)
    assert document["depth"] == "maps" and document["parts"]["maps"]["complete"]
    assert [one["machine"] for one in document["parts"]["lock"]["entries"]] == ["WS-3"]
    assert closed == [True]


@needs_samba
def test_a_file_of_a_real_file_server_is_judged_and_the_share_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PASSWORD_OF_THE_CLINIC", PASSWORD)
    with samba() as server:
        path = copy("jackcess/V2010/indexTestV2010.accdb", server.share)
        path.chmod(0o644)
        before = seen(server.share)
        address = f"smb://{server.user}@127.0.0.1:{server.port}/{SHARE}/{path.name}"
        ended = checkup("access", address, "--password", "env:PASSWORD_OF_THE_CLINIC", "--json")
        wrong = checkup("access", f"{address}.gone", "--password", "env:PASSWORD_OF_THE_CLINIC")
        assert seen(server.share) == before
    document = json.loads(ended.out)
    assert document["parts"]["header"]["name"] == path.name
    assert {one["name"] for one in document["parts"]["tables"]} >= {"Table1", "Table2"}
    assert document["parts"]["integrity"]["complete"] and document["parts"]["lock"] is None
    assert wrong.status == 2 and PASSWORD not in said(wrong)


# --- the command itself -------------------------------------------------------------------------


def test_the_help_teaches() -> None:
    text = " ".join(checkup("access", "--help").out.split())
    for taught in ("sftp://user@host/path", "maps: whose every page is", "--json", "Exit: 0 nothing wrong"):
        assert taught in text


LOADED = """
import sys
from checkup.cli import main
sys.argv = ["checkup", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""


def test_a_look_at_the_catalogue_loads_neither_numpy_nor_smbprotocol(tmp_path: Path) -> None:
    path = put(tmp_path, "ledger.mdb", clinic_file().data())
    command = [sys.executable, "-c", LOADED, "access", str(path), "--depth", "catalogue", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert loaded & {"numpy", "smbprotocol", "rich", "weasyprint"} == set()
