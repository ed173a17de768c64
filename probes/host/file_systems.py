"""The file systems on a machine's disks, the arrays below them, and what went wrong with either."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
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
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Worse,
)
from probes.host.disk_health import UNHEALTHY
from probes.windows.event_log import EventGroup, event_log
from probes.windows.rows import flag, number, rows, rows_or_none, text


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
