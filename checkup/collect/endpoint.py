"""One endpoint: one connection, one batch, and whatever of it arrived.

A section that hangs costs itself: the batch is ended, the section marked `timeout`, and the rest is
run in a new shell, at most twice. Finished sections are never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checkup.api import ErrorClass, Psutil, Quality
from checkup.batch.frames import Frame, FrameReader
from checkup.batch.hello import read_hello
from checkup.batch.posix import token_of
from checkup.catalogue import AnySection
from checkup.clean import clean, clean_line
from checkup.collect.events import Emit, SectionArrived
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, PlannedSection
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.transports.session import ConnectionFacts, Session, TransportError

# Seconds beyond a section's own deadline before the client gives up on it: the host's `timeout`
# should have ended it, and the frame has to cross the link.
GRACE_S = 10
HELLO_S = 30
HOST_S = 900
MOST_RESTARTS = 2

Open = Callable[[EndpointPlan, ConnectionFacts], Session]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every endpoint of a run shares."""

    sections: Mapping[str, AnySection]
    open: Open
    clock: Callable[[], datetime]
    watch: Watch
    emit: Emit
    pinned: Callable[[str], str | None]
    sent: Callable[[EndpointPlan, bytes], int]


@dataclass(frozen=True, kw_only=True)
class LedgerEnd:
    """How a command ended that the ledger has as sent."""

    entry: int
    returned_bytes: int
    ended_at: datetime
    outcome: str


@dataclass(frozen=True)
class Examined:
    snapshot: EndpointSnapshot
    ledger_ends: tuple[LedgerEnd, ...]


def examine(plan: EndpointPlan, around: Surroundings) -> Examined:
    """Everything planned for one endpoint. Never raises for anything the other side does."""
    examination = _Examination(plan, around)
    snapshot = examination.run()
    return Examined(snapshot, tuple(examination.ledger_ends))


