"""What goes wrong between us and a file: each trouble has its own kind of error, and nothing hangs."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.jet.source import Source, SourceError, SourceErrorKind
from checkup.transports import ConnectionFacts, Credential, TransportError
from tests.servers.relay import relay
from tests.transports.access_source.conftest import Disk, Opener

CONTENT = random.Random(4).randbytes(2 * 1024**2)


def failure(call: Callable[[], object]) -> SourceErrorKind:
    with pytest.raises(SourceError) as caught:
        call()
    assert "Traceback" not in caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value.kind


def put_and_open(connect: Opener, disk: Disk, *, port: int = 0, round_s: float = 10) -> tuple[Path, Source]:
    path = disk.put("clinic_be.accdb", CONTENT)
    files, at = connect(disk, path, port=port, round_s=round_s)
    return path, files.open(at)


# --- opening ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["other.accdb", "no/such/folder.accdb", "clinic_be.accdb/below", "folder"])
def test_what_is_no_file_is_gone(disk: Disk, connect: Opener, name: str) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    (disk.folder / "folder").mkdir()
    files, at = connect(disk, path)
    before = disk.everything()
    # "Not a directory" is to SFTP a failure like any other.
    expected = {"gone", "broken"} if name.startswith("clinic_be") else {"gone"}
    assert failure(lambda: files.open(str(Path(at).parent / name))) in expected
    assert files.open(at).read([(0, 4)]) == [CONTENT[:4]]
    assert disk.everything() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_holds_nobody_up(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    os.mkfifo(disk.folder / "pipe.accdb", 0o666)
    files, at = connect(disk, path)
    failure(lambda: files.open(str(Path(at).parent / "pipe.accdb")).read([(0, 4)]))
    assert files.open(at).read([(0, 4)]) == [CONTENT[:4]]


def test_a_file_that_may_not_be_read_is_denied(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT, mode=0o200)
    disk.put("clinic_be.laccdb", b"WS-3", mode=0o200)
    files, at = connect(disk, path)
    assert failure(lambda: files.open(at)) == "denied"
    assert failure(lambda: files.lock_file(at)) == "denied"


def test_a_port_where_nobody_listens(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    with relay(("127.0.0.1", 1)) as closed:
        pass
    facts = ConnectionFacts(transport=disk.kind)
    with pytest.raises(TransportError) as caught:
        connect(disk, path, port=closed.port, facts=facts)
    assert caught.value.error is ErrorClass.UNREACHABLE
    assert (facts.error, facts.reached) == (ErrorClass.UNREACHABLE, False)


def test_without_a_credential_nothing_is_contacted(disk: Disk, connect: Opener) -> None:
    path = disk.put("clinic_be.accdb", CONTENT)
    with relay(("127.0.0.1", disk.server.port)) as link:
        for credential in (
            Credential(name="empty", user=disk.credential.user),
            Credential(name="unset", user=disk.credential.user, password="env:NO_SUCH_VARIABLE"),
        ):
            with pytest.raises(TransportError) as caught:
                connect(disk, path, port=link.port, credential=credential)
            assert caught.value.error is ErrorClass.AUTH
        assert link.connections == 0


# --- while it is read -------------------------------------------------------------------------


def test_a_server_that_is_killed(own_disk: Disk, connect: Opener) -> None:
    _, source = put_and_open(connect, own_disk)
    source.read([(0, 4096)])
    own_disk.kill_connections()
    assert failure(lambda: source.read([(0, 4096)])) == "broken"
    assert failure(lambda: source.read([(0, 4096)])) == "broken"
    assert failure(source.stat) == "broken"
    source.close()
    assert failure(lambda: source.read([(0, 4096)])) == "broken"


def test_a_server_that_is_killed_in_the_middle_of_a_round(own_disk: Disk, connect: Opener) -> None:
    with relay(("127.0.0.1", own_disk.server.port), delay_s=0.05) as link:
        _, source = put_and_open(connect, own_disk, port=link.port)
        killer = threading.Timer(0.2, own_disk.kill_connections)
        killer.start()
        assert failure(lambda: [source.read([(0, len(CONTENT))]) for _ in range(9)]) == "broken"
        killer.join()


def test_a_server_that_freezes(own_disk: Disk, connect: Opener) -> None:
    _, source = put_and_open(connect, own_disk, round_s=1)
    own_disk.server.freeze()
    started = time.monotonic()
    assert failure(lambda: source.read([(0, 4096)])) == "timeout"
    assert failure(lambda: source.read([(0, 4096)])) in ("timeout", "broken")
    source.close()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("gently", [True, False])
def test_a_line_that_is_cut_in_the_middle_of_an_answer(disk: Disk, connect: Opener, gently: bool) -> None:
    with relay(("127.0.0.1", disk.server.port), cut_after=900_000, gently=gently) as link:
        _, source = put_and_open(connect, disk, port=link.port)
        assert failure(lambda: source.read([(0, len(CONTENT))])) == "broken"


def test_a_line_that_goes_silent_in_the_middle_of_an_answer(disk: Disk, connect: Opener) -> None:
    with relay(("127.0.0.1", disk.server.port), silent_after=900_000) as link:
        _, source = put_and_open(connect, disk, port=link.port, round_s=1)
        # Little at a time: a round for more may take longer.
        assert failure(lambda: [source.read([(0, 16_000)]) for _ in range(99)]) == "timeout"


def test_closing_from_another_thread_ends_a_read(disk: Disk, connect: Opener) -> None:
    with relay(("127.0.0.1", disk.server.port), silent_after=900_000) as link:
        path = disk.put("clinic_be.accdb", CONTENT)
        files, at = connect(disk, path, port=link.port, round_s=20)
        source = files.open(at)
        closer = threading.Timer(0.5, files.close)
        closer.start()
        assert failure(lambda: source.read([(0, len(CONTENT))])) == "broken"
        closer.join()


def test_a_file_that_is_deleted_is_gone(disk: Disk, connect: Opener) -> None:
    path, source = put_and_open(connect, disk)
    source.read([(0, 4096)])
    path.unlink()
    assert failure(source.stat) == "gone"


def test_a_file_in_whose_place_another_came_is_gone(disk: Disk, connect: Opener) -> None:
    path, source = put_and_open(connect, disk)
    source.stat()
    disk.put("new.accdb", b"compacted").replace(path)
    assert failure(source.stat) == "gone"
