"""The operating system: which release, for how long it is supported, and whether it waits for a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from checkup.api import (
    JSON,
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NoLevels,
    NotApplicable,
    NotChecked,
    Passed,
    PerTarget,
    Probe,
    Result,
    Scope,
    Section,
    Shell,
    Text,
    Value,
    When,
    Worse,
)


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """`distribution` and `release` as in the lifecycle table ("debian", "12"); `kernels` are those
    installed beside the running one. `restart_required` is what the package manager left as a mark."""

    distribution: str
    release: str
    name: str
    kernel: str
    kernels: tuple[str, ...]
    restart_required: bool
    container: bool
    uptime_s: float | None = None


# CentOS 6 and older have no os-release. The newest kernel is compared here, not there.
POSIX = """
[ -r /etc/os-release ] || [ -r /etc/redhat-release ] || unsupported "the release of this system is not known"
[ -r /etc/os-release ] && cat /etc/os-release
if [ -r /etc/redhat-release ]; then read -r line </etc/redhat-release; echo "redhat-release=$line"; fi
if [ -r /etc/debian_version ]; then read -r line </etc/debian_version; echo "debian-version=$line"; fi
read -r line </proc/sys/kernel/osrelease && echo "kernel=$line"
read -r line rest </proc/uptime && echo "uptime=$line"
for file in /boot/vmlinuz-*; do [ -e "$file" ] && echo "installed=${file#/boot/vmlinuz-}"; done
for file in /run/reboot-required /var/run/reboot-required; do [ -e "$file" ] && echo "restart=$file"; done
for file in /run/systemd/container /.dockerenv /run/.containerenv; do
  [ -e "$file" ] && echo "container=$file"
