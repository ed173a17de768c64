"""Access files of a site: read where they lie, judged and reported with the machines."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.servers.sshd import needs_sshd, sshd
from tests.workflow.conftest import Clinic, assert_adds_up, assert_clean, errors, outcomes, stored_text

sys.path.insert(0, str(Path(__file__).parents[1] / "jet"))

from made import clinic_file  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.usefixtures("paper")


def listing(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir())


def put(folder: Path, name: str = "ledger.mdb") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(clinic_file().data())
    return path


def assert_judged(found: dict[str, str]) -> None:
    """The made file's maps are not whole, which costs the checks that count every page, and no other."""
    assert found["access.column-limit"] == found["access.commit-words"] == "passed"
    missing = {probe for probe, outcome in found.items() if outcome == "not checked"}
    assert missing <= {
        "access.compaction-safe",
        "access.near-limit-tables",
        "access.reclaimable",
        "access.size-limit",
    }


def test_a_file_on_this_machine_is_read_and_nothing_is_left_beside_it(clinic: Clinic):
    file = put(clinic.folder / "data")
    before = listing(file.parent)
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger")
    assert_clean(clinic.texts(ended))
    assert_adds_up(ended.assessment)
    found = outcomes(ended.assessment, "ledger")
    assert_judged(found)
    assert listing(file.parent) == before
    # The ledger says what was read, and that no page of rows was.
    assert "to the depth maps" in stored_text(clinic.store_file)


@needs_sshd
@pytest.mark.sshd
def test_a_file_on_a_server_is_read_by_sftp_over_its_ssh(clinic: Clinic, soon: None):
    file = put(clinic.folder / "data")
    before = listing(file.parent)
    with sshd(clinic.folder / "sshd", options={"Subsystem": "sftp internal-sftp"}) as server:
        clinic.add_ssh("srv", server)
        clinic.more["access"] = [{"id": "ledger", "host": "srv", "path": str(file)}]
        ended = clinic.run("--host", "ledger")
    assert_clean(clinic.texts(ended))
    found = outcomes(ended.assessment, "ledger")
    assert_judged(found)
    assert listing(file.parent) == before


@pytest.mark.parametrize(
    ("content", "error"), [(None, "unreachable"), (b"Dear Sirs, ...", "bad_output"), (b"", "bad_output")]
)
def test_what_is_no_access_file_passes_nothing(clinic: Clinic, content: bytes | None, error: str):
    file = clinic.folder / "ledger.mdb"
    if content is not None:
        file.write_bytes(content)
    clinic.add_local()
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {error}
    assert set(outcomes(ended.assessment, "ledger").values()) == {"not checked"}


def test_a_file_of_a_machine_that_is_never_touched_is_not_touched_either(clinic: Clinic):
    file = put(clinic.folder / "data")
    clinic.add_local()
    clinic.hosts[0]["touch"] = "never"
    clinic.more["access"] = [{"id": "ledger", "host": "here", "path": str(file)}]
    ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {"opted_out"}


def test_a_file_that_no_way_leads_to_says_what_to_write(clinic: Clinic):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": nobody.getsockname()[1]}
        clinic.add("srv", connect)
        clinic.more["access"] = [{"id": "ledger", "host": "srv", "path": "D:\\Data\\ledger.mdb"}]
        ended = clinic.run("--host", "ledger")
    assert errors(ended.assessment, "ledger") == {"unsupported"}
    assert "give the file a `reach:` by smb" in ended.err


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"id": "here", "host": "here", "path": "x.mdb"}, "has this id"),
        ({"id": "ledger", "host": "gone", "path": "x.mdb"}, "there is no such host"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "declare": {"userz": 3}}, "no collector asks"),
        ({"id": "ledger", "host": "here", "path": "x.mdb", "role": "backup-copy"}, "backup_of"),
    ],
)
def test_a_mistake_is_told_with_its_place(clinic: Clinic, entry: dict[str, object], said: str):
    clinic.add_local()
    clinic.more["access"] = [entry]
    ended = clinic.run()
    assert ended.status == 2 and said in ended.err, ended.err
