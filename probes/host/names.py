"""The names that this machine must be able to find, and how it finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
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
)
from probes.windows.rows import Row, decimal, flag, rows, text, texts


@dataclass(frozen=True, slots=True)
class Name:
    """`seconds` is whole seconds: the machine's own clock has no finer one in every shell."""

    name: str
    addresses: tuple[str, ...]
    seconds: int
    in_hosts_file: bool


@dataclass(frozen=True, slots=True)
class Names:
    names: tuple[Name, ...]


POSIX = """
[ -n "$P_names" ] || absent "no names are declared for this machine"
command -v getent >/dev/null || unsupported "no getent command"
printf '%s\\n' "$P_names" | while IFS= read -r name; do
  began=$(date +%s)
  echo "name $name"
  getent ahosts "$name" 2>/dev/null || getent hosts "$name"
  ended=$(date +%s)
  while read -r address others; do
    case "$address" in '#'*) continue ;; esac
    for other in $others; do
      case "$other" in "$name") echo "in hosts file" ;; '#'*) break ;; esac
    done
  done </etc/hosts
  echo "seconds $((ended - began))"
done
echo "== end"
exit 0
"""


# The hosts file is searched on the machine; nothing of it comes back. A name that nobody knows and one
# whose name server is silent raise the same error; the time tells them apart.
WINDOWS = r"""
$names = @($P.names)
if ($names.Length -eq 0) {
  Absent 'no names are declared for this machine'
}
$folder = RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'DataBasePath'
if ($null -eq $folder) {
  $folder = '%SystemRoot%\System32\drivers\etc'
}
$path = [System.Environment]::ExpandEnvironmentVariables([string] $folder) + '\hosts'
$hosts = New-Object System.Text.StringBuilder
if ([System.IO.File]::Exists($path)) {
  $stream = New-Object System.IO.FileStream($path, 'Open', 'Read', 'ReadWrite')
  $bytes = [byte[]] (@(0) * 65536)
  $got = $stream.Read($bytes, 0, 65536)
  while ($got -gt 0 -and $hosts.Length -lt 4194304) {
    [void]$hosts.Append([System.Text.Encoding]::ASCII.GetString($bytes, 0, $got))
    $got = $stream.Read($bytes, 0, 65536)
  }
  $stream.Close()
  if ($got -gt 0) {
    Partial 'only the first 4 MB of the hosts file were searched'
  }
}
$fixed = $hosts.ToString()
$found = New-Object System.Collections.ArrayList
foreach ($name in $names) {
  $watch = [System.Diagnostics.Stopwatch]::StartNew()
  $addresses = @()
  try {
    foreach ($address in [System.Net.Dns]::GetHostAddresses($name)) {
      $addresses += $address.ToString()
    }
  } catch {
    $addresses = @()
  }
  $seconds = $watch.Elapsed.TotalSeconds
  $entry = '(?im)^[ \t]*[0-9a-f:.]+[ \t]+([^#\r\n]*[ \t])?' + [regex]::Escape($name) + '(?=[ \t\r#]|$)'
  [void]$found.Add(@{
    'name' = $name
    'addresses' = $addresses
    'seconds' = $seconds
    'hosts' = [regex]::IsMatch($fixed, $entry)
  })
}
@{ 'names' = $found }
"""


def parse(raw: JSON, source: str, version: int) -> Names:
    if source == "windows":
        return Names(tuple(_from_windows(row) for row in rows(raw, "names")))
    asked, mark, rest = str(raw).partition("== hosts\n" if version == 1 else "== end\n")
    if not mark:
        raise ValueError("the list of names has no end")
    # Version 1 brought back every name of the hosts file.
    fixed = set(rest.split()) if version == 1 else set[str]()
    return Names(tuple(_name(block, fixed) for block in re.split(r"^name ", asked, flags=re.M)[1:]))


def _name(block: str, fixed: set[str]) -> Name:
    name, _, rest = block.partition("\n")
    addresses = {line.split()[0] for line in rest.splitlines() if re.match(r"[0-9A-Fa-f.:]{2,45}\s", line)}
    took = re.search(r"^seconds (\d{1,6})$", rest, re.M | re.A)
    if took is None:
        raise ValueError("a name has no answer")
    in_hosts_file = name in fixed or "in hosts file" in rest.splitlines()
    return Name(name, tuple(sorted(addresses)), int(took[1]), in_hosts_file)


def _from_windows(row: Row) -> Name:
    """Addresses with a zone ("fe80::1%12") mean nothing on another machine."""
    seconds, in_hosts_file = decimal(row["seconds"]), flag(row["hosts"])
    if seconds is None or in_hosts_file is None:
        raise ValueError("a name has no answer")
    addresses = {address for address in texts(row["addresses"]) if "%" not in address}
    return Name(text(row["name"]), tuple(sorted(addresses)), int(seconds), in_hosts_file)


names = Section(
    name="names",
    version=2,
    facts=Names,
    collect={"posix": Shell(POSIX), "windows": PowerShell(WINDOWS, timeout_s=60)},
    parse=parse,
    parameters={"names": Parameter("texts", (), "names of machines that this one must find")},
    privacy="addresses of the declared names, and whether the hosts file has them",
)


@dataclass(frozen=True, slots=True)
class NameLevels:
    slow_s: int = 3  # seconds for one name: one name server does not answer (resolvers wait 5 s)


def check(facts: Names, levels: NameLevels, ctx: Context) -> Iterator[Result]:
    if not facts.names:
        yield NotApplicable(reason="no names are declared for this machine")
    for one in facts.names:
        evidence: dict[str, Value] = {
            "addresses": Text(", ".join(one.addresses) or "none"),
            "seconds": Number(one.seconds, "s"),
            "hosts_file": Text("yes" if one.in_hosts_file else "no"),
        }
        if not one.addresses:
            yield Finding(impact=Impact.MAJOR, message="unknown", item=one.name, evidence=evidence)
        elif one.seconds >= levels.slow_s:
            yield Finding(
                impact=Impact.LIMITED,
                message="slow",
                item=one.name,
                evidence={**evidence, "limit": Number(levels.slow_s, "s")},
            )
        else:
            yield Passed(item=one.name, evidence=evidence)


name_resolution = Probe(
    id="host.name-resolution",
    title="The machine finds the names it needs, at once",
    check=check,
    levels=NameLevels(),
    messages={
        "unknown": "The name {item} cannot be resolved.",
        "slow": "The name {item} took {seconds} to resolve: a name server does not answer.",
    },
    why="A program that cannot find its database by name does not start; a slow answer delays every login.",
    remedy="Correct the record or the list of name servers; remove name servers that no longer exist.",
    verify="`getent hosts` with the name, on Windows `ping -n 1`, shows the address at once.",
    references=("domain: network.name-resolution",),
)
