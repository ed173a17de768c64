"""Everything a report is made from. Pure data; the workflow fills it, `build_view` reads it.

All text in here may have come from a client's machine: nothing is cleaned yet, and nothing is
formatted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from checkup.api import JSON, ErrorClass, Forecast, Visit
from checkup.assessment import Assessment
from checkup.snapshot import EndpointSnapshot

Kind = Literal["bytes", "ratio", "number", "duration"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """`reach` is a telephone number or an e-mail address, or both, as it shall be printed."""

    role: str
    name: str = ""
    reach: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteHeader:
    """`timezone` is an IANA name; every time in the report is printed in it."""

    id: str
    name: str
    timezone: str
    prepared_for: str = ""
    prepared_by: str = ""
    confidentiality: str = "Confidential"
    package: str = ""
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointFacts:
    """How one endpoint was reached, or not, in one run. Round trip and clock values in seconds.

    `host_key_check` is "pinned", "known_hosts", "ca", "ignored" or ""; `identity_check` is "pinned",
    "first", "none", "mismatch" or "". `complete` is true only when the END frame was seen.
    """

    endpoint: str
    targets: tuple[str, ...]
    transport: str
    started_at: datetime
    finished_at: datetime
    complete: bool
    address: str = ""
    reached: bool = False
    error: ErrorClass | None = None
    reason: str = ""
    round_trip_s: float | None = None
    clock_offset_s: float | None = None
    clock_error_s: float | None = None
    host_key: str = ""
    host_key_check: str = ""
    identity: str = ""
    identity_check: str = ""
    hello: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """One run of the visit; `state` is "running", "complete", "interrupted" or "failed"."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    state: str
    visit: Visit
    endpoints: tuple[EndpointFacts, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """One command sent. `sha256` is that of the exact bytes; `returned_bytes` None: no end seen."""

    at: datetime
    endpoint: str
    transport: str
    sha256: str
    sent_bytes: int
    returned_bytes: int | None
    outcome: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandText:
    """A collector's own text as planned, once per section and source, for the annex."""

    section: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricHistory:
    """One remembered number over the visits, oldest first, this visit's value last.

    `limit` is the value at which something stops working, in the unit of the points; `forecast` is
    what the analysis made of the same points. A chart is drawn from three points on.
    """

    probe: str
    target: str
    name: str
    item: str = ""
    kind: Kind = "number"
    unit: str = ""
    points: tuple[tuple[datetime, float], ...] = ()
    limit: float | None = None
    forecast: Forecast | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportInput:
    """`station` are facts about the machine the check-up was run from, in the order to print;
    `next_visit` is a line for people ("six-month check-up, due 30 November 2026"), "" for none."""

    assessment: Assessment
    site: SiteHeader
    runs: tuple[RunFacts, ...] = ()
    ledger: tuple[LedgerLine, ...] = ()
    commands: tuple[CommandText, ...] = ()
    station: Mapping[str, str] = field(default_factory=dict[str, str])
    history: tuple[MetricHistory, ...] = ()
    next_visit: str = ""


def endpoint_facts(snapshot: EndpointSnapshot) -> EndpointFacts:
    """What the report tells about one endpoint, from its snapshot."""
    connection = snapshot.connection
    return EndpointFacts(
        endpoint=snapshot.endpoint,
        targets=snapshot.targets,
        transport=_text(connection.get("transport")),
        started_at=snapshot.started_at,
        finished_at=snapshot.finished_at,
        complete=snapshot.complete,
        address=_text(connection.get("address")),
        reached=connection.get("reached") is True,
        error=snapshot.error,
        reason=snapshot.reason or _text(connection.get("detail")),
        round_trip_s=_number(connection.get("round_trip_s")),
        clock_offset_s=_number(connection.get("clock_offset_s")),
        clock_error_s=_number(connection.get("clock_error_s")),
        host_key=_text(connection.get("host_key")),
        host_key_check=_text(connection.get("host_key_check")),
        identity=_text(connection.get("identity")),
        identity_check=_text(connection.get("identity_check")),
        hello=snapshot.hello,
    )


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
