"""Sessions closed together, so that one whose server is mute holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

# A session takes up to two seconds to say goodbye to a server that does not answer.
CLOSING_S = 2.5


def close_together(closing: Iterable[Callable[[], None]], within_s: float = CLOSING_S) -> None:
    """Call each in a thread of its own. Returns when all are done, at the latest after `within_s`: what is
    not closed then, goes on closing or ends with this process."""
    threads = [threading.Thread(target=close, name="checkup-closing", daemon=True) for close in closing]
    for thread in threads:
        thread.start()
    ends_at = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
