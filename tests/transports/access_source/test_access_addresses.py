"""What may stand on the command line and in the site file for a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from checkup.jet.source import SourceError
from checkup.transports.access_source import (
    AccessFile,
    LocalAddress,
    SftpAddress,
    SmbAddress,
    open_address,
    parse_address,
)
from checkup.transports.access_source.files import lock_paths
from checkup.transports.access_source.sftp_files import remote_path
from checkup.transports.access_source.smb_errors import file_error, login_error


@pytest.mark.parametrize(
    "text", ["clinic.mdb", "/srv/data/clinic.mdb", r"D:\Data\clinic.mdb", "a b/c://d.mdb"]
)
def test_a_path_stays_a_path(text: str) -> None:
    assert parse_address(text) == LocalAddress(Path(text))


def test_sftp() -> None:
    address = parse_address("sftp://eva@srv.example:2222/srv/data/Fall%20%231%3F.accdb")
    assert isinstance(address, SftpAddress)
    assert (address.connect.host, address.connect.port, address.user) == ("srv.example", 2222, "eva")
    assert address.path == "/srv/data/Fall #1?.accdb"
    below_home = parse_address("sftp://srv/~/clinic.mdb")
    assert isinstance(below_home, SftpAddress)
    assert (below_home.path, below_home.user, below_home.connect.port) == ("clinic.mdb", "", 22)
    windows = parse_address("sftp://srv/D:/Data/clinic.mdb")
    assert isinstance(windows, SftpAddress)
    assert windows.path == remote_path(r"D:\Data\clinic.mdb") == "/D:/Data/clinic.mdb"


def test_smb() -> None:
    address = parse_address("smb://CLINIC;eva@[fd00::7]/Data$/BE/clinic_be.accdb#1?")
    assert isinstance(address, SmbAddress)
    assert (address.connect.host, address.connect.port, address.user) == ("fd00::7", 445, r"CLINIC\eva")
    assert (address.connect.share, address.connect.path) == ("Data$", "BE/clinic_be.accdb#1")
    assert address.connect.below == "Data$/BE/clinic_be.accdb#1"
    other = parse_address("smb://eva%40clinic.example@srv:4450/data/x.mdb")
    assert isinstance(other, SmbAddress)
    assert (other.user, other.connect.port) == ("eva@clinic.example", 4450)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sftp://eva:Secret1@srv/x.mdb", "password"),
        ("smb://eva:Secret1@srv/data/x.mdb", "password"),
        ("smb://eva:@srv/data/x.mdb", "password"),
        ("smb://srv/data", "no file"),
        ("smb://srv/data/", "no file"),
        ("smb://srv/", "no file"),
        ("smb://srv/da:ta/x.mdb", "share"),
        ("smb:///data/x.mdb", "no host"),
        ("sftp://srv", "no file"),
        ("sftp://srv/", "no file"),
        ("sftp://srv:99999/x.mdb", "port"),
        ("sftp://srv:abc/x.mdb", "port"),
        ("sftp://srv:0/x.mdb\n", "control"),
        ("smb://srv/data/x%00.mdb", "control"),
        ("https://srv/x.mdb", "https://"),
        ("file:///x.mdb", "file://"),
        ("smb://[fd00::7/data/x.mdb", "read"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_password(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_address(text)
    assert "Secret1" not in str(caught.value)


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "clinic.mdb"
    path.write_bytes(b"0123456789")
    (tmp_path / "clinic.ldb").write_bytes(b"WS-3")
    files, at = open_address(parse_address(str(path)))
    source = files.open(at)
    assert source.read([(2, 3), (8, 9)]) == [b"234", b"89"]
    assert source.stat().size_bytes == 10
    lock = files.lock_file(at)
    assert lock is not None
    assert (lock.name, lock.content, lock.stat.size_bytes) == ("clinic.ldb", b"WS-3", 4)
    (tmp_path / "clinic.ldb").unlink()
    assert files.lock_file(at) is None
    source.close()
    with pytest.raises(SourceError):
        source.read([(0, 1)])
    files.close()


@pytest.mark.parametrize(
    ("path", "locks"),
    [
        ("/d/x.mdb", ("/d/x.ldb",)),
        ("x.MDE", ("x.ldb",)),
        (r"D:\a.b\x.accdb", (r"D:\a.b\x.laccdb",)),
        ("x.accde", ("x.laccdb",)),
        ("/d.mdb/x", ("/d.mdb/x.laccdb", "/d.mdb/x.ldb")),
        ("x.dat", ("x.laccdb", "x.ldb")),
    ],
)
def test_where_the_lock_file_lies(path: str, locks: tuple[str, ...]) -> None:
    assert lock_paths(path) == locks


def test_a_place_in_the_site_file() -> None:
    where = {"id": "backend", "host": "srv-files", "path": r"D:\Data\clinic_be.accdb"}
    assert AccessFile.model_validate(where).reach is None
    smb = {"transport": "smb", "host": "10.0.0.9", "credential": "files", "share": "Data", "path": "be.accdb"}
    found = AccessFile.model_validate({**where, "reach": smb})
    assert found.reach is not None
    assert found.reach.transport == "smb"
    for wrong in (
        {**where, "reach": {"transport": "ftp"}},
        {**where, "reach": {**smb, "share": r"Data\BE"}},
        {**where, "backup_of": "backend"},
        {**where, "role": "backup-copy"},
        {**where, "password": "x"},
    ):
        with pytest.raises(ValidationError):
            AccessFile.model_validate(wrong)


def test_numbers_that_nobody_explained_are_given_as_they_are() -> None:
    assert "0xC0001234" in file_error(0xC0001234, "x").detail
    assert file_error(0xC0001234, "x").kind == "broken"
    assert "0xC0001234" in login_error(0xC0001234, "srv", "the password of eva").detail


def test_the_libraries_are_imported_only_where_they_are_used() -> None:
    code = "import sys, checkup.transports.access_source as a; a.parse_address('smb://a/b/c'); "
    code += "print([m for m in ('smbprotocol', 'paramiko', 'numpy', 'spnego') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
