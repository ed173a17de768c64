"""The vendor's own programs and front ends: are they where they belong, and which release is it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Finding,
    Impact,
    Instant,
    NoLevels,
    NotApplicable,
    NotChecked,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
)
from probes.windows.fragments import FILES, VIEWS
from probes.windows.rows import flag, instant, number, rows, text


@dataclass(frozen=True, slots=True)
class Application:
    """One declared file. `state` is there, missing, unreadable, elsewhere or no drive.

    `version` is that of its version resource, which Access databases lack; `sha256` is "" where it was not
    made: while the file is open (`in_use`), in a data folder, or above the size that is read.
    """

    path: str
    state: str
    on_network: bool
    version: str
    size_bytes: int
    modified: datetime | None
    in_use: bool
    sha256: str


@dataclass(frozen=True, slots=True)
class Applications:
    applications: tuple[Application, ...]


# A share is never opened from here: a path on one is judged by its text. A mapped drive is there for the
# user who mapped it; the drives of users who are logged on are listed in their hives. A back end is not
# read: it is in a declared data folder, on the network, or open.
WINDOWS = (
    VIEWS
    + FILES
    + r"""
$mapped = @()
$loaded = RegistryKeys 'HKU:\'
foreach ($sid in @($loaded)) {
  try {
    $letters = RegistryKeys ('HKU:\' + $sid + '\Network')
    foreach ($letter in @($letters)) {
      if ($letter -match '^[A-Za-z]$') {
        $mapped += $letter.ToUpperInvariant()
      }
    }
  } catch [System.Security.SecurityException] {
    continue
  }
}

function Digest([string] $path) {
  try {
    $algorithm = New-Object System.Security.Cryptography.SHA256CryptoServiceProvider
  } catch {
    # Windows PowerShell 2.0 has not loaded it; this one is refused where only certified code may run.
    $algorithm = New-Object System.Security.Cryptography.SHA256Managed
  }
  $stream = New-Object System.IO.FileStream ($path, 'Open', 'Read', 'ReadWrite')
  $digest = [System.BitConverter]::ToString($algorithm.ComputeHash($stream))
  $stream.Close()
  return ($digest -replace '-', '').ToLowerInvariant()
}

function InDataFolder([string] $path) {
  foreach ($folder in $P.data_folders) {
    $start = $folder.TrimEnd('\') + '\'
    if ($path.StartsWith($start, 'OrdinalIgnoreCase')) {
      return $true
    }
  }
  return $false
}

# Bytes: of one file, and of all.
$most = 52428800
$left = 209715200
$found = New-Object System.Collections.ArrayList
foreach ($declared in $P.applications) {
  $path = PlainPath $declared 64
  $one = @{ 'path' = [string] $declared; 'state' = FileState $path; 'on_network' = $false }
  if ($path -match '^[\\]{2}') {
    $one['on_network'] = $true
  } elseif ($path -match '^[A-Za-z]:' -and $one['state'] -ne 'there') {
    $one['on_network'] = $mapped -contains $path.Substring(0, 1).ToUpperInvariant()
    if ($one['state'] -eq 'elsewhere') {
      $one['on_network'] = $true
    }
  }
  if ($one['state'] -eq 'there') {
    $file = New-Object System.IO.FileInfo ($path)
    $one['size'] = $file.Length
    $one['modified'] = $file.LastWriteTimeUtc
    $one['version'] = FileVersion $path
    $stem = $path -replace '\.[^.\\]*$', ''
    $one['in_use'] = [System.IO.File]::Exists($stem + '.laccdb') -or [System.IO.File]::Exists($stem + '.ldb')
    $small = $file.Length -le $most -and $file.Length -le $left
    if ($small -and -not $one['in_use'] -and -not (InDataFolder $path)) {
      try {
        $one['sha256'] = Digest $path
        $left = $left - $file.Length
      } catch {
        $one['sha256'] = ''
      }
    }
  }
  [void]$found.Add($one)
}
@{ 'applications' = $found.ToArray() }
"""
)

_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(raw: JSON, source: str, version: int) -> Applications:
    return Applications(tuple(_application(row) for row in rows(raw, "applications")))


def _application(row: Mapping[str, JSON]) -> Application:
    digest = text(row.get("sha256"))
    if digest and not _SHA256.fullmatch(digest):
        raise ValueError("not a SHA-256")
    return Application(
        path=text(row["path"]),
        state=text(row["state"]),
        on_network=bool(flag(row["on_network"])),
        version=text(row.get("version")),
        size_bytes=number(row.get("size")) or 0,
        modified=instant(row.get("modified")),
        in_use=bool(flag(row.get("in_use"))),
        sha256=digest,
    )


applications = Section(
    name="applications",
    facts=Applications,
    collect={"windows": PowerShell(WINDOWS, timeout_s=60, rights="user", cost="medium")},
    parse=parse,
    parameters={
        "applications": Parameter(
            "texts", (), "the vendor's programs and front ends, by path, like C:\\Vendor\\FrontEnd.accde"
        ),
        "software": Parameter(
            "texts", (), "software that must be the same on all workstations, by the start of its name"
        ),
        "data_folders": Parameter("texts", (), "local folders that hold the data, like D:\\Data"),
    },
    privacy="version, size, date and SHA-256 of the declared programs",
)


def check_installed(facts: Applications, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.applications:
        yield NotApplicable(reason="no programs are declared for this machine")
    for one in dict.fromkeys(facts.applications):
        yield _installed(one)


def _installed(one: Application) -> Result:
    evidence: dict[str, Value] = {
        "version": Text(one.version or "not given"),
        "size": Bytes(one.size_bytes),
        "sha256": Text(one.sha256 or "not made"),
        "in_use": Text("yes" if one.in_use else "no"),
    }
    if one.modified is not None:
        evidence["modified"] = Instant(one.modified)
    if one.state == "missing":
        return Finding(impact=Impact.MAJOR, message="missing", item=one.path, evidence=evidence)
    if one.state != "there":
        where = "it is on the network" if one.on_network else UNSEEN.get(one.state, one.state)
        return NotChecked(item=one.path, reason=where)
    return Passed(item=one.path, evidence=evidence)


UNSEEN = {
    "no drive": "its drive is not seen by the check-up's account: mapped drives are a user's own",
    "elsewhere": "it is not on a drive of this machine",
    "unreadable": "the check-up's account may not look there",
}

installed = Probe(
    id="app.installed",
    title="The vendor's programs are installed where they are declared",
    check=check_installed,
    levels=NoLevels(),
    messages={"missing": "The program {item} is declared, but not there."},
    why="Without its program or front end a workstation cannot work.",
    remedy="Install the program, or copy the front end of the current release, to the place given; correct "
    "`declare: applications` where the place has changed.",
    verify="The program starts from the user's usual icon.",
    references=("domain: app.version-vs-current",),
)


# --- front ends -------------------------------------------------------------------------------

# Databases of Access that hold forms and code.
_FRONT_END = re.compile(r".*\.(accdb|accde|accdr|mdb|mde|ade|adp)", re.IGNORECASE | re.DOTALL)


def is_front_end(path: str) -> bool:
    return _FRONT_END.fullmatch(path) is not None


def check_local(facts: Applications, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    front_ends = [one for one in dict.fromkeys(facts.applications) if is_front_end(one.path)]
    if not front_ends:
        yield NotApplicable(reason="no Access front end is declared for this machine")
    for one in front_ends:
        evidence: dict[str, Value] = {"state": Text(one.state)}
        if one.on_network:
            yield Finding(impact=Impact.MAJOR, message="on_network", item=one.path, evidence=evidence)
        elif one.state == "there":
            yield Passed(item=one.path, evidence=evidence)
        elif one.state == "missing":
            yield NotApplicable(item=one.path, reason="there is no such file on this machine")
        else:
            yield NotChecked(item=one.path, reason=UNSEEN.get(one.state, one.state))


local = Probe(
    id="app.frontend-local",
    title="The Access front end runs from the workstation's own disk",
    check=check_local,
    levels=NoLevels(),
    messages={"on_network": "The front end {item} is opened over the network."},
    why="Users who open one shared front end damage it for each other; this is the most common cause of "
    "broken Access databases. It also loads every form over the network.",
    remedy="Copy the front end to a local folder of each workstation and let the users' icon start that "
    "copy; only the back end stays on the server.",
    verify="The icon's target is on drive C:, and the front end's lock file appears beside it there.",
    references=("domain: app.frontend-local",),
)
