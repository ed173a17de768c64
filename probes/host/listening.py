"""Network services that answer on every address of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

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
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
)
from probes.windows.rows import Row, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class Listening:
    """TCP ports that answer on all addresses, or on one that others can reach; and those declared.

    `programs` has the program behind a port where that is known: not before Windows 8.
    """

    ports: tuple[int, ...]
    declared: tuple[int, ...]
    programs: Mapping[int, str] = field(default_factory=dict[int, str])
    windows: bool = False


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

# Windows 7 has no class for it; .NET knows the listeners there, without their programs.
WINDOWS = """
$properties = 'LocalAddress', 'LocalPort', 'OwningProcess'
$space = 'root\\StandardCimv2'
$listeners = Wmi 'MSFT_NetTCPConnection' $properties -Where 'State=2' -Namespace $space -Optional
if ($null -eq $listeners) {
  $listeners = @()
  $network = [System.Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
  foreach ($end in $network.GetActiveTcpListeners()) {
    $listeners += @{
      'LocalAddress' = $end.Address.ToString()
      'LocalPort' = $end.Port
      'OwningProcess' = $null
    }
  }
}
$owners = @{}
foreach ($listener in $listeners) {
  $owners[[string] $listener['OwningProcess']] = $true
}
$programs = @()
foreach ($process in (Wmi -Class 'Win32_Process' -Properties 'ProcessId', 'Name')) {
  if ($owners.ContainsKey([string] $process['ProcessId'])) {
    $programs += $process
  }
}
@{
  'MSFT_NetTCPConnection' = $listeners
  'Win32_Process' = $programs
  'declared' = @($P.ports)
}
"""
CIM = Wmi(
    (
        WmiQuery(
            "MSFT_NetTCPConnection",
            ("LocalAddress", "LocalPort", "OwningProcess"),
            where="State=2",
            namespace="root\\StandardCimv2",
        ),
        WmiQuery("Win32_Process", ("ProcessId", "Name")),
    )
)

# 127.0.0.0/8 and ::1 as the kernel writes them: little-endian words in hexadecimal digits.
LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")


def parse(raw: JSON, source: str, version: int) -> Listening:
    return _windows_listeners(raw) if source in ("windows", "cim") else _sockets(str(raw))


def _windows_listeners(raw: JSON) -> Listening:
    if not isinstance(raw, dict):
        raise ValueError("not a list of listeners")
    names = {number(row["ProcessId"]): text(row["Name"]) for row in rows(raw, "Win32_Process")}
    owners = dict(_reachable(row) for row in rows(raw, "MSFT_NetTCPConnection") if not _own(row))
    return Listening(
        ports=tuple(sorted(owners)),
        declared=_port_numbers(texts(raw.get("declared"))),
        programs={port: names[owner] for port, owner in owners.items() if names.get(owner)},
        windows=True,
    )


def _own(listener: Row) -> bool:
    return ip_address(text(listener["LocalAddress"]).partition("%")[0]).is_loopback


def _reachable(listener: Row) -> tuple[int, int | None]:
    port = number(listener["LocalPort"])
    if port is None or not 0 < port < 65536:
        raise ValueError("a listener without a port")
    return port, number(listener["OwningProcess"])


def _port_numbers(declared: Iterable[str]) -> tuple[int, ...]:
    found = (re.fullmatch(r"(?:tcp/)?([0-9]{1,5})", one) for one in declared)
    return tuple(sorted({int(one[1]) for one in found if one}))


def _sockets(said: str) -> Listening:
    if "declared" not in said:
        raise ValueError("the list has no end")
    sockets = re.findall(r"^listen ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$", said, re.M)
    return Listening(
        ports=tuple(sorted({int(port, 16) for address, port in sockets if not LOOPBACK.fullmatch(address)})),
        declared=_port_numbers(re.findall(r"^declared (.*)$", said, re.M)),
    )


listening = Section(
    name="listening",
    facts=Listening,
    collect={"posix": Shell(POSIX), "windows": PowerShell(WINDOWS, cost="medium"), "cim": CIM},
    parse=parse,
    parameters={"ports": Parameter("texts", (), "TCP ports that may answer on this machine, beside 22")},
    privacy="numbers of listening ports and the names of their programs; no peers",
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

# On Windows security.legacy-remote-tools looks at these, and names the program.
REMOTE_CONTROL = frozenset({5631, 5632, 5800, 5900, 5901, 6129})
# Where Windows gives ports to its own services (RFC 6335, section 6: the dynamic ports).
DYNAMIC = 49152


@dataclass(frozen=True, slots=True)
class ListeningLevels:
    legacy: tuple[int, ...] = tuple(LEGACY)  # ports whose service should no longer be offered
    # What Windows itself answers on: RPC, file sharing, remote desktop, device discovery, remote
    # management, delivery of updates (learn.microsoft.com, "Service overview and network port requirements").
    windows: tuple[int, ...] = (135, 139, 445, 3389, 5040, 5357, 5985, 5986, 7680, 47001)


def check(facts: Listening, levels: ListeningLevels, ctx: Context) -> Iterator[Result]:
    yield Metric(name="ports", value=Number(len(facts.ports)))
    declared = {*facts.declared, *_declared_ports(ctx)}
    usual = {port for port in facts.ports if _usual(port, facts, levels)}
    legacy = [port for port in facts.ports if port in levels.legacy and port not in declared | usual]
    for port in legacy:
        found: dict[str, Value] = {"service": Text(LEGACY.get(port, "named in the levels"))}
        if facts.windows:
            found["program"] = Text(facts.programs.get(port, "not known"))
        yield Finding(impact=Impact.LIMITED, message="legacy", item=f"tcp/{port}", evidence=found)
    others = [port for port in facts.ports if port not in {*declared, *usual, *legacy}]
    evidence: dict[str, Value] = {
        "open": Text(_list(facts.ports)),
        "undeclared": Text(_list([_named(port, facts) for port in others])),
    }
    if declared and others:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="undeclared", evidence=evidence)
    elif not facts.ports:
        yield NotApplicable(reason="nothing answers on the network addresses of this machine")
    else:
        yield Passed(evidence=evidence)


def _declared_ports(ctx: Context) -> tuple[int, ...]:
    """Where a machine answers single queries only, the declaration did not travel with the facts."""
    given = ctx.target.declare.get("ports", ())
    return _port_numbers(given if isinstance(given, tuple) else (str(given),))


def _usual(port: int, facts: Listening, levels: ListeningLevels) -> bool:
    if not facts.windows:
        return port == SSH
    return port == SSH or port in levels.windows or port in REMOTE_CONTROL or port >= DYNAMIC


def _named(port: int, facts: Listening) -> str:
    program = facts.programs.get(port)
    return f"{port} ({program})" if program else str(port)


def _list(ports: Sequence[object]) -> str:
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
    verify="`ss -lnt`, on Windows `netstat -ano`, no longer shows the port on an address of the network.",
    references=("domain: security.legacy-remote-tools",),
)
