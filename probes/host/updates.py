"""Updates that this machine already knows of and has not installed. Nothing is refreshed or downloaded."""

from __future__ import annotations

import re
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
    Passed,
    Probe,
    Result,
    Section,
    Shell,
    Value,
    When,
    Worse,
)


@dataclass(frozen=True, slots=True)
class Updates:
    """`pending` and `security` are None where the package manager cannot say without writing;
    `known_at` is when it last looked, `installed_at` when anything was last installed."""

    manager: str
    pending: int | None
    security: int | None
    known_at: datetime | None
    installed_at: datetime | None


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


def parse(raw: JSON, source: str, version: int) -> Updates:
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
    collect={"posix": Shell(POSIX, timeout_s=60)},
    parse=parse,
    privacy="numbers of updates and times of the last ones; no names of packages",
)


@dataclass(frozen=True, slots=True)
class UpdateLevels:
    security: int = 1  # pending security updates
    many: int = 50  # pending updates of any kind
    stale_days: int = 30  # the machine last looked for updates longer ago than this
    idle_days: int = 180  # nothing was installed for longer than this: nobody updates the machine


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
    },
    why="Most break-ins use holes for which an update had been there for months.",
    remedy="Install the updates in a quiet window after a backup; let the machine look for them every day.",
    verify="`apt list --upgradable`, `dnf check-update` or `apk version` lists nothing.",
    references=("domain: workstation.os-supported, for the updates between releases",),
)
