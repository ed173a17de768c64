"""The health of disks, and of the file systems on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
    ErrorClass,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
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
from probes.windows.event_log import EventGroup, event_log
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


# --- file systems -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileSystem:
    """`errors` is the kernel's own count since the file system was last checked; None: not counted.
    `dirty`: Windows wants to check it at its next start."""

    mount: str
    device: str
    kind: str
    read_only: bool
    wanted_read_only: bool
    errors: int | None
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class StorageEvents:
    """Events of Windows' system log that tell of trouble with a disk, its cable or a file system:
    `kind` is one of STORAGE_EVENTS, `device` what the event names ("" where that is unclear)."""

    kind: str
    device: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class FileSystems:
    """Windows only: `counted_since` is where the counting of events began, `log_begins` the oldest event of
    the log (None: it is empty); `log_cut`: the log holds more storage events than were counted."""

    file_systems: tuple[FileSystem, ...]
    degraded_arrays: tuple[str, ...]
    arrays: int
    events: tuple[StorageEvents, ...] = ()
    counted_since: datetime | None = None
    log_begins: datetime | None = None
    log_cut: bool = False


FILE_SYSTEMS = """
[ -r /proc/mounts ] || unsupported "no /proc/mounts on this system"
for file in /sys/fs/ext4/*/errors_count /sys/fs/btrfs/*/devinfo/*/error_stats; do
  [ -r "$file" ] || continue
  total=0
  while read -r first second; do total=$((total + ${second:-$first})); done <"$file"
  echo "errors $file $total"
done
for link in /dev/mapper/*; do
  [ -L "$link" ] && target=$(readlink "/dev/mapper/${link#/dev/mapper/}") && echo "mapped $link ${target##*/}"
done
[ -r /proc/mdstat ] && awk '/^md/ { name = $1 } / \\[[U_]+\\]/ { print "array", name, $NF }' /proc/mdstat
echo "== fstab"
[ -r /etc/fstab ] && awk '$1 !~ /^#/ && $4 ~ /(^|,)ro(,|$)/ { print $2 }' /etc/fstab
echo "== mounts"
awk '$1 ~ /^\\// && $3 ~ /^(ext[234]|xfs|btrfs|vfat|ntfs|ntfs3|fuseblk|zfs|f2fs|jfs|reiserfs)$/ {
  print $1, $2, $3, $4 }' /proc/mounts
