"""Microsoft Access and its database engine: what is installed, of which bitness, and whether supported."""

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
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
)
from probes.lifecycle import dates, judge_support
from probes.windows.fragments import FILES, VIEWS
from probes.windows.rows import flag, number, rows, text


@dataclass(frozen=True, slots=True)
class Product:
    """Something that brought Access or its engine.

    `kind` is Access, Access Runtime or Access Database Engine; `release` is a year, or 365 for the
    subscription; `updates` is false where Office may not update itself.
    """

    kind: str
    release: str
    bits: int
    version: str
    updates: bool = True

    @property
    def name(self) -> str:
        return f"{self.kind} {self.release}"


@dataclass(frozen=True, slots=True)
class Engine:
    """A database engine that programs ask for by `name`, like Microsoft.ACE.OLEDB.16.0.

    `private`: only Office itself can see it (Click-to-Run); then nothing is known of its file.
    """

    name: str
    bits: int
    file: str
    state: str
    version: str
    private: bool


@dataclass(frozen=True, slots=True)
class LockLimit:
    """MaxLocksPerFile of one engine."""

    engine: str
    bits: int
    locks: int


@dataclass(frozen=True, slots=True)
class AccessEngines:
    """`program_version` is that of MSACCESS.EXE ("" without it), `jet_version` that of msjet40.dll."""

    products: tuple[Product, ...]
    engines: tuple[Engine, ...]
    lock_limits: tuple[LockLimit, ...]
    program_version: str
    program_bits: int
    jet_version: str

    @property
    def ace(self) -> tuple[Engine, ...]:
        return tuple(one for one in self.engines if ".ACE." in one.name)


# Click-to-Run keeps what Office registers in a registry of its own, below ClickToRun\REGISTRY.
WINDOWS = (
    VIEWS
    + FILES
    + r"""
$office = 'HKLM:\SOFTWARE\Microsoft\Office'
$private = $office + '\ClickToRun\REGISTRY\MACHINE\Software'

$streamed = New-Object System.Collections.ArrayList
foreach ($generation in @(16, 15)) {
  $key = $office + '\ClickToRun\Configuration'
  if ($generation -eq 15) {
    $key = $office + '\15.0\ClickToRun\Configuration'
  }
  $values = RegistryValues $key
  if ($null -ne $values -and $null -ne $values['ProductReleaseIds']) {
    $one = @{ 'generation' = $generation }
    $one['products'] = [string] $values['ProductReleaseIds']
    $one['platform'] = [string] $values['Platform']
    $one['version'] = [string] $values['VersionToReport']
    $one['updates'] = [string] $values['UpdatesEnabled']
    [void]$streamed.Add($one)
  }
}

# Installed packages of the Office family: the digits of their codes say what they are.
$packages = New-Object System.Collections.ArrayList
foreach ($view in $views) {
  $uninstall = $view['root'] + '\Microsoft\Windows\CurrentVersion\Uninstall'
  $names = RegistryKeys $uninstall
  foreach ($name in @($names)) {
    if ($name -match '^\{[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{5}(00FF1CE|48383C9)\}$') {
      $version = [string] (RegistryValue ($uninstall + '\' + $name) 'DisplayVersion')
      [void]$packages.Add(@{ 'code' = [string] $name; 'version' = $version })
    }
  }
}

$engines = New-Object System.Collections.ArrayList
$names = @('Microsoft.ACE.OLEDB.12.0', 'Microsoft.ACE.OLEDB.15.0', 'Microsoft.ACE.OLEDB.16.0')
$names += 'Microsoft.Jet.OLEDB.4.0'
foreach ($name in $names) {
  foreach ($classes in @('HKLM:\SOFTWARE\Classes', ($private + '\Classes'))) {
    $class = [string] (RegistryValue ($classes + '\' + $name + '\CLSID') '')
    if ($class -eq '') {
      continue
    }
    foreach ($view in $views) {
      $node = ''
      if ($wide -and $view['bits'] -eq 32) {
        $node = '\WOW6432Node'
      }
      $server = RegistryValue ($classes + $node + '\CLSID\' + $class + '\InprocServer32') ''
      if ($null -eq $server) {
        continue
      }
      $engine = @{ 'name' = $name; 'bits' = $view['bits']; 'file' = ''; 'state' = ''; 'version' = '' }
      $engine['private'] = $classes.StartsWith($private)
      if (-not $engine['private']) {
        $path = PlainPath ([string] $server) $view['bits']
        $engine['file'] = FileName $path
        $engine['state'] = FileState $path
        if ($engine['state'] -eq 'there') {
          $engine['version'] = FileVersion $path
        }
      }
      [void]$engines.Add($engine)
    }
  }
}

$limits = New-Object System.Collections.ArrayList
foreach ($view in $views) {
  $node = ''
  if ($wide -and $view['bits'] -eq 32) {
    $node = '\WOW6432Node'
  }
  $keys = @{ 'Jet 4.0' = $view['root'] + '\Microsoft\Jet\4.0\Engines\Jet 4.0' }
  foreach ($generation in @('12.0', '14.0', '15.0', '16.0')) {
    $below = '\Microsoft\Office\' + $generation + '\Access Connectivity Engine\Engines\ACE'
    $keys['ACE ' + $generation] = $view['root'] + $below
    $keys['Office ACE ' + $generation] = $private + $node + $below
  }
  foreach ($engine in @($keys.Keys)) {
    $locks = RegistryValue $keys[$engine] 'MaxLocksPerFile'
    if ($null -ne $locks) {
      [void]$limits.Add(@{ 'engine' = [string] $engine; 'bits' = $view['bits']; 'locks' = $locks })
    }
  }
}

$paths = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\'
$program = PlainPath ([string] (RegistryValue ($paths + 'MSACCESS.EXE') '')) 64
$access = @{ 'state' = 'unnamed'; 'version' = ''; 'bits' = 32 }
if ($wide -and $program -notmatch '\\Program Files \(x86\)\\') {
  $access['bits'] = 64
}
if ($program -ne '') {
  $access['state'] = FileState $program
}
if ($access['state'] -eq 'there') {
  $access['version'] = FileVersion $program
}

$jet = PlainPath 'msjet40.dll' 32
$jetversion = ''
if ((FileState $jet) -eq 'there') {
  $jetversion = FileVersion $jet
}

@{
  'streamed' = $streamed.ToArray()
  'packages' = $packages.ToArray()
  'engines' = $engines.ToArray()
  'lock_limits' = $limits.ToArray()
  'access' = $access
  'jet_version' = $jetversion
}
"""
)

