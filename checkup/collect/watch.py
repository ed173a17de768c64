"""Deadlines that hold even where a library call never returns: they fire from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Deadline:
    at: float
    fire: Callable[[], None]


class Watch:
    """One thread for all deadlines of a run. Cost: one look at each running endpoint a tick."""

    TICK_S = 0.2

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._deadlines: dict[object, _Deadline] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkup-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def arm(self, key: object, seconds: float, fire: Callable[[], None]) -> None:
        """Call `fire` once, in the watch's thread, unless re-armed or disarmed before."""
        with self._lock:
            self._deadlines[key] = _Deadline(self._monotonic() + seconds, fire)

    def disarm(self, key: object) -> None:
        with self._lock:
            self._deadlines.pop(key, None)

    def _run(self) -> None:
        while not self._stop.wait(self.TICK_S):
            now = self._monotonic()
            with self._lock:
                due = [key for key, deadline in self._deadlines.items() if deadline.at <= now]
                fires = [self._deadlines.pop(key).fire for key in due]
            for fire in fires:
                fire()
