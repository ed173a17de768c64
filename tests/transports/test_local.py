from __future__ import annotations

import os
import sys
import time

import psutil
import pytest

from checkup.api import ErrorClass
from checkup.transports import Deadlines, TransportError, local, open_session

CONNECT = local.Connect(transport="local")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="there is no POSIX shell on Windows")


def run(script: bytes, deadlines: Deadlines | None = None) -> bytes:
    return b"".join(open_session(CONNECT, deadlines=deadlines).stream(script))


@posix_only
def test_a_batch_runs_in_a_shell_of_its_own() -> None:
    assert run(b"echo hello; echo noise >&2; exit 3\n") == b"hello\n"


@posix_only
def test_a_script_and_an_output_larger_than_any_pipe() -> None:
    assert len(run(b"head -c 2000000 /dev/zero\n" + b"# padding\n" * 100_000)) == 2_000_000


@posix_only
def test_the_shell_sees_nothing_of_our_environment_that_could_change_its_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEGACY_PW", "a secret")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    names = {line.split(b"=")[0] for line in run(b"env\n").splitlines()}
    assert b"LEGACY_PW" not in names
    assert run(b'echo "$LC_ALL"\n') == b"C\n"


@posix_only
@pytest.mark.parametrize("how", ["interrupt", "close", "stop reading"])
def test_an_interrupt_ends_the_whole_family(how: str) -> None:
    session = open_session(CONNECT)
    processes: list[psutil.Process] = []
    for chunk in session.stream(b"sleep 60 & echo $$ $!; wait\n"):
        processes += [psutil.Process(int(number)) for number in chunk.split()]
        if how == "stop reading":
            break
        getattr(session, how)()
    deadline = time.monotonic() + 3
    while any(_runs(p) for p in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(processes) == 2
    assert not any(_runs(p) for p in processes)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@posix_only
def test_a_batch_can_be_run_after_an_interrupt() -> None:
    session = open_session(CONNECT)
    for _ in session.stream(b"echo begun; sleep 60\n"):
        session.interrupt()
    assert b"".join(session.stream(b"echo rest\n")) == b"rest\n"


@posix_only
@pytest.mark.parametrize(
    ("script", "error"),
    [
        (b"echo begun; kill -KILL $$\n", ErrorClass.DROPPED),
        (b"sleep 60\n", ErrorClass.TIMEOUT),
        (b"echo nothing to see >&2; exit 7\n", ErrorClass.UNSUPPORTED),
    ],
)
def test_a_batch_that_does_not_end_well(script: bytes, error: ErrorClass) -> None:
    with pytest.raises(TransportError) as caught:
        run(script, Deadlines(batch_s=0.3 if error is ErrorClass.TIMEOUT else 30))
    assert caught.value.error is error


@posix_only
def test_a_process_left_behind_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LINGER_S", 0.1)
    assert run(b"sleep 60 & echo done\n") == b"done\n"


@posix_only
def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "OUTPUT_LIMIT", 1_000_000)
    with pytest.raises(TransportError) as caught:
        run(b"yes\n")
    assert caught.value.error is ErrorClass.BAD_OUTPUT


def test_a_station_without_a_shell_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(TransportError) as caught:
        open_session(CONNECT)
    assert caught.value.error is ErrorClass.UNSUPPORTED
