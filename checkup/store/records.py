"""What the store hands out and takes in. Pure data; every time is in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from checkup.api import JSON, Visit


class RunState(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """The process that executes a run. The start time tells it from a later one with its number."""

    host: str
    pid: int
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One execution for a site, with all that is needed to analyse it again years later.

    `site_json` is the resolved site file without secrets. `owner` is filled in by the store.
    """

    id: str
    site: str
    visit_id: int
    visit: Visit
    started_at: datetime
    tool_version: str
    finished_at: datetime | None = None
    state: RunState = RunState.RUNNING
    site_json: JSON = None
    plan_json: JSON = None
    station_json: JSON = None
    owner: Owner | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One command sent to a client's machine.

    `sha256` is that of the exact bytes sent; they are kept once, however often they are sent, and
    `script` carries them only on the way in (`Store.script` gives them back). An entry without
    `ended_at` was begun and never ended: the process died, or it is still running.
    """

    run: str
    endpoint: str
    transport: str
    at: datetime
    sha256: str
    sent_bytes: int
    script: bytes | None = None
    returned_bytes: int | None = None
    ended_at: datetime | None = None
    outcome: str = ""
    id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitRecord:
    """One contractual check-up of a site: the union of its runs. Open until it is closed."""

    id: int
    site: str
    visit: Visit
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AssessmentRecord:
    """An assessment without its body. `delivered` is when its report was last delivered, if ever."""

    id: int
    visit_id: int
    visit: Visit
    clock: datetime
    created_at: datetime
    tool_version: str
    delivered: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRecord:
    """One hand-over of a report: where to, which file (sha256), and how."""

    assessment_id: int
    at: datetime
    folder: str
    sha256: str
    how: str
