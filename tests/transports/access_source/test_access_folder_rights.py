"""What a file server says of rights in the folder of an Access file, without anything being tried there."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkup.jet.folder_rights import FolderRights, rights_by_mode
from checkup.transports.access_source import LocalFiles
from tests.servers.samba import SHARE
from tests.transports.access_source.conftest import Disk, Opener


def test_a_real_server_tells_them_and_nothing_changes(disk: Disk, connect: Opener) -> None:
    folder = disk.folder / "Data"
    folder.mkdir()
    disk.put("Data/clinic_be.accdb", b"x" * 4096, mode=0o666)
    before = disk.everything()
    folder.chmod(0o777)
    files, at = connect(disk, folder / "clinic_be.accdb")
    rights = files.folder_rights(at)
    assert rights is not None
    assert rights.basis == ("mode" if disk.kind == "sftp" else "login")
    assert (rights.write, rights.create, rights.delete) == (True, True, True)
    folder.chmod(0o555)
    closed = files.folder_rights(at)
    assert closed is not None
    assert (closed.write, closed.create) == (True, False)
    folder.chmod(0o755)
    assert set(disk.everything()) == set(before)


def test_a_file_that_nobody_may_write_says_so(disk: Disk, connect: Opener) -> None:
    files, at = connect(disk, disk.put("clinic_be.accdb", b"x" * 4096, mode=0o444))
    rights = files.folder_rights(at)
    assert rights is not None and not rights.write
    if disk.kind == "sftp":  # to Samba, as its settings are, the mode is no attribute of Windows
        assert files.open(at).stat().read_only is True


def test_no_such_folder_is_no_answer(disk: Disk, connect: Opener) -> None:
    files, _ = connect(disk, disk.put("clinic_be.accdb", b"x"))
    at = disk.put("other.accdb", b"x")
    gone = at.with_name("nowhere") / "x.accdb"
    assert files.folder_rights(str(gone) if disk.kind == "sftp" else f"{SHARE}/nowhere/x.accdb") is None


@pytest.mark.parametrize(
    ("file", "folder", "expected"),
    [
        (0o100664, 0o40775, (True, True, True)),
        (0o100666, 0o41777, (True, True, False)),
        (0o100664, 0o40755, (True, False, False)),
        (0o100644, 0o40755, (False, False, False)),
    ],
)
def test_modes(file: int, folder: int, expected: tuple[bool, bool, bool]) -> None:
    write, create, delete = expected
    assert rights_by_mode(file, folder) == FolderRights(
        basis="mode", write=write, create=create, delete=delete
    )


def test_of_a_file_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "clinic_be.accdb"
    path.write_bytes(b"x")
    path.chmod(0o664)
    tmp_path.chmod(0o775)
    rights = LocalFiles().folder_rights(str(path))
    assert rights == FolderRights(basis="mode", write=True, create=True, delete=True)
    assert LocalFiles().folder_rights(str(tmp_path / "none" / "x.mdb")) is None
