"""The health of disks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
    ErrorClass,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    PowerShell,
    Probe,
    Ratio,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import Row, flag, number, rows, rows_or_none, text, texts


@dataclass(frozen=True, slots=True)
class Disk:
    """`verdict` is the disk's own ("PASSED", "FAILED" or "" where it gave none); `problem` says why there
    is none. Counters are None where the disk does not count them; `model` is known on Windows only."""

    name: str
    verdict: str
    problem: str = ""
    reallocated: int | None = None
    pending: int | None = None
    uncorrectable: int | None = None
    worn_ratio: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Disks:
    """`virtual` disks belong to the host of a virtual machine and have no health of their own."""

    disks: tuple[Disk, ...]
    virtual: int = 0


# A disk of a virtual machine has no health of its own. -n standby: a sleeping disk is not woken.
SMART = """
found=
for disk in /sys/block/sd* /sys/block/nvme* /sys/block/hd*; do
  [ -e "$disk/device" ] || continue
  vendor= model=
  read -r vendor <"$disk/device/vendor" 2>/dev/null
  read -r model <"$disk/device/model" 2>/dev/null
  case "$vendor $model" in
    *QEMU*|*VMware*|*VBOX*|*Msft*|*Virtual*|*VIRTUAL*|*Amazon*|*Google*) continue ;;
  esac
  found="$found ${disk#/sys/block/}"
done
[ -n "$found" ] || absent "no disk whose health can be seen: a virtual machine or a container"
command -v smartctl >/dev/null || absent "smartctl is not installed"
[ "$(id -u)" = 0 ] || denied "the health of disks is shown to root only"
for name in $found; do
  echo "disk $name"
  smartctl -n standby -H -A "/dev/$name" 2>/dev/null
