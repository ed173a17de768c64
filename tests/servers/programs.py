"""Programs that the real servers of the tests are made of: where they lie, their ports, their processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil


def search_path() -> str:
    """Where the servers' programs are looked for: those of root lie where an ordinary account's PATH does not
    look, and Debian keeps PostgreSQL's outside of everyone's."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    return os.pathsep.join(
        (*map(str, reversed(folders)), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin")
    )


def program(name: str) -> str:
    found = shutil.which(name, path=search_path())
    assert found is not None, name
    return found


def missing(*names: str) -> list[str]:
    return [name for name in names if shutil.which(name, path=search_path()) is None]


def free_port(address: str = "127.0.0.1") -> int:
    with socket.create_server((address, 0)) as probe:
        return probe.getsockname()[1]


def family(listener: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A server's first process and all that it started; none where it has ended."""
    if listener.poll() is not None:
        return []
    first = psutil.Process(listener.pid)
    return [first, *first.children(recursive=True)]


def signal_family(listener: subprocess.Popen[bytes], number: signal.Signals) -> None:
    for process in family(listener):
        with suppress(psutil.NoSuchProcess):  # it may just have ended
            process.send_signal(number)


def kill_family(listener: subprocess.Popen[bytes]) -> None:
    signal_family(listener, signal.SIGKILL)
    listener.wait(5)
