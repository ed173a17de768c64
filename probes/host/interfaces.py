"""Network interfaces: errors on the wire, and links slower than they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Psutil,
    Ratio,
    Result,
    Section,
    Shell,
    Value,
    When,
    Worse,
)


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters since the interface came up. `speed_mbit` is 0 where it is not known."""

    name: str
    packets: int
    errors: int
    dropped: int
    speed_mbit: int
    half_duplex: bool


@dataclass(frozen=True, slots=True)
class Interfaces:
    interfaces: tuple[Interface, ...]


# Interfaces with a device behind them: bridges, tunnels and containers' ends count their packets twice.
POSIX = """
[ -r /proc/net/dev ] || unsupported "no /proc/net/dev on this system"
for link in /sys/class/net/*; do
  [ -e "$link/device" ] || continue
  up= speed= duplex=
  read -r up <"$link/operstate"
  [ "$up" = up ] || continue
  read -r speed <"$link/speed"
  read -r duplex <"$link/duplex"
  echo "link ${link##*/} ${speed:-0} ${duplex:-unknown}"
done 2>/dev/null
cat /proc/net/dev
exit 0
"""


def read_local() -> JSON:
    counters = psutil.net_io_counters(pernic=True)
    found: list[JSON] = []
    for name, link in psutil.net_if_stats().items():
        if link.isup and name in counters:
            c = counters[name]
            half = link.duplex == psutil.NIC_DUPLEX_HALF
            packets = c.packets_recv + c.packets_sent
            found.append([name, packets, c.errin + c.errout, c.dropin + c.dropout, link.speed, half])
    return found


def parse(raw: JSON, source: str, version: int) -> Interfaces:
    found = _from_psutil(raw) if source == "local" else _from_proc(str(raw))
    return Interfaces(
        tuple(one for one in found if not one.name.lower().startswith(("lo", "docker", "veth")))
    )


def _from_psutil(raw: Any) -> Iterator[Interface]:
    for name, packets, errors, dropped, speed, half in raw:
        yield Interface(str(name), int(packets), int(errors), int(dropped), int(speed), bool(half))


def _from_proc(text: str) -> Iterator[Interface]:
    if "Receive" not in text:
        raise ValueError("the counters of /proc/net/dev are missing")
    links = [line.split() for line in text.splitlines() if line.startswith("link ")]
    counters: dict[str, list[int]] = {}
    for line in text.splitlines():
        name, colon, numbers = line.partition(":")
        if colon and len(numbers.split()) == 16:
            counters[name.strip()] = [int(number) for number in numbers.split()]
    for _, name, speed, duplex in links:
        if name not in counters:
            continue
        c = counters[name]
        # Columns: received bytes, packets, errors, dropped, …; sent from the ninth on in the same order.
        yield Interface(name, c[1] + c[9], c[2] + c[10], c[3] + c[11], max(0, int(speed)), duplex == "half")


interfaces = Section(
    name="interfaces",
    facts=Interfaces,
    collect={"posix": Shell(POSIX), "local": Psutil(read_local)},
    parse=parse,
    privacy="names and counters of network interfaces; no addresses",
)


@dataclass(frozen=True, slots=True)
class InterfaceLevels:
    errors: float = 0.0001  # errors in packets; a good cable has none
    dropped: float = 0.01  # packets that the machine itself did not take (network.loss: 1 %)
    least_packets: int = 10_000  # fewer say nothing
    slow_mbit: int = 100  # a wired link at or below this holds up everyone behind it


def check(facts: Interfaces, levels: InterfaceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.interfaces:
        yield NotApplicable(reason="no network device of its own: a container")
    for one in facts.interfaces:
        errors = one.errors / max(1, one.packets)
        dropped = one.dropped / max(1, one.packets)
        evidence: dict[str, Value] = {
            "errors": Number(one.errors),
            "dropped": Number(one.dropped),
            "packets": Number(one.packets),
            "error_share": Ratio(errors),
            "dropped_share": Ratio(dropped),
            "speed": Number(one.speed_mbit, "Mbit/s"),
        }
        yield Metric(name="error_share", value=Ratio(errors), item=one.name)
        enough = one.packets >= levels.least_packets
        message = ""
        if one.half_duplex:
            message = "half"
        elif enough and errors >= levels.errors:
            message = "errors"
        elif 0 < one.speed_mbit <= levels.slow_mbit:
            message = "slow"
        elif enough and dropped >= levels.dropped:
            message = "dropped"
        if not message:
            yield Passed(item=one.name, evidence=evidence)
            continue
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER if message == "dropped" else When.BEFORE_NEXT_VISIT,
            message=message,
            item=one.name,
            evidence=evidence,
            value=Ratio(dropped if message == "dropped" else errors),
            worse=Worse.HIGHER,
        )


network_interfaces = Probe(
    id="host.interfaces",
    title="Network links are fast and free of errors",
    check=check,
    levels=InterfaceLevels(),
    messages={
        "half": "Interface {item} runs at half duplex: the other end is set otherwise, or the cable is bad.",
        "errors": "Interface {item} has seen {errors} faulty packets ({error_share} of all).",
        "slow": "Interface {item} is linked at only {speed}.",
        "dropped": "Interface {item} dropped {dropped} packets ({dropped_share} of all).",
    },
    why="Faulty packets are sent again: programs become slow, and shared database files may be damaged.",
    remedy="Replace the cable, then try another port of the switch; let both ends negotiate.",
    verify="After a week the counters of `ip -s link` have not grown.",
    references=("domain: workstation.link-flaps, network.loss",),
)
