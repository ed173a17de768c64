"""Updates that this machine already knows of and has not installed. Nothing is refreshed or downloaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkup.api import (
    JSON,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Step,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.windows.rows import instant, number, rows, text


@dataclass(frozen=True, slots=True)
class Updates:
    """`pending` and `security` are None where the package manager cannot say without writing;
    `known_at` is when it last looked, `installed_at` when anything was last installed.

    `failures` are attempts to install that failed since the last visit, by update and error number; None
    where that is not known.
    """

    manager: str
    pending: int | None
    security: int | None
    known_at: datetime | None
    installed_at: datetime | None
    failures: tuple[tuple[str, int], ...] | None = None


WINDOWS = "windows"


# apt: simulated, without lock, and only while its own cache is good: making one takes seconds and, as
# root, writes it. dnf and yum write logs even with -C, so only the package database is read there.
POSIX = """
if [ -r /var/lib/dpkg/status ] && command -v apt-get >/dev/null; then
  echo "manager=apt"
  stat -c 'known=%Y' /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists 2>/dev/null
  stat -c 'installed=%Y' /var/lib/dpkg/status
  cache=/var/cache/apt/srcpkgcache.bin
  lists=none
  for file in /var/lib/apt/lists/*Packages*; do [ -e "$file" ] && lists=there; done
  echo "lists=$lists"
  if [ "$lists" = there ] && [ "$cache" -nt /var/lib/apt/lists ] &&
    [ "$cache" -nt /etc/apt/sources.list.d ] &&
    plan=$(apt-get -s -qq -o Debug::NoLocking=true -o Dir::Cache::pkgcache= upgrade 2>/dev/null); then
    printf '%s\\n' "$plan" | awk '$1 == "Inst" { n++; if (tolower($0) ~ /-security|debian-lts/) s++ }
      END { print "pending=" n + 0; print "security=" s + 0 }'
  fi
elif command -v rpm >/dev/null; then
  echo "manager=rpm"
  rpm -qa --qf '%{INSTALLTIME}\\n' 2>/dev/null | awk '$1 > m { m = $1 } END { print "installed=" m + 0 }'
elif command -v apk >/dev/null; then
  echo "manager=apk"
  stat -c 'known=%Y' /var/cache/apk/APKINDEX.*.tar.gz 2>/dev/null
  stat -c 'installed=%Y' /lib/apk/db/installed
  apk version -l '<' 2>/dev/null | awk '{ if (NR > 1) n++ } END { if (NR) print "pending=" n + 0 }'
else
  unsupported "no package manager that can be asked without changing anything"
fi
exit 0
"""


# Windows: asking the update service what is missing takes minutes and is refused to a network logon. When
# the component store was last given a package (CurrentState 112, installed) is there in the registry: the
# upper half of a FILETIME, which steps every 7 minutes. Virus definitions do not pass through it.
# Events of Microsoft-Windows-WindowsUpdateClient: 20 (System) an update failed, with error and title; 26
# (Operational) the machine looked for updates. Of the title only the KB number leaves the machine.
STORE = """
$store = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\Packages'
$newest = 0
$packages = 0
$names = RegistryKeys $store
if ($null -eq $names) {
  Unsupported 'this Windows keeps no list of installed packages'
}
foreach ($name in $names) {
  if ($name.StartsWith('Package_for_')) {
    $package = RegistryValues ($store + '\\' + $name)
    if ($package['CurrentState'] -eq 112) {
      $packages = $packages + 1
      if ($package['InstallTimeHigh'] -gt $newest) {
        $newest = $package['InstallTimeHigh']
      }
    }
  }
}
$since = [long] $P.since
if ($since -le 0) {
  $now = ([System.DateTime]::UtcNow - (New-Object System.DateTime(1970, 1, 1))).TotalSeconds
  $since = [long] ($now - 30 * 86400)
}
$failures = $null
$looked = $null
try {
  $filter = "EventID=20 and Provider[@Name='Microsoft-Windows-WindowsUpdateClient']"
  $failed = Events -Log 'System' -Since $since -Filter $filter -Fields 0, 1
  $failures = @()
  foreach ($group in $failed['groups']) {
    $fields = @($group['fields'])
    $found = [regex]::Match([string]::Join(' ', $fields), 'KB[0-9]{6,8}')
    $failures += @{ 'update' = $found.Value; 'error' = [string] $fields[0]; 'count' = $group['count'] }
  }
  $operational = 'Microsoft-Windows-WindowsUpdateClient/Operational'
  $searches = Events -Log $operational -Since 0 -Filter 'EventID=26' -Optional
  if ($null -ne $searches) {
    foreach ($group in $searches['groups']) {
      $looked = $group['last']
    }
  }
} catch {
  if ((QualityOf $_.Exception) -ne 'denied') {
    throw
  }
  $failures = $null
}
@{
  'packages' = $packages
  'newest' = $newest
  'failures' = $failures
  'looked' = $looked
}
"""
HOT_FIXES = Wmi((WmiQuery("Win32_QuickFixEngineering", ("HotFixID", "InstalledOn")),), cost="medium")

FILETIME_ZERO = datetime(1601, 1, 1, tzinfo=UTC)
UPPER_HALF_S = 2**32 / 10_000_000  # a FILETIME counts 100 ns
DAY_NUMBERS = re.compile(r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})", re.A)
FILETIME_DIGITS = re.compile(r"[0-9a-fA-F]{16}")


def parse(raw: JSON, source: str, version: int) -> Updates:
    if source == "windows":
        return _component_store(raw)
    if source == "cim":
        days = [text(row["InstalledOn"]) for row in rows(raw, "Win32_QuickFixEngineering")]
        return Updates(WINDOWS, None, None, None, _newest_day(days))
    return _package_manager(raw)


def _component_store(raw: JSON) -> Updates:
    if not isinstance(raw, dict):
        raise ValueError("not the component store's times")
    newest = number(raw["newest"])
    failed: Counter[str] = Counter()
    for row in rows(raw, "failures") if raw["failures"] is not None else ():
        failed[f"{text(row['update']) or 'an update'} (error {_hexadecimal(text(row['error']))})"] += (
            number(row["count"]) or 0
        )
    return Updates(
        manager=WINDOWS,
        pending=None,
        security=None,
        known_at=instant(raw["looked"]),
        installed_at=FILETIME_ZERO + timedelta(seconds=newest * UPPER_HALF_S) if newest else None,
        failures=None if raw["failures"] is None else tuple(failed.most_common()),
    )


def _hexadecimal(code: str) -> str:
    """HRESULTs are looked up in this form; an event gives them signed, unsigned or so already."""
    return f"0x{int(code) & 0xFFFFFFFF:08X}" if re.fullmatch(r"-?[0-9]{1,10}", code) else code[:20]


def _newest_day(texts: list[str]) -> datetime | None:
    """InstalledOn is a text in the machine's own order of day, month and year, or a FILETIME in digits.

    The order is taken from those days that leave no doubt; without any, nothing is known.
    """
    known: list[datetime] = []
    doubtful: list[tuple[int, int, int]] = []
    orders: set[str] = set()
    for one in texts:
        if FILETIME_DIGITS.fullmatch(one):
            known.append(FILETIME_ZERO + timedelta(microseconds=int(one, 16) // 10))
        elif found := DAY_NUMBERS.search(one):
            first, second, third = (int(found[place]) for place in (1, 2, 3))
            if first > 31:
                known.append(datetime(first, second, third, tzinfo=UTC))
            else:
                doubtful.append((first, second, third))
                orders |= {"day first"} if first > 12 or "." in found[0] else set[str]()
                orders |= {"month first"} if second > 12 else set[str]()
    if len(orders) == 1:
        for first, second, year in doubtful:
            month, day = (second, first) if orders == {"day first"} else (first, second)
            known.append(datetime(year, month, day, tzinfo=UTC))
    return max(known, default=None)


def _package_manager(raw: JSON) -> Updates:
    pairs = re.findall(r"^(\w+)=(\w+)$", str(raw), re.M | re.A)
    values = dict(pairs)
    knows = values.get("lists") != "none" and (values["manager"] != "apk" or "known" in values)
    return Updates(
        manager=values["manager"],
        pending=int(values["pending"]) if knows and "pending" in values else None,
        security=int(values["security"]) if knows and "security" in values else None,
        known_at=max((_instant(value) for key, value in pairs if key == "known"), default=None)
        if knows
        else None,
        installed_at=_instant(values["installed"]) if int(values.get("installed", "0")) else None,
    )


def _instant(seconds: str) -> datetime:
    if len(seconds) > 11:
        raise ValueError("an impossible time")
    return datetime.fromtimestamp(int(seconds), UTC)


updates = Section(
    name="updates",
    facts=Updates,
    collect={
        "posix": Shell(POSIX, timeout_s=60),
        "windows": PowerShell(STORE, timeout_s=60, rights="event-log-reader", cost="large"),
        "cim": HOT_FIXES,
    },
    parse=parse,
    parameters={
        "since": Parameter("instant", 0, "count failures from here; 30 days where there was no visit")
    },
    privacy="numbers of updates and times of the last ones; KB numbers of updates that failed",
)


@dataclass(frozen=True, slots=True)
class UpdateLevels:
    security: int = 1  # pending security updates
    many: int = 50  # pending updates of any kind
    stale_days: int = 30  # the machine last looked for updates longer ago than this
    idle_days: int = 180  # nothing was installed for longer than this: nobody updates the machine
    behind_days: int = 65  # the same on Windows: two of its monthly patch days have gone by
    failures: int = 3  # attempts to install one update that failed


def check(facts: Updates, levels: UpdateLevels, ctx: Context) -> Iterator[Result]:
    now = ctx.collected_at
    evidence: dict[str, Value] = {}
    if facts.pending is not None:
        yield Metric(name="pending", value=Number(facts.pending))
        evidence["pending"] = Number(facts.pending)
    if facts.security is not None:
        evidence["security"] = Number(facts.security)
    if facts.known_at is not None:
        evidence["known"] = Instant(facts.known_at)
    if facts.installed_at is not None:
        evidence["installed"] = Instant(facts.installed_at)
        evidence["idle"] = Duration((now - facts.installed_at).total_seconds())
    if facts.manager == WINDOWS:
        yield from _check_windows(facts, levels, evidence, now)
        return
    finding = _finding(facts, levels, now)
    if finding:
        message, value = finding
        yield Finding(
            impact=Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT if message == "security" else When.LATER,
            message=message,
            evidence=evidence,
            value=value,
            worse=Worse.HIGHER,
        )
    elif facts.known_at is None and facts.manager != "rpm":
        yield NotChecked(reason="the machine has not looked for updates, or has thrown away what it saw")
    elif facts.pending is None:
        yield NotChecked(reason=f"{facts.manager} cannot tell pending updates without writing on the machine")
    else:
        yield Passed(evidence=evidence)


def _check_windows(
    facts: Updates, levels: UpdateLevels, evidence: dict[str, Value], now: datetime
) -> Iterator[Result]:
    failures = facts.failures or ()
    evidence["failures"] = (
        Text("not known") if facts.failures is None else Number(sum(n for _, n in failures))
    )
    for name, count in failures:
        if count >= levels.failures:
            yield Finding(
                impact=Impact.LIMITED,
                message="failing",
                item=name,
                evidence={"count": Number(count)},
                value=Number(count),
                worse=Worse.HIGHER,
            )
    if facts.installed_at is None:
        yield NotChecked(reason="the machine does not tell when it was last updated")
        return
    idle = Duration((now - facts.installed_at).total_seconds())
    yield from judge(
        "idle",
        idle,
        (Step(levels.behind_days * 86400, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message="behind",
        evidence=evidence,
    )


def _finding(facts: Updates, levels: UpdateLevels, now: datetime) -> tuple[str, Number | Duration] | None:
    if facts.security is not None and facts.security >= levels.security:
        return "security", Number(facts.security)
    if facts.pending is not None and facts.pending >= levels.many:
        return "many", Number(facts.pending)
    if facts.known_at is not None and now - facts.known_at > timedelta(days=levels.stale_days):
        return "stale", Duration((now - facts.known_at).total_seconds())
    if facts.installed_at is not None and now - facts.installed_at > timedelta(days=levels.idle_days):
        return "idle", Duration((now - facts.installed_at).total_seconds())
    return None


pending_updates = Probe(
    id="host.updates",
    title="Updates are looked for and installed",
    check=check,
    levels=UpdateLevels(),
    messages={
        "security": "{security} security updates are known and not installed.",
        "many": "{pending} updates are known and not installed.",
        "stale": "The machine last looked for updates on {known}.",
        "idle": "Nothing has been installed or updated since {installed} ({idle}).",
        "behind": "No Windows update has been installed since {installed} ({idle}).",
        "failing": "{item} failed to install {count} times.",
    },
    why="Most break-ins use holes for which an update had been there for months.",
    remedy="Install the updates in a quiet window after a backup; let the machine look for them every day.",
    verify="`apt list --upgradable`, `dnf check-update` or `apk version` lists nothing; on Windows the "
    "update history shows this month's cumulative update as installed.",
    references=("domain: workstation.os-supported, for the updates between releases",),
)