done
exit 0
"""


def parse(raw: JSON, source: str, version: int) -> OperatingSystem:
    pairs = [line.split("=", 1) for line in str(raw).splitlines() if "=" in line]
    values = {key: value.strip().strip("\"'") for key, value in pairs}
    distribution, release, name = _release(values)
    return OperatingSystem(
        distribution=distribution,
        release=release,
        name=name,
        kernel=values.get("kernel", ""),
        kernels=tuple(one for key, one in pairs if key == "installed" and _is_version(one)),
        restart_required="restart" in values,
        container="container" in values,
        uptime_s=_seconds(values["uptime"]) if "uptime" in values else None,
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e10:
        raise ValueError("an impossible uptime")
    return seconds


def _release(values: Mapping[str, str]) -> tuple[str, str, str]:
    if distribution := values.get("ID", ""):
        release = values.get("VERSION_ID", "")
        name = values.get("PRETTY_NAME", "") or f"{distribution} {release}"
        if distribution == "centos" and "Stream" in values.get("NAME", ""):
            distribution = "centos-stream"
        # These are supported by branch (3.20); the others by their first number.
        parts = release.split(".")
        branch = parts[:2] if distribution in ("alpine", "ubuntu", "opensuse-leap", "sles") else parts[:1]
        return distribution, ".".join(branch), name
    text = values["redhat-release"]
    found = re.search(r"^(\w+).* release (\d{1,3})", text, re.A)
    if found is None:
        raise ValueError("the release of this system cannot be read")
    known = {"centos": "centos", "red": "rhel", "fedora": "fedora"}
    return known.get(found[1].lower(), found[1].lower()), found[2], text


system = Section(
    name="system",
    facts=OperatingSystem,
    collect={"posix": Shell(POSIX)},
    parse=parse,
    privacy="name and release of the system, kernel versions, time since the start",
)


# --- the lifecycle table ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lifecycle:
    distribution: str
    release: str
    ends: date
    source: str
    as_of: date


@cache
def lifecycles() -> Mapping[tuple[str, str], Lifecycle]:
    """End of the maker's free security updates, by distribution and release; each row has its source."""
    text = files("probes.host").joinpath("os_lifecycle.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(text)["rows"]
    table = [
        Lifecycle(
            row["distribution"],
            row["release"],
            date.fromisoformat(row["ends"]),
            row["source"],
            date.fromisoformat(row["as_of"]),
        )
        for row in rows
    ]
    return {(row.distribution, row.release): row for row in table}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 365  # time left until the end of security updates (server.os-supported)


def check_support(facts: OperatingSystem, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    row = lifecycles().get((facts.distribution, facts.release))
    if row is None:
        yield NotChecked(reason=f"the lifecycle table does not know {facts.name or facts.distribution}")
        return
    left = _midnight(row.ends) - ctx.now
    evidence: dict[str, Value] = {
        "system": Text(facts.name),
        "ends": Instant(_midnight(row.ends)),
        "source": Text(row.source),
        "table_as_of": Instant(_midnight(row.as_of)),
    }
    if left > timedelta(days=levels.soon_days):
        yield Passed(evidence=evidence)
        return
    ended = left <= timedelta()
    yield Finding(
        impact=Impact.MAJOR if ended else Impact.LIMITED,
        function=SUPPORTABILITY if ended else "",
        when=When.BEFORE_NEXT_VISIT if ended else When.LATER,
        message="ended" if ended else "ends",
        evidence=evidence,
        value=Duration(left.total_seconds()),
        worse=Worse.LOWER,
    )


os_support = Probe(
    id="host.os-support",
    title="The operating system still gets security updates",
    check=check_support,
    levels=SupportLevels(),
    messages={
        "ended": "{system} has had no security updates from its maker since {ends}.",
        "ends": "{system} gets its last security updates from its maker on {ends}.",
    },
    why="A system without security updates cannot be kept safe on the clinic's network, and products stop "
    "supporting it.",
    remedy="Plan the move to a supported release; until then, a paid extension of support if there is one.",
    verify="The release of `/etc/os-release` has its end of support more than a year ahead.",
    references=("domain: server.os-supported", "the table's rows name the maker's page"),
)


@dataclass(frozen=True, slots=True)
class TableLevels:
    old_days: int = 180  # age of the oldest row used (self.catalogue-age)


def check_table(facts: PerTarget[OperatingSystem], levels: TableLevels, ctx: Context) -> Iterator[Result]:
    used = [row for one in facts.values() if (row := lifecycles().get((one.distribution, one.release)))]
    if not used:
        yield NotApplicable(reason="no machine runs a system that the lifecycle table knows")
        return
    oldest = min(row.as_of for row in used)
    age = ctx.now - _midnight(oldest)
    evidence: dict[str, Value] = {"as_of": Instant(_midnight(oldest)), "age": Duration(age.total_seconds())}
    if age <= timedelta(days=levels.old_days):
        yield Passed(evidence=evidence)
        return
    yield Finding(
        impact=Impact.NOTE,
        when=When.BEFORE_NEXT_VISIT,
        message="old",
        evidence=evidence,
        value=Duration(age.total_seconds()),
        worse=Worse.HIGHER,
    )


lifecycle_data_age = Probe(
    id="host.lifecycle-data-age",
    title="The dates of the lifecycle table are recent",
    check=check_table,
    levels=TableLevels(),
    scope=Scope.SITE,
    messages={"old": "The dates of support used in this report were last looked up on {as_of}."},
    why="Makers extend and shorten support; an old table may call a system safe that is not.",
    remedy="Update checkup to its current version before the next visit.",
    verify="`checkup probes host.os-support` shows a table less than half a year old.",
    references=("domain: self.catalogue-age",),
)


# --- waiting for a restart --------------------------------------------------------------------


def check_restart_needed(facts: OperatingSystem, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.container:
        yield NotApplicable(reason="a container runs its host's kernel")
        return
    # Another flavour (cloud, rt, PAE) beside the running one is no newer version of it.
    newer = [
        one
        for one in facts.kernels
        if _flavour(one) == _flavour(facts.kernel) and _is_newer(one, facts.kernel)
    ]
    evidence: dict[str, Value] = {"running": Text(facts.kernel)}
    if newer:
        evidence["installed"] = Text(max(newer, key=_numbers))
        yield Finding(impact=Impact.LIMITED, message="kernel", evidence=evidence)
    elif facts.restart_required:
        yield Finding(impact=Impact.LIMITED, message="marked", evidence=evidence)
    elif not facts.kernels:
        yield NotChecked(reason="no kernel in /boot to compare the running one with")
    else:
        yield Passed(evidence=evidence)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that count: without the distribution's and the processor's ("el8_10", "x86_64")."""
    counting = re.sub(r"[A-Za-z]+[0-9_]*", "", version)
    return tuple(int(number[:9]) for number in re.findall(r"[0-9]+", counting))


def _flavour(version: str) -> str:
    """The words in a version that name a variant: "generic", "cloud", "rt"; often none."""
    return "-".join(word for word in re.split(r"[.+_-]", version) if word.isalpha() and word != "deb")


def _is_version(text: str) -> bool:
    """Not Alpine's "lts" without a number, and not a rescue image."""
    return bool(_numbers(text)) and "rescue" not in text


def _is_newer(installed: str, running: str) -> bool:
    return _numbers(installed) > _numbers(running)


reboot_required = Probe(
    id="host.reboot-required",
    title="Installed updates are in effect, without a restart outstanding",
    check=check_restart_needed,
    levels=NoLevels(),
    messages={
        "kernel": "Kernel {running} is running, but {installed} is installed: a restart is outstanding.",
        "marked": "The package manager asks for a restart to finish its updates.",
    },
    why="An update that waits for a restart protects nobody yet.",
    remedy="Restart the machine in the next quiet window.",
    verify="`uname -r` shows the newest kernel in /boot, and /run/reboot-required is gone.",
    references=("domain: workstation.reboot-pending",),
)