# {BRMMmmmm-PPPP-LLLL-p000-D000000FF1CE}: MM generation, PPPP product, LLLL language (0000: the product
# itself, not a part of it), p bitness. https://learn.microsoft.com/office/troubleshoot/office-suite-issues/
# numbering-scheme-product-code-guids; Office 2003: TTPPLLLL-6000-11D3-8CFE-0150048383C9 (KB 832672).
_CODE = re.compile(
    r"\{[0-9A-F]{2}(?P<generation>[0-9]{2})[0-9A-F]{4}-(?P<product>[0-9A-F]{4})-(?P<language>[0-9A-F]{4})"
    r"-(?P<bits>[01])[0-9A-F]{3}-[0-9A-F]{5}00FF1CE\}",
    re.IGNORECASE,
)
_CODE_2003 = re.compile(r"\{[0-9A-F]{2}(?P<product>[0-9A-F]{2})[0-9A-F]{4}-.*-0150048383C9\}", re.IGNORECASE)
RELEASES = {"12": "2007", "14": "2010", "15": "2013", "16": "2016"}
KINDS = {
    "0011": "Access",  # Professional Plus
    "0014": "Access",  # Professional
    "0015": "Access",
    "0030": "Access",  # Enterprise (2007)
    "002E": "Access",  # Ultimate (2007)
    "001C": "Access Runtime",
    "00D1": "Access Database Engine",  # it has only a product of each language
}
KINDS_2003 = {"11": "Access", "15": "Access", "1C": "Access Runtime"}

