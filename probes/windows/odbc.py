"""ODBC: the data sources that are declared, the drivers behind those in use, and their encryption."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from checkup.api import (
    JSON,
    Context,
    Day,
    Finding,
    Impact,
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
    When,
)
from probes.lifecycle import noon
from probes.windows.fragments import FILES, VIEWS
from probes.windows.rows import flag, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class DataSource:
    """A system data source, or one of a user (`bits` is 0: those serve programs of both kinds).

    `place` is the drive or the server that holds the data source's `file`. `configured` is false where
    the source is only listed. `encrypt` and `trust` are as they were written, "" where nothing was.
    """

    name: str
    driver: str
    bits: int
    per_user: bool
    configured: bool
    server: str
    database: str
    file: str
    place: str
    encrypt: str
    trust: str

    @property
    def leads_to(self) -> str:
        data = " ".join(part for part in (self.place, self.file) if part)
        server = " ".join(part for part in (self.server, self.database) if part)
        return f"{self.driver}: {server or data or 'nowhere'}"


@dataclass(frozen=True, slots=True)
class Driver:
    """`state` is there, missing, unreadable, elsewhere or unnamed; `version` is that of its file."""

    name: str
    bits: int
    file: str
    state: str
    version: str


@dataclass(frozen=True, slots=True)
class Odbc:
    """`unread_users` counts user profiles whose data sources could not be seen."""

    declared: tuple[str, ...]
    sources: tuple[DataSource, ...]
    drivers: tuple[Driver, ...]
    unread_users: int

    def driver_of(self, source: DataSource, bits: int) -> Driver | None:
        named = [one for one in self.drivers if one.name.lower() == source.driver.lower()]
        return next((one for one in named if bits in (0, one.bits)), None)


# Of a data source only what stands in the list below leaves the machine: user names, passwords and keys
# stand beside it. Another user's hive opens for an administrator only, and is there while that user is
# logged on.
WINDOWS = (
    VIEWS
    + FILES
    + r"""
function Plain($value) {
  return ([string] $value).Split(';')[0].Trim()
}

function Sources([string] $root, [int] $bits, [bool] $peruser) {
  $found = New-Object System.Collections.ArrayList
  $ini = $root + '\ODBC\ODBC.INI\'
  $listed = RegistryValues ($ini + 'ODBC Data Sources')
  if ($null -eq $listed) {
    return ,$found.ToArray()
  }
  foreach ($name in @($listed.Keys)) {
    $values = RegistryValues ($ini + $name)
    $source = @{ 'name' = [string] $name; 'bits' = $bits; 'per_user' = $peruser }
    $source['driver'] = Plain $listed[$name]
    $source['configured'] = $null -ne $values
    if ($null -ne $values) {
      $source['server'] = Plain $values['Server']
      $source['database'] = Plain $values['Database']
      $source['encrypt'] = Plain $values['Encrypt']
      $source['trust'] = Plain $values['TrustServerCertificate']
      $path = Plain $values['DBQ']
      $source['file'] = FileName $path
      $source['place'] = ''
      if ($path -match '^([A-Za-z]:)') {
        $source['place'] = $matches[1]
      }
      if ($path -match '^[\\]{2}([^\\]+)') {
        $source['place'] = $matches[1]
      }
    }
    [void]$found.Add($source)
  }
  return ,$found.ToArray()
}

function Drivers([string] $root, [int] $bits) {
  $found = New-Object System.Collections.ArrayList
  $ini = $root + '\ODBC\ODBCINST.INI\'
  $listed = RegistryValues ($ini + 'ODBC Drivers')
  if ($null -eq $listed) {
    return ,$found.ToArray()
  }
  foreach ($name in @($listed.Keys)) {
    $path = PlainPath ([string] (RegistryValue ($ini + $name) 'Driver')) $bits
    $driver = @{ 'name' = [string] $name; 'bits' = $bits; 'file' = FileName $path; 'version' = '' }
    $driver['state'] = 'unnamed'
    if ($path -ne '') {
      $driver['state'] = FileState $path
    }
    if ($driver['state'] -eq 'there') {
      $driver['version'] = FileVersion $path
    }
    [void]$found.Add($driver)
  }
  return ,$found.ToArray()
}

$sources = New-Object System.Collections.ArrayList
$drivers = New-Object System.Collections.ArrayList
foreach ($view in $views) {
  foreach ($source in (Sources $view['root'] $view['bits'] $false)) {
    [void]$sources.Add($source)
  }
  foreach ($driver in (Drivers $view['root'] $view['bits'])) {
    [void]$drivers.Add($driver)
  }
}

