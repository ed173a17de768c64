"""How far a workstation is from its file and SQL servers: connections made to them, and closed at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    ErrorClass,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
    Worse,
)
from probes.network.adapters import VIRTUAL, Adapter, Adapters
from probes.windows.rows import Row, decimal, number, rows, text

FILE_PORT = 445  # SMB over TCP; the others that are declared are those of SQL servers

# Winsock, "Windows Sockets Error Codes": the machine is there and says no.
REFUSED = 10061


@dataclass(frozen=True, slots=True)
class Backend:
    """One declared server, as `name` declares it.

    `address` is the one that was tried ("" where the name was not found), `own` the machine's end of the
    connection ("" where none was made). `connect_ms` holds the tries that were answered; before the first
    of them one connection is made that is not counted. `left_out` says why it was not tried ("" if it was).
    """

    name: str
    port: int
    address: str
    own: str
    resolve_ms: float
    tries: int
    refused: bool
    connect_ms: tuple[float, ...]
    left_out: str

    @property
    def lost(self) -> int:
        return self.tries - len(self.connect_ms)

    @property
    def median_ms(self) -> float:
        return _quantile(self.connect_ms, 0.5)

    @property
    def p95_ms(self) -> float:
        return _quantile(self.connect_ms, 0.95)

    @property
    def itself(self) -> bool:
        """Is it this very machine?"""
        return bool(self.address) and (self.own == self.address or self.address.startswith("127."))


@dataclass(frozen=True, slots=True)
class Backends:
    backends: tuple[Backend, ...]


def _quantile(values: tuple[float, ...], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; 0 of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0


# The first connection warms up name, neighbour and program caches and is not counted. A port that is known
# for HL7 or DICOM (IANA's registry) is never tried: one connection may take the only place there.
WINDOWS = r"""
$backends = @($P.backends)
if ($backends.Length -eq 0) {
  Absent 'no back ends are declared for this machine'
}

function TryPort([System.Net.IPAddress] $address, [int] $port) {
  $answer = @{ 'ms' = $null; 'own' = ''; 'error' = $null }
  $family = $address.AddressFamily
  $client = $null
  try {
    $client = New-Object System.Net.Sockets.TcpClient($family)
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $pending = $client.BeginConnect($address, $port, $null, $null)
    $done = $pending.AsyncWaitHandle.WaitOne(1000, $false)
    $spent = $watch.Elapsed.TotalMilliseconds
    if ($done) {
      $client.EndConnect($pending)
      $answer['ms'] = $spent
      $answer['own'] = $client.Client.LocalEndPoint.Address.ToString()
    }
  } catch {
    for ($one = $_.Exception; $null -ne $one; $one = $one.InnerException) {
      if ($one.GetType().Name -eq 'SocketException') {
        $answer['error'] = $one.ErrorCode
      }
    }
  } finally {
    if ($null -ne $client) {
      $client.Close()
    }
  }
  return $answer
}

