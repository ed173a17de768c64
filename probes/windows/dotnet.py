""".NET: the framework that is part of Windows, and the runtimes that programs bring."""

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
from probes.windows.fragments import VIEWS
from probes.windows.rows import number, rows, text, texts

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A shared runtime, like Microsoft.WindowsDesktop.App 8.0.11."""

    name: str
    version: str
    bits: int


@dataclass(frozen=True, slots=True)
class DotNet:
    """`release` is the number by which .NET Framework 4.5 and later are told apart; 0 without one.

    `framework_35` is the version of .NET Framework 3.5, "" where it is not switched on.
    """

    declared: tuple[str, ...]
    release: int
    framework_35: str
    runtimes: tuple[Runtime, ...]

    @property
    def framework(self) -> str:
        """The version of .NET Framework 4, like 4.8; "" where there is none that has a release number."""
        return next((name for least, name in RELEASES if self.release >= least), "")


WINDOWS = (
    VIEWS
    + r"""
$setup = 'HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\'
$old = ''
if ((RegistryValue ($setup + 'v3.5') 'Install') -eq 1) {
  $old = [string] (RegistryValue ($setup + 'v3.5') 'Version')
}

$runtimes = New-Object System.Collections.ArrayList
foreach ($view in $views) {
  $folder = [System.Environment]::GetEnvironmentVariable('ProgramFiles')
  if ($wide -and $view['bits'] -eq 32) {
    $folder = [System.Environment]::GetEnvironmentVariable('ProgramFiles(x86)')
  }
  $shared = $folder + '\dotnet\shared'
  if (-not [System.IO.Directory]::Exists($shared)) {
    continue
  }
  foreach ($family in [System.IO.Directory]::GetDirectories($shared)) {
    foreach ($version in [System.IO.Directory]::GetDirectories($family)) {
      $runtime = @{ 'bits' = $view['bits'] }
      $runtime['name'] = [System.IO.Path]::GetFileName($family)
      $runtime['version'] = [System.IO.Path]::GetFileName($version)
      [void]$runtimes.Add($runtime)
    }
  }
}