@dataclass(eq=False)
class _Examination:
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
    hung: bool = False
    _expired: TransportError | None = None
    collected_at: datetime | None = None
    ledger_ends: list[LedgerEnd] = field(default_factory=list[LedgerEnd])

    def run(self) -> EndpointSnapshot:
        started = self.around.clock()
        facts = ConnectionFacts(transport=self.plan.transport)
        if self.plan.opted_out:
            self.error = TransportError(ErrorClass.OPTED_OUT, self.plan.opted_out)
        else:
            self._local_sections()
            self._batches(facts)
        if self.error is not None:
            facts.error, facts.detail = self.error.error, self.error.detail
        self._connection_sections(facts)
        self._missing_sections()
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

    # --- the batch ---

    def _batches(self, facts: ConnectionFacts) -> None:
        left = list(self.plan.scripted)
        try:
            session = self.around.open(self.plan, facts)
        except TransportError as error:
            self.error = error
            return
        self.around.watch.arm((self, "host"), HOST_S, lambda: self._out_of_time(session))
        try:
            for _ in range(1 + MOST_RESTARTS):
                if not left and (self.hello or self.plan.transport == "local"):
                    return
                self._batch(session, facts, left)
                left = [s for s in left if (s.target, s.name) not in self.found]
                if not self.hung:
                    return
                if left:
                    self._timed_out(left.pop(0))
            for section in left:
                self._timed_out(section)
        except TransportError as error:
            self.error = self._expired or error
            if error.error is ErrorClass.IDENTITY:
                self.hello, self.noise = {}, ""  # another machine's answer is not kept
        finally:
            self.around.watch.disarm((self, "host"))
            session.close()

    def _out_of_time(self, session: Session) -> None:
        self._expired = TransportError(
            ErrorClass.TIMEOUT,
            f"the machine was not done after {HOST_S // 60} minutes; the rest was left out",
        )
        session.close()

    def _batch(self, session: Session, facts: ConnectionFacts, left: Sequence[PlannedSection]) -> None:
        script = self.plan.script_for(left)
        self.hung = False
        returned = 0
        # Nothing is sent to a machine whose answer was brought back in a file.
        recorded = self.plan.transport == "bundle"
        entry = None if recorded else self.around.sent(self.plan, script)
        reader = FrameReader(None if recorded else token_of(script))
        outcome = "interrupted"
        sent_at = self.around.clock()
        self._arm(session, HELLO_S)
        try:
            for chunk in session.stream(script):
                returned += len(chunk)
                for frame in reader.feed(chunk):
                    self._frame(frame, facts, sent_at)
                    self._arm(session, self._budget(left))
            outcome = "timeout" if self.hung else "complete" if reader.ended else "cut"
        except TransportError as error:
            outcome = "timeout" if self.hung else str(error.error)
            if not self.hung:
                raise
        finally:
            self.around.watch.disarm(self)
            self.noise = self.noise or clean(reader.noise.decode("utf-8", "replace"), 4000)
            self.noise_bytes += reader.noise_bytes
            if entry is not None:
                self.ledger_ends.append(
                    LedgerEnd(
                        entry=entry, returned_bytes=returned, ended_at=self.around.clock(), outcome=outcome
                    )
                )
        self.complete = reader.ended
        self.hung = self.hung and not reader.ended
        if not reader.ended and not self.hung:
            said = clean_line(self.noise, 150) or "it is empty"
            what = (
                "the connection was cut in the middle of the batch"
                if self.hello
                else f"the machine's answer holds no check-up frames ({said})"
            )
            raise TransportError(ErrorClass.DROPPED if self.hello else ErrorClass.BAD_OUTPUT, what)

    def _arm(self, session: Session, seconds: float) -> None:
        def fire() -> None:
            self.hung = True
            session.interrupt()

        self.around.watch.arm(self, seconds, fire)

    def _budget(self, left: Sequence[PlannedSection]) -> float:
        waiting = [s for s in left if (s.target, s.name) not in self.found]
        return (waiting[0].timeout_s if waiting else 0) + GRACE_S

    def _frame(self, frame: Frame, facts: ConnectionFacts, sent_at: datetime) -> None:
        if frame.kind == "HELLO":
            self._hello(read_hello(frame.payload), facts, sent_at)
        elif frame.kind == "SECTION" and self.hello:
            planned = next(
                (s for s in self.plan.scripted if (s.target, s.name) == (frame.target, frame.section)), None
            )
            if planned is not None:
                self._keep(
                    planned,
                    frame.status,
                    raw=frame.payload.decode("utf-8", "replace"),
                    version=frame.version,
                    reason=frame.reason,
                    milliseconds=frame.milliseconds,
                    payload_bytes=len(frame.payload),
                )

    def _hello(self, hello: Mapping[str, str], facts: ConnectionFacts, sent_at: datetime) -> None:
        self.hello = hello
        recorded = self.plan.transport == "bundle"
        if (hello.get("site"), hello.get("endpoint")) != (self.plan.site, self.plan.endpoint):
            raise TransportError(
                ErrorClass.IDENTITY,
                f"this is the answer of {hello.get('endpoint')!r} of site {hello.get('site')!r}, "
                f"not of {self.plan.endpoint!r} of {self.plan.site!r}",
            )
        facts.identity = hello.get("identity", "")
        pinned = self.around.pinned(self.plan.endpoint)
        facts.identity_check = _identity_check(facts.identity, pinned)
        if facts.identity_check == "mismatch":
            raise TransportError(
                ErrorClass.IDENTITY,
                f"another machine answers here: it says {facts.identity or 'nothing'}, known is "
                f"{pinned}; if it was really replaced, put its new `identity:` into the site file",
            )
        utc = _number(hello.get("utc", ""))
        if recorded:
            self.collected_at = datetime.fromtimestamp(utc, UTC) if utc is not None else None
        elif utc is not None:
            _measure_clock(facts, utc, "." in hello["utc"], sent_at, self.around.clock())

    # --- sections that do not travel in the batch ---

    def _local_sections(self) -> None:
        for planned in self.plan.sections:
            if planned.source != "local":
                continue
            collector = self.around.sections[planned.name].collect["local"]
            assert isinstance(collector, Psutil)
            try:
                self._keep(planned, Quality.OK, raw=collector.read())
            except PermissionError:
                reason = "the operating system refused"
                self._keep(planned, Quality.DENIED, reason=reason, error=ErrorClass.DENIED)
            except Exception as error:  # noqa: BLE001 - psutil's errors differ by platform; none may end the run
                denied = type(error).__name__ == "AccessDenied"
                quality = Quality.DENIED if denied else Quality.BAD_OUTPUT
                self._keep(planned, quality, reason=f"psutil: {type(error).__name__}")

    def _connection_sections(self, facts: ConnectionFacts) -> None:
        for planned in self.plan.sections:
            if planned.source == "connection":
                self._keep(planned, Quality.OK, raw=dict(facts.as_json()))

    def _missing_sections(self) -> None:
        """Whatever did not arrive is said to be missing, with the reason."""
        for planned in self.plan.sections:
            if (planned.target, planned.name) in self.found:
                continue
            if not planned.source:
                reason = f"there is no collector for {self.plan.transport}, {self.plan.platform}"
                self._keep(planned, Quality.UNREACHABLE, reason=reason, error=ErrorClass.UNSUPPORTED)
            elif self.error is not None:
                self._keep(planned, Quality.UNREACHABLE, reason=self.error.detail, error=self.error.error)
            else:
                self._keep(planned, Quality.UNREACHABLE, reason="the answer does not hold this section")

    def _timed_out(self, planned: PlannedSection) -> None:
        reason = f"no answer within {planned.timeout_s + GRACE_S} s"
        self._keep(planned, Quality.TIMEOUT, reason=reason, error=ErrorClass.TIMEOUT)

    def _keep(
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
    ) -> None:
        self.found[planned.target, planned.name] = SectionSnapshot(
            target=planned.target,
            section=planned.name,
            version=version or planned.version,
            source=planned.source or "none",
            quality=quality,
            collected_at=self.collected_at or self.around.clock(),
            raw=raw,  # pyright: ignore[reportArgumentType] - text, or JSON data from psutil and the connection
            error=error,
            reason=clean_line(reason),
            milliseconds=milliseconds,
            payload_bytes=payload_bytes,
        )
        self.around.emit(SectionArrived(self.plan.endpoint, planned.name, quality))


def _identity_check(identity: str, pinned: str | None) -> str:
    if pinned is None:
        return "first" if identity else "none"
    return "pinned" if identity == pinned else "mismatch"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _measure_clock(
    facts: ConnectionFacts, utc: float, decimals: bool, sent_at: datetime, arrived_at: datetime
) -> None:
    """Its clock minus ours, with the error bar: it was read at some moment between the two of ours.

    A clock that shows whole seconds adds up to a second; the middle of it is taken.
    """
    waited = (arrived_at - sent_at).total_seconds()
    resolution = 0.0 if decimals else 1.0
    facts.clock_offset_s = utc + resolution / 2 - (sent_at.timestamp() + waited / 2)
    facts.clock_error_s = (waited + resolution) / 2