# Click-to-Run products that hold Access. https://learn.microsoft.com/troubleshoot/microsoft-365/admin/
# installation/product-ids-supported-office-deployment-click-to-run
_STREAMED = re.compile(
    r"(?P<what>O365\w*?|AccessRuntime|Access|ProPlus(SPLA)?|Professional|Mondo)(?P<year>20[0-9]{2})?"
    r"(Retail|Volume|EEANoTeamsRetail)"
)


def parse(raw: JSON, source: str, version: int) -> AccessEngines:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    access = rows(raw, "access")[0]
    there = text(access["state"]) == "there"
    streamed = (product for row in rows(raw, "streamed") for product in _streamed(row))
    packages = (product for row in rows(raw, "packages") if (product := _package(row)))
    return AccessEngines(
        products=tuple(dict.fromkeys((*streamed, *packages))),
        engines=tuple(
            Engine(
                name=text(row["name"]),
                bits=number(row["bits"]) or 0,
                file=text(row["file"]),
                state=text(row["state"]),
                version=text(row["version"]),
                private=bool(flag(row["private"])),
            )
            for row in rows(raw, "engines")
        ),
        lock_limits=tuple(
            LockLimit(text(row["engine"]), number(row["bits"]) or 0, number(row["locks"]) or 0)
            for row in rows(raw, "lock_limits")
        ),
        program_version=text(access["version"]) if there else "",
        program_bits=(number(access["bits"]) or 0) if there else 0,
        jet_version=text(raw["jet_version"]),
    )


def _streamed(row: Mapping[str, JSON]) -> Iterator[Product]:
    generation = number(row["generation"])
    bits = 64 if text(row["platform"]).lower() == "x64" else 32
    for name in text(row["products"]).split(","):
        found = _STREAMED.fullmatch(name.strip())
        if found is None:
            continue
        subscription = found["what"].startswith("O365") or found["what"] == "AccessRuntime"
        perpetual = "365" if subscription and generation == 16 else RELEASES[str(generation)]
        yield Product(
            kind="Access Runtime" if found["what"] == "AccessRuntime" else "Access",
            release=found["year"] or perpetual,
            bits=bits,
            version=text(row["version"]),
            updates=text(row["updates"]).lower() != "false",
        )


def _package(row: Mapping[str, JSON]) -> Product | None:
    code = text(row["code"])
    if found := _CODE_2003.fullmatch(code):
        kind, release, bits = KINDS_2003.get(found["product"].upper()), "2003", 32
    elif found := _CODE.fullmatch(code):
        product = found["product"].upper()
        whole = found["language"] == "0000" or product == "00D1"
        kind = KINDS.get(product) if whole else None
        release, bits = RELEASES.get(found["generation"], ""), 64 if found["bits"] == "1" else 32
    else:
        return None
    return Product(kind, release, bits, text(row["version"])) if kind and release else None


access_engine = Section(
    name="access-engine",
    facts=AccessEngines,
    collect={"windows": PowerShell(WINDOWS, timeout_s=30, rights="user", cost="medium")},
    parse=parse,
    privacy="versions of Microsoft Access and of its database engine",
)


# --- the engine -------------------------------------------------------------------------------


