"""Programs that a remote shell starts: their standard input gathered, their output handed out in order."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

# A program that is just computing its next output is waited for, so that what it says without a pause
# comes in one answer, however busy this computer is.
SETTLE_S = 0.25
PIECE_BYTES = 32 * 1024


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a program writes after `delay_s` (infinity: until it is killed). An exit code ends it.

    A delay begins when all that was written before has been fetched, so that what comes after it is
    never part of the same answer, however late the client asks.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    delay_s: float = 0
    exit_code: int | None = None


class Machine(Protocol):
    """What runs the programs. Further attributes are optional:

    `instances`: (namespace, class) -> rows, for CIM queries. `before_input(command, arguments)`: what a
    program says and does that ends without reading its input, or None; FileNotFoundError where there is
    no such program.
    """

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        """A killed program's iterator is closed; it exits with 0 where no output has an exit code."""
        ...


class Killed(Exception):
    """The program was ended from outside while somebody waited for its output."""


class Nothing(Exception):
    """There was no output in time."""


class Program:
    """One started program. It runs once its input has ended, or when it is listened to without any."""

    def __init__(
        self,
        machine: Machine,
        command: str,
        arguments: Sequence[str],
        options: Mapping[str, str],
        report: Callable[[BaseException], None],
    ) -> None:
        self.command = command
        self.arguments = list(arguments)
        self.options = dict(options)
        self.stdin = b""
        self.input_ended = False
        self.killed = threading.Event()
        self.exit_code: int | None = None
        self.told = False  # somebody heard its end
        self._machine = machine
        self._report = report
        self._changed = threading.Condition()
        self._ready: deque[tuple[str, bytes]] = deque()
        self._state = "idle"  # idle, working, pausing, ended
        self._thread: threading.Thread | None = None
        before_input = cast(
            "Callable[[str, list[str]], Iterator[Output] | None] | None",
            getattr(machine, "before_input", None),
        )
        early = before_input(command, self.arguments) if before_input else None
        self.reads_input = early is None
        if early is not None:
            self._start(early)

    @property
    def ended(self) -> bool:
        return self._state == "ended"

    def send(self, data: bytes, *, end: bool) -> None:
        self.stdin += data
        if end:
            self.input_ended = True
            self._start_machine()

    def receive(self, timeout_s: float, most_bytes: int) -> tuple[list[tuple[str, bytes]], bool]:
        """What is there, as (stream, bytes), and whether that was all. Raises Nothing or Killed."""
        if not self.stdin and not self.input_ended:
            self._start_machine()
        deadline = time.monotonic() + timeout_s
        settled: float | None = None
        with self._changed:
            while True:
                now = time.monotonic()
                if self.killed.is_set():
                    raise Killed
                size = sum(len(data) for _, data in self._ready)
                if self._ready and settled is None:
                    settled = now + SETTLE_S
                if self._state == "ended" or size >= most_bytes:
                    break
                if settled is not None and (self._state == "pausing" or now >= min(settled, deadline)):
                    break
                if now >= deadline:
                    raise Nothing
                self._changed.wait((deadline if settled is None else min(settled, deadline)) - now)
            taken = self._take(most_bytes)
            self._changed.notify_all()
            self.told = self._state == "ended" and not self._ready
            return taken, self.told

    def kill(self) -> None:
        self.killed.set()
        with self._changed:
            self._changed.notify_all()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(5)

    def _take(self, most_bytes: int) -> list[tuple[str, bytes]]:
        taken: list[tuple[str, bytes]] = []
        room = most_bytes
        while self._ready and room > 0:
            stream, data = self._ready.popleft()
            piece, rest = data[: min(room, PIECE_BYTES)], data[min(room, PIECE_BYTES) :]
            if rest:
                self._ready.appendleft((stream, rest))
            taken.append((stream, piece))
            room -= len(piece)
        return taken

    def _start_machine(self) -> None:
        if self._thread is None:
            self._start(self._machine.run(self.command, self.arguments, self.stdin))

    def _start(self, outputs: Iterator[Output]) -> None:
        self._state = "working"
        self._thread = threading.Thread(target=self._work, args=(outputs,), daemon=True, name="program")
        self._thread.start()

    def _work(self, outputs: Iterator[Output]) -> None:
        exit_code = 0
        try:
            for output in outputs:
                if output.delay_s and self._pause(output.delay_s):
                    break
                self._say(output)
                if output.exit_code is not None:
                    exit_code = output.exit_code
                    break
                if self.killed.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - told to the test when the server ends
            self._report(error)
            exit_code = 1
        finally:
            close = cast("Any", getattr(outputs, "close", None))
            if close:
                close()
            with self._changed:
                self.exit_code = exit_code
                self._state = "ended"
                self._changed.notify_all()

    def _pause(self, delay_s: float) -> bool:
        """Whether it was killed meanwhile."""
        with self._changed:
            self._state = "pausing"
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._ready or self.killed.is_set())
        killed = self.killed.wait(None if math.isinf(delay_s) else delay_s)
        with self._changed:
            self._state = "working"
        return killed

    def _say(self, output: Output) -> None:
        with self._changed:
            for stream, data in (("stdout", output.stdout), ("stderr", output.stderr)):
                if data:
                    self._ready.append((stream, data))
            self._changed.notify_all()
