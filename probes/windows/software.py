"""Installed software, as the lists behind "Programs and Features" hold it, and what nobody mends any more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    Number,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    When,
)
from probes.windows.fragments import VIEWS
from probes.windows.rows import Row, flag, number, rows, text


@dataclass(frozen=True, slots=True)
class Program:
    """`bits` is the view of the registry that lists it; `by_user`: installed for one user only; `hidden`:
    not shown in the list that users see. `installed_on` is None where the installer did not say."""

    name: str
    version: str
    publisher: str
    installed_on: date | None
    bits: int
    by_user: bool
    hidden: bool


@dataclass(frozen=True, slots=True)
class Software:
    """What is installed for all users, and for those whose profiles could be read: `unread_profiles` could
    not (not loaded, or no rights), so what was installed for these users alone is not known."""

    programs: tuple[Program, ...]
    unread_profiles: int


# Patches of a program (they name a parent) are left out. Of the users nothing leaves the machine but
# whether a program is theirs.
WINDOWS = (
    VIEWS
    + r"""
$below = '\Microsoft\Windows\CurrentVersion\Uninstall'
$places = @()
foreach ($view in $views) {
  $places += @{ 'key' = $view['root'] + $below; 'bits' = $view['bits']; 'user' = $false }
}
$users = '^S-1-(5-21|12-1)-[0-9-]+$'
$profiles = 0
foreach ($sid in (RegistryKeys 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList')) {
  if ($sid -match $users) {
    $profiles = $profiles + 1
  }
}
foreach ($sid in (RegistryKeys 'HKU:\')) {
  if ($sid -match $users) {
    $places += @{ 'key' = 'HKU:\' + $sid + '\Software' + $below; 'bits' = 0; 'user' = $true }
  }
}
$programs = @()
$read = 0
$locked = 0
foreach ($place in $places) {
  $keys = $null
  try {
    $keys = RegistryKeys $place['key']
    if ($place['user']) {
      $read = $read + 1
    }
  } catch {
    if (-not $place['user']) {
      throw
    }
  }
  if ($null -ne $keys) {
    foreach ($key in $keys) {
      $values = $null
      try {
        $values = RegistryValues ($place['key'] + '\' + $key)
      } catch {
        $locked = $locked + 1
      }
      if ($null -ne $values -and $values['DisplayName'] -and -not $values['ParentKeyName']) {
        $programs += @{
          'name' = [string] $values['DisplayName']
          'version' = [string] $values['DisplayVersion']
          'publisher' = [string] $values['Publisher']
          'date' = [string] $values['InstallDate']
          'bits' = $place['bits']
          'user' = $place['user']
          'hidden' = $values['SystemComponent'] -eq 1
        }
      }
    }
  }
}
if ($locked -gt 0) {
  Partial ([string] $locked + ' entries of the list of programs cannot be read')
}
@{
  'programs' = $programs
  'unread' = $profiles - $read
}
"""
)

DAY = re.compile(r"(?P<year>[12][0-9]{3})(?P<month>[01][0-9])(?P<day>[0-3][0-9])", re.A)


def parse(raw: JSON, source: str, version: int) -> Software:
    if not isinstance(raw, dict):
        raise ValueError("not a list of programs")
    found = {_program(row) for row in rows(raw, "programs")}
    in_order = sorted(found, key=lambda one: (one.name.lower(), one.version, one.bits, one.by_user))
    return Software(tuple(in_order), max(0, number(raw["unread"]) or 0))


def _program(row: Row) -> Program:
    return Program(
        name=text(row["name"]),
        version=text(row["version"]),
        publisher=text(row["publisher"]),
        installed_on=_day(text(row["date"])),
        bits=number(row["bits"]) or 0,
        by_user=flag(row["user"]) is True,
        hidden=flag(row["hidden"]) is True,
    )


def _day(digits: str) -> date | None:
    """Installers should write yyyymmdd; some write the date in the words of the machine's language."""
    found = DAY.fullmatch(digits)
    if found is None:
        return None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


software = Section(
    name="software",
    facts=Software,
    collect={"windows": PowerShell(WINDOWS, timeout_s=40, cost="medium")},
    parse=parse,
    privacy="names, versions and makers of installed programs; no users",
)


# --- software that nobody mends any more ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """`needed`: other programs may need it, so it is no reason for haste."""

    key: str
    name: re.Pattern[str]
    on: date
    source: str
    needed: bool = False


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


CPP = r"Microsoft Visual C\+\+ {} .*Redistributable"
CPP_SOURCE = "learn.microsoft.com/lifecycle/faq/visual-c-faq"
CLIENT_SOURCE = "techcommunity.microsoft.com, SQL Server blog: SNAC lifecycle explained"
JAVA = r"(Java|J2SE)(\(TM\))?( SE)?( Runtime Environment| Development Kit)? {}( Update \d+)?( \(64-bit\))?"
JAVA_SOURCE = "oracle.com, Oracle Java SE Support Roadmap: end of public updates"

# As of 2026-11: the last day with public updates, and where its maker said so.
ENDED = (
    Ended("java-6", _named(JAVA.format(6)), date(2013, 2, 28), JAVA_SOURCE),
    Ended("java-7", _named(JAVA.format(7)), date(2015, 4, 30), JAVA_SOURCE),
    Ended("flash-player", _named(r"Adobe Flash Player.*"), date(2020, 12, 31), "adobe.com, Flash Player EOL"),
    Ended("quicktime", _named(r"QuickTime( \d.*)?"), date(2016, 4, 14), "cisa.gov, alert TA16-105A"),
    Ended("silverlight", _named(r"Microsoft Silverlight.*"), date(2021, 10, 12), "support.microsoft.com"),
    # With the SQL Server version that it came with: 2005, 2008 and 2008 R2, 2012.
    Ended(
        "sql-native-client-9",
        _named(r"Microsoft SQL Server( 2005)? Native Client.*"),
        date(2016, 4, 12),
        CLIENT_SOURCE,
        needed=True,
    ),
    Ended(
        "sql-native-client-10",
        _named(r"Microsoft SQL Server 2008( R2)? Native Client.*"),
        date(2019, 7, 9),
        CLIENT_SOURCE,
        needed=True,
    ),
    Ended(
        "sql-native-client-11",
        _named(r"Microsoft SQL Server 2012 Native Client.*"),
        date(2022, 7, 12),
        CLIENT_SOURCE,
        needed=True,
    ),
    Ended("visual-c++-2005", _named(CPP.format(2005)), date(2016, 4, 12), CPP_SOURCE, needed=True),
    Ended("visual-c++-2008", _named(CPP.format(2008)), date(2018, 4, 10), CPP_SOURCE, needed=True),
    Ended("visual-c++-2010", _named(CPP.format(2010)), date(2020, 7, 14), CPP_SOURCE, needed=True),
    Ended("visual-c++-2012", _named(CPP.format(2012)), date(2023, 1, 10), CPP_SOURCE, needed=True),
    Ended("visual-c++-2013", _named(CPP.format(2013)), date(2024, 4, 9), CPP_SOURCE, needed=True),
)


def check(facts: Software, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Metric(name="programs", value=Number(len(facts.programs)))
    clean = True
    for ended in ENDED:
        found = [one for one in facts.programs if ended.name.match(one.name)]
        if not found or ctx.now.date() <= ended.on:
            continue
        clean = False
        newest = found[-1]
        yield Finding(
            impact=Impact.NOTE if ended.needed else Impact.LIMITED,
            when=When.LATER if ended.needed else When.BEFORE_NEXT_VISIT,
            message="needed" if ended.needed else "ended",
            item=ended.key,
            evidence={
                "name": Text(newest.name),
                "version": Text(newest.version or "not known"),
                "on": Text(ended.on.isoformat()),
                "source": Text(ended.source),
            },
        )
    if clean:
        unread = Number(facts.unread_profiles)
        yield Passed(evidence={"programs": Number(len(facts.programs)), "unread_profiles": unread})


unsupported_software = Probe(
    id="windows.unsupported-software",
    title="No program is installed whose maker has stopped mending it",
    check=check,
    levels=NoLevels(),
    messages={
        "ended": "{name} is installed; it has had no security updates since {on}.",
        "needed": "{name} is installed; its support ended on {on}. Other programs may need it.",
    },
    why="Holes that are found in such a program stay open, and are used first.",
    remedy="Uninstall it; where a program still needs it, ask its maker for a version that does not, and "
    "remove it then.",
    verify='The list "Programs and Features" (`appwiz.cpl`) no longer shows it.',
    references=("domain: workstation.os-supported, for programs",),
)
