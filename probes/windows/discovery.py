"""What a server knows of its neighbours anyway: for `checkup discover`, and no probe.

Names of computers that have it open, that stand in the lock files of Access back ends, or in the directory.
Nobody is asked on the network but the directory, which the server belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from checkup.api import JSON, Parameter, PowerShell, Section, Wmi, WmiQuery
from probes.windows.rows import Row, instant, rows, text, texts

MOST_COMPUTERS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Computer:
    """One that was seen. `last_seen`: when it last logged on to the domain, to a fortnight."""

    name: str
    system: str = ""
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sessions:
    """Computers that have a share of this server open now; some are told by address."""

    computers: tuple[Computer, ...]


@dataclass(frozen=True, slots=True)
class LockFiles:
    """Computers in the lock files of the declared folders: they have, or had, a back end open."""

    computers: tuple[Computer, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """The enabled computer accounts of the domain."""

    computers: tuple[Computer, ...]


def _named(names: list[str]) -> tuple[Computer, ...]:
    return tuple(Computer(name=name) for name in dict.fromkeys(filter(None, names)))[:MOST_COMPUTERS]


# --- open sessions ----------------------------------------------------------------------------

_SESSIONS = ("MSFT_SmbSession", "ClientComputerName"), ("Win32_ServerSession", "ComputerName")


def parse_sessions(raw: JSON, source: str, version: int) -> Sessions:
    names: list[str] = []
    known = [(name, key) for name, key in _SESSIONS if isinstance(raw, dict) and raw.get(name) is not None]
    if not known:
        raise ValueError("neither class is there")
    for name, key in known:
        names += [text(row[key]).lstrip("\\") for row in rows(raw, name)]
    return Sessions(_named(names))


sessions = Section(
    name="discovery-sessions",
    facts=Sessions,
    collect={
        "windows": Wmi(
            queries=(
                WmiQuery(
                    "MSFT_SmbSession",
                    ("ClientComputerName",),
                    namespace="root\\Microsoft\\Windows\\SMB",
                    optional=True,
                ),
                WmiQuery("Win32_ServerSession", ("ComputerName",), optional=True),
            ),
            rights="administrator",
        )
    },
    parse=parse_sessions,
    privacy="names or addresses of computers; no users, no files",
)

# --- lock files -------------------------------------------------------------------------------

# A lock file has a slot of 64 bytes for each computer: its name in 32, ended by a zero byte, and in
# the other 32 the user's, which are not read into the answer.
_LOCKS = r"""
$folders = @($P.data_folders)
if ($folders.Length -eq 0) {
  Absent 'no data_folders are declared for this machine'
}
$found = New-Object System.Collections.ArrayList
foreach ($folder in $folders) {
  if ($folder -notmatch '^[A-Za-z]:[\\][^\[\]*?]*$' -or -not [System.IO.Directory]::Exists($folder)) {
    Partial 'a declared folder is not on a disk of this machine'
    continue
  }
  $paths = @([System.IO.Directory]::GetFiles($folder, '*.ldb'))
  $paths += @([System.IO.Directory]::GetFiles($folder, '*.laccdb'))
  foreach ($path in $paths) {
    if ($found.Count -ge 500) {
      Partial 'only the first 500 lock files were read'
      break
    }
    $row = @{ 'file' = [System.IO.Path]::GetFileName($path); 'computers' = @() }
    try {
      $stream = New-Object System.IO.FileStream($path, 'Open', 'Read', 'ReadWrite')
      $bytes = [byte[]] (@(0) * 16320)
      $got = $stream.Read($bytes, 0, 16320)
      $stream.Close()
      for ($at = 0; $at + 32 -le $got; $at = $at + 64) {
        $name = [System.Text.Encoding]::Default.GetString($bytes, $at, 32)
        $end = $name.IndexOf([char] 0)
        if ($end -gt 0) {
          $row['computers'] += $name.Substring(0, $end).Trim()
        }
      }
    } catch {
      Partial 'a lock file could not be read'
    }
    [void]$found.Add($row)
  }
}
@{ 'files' = $found }
"""


def parse_locks(raw: JSON, source: str, version: int) -> LockFiles:
    files: list[Row] = rows(raw, "files")
    names = [name for row in files for name in texts(row["computers"])]
    return LockFiles(_named(names), tuple(text(row["file"]) for row in files))


locks = Section(
    name="discovery-locks",
    facts=LockFiles,
    collect={"windows": PowerShell(_LOCKS, timeout_s=20, cost="medium")},
    parse=parse_locks,
    parameters={"data_folders": Parameter("texts", (), "local folders that hold the data, like D:\\Data")},
    privacy="names of lock files and of the computers in them; no users",
)

# --- the directory ----------------------------------------------------------------------------

# 1.2.840.113556.1.4.803 is "all these bits" of userAccountControl, 2 is a disabled account ([MS-ADTS],
# 3.1.1.3.4.4 and 2.2.16). Without paging the directory hands out 1000 entries at most.
_DIRECTORY = r"""
$systems = Wmi -Class 'Win32_ComputerSystem' -Properties 'PartOfDomain', 'DomainRole'
if (-not $systems[0]['PartOfDomain']) {
  Absent 'this machine is in no domain'
}
$filter = '(&(objectCategory=computer)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))'
$wanted = [string[]] @('name', 'operatingsystem', 'lastlogontimestamp')
$searcher = New-Object System.DirectoryServices.DirectorySearcher($filter, $wanted)
$found = New-Object System.Collections.ArrayList
foreach ($entry in $searcher.FindAll()) {
  $values = $entry.Properties
  $row = @{ 'name' = ''; 'system' = ''; 'seen' = $null }
  if ($values['name'].Count -gt 0) {
    $row['name'] = [string] $values['name'][0]
  }
  if ($values['operatingsystem'].Count -gt 0) {
    $row['system'] = [string] $values['operatingsystem'][0]
  }
  if ($values['lastlogontimestamp'].Count -gt 0) {
    $row['seen'] = [System.DateTime]::FromFileTimeUtc($values['lastlogontimestamp'][0])
  }
  [void]$found.Add($row)
}
if ($found.Count -ge 1000) {
  Partial 'the directory handed out its first 1000 computers only'
}
@{ 'computers' = $found }
"""


def parse_directory(raw: JSON, source: str, version: int) -> Directory:
    found = [
        Computer(name=text(row["name"]), system=text(row["system"]), last_seen=instant(row["seen"]))
        for row in rows(raw, "computers")
    ]
    return Directory(tuple(one for one in found if one.name)[:MOST_COMPUTERS])


directory = Section(
    name="discovery-directory",
    facts=Directory,
    collect={"windows": PowerShell(_DIRECTORY, timeout_s=60, cost="large")},
    parse=parse_directory,
    privacy="names, systems and last log-on of computers; no users",
)
