from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import Pool
from store_samples import SITE, T0, a_run, a_section, an_assessment, an_endpoint

from checkup.api import Visit
from checkup.store import StoreError, engine, open_store


@contextmanager
def on_connect(statement: str) -> Iterator[None]:
    def run(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(statement)

    event.listen(Pool, "connect", run)
    try:
        yield
    finally:
        event.remove(Pool, "connect", run)


def a_store_with_a_run(url: str) -> None:
    with open_store(url) as store:
        store.begin_run(a_run(store.open_visit(SITE, Visit.THIRTY_DAY, T0)))
        store.save_endpoint("r1", an_endpoint("before"))


def incompressible(size: int) -> str:
    return os.urandom(size // 2).hex()


def test_a_full_disk_is_said_and_costs_nothing_that_was_saved(file_url: str, tmp_path: Path) -> None:
    a_store_with_a_run(file_url)
    with on_connect("PRAGMA max_page_count = 60"), open_store(file_url) as store:
        big = an_endpoint("big", sections=(a_section("t", raw=incompressible(2_000_000)),))
        with pytest.raises(
            StoreError, match=r"cannot save endpoint big \(.*checkup.db\): the disk is full; make room"
        ):
            store.save_endpoint("r1", big)
        assert store.snapshots(["r1"]) == [an_endpoint("before")]
        store.save_endpoint("r1", an_endpoint("small"))
    with closing(sqlite3.connect(tmp_path / "checkup.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_read_only_store_is_said(file_url: str) -> None:
    a_store_with_a_run(file_url)
    with on_connect("PRAGMA query_only = ON"), open_store(file_url) as store:
        with pytest.raises(StoreError, match="it is read-only; check the rights"):
            store.save_endpoint("r1", an_endpoint())
        assert store.finished_endpoints("r1") == {"before"}


ON_A_REAL_DISK = """
set -e
mount -t tmpfs -o size=1m tmpfs "$1"
"$2" - "$1/checkup.db" "$1" "$3" <<'PYTHON'
import os, subprocess, sys
place, folder, samples = sys.argv[1:]
sys.path.insert(0, samples)
from checkup.store import StoreError, open_store
from test_store_errors import a_store_with_a_run, incompressible
from store_samples import a_section, an_endpoint
a_store_with_a_run(place)
with open_store(place) as store:
    try:
        store.save_endpoint("r1", an_endpoint(sections=(a_section("t", raw=incompressible(4_000_000)),)))
    except StoreError as error:
        print(error)
    print(store.finished_endpoints("r1"))
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
try:
    open_store(place)
except StoreError as error:
    print(error)
PYTHON
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux name spaces")
def test_a_disk_that_is_really_full_then_really_read_only(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount in a name space of its own")
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", ON_A_REAL_DISK, "sh", tmp_path, sys.executable, Path(__file__).parent],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    full, kept, read_only = done.stdout.splitlines()
    assert "the disk is full" in full
    assert kept == "{'before'}"
    assert "Read-only file system; check the rights" in read_only


def test_a_store_that_stays_locked_is_said(
    file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_store_with_a_run(file_url)
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    with open_store(file_url) as store, closing(sqlite3.connect(tmp_path / "checkup.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process keeps it locked"):
            store.save_endpoint("r1", an_endpoint())
        other.rollback()
        store.save_endpoint("r1", an_endpoint())


def test_a_file_that_is_not_a_database_is_said_and_left_alone(file_url: str, tmp_path: Path) -> None:
    (tmp_path / "checkup.db").write_text("Dear diary, " * 100)
    with pytest.raises(StoreError, match="the file is not a database; name the right file"):
        open_store(file_url)
    assert (tmp_path / "checkup.db").read_text().startswith("Dear diary, ")


def test_a_damaged_file_is_said(file_url: str, tmp_path: Path) -> None:
    a_store_with_a_run(file_url)
    file = tmp_path / "checkup.db"
    whole = bytearray(file.read_bytes())
    whole[4096:] = bytes(len(whole) - 4096)
    file.write_bytes(whole)
    with pytest.raises(StoreError, match="the file is damaged"), open_store(file_url) as store:
        store.snapshots(["r1"])


@pytest.mark.parametrize("damage", [b"\x01not zlib", b"\x07unknown", b""])
def test_a_damaged_value_is_said(file_url: str, damage: bytes) -> None:
    a_store_with_a_run(file_url)
    other = create_engine(file_url)
    with other.begin() as connection:
        connection.execute(text("UPDATE section_snapshot SET raw = :damage"), {"damage": damage})
    other.dispose()
    with (
        open_store(file_url) as store,
        pytest.raises(StoreError, match=r"cannot read the snapshots .* damaged"),
    ):
        store.snapshots(["r1"])


def test_a_word_of_a_newer_program_is_said(file_url: str) -> None:
    a_store_with_a_run(file_url)
    other = create_engine(file_url)
    with other.begin() as connection:
        connection.execute(text("UPDATE section_snapshot SET quality = 'splendid'"))
    other.dispose()
    with open_store(file_url) as store, pytest.raises(StoreError, match=r"'splendid' .*; update checkup"):
        store.snapshots(["r1"])


def test_an_assessment_of_an_unknown_form_is_said_without_its_text(file_url: str) -> None:
    with open_store(file_url) as store:
        number = store.save_assessment(store.open_visit(SITE, Visit.THIRTY_DAY, T0), an_assessment())
    from checkup.store import tables

    other = create_engine(file_url)
    with other.begin() as connection:
        connection.execute(tables.assessment.update().values(body={"patient": "text"}))
    other.dispose()
    with (
        open_store(file_url) as store,
        pytest.raises(StoreError, match="not of a form that this checkup knows") as caught,
    ):
        store.assessment(number)
    assert "patient" not in f"{caught.value}{caught.value.__cause__}"


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot open the store .*; check the rights"):
        open_store(str(tmp_path))
