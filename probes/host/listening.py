"""Network services that answer on every address of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    Number,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
)


@dataclass(frozen=True, slots=True)
class Listening:
    """TCP ports that answer on all addresses, or on one that others can reach; and those declared."""

    ports: tuple[int, ...]
    declared: tuple[int, ...]


# Only listening sockets (state 0A), and of these only the local end: no peer leaves the machine.
POSIX = """
[ -r /proc/net/tcp ] || unsupported "no /proc/net/tcp on this system"
if [ -r /proc/net/tcp6 ]; then
  awk '$4 == "0A" { print "listen " $2 }' /proc/net/tcp /proc/net/tcp6
else
  awk '$4 == "0A" { print "listen " $2 }' /proc/net/tcp
fi
printf '%s\\n' "$P_ports" | while IFS= read -r port; do echo "declared $port"; done
exit 0
"""

# 127.0.0.0/8 and ::1 as the kernel writes them: little-endian words in hexadecimal digits.
LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")


def parse(raw: JSON, source: str, version: int) -> Listening:
    text = str(raw)
    if "declared" not in text:
        raise ValueError("the list has no end")
    sockets = re.findall(r"^listen ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$", text, re.M)
    declared = re.findall(r"^declared (?:tcp/)?([0-9]{1,5})$", text, re.M)
    return Listening(
        ports=tuple(sorted({int(port, 16) for address, port in sockets if not LOOPBACK.fullmatch(address)})),
        declared=tuple(sorted({int(port) for port in declared})),
    )


listening = Section(
    name="listening",
    facts=Listening,
    collect={"posix": Shell(POSIX)},
    parse=parse,
    parameters={"ports": Parameter("texts", (), "TCP ports that may answer on this machine, beside 22")},
    privacy="numbers of listening ports; no peers",
)

# Services that send passwords or data in the clear, or hand out the screen (security.legacy-remote-tools).
LEGACY = {
    7: "echo",
    19: "chargen",
    21: "FTP",
    23: "telnet",
    79: "finger",
    512: "rexec",
    513: "rlogin",
    514: "rsh (or syslog in the clear)",
    873: "rsync without encryption",
    1723: "PPTP",
    5631: "pcAnywhere",
    5632: "pcAnywhere",
    5800: "VNC",
    5900: "VNC",
    5901: "VNC",
    6000: "X11",
    6129: "DameWare",
}
SSH = 22


@dataclass(frozen=True, slots=True)
class ListeningLevels:
    legacy: tuple[int, ...] = tuple(LEGACY)  # ports whose service should no longer be offered


def check(facts: Listening, levels: ListeningLevels, ctx: Context) -> Iterator[Result]:
    yield Metric(name="ports", value=Number(len(facts.ports)))
    allowed = {*facts.declared, SSH}
    legacy = [port for port in facts.ports if port in levels.legacy and port not in facts.declared]
    for port in legacy:
        yield Finding(
            impact=Impact.LIMITED,
            message="legacy",
            item=f"tcp/{port}",
            evidence={"service": Text(LEGACY.get(port, "named in the levels"))},
        )
    others = [port for port in facts.ports if port not in allowed and port not in legacy]
    evidence: dict[str, Value] = {"open": Text(_list(facts.ports)), "undeclared": Text(_list(others))}
    if facts.declared and others:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="undeclared", evidence=evidence)
    elif not facts.ports:
        yield NotApplicable(reason="nothing answers on the network addresses of this machine")
    else:
        yield Passed(evidence=evidence)


def _list(ports: tuple[int, ...] | list[int]) -> str:
    shown = ", ".join(str(port) for port in ports[:40])
    return (shown + (" …" if len(ports) > 40 else "")) or "none"


exposed_services = Probe(
    id="host.listening",
    title="Only services of today, and only those agreed, answer on the network",
    check=check,
    levels=ListeningLevels(),
    messages={
        "legacy": "{service} answers on {item}: a service that should no longer be offered.",
        "undeclared": "Ports answer on the network that the site file does not declare: {undeclared}.",
    },
    why="Every service that answers is a way in; old ones send passwords that the whole network can read.",
    remedy="Switch the service off, bind it to the machine itself, or declare its port with a reason.",
    verify="`ss -lnt` no longer shows the port on an address of the network.",
    references=("domain: security.legacy-remote-tools",),
)