done
exit 0
"""

# Only administrators see the last three; what is not seen is null. Capability 7: the medium can be removed.
WINDOWS = r"""
$rows = @{}
$properties = 'Index', 'Model', 'PNPDeviceID', 'Status', 'Capabilities'
$rows['Win32_DiskDrive'] = Wmi -Class 'Win32_DiskDrive' -Properties $properties
$storage = 'root\Microsoft\Windows\Storage'
$physical = $null
$counters = $null
$forecasts = $null
try {
  $properties = 'DeviceId', 'FriendlyName', 'HealthStatus', 'OperationalStatus', 'BusType'
  $physical = Wmi -Class 'MSFT_PhysicalDisk' -Namespace $storage -Properties $properties -Optional
  $properties = @(
    'DeviceId',
    'Wear',
    'Temperature',
    'PowerOnHours',
    'ReadErrorsUncorrected',
    'WriteErrorsUncorrected'
  )
  $class = 'MSFT_StorageReliabilityCounter'
  $counters = Wmi -Class $class -Namespace $storage -Properties $properties -Optional
} catch [System.Management.ManagementException] {
  # Without these rows the health of the disks counts as not seen.
  $counters = $null
}
try {
  $properties = 'InstanceName', 'PredictFailure', 'Active'
  $name = 'MSStorageDriver_FailurePredictStatus'
  $forecasts = Wmi -Class $name -Namespace 'root\wmi' -Properties $properties -Optional
} catch [System.Management.ManagementException] {
  # Disks that cannot foretell their end make this an error: then it is not seen.
  $forecasts = $null
}
$rows['MSFT_PhysicalDisk'] = $physical
$rows['MSFT_StorageReliabilityCounter'] = $counters
$rows['MSStorageDriver_FailurePredictStatus'] = $forecasts
$rows
"""

# Tells a disk that is failing, never one that is well.
CIM = Wmi(
    (WmiQuery("Win32_DiskDrive", ("Index", "Model", "PNPDeviceID", "Status", "Capabilities")),),
)

VERDICT = re.compile(r"(?:self-assessment test result|SMART Health Status): *(\w+)", re.A)
ATTRIBUTE = re.compile(r"^ *(\d{1,3}) [\w-]+ +0x\w+ +(\d{1,3}) .* (\d{1,15})(?: \(.*\))?$", re.M | re.A)
WORN = re.compile(r"Percentage Used: *(\d{1,3})%", re.A)
MEDIA = re.compile(r"Media and Data Integrity Errors: *([\d,]{1,20})", re.A)


def parse_smart(raw: JSON, source: str, version: int) -> Disks:
    if source in ("windows", "cim"):
        return _from_windows(raw)
    blocks = re.split(r"^disk ", str(raw), flags=re.M)[1:]
    if not blocks:
        raise ValueError("no disk in the answer")
    return Disks(tuple(_disk(block) for block in blocks))


def _disk(block: str) -> Disk:
    name, _, report = block.partition("\n")
    verdict = VERDICT.search(report)
    counters = {int(a[1]): int(a[3]) for a in ATTRIBUTE.finditer(report)}
    worn, media = WORN.search(report), MEDIA.search(report)
    if verdict is None:
        asleep = "STANDBY" in report or "SLEEP" in report
        return Disk(name.strip(), "", "asleep" if asleep else "it does not report its health")
    return Disk(
        name=name.strip(),
        verdict="PASSED" if verdict[1].upper() in ("PASSED", "OK") else "FAILED",
        reallocated=counters.get(5),
        pending=counters.get(197),
        uncorrectable=int(media[1].replace(",", "")) if media else counters.get(198),
        worn_ratio=int(worn[1]) / 100 if worn else None,
    )


# --- Windows ----------------------------------------------------------------------------------

VIRTUAL = re.compile(r"virtual|vmware|vbox|qemu|virtio|xensrc|google|amazon elastic|nutanix", re.I | re.A)
# What a controller shows in place of its disks, and what Windows makes of a pool of disks.
CONTROLLER = re.compile(
    r"perc |raid|logical vol|megaraid|smart array|^(lsi|avago|adaptec|areca)\b|volume", re.I | re.A
)
POOL = re.compile(r"storage space", re.I | re.A)
REMOVABLE = 7  # Win32_DiskDrive.Capabilities: supports removable media

# MSFT_PhysicalDisk (Windows storage management API): HealthStatus 1 warning, 2 unhealthy;
# OperationalStatus 5 predictive failure, 6 error, 12 no contact, 13 lost communication.
UNHEALTHY = frozenset({1, 2})
FAILING = frozenset({5, 6, 12, 13})
BUS_USB = 7

SIGNS_OF_LIFE = ("Temperature", "PowerOnHours", "Wear")
UNCORRECTED = ("ReadErrorsUncorrected", "WriteErrorsUncorrected")


def _from_windows(raw: JSON) -> Disks:
    drives = {str(number(row["Index"])): row for row in rows(raw, "Win32_DiskDrive")}
    if not drives:
        raise ValueError("no disk in the answer")
    physical = _by_number(raw, "MSFT_PhysicalDisk")
    counters = _by_number(raw, "MSFT_StorageReliabilityCounter")
    forecasts = rows_or_none(raw, "MSStorageDriver_FailurePredictStatus") or []
    fixed = {
        index: row
        for index, row in drives.items()
        if REMOVABLE not in _numbers(row["Capabilities"]) and not POOL.search(text(row["Model"]))
    }
    # The members of a pool are physical disks only.
    members = {
        index: {"Model": row["FriendlyName"], "PNPDeviceID": "", "Status": ""}
        for index, row in physical.items()
        if index and index not in drives
    }
    found: list[Disk] = []
    virtual = 0
    for index, drive in {**fixed, **members}.items():
        if VIRTUAL.search(f"{text(drive['Model'])} {text(drive['PNPDeviceID'])}"):
            virtual += 1
            continue
        foretold = next((row for row in forecasts if _same_device(row, drive)), None)
        found.append(_windows_disk(index, drive, physical.get(index), counters.get(index), foretold))
    return Disks(tuple(found), virtual)


def _numbers(value: JSON) -> tuple[int | None, ...]:
    return tuple(number(one) for one in texts(value))


def _by_number(raw: JSON, name: str) -> Mapping[str, Row]:
    return {text(row["DeviceId"]): row for row in rows_or_none(raw, name) or []}


def _same_device(forecast: Row, drive: Row) -> bool:
    """`InstanceName` is the device's own name and a number after it: SCSI\\DISK&VEN_..._0."""
    name = text(drive["PNPDeviceID"]).casefold()
    return bool(name) and text(forecast["InstanceName"]).casefold().startswith(name + "_")


