"""Antivirus products: whether one is awake and fed, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from checkup.api import (
    JSON,
    Context,
    Duration,
    ErrorClass,
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
    Step,
    Text,
    Value,
    Visit,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.windows.rows import Row, flag, instant, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class Product:
    """What a product told Windows' security centre. Clients only: servers have no such centre."""

    name: str
    on: bool
    current: bool
    of_windows: bool


@dataclass(frozen=True, slots=True)
class Defender:
    """What Windows' own product says of itself; `signed_at` is the time of its newest definitions."""

    on: bool
    real_time: bool
    signed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Antivirus:
    """`products` is None where Windows has no security centre, `defender` where it has no such class."""

    products: tuple[Product, ...] | None
    defender: Defender | None

    @property
    def others(self) -> tuple[Product, ...]:
        """Products of other makers that are switched on: they take the place of Windows' own."""
        return tuple(one for one in self.products or () if one.on and not one.of_windows)


QUERIES = Wmi(
    (
        WmiQuery(
            "AntiVirusProduct",
            ("displayName", "productState"),
            namespace="root\\SecurityCenter2",
            optional=True,
        ),
        WmiQuery(
            "MSFT_MpComputerStatus",
            (
                "AMServiceEnabled",
                "AntivirusEnabled",
                "RealTimeProtectionEnabled",
                "AntivirusSignatureLastUpdated",
            ),
            namespace="root\\Microsoft\\Windows\\Defender",
            optional=True,
        ),
    ),
    cost="medium",
)

# Nobody documents productState. That of some ten thousand machines fits this reading: four bits of state
# (0 off, 1 on, 2 snoozing, 3 expired), four for the owner, four for the definitions (0 current).
ON = 1


def parse(raw: JSON, source: str, version: int) -> Antivirus:
    products = _if_there(raw, "AntiVirusProduct")
    status = _if_there(raw, "MSFT_MpComputerStatus")
    return Antivirus(
        products=None if products is None else tuple(map(_product, products)),
        defender=_defender(status[0]) if status else None,
    )


def _if_there(raw: JSON, name: str) -> list[Row] | None:
    """None where this Windows has no such class."""
    if not isinstance(raw, dict):
        raise ValueError("not rows by class")
    return rows(raw, name) if raw.get(name) is not None else None


def _product(row: Row) -> Product:
    state = number(row["productState"])
    if state is None:
        raise ValueError("a product without a state")
    return Product(
        name=text(row["displayName"]),
        on=state >> 12 & 0xF == ON,
        current=state >> 4 & 0xF == 0,
        of_windows=state >> 8 & 0xF == 1,
    )


def _defender(row: Row) -> Defender:
    on = flag(row["AMServiceEnabled"]) is True and flag(row["AntivirusEnabled"]) is True
    real_time = flag(row["RealTimeProtectionEnabled"]) is True
    return Defender(on, real_time, instant(row["AntivirusSignatureLastUpdated"]))


antivirus = Section(
    name="antivirus",
    facts=Antivirus,
    collect={"windows": QUERIES},
    parse=parse,
    privacy="names and states of antivirus products, age of their definitions",
)


@dataclass(frozen=True, slots=True)
class AntivirusLevels:
    # Windows itself calls definitions out of date then (policy "Define the number of days before virus
    # definitions are considered out of date").
    old_days: int = 7
    very_old_days: int = 30


def check(facts: Antivirus, levels: AntivirusLevels, ctx: Context) -> Iterator[Result]:
    if facts.others:
        yield from _check_others(facts.others)
    elif facts.defender is not None and (facts.defender.on or facts.products is not None):
        yield from _check_defender(facts.defender, levels, ctx)
    elif facts.products is None:
        yield NotChecked(reason="a Windows server does not say which other product it has: ask the client")
    else:
        yield from _check_products(facts.products)


def _check_others(products: tuple[Product, ...]) -> Iterator[Result]:
    names = Text(", ".join(one.name for one in products))
    if all(one.current for one in products):
        yield Passed(evidence={"product": names})
    else:
        yield Finding(impact=Impact.LIMITED, message="not_current", evidence={"product": names})


