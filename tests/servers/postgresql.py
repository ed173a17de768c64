"""Real PostgreSQL servers on loopback, each in a folder of its own, with one superuser.

PostgreSQL refuses to run as root: then it runs as postgres, or as nobody where there is no such account.
fsync is off, so nothing outlives a crash of the machine. Tests that change no more than a database or a role
of their own share `postgresql_server`; the others start a server of their own with `postgresql()`.

CHECKUP_TEST_POSTGRESQL names the folder of another version's programs, 10 or newer (`initdb` and `postgres`;
whatever else it lacks is taken from the machine):

    CHECKUP_TEST_POSTGRESQL=/usr/lib/postgresql/17/bin scripts/test tests/sql/test_postgresql_scenarios.py

Tests of what a version does not have are skipped then.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.servers.programs import free_port, search_path
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


def _found(name: str) -> str | None:
    folders = filter(None, (os.environ.get("CHECKUP_TEST_POSTGRESQL"), search_path()))
    return shutil.which(name, path=os.pathsep.join(folders))


def program(name: str) -> str:
    """A program of the version under test, else the machine's own."""
    found = _found(name)
    assert found is not None, name
    return found


@functools.cache
def major_version() -> int:
    """Of the server that `postgresql()` starts; 0 where there is none."""
    if _found("postgres") is None:
        return 0
    told = subprocess.run(
        [program("postgres"), "--version"], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", told)
    assert found is not None, told
    return int(found[1])


_MISSING = [name for name in ("initdb", "postgres", "psql") if _found(name) is None]
needs_postgresql = pytest.mark.skipif(
    bool(_MISSING), reason=f"needs PostgreSQL (Debian: apt-get install postgresql); without {_MISSING}"
)

SUPERUSER = "admin"
PASSWORD = "only-for-a-test"
_ACCOUNTS = ("postgres", "nobody")
_START_S = 20


@dataclass(frozen=True)
class PostgreSql:
    """One running server. `certificate` is what it shows, where it speaks TLS: its own authority."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    certificate: Certificate | None = None
    address: str = "127.0.0.1"
    user: str = SUPERUSER
    password: str = PASSWORD

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def run(
        self, sql: str, *, database: str = "postgres", user: str = SUPERUSER, password: str = PASSWORD
    ) -> list[list[str]]:
        """What `sql` answers, as texts (NULL is ""); raises RuntimeError with what psql says.

        Several statements run one after the other, each in a transaction of its own.
        """
        return ran([*self._psql(database, user), "-At", "-F\x1f"], sql, {"PGPASSWORD": password})

    def hold(
        self, sql: str, *, database: str = "postgres", user: str = SUPERUSER, password: str = PASSWORD
    ) -> AbstractContextManager[Held]:
        """A further session that has run `sql` and stays, with transaction and locks, during the block."""
        return held([*self._psql(database, user), "-At"], sql, r"\echo {}", {"PGPASSWORD": password})

    def sessions(self) -> int:
        """How many clients are connected, not counting who asks."""
        found = self.run(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(found[0][0])

    def kill_sessions(self) -> None:
        """End all clients' sessions, as an administrator would; the server stays."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def freeze(self) -> None:
        """The server and all its processes stand still; the kernel still accepts connections."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        self.thaw()
        self.process.send_signal(signal.SIGQUIT)  # "immediate": it ends its own processes first
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait(5)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            listener = psutil.Process(self.process.pid)
            for one in (listener, *listener.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(number)

    def _psql(self, database: str, user: str) -> list[str]:
        where = [f"-h{self.address}", f"-p{self.port}", f"-U{user}", f"-d{database}"]
        return [program("psql"), "-Xq", "-vON_ERROR_STOP=1", *where]


@contextmanager
def postgresql(
    *,
    options: Mapping[str, str] | None = None,
    tls: bool = False,
    certificate: Certificate | None = None,
    access: Sequence[str] = ("host all all 127.0.0.1/32 scram-sha-256",),
) -> Iterator[PostgreSql]:
    """Start a server. `options` are settings of postgresql.conf, and win over those given here.

    `tls`: it shows `certificate`, or else one made for localhost and 127.0.0.1. `access` is its pg_hba.conf:
    "hostssl ..." demands TLS, "hostnossl ..." refuses it; for replication slots nothing more is needed.
    """
    account = as_account(*_ACCOUNTS)
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        folder.chmod(0o755)
        data = folder / "data"
        shutil.copytree(_fresh(), data)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "30",
            "wal_level": "logical",
            "lc_messages": "C",
        }
        if tls:
            certificate = certificate or make_certificate(folder)
            for source, name in ((certificate.file, "server.crt"), (certificate.key_file, "server.key")):
                shutil.copyfile(source, data / name)
                (data / name).chmod(0o600)
            settings["ssl"] = "on"
        settings |= options or {}
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (data / "pg_hba.conf").write_text("\n".join((*access, "")), encoding="utf-8")
        hand_over(account, data)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program("postgres"), "-D", str(data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data,
                start_new_session=True,
                **account,
            )
        server = PostgreSql(folder, port, process, certificate if tls else None)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSql]:
    """One server with TLS on offer, shared by all tests of a process whoever imports this."""
    if _MISSING:
        pytest.skip(f"needs PostgreSQL (Debian: apt-get install postgresql); without {_MISSING}")
    with _shared.used() as server:
        yield server


_shared = Shared(lambda: postgresql(tls=True))


@functools.cache
def _fresh() -> Path:
    """The files of a new server, made once by each test process: they take a second of the processor."""
    account = as_account(*_ACCOUNTS)
    folder = folder_of_process("postgresql-new-")
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    hand_over(account, folder)
    subprocess.run(
        [
            *(program("initdb"), "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256"),
            *(f"--username={SUPERUSER}", f"--pwfile={password}", "-D", str(folder / "data")),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )
    return folder / "data"


def _wait_until_ready(server: PostgreSql) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        if "database system is ready to accept connections" in server.log:
            return
        time.sleep(0.01)
    raise RuntimeError(f"postgres did not start: {server.log}")
