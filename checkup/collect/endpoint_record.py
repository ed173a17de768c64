"""What one endpoint has brought so far: its sections, its greeting, and how each command ended.

Whoever looks at an endpoint fills it in; what it holds is never lost, whatever happens to the look.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from checkup.api import ErrorClass, Quality
from checkup.clean import REASON_LENGTH, clean_line
from checkup.collect.clock_bounds import ClockBounds
from checkup.collect.events import SectionArrived
from checkup.collect.surroundings import Surroundings
from checkup.plan import EndpointPlan, PlannedSection
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.transports.session import ConnectionFacts, TransportError


@dataclass(frozen=True, kw_only=True)
class LedgerEnd:
    """How a command ended that the ledger has as sent."""

    entry: int
    returned_bytes: int
    ended_at: datetime
    outcome: str


@dataclass(eq=False)
class EndpointRecord:
    plan: EndpointPlan
    around: Surroundings
    found: dict[tuple[str, str], SectionSnapshot] = field(
        default_factory=dict[tuple[str, str], SectionSnapshot]
    )
    hello: Mapping[str, str] = field(default_factory=dict[str, str])
    noise: str = ""
    noise_bytes: int = 0
    complete: bool = False
    error: TransportError | None = None
    collected_at: datetime | None = None  # where that was not now: by the machine's own clock
    ledger_ends: list[LedgerEnd] = field(default_factory=list[LedgerEnd])
    _clock: ClockBounds | None = None

    def has(self, planned: PlannedSection) -> bool:
        return (planned.target, planned.name) in self.found

    def keep(
        self,
        planned: PlannedSection,
        quality: Quality,
        *,
        raw: object = None,
        version: int | None = None,
        reason: str = "",
        error: ErrorClass | None = None,
        milliseconds: int | None = None,
        payload_bytes: int = 0,
        source: str = "",
    ) -> None:
        self.found[planned.target, planned.name] = SectionSnapshot(
            target=planned.target,
            section=planned.name,
            version=version or planned.version,
            source=source or planned.source or "none",
            quality=quality,
            collected_at=self.collected_at or self.around.clock(),
            raw=raw,  # pyright: ignore[reportArgumentType] - text, or JSON data
            error=error,
            reason=clean_line(reason, REASON_LENGTH),
            milliseconds=milliseconds,
            payload_bytes=payload_bytes,
        )
        self.around.emit(SectionArrived(self.plan.endpoint, planned.name, quality))

    @contextmanager
    def ledger(self, text: bytes) -> Generator[Callable[[int], None]]:
        """One ledger row around what is asked; the callable counts what came back."""
        entry = self.around.sent(self.plan, text)
        returned: list[int] = []
        try:
            yield returned.append
        finally:
            outcome = "asked" if self.error is None or self.hello else str(self.error.error)
            self.ended(entry, sum(returned), outcome)

    def ended(self, entry: int, returned_bytes: int, outcome: str) -> None:
        """How a command ended that is in the ledger."""
        self.ledger_ends.append(
            LedgerEnd(
                entry=entry, returned_bytes=returned_bytes, ended_at=self.around.clock(), outcome=outcome
            )
        )

    def tell_time(self, said: Mapping[str, str], facts: ConnectionFacts, sent_at: datetime) -> None:
        """Every time that the machine tells narrows down how far its clock is off."""
        utc = seconds_of(said)
        if utc is None or self.plan.transport == "bundle":
            return
        seen = ClockBounds.of(utc, "." in said["utc"], sent_at, self.around.clock())
        self._clock = seen.within(self._clock)
        facts.clock_offset_s, facts.clock_error_s = self._clock.offset_s, self._clock.error_s

    def snapshot(self, started: datetime, facts: ConnectionFacts) -> EndpointSnapshot:
        """All that is kept of the look, once every planned section has its place."""
        return EndpointSnapshot(
            endpoint=self.plan.endpoint,
            targets=self.plan.targets,
            started_at=started,
            finished_at=self.around.clock(),
            complete=self.complete,
            sections=tuple(self.found[section.target, section.name] for section in self.plan.sections),
            connection=facts.as_json(),
            hello=self.hello,
            noise=self.noise,
            noise_bytes=self.noise_bytes,
            error=self.error.error if self.error else None,
            reason=self.error.detail if self.error else "",
        )


def identity_check(identity: str, pinned: str | None, way: str = "") -> str:
    """Whether it is the one that answered before: "first", "pinned", "mismatch", or "none" where that
    cannot be told."""
    if way and (pinned is None or pinned.split(":")[0] != identity.split(":")[0]):
        return "none"  # without a shell a machine tells another number of itself: neither pinned nor compared
    if pinned is None:
        return "first" if identity else "none"
    return "pinned" if identity == pinned else "mismatch"


def seconds_of(said: Mapping[str, str]) -> float | None:
    """The time that a machine tells, in seconds since 1970."""
    try:
        return float(said.get("utc", ""))
    except ValueError:
        return None
