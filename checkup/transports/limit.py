"""A limit for a block of code that may never return by itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator


@contextlib.contextmanager
def limited(seconds: float, cut: Callable[[], None]) -> Generator[threading.Event]:
    """Call `cut`, from another thread, if the block takes longer; the event tells whether that happened."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        cut()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
        timer.join()
