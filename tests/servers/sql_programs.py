"""What the real database servers of the tests share: their account, their folders, their clients."""

from __future__ import annotations

import atexit
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

CLIENT_S = 20
_DIVIDER = re.compile("[\x1f\t]")
S = TypeVar("S")


class Account(TypedDict, total=False):
    """Arguments of Popen; empty for the account that runs the tests."""

    user: int
    group: int
    extra_groups: list[int]


def as_account(*preferred: str) -> Account:
    """Arguments of Popen for the first of these accounts that exists, where root runs the tests."""
    if os.geteuid() != 0:
        return {}
    import pwd  # which Windows lacks

    known = {one.pw_name: one for one in pwd.getpwall()}
    account = next(known[name] for name in preferred if name in known)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def hand_over(account: Account, *paths: Path) -> None:
    """Give files, and folders with all in them, to the account of `as_account`."""
    if "user" in account and "group" in account:
        for path in paths:
            for one in (path, *path.rglob("*")):
                os.chown(one, account["user"], account["group"])


def folder_of_process(prefix: str) -> Path:
    """An empty folder that goes when the test process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return folder


def ran(command: Sequence[str], sql: str, environment: Mapping[str, str]) -> list[list[str]]:
    """The rows that a client program prints for `sql`, fields divided by U+001F or tabs.

    Raises RuntimeError with what the program says, for an error of the server too.
    """
    done = subprocess.run(
        command,
        input=sql.encode(),
        capture_output=True,
        env={**os.environ, **environment},
        timeout=CLIENT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip())
    return [_DIVIDER.split(line) for line in done.stdout.decode().split("\n")[:-1]]


class Shared(Generic[S]):
    """One server for all session fixtures of a test process: a fixture that several modules import is
    set up once for each of them.
    """

    def __init__(self, start: Callable[[], AbstractContextManager[S]]) -> None:
        self._start = start
        self._running: tuple[AbstractContextManager[S], S] | None = None
        self._users = 0

    @contextmanager
    def used(self) -> Iterator[S]:
        if self._running is None:
            starting = self._start()
            self._running = starting, starting.__enter__()
        running, server = self._running
        self._users += 1
        try:
            yield server
        finally:
            self._users -= 1
            if not self._users:
                self._running = None
                running.__exit__(None, None, None)


@dataclass
class Held:
    """A client program that stays connected; `run` has it do more."""

    process: subprocess.Popen[str]
    mark: str  # what makes it print a line; {} is the line
    _lines: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _marks: int = 0

    def start(self, sql: str) -> None:
        """Hand over `sql` without waiting for the answer: for one that waits for a lock."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{sql.rstrip().rstrip(';')};\n")
        self.process.stdin.flush()

    def run(self, sql: str) -> list[str]:
        """The lines that it prints until it is done; raises RuntimeError where the program ended."""
        self._marks += 1
        end = f"held-{self._marks}"
        self.start(sql)
        self._print(end)
        lines: list[str] = []
        while (line := self._lines.get(timeout=CLIENT_S)) != end:
            if not line:
                raise RuntimeError(f"the client program ended: {lines}")
            lines.append(line)
        return lines

    def _print(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(self.mark.format(line) + "\n")
        self.process.stdin.flush()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")


@contextmanager
def held(command: Sequence[str], sql: str, mark: str, environment: Mapping[str, str]) -> Iterator[Held]:
    """A client program that has run `sql` and stays connected while the block runs."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        text=True,
    )
    one = Held(process, mark)
    reader = threading.Thread(target=one.read, daemon=True)
    reader.start()
    try:
        one.run(sql)
        yield one
    finally:
        process.kill()
        process.wait(5)
        reader.join(5)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