def _check_defender(defender: Defender, levels: AntivirusLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"product": Text("Microsoft Defender")}
    if not (defender.on and defender.real_time):
        yield Finding(impact=Impact.LIMITED, when=When.NOW, message="off", evidence=evidence)
    elif defender.signed_at is None:
        yield Finding(impact=Impact.LIMITED, message="not_current", evidence=evidence)
    else:
        day = 86400
        yield from judge(
            "age",
            Duration(max(0.0, (ctx.collected_at - defender.signed_at).total_seconds())),
            (
                Step(levels.very_old_days * day, Impact.LIMITED, When.NOW),
                Step(levels.old_days * day, Impact.LIMITED),
            ),
            worse=Worse.HIGHER,
            message="old",
            evidence=evidence,
        )


def _check_products(products: tuple[Product, ...]) -> Iterator[Result]:
    """Clients whose Windows lacks the class of its own product: only the security centre speaks."""
    awake = tuple(one for one in products if one.on)
    if awake:
        yield from _check_others(awake)
    elif products:
        names = Text(", ".join(one.name for one in products))
        yield Finding(impact=Impact.LIMITED, when=When.NOW, message="off", evidence={"product": names})
    else:
        yield Finding(impact=Impact.LIMITED, when=When.NOW, message="none")


antivirus_state = Probe(
    id="security.antivirus",
    title="An antivirus product is switched on and up to date",
    check=check,
    levels=AntivirusLevels(),
    messages={
        "none": "No antivirus product is installed.",
        "off": "{product} is switched off.",
        "not_current": "{product} says that its definitions are out of date.",
        "old": "The definitions of {product} are {age} old.",
    },
    why="One infected workstation encrypts every file that its user can reach, the shared data among them.",
    remedy="Switch the product on, let it update itself, and find out what stopped it.",
    verify="The Windows Security page, or the product's own, shows protection on and definitions of today.",
    rights="an ordinary account that may ask root\\SecurityCenter2",
    references=("learn.microsoft.com: MSFT_MpComputerStatus",),
)


# --- exclusions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What Microsoft Defender leaves alone. `hidden`: a policy hides the lists from administrators too."""

    paths: tuple[str, ...]
    extensions: tuple[str, ...]
    processes: int
    hidden: bool


# Names of users are taken out of paths. Without rights the class answers with a sentence in place of the
# lists; the policy that hides them is HideExclusionsFromLocalAdmins.
WINDOWS = r"""
$account = [System.Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object System.Security.Principal.WindowsPrincipal($account)
if (-not $principal.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
  Denied 'exclusions are shown to administrators only'
}
$space = 'root\Microsoft\Windows\Defender'
$properties = 'ExclusionPath', 'ExclusionExtension', 'ExclusionProcess'
$preferences = Wmi 'MSFT_MpPreference' $properties -Namespace $space -Optional
if ($null -eq $preferences) {
  Absent 'this Windows has no Microsoft Defender that could be asked'
}
$policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows Defender'
$paths = @()
$extensions = @()
$processes = 0
foreach ($preference in $preferences) {
  foreach ($path in @($preference['ExclusionPath'])) {
    if ($path) {
      $paths += [regex]::Replace($path, '(?i)(\\Users\\)[^\\]+', '$1(user)')
    }
  }
  foreach ($extension in @($preference['ExclusionExtension'])) {
    if ($extension) {
      $extensions += $extension
    }
  }
  foreach ($process in @($preference['ExclusionProcess'])) {
    if ($process) {
      $processes = $processes + 1
    }
  }
}
@{
  'paths' = $paths
  'extensions' = $extensions
  'processes' = $processes
  'hidden' = (RegistryValue $policy 'HideExclusionsFromLocalAdmins') -eq 1
}
"""


def parse_exclusions(raw: JSON, source: str, version: int) -> Exclusions:
    if not isinstance(raw, dict):
        raise ValueError("not lists of exclusions")
    paths = texts(raw["paths"])
    return Exclusions(
        paths=paths,
        extensions=tuple(one.lstrip("*.").lower() for one in texts(raw["extensions"])),
        processes=number(raw["processes"]) or 0,
        hidden=flag(raw["hidden"]) is True or any(path.startswith("N/A") for path in paths),
    )


exclusions = Section(
    name="antivirus-exclusions",
    facts=Exclusions,
    collect={"windows": PowerShell(WINDOWS, rights="administrator", cost="medium")},
    parse=parse_exclusions,
    parameters={
        "data_folders": Parameter("texts", (), "local folders that hold the data, like D:\\Data"),
    },
    privacy="folders and file types that are not scanned, without names of users",
)


@dataclass(frozen=True, slots=True)
class ExclusionNeeds:
    antivirus: Antivirus
    exclusions: Exclusions | None


