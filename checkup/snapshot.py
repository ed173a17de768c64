"""What one run brought back: sections with their quality, source and time. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from checkup.api import JSON, ErrorClass, Quality


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionSnapshot:
    """One section of one target, raw. `reason` is for people; `error` is the stable class."""

    target: str
    section: str
    version: int
    source: str
    quality: Quality
    collected_at: datetime
    raw: JSON = None
    error: ErrorClass | None = None
    reason: str = ""
    milliseconds: int | None = None
    payload_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSnapshot:
    """Everything one connection brought back, as the store commits it: all or nothing.

    `connection` are the connection's own facts (see transports/session.py); `hello` is what the
    machine said about itself; `noise` is the beginning of what came between the frames.
    `complete` is true only when the END frame was seen.
    """

    endpoint: str
    targets: tuple[str, ...]
    started_at: datetime
    finished_at: datetime
    complete: bool
    sections: tuple[SectionSnapshot, ...]
    connection: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    hello: Mapping[str, str] = field(default_factory=dict[str, str])
    noise: str = ""
    noise_bytes: int = 0
    error: ErrorClass | None = None
    reason: str = ""
