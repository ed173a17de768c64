"""Packets that this machine had to send again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Impact,
    NotApplicable,
    NotChecked,
    Number,
    Probe,
    Ratio,
    Result,
    Section,
    Step,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.windows.rows import number, rows

# The counters of TCP are 32 bits wide (RFC 4022, tcpOutSegs: Counter32) and begin again at zero.
WIDTH = 2**32


@dataclass(frozen=True, slots=True)
class Segments:
    """TCP segments over IPv4 since the machine started. `packets` are those of all adapters, and come from
    wider counters: they tell whether the others may have turned over."""

    sent: int
    again: int
    packets: int


WINDOWS = Wmi(
    (
        WmiQuery("Win32_PerfRawData_Tcpip_TCPv4", ("SegmentsSentPersec", "SegmentsRetransmittedPersec")),
        WmiQuery("Win32_PerfRawData_Tcpip_NetworkInterface", ("Name", "PacketsSentPersec")),
    ),
    rights="performance-monitor-user",
)


def parse(raw: JSON, source: str, version: int) -> Segments:
    row = rows(raw, "Win32_PerfRawData_Tcpip_TCPv4")[0]
    sent, again = number(row["SegmentsSentPersec"]), number(row["SegmentsRetransmittedPersec"])
    if sent is None or again is None or sent < 0 or again < 0:
        raise ValueError("the counters of TCP are empty")
    interfaces = rows(raw, "Win32_PerfRawData_Tcpip_NetworkInterface")
    return Segments(sent, again, sum(number(one["PacketsSentPersec"]) or 0 for one in interfaces))


segments = Section(
    name="tcp-segments",
    facts=Segments,
    collect={"windows": WINDOWS},
    parse=parse,
    privacy="counts",
)


@dataclass(frozen=True, slots=True)
class Levels:
    # Shares of the segments sent. network.loss has 0.1 % and 1 % of a local network; this counts every
    # connection, and those over the Internet lose more, so the lower step is only a note.
    some: float = 0.005
    many: float = 0.01
    least: int = 20_000  # segments; fewer say nothing


def check(facts: Segments, levels: Levels, ctx: Context) -> Iterator[Result]:
    if facts.packets >= WIDTH or facts.again > facts.sent:
        yield NotChecked(reason="the counter of sent segments may have begun again at zero")
        return
    if facts.sent < levels.least:
        yield NotApplicable(reason="too little was sent since the start to say anything")
        return
    yield from judge(
        "again",
        Ratio(facts.again / facts.sent),
        (Step(levels.many, Impact.LIMITED), Step(levels.some, Impact.NOTE, When.LATER)),
        worse=Worse.HIGHER,
        message="lossy",
        evidence={"sent": Number(facts.sent)},
    )


retransmits = Probe(
    id="network.retransmits",
    title="Packets arrive at the first try",
    check=check,
    levels=Levels(),
    messages={"lossy": "Of {sent} segments sent since the start, {again} had to be sent again."},
    why="Every lost packet holds up its connection, by a fifth of a second and more; programs that ask a "
    "server thousands of times feel it at once.",
    remedy="Test cable, wall socket and switch port; look at the errors that the switch counts for it. "
    "Wi-Fi and VPN connections lose more: look at those first.",
    verify="After a restart and a week of work the share is below the limit (`netstat -s -p tcp` counts).",
    rights="an ordinary account in the group Performance Monitor Users",
    references=("domain: network.loss", "RFC 4022"),
)
