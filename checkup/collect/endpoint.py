"""One endpoint: one connection, one batch, and whatever of it arrived.

A section that hangs costs itself: the batch is ended, the section marked `timeout`, and the rest is
run in a new shell, at most twice. Finished sections are never lost.

A Windows machine that gives us no shell is asked what its management classes know, query by query;
for what is left after that, the host's `fallback:` is tried. Each section keeps the source it came by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from checkup.api import JSON, AccessFile, ErrorClass, Psutil, Quality, Sql
from checkup.batch.frames import Frame, FrameReader
from checkup.batch.hello import read_hello
from checkup.catalogue import AnySection
from checkup.clean import REASON_LENGTH, clean, clean_line
from checkup.collect.access_target import OpenFile, ReadFile, no_files, read_file, reading_text
from checkup.collect.asking import ask, hello_queries, hello_rows, queries_text
from checkup.collect.events import Emit, EndpointStarted, SectionArrived
from checkup.collect.served_pages import (
    HandedOut,
    ServedFile,
    handed_out_text,
    read_served,
    served_files,
    summary,
)
from checkup.collect.sql_sessions import LedgerRow, OpenSql, no_sql
from checkup.collect.watch import Watch
from checkup.plan import PAGES_SECTION, SQL_PLATFORMS, EndpointPlan, PlannedSection
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.transports.session import ConnectionFacts, QuerySession, Session, TransportError

if TYPE_CHECKING:
    from checkup.sql.engine import Instance

# Seconds beyond a section's own deadline before the client gives up on it: the host's `timeout`
# should have ended it, and the frame has to cross the link.
GRACE_S = 10
HELLO_S = 30
HOST_S = 900
MOST_RESTARTS = 2

# The machine answers, but its shell is not for us: its management classes may be.
NO_SHELL = frozenset({ErrorClass.DENIED, ErrorClass.DISABLED, ErrorClass.CONSTRAINED, ErrorClass.QUOTA})

# Another way in may succeed. A refused login is not tried by another way, lest the account be locked.
OTHER_WAY = NO_SHELL | {ErrorClass.UNREACHABLE, ErrorClass.TLS, ErrorClass.PROTOCOL, ErrorClass.UNSUPPORTED}


class Open(Protocol):
    def __call__(self, plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session: ...


# A query that was answered with one of these costs its own section only.
QUALITY_OF = {
    ErrorClass.DENIED: Quality.DENIED,
    ErrorClass.UNSUPPORTED: Quality.UNSUPPORTED,
    ErrorClass.TIMEOUT: Quality.TIMEOUT,
    ErrorClass.BAD_OUTPUT: Quality.BAD_OUTPUT,
}

# Of the payload of a frame each line has 76 characters; no text for people has words of this length.
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{40}")

Left = Callable[[EndpointPlan, bool, ErrorClass | None], None]


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
    # Told when a machine is done: whether it answered, and with which error it ended.
    left: Left = lambda plan, answered, error: None
    open_file: OpenFile = no_files
    open_sql: OpenSql = no_sql


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
    return _examined(_Examination(plan, around))


def examine_group(plans: Sequence[EndpointPlan], around: Surroundings) -> Iterator[Examined]:
    """A machine, then each of the files whose pages its answer brings: these are held until this ends, and
    nowhere else."""
    machine = _Examination(plans[0], around)
    yield _examined(machine)
    for file in plans[1:]:
        around.emit(EndpointStarted(file.endpoint, len(file.sections)))
        yield _examined(_Examination(file, around, handed_out=machine.brought()))


def _examined(examination: _Examination) -> Examined:
    try:
        snapshot = examination.run()
    finally:
        error = examination.error.error if examination.error else None
        examination.around.left(examination.plan, bool(examination.hello), error)
    return Examined(snapshot, tuple(examination.ledger_ends))


@dataclass(eq=False)
class _Examination:
    plan: EndpointPlan
    around: Surroundings
    handed_out: HandedOut | None = None  # to a file: what its machine's answer brought
    served: tuple[ServedFile, ...] = ()  # by a machine: the pages of its files, which are never kept
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
    _clock: ClockBounds | None = None
    collected_at: datetime | None = None
    ledger_ends: list[LedgerEnd] = field(default_factory=list[LedgerEnd])

    def run(self) -> EndpointSnapshot:
        started = self.around.clock()
        facts = ConnectionFacts(transport=self.plan.transport)
        if self.plan.opted_out:
            self.error = TransportError(ErrorClass.OPTED_OUT, self.plan.opted_out)
        else:
            self._local_sections()
            facts = self._looked(facts)
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

    def _looked(self, facts: ConnectionFacts) -> ConnectionFacts:
        if self.plan.platform == "access":
            return self._access_file(facts)
        if self.plan.platform in SQL_PLATFORMS:
            return self._sql(facts)
        return self._ways(facts)

    # --- the ways in ---

    def _ways(self, facts: ConnectionFacts) -> ConnectionFacts:
        """The first way, and the host's `fallback:` for what is left; the facts of the better one."""
        self._batches(facts, fallback=False)
        if not self.plan.fallback or self.error is None or self.error.error not in OTHER_WAY:
            return facts
        first, self.error = self.error, None
        second = ConnectionFacts(transport=self.plan.fallback)
        hello, self.hello = self.hello, dict[str, str]()
        self._batches(second, fallback=True)
        if self.error is None:
            second.detail = clean_line(
                f"by {self.plan.fallback}, because {facts.transport} failed: {first.detail}"
            )
            return second
        self.error = TransportError(
            first.error, f"{first.detail}; by {self.plan.fallback}: {self.error.detail}"
        )
        self.hello = self.hello or hello
        return facts

    def _batches(self, facts: ConnectionFacts, *, fallback: bool) -> None:
        left = [s for s in self.plan.scripted if (s.target, s.name) not in self.found]
        try:
            session = self.around.open(self.plan, facts, fallback)
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
            if error.error in NO_SHELL and not self.hello and isinstance(session, QuerySession):
                self._ask(session, facts, left)
            if self.error.error is ErrorClass.IDENTITY:
                self.hello, self.noise = {}, ""  # another machine's answer is not kept
                self.found.clear()
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
        self.hung = False
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
            outcome = "timeout" if self.hung else "complete" if reader.ended else "cut"
        except TransportError as error:
            outcome = "timeout" if self.hung else str(error.error)
            if not self.hung:
                raise
        finally:
            self.around.watch.disarm(self)
            self.noise = self.noise or self._noise(clean(reader.noise.decode("utf-8", "replace"), 4000))
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
        elif frame.kind == "END":
            self._tell_time(read_hello(frame.payload), facts, sent_at)
        elif frame.kind == "SECTION" and self.hello:
            planned = next(
                (s for s in self.plan.scripted if (s.target, s.name) == (frame.target, frame.section)), None
            )
            if planned is not None:
                raw, status, reason = _raw(planned, frame)
                if planned.name == PAGES_SECTION:
                    raw, status, reason = self._pages(raw, status, reason)
                self._keep(
                    planned,
                    status,
                    raw=raw,
                    version=frame.version,
                    reason=reason,
                    milliseconds=frame.milliseconds,
                    payload_bytes=len(frame.payload),
                    # A neighbour was asked its management classes, as where there is no shell.
                    source="cim" if self.hello.get("way") == "wmi" else "",
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
        place = next((key for key in self.found if key[1] == PAGES_SECTION), None)
        return HandedOut(
            host=self.plan.endpoint,
            by="bundle" if self.plan.transport == "bundle" else "batch",
            files=self.served,
            section=None if place is None else self.found[place],
            error=self.error,
            collected_at=self.collected_at,
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
        facts.identity_check = _identity_check(facts.identity, pinned, hello.get("way", ""))
        if facts.identity_check == "mismatch":
            raise TransportError(
                ErrorClass.IDENTITY,
                f"another machine answers here: it says {facts.identity or 'nothing'}, known is "
                f"{pinned}; if it was really replaced, put its new `identity:` into the site file",
            )
        utc = _number(hello.get("utc", ""))
        if recorded:
            self.collected_at = datetime.fromtimestamp(utc, UTC) if utc is not None else None
        else:
            self._tell_time(hello, facts, sent_at)

    def _tell_time(self, said: Mapping[str, str], facts: ConnectionFacts, sent_at: datetime) -> None:
        """Every time that the machine tells narrows down how far its clock is off."""
        utc = _number(said.get("utc", ""))
        if utc is None or self.plan.transport == "bundle":
            return
        seen = ClockBounds.of(utc, "." in said["utc"], sent_at, self.around.clock())
        self._clock = seen.within(self._clock)
        facts.clock_offset_s, facts.clock_error_s = self._clock.offset_s, self._clock.error_s

    # --- an Access file ---

    def _access_file(self, facts: ConnectionFacts) -> ConnectionFacts:
        """One reading, as deep as the deepest section asks; the sections are cut from it."""
        asked = [
            (section, collector)
            for section in self.plan.sections
            if isinstance(collector := self.around.sections[section.name].collect.get("access"), AccessFile)
        ]
        collectors = [collector for _, collector in asked]
        if not asked:
            return facts
        try:
            made = self._read(facts, collectors)
        except TransportError as error:
            self.error = error
            return facts
        self.complete = True
        for section, collector in asked:
            found = made.cut(collector)
            self._keep(section, found.quality, raw=found.raw, reason=found.reason)
        return facts

    def _read(self, facts: ConnectionFacts, collectors: Sequence[AccessFile]) -> ReadFile:
        """By the file's own way, or from the pages that its machine handed out. Raises TransportError."""
        if not self.plan.carrier:
            with self._ledger(reading_text(self.plan, collectors).encode("utf-8")) as count:
                made = read_file(self.around.open_file, self.plan, facts, collectors)
                count(made.bytes_read)
            return made
        facts.address = self.plan.carrier
        handed = self.handed_out
        if handed is None:
            raise TransportError(
                ErrorClass.UNREACHABLE,
                f"its pages come with the answer of {self.plan.carrier}, which was not asked again: start a "
                "new run",
            )
        self.collected_at = handed.collected_at
        file = handed.file_of(self.plan)
        facts.reached = True
        with self._ledger(handed_out_text(self.plan, handed, file, collectors).encode("utf-8")) as count:
            count(len(file.pages) * file.page_bytes)
            return read_served(file, self.plan, collectors)

    # --- a SQL instance ---

    def _sql(self, facts: ConnectionFacts) -> ConnectionFacts:
        from checkup.collect.sql_target import SqlVisit
        from checkup.sql.engines import ENGINES

        engine = next(one for name, one in ENGINES.items() if name == self.plan.platform)
        planned: dict[str, PlannedSection] = {}
        collectors: dict[str, Sql] = {}
        for section in self.plan.sections:
            if section.left_out:
                self._keep(section, Quality.UNREACHABLE, reason=section.left_out, error=ErrorClass.OPTED_OUT)
                continue
            collector = self.around.sections[section.name].collect.get(engine.name)
            if section.source == engine.name and isinstance(collector, Sql):
                planned[section.name], collectors[section.name] = section, collector
        asked_at = self.around.clock()
        visit = SqlVisit(
            self.plan,
            engine,
            collectors,
            open=self.around.open_sql,
            facts=facts,
            ledger=self._sql_ledger,
            greeted=lambda instance: self._greeted(instance, engine.title, facts, asked_at),
        )
        self.around.watch.arm((self, "host"), HOST_S, visit.stop)
        try:
            for one in visit.run():
                self._keep(
                    planned[one.name],
                    one.quality,
                    raw=one.raw,
                    reason=one.reason,
                    error=one.error,
                    milliseconds=one.milliseconds,
                    payload_bytes=one.size,
                )
            self.complete = True
        except TransportError as error:
            self.error = error
            if error.error is ErrorClass.IDENTITY:
                self.hello = {}
        finally:
            self.around.watch.disarm((self, "host"))
        return facts

    def _greeted(self, instance: Instance, title: str, facts: ConnectionFacts, asked_at: datetime) -> None:
        product = {"mariadb": "MariaDB", "mysql": "MySQL"}.get(instance.edition, title)
        self.hello = {
            "platform": self.plan.platform,
            "kernel": clean_line(f"{product} {instance.version_text}"),
            "os_id": instance.edition,
            "user": clean_line(instance.login),
        }
        facts.identity = clean_line(instance.identity)
        pinned = self.around.pinned(self.plan.endpoint)
        # A server that tells more of itself since its last update is neither pinned nor compared.
        of_another_kind = pinned is not None and pinned.split(":")[0] != facts.identity.split(":")[0]
        facts.identity_check = "none" if of_another_kind else _identity_check(facts.identity, pinned, "")
        if facts.identity_check == "mismatch":
            raise TransportError(
                ErrorClass.IDENTITY,
                f"another instance answers here: it says {facts.identity}, known is {pinned}; if it was "
                "really replaced, put its new `identity:` into the site file",
            )
        self._tell_time({"utc": f"{instance.asked_at.timestamp():.3f}"}, facts, asked_at)

    @contextmanager
    def _sql_ledger(self, text: str) -> Generator[LedgerRow]:
        entry = self.around.sent(self.plan, text.encode("utf-8"))
        row = LedgerRow(outcome="interrupted")
        try:
            yield row
            row.outcome = LedgerRow().outcome
        finally:
            self.ledger_ends.append(
                LedgerEnd(
                    entry=entry,
                    returned_bytes=row.returned_bytes,
                    ended_at=self.around.clock(),
                    outcome=row.outcome,
                )
            )

    # --- without a shell ---

    def _ask(self, session: QuerySession, facts: ConnectionFacts, left: Sequence[PlannedSection]) -> None:
        """What the management classes know: the machine's own error stays, the facts are kept."""
        asked = [section for section in left if section.queries]
        if not asked:
            return
        text = queries_text(asked)
        with self._ledger(text.encode("ascii", "replace")) as count:
            try:
                sent_at = self.around.clock()
                hello = hello_rows([ask(session, query, 30) for query in hello_queries()], self.plan)
                self._hello(hello, facts, sent_at)
                for section in asked:
                    self._asked(session, section, count)
            except TransportError as error:
                self.error = error

    def _asked(self, session: QuerySession, section: PlannedSection, count: Callable[[int], None]) -> None:
        raw: dict[str, JSON] = {}
        try:
            for query in section.queries:
                raw[query.wmi_class] = ask(session, query, section.timeout_s)
        except TransportError as error:
            if error.error not in QUALITY_OF:
                raise
            self._keep(section, QUALITY_OF[error.error], reason=error.detail, error=error.error, source="cim")
            return
        size = len(json.dumps(raw))
        count(size)
        self._keep(section, Quality.OK, raw=raw, payload_bytes=size, source="cim")

    @contextmanager
    def _ledger(self, text: bytes) -> Generator[Callable[[int], None]]:
        """One ledger row around what is asked; the callable counts what came back."""
        entry = self.around.sent(self.plan, text)
        returned: list[int] = []
        try:
            yield returned.append
        finally:
            outcome = "asked" if self.error is None or self.hello else str(self.error.error)
            end = LedgerEnd(
                entry=entry, returned_bytes=sum(returned), ended_at=self.around.clock(), outcome=outcome
            )
            self.ledger_ends.append(end)

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
            elif planned.left_out:
                reason = planned.left_out
                self._keep(planned, Quality.UNREACHABLE, reason=reason, error=ErrorClass.OPTED_OUT)
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


def _identity_check(identity: str, pinned: str | None, way: str) -> str:
    if way and (pinned is None or pinned.split(":")[0] != identity.split(":")[0]):
        return "none"  # without a shell a machine tells another number of itself: neither pinned nor compared
    if pinned is None:
        return "first" if identity else "none"
    return "pinned" if identity == pinned else "mismatch"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _raw(planned: PlannedSection, frame: Frame) -> tuple[JSON, Quality, str]:
    """A frame's payload as the section's parser gets it: text, or the data of a JSON text."""
    text = frame.payload.decode("utf-8", "replace")
    if planned.source != "windows" or frame.status not in (Quality.OK, Quality.PARTIAL):
        return text, frame.status, frame.reason
    try:
        return json.loads(text), frame.status, frame.reason
    except (ValueError, RecursionError):
        return text, Quality.BAD_OUTPUT, "its data are no JSON"


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