@dataclass(frozen=True, slots=True)
class ExclusionLevels:
    # A data folder is left alone as well where all of one of these pairs is excluded: the database and the
    # file of its locks.
    databases: tuple[str, ...] = ("accdb laccdb", "mdb ldb")
    # Whole drives, Windows' folder and those of users are never to be excluded (learn.microsoft.com: "Common
    # mistakes to avoid when defining exclusions"). Patterns in lower case.
    too_wide: tuple[str, ...] = ("?:", "?:\\windows", "?:\\users", "?:\\users\\(user)")
    too_wide_types: tuple[str, ...] = ("exe", "dll", "com", "bat", "cmd", "js", "vbs", "ps1", "zip", "doc")


def check_exclusions(facts: ExclusionNeeds, levels: ExclusionLevels, ctx: Context) -> Iterator[Result]:
    folders = _data_folders(ctx)
    if facts.antivirus.others:
        names = ", ".join(one.name for one in facts.antivirus.others)
        yield NotChecked(reason=f"what {names} leaves alone cannot be read here: ask the client to show it")
    elif facts.antivirus.defender is None or not facts.antivirus.defender.on:
        yield NotChecked(reason="Microsoft Defender is not in use here: ask the client for the exclusions")
    elif facts.exclusions is None:
        reason = "exclusions are shown to administrators only: ask the client to show them"
        yield NotChecked(reason=reason, error=ErrorClass.DENIED)
    elif facts.exclusions.hidden:
        yield NotChecked(reason="a policy hides the exclusions: ask the client to show them")
    else:
        yield from _wide(facts.exclusions, levels)
        if not folders:
            yield NotApplicable(reason="no data folders are declared for this machine")
        for folder in folders:
            yield from _folder(folder, facts.exclusions, levels)


def _data_folders(ctx: Context) -> tuple[str, ...]:
    given = ctx.target.declare.get("data_folders", ())
    return given if isinstance(given, tuple) else (str(given),)


def _wide(facts: Exclusions, levels: ExclusionLevels) -> Iterator[Result]:
    for path in facts.paths:
        if any(fnmatchcase(_plain(path), pattern) for pattern in levels.too_wide):
            yield Finding(impact=Impact.LIMITED, message="too_wide", item=f"exclusion {path}")
    for extension in facts.extensions:
        if extension in levels.too_wide_types:
            yield Finding(impact=Impact.LIMITED, message="too_wide", item=f"exclusion *.{extension}")


def _folder(folder: str, facts: Exclusions, levels: ExclusionLevels) -> Iterator[Result]:
    wanted = _plain(folder)
    path = next((path for path in facts.paths if _covers(_plain(path), wanted)), None)
    pairs = (pair.split() for pair in levels.databases)
    pair = next((pair for pair in pairs if set(pair) <= set(facts.extensions)), None)
    if path is not None or pair is not None:
        shown = path if path is not None else ", ".join(f"*.{one}" for one in pair or ())
        yield Passed(item=folder, evidence={"exclusion": Text(shown)})
    else:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="scanned", item=folder)


def _plain(path: str) -> str:
    return path.lower().replace("/", "\\").removesuffix("*").rstrip("\\")


def _covers(excluded: str, folder: str) -> bool:
    """The folder itself, or one above it; a star in the middle stands for one folder."""
    above = folder.split("\\")
    parts = excluded.split("\\")
    return len(parts) <= len(above) and all(map(fnmatchcase, above, parts))


antivirus_exclusions = Probe(
    id="workstation.av-exclusions",
    title="The antivirus product leaves the data folders alone, and nothing too wide",
    check=check_exclusions,
    levels=ExclusionLevels(),
    messages={
        "scanned": "{item} is scanned by Microsoft Defender at every access.",
        "too_wide": "This exclusion leaves more alone than any program needs: {item}.",
    },
    why="A shared database that is scanned at every access is slow, and may stay locked for its users; an "
    "exclusion that is too wide is where harmful programs hide.",
    remedy="Review the exclusions with whoever answers for security at the site: the folders of the data "
    "only, scanned at night instead.",
    verify="`Get-MpPreference` as administrator shows the folders under ExclusionPath, and no whole drive.",
    visits=frozenset({Visit.THIRTY_DAY, Visit.TUNE_UP, Visit.INTERIM}),
    rights="a local administrator",
    references=("domain: workstation.av-exclusions",),
)
