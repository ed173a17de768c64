"""What an ODBC driver counts in an Access file; a driver that hangs, crashes or is missing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from checkup.collect.access_oracle import oracle
from checkup.jet.catalogue import read_catalogue
from checkup.jet.local import LocalSource
from checkup.jet.opening import open_file
from checkup.transports.access_odbc import MDBTOOLS, MICROSOFT, count_tables, driver_of
from checkup.transports.access_source.connect import OdbcPlace
from tests.jet.corpora import readable_params
from tests.jet.made import clinic_file

MDB = OdbcPlace(transport="odbc", driver=MDBTOOLS)
OTHER = OdbcPlace(transport="odbc", driver="Nobody's Access driver")


def has_mdbtools() -> bool:
    try:
        import pyodbc
    except ImportError:
        return False
    return MDBTOOLS in pyodbc.drivers()


needs_mdbtools = pytest.mark.skipif(
    not has_mdbtools(), reason="needs MDBTools' ODBC driver (Debian: apt-get install unixodbc odbc-mdbtools)"
)


def listing(folder: Path) -> list[tuple[str, int, int, int]]:
    found = ((path.name, path.stat()) for path in folder.iterdir())
    return sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "made file.mdb"
    path.parent.mkdir()
    path.write_bytes(clinic_file().data())
    return path


@needs_mdbtools
@pytest.mark.parametrize("path", readable_params())
def test_driver_and_reader_agree_on_real_files_and_nothing_is_left_behind(path: Path) -> None:
    before = listing(path.parent)
    counts = count_tables(MDB, path, is_copy=False)
    assert listing(path.parent) == before
    catalogue = read_catalogue(open_file(LocalSource(path)))
    assert (counts.error, dict(counts.errors)) == ("", {})
    declared = {t.name: t.definition.row_count for t in catalogue.user_tables() if t.definition}
    assert dict(counts.rows) == declared


@needs_mdbtools
def test_a_made_file_and_the_part_of_it(made: Path) -> None:
    before = listing(made.parent)
    counts = count_tables(MDB, made, is_copy=False)
    assert listing(made.parent) == before
    part = oracle(read_catalogue(open_file(LocalSource(made))), counts)
    assert isinstance(part, dict)
    assert part["error"] == ""
    assert part["tables"]
    for one in part["tables"]:  # pyright: ignore
        assert one["listed"] and one["listed_by_driver"]  # pyright: ignore
        assert one["declared"] == one["by_driver"]  # pyright: ignore


def test_no_list_of_its_own_is_said_so() -> None:
    from checkup.transports.access_odbc import Counts

    part = oracle(None, Counts(driver=MDBTOOLS, rows={"Echo": 3}))
    assert isinstance(part, dict)
    assert (part["error"], part["tables"]) == ("the file's own list of tables could not be read", [])


def test_a_driver_that_would_leave_a_lock_file_asks_for_leave(made: Path) -> None:
    counts = count_tables(OTHER, made, is_copy=False)
    assert "allow_lock_file: true" in counts.error
    assert "backup_of" in counts.error
    for allowed, is_copy in ((OTHER, True), (OTHER.model_copy(update={"allow_lock_file": True}), False)):
        counts = count_tables(allowed, made, is_copy=is_copy)
        assert counts.error
        assert "lock file" not in counts.error  # it was tried: there is no such driver


@pytest.mark.parametrize(("system", "driver"), [("win32", MICROSOFT), ("linux", MDBTOOLS)])
def test_the_driver_of_the_system(monkeypatch: pytest.MonkeyPatch, system: str, driver: str) -> None:
    monkeypatch.setattr("sys.platform", system)
    assert driver_of(OdbcPlace(transport="odbc")) == driver


@pytest.mark.parametrize("name", ["a;b.mdb", "a{b.mdb", "a}b.mdb"])
def test_a_path_that_no_connection_string_can_hold(tmp_path: Path, name: str) -> None:
    assert "no connection string can hold" in count_tables(MDB, tmp_path / name, is_copy=False).error


def test_a_file_on_a_share_is_not_fetched_by_a_driver() -> None:
    assert "over the network" in count_tables(MDB, Path("\\\\srv\\Data\\ledger.mdb"), is_copy=True).error


@needs_mdbtools
def test_a_file_that_is_none_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "text.mdb"
    for content in (b"", b"Dear Sirs, ..."):
        path.write_bytes(content)
        counts = count_tables(MDB, path, is_copy=False)
        assert not counts.rows
    assert count_tables(MDB, tmp_path / "none.mdb", is_copy=False).error


# --- a driver that does not behave --------------------------------------------------------------

FIRST = """
import json, os, sys, time
json.load(sys.stdin)
print(json.dumps({"tables": ["Echo", "Patients"]}))
print("a driver's own words")
print(json.dumps({"table": "Echo", "count": 7}), flush=True)
"""


def test_what_was_counted_before_it_crashed_is_kept(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    half = 'sys.stdout.write(\'{"table": "Pat\'); sys.stdout.flush(); os.kill(os.getpid(), 11)\n'
    worker.write_text(FIRST + half, encoding="utf-8")
    counts = count_tables(MDB, tmp_path / "x.mdb", is_copy=False, worker=worker)
    assert (dict(counts.rows), counts.error) == ({"Echo": 7}, "")
    assert counts.errors == {"Patients": "it crashed (-11)"}


def test_what_was_counted_before_it_hung_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, here = tmp_path / "worker.py", tmp_path / "here"
    worker.write_text(f"{FIRST}open({str(here)!r}, 'w').close()\ntime.sleep(60)\n", encoding="utf-8")
    children: list[subprocess.Popen[str]] = []
    wait = subprocess.Popen.communicate

    def until_it_hangs(
        child: subprocess.Popen[str], given: str | None = None, timeout: float | None = None
    ) -> object:
        """Its deadline comes when it has said what it says, however slow this machine is."""
        if timeout is None:
            return wait(child)
        children.append(child)
        assert child.stdin is not None
        child.stdin.write(given or "")
        child.stdin.close()
        child.stdin = None
        while not here.exists():
            time.sleep(0.01)
        raise subprocess.TimeoutExpired("worker", timeout)

    monkeypatch.setattr(subprocess.Popen, "communicate", until_it_hangs)
    counts = count_tables(MDB, tmp_path / "x.mdb", is_copy=False, worker=worker)
    assert (dict(counts.rows), counts.error) == ({"Echo": 7}, "")
    assert counts.errors == {"Patients": "it was not done after 120 s"}
    assert children[0].returncode == -9


def test_a_driver_that_dies_at_once(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import os\nos.kill(os.getpid(), 6)\n", encoding="utf-8")
    counts = count_tables(MDB, tmp_path / "x.mdb", is_copy=False, worker=worker)
    assert "crashed" in counts.error


def test_without_pyodbc_it_says_how_to_get_it(tmp_path: Path) -> None:
    from checkup.transports import access_odbc_worker

    worker = tmp_path / "worker.py"
    worker.write_text(
        "import runpy, sys\nsys.modules['pyodbc'] = None\n"
        f"runpy.run_path({access_odbc_worker.__file__!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    counts = count_tables(MDB, tmp_path / "x.mdb", is_copy=False, worker=worker)
    assert "apt-get install unixodbc odbc-mdbtools" in counts.error
    assert not counts.rows


def test_without_the_driver_it_says_how_to_get_it(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyodbc")
    monkeypatch.setenv("ODBCSYSINI", str(made.parent))  # a folder without odbcinst.ini
    counts = count_tables(MDB, made, is_copy=False)
    assert "apt-get install odbc-mdbtools" in counts.error