def _windows_disk(
    index: str, drive: Row, physical: Row | None, counters: Row | None, foretold: Row | None
) -> Disk:
    name, model = f"PhysicalDrive{index}", text(drive["Model"])
    states = _numbers(physical["OperationalStatus"]) if physical else ()
    failing = (
        text(drive["Status"]).casefold() == "pred fail"
        or (foretold is not None and flag(foretold["PredictFailure"]) is True)
        or (physical is not None and number(physical["HealthStatus"]) in UNHEALTHY)
        or any(state in FAILING for state in states)
    )
    if not failing and not _heard(model, counters, foretold):
        usb = physical is not None and number(physical["BusType"]) == BUS_USB
        way = "USB" if usb else "its controller, or not to this account"
        return Disk(name, "", f"its health is not visible through {way}", model=model)
    errors = [count for key in UNCORRECTED if counters and (count := number(counters[key])) is not None]
    wear = number(counters["Wear"]) if counters else None
    return Disk(
        name=name,
        verdict="FAILED" if failing else "PASSED",
        uncorrectable=sum(errors) if errors else None,
        worn_ratio=wear / 100 if wear is not None else None,
        model=model,
    )


def _heard(model: str, counters: Row | None, foretold: Row | None) -> bool:
    """Whether the disk itself said how it is: Windows calls a disk healthy that tells it nothing."""
    if CONTROLLER.search(model):
        return False
    signs = [number(counters[key]) for key in SIGNS_OF_LIFE] if counters else []
    return any(signs) or (foretold is not None and flag(foretold["Active"]) is True)


disks = Section(
    name="disk-health",
    facts=Disks,
    collect={
        "posix": Shell(SMART, timeout_s=40),
        "windows": PowerShell(WINDOWS, timeout_s=40, rights="administrator", cost="medium"),
        "cim": CIM,
    },
    parse=parse_smart,
    privacy="names, models and health counters of disks; no serial numbers",
)


@dataclass(frozen=True, slots=True)
class DiskLevels:
    sectors: int = 1  # sectors that wait to be remapped or could not be read (workstation.disk-health)
    reallocated: int = 10  # sectors remapped so far
    worn: float = 0.90  # share of the writes that a flash disk is made for


def check_disks(facts: Disks, levels: DiskLevels, ctx: Context) -> Iterator[Result]:
    if facts.virtual and not facts.disks:
        yield NotApplicable(reason="no disk whose health can be seen: a virtual machine")
    for disk in facts.disks:
        if not disk.verdict:
            yield _unseen(disk)
            continue
        bad = (disk.pending or 0) + (disk.uncorrectable or 0)
        moved, worn = disk.reallocated or 0, disk.worn_ratio or 0.0
        evidence: dict[str, Value] = {
            "verdict": Text(disk.verdict),
            "bad_sectors": Number(bad),
            "reallocated": Number(moved),
            "worn": Ratio(worn),
        }
        if disk.model:
            evidence["model"] = Text(disk.model)
        yield Metric(name="bad_sectors", value=Number(bad), item=disk.name)
        if disk.verdict == "FAILED":
            impact, message = Impact.MAJOR, "failing"
        elif bad >= levels.sectors:
            impact, message = Impact.LIMITED, "sectors"
        elif moved >= levels.reallocated:
            impact, message = Impact.LIMITED, "moved"
        elif worn >= levels.worn:
            impact, message = Impact.LIMITED, "worn"
        else:
            yield Passed(item=disk.name, evidence=evidence)
            continue
        yield Finding(
            impact=impact,
            function=RECOVERABILITY,
            when=When.NOW if impact is Impact.MAJOR else When.BEFORE_NEXT_VISIT,
            message=message,
            item=disk.name,
            evidence=evidence,
            value=Number(bad),
            worse=Worse.HIGHER,
        )


def _unseen(disk: Disk) -> Result:
    if disk.problem == "asleep":
        return NotChecked(item=disk.name, reason="the disk was asleep and was not woken")
    reason = f"{disk.problem} ({disk.model})" if disk.model else disk.problem
    return NotChecked(item=disk.name, reason=reason, error=ErrorClass.UNSUPPORTED)


disk_health = Probe(
    id="host.disk-health",
    title="Disks report good health",
    check=check_disks,
    levels=DiskLevels(),
    messages={
        "failing": "Disk {item} says of itself that it is failing.",
        "sectors": "Disk {item} has {bad_sectors} sectors that it cannot read or waits to replace.",
        "moved": "Disk {item} has replaced {reallocated} worn sectors.",
        "worn": "Flash disk {item} has used {worn} of the writes it is made for.",
    },
    why="Most disks announce their failure; after it, all that counts is the last backup.",
    remedy="Make a backup and prove that it can be read; then replace the disk.",
    verify="`smartctl -H -A` of the new disk shows PASSED and no bad sectors; on Windows the maker's or the "
    "controller's own program calls it healthy.",
    rights="root, on Windows an administrator, for the health of disks",
    references=("domain: workstation.disk-health, server.disk-health",),
)
