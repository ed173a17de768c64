"""A file of this machine as a source."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from checkup.jet.local import LocalSource
from checkup.jet.source import SourceError


def test_reads_ranges_in_the_order_asked_and_stops_where_the_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    path.write_bytes(bytes(range(100)))
    source = LocalSource(path)
    assert source.stat().size_bytes == 100
    assert source.read([(90, 5), (0, 2), (95, 50), (200, 10)]) == [
        bytes(range(90, 95)),
        b"\x00\x01",
        bytes(range(95, 100)),
        b"",
    ]
    source.close()


def test_a_file_that_grows_and_shrinks_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    path.write_bytes(b"a" * 10)
    source = LocalSource(path)
    path.write_bytes(b"b" * 20)
    assert source.read([(0, 30)]) == [b"b" * 20]
    os.truncate(path, 5)
    assert source.read([(0, 30)]) == [b"b" * 5]
    assert source.stat().size_bytes == 5
    source.close()


def test_nothing_is_made_or_changed_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    path.write_bytes(b"a" * 5000)
    before = path.stat()
    source = LocalSource(path)
    source.read([(0, 4096)])
    source.close()
    after = path.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.mdb"]


def test_a_source_that_nobody_has_any_more_holds_no_file_open(tmp_path: Path) -> None:
    """Else a run over a thousand files ends at the limit of open ones."""
    path = tmp_path / "data.mdb"
    path.write_bytes(b"a")
    source = LocalSource(path)
    descriptor = source._descriptor
    assert os.fstat(descriptor).st_ino == path.stat().st_ino
    del source
    gc.collect()
    with suppress(OSError):  # the number may be another file's by now
        assert os.fstat(descriptor).st_ino != path.stat().st_ino


def test_what_is_no_file_is_gone_and_a_closed_source_is_broken(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mdb", tmp_path):
        with pytest.raises(SourceError) as caught:
            LocalSource(path)
        assert caught.value.kind == "gone"
    path = tmp_path / "data.mdb"
    path.write_bytes(b"a")
    source = LocalSource(path)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read([(0, 1)])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mdb"
    os.mkfifo(path)
    with pytest.raises(SourceError, match="no file"):
        LocalSource(path)


def test_a_file_that_may_not_be_read_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.mdb"
    path.write_bytes(b"a")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError) as caught:
        LocalSource(path)
    assert caught.value.kind == "denied"
