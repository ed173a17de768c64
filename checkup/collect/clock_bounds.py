"""How far a machine's clock is off, from the times that it tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ClockBounds:
    """Between what a machine's clock minus ours must lie, in seconds.

    It was read at some moment between our sending and the answer's arrival. A clock that shows whole
    seconds adds up to a second.
    """

    low_s: float
    high_s: float

    @classmethod
    def of(cls, utc: float, decimals: bool, sent_at: datetime, arrived_at: datetime) -> ClockBounds:
        return cls(utc - arrived_at.timestamp(), utc + (0.0 if decimals else 1.0) - sent_at.timestamp())

    def within(self, other: ClockBounds | None) -> ClockBounds:
        """Both together; the earlier ones alone where they contradict (the clock was set meanwhile)."""
        if other is None:
            return self
        both = ClockBounds(max(self.low_s, other.low_s), min(self.high_s, other.high_s))
        return both if both.low_s <= both.high_s else other

    @property
    def offset_s(self) -> float:
        return (self.low_s + self.high_s) / 2

    @property
    def error_s(self) -> float:
        return (self.high_s - self.low_s) / 2
