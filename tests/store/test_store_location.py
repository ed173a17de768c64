from __future__ import annotations

import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import make_url

from checkup.store import StoreError, default_url, open_store
from checkup.store.location import default_path, url_of


@pytest.mark.parametrize(
    ("environ", "platform", "home", "path"),
    [
        ({}, "linux", "/home/a", "/home/a/.local/share/checkup/checkup.db"),
        ({"XDG_DATA_HOME": "/data"}, "linux", "/home/a", "/data/checkup/checkup.db"),
        ({"XDG_DATA_HOME": "data"}, "linux", "/home/a", "/home/a/.local/share/checkup/checkup.db"),
        ({}, "darwin", "/Users/a", "/Users/a/Library/Application Support/checkup/checkup.db"),
        ({"LOCALAPPDATA": "C:\\L"}, "win32", "C:\\Users\\a", "C:\\L\\checkup\\checkup.db"),
        ({}, "win32", "C:\\Users\\a", "C:\\Users\\a\\AppData\\Local\\checkup\\checkup.db"),
    ],
)
def test_the_file_lies_where_the_platform_keeps_data(
    environ: dict[str, str], platform: str, home: str, path: str
) -> None:
    assert default_path(environ, platform, home) == path
    assert make_url(url_of(path)).database == path


def test_the_environment_names_another_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHECKUP_STORE", str(tmp_path / "a b?c%20.db"))
    open_store(default_url()).close()
    assert (tmp_path / "a b?c%20.db").exists()
    monkeypatch.setenv("CHECKUP_STORE", "postgresql+psycopg://db/checkup")
    assert default_url() == "postgresql+psycopg://db/checkup"
    monkeypatch.delenv("CHECKUP_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert make_url(default_url()).get_backend_name() == "sqlite"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_folder_and_files_are_for_the_user_alone(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "new" / "deep" / "checkup.db")):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "new").rglob("*")}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert modes == {"deep": 0o700, "checkup.db": 0o600, "checkup.db-wal": 0o600, "checkup.db-shm": 0o600}


@pytest.mark.parametrize(
    "place", ["\\\\srv\\share\\c.db", "//srv/share/c.db", "\\\\?\\UNC\\srv\\share\\c.db"]
)
def test_a_network_share_is_refused(place: str) -> None:
    with pytest.raises(
        StoreError, match=r"a network share does not give SQLite .* PostgreSQL database by its URL"
    ):
        open_store(place)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells a mapped drive by its real path")
def test_a_mounted_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(tmp_path / "team"), fstype="nfs4"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(StoreError, match="nfs4 does not give SQLite the locks"):
        open_store(str(tmp_path / "team" / "sub" / "c.db"))
    assert not (tmp_path / "team").exists()
    open_store(str(tmp_path / "teams" / "c.db")).close()


@pytest.mark.parametrize("place", ["sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"])
def test_a_sqlite_store_is_a_plain_file(place: str) -> None:
    with pytest.raises(StoreError, match="a SQLite store is a plain file"):
        open_store(place)


@pytest.mark.parametrize(
    "place",
    ["postgresql+nodriver://u:hunter2@h/db", "nodb://u:hunter2@h/db", "postgresql://u:hunter2@h:port/db"],
)
def test_a_bad_url_is_refused_without_its_password(place: str) -> None:
    with pytest.raises(StoreError, match="CHECKUP_STORE") as caught:
        open_store(place)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(StoreError, match="only sqlite and postgresql are known"):
        open_store("mysql+mysqldb://h/db")


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"psycopg is not installed; install psycopg\[binary\]") as caught:
        open_store("postgresql+psycopg://u:hunter2@h/db?password=hunter3")
    assert "hunter" not in str(caught.value)
