"""The memory of the check-ups: runs, ledger, snapshots, assessments. SQLite, or PostgreSQL by URL.

Importing this package is cheap; the database libraries are loaded by `open_store`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checkup.store.errors import StoreError
from checkup.store.location import default_url
from checkup.store.records import (
    AssessmentRecord,
    DeliveryRecord,
    LedgerEntry,
    Owner,
    RunRecord,
    RunState,
    VisitRecord,
)

if TYPE_CHECKING:
    from checkup.store.store import Store

__all__ = [
    "AssessmentRecord",
    "DeliveryRecord",
    "LedgerEntry",
    "Owner",
    "RunRecord",
    "RunState",
    "StoreError",
    "VisitRecord",
    "default_url",
    "open_store",
]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_store(
    url: str, *, redact: Callable[[str], str] = str, now: Callable[[], datetime] = _utc_now
) -> Store:
    """Open the store at `url` (a database URL, or the path of a file), made or migrated if need be.

    `redact` is applied to every text before it is written. `now` dates the assessments.
    Raises StoreError: what went wrong, where, and what to do.
    """
    from checkup.store.store import Store

    return Store(url, redact=redact, now=now)