$never = @(104, 2575, 2761, 2762, 11112)
$all = [System.Diagnostics.Stopwatch]::StartNew()
$found = New-Object System.Collections.ArrayList
foreach ($backend in $backends) {
  $machine = $backend
  $port = 445
  if ($backend -match '^\[([0-9A-Fa-f:.]+)\](:([0-9]{1,5}))?$') {
    $machine = $matches[1]
    if ($matches[3]) {
      $port = [int] $matches[3]
    }
  } elseif ($backend -match '^([^:]+):([0-9]{1,5})$') {
    $machine = $matches[1]
    $port = [int] $matches[2]
  }
  $row = @{
    'name' = $backend
    'port' = $port
    'address' = ''
    'own' = ''
    'resolve_ms' = $null
    'tries' = 0
    'error' = $null
    'connect_ms' = @()
    'left_out' = ''
  }
  [void]$found.Add($row)
  if ($port -lt 1 -or $port -gt 65535 -or $never -contains $port) {
    $row['left_out'] = 'this port is not one of a file or SQL server'
    continue
  }
  if ($all.Elapsed.TotalSeconds -gt 50) {
    $row['left_out'] = 'there was no time left for it'
    continue
  }
  $watch = [System.Diagnostics.Stopwatch]::StartNew()
  $addresses = @()
  try {
    $addresses = @([System.Net.Dns]::GetHostAddresses($machine))
  } catch {
    $addresses = @()
  }
  $row['resolve_ms'] = $watch.Elapsed.TotalMilliseconds
  $address = $null
  foreach ($one in $addresses) {
    $older = $one.AddressFamily -eq 'InterNetwork'
    if ($null -eq $address -or ($older -and $address.AddressFamily -ne 'InterNetwork')) {
      $address = $one
    }
  }
  if ($null -eq $address) {
    continue
  }
  $row['address'] = $address.ToString()
  $times = @()
  $answer = TryPort $address $port
  for ($count = 0; $count -lt 20; $count = $count + 1) {
    if ($count -ge 3 -and $times.Length -eq 0) {
      break
    }
    Start-Sleep -Milliseconds 50
    $answer = TryPort $address $port
    $row['tries'] = $row['tries'] + 1
    if ($null -ne $answer['ms']) {
      $times = $times + $answer['ms']
      $row['own'] = $answer['own']
    } elseif ($null -ne $answer['error']) {
      $row['error'] = $answer['error']
    }
  }
  $row['connect_ms'] = $times
}
@{ 'backends' = $found }
"""


def parse(raw: JSON, source: str, version: int) -> Backends:
    return Backends(tuple(_backend(row) for row in rows(raw, "backends")))


def _backend(row: Row) -> Backend:
    port, tries = number(row["port"]), number(row["tries"])
    times = row["connect_ms"]
    if port is None or tries is None or not isinstance(times, list):
        raise ValueError("a back end was not tried to the end")
    answered = tuple(value for value in map(decimal, times) if value is not None)
    if len(answered) > tries:
        raise ValueError("a back end answered more often than it was tried")
    return Backend(
        name=text(row["name"]),
        port=port,
        address=text(row["address"]),
        own=re.sub(r"^::ffff:", "", text(row["own"])),
        resolve_ms=decimal(row["resolve_ms"]) or 0.0,
        tries=tries,
        refused=number(row["error"]) == REFUSED,
        connect_ms=answered,
        left_out=text(row["left_out"]),
    )


DECLARATION = Parameter(
    "texts",
    (),
    "file and SQL servers that this machine works on: host, or host:port for a SQL server, like srv-db:1433",
)

backends = Section(
    name="backends",
    facts=Backends,
    collect={"windows": PowerShell(WINDOWS, timeout_s=90, cost="large")},
    parse=parse,
    parameters={"backends": DECLARATION},
    privacy="addresses of the declared servers, and how long connecting to them takes",
)


@dataclass(frozen=True, slots=True)
class LatencyLevels:
    slow_ms: float = 5.0  # median to a file server with an Access back end (network.client-rtt)
    bad_ms: float = 10.0  # the same; the engine's own design assumes a local network
    sql_factor: float = 4.0  # a SQL server is asked less often: so many times as long (network.client-rtt)
    few_lost: int = 1  # connections of 20 that nobody answered within a second; a good network loses none
    many_lost: int = 3


def check(facts: Backends, levels: LatencyLevels, ctx: Context) -> Iterator[Result]:
    if not facts.backends:
        yield NotApplicable(reason="no back ends are declared for this machine")
    for one in facts.backends:
        yield from _judged(one, levels)


def _judged(one: Backend, levels: LatencyLevels) -> Iterator[Result]:
    if one.left_out:
        yield NotChecked(item=one.name, reason=one.left_out)
        return
    if one.itself:
        yield NotApplicable(item=one.name, reason="it is this very machine")
        return
    factor = 1.0 if one.port == FILE_PORT else levels.sql_factor
    evidence: dict[str, Value] = {
        "address": Text(one.address or "none"),
        "port": Number(one.port),
        "resolve": Number(one.resolve_ms, "ms"),
        "tries": Number(one.tries),
        "lost": Number(one.lost),
    }
    if not one.connect_ms:
        message = "unknown" if not one.address else "refused" if one.refused else "silent"
        yield Finding(impact=Impact.MAJOR, message=message, item=one.name, evidence=evidence)
        return
    median = Number(one.median_ms, "ms")
    evidence |= {
        "median": median,
        "p95": Number(one.p95_ms, "ms"),
        "limit": Number(levels.slow_ms * factor, "ms"),
    }
    yield Metric(name="median", value=median, item=one.name)
    yield Metric(name="p95", value=Number(one.p95_ms, "ms"), item=one.name)
    if one.median_ms >= levels.bad_ms * factor:
        evidence["limit"] = Number(levels.bad_ms * factor, "ms")
        message, impact, value = "slow", Impact.MAJOR, median
    elif one.lost >= levels.many_lost:
        message, impact, value = "lost", Impact.MAJOR, Number(one.lost)
    elif one.median_ms >= levels.slow_ms * factor:
        message, impact, value = "slow", Impact.LIMITED, median
    elif one.lost >= levels.few_lost:
        message, impact, value = "lost", Impact.LIMITED, Number(one.lost)
    else:
        yield Passed(item=one.name, evidence=evidence)
        return
    yield Finding(
        impact=impact, message=message, item=one.name, evidence=evidence, value=value, worse=Worse.HIGHER
    )


client_latency = Probe(
    id="network.client-rtt",
    title="File and SQL servers are near",
    check=check,
    levels=LatencyLevels(),
    messages={
        "slow": "Connecting to {item} takes {median} (median of {tries}, 95 % within {p95}); the limit is "
        "{limit}.",
        "lost": "Of {tries} connections to {item}, {lost} were not answered within a second.",
        "silent": "{item} ({address}) does not answer on port {port}.",
        "refused": "{item} ({address}) refuses connections on port {port}.",
        "unknown": "The name of {item} cannot be resolved.",
    },
    why="An Access program asks its file server thousands of times for one screen, a SQL program hundreds of "
    "times: every millisecond of the way counts. Lost packets are how shared database files get damaged.",
    remedy="Find the slow hop: Wi-Fi, an old switch, a VPN, a firewall in between. Keep Access clients on "
    "the server's own network, or give them a terminal session.",
    verify="The next check-up shows a median below the limit; `ping` of the server agrees if it is allowed.",
    references=("domain: network.client-rtt, network.loss",),
)

# --- Access over a router or a VPN --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WayNeeds:
    backends: Backends
    adapters: Adapters


@dataclass(frozen=True, slots=True)
class WayLevels:
    wide_ms: float = 5.0  # median to another network: from here on it is no neighbour (network.client-rtt)


def check_way(facts: WayNeeds, levels: WayLevels, ctx: Context) -> Iterator[Result]:
    files = [one for one in facts.backends.backends if one.port == FILE_PORT and not one.left_out]
    if not files:
        yield NotApplicable(reason="no file server is declared as a back end")
    for one in files:
        yield from _way(one, facts.adapters, levels)


def _way(one: Backend, adapters: Adapters, levels: WayLevels) -> Iterator[Result]:
    if one.itself:
        yield NotApplicable(item=one.name, reason="it is this very machine")
        return
    adapter = carrier(one, adapters)
    if adapter is None:
        yield NotChecked(item=one.name, reason="which adapter leads to it cannot be said")
        return
    if not one.connect_ms:
        yield NotChecked(item=one.name, reason="it does not answer", error=ErrorClass.UNREACHABLE)
        return
    evidence: dict[str, Value] = {
        "address": Text(one.address),
        "adapter": Text(adapter.name),
        "networks": Text(", ".join(adapter.networks) or "none"),
        "median": Number(one.median_ms, "ms"),
        "limit": Number(levels.wide_ms, "ms"),
    }
    slow = one.median_ms >= levels.wide_ms
    if slow and adapter.medium == VIRTUAL:
        yield Finding(impact=Impact.MAJOR, message="tunnel", item=one.name, evidence=evidence)
    elif adapter.near(one.address):
        yield Passed(item=one.name, evidence=evidence)
    elif slow:
        yield Finding(impact=Impact.MAJOR, message="wide", item=one.name, evidence=evidence)
    else:
        # Networks within a house are often divided; the router between them costs little.
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="routed", item=one.name, evidence=evidence)


def carrier(one: Backend, adapters: Adapters) -> Adapter | None:
    """The adapter by which this machine reaches a back end; None where it cannot be said."""
    return adapters.having(one.own) or adapters.leading_to(one.address)


wan_access_client = Probe(
    id="network.wan-access-client",
    title="Clients of an Access back end are on its own network",
    check=check_way,
    levels=WayLevels(),
    messages={
        "wide": "The file server {item} ({address}) is in another network, {median} away.",
        "tunnel": "The file server {item} ({address}) is reached by a tunnel ({adapter}), {median} away.",
        "routed": "The file server {item} ({address}) is behind a router, but near ({median}).",
    },
    why="An Access file is worked on by every client itself, page by page over the network. Over a VPN or a "
    "long line this is slow, and a connection that breaks while writing damages the file for all.",
    remedy="Let these users work in a terminal session beside the server, or move the data to a SQL server.",
    verify="The workstation no longer opens the back end over the long way; the next check-up passes.",
    references=("domain: network.wan-access-client",),
)
