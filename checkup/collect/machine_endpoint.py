"""A machine as an endpoint: one connection, one batch, and whatever of it arrived.

A section that hangs costs itself: the batch is ended, the section marked `timeout`, and the rest is
run in a new shell, at most twice. Finished sections are never lost.

A Windows machine that gives us no shell is asked what its management classes know, query by query;
for what is left after that, the host's `fallback:` is tried. Each section keeps the source it came by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from checkup.api import JSON, ErrorClass, Quality
from checkup.batch.frames import Frame, FrameReader
from checkup.batch.hello import read_hello
from checkup.clean import clean, clean_line
from checkup.collect.asking import ask, hello_queries, hello_rows, queries_text
from checkup.collect.endpoint_record import EndpointRecord, identity_check, seconds_of
from checkup.collect.served_pages import HandedOut, ServedFile, served_files, summary
from checkup.collect.surroundings import HOST_S, Surroundings
from checkup.plan import PAGES_SECTION, EndpointPlan, PlannedSection
from checkup.transports.session import ConnectionFacts, QuerySession, Session, TransportError

# Seconds beyond a section's own deadline before the client gives up on it: the host's `timeout`
# should have ended it, and the frame has to cross the link.
GRACE_S = 10
HELLO_S = 30
MOST_RESTARTS = 2

# The machine answers, but its shell is not for us: its management classes may be.
NO_SHELL = frozenset({ErrorClass.DENIED, ErrorClass.DISABLED, ErrorClass.CONSTRAINED, ErrorClass.QUOTA})

# Another way in may succeed. A refused login is not tried by another way, lest the account be locked.
OTHER_WAY = NO_SHELL | {ErrorClass.UNREACHABLE, ErrorClass.TLS, ErrorClass.PROTOCOL, ErrorClass.UNSUPPORTED}

# A query that was answered with one of these costs its own section only.
QUALITY_OF = {
    ErrorClass.DENIED: Quality.DENIED,
    ErrorClass.UNSUPPORTED: Quality.UNSUPPORTED,
    ErrorClass.TIMEOUT: Quality.TIMEOUT,
    ErrorClass.BAD_OUTPUT: Quality.BAD_OUTPUT,
}

# Of the payload of a frame each line has 76 characters; no text for people has words of this length.
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{40}")


@dataclass(eq=False)
class MachineVisit:
    """One look at one machine; what it brings goes into the record."""

    record: EndpointRecord
    served: tuple[ServedFile, ...] = ()  # the pages of its Access files, which are never kept
    _hung: bool = False
    _expired: TransportError | None = None

    @property
    def plan(self) -> EndpointPlan:
        return self.record.plan

    @property
    def around(self) -> Surroundings:
        return self.record.around

    def run(self, facts: ConnectionFacts) -> ConnectionFacts:
        """The first way, and the host's `fallback:` for what is left; the facts of the better one."""
        self._batches(facts, fallback=False)
        if not self.plan.fallback or self.record.error is None or self.record.error.error not in OTHER_WAY:
            return facts
        first, self.record.error = self.record.error, None
        second = ConnectionFacts(transport=self.plan.fallback)
        hello, self.record.hello = self.record.hello, dict[str, str]()
        self._batches(second, fallback=True)
        if self.record.error is None:
            second.detail = clean_line(
                f"by {self.plan.fallback}, because {facts.transport} failed: {first.detail}"
            )
            return second
        self.record.error = TransportError(
            first.error, f"{first.detail}; by {self.plan.fallback}: {self.record.error.detail}"
        )
        self.record.hello = self.record.hello or hello
        return facts

    def _batches(self, facts: ConnectionFacts, *, fallback: bool) -> None:
        left = [s for s in self.plan.scripted if not self.record.has(s)]
        try:
            session = self.around.open(self.plan, facts, fallback)
        except TransportError as error:
            self.record.error = error
            return
        self.around.watch.arm((self, "host"), HOST_S, lambda: self._out_of_time(session))
        try:
            for _ in range(1 + MOST_RESTARTS):
                if not left and (self.record.hello or self.plan.transport == "local"):
                    return
                self._batch(session, facts, left)
                left = [s for s in left if not self.record.has(s)]
                if not self._hung:
                    return
                if left:
                    self._timed_out(left.pop(0))
            for section in left:
                self._timed_out(section)
        except TransportError as error:
            self.record.error = self._expired or error
            if error.error in NO_SHELL and not self.record.hello and isinstance(session, QuerySession):
                self._ask(session, facts, left)
            if self.record.error.error is ErrorClass.IDENTITY:
                self.record.hello, self.record.noise = {}, ""  # another machine's answer is not kept
                self.record.found.clear()
                self.served = ()
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
        self._hung = False
        returned = 0
        # Nothing is sent to a machine whose answer was brought back in a file.
        recorded = self.plan.transport == "bundle"
        entry = None if recorded else self.around.sent(self.plan, script)
        reader = FrameReader(None if recorded else self.plan.token_of(script))
        outcome = "interrupted"
        sent_at = self.around.clock()
        self._arm(session, HELLO_S)
        try:
            for chunk in session.stream(script):
                returned += len(chunk)
                for frame in reader.feed(chunk):
                    self._frame(frame, facts, sent_at)
                    self._arm(session, self._budget(left))
            outcome = "timeout" if self._hung else "complete" if reader.ended else "cut"
        except TransportError as error:
            outcome = "timeout" if self._hung else str(error.error)
            if not self._hung:
                raise
        finally:
            self.around.watch.disarm(self)
            self.record.noise = self.record.noise or self._noise(
                clean(reader.noise.decode("utf-8", "replace"), 4000)
            )
            self.record.noise_bytes += reader.noise_bytes
            if entry is not None:
                self.record.ended(entry, returned, outcome)
        self.record.complete = reader.ended
        self._hung = self._hung and not reader.ended
        if not reader.ended and not self._hung:
            said = clean_line(self.record.noise, 150) or "it is empty"
            what = (
                "the connection was cut in the middle of the batch"
                if self.record.hello
                else f"the machine's answer holds no check-up frames ({said})"
            )
            raise TransportError(ErrorClass.DROPPED if self.record.hello else ErrorClass.BAD_OUTPUT, what)

    def _arm(self, session: Session, seconds: float) -> None:
        def fire() -> None:
            self._hung = True
            session.interrupt()

        self.around.watch.arm(self, seconds, fire)

    def _budget(self, left: Sequence[PlannedSection]) -> float:
        waiting = [s for s in left if not self.record.has(s)]
        return (waiting[0].timeout_s if waiting else 0) + GRACE_S

    def _frame(self, frame: Frame, facts: ConnectionFacts, sent_at: datetime) -> None:
        if frame.kind == "HELLO":
            self._hello(read_hello(frame.payload), facts, sent_at)
        elif frame.kind == "END":
            self.record.tell_time(read_hello(frame.payload), facts, sent_at)
        elif frame.kind == "SECTION" and self.record.hello:
            planned = next(
                (s for s in self.plan.scripted if (s.target, s.name) == (frame.target, frame.section)), None
            )
            if planned is not None:
                raw, status, reason = _raw(planned, frame)
                if planned.name == PAGES_SECTION:
                    raw, status, reason = self._pages(raw, status, reason)
                self.record.keep(
                    planned,
                    status,
                    raw=raw,
                    version=frame.version,
                    reason=reason,
                    milliseconds=frame.milliseconds,
                    payload_bytes=len(frame.payload),
                    # A neighbour was asked its management classes, as where there is no shell.
                    source="cim" if self.record.hello.get("way") == "wmi" else "",
                )

    def _pages(self, raw: JSON, status: Quality, reason: str) -> tuple[JSON, Quality, str]:
        """The pages stay in memory; what is kept of their section says what came."""
        if status not in (Quality.OK, Quality.PARTIAL):
            return None, status, reason
        try:
            self.served = served_files(raw)
        except (ValueError, LookupError):
            return None, Quality.BAD_OUTPUT, "its answer could not be read"
        return summary(self.served), status, reason

    def _noise(self, noise: str) -> str:
        """A frame that was damaged on its way is noise, and what it carried may be pages of a file."""
        if any(section.name == PAGES_SECTION for section in self.plan.sections) and _ENCODED.search(noise):
            return "(not kept: pages of a file may be among it)"
        return noise

    def brought(self) -> HandedOut:
        """What the files get to know whose pages this machine's answer holds."""
        place = next((key for key in self.record.found if key[1] == PAGES_SECTION), None)
        return HandedOut(
            host=self.plan.endpoint,
            by="bundle" if self.plan.transport == "bundle" else "batch",
            files=self.served,
            section=None if place is None else self.record.found[place],
            error=self.record.error,
            collected_at=self.record.collected_at,
        )

    def _hello(self, hello: Mapping[str, str], facts: ConnectionFacts, sent_at: datetime) -> None:
        self.record.hello = hello
        recorded = self.plan.transport == "bundle"
        if (hello.get("site"), hello.get("endpoint")) != (self.plan.site, self.plan.endpoint):
            raise TransportError(
                ErrorClass.IDENTITY,
                f"this is the answer of {hello.get('endpoint')!r} of site {hello.get('site')!r}, "
                f"not of {self.plan.endpoint!r} of {self.plan.site!r}",
            )
        facts.identity = hello.get("identity", "")
        pinned = self.around.pinned(self.plan.endpoint)
        facts.identity_check = identity_check(facts.identity, pinned, hello.get("way", ""))
        if facts.identity_check == "mismatch":
            raise TransportError(
                ErrorClass.IDENTITY,
                f"another machine answers here: it says {facts.identity or 'nothing'}, known is "
                f"{pinned}; if it was really replaced, put its new `identity:` into the site file",
            )
        utc = seconds_of(hello)
        if recorded:
            self.record.collected_at = datetime.fromtimestamp(utc, UTC) if utc is not None else None
        else:
            self.record.tell_time(hello, facts, sent_at)

    # --- without a shell ---

    def _ask(self, session: QuerySession, facts: ConnectionFacts, left: Sequence[PlannedSection]) -> None:
        """What the management classes know: the machine's own error stays, the facts are kept."""
        asked = [section for section in left if section.queries]
        if not asked:
            return
        text = queries_text(asked)
        with self.record.ledger(text.encode("ascii", "replace")) as count:
            try:
                sent_at = self.around.clock()
                hello = hello_rows([ask(session, query, 30) for query in hello_queries()], self.plan)
                self._hello(hello, facts, sent_at)
                for section in asked:
                    self._asked(session, section, count)
            except TransportError as error:
                self.record.error = error

    def _asked(self, session: QuerySession, section: PlannedSection, count: Callable[[int], None]) -> None:
        raw: dict[str, JSON] = {}
        try:
            for query in section.queries:
                raw[query.wmi_class] = ask(session, query, section.timeout_s)
        except TransportError as error:
            if error.error not in QUALITY_OF:
                raise
            self.record.keep(
                section, QUALITY_OF[error.error], reason=error.detail, error=error.error, source="cim"
            )
            return
        size = len(json.dumps(raw))
        count(size)
        self.record.keep(section, Quality.OK, raw=raw, payload_bytes=size, source="cim")

    def _timed_out(self, planned: PlannedSection) -> None:
        reason = f"no answer within {planned.timeout_s + GRACE_S} s"
        self.record.keep(planned, Quality.TIMEOUT, reason=reason, error=ErrorClass.TIMEOUT)


def _raw(planned: PlannedSection, frame: Frame) -> tuple[JSON, Quality, str]:
    """A frame's payload as the section's parser gets it: text, or the data of a JSON text."""
    text = frame.payload.decode("utf-8", "replace")
    if planned.source != "windows" or frame.status not in (Quality.OK, Quality.PARTIAL):
        return text, frame.status, frame.reason
    try:
        return json.loads(text), frame.status, frame.reason
    except (ValueError, RecursionError):
        return text, Quality.BAD_OUTPUT, "its data are no JSON"