exit 0
"""


# The first inserted value of these events is the device or the volume.
WINDOWS_STORAGE = r"""
$rows = @{}
$now = [System.DateTime]::UtcNow
$epoch = New-Object System.DateTime(1970, 1, 1)
$since = [long] $P.since
if ($since -le 0) {
  $since = [long] ($now - $epoch).TotalSeconds - 2592000
}
$filter = '(EventID=7 or EventID=11 or EventID=51 or EventID=55 or EventID=98'
$filter = $filter + ' or EventID=129 or EventID=153 or EventID=2013)'
$rows['since'] = $since
$rows['System'] = Events -Log 'System' -Since $since -Filter $filter -Fields @(0)
$properties = 'DeviceID', 'FileSystem', 'VolumeDirty'
$rows['Win32_LogicalDisk'] = Wmi -Class 'Win32_LogicalDisk' -Properties $properties -Where 'DriveType = 3'
$properties = 'FriendlyName', 'HealthStatus', 'OperationalStatus'
$class = 'MSFT_VirtualDisk'
$storage = 'root\Microsoft\Windows\Storage'
$rows[$class] = $null
try {
  $rows[$class] = Wmi -Class $class -Namespace $storage -Properties $properties -Optional
} catch [System.Management.ManagementException] {
  # Storage pools are shown to administrators only; the log tells of their trouble as well.
  $rows[$class] = $null
}
$rows
"""


def parse_file_systems(raw: JSON, source: str, version: int) -> FileSystems:
    if source == "windows":
        return _file_systems_of_windows(raw)
    head, mark, mounts = str(raw).partition("== mounts\n")
    counts_text, _, fstab = head.partition("== fstab\n")
    if not mark:
        raise ValueError("the list of mounts is missing")
    counts: dict[str, int] = {}
    for path, count in re.findall(
        r"^errors /sys/fs/ext4/([^/\s]+)/\S+ (\d{1,12})$", counts_text, re.M | re.A
    ):
        counts[path] = int(count)
    mapped = dict(re.findall(r"^mapped (\S+) (\S+)$", counts_text, re.M))
    arrays = re.findall(r"^array (\S+) \[([U_]+)\]$", counts_text, re.M)
    found: dict[str, FileSystem] = {}
    for line in mounts.splitlines():
        device, mount, kind, options = line.split()[:4]
        kernel_name = mapped.get(device, device.rpartition("/")[2])
        # The same device may be mounted in many places; the first is its own.
        found.setdefault(
            device,
            FileSystem(
                mount=mount.replace("\\040", " "),
                device=device,
                kind=kind,
                read_only="ro" in options.split(","),
                wanted_read_only=mount in fstab.split(),
                errors=counts.get(kernel_name),
            ),
        )
    return FileSystems(
        tuple(found.values()), tuple(name for name, state in arrays if "_" in state), len(arrays)
    )


# By provider and number of the event. "*" is any provider: 129 comes from the driver of the controller,
# and a Microsoft-Windows-… provider with that number is another matter.
STORAGE_EVENTS: Mapping[tuple[str, int], str] = {
    ("disk", 7): "bad-block",
    ("disk", 11): "controller",
    ("disk", 51): "paging",
    ("disk", 153): "retried",
    ("*", 129): "reset",
    ("ntfs", 55): "damaged",
    ("microsoft-windows-ntfs", 55): "damaged",
    ("microsoft-windows-ntfs", 98): "damaged",
    ("srv", 2013): "nearly-full",
}
DEVICE = re.compile(r"\\Device\\([A-Za-z0-9_\\]{1,80})|([A-Za-z]:)", re.A)


def _file_systems_of_windows(raw: JSON) -> FileSystems:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    log = event_log(raw["System"])
    since = number(raw["since"])
    if since is None or not 0 <= since < 2**33:
        raise ValueError("no time from which the events were counted")
    pools = rows_or_none(raw, "MSFT_VirtualDisk") or []
    volumes = [
        FileSystem(text(row["DeviceID"]), "", text(row["FileSystem"]), False, False, None, dirty)
        for row in rows(raw, "Win32_LogicalDisk")
        if (dirty := flag(row["VolumeDirty"])) is not None  # null: this account is not told
    ]
    return FileSystems(
        file_systems=tuple(volumes),
        degraded_arrays=tuple(
            text(row["FriendlyName"]) for row in pools if number(row["HealthStatus"]) in UNHEALTHY
        ),
        arrays=len(pools),
        events=_merged([event for group in log.groups if (event := _storage_event(group)) is not None]),
        counted_since=datetime.fromtimestamp(since, UTC),
        log_begins=log.oldest,
        log_cut=log.cut,
    )


def _storage_event(group: EventGroup) -> StorageEvents | None:
    named = DEVICE.fullmatch(group.fields[0]) if group.fields else None
    kind = STORAGE_EVENTS.get((group.provider, group.number))
    if kind is None and named and not group.provider.startswith("microsoft-windows-"):
        kind = STORAGE_EVENTS.get(("*", group.number))
    # 98 at the level of information says that a volume is healthy.
    if kind is None or (group.number == 98 and group.level not in (1, 2, 3)):
        return None
    device = (named[1] or named[2]).replace("\\", " ") if named else ""
    return StorageEvents(kind, device or group.provider, group.count, group.first, group.last)


def _merged(events: list[StorageEvents]) -> tuple[StorageEvents, ...]:
    merged: dict[tuple[str, str], StorageEvents] = {}
    for one in events:
        key = (one.device, one.kind)
        old = merged.get(key, one)
        count = one.count if old is one else old.count + one.count
        merged[key] = StorageEvents(
            one.kind, one.device, count, min(old.first, one.first), max(old.last, one.last)
        )
    return tuple(merged[key] for key in sorted(merged))


file_systems = Section(
    name="file-systems",
    facts=FileSystems,
    collect={
        "posix": Shell(FILE_SYSTEMS),
        "windows": PowerShell(WINDOWS_STORAGE, timeout_s=60, rights="event-log-reader", cost="medium"),
    },
    parse=parse_file_systems,
    parameters={"since": Parameter("instant", 0, "count from here; 30 days where there was no visit")},
    privacy="mount points, devices and their error counters",
)


@dataclass(frozen=True, slots=True)
class FileSystemLevels:
    errors: int = 1  # events of one kind on Windows, since the last visit (workstation.disk-health)
    retries: int = 5  # repeated requests and resets: one or two come with every snapshot of a virtual machine
    least_days: int = 7  # a log shorter than this says nothing


def check_file_systems(facts: FileSystems, levels: FileSystemLevels, ctx: Context) -> Iterator[Result]:
    windows = facts.counted_since is not None
    if facts.counted_since is not None:
        yield from _check_storage_events(facts, facts.counted_since, levels, ctx)
    elif not facts.file_systems and not facts.arrays:
        yield NotApplicable(reason="no file system on a disk of its own")
    for array in facts.degraded_arrays:
        yield Finding(
            impact=Impact.MAJOR,
            function=RECOVERABILITY,
            when=When.NOW,
            message="degraded",
            item=array if windows else f"/dev/{array}",
        )
    for one in facts.file_systems:
        evidence: dict[str, Value] = {"kind": Text(one.kind)}
        if one.device:
            evidence["device"] = Text(one.device)
        if one.errors is not None:
            evidence["errors"] = Number(one.errors)
            yield Metric(name="errors", value=Number(one.errors), item=one.mount)
        if one.errors:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                when=When.NOW if one.read_only else When.BEFORE_NEXT_VISIT,
                message="errors",
                item=one.mount,
                evidence=evidence,
                value=Number(one.errors),
                worse=Worse.HIGHER,
            )
        elif one.read_only and not one.wanted_read_only:
            yield Finding(
                impact=Impact.MAJOR, when=When.NOW, message="read_only", item=one.mount, evidence=evidence
            )
        elif one.dirty:
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="dirty",
                item=one.mount,
                evidence=evidence,
            )
        else:
            yield Passed(item=one.mount, evidence=evidence)


RETRIES = frozenset({"retried", "reset"})
LOSS = frozenset({"bad-block", "damaged"})  # data have been lost, or will be


def _check_storage_events(
    facts: FileSystems, since: datetime, levels: FileSystemLevels, ctx: Context
) -> Iterator[Result]:
    if facts.log_begins is None:
        yield NotChecked(reason="the system log is empty")
        return
    seen_from = max(since, facts.log_begins)
    total = sum(one.count for one in facts.events)
    yield Metric(name="storage_events", value=Number(total))
    found = False
    for one in facts.events:
        limit = levels.retries if one.kind in RETRIES else levels.errors
        if one.count < limit:
            continue
        found = True
        yield Finding(
            impact=Impact.MAJOR if one.kind in LOSS else Impact.LIMITED,
            function=RECOVERABILITY if one.kind in LOSS else "",
            when=When.LATER if one.kind == "nearly-full" else When.BEFORE_NEXT_VISIT,
            message=one.kind.replace("-", "_"),
            item=f"{one.device} {one.kind}",
            evidence={
                "device": Text(one.device),
                "count": Number(one.count),
                "since": Instant(seen_from),
                "last": Instant(one.last),
                "limit": Number(limit),
            },
            value=Number(one.count),
            worse=Worse.HIGHER,
        )
    short = ctx.collected_at - seen_from < timedelta(days=levels.least_days)
    if found:
        return
    if short and facts.log_begins > since:
        yield NotChecked(reason=f"the system log begins only on {facts.log_begins:%Y-%m-%d}")
    elif facts.log_cut:
        yield NotChecked(reason="the system log holds more of these events than were counted")
    else:
        yield Passed(evidence={"since": Instant(seen_from), "events": Number(total)})


filesystem_errors = Probe(
    id="host.filesystem-errors",
    title="File systems are free of errors and can be written",
    check=check_file_systems,
    levels=FileSystemLevels(),
    messages={
        "errors": "The file system of {item} ({kind}) has recorded {errors} errors.",
        "read_only": "{item} can only be read: the kernel may have locked it after an error.",
        "degraded": "Disk array {item} has lost a member.",
        "dirty": "Windows wants to check the file system of {item} at its next start.",
        "bad_block": "Since {since}, {device} had {count} bad blocks to report, last on {last}.",
        "damaged": "Since {since}, Windows found the file system of {device} damaged {count} times.",
        "controller": "Since {since}, the controller of {device} reported {count} errors, last on {last}.",
        "paging": "Since {since}, {count} errors while Windows used {device} for its memory, last on {last}.",
        "retried": "Since {since}, {count} requests to {device} had to be repeated, last on {last}.",
        "reset": "Since {since}, {device} did not answer and was reset {count} times, last on {last}.",
        "nearly_full": "Since {since}, Windows warned {count} times that {device} is almost full.",
    },
    why="A file system with errors loses files; one that became read-only stops all work that saves.",
    remedy="Back up what can be read; check the file system in a window without users (`fsck`, on Windows "
    "`chkdsk`); look at its disk, cable and controller.",
    verify="After the check the counters are zero and the mount is writable; on Windows the system log has "
    "no new events 7, 11, 51, 55, 98, 129 or 153.",
    references=("domain: server.disk-health, workstation.disk-health", "Linux: /sys/fs/ext4/*/errors_count"),
)
