"""Real OpenSSH servers on loopback, each in a folder of its own, for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.servers.programs import family, free_port, kill_family, search_path, signal_family

PROGRAM = shutil.which("sshd", path=search_path())
MISSING = "needs OpenSSH's sshd (Debian: apt-get install openssh-server)"
needs_sshd = pytest.mark.skipif(PROGRAM is None or sys.platform == "win32", reason=MISSING)


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair at `path` and `path`.pub."""
    size = ["-b", "2048"] if kind == "rsa" else []
    command = ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def fingerprint(path: Path) -> str:
    """As OpenSSH itself prints it: "SHA256:..."."""
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


@dataclass(frozen=True)
class Sshd:
    """One running server. `key` is the private key that lets `user` in."""

    folder: Path
    address: str
    port: int
    user: str
    key: Path
    host_keys: Mapping[str, str]  # kind -> fingerprint
    process: subprocess.Popen[bytes]

    @property
    def host_key(self) -> str:
        return next(iter(self.host_keys.values()))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def connections(self) -> int:
        return self.log.count("Connection from ")

    @property
    def logins(self) -> int:
        return len(re.findall(r"Accepted \w+ for ", self.log))

    @property
    def sessions(self) -> int:
        return self.log.count("Starting session: ")

    def freeze(self) -> None:
        """The server and all it started stand still; the kernel still accepts connections."""
        signal_family(self.process, signal.SIGSTOP)

    def thaw(self) -> None:
        signal_family(self.process, signal.SIGCONT)

    def kill_sessions(self) -> None:
        """Kill what serves the logged-in clients; the listener stays."""
        for process in family(self.process)[1:]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        kill_family(self.process)


@contextmanager
def sshd(
    folder: Path,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    host_key_kinds: Sequence[str] = ("ed25519",),
    key: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[Sshd]:
    """Start a server in `folder`; the limits (MaxStartups, MaxSessions) are OpenSSH's own.

    `key` lets in who has it; without it one is made. `options` come first, so they win.
    """
    assert PROGRAM is not None, MISSING
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port(address)
    key = key or make_key(folder / "user_key")
    shutil.copyfile(f"{key}.pub", folder / "authorized_keys")
    host_keys = {kind: make_key(folder / f"host_{kind}", kind=kind) for kind in host_key_kinds}
    # An account's own start-up files are not part of any test; some are slow, and some never end.
    home = folder / "home"
    home.mkdir(exist_ok=True)
    settings = {
        "SetEnv": f"HOME={home}",
        **(options or {}),
        "ListenAddress": f"{address}:{port}",
        "PidFile": "none",
        "AuthorizedKeysFile": str(folder / "authorized_keys"),
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "LogLevel": "VERBOSE",
        "PermitUserEnvironment": "no",
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    lines += [f"HostKey {path}" for path in host_keys.values()]
    config = folder / "sshd_config"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists, and a system without one lacks it
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    fingerprints = {kind: fingerprint(path) for kind, path in host_keys.items()}
    server = Sshd(folder, address, port, getpass.getuser(), key, fingerprints, process)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        server.stop()


def _wait_until_it_listens(server: Sshd) -> None:
    for _ in range(500):
        if "Server listening on" in server.log:
            return
        if server.process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"sshd did not start: {server.log}")