def check_engine(facts: AccessEngines, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.ace and not facts.program_version:
        yield NotApplicable(reason="neither Access nor its database engine is installed")
        return
    for engine in facts.engines:
        if not engine.private:
            yield _engine(engine)
    yield _bitness(facts)


def _engine(engine: Engine) -> Result:
    item = f"{engine.name} ({engine.bits}-bit)"
    evidence: dict[str, Value] = {"file": Text(engine.file or "none"), "version": Text(engine.version)}
    if engine.state in ("missing", "no drive"):
        return Finding(impact=Impact.MAJOR, message="broken", item=item, evidence=evidence)
    if engine.state != "there":
        return NotChecked(item=item, reason=f"its file {engine.file} is {engine.state}")
    return Passed(item=item, evidence=evidence)


def _bitness(facts: AccessEngines) -> Result:
    """One bitness for the machine: what Office brings for itself counts as well."""
    kinds = {engine.bits for engine in facts.ace} | {product.bits for product in facts.products}
    kinds |= {facts.program_bits} - {0}
    installed = [f"{one.name} {one.bits}-bit" for one in facts.products]
    named = {product.bits for product in facts.products}
    installed += [f"{one.name} {one.bits}-bit" for one in facts.ace if one.bits not in named]
    evidence: dict[str, Value] = {
        "installed": Text(", ".join(dict.fromkeys(installed)) or "Access"),
        "access": Text(facts.program_version or "none"),
    }
    if len(kinds) > 1:
        return Finding(impact=Impact.LIMITED, message="mixed", item="bitness", evidence=evidence)
    return Passed(item="bitness", evidence=evidence)


engine = Probe(
    id="app.access-engine",
    title="The Access database engine is complete, and of one kind",
    check=check_engine,
    levels=NoLevels(),
    messages={
        "broken": "Programs find database engine {item} in the registry, but its file {file} is missing.",
        "mixed": "Access or its engine is installed both for 32-bit and for 64-bit programs: {installed}.",
    },
    why="Without a complete engine of its own bitness a program cannot open an Access database; engines of "
    "both kinds beside each other break with updates of Office.",
    remedy="Remove the Access Database Engine that does not fit the program, then repair the other one (or "
    "Office) from Programs and Features.",
    verify="A data source for Access in the ODBC administrator of the program's bitness opens its file.",
    references=("domain: app.engine-drift", "https://github.com/MicrosoftDocs/OfficeDocs-Support/issues/519"),
)


# --- support ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lifecycle:
    release: str
    ends: date
    source: str
    as_of: date


@cache
def lifecycles() -> Mapping[str, Lifecycle]:
    """End of security updates by release; each row has its source."""
    content = files("probes.windows").joinpath("access_lifecycle.json").read_text(encoding="utf-8")
    table: list[dict[str, Any]] = json.loads(content)["rows"]
    return {
        row["release"]: Lifecycle(
            row["release"], date.fromisoformat(row["ends"]), row["source"], date.fromisoformat(row["as_of"])
        )
        for row in table
    }


@dataclass(frozen=True, slots=True)
class SupportLevels:
    soon_days: int = 365  # time left until the end of security updates (as for server.os-supported)


def check_support(facts: AccessEngines, levels: SupportLevels, ctx: Context) -> Iterator[Result]:
    products = {product.name: product for product in facts.products}
    if not products and facts.program_version:
        yield NotChecked(
            reason=f"Access {facts.program_version} was installed by a package that is not known"
        )
    elif not products:
        yield NotApplicable(reason="neither Access nor its database engine is installed")
    for name, product in sorted(products.items()):
        yield _supported(name, product, levels, ctx)


def _supported(name: str, product: Product, levels: SupportLevels, ctx: Context) -> Result:
    evidence: dict[str, Value] = {
        "version": Text(product.version),
        "bitness": Text(f"{product.bits}-bit"),
        "updates": Text("yes" if product.updates else "no"),
    }
    if product.release == "365":
        if product.updates:
            return Passed(item=name, evidence=evidence)
        return Finding(impact=Impact.NOTE, message="no_updates", item=name, evidence=evidence)
    row = lifecycles().get(product.release)
    if row is None:
        return NotChecked(item=name, reason=f"the lifecycle table does not know {name}")
    return judge_support(
        row.ends,
        levels.soon_days,
        ctx.now,
        evidence | dates(row.ends, row.source, row.as_of),
        item=name,
        ended_impact=Impact.LIMITED,
        ended_function="",
        ending_function="",
    )


support = Probe(
    id="app.access-support",
    title="Microsoft Access still gets security updates",
    check=check_support,
    levels=SupportLevels(),
    messages={
        "ended": "{item} ({version}) has had no security updates from its maker since {ends}.",
        "ends": "{item} ({version}) gets its last security updates from its maker on {ends}.",
        "no_updates": "{item} ({version}) may not update itself; it needs another way to its updates.",
    },
    why="A database engine without security updates is open to prepared files, and the vendor's next release "
    "may ask for a newer one.",
    remedy="Agree the next release of Access (or of its runtime) with the vendor and install it on all "
    "workstations at once, in the same bitness.",
    verify="File > Account in Access, or Programs and Features, shows a release that is still supported.",
    references=("domain: app.engine-drift", "the table's rows name the maker's page"),
)
