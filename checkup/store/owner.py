"""Which process executes a run, and whether it still does."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime, timedelta

from checkup.store.records import Owner

# The start time is counted from the boot; a clock that is set meanwhile moves it a little.
TOLERANCE = timedelta(seconds=10)


def this_process() -> Owner:
    import psutil

    started_at = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    return Owner(host=platform.node(), pid=os.getpid(), started_at=started_at)


def is_gone(owner: Owner) -> bool:
    """Whether the process has certainly ended. One on another host, or hidden from us, may live."""
    import psutil

    if owner.host != platform.node():
        return False
    try:
        process = psutil.Process(owner.pid)
        started_at = datetime.fromtimestamp(process.create_time(), UTC)
        return process.status() == psutil.STATUS_ZOMBIE or abs(started_at - owner.started_at) > TOLERANCE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
