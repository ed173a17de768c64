"""What a session leaves on this station: nothing, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from checkup.api import ErrorClass
from checkup.transports.odbc import session, tls
from checkup.transports.odbc.process import WorkerProcess
from checkup.transports.session import TransportError
from tests.servers.postgresql import PASSWORD
from tests.servers.tds import TdsServer
from tests.servers.winrm.tls import Certificate
from tests.transports.odbc.conftest import Open, Server, place_of, scripted, tls_of

# Says where it stands, and with which files, and then what the test wants.
DRIVER = """
import os, pathlib, time
class Error(Exception):
    pass
def drivers():
    return ["FreeTDS"]
def connect(text, **more):
    folder = pathlib.Path(os.environ["FREETDSCONF"]).parent
    for file in folder.iterdir():
        pathlib.Path(os.environ["SEEN"]).joinpath(file.name).write_text(file.read_text())
    pathlib.Path(os.environ["SEEN"]).joinpath("mode").write_text(oct(folder.stat().st_mode))
    {then}
"""

# A run that is ended by force while its driver logs in.
RUN = """
import os, sys
from checkup.transports.odbc.process import WorkerProcess
process = WorkerProcess()
process.start({"FREETDSCONF": str(process.folder / "freetds.conf")})
print(process.pid, flush=True)
request = {"do": "connect", "text": "PWD=unsaid", "timeout_s": 5, "engine": "sqlserver",
           "folder": str(process.folder), "files": {"freetds.conf": "[checkup]"}}
process.ask(request, 30, "late")
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process and those it starts put what is temporary."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "seen"
    folder.mkdir()
    monkeypatch.setenv("SEEN", str(folder))
    return folder


def soon(condition: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + 10
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def killed_run(
    temporary: Path, seen: Path, fake_pyodbc: Callable[[str], None]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    fake_pyodbc(DRIVER.format(then="time.sleep(60)"))
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    assert soon((seen / "mode").exists)
    yield run, pid
    run.stdout.close()


def test_a_run_that_is_killed_in_the_middle_of_a_login_leaves_nothing(
    killed_run: tuple[subprocess.Popen[str], int], temporary: Path
) -> None:
    run, pid = killed_run
    assert list(temporary.iterdir())
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert soon(lambda: not psutil.pid_exists(pid))
    assert not list(temporary.iterdir())


def test_a_session_has_no_files_once_it_is_logged_in(
    open_session: Open, server: Server, temporary: Path
) -> None:
    opened = open_session(place_of(server))
    assert not list(temporary.iterdir())
    opened.close()
    assert not list(temporary.iterdir())


def test_a_driver_that_had_to_be_ended_leaves_nothing(
    temporary: Path, seen: Path, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc(DRIVER.format(then="time.sleep(60)"))
    process = WorkerProcess()
    process.start({"FREETDSCONF": str(process.folder / "freetds.conf")})
    request = {"do": "connect", "text": "", "timeout_s": 1, "engine": "sqlserver"}
    more = {"folder": str(process.folder), "files": {"freetds.conf": "[checkup]"}}
    with pytest.raises(TransportError, match="the driver was late") as caught:
        process.ask({**request, **more}, 1, "the driver was late")
    assert caught.value.error is ErrorClass.TIMEOUT
    assert (seen / "mode").exists() and not list(temporary.iterdir())


def test_nothing_secret_is_ever_written(
    open_session: Open, seen: Path, fake_pyodbc: Callable[[str], None]
) -> None:
    fake_pyodbc(DRIVER.format(then="raise Error('08001', 'as far as it goes')"))
    with TdsServer(scripted()) as server, pytest.raises(TransportError):
        open_session(place_of(server, driver="FreeTDS"))
    assert (seen / "mode").read_text() == oct(0o40700)
    written = "".join(file.read_text() for file in seen.iterdir())
    assert "[checkup]" in written and PASSWORD not in written and "admin" not in written


def test_a_stations_authorities_are_written_where_they_are_in_no_file(
    open_session: Open,
    seen: Path,
    certificate: Certificate,
    fake_pyodbc: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows: taken out of the station's own store, for drivers that know none."""
    pem = certificate.file.read_text(encoding="ascii")
    monkeypatch.setattr(session, "authorities", lambda place: "")  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setattr(session, "stations_authorities", lambda: pem)
    fake_pyodbc(DRIVER.format(then="raise Error('08001', 'as far as it goes')"))
    with TdsServer(scripted(), **tls_of(certificate)) as server, pytest.raises(TransportError):
        open_session(
            place_of(server, driver="FreeTDS", encryption="validated", ca_file=str(certificate.file))
        )
    assert (seen / "authorities.pem").read_text() == pem


def test_the_stations_authorities_can_be_written() -> None:
    assert tls.stations_authorities().startswith("-----BEGIN CERTIFICATE-----")
