"""Do all workstations have the same? Data sources, engines, front ends, .NET, Windows and software."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from checkup.api import Context, Impact, PerTarget, Probe, Result, Scope, Target
from probes.host.system import OperatingSystem
from probes.site.drift_matrix import (
    ABSENT,
    MESSAGES,
    WORKSTATION,
    DriftLevels,
    Thing,
    drift,
    workstations,
)
from probes.windows.access_engine import AccessEngines
from probes.windows.applications import Application, Applications, is_front_end
from probes.windows.barcode_readers import BarcodeReaders
from probes.windows.dotnet import DotNet, branch_of, order_of
from probes.windows.odbc import Odbc
from probes.windows.software import Program, Software

F = TypeVar("F")

Seen = Mapping[str, str | None]  # of one machine: the value of each thing, None where it could not be seen


def _things(
    machines: Mapping[str, F],
    seen: Callable[[F], Seen],
    impacts: Callable[[str], Impact] = lambda item: Impact.LIMITED,
    unseen: Callable[[F, str], bool] = lambda facts, item: False,
) -> dict[str, Thing]:
    """What any machine has, with each machine's value.

    `unseen` says of a thing that a machine does not show whether it may be there all the same.
    """
    by_machine = {name: seen(one) for name, one in machines.items()}
    items = dict.fromkeys(item for values in by_machine.values() for item in values)
    things: dict[str, Thing] = {}
    for item in items:
        values: dict[str, str] = {}
        for name, own in by_machine.items():
            value = own.get(item, None if unseen(machines[name], item) else ABSENT)
            if value is not None:
                values[name] = value
        things[item] = Thing(values, impacts(item))
    return things


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted({value for value in values if value})) or "version not given"


# --- ODBC -------------------------------------------------------------------------------------

# These are parts of Windows: their versions follow its own.
OF_WINDOWS = frozenset({"sqlsrv32.dll", "odbcjt32.dll", "msorcl32.dll"})


def _odbc(facts: Odbc) -> Seen:
    sources: dict[str, set[str]] = {}
    for one in facts.sources:
        kind = "user" if one.per_user else f"{one.bits}-bit"
        encrypted = f", encrypt {one.encrypt}" if one.encrypt else ""
        sources.setdefault(f"data source {one.name} ({kind})", set()).add(one.leads_to + encrypted)
    drivers = {
        f"{one.name} ({one.bits}-bit)": one.version if one.state == "there" else f"file {one.state}"
        for one in facts.drivers
        if one.file.lower() not in OF_WINDOWS
    }
    return {item: _joined(values) for item, values in sources.items()} | drivers


def _user_source_unseen(facts: Odbc, item: str) -> bool:
    return item.startswith("data source ") and item.endswith("(user)") and facts.unread_users > 0


def check_odbc(facts: PerTarget[Odbc], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = workstations(facts)
    things = _things(machines, _odbc, unseen=_user_source_unseen)
    yield from drift("ODBC", facts, machines, things, levels)


odbc = Probe(
    id="site.drift-odbc",
    title="All workstations have the same ODBC data sources and drivers",
    check=check_odbc,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="A workstation whose data source leads elsewhere shows other data; one with another driver fails in "
    "its own way, and nobody can repeat it.",
    remedy="Set up the data source and driver of the workstations named like those of the others, in the "
    "ODBC administrator of the same bitness.",
    verify="The next check-up's table shows one value in this column.",
    references=("domain: app.dsn-drift",),
)


# --- Access -----------------------------------------------------------------------------------


def _engines(facts: AccessEngines) -> Seen:
    versions: dict[str, set[str]] = {}
    for product in facts.products:
        versions.setdefault(product.name, set()).add(f"{product.version} {product.bits}-bit".strip())
    for one in facts.ace:
        version = "inside Office" if one.private else one.version or one.state
        versions.setdefault(f"database engine {one.name}", set()).add(f"{version} {one.bits}-bit")
    seen: dict[str, str | None] = {item: _joined(values) for item, values in versions.items()}
    if facts.program_version:
        seen["MSACCESS.EXE"] = f"{facts.program_version} {facts.program_bits}-bit"
    bits = {one.bits for one in facts.ace} | {one.bits for one in facts.products}
    if bits:
        seen["bitness of Access"] = " and ".join(f"{one}-bit" for one in sorted(bits))
    if facts.jet_version:
        seen["Jet engine"] = facts.jet_version
    limits = {f"{one.engine} {one.bits}-bit: {one.locks}" for one in facts.lock_limits}
    if limits:
        seen["locks per file"] = _joined(limits)
    return seen


def _engine_impact(item: str) -> Impact:
    if item == "bitness of Access":
        return Impact.MAJOR  # app.engine-drift: mixed bitness
    # Jet comes with Windows; the number of locks tells who has changed it.
    return Impact.NOTE if item in ("Jet engine", "locks per file") else Impact.LIMITED


def check_engine(facts: PerTarget[AccessEngines], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = workstations(facts)
    things = _things(machines, _engines, _engine_impact)
    yield from drift("Access and its engine", facts, machines, things, levels)


access_engine = Probe(
    id="site.drift-access-engine",
    title="All workstations have the same Access and database engine",
    check=check_engine,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="Engines of different versions write to the same shared file; that is a known cause of damage, and "
    "an engine of another bitness needs other drivers.",
    remedy="Bring the workstations named to the release, update level and bitness of the others.",
    verify="The next check-up's table shows one value in this column.",
    references=("domain: app.engine-drift",),
)


# --- front ends and programs ------------------------------------------------------------------


def _file(one: Application) -> str | None:
    if one.state == "missing":
        return ABSENT
    if one.state != "there":
        return None
    if one.version:
        return one.version
    # A database that is open changes while it is read, and a large one is not read.
    return f"SHA-256 {one.sha256[:12]}" if one.sha256 else None


def _front_ends(facts: Applications) -> Seen:
    """By file name: the folder may differ with the bitness of Windows."""
    return {ntpath.basename(one.path).lower(): _file(one) for one in facts.applications}


def _front_end_impact(item: str) -> Impact:
    # Access writes into a front end that is only opened: another content need not be another release.
    return Impact.NOTE if is_front_end(item) else Impact.LIMITED


def check_front_end(facts: PerTarget[Applications], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = workstations(facts)
    # Where a program is not declared, it is not expected.
    things = _things(machines, _front_ends, _front_end_impact, unseen=lambda facts, item: True)
    yield from drift("Programs and front ends", facts, machines, things, levels)


front_end = Probe(
    id="site.drift-front-end",
    title="All workstations run the same release of the vendor's programs",
    check=check_front_end,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="An older program or front end writes to the data in the way of its own release; its users meet "
    "errors that others do not.",
    remedy="Install the current release, or copy its front end, on the workstations named. An Access front "
    "end also changes while it is used: compare the release that it shows first.",
    verify="The program's own About window shows the same release everywhere.",
    references=("domain: app.version-drift, app.frontend-hash",),
)


# --- .NET -------------------------------------------------------------------------------------


def _dotnet(facts: DotNet) -> Seen:
    seen: dict[str, str | None] = {}
    if facts.framework:
        seen[".NET Framework"] = facts.framework
    if facts.framework_35:
        seen[".NET Framework 3.5"] = facts.framework_35
    for one in sorted(facts.runtimes, key=order_of):
        major, minor = branch_of(one)
        seen[f"{one.name} {major}.{minor} ({one.bits}-bit)"] = one.version
    return seen


def check_dotnet(facts: PerTarget[DotNet], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = workstations(facts)
    things = _things(machines, _dotnet, lambda item: Impact.NOTE)
    yield from drift(".NET", facts, machines, things, levels)


dotnet = Probe(
    id="site.drift-dotnet",
    title="All workstations have the same .NET",
    check=check_dotnet,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="A program that starts here and not there often misses a version of .NET.",
    remedy="Install the missing version on the workstations named, if a program there needs it.",
    verify="The next check-up's table shows one value in this column.",
    references=("domain: app.version-drift",),
)


# --- Windows ----------------------------------------------------------------------------------


def _windows(facts: OperatingSystem) -> Seen:
    return {"release of Windows": f"build {facts.release}", "update level": facts.kernel}


def _windows_impact(item: str) -> Impact:
    # Updates reach machines on different days; host.updates judges those that stay behind.
    return Impact.NOTE if item == "update level" else Impact.LIMITED


def check_windows(facts: PerTarget[OperatingSystem], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = {name: one for name, one in workstations(facts).items() if one.distribution == "windows"}
    things = _things(machines, _windows, _windows_impact)
    yield from drift("Windows", facts, machines, things, levels)


windows = Probe(
    id="site.drift-windows",
    title="All workstations run the same release of Windows",
    check=check_windows,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="Each further release of Windows has to be tested with the vendor's software and with the devices.",
    remedy="Plan the same release of Windows for all workstations, at the latest when they are replaced.",
    verify="`winver` shows the same version and build everywhere.",
    references=("domain: app.version-drift",),
)


# --- software ---------------------------------------------------------------------------------

# Programs that vendors' software needs and that nothing else compares. Release numbers in the names are
# part of the value.
KNOWN = ("SAP Crystal Reports runtime engine", "Microsoft OLE DB Driver for SQL Server")


def _compared_names(targets: Iterable[Target]) -> tuple[str, ...]:
    declared = (target.declare.get("software", ()) for target in targets)
    names = [name for one in declared if isinstance(one, tuple) for name in one]
    return tuple(dict.fromkeys((*names, *KNOWN)))


def _named(facts: Software, name: str) -> list[Program]:
    starts = re.compile(re.escape(name) + r"(?!\w)", re.IGNORECASE)
    return [one for one in facts.programs if starts.match(one.name)]


def _programs(facts: Software, names: Iterable[str]) -> Seen:
    found = {name: _named(facts, name) for name in names}
    return {name: _joined(one.version or one.name for one in own) for name, own in found.items() if own}


def check_software(facts: PerTarget[Software], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = workstations(facts)
    names = _compared_names(facts.targets[name] for name in machines)
    # What one user installed for himself may be in a profile that nobody could read.
    of_users = {
        name for name in names if any(one.by_user for own in machines.values() for one in _named(own, name))
    }
    things = _things(
        machines,
        lambda one: _programs(one, names),
        unseen=lambda one, item: item in of_users and one.unread_profiles > 0,
    )
    yield from drift("Software", facts, machines, things, levels)


software = Probe(
    id="site.drift-software",
    title="All workstations have the same release of the vendor's software",
    check=check_software,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="A workstation that an upgrade left out fails when the data or the server expect the new release.",
    remedy="Install the release of the other workstations on those named.",
    verify="Programs and Features shows the same version everywhere.",
    references=("domain: app.version-drift",),
)


# --- barcode readers --------------------------------------------------------------------------


def _layout(facts: BarcodeReaders) -> Seen:
    return {"keyboard layout": ", ".join(facts.layouts) or None}


def check_layout(facts: PerTarget[BarcodeReaders], levels: DriftLevels, ctx: Context) -> Iterator[Result]:
    machines = {
        name: one
        for name, one in workstations(facts).items()
        if any(reader.attached == "keyboard" for reader in one.readers)
    }
    yield from drift("Barcode readers", facts, machines, _things(machines, _layout), levels)


reader_layout = Probe(
    id="site.drift-reader-layout",
    title="Workstations with barcode readers have the same keyboard layout",
    check=check_layout,
    levels=DriftLevels(),
    scope=Scope.SITE,
    roles=frozenset({WORKSTATION}),
    messages=MESSAGES,
    why="A reader that types like a keyboard sends keys, not characters: under another layout a scan has "
    "other characters (y and z, or minus and slash, change places).",
    remedy="Give the reader the layout of its machine with the maker's setup barcodes, or set the same "
    "keyboard layout on all machines with readers, also for the sign-in screen.",
    verify="A scan of one label gives the same characters in a text editor on each machine.",
    references=("domain: inventory.reader-present, inventory.unknown-codes",),
)
