"""What a run tells while it goes: for the progress display, nothing else depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checkup.api import ErrorClass, Quality


@dataclass(frozen=True, slots=True)
class EndpointStarted:
    endpoint: str
    sections: int


@dataclass(frozen=True, slots=True)
class SectionArrived:
    endpoint: str
    section: str
    quality: Quality


@dataclass(frozen=True, slots=True)
class EndpointFinished:
    """`error` is None when the batch ran to its end; `kept` when its snapshot is in the store."""

    endpoint: str
    sections: int
    ok: int
    seconds: float
    error: ErrorClass | None
    reason: str
    kept: bool


Event = EndpointStarted | SectionArrived | EndpointFinished
Emit = Callable[[Event], None]
