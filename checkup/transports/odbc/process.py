"""The child process that holds a driver, as its parent sees it; see worker.py."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.limit import limited
from checkup.transports.odbc import worker
from checkup.transports.odbc.strings import without_unwanted
from checkup.transports.session import OUTPUT_LIMIT, TransportError

# How long a child that was told to end may take to say goodbye to its server.
_GOODBYE_S = 2.0


class WorkerProcess:
    """`ask` is for one thread, `post`, `kill` and `close` for any. What it is told of secrets goes through a
    pipe, and stands in no command line, variable or file.

    `folder` is a name for files that its driver needs in order to log in: the child makes it and takes it
    away, also where this process was ended by force; `close` takes it away where the child was.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"checkup-sql-{secrets.token_hex(8)}"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the child is
        self._process: subprocess.Popen[str] | None = None
        self._closing = threading.Lock()
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._closed = False

    def start(self, variables: Mapping[str, str]) -> None:
        flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(worker.__file__).absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**without_unwanted(os.environ), **variables},
            encoding="ascii",
            cwd=Path(sys.executable).anchor,  # where no driver finds settings or libraries of a stranger
            start_new_session=True,  # an interrupt on the terminal is ours to handle
            creationflags=flags,
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, request: Mapping[str, Any], limit_s: float, late: str) -> dict[str, Any]:
        """The answer. Raises TransportError: timeout, with the sentence `late`, where the child had to be
        ended; dropped where it ended by itself or was closed."""
        process = self._process
        assert process is not None and process.stdout is not None
        line = ""
        with (
            self._reading,
            limited(limit_s, self.kill) as expired,
            contextlib.suppress(OSError, ValueError),  # it ended, or was closed
        ):
            self._write(request)
            line = process.stdout.readline(OUTPUT_LIMIT)
        if line.endswith("\n"):
            return json.loads(line)
        if expired.is_set():
            self.close()
            raise TransportError(ErrorClass.TIMEOUT, late)
        if self._closed:
            raise TransportError(ErrorClass.DROPPED, "the connection was closed from our side")
        ended = self._how_it_ended(process)
        self.close()
        raise TransportError(ErrorClass.DROPPED, ended)

    def post(self, request: Mapping[str, Any]) -> None:
        """A request that is not answered; without effect once the child has ended."""
        with contextlib.suppress(OSError, ValueError):
            self._write(request)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Let the child end by itself, and soon end it."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            process = self._process
            if process is not None:
                assert process.stdin is not None and process.stdout is not None
                with contextlib.suppress(OSError, ValueError):
                    process.stdin.close()
                try:
                    process.wait(_GOODBYE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                with self._reading, contextlib.suppress(OSError, ValueError):
                    process.stdout.close()
            self._errors.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, request: Mapping[str, Any]) -> None:
        process = self._process
        assert process is not None and process.stdin is not None
        with self._writing:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()

    def _how_it_ended(self, process: subprocess.Popen[str]) -> str:
        try:
            status = process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            return "the process of the ODBC driver stopped answering"
        how = f"crashed ({signal.Signals(-status).name})" if status < 0 else f"ended with status {status}"
        said = self._said()
        last = f": {clean_line(said[-1], 150)}" if said else ""
        return f"the process of the ODBC driver {how}{last}"

    def _said(self) -> list[str]:
        """The lines on the child's standard error, once it has ended."""
        with contextlib.suppress(ValueError):  # closed meanwhile, by another thread
            self._errors.seek(0)
            return self._errors.read(OUTPUT_LIMIT).decode("utf-8", "replace").strip().splitlines()
        return []
