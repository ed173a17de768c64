"""The operating system: which release, for how long it is supported, and whether it waits for a restart.

Windows: the lifecycle table knows its releases by build and by class of edition ("22631 enterprise"),
because the same build is supported for different times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    PerTarget,
    PowerShell,
    Probe,
    Result,
    Scope,
    Section,
    Shell,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
)
from probes.lifecycle import dates, judge_age, judge_support
from probes.windows.rows import first, instant, number, text


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """`distribution` and `release` as in the lifecycle table ("debian", "12"); `kernels` are those
    installed beside the running one. `restart_required` is what the package manager left as a mark; None
    where it could not be seen.

    On Windows `restart_reasons` are the marks by name, and `file_changes` the files that wait to be
    replaced or removed at the next start."""

    distribution: str
    release: str
    name: str
    kernel: str
    kernels: tuple[str, ...]
    restart_required: bool | None
    container: bool
    uptime_s: float | None = None
    restart_reasons: tuple[str, ...] = ()
    file_changes: int = 0


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


WINDOWS = r"""
$rows = @{}
$properties = @(
  'Caption',
  'Version',
  'BuildNumber',
  'ProductType',
  'OperatingSystemSKU',
  'LastBootUpTime',
  'LocalDateTime'
)
$rows['Win32_OperatingSystem'] = Wmi -Class 'Win32_OperatingSystem' -Properties $properties
$windows = RegistryValues 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$rows['release'] = @{
  'DisplayVersion' = $windows['DisplayVersion']
  'ReleaseId' = $windows['ReleaseId']
  'UBR' = $windows['UBR']
}
$servicing = RegistryKeys 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing'
$update = RegistryKeys 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update'
$names = 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName'
$active = [string] (RegistryValue ($names + '\ActiveComputerName') 'ComputerName')
$next = [string] (RegistryValue ($names + '\ComputerName') 'ComputerName')
$manager = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager'
$changes = @(RegistryValue $manager 'PendingFileRenameOperations')
$files = 0
foreach ($path in $changes) {
  if ([string] $path -like '\??\*') {
    $files = $files + 1
  }
}
$rows['restart'] = @{
  'servicing' = (@($servicing) -contains 'RebootPending')
  'update' = (@($update) -contains 'RebootRequired')
  'rename' = ($active -ne $next)
  'files' = $files
}
$rows
"""

# The marks of an outstanding restart are in the registry only.
CIM = Wmi(
    (
        WmiQuery(
            "Win32_OperatingSystem",
            (
                "Caption",
                "Version",
                "BuildNumber",
                "ProductType",
                "OperatingSystemSKU",
                "LastBootUpTime",
                "LocalDateTime",
            ),
        ),
    ),
)


def parse(raw: JSON, source: str, version: int) -> OperatingSystem:
    if source in ("windows", "cim"):
        return _from_windows(raw)
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


def _seconds(word: str) -> float:
    seconds = float(word)
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
    line = values["redhat-release"]
    found = re.search(r"^(\w+).* release (\d{1,3})", line, re.A)
    if found is None:
        raise ValueError("the release of this system cannot be read")
    known = {"centos": "centos", "red": "rhel", "fedora": "fedora"}
    return known.get(found[1].lower(), found[1].lower()), found[2], line


# Win32_OperatingSystem.OperatingSystemSKU, the PRODUCT_ constants of winnt.h. Evaluation copies and the N
# editions without a media player go with their edition.
SKU_CLASSES: Mapping[str, frozenset[int]] = {
    "home-pro": frozenset(
        {1, 2, 3, 5, 6, 11, 16, 26, 28, 47, 48, 49, 66, 67, 68, 69, 71, 98, 99, 100, 101, 103}
        | {111, 112, 113, 161, 162, 164, 165, 178, 179, 183, 202, 203}
    ),
    "enterprise": frozenset({4, 27, 70, 72, 84, 121, 122, 171, 172, 175, 188}),
    "ltsc": frozenset({125, 126, 129, 130}),
    "iot-ltsc": frozenset({191}),
    "semi-annual": frozenset({145, 146}),
}

# Before Windows 10 a build is supported for the same time in all editions.
FIRST_BY_EDITION = 10240


def _from_windows(raw: JSON) -> OperatingSystem:
    row = first(raw, "Win32_OperatingSystem")
    build, kind = number(row["BuildNumber"]), number(row["ProductType"])
    started, told = instant(row["LastBootUpTime"]), instant(row["LocalDateTime"])
    if build is None or kind not in (1, 2, 3) or not isinstance(raw, dict):
        raise ValueError("the release of Windows is not told")
    more, marks = _mapping(raw.get("release")), _mapping(raw.get("restart"))
    version = text(more.get("DisplayVersion")) or text(more.get("ReleaseId"))
    revision = number(more.get("UBR"))
    reasons = tuple(one for one in ("servicing", "update", "rename") if marks.get(one) is True)
    return OperatingSystem(
        distribution="windows" if kind == 1 else "windows-server",
        release=_windows_release(build, kind == 1, number(row["OperatingSystemSKU"]) or 0),
        name=" ".join(filter(None, (text(row["Caption"]), version, f"(build {build})"))),
        kernel=text(row["Version"]) + ("" if revision is None else f".{revision}"),
        kernels=(),
        restart_required=bool(reasons) if marks else None,
        container=False,
        uptime_s=(told - started).total_seconds() if started and told and told >= started else None,
        restart_reasons=reasons,
        file_changes=number(marks.get("files")) or 0,
    )


def _mapping(value: JSON) -> Mapping[str, JSON]:
    if value is not None and not isinstance(value, dict):
        raise ValueError("not an object")
    return value or {}


def _windows_release(build: int, client: bool, sku: int) -> str:
    found = next((name for name, skus in SKU_CLASSES.items() if sku in skus), "")
    if not client:
        return f"{build} semi-annual" if found == "semi-annual" else str(build)
    if build < FIRST_BY_EDITION:
        # Embedded editions had dates of their own.
        return str(build) if found in ("home-pro", "enterprise") else f"{build} other"
    return f"{build} {found or 'other'}"


system = Section(
    name="system",
    facts=OperatingSystem,
    collect={
        "posix": Shell(POSIX),
        "windows": PowerShell(WINDOWS, timeout_s=20, rights="user", cost="small"),
        "cim": CIM,
    },
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
    content = files("probes.host").joinpath("os_lifecycle.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(content)["rows"]
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


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 365  # time left until the end of security updates (server.os-supported)


def check_support(facts: OperatingSystem, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    row = lifecycles().get((facts.distribution, facts.release))
    if row is None:
        yield NotChecked(reason=f"the lifecycle table does not know {facts.name or facts.distribution}")
        return
    evidence = {"system": Text(facts.name), **dates(row.ends, row.source, row.as_of)}
    yield judge_support(row.ends, levels.soon_days, ctx.now, evidence, ending_function="")


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
    verify="The release in `/etc/os-release`, on Windows in `winver`, has its end of support more than a "
    "year ahead.",
    references=(
        "domain: server.os-supported, workstation.os-supported",
        "the table's rows name the maker's page",
    ),
)


@dataclass(frozen=True, slots=True)
class TableLevels:
    old_days: int = 180  # age of the oldest row used (self.catalogue-age)


def check_table(facts: PerTarget[OperatingSystem], levels: TableLevels, ctx: Context) -> Iterator[Result]:
    used = [row for one in facts.values() if (row := lifecycles().get((one.distribution, one.release)))]
    if not used:
        yield NotApplicable(reason="no machine runs a system that the lifecycle table knows")
        return
    yield judge_age(min(row.as_of for row in used), levels.old_days, ctx.now)


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
    if facts.distribution.startswith("windows"):
        yield from _check_windows_restart(facts)
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


# What the marks of Windows mean, in the words of the finding.
RESTART_REASONS = {
    "servicing": "components of Windows",
    "update": "Windows Update",
    "rename": "a new name of the computer",
}


def _check_windows_restart(facts: OperatingSystem) -> Iterator[Result]:
    evidence: dict[str, Value] = {"running": Text(facts.kernel), "file_changes": Number(facts.file_changes)}
    if facts.restart_required is None:
        yield NotChecked(reason="the marks of an outstanding restart are in the registry, which was not read")
    elif facts.restart_required:
        reasons = ", ".join(RESTART_REASONS[one] for one in facts.restart_reasons)
        yield Finding(impact=Impact.LIMITED, message="waits", evidence={**evidence, "reasons": Text(reasons)})
    elif facts.file_changes:
        # Virus scanners and drivers leave these all the time: no reason to worry by itself.
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="files", evidence=evidence)
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
        "waits": "A restart is outstanding for: {reasons}.",
        "files": "{file_changes} files wait for the next start to be replaced or removed.",
    },
    why="An update that waits for a restart protects nobody yet.",
    remedy="Restart the machine in the next quiet window.",
    verify="`uname -r` shows the newest kernel in /boot, and /run/reboot-required is gone; on Windows, "
    "Windows Update no longer asks for a restart.",
    references=("domain: workstation.reboot-pending",),
)