@{
  'declared' = @($P.dotnet)
  'release' = RegistryValue ($setup + 'v4\Full') 'Release'
  'framework_35' = $old
  'runtimes' = $runtimes.ToArray()
}
"""
)

# "Detect .NET Framework 4.5 and later versions": a release number at least as high means this version.
# https://learn.microsoft.com/dotnet/framework/install/how-to-determine-which-versions-are-installed
RELEASES = (
    (533320, "4.8.1"),
    (528040, "4.8"),
    (461808, "4.7.2"),
    (461308, "4.7.1"),
    (460798, "4.7"),
    (394802, "4.6.2"),
    (394254, "4.6.1"),
    (393295, "4.6"),
    (379893, "4.5.2"),
    (378675, "4.5.1"),
    (378389, "4.5"),
)

_RUNTIME = re.compile(r"[0-9]{1,3}(\.[0-9]{1,5}){1,3}(-[\w.-]{1,60})?", re.ASCII)


def parse(raw: JSON, source: str, version: int) -> DotNet:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    runtimes = [
        Runtime(text(row["name"]), text(row["version"]), number(row["bits"]) or 0)
        for row in rows(raw, "runtimes")
    ]
    return DotNet(
        declared=texts(raw["declared"]),
        release=number(raw["release"]) or 0,
        framework_35=text(raw["framework_35"]),
        # What is left of an uninstalled runtime may be a folder of another name.
        runtimes=tuple(one for one in runtimes if _RUNTIME.fullmatch(one.version)),
    )


dotnet = Section(
    name="dotnet",
    facts=DotNet,
    collect={"windows": PowerShell(WINDOWS, timeout_s=15, rights="user", cost="small")},
    parse=parse,
    parameters={
        "dotnet": Parameter(
            "texts",
            (),
            ".NET versions that programs of this machine need: 4.8 or 3.5 (.NET Framework), 8.0 (.NET)",
        )
    },
    privacy="versions of .NET",
)

# Versions that are part of .NET Framework; every other number is that of .NET (Core), whose programs run on
# the same major version only.
_FRAMEWORK = re.compile(r"3\.5|4(\.[0-9]+){1,2}", re.ASCII)
_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)

FRAMEWORK_LIFECYCLE = "https://learn.microsoft.com/lifecycle/products/microsoft-net-framework"
DOTNET_POLICY = "https://dotnet.microsoft.com/platform/support/policy/dotnet-core"

# Looked up 2026-11-23. Versions that are not here have no announced end.
FRAMEWORK_ENDS = {
    "4.5": date(2016, 1, 12),
    "4.5.1": date(2016, 1, 12),
    "4.5.2": date(2022, 4, 26),
    "4.6": date(2022, 4, 26),
    "4.6.1": date(2022, 4, 26),
    "4.6.2": date(2027, 1, 12),
}
RUNTIME_ENDS = {
    (1, 0): date(2019, 6, 27),
    (1, 1): date(2019, 6, 27),
    (2, 0): date(2018, 10, 1),
    (2, 1): date(2021, 8, 21),
    (2, 2): date(2019, 12, 23),
    (3, 0): date(2020, 3, 3),
    (3, 1): date(2022, 12, 13),
    (5, 0): date(2022, 5, 10),
    (6, 0): date(2024, 11, 12),
    (7, 0): date(2024, 5, 14),
    (8, 0): date(2026, 11, 10),
    (9, 0): date(2026, 11, 10),
    (10, 0): date(2028, 11, 14),
}


@dataclass(frozen=True, slots=True)
class DotNetLevels:
    soon_days: int = 180  # time left until the end of support (as for workstation.os-supported)


def check(facts: DotNet, levels: DotNetLevels, ctx: Context) -> Iterator[Result]:
    for item in dict.fromkeys(facts.declared):
        yield _declared(facts, item)
    ends = FRAMEWORK_ENDS.get(facts.framework)
    evidence: dict[str, Value] = {
        "framework": Text(facts.framework or "none"),
        "framework_35": Text(facts.framework_35 or "none"),
        "source": Text(FRAMEWORK_LIFECYCLE),
    }
    if not facts.framework:
        yield NotApplicable(item="framework", reason="there is no .NET Framework 4.5 or later")
    else:
        yield _supported("framework", f".NET Framework {facts.framework}", ends, evidence, levels, ctx)
    newest = {branch_of(one): one for one in sorted(facts.runtimes, key=order_of)}
    for branch, one in newest.items():
        item = f".NET {branch[0]}.{branch[1]}"
        evidence = {"newest": Text(one.version), "source": Text(DOTNET_POLICY)}
        if branch in RUNTIME_ENDS:
            yield _supported(item, item, RUNTIME_ENDS[branch], evidence, levels, ctx)
        else:
            yield NotChecked(item=item, reason=f"the table of support dates does not know {item}")


def _declared(facts: DotNet, item: str) -> Result:
    if not _NUMBERS.fullmatch(item):
        return NotChecked(item=item, reason="the declared version is not a number like 4.8 or 8.0")
    wanted = _numbers(item)
    if item == "3.5":
        there = facts.framework_35
        fits = bool(there)
    elif _FRAMEWORK.fullmatch(item):
        there = facts.framework
        fits = _numbers(there) >= wanted
    else:
        same = [one for one in facts.runtimes if _numbers(one.version)[0] == wanted[0]]
        there = ", ".join(sorted({f"{one.name} {one.version} ({one.bits}-bit)" for one in same}))
        fits = any(_numbers(one.version) >= wanted for one in same)
    evidence: dict[str, Value] = {"installed": Text(there or "none")}
    if fits:
        return Passed(item=item, evidence=evidence)
    return Finding(impact=Impact.MAJOR, message="missing", item=item, evidence=evidence)


def _supported(
    item: str, name: str, ends: date | None, evidence: dict[str, Value], levels: DotNetLevels, ctx: Context
) -> Result:
    evidence = {**evidence, "name": Text(name)}
    if ends is None:
        return Passed(item=item, evidence=evidence)
    end = noon(ends)
    evidence["ends"] = Day(ends)
    if end - ctx.now > timedelta(days=levels.soon_days):
        return Passed(item=item, evidence=evidence)
    message = "ended" if end <= ctx.now else "ends"
    return Finding(impact=Impact.LIMITED, when=When.LATER, message=message, item=item, evidence=evidence)


def _numbers(version: str) -> Version:
    return tuple(int(digits) for digits in re.findall(r"[0-9]{1,9}", version.partition("-")[0]))


def branch_of(runtime: Runtime) -> tuple[int, int]:
    major, minor, *_ = _numbers(runtime.version)
    return major, minor


def order_of(runtime: Runtime) -> Version:
    return _numbers(runtime.version)


probe = Probe(
    id="app.dotnet",
    title="The .NET that programs need is there, and supported",
    check=check,
    levels=DotNetLevels(),
    messages={
        "missing": ".NET {item} is declared as needed, but not installed; there is: {installed}.",
        "ended": "{name} has had no security updates from its maker since {ends}.",
        "ends": "{name} gets its last security updates from its maker on {ends}.",
    },
    why="A program does not start without the .NET that it was built for; one without updates is a way in.",
    remedy="Install the version that the vendor names (the newest .NET Framework 4 replaces the older ones); "
    "uninstall .NET runtimes that nothing needs any more.",
    verify="The program starts; `dotnet --list-runtimes`, or Programs and Features, shows the version.",
    references=("domain: app.upgrade-readiness", FRAMEWORK_LIFECYCLE, DOTNET_POLICY),
)
