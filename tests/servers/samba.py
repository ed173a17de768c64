"""A real Samba server on loopback, in a folder of its own, with one user and one share.

It serves everything as the user who runs the tests, or as nobody where that is root: so that a file which the
account may not read is not read.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.servers.programs import free_port, kill_family, missing, program, signal_family

_MISSING = missing("smbd", "pdbedit", "smbclient")
needs_samba = pytest.mark.skipif(
    bool(_MISSING), reason=f"needs Samba (Debian: apt-get install samba smbclient); without {_MISSING}"
)

SHARE = "data"
PASSWORD = "only-for-a-test"


@dataclass(frozen=True)
class Samba:
    """One running server. `share` is the folder behind the share "data"."""

    folder: Path
    share: Path
    port: int
    user: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        logs = sorted(self.folder.glob("log*"))
        return "".join(one.read_text(encoding="utf-8", errors="replace") for one in logs)

    def put(self, name: str, content: bytes, *, mode: int = 0o644) -> Path:
        """A file of the account's own on the share."""
        path = self.share / name
        path.write_bytes(content)
        path.chmod(mode)
        if os.geteuid() == 0:
            shutil.chown(path, self.user)
        return path

    def client(self, command: str) -> str:
        """What smbclient says to a command, like "ls"."""
        done = subprocess.run(
            [
                program("smbclient"),
                f"--configfile={self.folder / 'smb.conf'}",
                f"--port={self.port}",
                f"--user={self.user}%{PASSWORD}",
                f"--command={command}",
                f"//127.0.0.1/{SHARE}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def listing(self) -> str:
        """The share as the server itself lists it, with sizes and times; without the disk's free space."""
        lines = self.client("ls").splitlines()
        return "\n".join(sorted(line for line in lines if "blocks of size" not in line))

    def kill_connections(self) -> None:
        """Kill the processes that serve the connected clients, one for each; the listener stays."""
        for one in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if any(line.status == psutil.CONN_ESTABLISHED for line in one.net_connections("tcp")):
                    one.kill()

    def freeze(self) -> None:
        """The server stands still; the kernel still accepts connections."""
        signal_family(self.process, signal.SIGSTOP)

    def stop(self) -> None:
        kill_family(self.process)


@contextmanager
def samba(
    *,
    options: Mapping[str, str] | None = None,
    share_options: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Samba]:
    """Start a server; `options` win over those given here."""
    port = free_port()
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    # Not below pytest's folders, which the account may not enter: as the account, the server then sees
    # nothing of what its other processes lock.
    folder = Path(tempfile.mkdtemp(prefix="samba-"))
    folder.chmod(0o755)
    share, private = folder / "share", folder / "private"
    share.mkdir()
    private.mkdir()
    if os.geteuid() == 0:
        shutil.chown(share, user)
    settings = {
        "workgroup": "CLINIC",
        "netbios name": "SRVFILES",
        "server role": "standalone server",
        "smb ports": str(port),
        "interfaces": "lo",
        "bind interfaces only": "yes",
        **{
            f"{name} {'dir' if name in ('private', 'ncalrpc') else 'directory'}": str(private)
            for name in ("private", "lock", "state", "cache", "pid")
        },
        "ncalrpc dir": str(private / "ncalrpc"),
        "passdb backend": f"tdbsam:{private / 'passdb.tdb'}",
        "log file": str(folder / "log"),
        "log level": "1 auth_audit:2",
        "load printers": "no",
        "disable spoolss": "yes",
        "disable netbios": "yes",
        "map to guest": "never",
        "server min protocol": "SMB2_02",
        **(options or {}),
    }
    of_share = {"path": str(share), "read only": "no", **(share_options or {})}
    lines = ["[global]", *(f"  {name} = {value}" for name, value in settings.items())]
    lines += [f"[{SHARE}]", *(f"  {name} = {value}" for name, value in of_share.items())]
    lines += ["[closed]", f"  path = {share}", "  valid users = somebody-else"]
    config = folder / "smb.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run(
        [program("pdbedit"), f"--configfile={config}", "-a", "-t", "-u", user],
        input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
    )
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [program("smbd"), "--foreground", "--no-process-group", f"--configfile={config}"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    server = Samba(folder, share, port, user, process)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        server.stop()
        # A helper process of smbd may write its last line while the folder goes.
        for _ in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.05)


def _wait_until_it_listens(server: Samba) -> None:
    for _ in range(1000):
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"smbd did not start: {server.log}")
