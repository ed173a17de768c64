"""What becomes of an endpoint's answer, whatever the answer is. The sessions are scripted here;
tests/transports and tests/workflow do the same over real SSH servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from checkup.api import ErrorClass, Quality
from checkup.batch.frames import Frame, encode_frame, encode_stream
from checkup.batch.posix import token_of
from checkup.collect import machine_endpoint as module
from checkup.collect.endpoint import examine
from checkup.collect.surroundings import Surroundings
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, PlannedSection
from checkup.snapshot import EndpointSnapshot
from checkup.transports.session import ConnectionFacts, TransportError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HELLO = {"site": "s", "endpoint": "srv", "identity": "machine-id:1", "utc": str(NOW.timestamp())}


def planned(name: str, source: Any = "posix", **more: Any) -> PlannedSection:
    return PlannedSection(target="srv", name=name, version=1, source=source, text="echo", timeout_s=1, **more)


def plan(*sections: PlannedSection, opted_out: str = "", transport: str = "bundle") -> EndpointPlan:
    return EndpointPlan(
        site="s",
        endpoint="srv",
        transport=transport,
        platform="posix",
        opted_out=opted_out,
        targets=("srv",),
        sections=sections or (planned("a"), planned("b"), planned("connection", "connection")),
    )


def frame(name: str, payload: bytes = b"x", status: Quality = Quality.OK) -> Frame:
    return Frame(kind="SECTION", target="srv", section=name, version=1, status=status, payload=payload)


class Scripted:
    """A session that answers what it is told to, one answer per batch."""

    def __init__(self, *answers: Any) -> None:
        self.facts = ConnectionFacts(transport="bundle")
        self.answers = list(answers)
        self.scripts: list[bytes] = []
        self.interrupted = threading.Event()
        self.closed = 0

    def stream(self, script: bytes) -> Iterator[bytes]:
        self.scripts.append(script)
        self.interrupted.clear()
        answer: Any = self.answers.pop(0)
        chunks: Any = answer(self, script) if callable(answer) else [answer]
        yield from chunks

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.closed += 1
        self.interrupted.set()


def run(
    session: Scripted | TransportError,
    the_plan: EndpointPlan | None = None,
    pin: str | None = None,
    **more: Any,
):
    def open_session(plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Any:
        if isinstance(session, TransportError):
            raise session
        facts.reached = True
        return session

    with Watch() as watch:
        examined = examine(
            the_plan or plan(),
            Surroundings(
                sections={},
                open=more.get("open_session", open_session),
                clock=lambda: NOW,
                watch=watch,
                emit=lambda event: None,
                pinned=lambda endpoint: pin,
                sent=lambda plan, script: 1,
            ),
        )
    return examined.snapshot, [(end.returned_bytes, end.outcome) for end in examined.ledger_ends]


def qualities(snapshot: EndpointSnapshot) -> dict[str, tuple[Quality, ErrorClass | None]]:
    return {s.section: (s.quality, s.error) for s in snapshot.sections}


OK = (Quality.OK, None)
WHOLE = encode_stream(HELLO, [frame("a"), frame("b", b"\xff\x00")])


def test_a_whole_answer():
    snapshot, ledger = run(Scripted(WHOLE))
    assert snapshot.complete and snapshot.error is None
    assert qualities(snapshot) == {"a": OK, "b": OK, "connection": OK}
    assert ledger == []  # a bundle was brought: nothing was sent
    assert snapshot.connection["identity"] == "machine-id:1"


def test_noise_before_the_frames_is_kept_and_harmless():
    snapshot, _ = run(Scripted(b"\x1b[31mWelcome\x00" * 100_000 + b"\n" + WHOLE))
    assert snapshot.complete
    assert snapshot.noise_bytes > 1_000_000
    assert len(snapshot.noise) < 5000 and "\x1b" not in snapshot.noise


def test_a_cut_anywhere_keeps_what_came_before():
    for cut in range(0, len(WHOLE), 7):
        snapshot, _ = run(Scripted(WHOLE[:cut]))
        assert not snapshot.complete
        assert snapshot.error in (ErrorClass.DROPPED, ErrorClass.BAD_OUTPUT)
        assert all(q == OK or q[0] is Quality.UNREACHABLE for q in qualities(snapshot).values())


def test_an_answer_without_frames_is_bad_output():
    snapshot, _ = run(Scripted(b"This account is currently not available.\n"))
    assert snapshot.error is ErrorClass.BAD_OUTPUT
    assert "not available" in snapshot.reason


def test_a_section_of_another_quality_stays_what_it_is():
    answer = encode_stream(HELLO, [frame("a", b"", Quality.DENIED), frame("b")])
    snapshot, _ = run(Scripted(answer))
    assert qualities(snapshot)["a"][0] is Quality.DENIED


def test_a_section_that_is_not_in_the_answer_was_not_checked():
    snapshot, _ = run(Scripted(encode_stream(HELLO, [frame("a")])))
    assert qualities(snapshot)["b"][0] is Quality.UNREACHABLE


def test_an_unplanned_section_is_not_taken_in():
    snapshot, _ = run(Scripted(encode_stream(HELLO, [frame("a"), frame("b"), frame("evil")])))
    assert "evil" not in qualities(snapshot)


# --- the right machine ---


def test_a_bundle_of_another_site_or_machine_is_refused():
    for wrong in ({"site": "other"}, {"endpoint": "srv-2"}):
        snapshot, _ = run(Scripted(encode_stream(HELLO | wrong, [frame("a"), frame("b")])))
        assert snapshot.error is ErrorClass.IDENTITY
        assert qualities(snapshot)["a"] == (Quality.UNREACHABLE, ErrorClass.IDENTITY)


def test_another_machine_under_the_same_address_stores_nothing():
    session = Scripted(b"patient data\n" + WHOLE)
    snapshot, _ = run(session, pin="machine-id:2")
    assert snapshot.error is ErrorClass.IDENTITY
    assert snapshot.connection["identity_check"] == "mismatch"
    assert snapshot.hello == {} and snapshot.noise == ""
    assert qualities(snapshot)["b"] == (Quality.UNREACHABLE, ErrorClass.IDENTITY)
    assert session.closed


def test_the_pinned_machine_is_recognised():
    snapshot, _ = run(Scripted(WHOLE), pin="machine-id:1")
    assert snapshot.connection["identity_check"] == "pinned"


def test_a_machine_that_lost_its_identity_is_not_taken_for_the_pinned_one():
    snapshot, _ = run(Scripted(encode_stream(HELLO | {"identity": ""}, [frame("a")])), pin="machine-id:1")
    assert snapshot.error is ErrorClass.IDENTITY


# --- not reached ---


def test_an_unreachable_machine_has_every_section_unreachable_but_the_connections_own():
    snapshot, ledger = run(TransportError(ErrorClass.AUTH, "refused"))
    assert qualities(snapshot) == {
        "a": (Quality.UNREACHABLE, ErrorClass.AUTH),
        "b": (Quality.UNREACHABLE, ErrorClass.AUTH),
        "connection": OK,
    }
    assert snapshot.connection["error"] == "auth"
    assert ledger == []


def test_an_untouchable_machine_is_not_even_connected_to():
    def never(plan: EndpointPlan, facts: ConnectionFacts) -> Any:
        raise AssertionError("it was touched")

    snapshot, ledger = run(Scripted(), plan(opted_out="never touched"), open_session=never)
    assert snapshot.error is ErrorClass.OPTED_OUT
    assert qualities(snapshot)["a"] == (Quality.UNREACHABLE, ErrorClass.OPTED_OUT)
    assert ledger == []


# --- hanging ---


def hangs_after(*names: str) -> Any:
    def answer(session: Scripted, script: bytes) -> Iterator[bytes]:
        yield stream(script, *names, end=False)
        session.interrupted.wait(30)

    return answer


def answers(*names: str) -> Any:
    return lambda session, script: [stream(script, *names)]


def stream(script: bytes, *names: str, end: bool = True) -> bytes:
    """What the machine would say to this very batch."""
    hello = "".join(f"{name}={value}\n" for name, value in HELLO.items()).encode()
    frames = [Frame(kind="HELLO", payload=hello), *(frame(name) for name in names)]
    if end:
        frames.append(Frame(kind="END", payload=f"frames={len(frames)}\n".encode()))
    return b"".join(encode_frame(one, token_of(script)) for one in frames)


THREE = (planned("a"), planned("b"), planned("c"))


def test_a_section_that_hangs_costs_itself(monkeypatch: Any):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    session = Scripted(hangs_after("a"), answers("c"))
    snapshot, ledger = run(session, plan(*THREE, transport="ssh"))
    assert qualities(snapshot) == {"a": OK, "b": (Quality.TIMEOUT, ErrorClass.TIMEOUT), "c": OK}
    assert [outcome for _, outcome in ledger] == ["timeout", "complete"]
    assert b"section" in session.scripts[1]
    assert snapshot.complete


def test_after_two_restarts_the_rest_is_given_up(monkeypatch: Any):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    session = Scripted(hangs_after(), hangs_after(), hangs_after())
    snapshot, _ = run(session, plan(*THREE, transport="ssh"))
    assert {q[0] for q in qualities(snapshot).values()} == {Quality.TIMEOUT}
    assert len(session.scripts) == 3


def test_a_machine_that_never_says_hello_times_out(monkeypatch: Any):
    monkeypatch.setattr(module, "HELLO_S", 0.2)

    def mute(session: Scripted, script: bytes) -> Iterator[bytes]:
        session.interrupted.wait(30)
        yield b""

    snapshot, _ = run(Scripted(mute, mute, mute), plan(*THREE, transport="ssh"))
    assert {q[0] for q in qualities(snapshot).values()} == {Quality.TIMEOUT}
