"""The machine that checkup itself runs on: a shell of its own, and no network."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, Literal

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.connect import ConnectModel
from checkup.transports.session import OUTPUT_LIMIT, ConnectionFacts, Deadlines, Session, TransportError

CHUNK = 65536
POLL_S = 0.25
LINGER_S = 2.0
STDERR_KEPT = 4096

# What a shell needs of ours; anything else (LD_PRELOAD, ENV, GREP_OPTIONS) could change its answers.
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TZ", "XDG_RUNTIME_DIR")


class Connect(ConnectModel):
    transport: Literal["local"]


def open_session(
    connect: Connect, *, deadlines: Deadlines | None = None, facts: ConnectionFacts | None = None
) -> Session:
    """Raises TransportError(UNSUPPORTED) where there is no POSIX shell, as on Windows.

    The sections that psutil reads need no session; collect reads them itself.
    """
    facts = facts or ConnectionFacts(transport="local")
    shell = None if sys.platform == "win32" else shutil.which("sh")
    if shell is None:
        facts.error = ErrorClass.UNSUPPORTED
        facts.detail = (
            "this station has no POSIX shell, so only what psutil can read was looked at; for the rest reach "
            "it by winrm, or run its script with `checkup bundle`"
        )
        raise TransportError(facts.error, facts.detail)
    facts.address, facts.reached = "this station", True
    return LocalSession(shell, facts, deadlines or Deadlines())


class LocalSession:
    """See `Session`. `stderr` keeps the end of what the shell complained about."""

    def __init__(self, shell: str, facts: ConnectionFacts, deadlines: Deadlines) -> None:
        self.facts = facts
        self.stderr = b""
        self._shell = shell
        self._deadlines = deadlines
        self._running: subprocess.Popen[bytes] | None = None
        self._interrupted = threading.Event()

    def stream(self, script: bytes) -> Iterator[bytes]:
        self._interrupted = threading.Event()
        return self._run(script, self._interrupted)

    def interrupt(self) -> None:
        self._interrupted.set()
        self._kill()

    def close(self) -> None:
        self.interrupt()

    def _run(self, script: bytes, interrupted: threading.Event) -> Iterator[bytes]:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {"LC_ALL": "C"}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [self._shell],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        ) as process:
            self._running = process
            assert process.stdin
            assert process.stdout
            assert process.stderr
            feeder = threading.Thread(target=_feed, args=(process.stdin, script), daemon=True)
            feeder.start()
            try:
                yield from self._output(process, process.stdout, process.stderr, interrupted)
            finally:
                self._kill()
                feeder.join(LINGER_S)  # longer only if a runaway of another group holds the pipe
                process.wait()
                self._running = None

    def _output(
        self,
        process: subprocess.Popen[bytes],
        stdout: IO[bytes],
        stderr: IO[bytes],
        interrupted: threading.Event,
    ) -> Iterator[bytes]:
        received = 0
        ended_at: float | None = None
        deadline = time.monotonic() + self._deadlines.batch_s
        self.stderr = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            while stdout in selector.get_map() and not interrupted.is_set():
                if time.monotonic() > deadline:
                    raise TransportError(
                        ErrorClass.TIMEOUT,
                        f"this station: the batch ran longer than {self._deadlines.batch_s:g} s",
                    )
                ready = selector.select(POLL_S)
                # A process left behind by the shell can hold the output open for ever.
                if not ready and process.poll() is not None:
                    ended_at = ended_at or time.monotonic()
                    if time.monotonic() - ended_at > LINGER_S:
                        return
                for key, _ in ready:
                    chunk = os.read(key.fd, CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is stderr:
                        self.stderr = (self.stderr + chunk)[-STDERR_KEPT:]
                    else:
                        received += len(chunk)
                        if received > OUTPUT_LIMIT:
                            raise TransportError(
                                ErrorClass.BAD_OUTPUT,
                                f"this station's batch printed more than {OUTPUT_LIMIT // 1024**2} MB",
                            )
                        yield chunk
        if not interrupted.is_set():
            self._check_ending(process, received)

    def _check_ending(self, process: subprocess.Popen[bytes], received: int) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LINGER_S)
        status = process.returncode
        if status is not None and status < 0:
            raise TransportError(
                ErrorClass.DROPPED, f"the batch was killed on this station (signal {-status})"
            )
        if status and not received:
            complaint = clean_line(self.stderr.decode("utf-8", "replace"), 150)
            raise TransportError(
                ErrorClass.UNSUPPORTED,
                f"{self._shell} ended with status {status} and said: {complaint or 'nothing'}",
            )

    def _kill(self) -> None:
        """End the shell and everything it started, as one group."""
        process = self._running
        if process is None or sys.platform == "win32":
            return
        # The group outlives its leader while a member runs; once it is empty there is nothing to end.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _feed(stdin: IO[bytes], script: bytes) -> None:
    # The shell may end before it has read all of the script.
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.write(script)
