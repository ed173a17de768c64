from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from checkup.transports import ConnectionFacts, Credential, Deadlines
from checkup.transports.access_source import (
    Address,
    Files,
    SftpAddress,
    SmbAddress,
    SmbPlace,
    open_address,
)
from checkup.transports.ssh import Connect as SshConnect
from tests.servers.samba import PASSWORD, SHARE, Samba, needs_samba, samba
from tests.servers.sshd import Sshd, make_key, needs_sshd, sshd

SFTP = {"Subsystem": "sftp internal-sftp"}


@dataclass(frozen=True)
class Disk:
    """A real file server with a folder of the test's own; the account is an ordinary one, as a rule."""

    kind: str
    server: Sshd | Samba
    folder: Path
    credential: Credential

    def put(self, name: str, content: bytes, *, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        if os.geteuid() == 0:
            shutil.chown(path, self.credential.user)
        return path

    def address(self, path: Path, port: int = 0) -> Address:
        """Of a file; by another port where a relay stands between."""
        port = port or self.server.port
        if isinstance(self.server, Sshd):
            connect = SshConnect(transport="ssh", host="127.0.0.1", port=port, host_key=self.server.host_key)
            return SftpAddress(connect, self.credential.user, str(path))
        below = path.relative_to(self.server.share).as_posix()
        place = SmbPlace(transport="smb", host="127.0.0.1", port=port, share=SHARE, path=below)
        return SmbAddress(place, self.credential.user)

    def kill_connections(self) -> None:
        if isinstance(self.server, Sshd):
            self.server.kill_sessions()
        else:
            self.server.kill_connections()

    def everything(self) -> Mapping[str, object]:
        """What lies in the folder: names, sizes, times of writing and changing, rights."""
        found = [self.folder, *sorted(self.folder.rglob("*"))]
        return {
            str(path): (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_mode, s.st_ino, s.st_nlink)
            for path in found
            for s in (path.stat(),)
        }


@dataclass
class Opener:
    """Opens connections to a disk, and closes them after the test."""

    opened: list[Files] = field(default_factory=list[Files])

    def __call__(
        self,
        disk: Disk,
        path: Path,
        *,
        port: int = 0,
        round_s: float = 10,
        credential: Credential | None = None,
        facts: ConnectionFacts | None = None,
        deadlines: Deadlines | None = None,
        change: Callable[[Address], Address] = lambda address: address,
    ) -> tuple[Files, str]:
        files, at = open_address(
            change(disk.address(path, port)),
            credential=credential or disk.credential,
            facts=facts,
            deadlines=deadlines or Deadlines(retry_pause_s=0.1),
            round_s=round_s,
        )
        self.opened.append(files)
        return files, at


@pytest.fixture
def connect() -> Iterator[Opener]:
    opener = Opener()
    yield opener
    for files in opener.opened:
        files.close()


@contextmanager
def sftp_disk(options: Mapping[str, str] | None = None) -> Iterator[Disk]:
    # Not below pytest's folders, which nobody else may enter.
    folder = Path(tempfile.mkdtemp(prefix="sftp-disk-"))
    folder.chmod(0o755)
    try:
        with sshd(
            folder / "sshd", key=make_key(folder / "key"), options={**SFTP, **(options or {})}
        ) as server:
            user = "nobody" if os.geteuid() == 0 else server.user
            yield Disk("sftp", server, folder, Credential(name="clinic", user=user, key=str(server.key)))
    finally:
        shutil.rmtree(folder)


@contextmanager
def smb_disk(**options: Mapping[str, str]) -> Iterator[Disk]:
    with samba(**options) as server:
        yield Disk("smb", server, server.share, smb_credential(server.user))


def smb_credential(user: str) -> Credential:
    os.environ["TEST_SMB_PASSWORD"] = PASSWORD
    return Credential(name="clinic", user=user, password="env:TEST_SMB_PASSWORD")


KINDS = [
    pytest.param("sftp", marks=[pytest.mark.sshd, needs_sshd]),
    pytest.param("smb", marks=needs_samba),
]


@pytest.fixture(scope="session")
def _shared_disks() -> Iterator[Callable[[str], Disk]]:
    """One server of each kind, started when a test first wants it."""
    started: dict[str, Disk] = {}
    contexts = []

    def get(kind: str) -> Disk:
        if kind not in started:
            context = sftp_disk() if kind == "sftp" else smb_disk()
            contexts.append(context)
            started[kind] = context.__enter__()
        return started[kind]

    yield get
    for context in contexts:
        context.__exit__(None, None, None)


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, _shared_disks: Callable[[str], Disk]) -> Iterator[Disk]:
    """A folder of the test's own on a server that all tests share: do it no harm."""
    yield from _own_folder(_shared_disks(request.param))


@pytest.fixture
def smb(_shared_disks: Callable[[str], Disk]) -> Iterator[Disk]:
    yield from _own_folder(_shared_disks("smb"))


@pytest.fixture(params=KINDS)
def own_disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A server of the test's own, which may be killed."""
    with sftp_disk() if request.param == "sftp" else smb_disk() as found:
        yield found


def _own_folder(disk: Disk) -> Iterator[Disk]:
    folder = Path(tempfile.mkdtemp(prefix="t-", dir=disk.folder))
    folder.chmod(0o777)
    yield replace(disk, folder=folder)
    shutil.rmtree(folder)
