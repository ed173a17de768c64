"""Real MariaDB servers on loopback, each in a folder of its own, with one administrator and nobody else.

Nothing is flushed to the disk, so nothing outlives a crash of the machine. Tests that change no more than a
database or an account of their own share `mariadb_server`; the others start a server of their own with
`mariadb()`.
"""

from __future__ import annotations

import functools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.servers.programs import free_port, missing, program
from tests.servers.sql_programs import (
    Held,
    Shared,
    as_account,
    folder_of_process,
    hand_over,
    held,
    ran,
)
from tests.servers.winrm.tls import Certificate, make_certificate

_MISSING = missing("mariadb-install-db", "mariadbd", "mariadb")
needs_mariadb = pytest.mark.skipif(
    bool(_MISSING),
    reason="needs MariaDB (Debian: apt-get install mariadb-server-core mariadb-client-core); "
    f"without {_MISSING}",
)

ADMINISTRATOR = "admin"
PASSWORD = "only-for-a-test"
_ACCOUNTS = ("mysql", "nobody")
_START_S = 20

# mariadb-install-db leaves root without a password, and nameless accounts. Accounts can be made only once
# the privileges are read.
_ONLY_ONE_ACCOUNT = f"""
FLUSH PRIVILEGES;
CREATE USER {ADMINISTRATOR}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO {ADMINISTRATOR}@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User NOT IN ('{ADMINISTRATOR}', 'mariadb.sys');
DELETE FROM mysql.proxies_priv;
FLUSH PRIVILEGES;
"""


@dataclass(frozen=True)
class MariaDb:
    """One running server. `certificate` is what it shows, where it speaks TLS: its own authority."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    certificate: Certificate | None = None
    address: str = "127.0.0.1"
    user: str = ADMINISTRATOR
    password: str = PASSWORD

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def run(
        self, sql: str, *, database: str = "", user: str = ADMINISTRATOR, password: str = PASSWORD
    ) -> list[list[str]]:
        """What `sql` answers, as texts (NULL is "NULL"); raises RuntimeError with what the client says."""
        return ran([*self._client(database, user), "--batch"], sql, {"MYSQL_PWD": password})

    def hold(
        self, sql: str, *, database: str = "", user: str = ADMINISTRATOR, password: str = PASSWORD
    ) -> AbstractContextManager[Held]:
        """A further session that has run `sql` and stays, with transaction and locks, during the block."""
        command = [*self._client(database, user), "--batch", "--unbuffered"]
        return held(command, sql, "SELECT '{}';", {"MYSQL_PWD": password})

    def sessions(self) -> int:
        """How many clients are connected, not counting who asks."""
        return int(self.run(f"SELECT COUNT(*) {_OTHERS}")[0][0])

    def kill_sessions(self) -> None:
        """End all clients' sessions, as an administrator would; the server stays."""
        for (one,) in self.run(f"SELECT ID {_OTHERS}"):
            with suppress(RuntimeError):  # it may just have ended
                self.run(f"KILL CONNECTION {one}")

    def freeze(self) -> None:
        """The server stands still; the kernel still accepts connections."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.process.kill()
        self.process.wait(5)

    def _client(self, database: str, user: str) -> list[str]:
        where = [f"--host={self.address}", f"--port={self.port}", f"--user={user}", "--protocol=tcp"]
        plain = ["--no-defaults", "--skip-column-names", "--default-character-set=utf8mb4"]
        return [program("mariadb"), *plain, *where, *([f"--database={database}"] if database else [])]


_OTHERS = (
    "FROM information_schema.PROCESSLIST"
    " WHERE ID <> CONNECTION_ID() AND USER NOT IN ('system user', 'event_scheduler')"
)


@contextmanager
def mariadb(
    *,
    options: Mapping[str, str] | None = None,
    tls: bool = False,
    certificate: Certificate | None = None,
    data: Path | None = None,
) -> Iterator[MariaDb]:
    """Start a server. `options` of mariadbd ("log-bin": "") win over those given here.

    `tls`: it shows `certificate`, or else one made for localhost and 127.0.0.1; with the option
    "require-secure-transport" it demands TLS. `data` is an empty folder (of a small file system) for its
    files, made if need be.
    """
    account = as_account(*_ACCOUNTS)
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        folder.chmod(0o755)
        data = data or folder / "data"
        shutil.copytree(_fresh(), data, dirs_exist_ok=True)
        port = free_port()
        temporary = folder / "tmp"
        temporary.mkdir()
        settings = {
            "datadir": str(data),
            "tmpdir": str(temporary),
            "bind-address": "127.0.0.1",
            "port": str(port),
            "socket": str(folder / "socket"),
            "pid-file": str(folder / "pid"),
            "skip-name-resolve": "1",
            "character-set-server": "utf8mb4",
            "innodb-buffer-pool-size": "16M",
            "innodb-log-file-size": _LOG_SIZE,
            "innodb-flush-log-at-trx-commit": "0",
            "innodb-flush-method": "nosync",
        }
        if tls:
            certificate = certificate or make_certificate(folder)
            for source, name in ((certificate.file, "server.crt"), (certificate.key_file, "server.key")):
                shutil.copyfile(source, folder / name)
            settings |= {"ssl-cert": str(folder / "server.crt"), "ssl-key": str(folder / "server.key")}
        settings |= options or {}
        hand_over(account, folder, data)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(program("mariadbd"), "--no-defaults"),
                    *(f"--{name}={value}" if value else f"--{name}" for name, value in settings.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data,
                start_new_session=True,
                **account,
            )
        server = MariaDb(folder, port, process, certificate if tls else None)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDb]:
    """One server with TLS on offer, shared by all tests of a process whoever imports this."""
    if _MISSING:
        pytest.skip(f"needs MariaDB (Debian: mariadb-server-core mariadb-client-core); without {_MISSING}")
    with _shared.used() as server:
        yield server


_shared = Shared(lambda: mariadb(tls=True))
_LOG_SIZE = "8M"  # of InnoDB's log; the usual 96 MB would be copied for each server


@functools.cache
def _fresh() -> Path:
    """The files of a new server, made once by each test process."""
    account = as_account(*_ACCOUNTS)
    folder = folder_of_process("mariadb-new-")
    hand_over(account, folder)
    data = folder / "data"
    where = [f"--innodb-log-file-size={_LOG_SIZE}", f"--datadir={data}"]
    root = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(
        [program("mariadb-install-db"), "--no-defaults", *root, *where],
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )
    subprocess.run(
        [program("mariadbd"), "--no-defaults", "--bootstrap", *where],
        input=_ONLY_ONE_ACCOUNT.encode(),
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )
    return data


def _wait_until_ready(server: MariaDb) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        if "ready for connections" in server.log:
            return
        time.sleep(0.01)
    raise RuntimeError(f"mariadbd did not start: {server.log}")