$unread = 0
$loaded = RegistryKeys 'HKU:\'
$known = RegistryKeys 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList'
foreach ($sid in @($known)) {
  if ($sid -notmatch '^S-1-(5-21|12-1)-[0-9-]+$') {
    continue
  }
  if ($loaded -notcontains $sid) {
    $unread = $unread + 1
    continue
  }
  try {
    foreach ($source in (Sources ('HKU:\' + $sid + '\SOFTWARE') 0 $true)) {
      [void]$sources.Add($source)
    }
  } catch [System.Security.SecurityException] {
    $unread = $unread + 1
  }
}

@{
  'declared' = @($P.dsns)
  'sources' = $sources.ToArray()
  'drivers' = $drivers.ToArray()
  'unread_users' = $unread
}
"""
)


def parse(raw: JSON, source: str, version: int) -> Odbc:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    return Odbc(
        declared=texts(raw["declared"]),
        sources=tuple(
            DataSource(
                name=text(row["name"]),
                driver=text(row["driver"]),
                bits=number(row["bits"]) or 0,
                per_user=bool(flag(row["per_user"])),
                configured=bool(flag(row["configured"])),
                server=text(row.get("server")),
                database=text(row.get("database")),
                file=text(row.get("file")),
                place=text(row.get("place")),
                encrypt=text(row.get("encrypt")).lower(),
                trust=text(row.get("trust")).lower(),
            )
            for row in rows(raw, "sources")
        ),
        drivers=tuple(
            Driver(
                name=text(row["name"]),
                bits=number(row["bits"]) or 0,
                file=text(row["file"]),
                state=text(row["state"]),
                version=text(row["version"]),
            )
            for row in rows(raw, "drivers")
        ),
        unread_users=number(raw["unread_users"]) or 0,
    )


odbc = Section(
    name="odbc",
    facts=Odbc,
    # Without administrator rights the users' own data sources are counted as not seen.
    collect={"windows": PowerShell(WINDOWS, timeout_s=30, rights="user", cost="medium")},
    parse=parse,
    parameters={
        "dsns": Parameter(
            "texts",
            (),
            "ODBC data sources that must be there, like CardioLedger or, for 32-bit programs only, "
            "CardioLedger (32-bit)",
        )
    },
    privacy="names, drivers, servers, databases and file names of ODBC data sources; no user, no password",
)


def _unseen(facts: Odbc) -> str:
    return f"the data sources of {facts.unread_users} user profiles cannot be seen while nobody is logged on"


# --- declared data sources --------------------------------------------------------------------

_DECLARED = re.compile(r"(?P<name>.*?)(?: \((?P<bits>32|64)-bit\))?")


def check_declared(facts: Odbc, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.declared:
        yield NotApplicable(reason="no ODBC data sources are declared for this machine")
    for item in dict.fromkeys(facts.declared):
        yield _judged(facts, item)


def _judged(facts: Odbc, item: str) -> Result:
    declared = _DECLARED.fullmatch(item)
    assert declared is not None
    bits = int(declared["bits"] or 0)
    named = [one for one in facts.sources if one.name.lower() == declared["name"].lower()]
    fitting = [one for one in named if not bits or one.bits in (0, bits)]
    evidence: dict[str, Value] = {
        "places": Text("; ".join(sorted({one.leads_to for one in named})) or "none")
    }
    if not named and facts.unread_users:
        return NotChecked(item=item, reason=f"no such system data source, and {_unseen(facts)}")
    if not fitting:
        message = "other_bits" if named else "missing"
        return Finding(impact=Impact.MAJOR, message=message, item=item, evidence=evidence)
    for one in fitting:
        driver = facts.driver_of(one, one.bits or bits)
        evidence |= {
            "driver": Text(one.driver),
            "file": Text(driver.file if driver else "none"),
            "version": Text(driver.version if driver else ""),
        }
        if driver is None or driver.state in ("missing", "unnamed", "no drive"):
            return Finding(impact=Impact.MAJOR, message="no_driver", item=item, evidence=evidence)
        if not one.configured:
            return Finding(impact=Impact.MAJOR, message="empty", item=item, evidence=evidence)
        if driver.state != "there":
            return NotChecked(item=item, reason=f"the file of driver {one.driver} is {driver.state}")
    if len({one.leads_to.lower() for one in fitting}) > 1:
        return Finding(impact=Impact.LIMITED, message="ambiguous", item=item, evidence=evidence)
    return Passed(item=item, evidence=evidence)


declared_sources = Probe(
    id="app.dsn",
    title="The declared ODBC data sources are there, with their drivers",
    check=check_declared,
    levels=NoLevels(),
    messages={
        "missing": "ODBC data source {item} is declared, but neither the system nor a logged-on user has it.",
        "other_bits": "ODBC data source {item} exists only for programs of the other kind: {places}.",
        "no_driver": "ODBC data source {item} needs driver {driver}, which is not installed completely.",
        "empty": "ODBC data source {item} is listed, but has no settings.",
        "ambiguous": "ODBC data source {item} leads to different places, depending on program and user: "
        "{places}.",
    },
    why="A program that asks for a data source by name does not start, or shows other data, when it is "
    "missing, made for programs of the other kind (32 or 64 bits), or hidden by a user's own of that name.",
    remedy="In the ODBC administrator of the right kind (C:\\Windows\\SysWOW64\\odbcad32.exe makes those of "
    "32-bit programs), add or correct the data source on page System DSN; remove users' own of that name.",
    verify="The data source's Configure > Test in the same ODBC administrator succeeds.",
    references=("domain: app.dsn-drift, app.backend-link",),
)


# --- drivers in use ---------------------------------------------------------------------------

CONNECT_HISTORY = "https://learn.microsoft.com/sql/connect/connect-history"
NATIVE_CLIENT = (
    "https://learn.microsoft.com/sql/relational-databases/native-client/odbc/sql-server-native-client-odbc"
)
MAJOR_VERSIONS = "https://learn.microsoft.com/sql/connect/odbc/major-version-differences"
SUPPORT_LIFECYCLE = "https://learn.microsoft.com/sql/connect/odbc/support-lifecycle"


@dataclass(frozen=True, slots=True)
class DriverSupport:
    """`ends`: of the support that needs no contract for SQL Server; None: superseded, no longer developed."""

    pattern: re.Pattern[str]
    ends: date | None
    source: str


# Looked up 2026-11-23.
SUPPORT = (
    DriverSupport(re.compile(r"SQL Server"), None, CONNECT_HISTORY),
    DriverSupport(re.compile(r"SQL (Server )?Native Client.*"), None, NATIVE_CLIENT),
    DriverSupport(re.compile(r"ODBC Driver 11 for SQL Server"), date(2019, 7, 9), SUPPORT_LIFECYCLE),
    DriverSupport(re.compile(r"ODBC Driver 13(\.\d)? for SQL Server"), date(2022, 10, 11), SUPPORT_LIFECYCLE),
    DriverSupport(re.compile(r"ODBC Driver 17 for SQL Server"), date(2028, 1, 11), SUPPORT_LIFECYCLE),
    DriverSupport(re.compile(r"ODBC Driver 18 for SQL Server"), date(2028, 1, 11), SUPPORT_LIFECYCLE),
)


@dataclass(frozen=True, slots=True)
class DriverLevels:
    soon_days: int = 365  # time left until the end of support (as for server.os-supported)


def check_drivers(facts: Odbc, levels: DriverLevels, ctx: Context) -> Iterator[Result]:
    used: dict[str, DataSource] = {}
    for one in facts.sources:
        used.setdefault(f"{one.driver} ({one.bits}-bit)" if one.bits else one.driver, one)
    for item, one in sorted(used.items()):
        yield _driver(facts, item, one, levels, ctx)
    if facts.unread_users:
        yield NotChecked(item="users", reason=_unseen(facts))
    elif not used:
        yield NotApplicable(reason="no ODBC data source is set up")


def _driver(facts: Odbc, item: str, one: DataSource, levels: DriverLevels, ctx: Context) -> Result:
    driver = facts.driver_of(one, one.bits)
    if driver is None or driver.state in ("missing", "unnamed", "no drive"):
        named = Text(driver.file if driver and driver.file else "none")
        return Finding(
            impact=Impact.LIMITED,
            message="missing",
            item=item,
            evidence={"file": named, "used_by": Text(one.name)},
        )
    if driver.state != "there":
        return NotChecked(item=item, reason=f"its file {driver.file} is {driver.state}")
    evidence: dict[str, Value] = {"file": Text(driver.file), "version": Text(driver.version)}
    row = next((row for row in SUPPORT if row.pattern.fullmatch(driver.name)), None)
    if row is None:
        return Passed(item=item, evidence=evidence)
    evidence["source"] = Text(row.source)
    if row.ends is None:
        message = "superseded"
    else:
        ends = noon(row.ends)
        evidence["ends"] = Day(row.ends)
        if ends - ctx.now > timedelta(days=levels.soon_days):
            return Passed(item=item, evidence=evidence)
        message = "ended" if ends <= ctx.now else "ends"
    return Finding(
        impact=Impact.LIMITED,
        when=When.LATER,
        message=message,
        item=item,
        evidence=evidence,
    )


drivers_in_use = Probe(
    id="app.odbc-drivers",
    title="The ODBC drivers in use are complete and supported",
    check=check_drivers,
    levels=DriverLevels(),
    messages={
        "missing": "Data source {used_by} uses ODBC driver {item}, whose file ({file}) is not there.",
        "superseded": "ODBC driver {item} is in use; its maker no longer develops it.",
        "ended": "ODBC driver {item} is in use; its maker's support ended on {ends}.",
        "ends": "ODBC driver {item} is in use; its maker's support ends on {ends}.",
    },
    why="An old driver cannot speak the encryption of today's database servers, and an update of the server "
    "may lock its clients out. A data source without its driver does not open.",
    remedy="Install the current Microsoft ODBC Driver for SQL Server in the bitness of the program, and move "
    "the data source to it after a test with the vendor; remove data sources that nobody uses.",
    verify="The data source names the new driver in the ODBC administrator, and its test succeeds.",
    references=("domain: app.dsn-drift", SUPPORT_LIFECYCLE, NATIVE_CLIENT, CONNECT_HISTORY),
)


# --- encryption -------------------------------------------------------------------------------

_SQL_SERVER = re.compile(
    r"SQL Server|SQL (?:Server )?Native Client.*|ODBC Driver (\d+)(?:\.\d)? for SQL Server"
)
_THIS_MACHINE = re.compile(
    r"(tcp:|np:|lpc:)?(\(local(db)?\)|\.|localhost|127\.0\.0\.1)([\\,].*)?", re.IGNORECASE
)

# From this driver on, a data source that says nothing is encrypted (MAJOR_VERSIONS, "Encryption changes").
ENCRYPTS_BY_ITSELF = 18


def check_encryption(facts: Odbc, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    seen: dict[str, DataSource] = {}
    for one in facts.sources:
        if _SQL_SERVER.fullmatch(one.driver) and one.configured and not _THIS_MACHINE.fullmatch(one.server):
            kind = f"{one.bits}-bit" if one.bits else "user"
            item = f"{one.name} ({kind})"
            # Where several users have one of the same name, the weakest counts.
            if item not in seen or _strength(one) < _strength(seen[item]):
                seen[item] = one
    for item, one in sorted(seen.items()):
        evidence: dict[str, Value] = {
            "server": Text(one.server or "none"),
            "driver": Text(one.driver),
            "encrypt": Text(one.encrypt or "not set"),
            "trust": Text(one.trust or "not set"),
        }
        message = ("plain", "any_certificate", "")[_strength(one)]
        if message:
            impact = Impact.LIMITED if message == "plain" else Impact.NOTE
            yield Finding(impact=impact, when=When.LATER, message=message, item=item, evidence=evidence)
        else:
            yield Passed(item=item, evidence=evidence)
    if facts.unread_users:
        yield NotChecked(item="users", reason=_unseen(facts))
    elif not seen:
        yield NotApplicable(reason="no ODBC data source leads to an SQL Server on another machine")


def _strength(one: DataSource) -> int:
    """0: not encrypted by the client's wish; 1: encrypted, with whatever server answers; 2: encrypted."""
    found = _SQL_SERVER.fullmatch(one.driver)
    generation = int(found[1]) if found and found[1] else 0
    by_itself = generation >= ENCRYPTS_BY_ITSELF and not one.encrypt
    if not by_itself and one.encrypt not in ("yes", "true", "mandatory", "strict", "1"):
        return 0
    return 1 if one.trust in ("yes", "true", "1") and one.encrypt != "strict" else 2


encryption = Probe(
    id="security.odbc-encryption",
    title="Data sources ask the SQL Server for an encrypted connection",
    check=check_encryption,
    levels=NoLevels(),
    messages={
        "plain": "Data source {item} does not ask {server} for an encrypted connection.",
        "any_certificate": "Data source {item} is encrypted, but trusts whatever answers as {server}.",
    },
    why="Patients' data that cross the network in plain form can be read by every machine on the way.",
    remedy="Give the SQL Server a certificate that the workstations trust, then set Encrypt to Yes "
    "(Mandatory) and Trust server certificate to No in the data source.",
    verify="On the server, sys.dm_exec_connections shows encrypt_option TRUE for the workstations.",
    references=("domain: security.sql-transport", MAJOR_VERSIONS),
)
