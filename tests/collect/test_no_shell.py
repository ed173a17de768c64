"""A Windows machine that gives us no shell: management classes, then the fallback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from checkup.api import JSON, ErrorClass, Quality, WmiQuery
from checkup.batch.frames import Frame, encode_stream
from checkup.collect.endpoint import examine
from checkup.collect.endpoint_record import LedgerEnd
from checkup.collect.surroundings import Surroundings
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan, PlannedSection
from checkup.snapshot import EndpointSnapshot
from checkup.transports.session import ConnectionFacts, TransportError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DISK = WmiQuery("Win32_LogicalDisk", ("DeviceID",))
NEWER = WmiQuery("MSFT_PhysicalDisk", ("HealthStatus",), namespace="root\\microsoft", optional=True)
SYSTEM: list[dict[str, JSON]] = [
    {
        "CSName": "WS-3",
        "Version": "10.0.22631",
        "BuildNumber": "22631",
        "ProductType": "1",
        "LocalDateTime": "20260531180000.500000-360",
    }
]
ROWS: dict[str, Any] = {
    "Win32_OperatingSystem": SYSTEM,
    "Win32_ComputerSystemProduct": [{"UUID": "4C4C4544-0042"}],
    "Win32_LogicalDisk": [{"DeviceID": "C:"}],
    "MSFT_PhysicalDisk": TransportError(ErrorClass.UNSUPPORTED, "no such class"),
}


def section(name: str, *queries: WmiQuery) -> PlannedSection:
    return PlannedSection(
        target="ws-3", name=name, version=1, source="windows", text="@{}", timeout_s=5, queries=queries
    )


def plan(*, fallback: str = "") -> EndpointPlan:
    return EndpointPlan(
        site="s",
        endpoint="ws-3",
        transport="winrm",
        platform="windows",
        opted_out="",
        targets=("ws-3",),
        sections=(section("registry"), section("disks", DISK, NEWER)),
        fallback=fallback,
    )


class NoShell:
    """Refuses the shell; answers queries from `rows`."""

    def __init__(self, refusal: ErrorClass, rows: dict[str, Any]) -> None:
        self.facts = ConnectionFacts(transport="winrm", reached=True)
        self.refusal, self.rows = refusal, rows
        self.asked: list[str] = []

    def stream(self, script: bytes) -> Iterator[bytes]:
        raise TransportError(self.refusal, "no shell for you")

    def query(self, query: WmiQuery, timeout_s: float) -> list[dict[str, JSON]]:
        self.asked.append(query.wql)
        rows = self.rows[query.wmi_class]
        if isinstance(rows, TransportError):
            raise rows
        return rows

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Shell(NoShell):
    def __init__(self, answer: bytes) -> None:
        super().__init__(ErrorClass.DENIED, {})
        self.answer = answer

    def stream(self, script: bytes) -> Iterator[bytes]:
        yield self.answer.replace(self.answer[9:21], script_token(script))


def script_token(script: bytes) -> bytes:
    from checkup.batch import token_of

    return token_of("windows", script).encode()


def run(
    session: NoShell, second: Any = None, pin: str | None = None
) -> tuple[EndpointSnapshot, list[bytes], tuple[LedgerEnd, ...]]:
    sent: list[bytes] = []

    def open_session(plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Any:
        chosen = second if fallback else session
        if isinstance(chosen, TransportError):
            raise chosen
        facts.reached = True
        return chosen

    def record(plan: EndpointPlan, script: bytes) -> int:
        sent.append(script)
        return len(sent)

    with Watch() as watch:
        examined = examine(
            plan(fallback="ssh" if second else ""),
            Surroundings(
                sections={},
                open=open_session,
                clock=lambda: NOW,
                watch=watch,
                emit=lambda event: None,
                pinned=lambda endpoint: pin,
                sent=record,
            ),
        )
    return examined.snapshot, sent, examined.ledger_ends


def found(snapshot: EndpointSnapshot) -> dict[str, tuple[Quality, str, ErrorClass | None]]:
    return {one.section: (one.quality, one.source, one.error) for one in snapshot.sections}


@pytest.mark.parametrize(
    "refusal", [ErrorClass.DENIED, ErrorClass.DISABLED, ErrorClass.CONSTRAINED, ErrorClass.QUOTA]
)
def test_management_classes_are_asked_and_the_rest_says_why_it_is_missing(refusal: ErrorClass):
    snapshot, sent, ends = run(NoShell(refusal, ROWS))
    assert found(snapshot) == {
        "disks": (Quality.OK, "cim", None),
        "registry": (Quality.UNREACHABLE, "windows", refusal),
    }
    disks = next(one for one in snapshot.sections if one.section == "disks")
    assert disks.raw == {"Win32_LogicalDisk": [{"DeviceID": "C:"}], "MSFT_PhysicalDisk": None}
    assert snapshot.error is refusal  # that there was no shell is a finding of its own
    assert snapshot.hello["hostname"] == "WS-3" and snapshot.hello["way"] == "cim"
    assert b"root\\cimv2: SELECT DeviceID FROM Win32_LogicalDisk\n" in sent[-1]
    assert ends[-1].outcome == "asked" and ends[-1].returned_bytes > 10


def test_a_class_that_may_not_be_read_costs_its_own_section():
    denied = TransportError(ErrorClass.DENIED, "no right on root\\cimv2")
    snapshot, _, _ = run(NoShell(ErrorClass.DENIED, {**ROWS, "Win32_LogicalDisk": denied}))
    assert found(snapshot)["disks"] == (Quality.DENIED, "cim", ErrorClass.DENIED)


def test_a_machine_that_was_pinned_by_its_batch_is_neither_pinned_nor_refused_by_another_number():
    snapshot, _, _ = run(NoShell(ErrorClass.DENIED, ROWS), pin="machine-guid:1")
    assert snapshot.connection["identity_check"] == "none"
    assert found(snapshot)["disks"][0] is Quality.OK


def test_another_machine_is_refused_without_a_shell_too():
    snapshot, _, _ = run(NoShell(ErrorClass.DENIED, ROWS), pin="smbios-uuid:other")
    assert snapshot.error is ErrorClass.IDENTITY
    assert {quality for quality, _, _ in found(snapshot).values()} == {Quality.UNREACHABLE}


@pytest.mark.parametrize("refusal", [ErrorClass.AUTH, ErrorClass.BLOCKED_BY_AV, ErrorClass.DROPPED])
def test_nothing_is_asked_after_any_other_trouble(refusal: ErrorClass):
    session = NoShell(refusal, ROWS)
    snapshot, _, _ = run(session)
    assert session.asked == [] and snapshot.error is refusal


HELLO = {"site": "s", "endpoint": "ws-3", "identity": "machine-guid:1", "utc": str(NOW.timestamp())}


def answer(*names: str) -> bytes:
    frames = [
        Frame(kind="SECTION", target="ws-3", section=name, version=1, payload=b'{"a": 1}') for name in names
    ]
    return encode_stream(HELLO, frames)


def test_what_the_first_way_left_comes_by_the_fallback_and_each_keeps_its_source():
    snapshot, _, _ = run(NoShell(ErrorClass.DENIED, ROWS), Shell(answer("registry")))
    assert found(snapshot) == {
        "disks": (Quality.OK, "cim", None),
        "registry": (Quality.OK, "windows", None),
    }
    assert snapshot.error is None and snapshot.complete
    assert "no shell for you" in str(snapshot.connection["detail"])


def test_a_refused_login_is_not_tried_by_the_fallback():
    never = TransportError(ErrorClass.PROTOCOL, "must not be opened")
    snapshot, _, _ = run(NoShell(ErrorClass.AUTH, ROWS), never)
    assert snapshot.error is ErrorClass.AUTH and "must not" not in snapshot.reason


def test_where_both_ways_fail_both_reasons_are_told():
    second = TransportError(ErrorClass.UNREACHABLE, "port 22 is closed")
    snapshot, _, _ = run(NoShell(ErrorClass.DISABLED, {**ROWS, "Win32_OperatingSystem": second}), second)
    assert "port 22 is closed" in snapshot.reason


def test_data_that_are_no_json_are_bad_output():
    frames = [Frame(kind="SECTION", target="ws-3", section="registry", version=1, payload=b"{")]
    snapshot, _, _ = run(Shell(encode_stream(HELLO, [*frames])))
    assert found(snapshot)["registry"][0] is Quality.BAD_OUTPUT
