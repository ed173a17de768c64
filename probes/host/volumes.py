"""The fixed volumes of a machine: room, room for files, and the day they will be full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psutil

from checkup.api import (
    JSON,
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    NotEnoughHistory,
    Number,
    Passed,
    PowerShell,
    Probe,
    Psutil,
    Ratio,
    Result,
    Section,
    Shell,
    Step,
    When,
    Wmi,
    WmiQuery,
    Worse,
    judge,
)
from probes.windows.rows import Row, number, rows, rows_or_none, text

# File systems that hold no data of their own: memory, kernel interfaces, read-only images.
NOT_DATA = frozenset({"tmpfs", "devtmpfs", "ramfs", "efivarfs", "nsfs", "squashfs", "iso9660"})

# Anything smaller is a window into something else, not a place for data.
SMALLEST = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Volume:
    mount: str
    filesystem: str
    size_bytes: int
    used_bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int

    @property
    def used_ratio(self) -> float:
        """As `df` counts: what is kept for root is neither used nor free."""
        usable = self.used_bytes + self.free_bytes
        return self.used_bytes / usable if usable else 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """A volume, or a kind of volumes, whose size is not known, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Volumes:
    volumes: tuple[Volume, ...]
    unseen: tuple[Unseen, ...] = ()


# `df -l` leaves network mounts out, whose dead server would hang us; busybox has no -l. Of the mounts only
# place and kind: the options of a network mount name its user.
POSIX = """
command -v df >/dev/null || absent "no df command"
df -P -k -l 2>/dev/null || df -P -k || partial "df could not read every volume"
echo "== inodes"
df -P -i -l 2>/dev/null || df -P -i 2>/dev/null
echo "== mounts"
[ -r /proc/mounts ] && while read -r device mount kind options; do echo "- $mount $kind"; done </proc/mounts
exit 0
"""


# Volumes in a folder are in Win32_Volume only, which not every account is shown.
WINDOWS = r"""
$rows = @{}
$properties = 'DeviceID', 'FileSystem', 'Size', 'FreeSpace'
$rows['Win32_LogicalDisk'] = Wmi -Class 'Win32_LogicalDisk' -Properties $properties -Where 'DriveType = 3'
$properties = 'Name', 'DriveLetter', 'FileSystem', 'Capacity', 'FreeSpace'
try {
  $rows['Win32_Volume'] = Wmi -Class 'Win32_Volume' -Properties $properties -Where 'DriveType = 3'
} catch {
  # The reader of these rows reports that they are missing.
  $rows['Win32_Volume'] = $null
}
$rows
"""

CIM = Wmi(
    (WmiQuery("Win32_LogicalDisk", ("DeviceID", "FileSystem", "Size", "FreeSpace"), "DriveType = 3"),),
)


def read_local() -> JSON:
    volumes: list[JSON] = []
    for part in psutil.disk_partitions(all=True):
        usage = psutil.disk_usage(part.mountpoint)
        volumes.append([part.mountpoint, part.fstype, usage.total, usage.used, usage.free])
    return volumes


def parse(raw: JSON, source: str, version: int) -> Volumes:
    if source in ("windows", "cim"):
        return _from_windows(raw)
    volumes = _from_psutil(raw) if source == "local" else _from_df(str(raw))
    return Volumes(tuple(v for v in volumes if v.size_bytes >= SMALLEST and _holds_data(v)))


def _holds_data(volume: Volume) -> bool:
    # A container's root is an overlay with a size of its own; the others repeat their host's.
    if volume.filesystem == "overlay":
        return volume.mount == "/"
    return volume.filesystem not in NOT_DATA


def _from_windows(raw: JSON) -> Volumes:
    found = [_drive(row) for row in rows(raw, "Win32_LogicalDisk")]
    mounted = rows_or_none(raw, "Win32_Volume")
    # A partition without letter and folder (for recovery, for starting) is not in use, and is often full.
    found += [
        _drive({**row, "DeviceID": row["Name"], "Size": row["Capacity"]})
        for row in mounted or []
        if not text(row["DriveLetter"]) and not text(row["Name"]).startswith("\\\\?\\")
    ]
    unseen = [Unseen(one.mount, "locked, or without a file system") for one in found if not one.size_bytes]
    if not mounted:
        unseen.append(Unseen("volumes without a drive letter", "they were not listed to this account"))
    return Volumes(tuple(one for one in found if one.size_bytes >= SMALLEST), tuple(unseen))


def _drive(row: Row) -> Volume:
    name = text(row["DeviceID"])
    size, free = number(row["Size"]) or 0, number(row["FreeSpace"]) or 0
    if not name or not 0 <= free <= size:
        raise ValueError("a volume without a name, or with more room than its size")
    return Volume(name.rstrip("\\"), text(row["FileSystem"]), size, size - free, free, 0, 0)


def _from_psutil(raw: Any) -> Iterator[Volume]:
    for mount, filesystem, size, used, free in raw:
        yield Volume(str(mount), str(filesystem), int(size), int(used), int(free), 0, 0)


def _from_df(raw: str) -> Iterator[Volume]:
    space, _, rest = raw.partition("== inodes\n")
    inodes, _, mounts = rest.partition("== mounts\n")
    filesystems = {m[1]: m[2] for m in map(str.split, mounts.splitlines()) if len(m) > 2}
    files = dict(_df_rows(inodes))
    # Where one volume cannot be read, df is asked twice: the later answer counts.
    for mount, (size, used, free) in dict(_df_rows(space)).items():
        total_inodes, _, free_inodes = files.get(mount, (0, 0, 0))
        filesystem = filesystems.get(mount.replace(" ", "\\040"), "")
        yield Volume(mount, filesystem, size * 1024, used * 1024, free * 1024, total_inodes, free_inodes)


def _df_rows(text: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """The rows of `df -P`: device, three numbers ("-" for none), a percentage, the mount point."""
    for line in text.splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[0] not in NOT_DATA and all(word.isdigit() for word in words[1:4]):
            yield words[5], (int(words[1]), int(words[2]), int(words[3]))


volumes = Section(
    name="volumes",
    facts=Volumes,
    collect={
        "posix": Shell(POSIX),
        "local": Psutil(read_local),
        "windows": PowerShell(WINDOWS, timeout_s=30, rights="user", cost="medium"),
        "cim": CIM,
    },
    parse=parse,
    privacy="mount points, drive letters and sizes",
)


@dataclass(frozen=True, slots=True)
class SpaceLevels:
    tight: float = 0.80  # share used: plan for more room (server.disk-free, 20 % free)
    full: float = 0.90  # share used: work is at risk (10 % free)


def check_space(facts: Volumes, levels: SpaceLevels, ctx: Context) -> Iterator[Result]:
    if not facts.volumes and not facts.unseen:
        yield NotApplicable(reason="no volume holds data")
    for one in facts.unseen:
        yield NotChecked(item=one.what, reason=one.why)
    for volume in facts.volumes:
        yield from judge(
            "used",
            Ratio(volume.used_ratio),
            (
                Step(levels.full, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "full"),
                Step(levels.tight, Impact.LIMITED, When.LATER),
            ),
            worse=Worse.HIGHER,
            message="tight",
            item=volume.mount,
            evidence={"free": Bytes(volume.free_bytes), "size": Bytes(volume.size_bytes)},
        )


space = Probe(
    id="host.volume-space",
    title="Data volumes have room to grow",
    check=check_space,
    levels=SpaceLevels(),
    messages={
        "tight": "Volume {item} is {used} full: {free} free of {size}.",
        "full": "Volume {item} is almost full ({used}): {free} free of {size}.",
    },
    why="When a volume is full, nothing that lives on it can be saved, and databases may be damaged.",
    remedy="Remove what is no longer needed (old backups, installers, logs), or extend the volume.",
    verify="`df -h`, on Windows the properties of the drive, show the volume below the level given.",
    references=("domain: server.disk-free",),
)


@dataclass(frozen=True, slots=True)
class InodeLevels:
    tight: float = 0.85  # share of the file system's file entries in use
    full: float = 0.95


def check_inodes(facts: Volumes, levels: InodeLevels, ctx: Context) -> Iterator[Result]:
    counted = [v for v in facts.volumes if v.inodes]
    if not counted:
        yield NotApplicable(reason="no volume has a fixed number of file entries")
    for volume in counted:
        yield from judge(
            "used_entries",
            Ratio(1 - volume.free_inodes / volume.inodes),
            (
                Step(levels.full, Impact.MAJOR, When.BEFORE_NEXT_VISIT),
                Step(levels.tight, Impact.LIMITED, When.LATER),
            ),
            worse=Worse.HIGHER,
            message="few",
            item=volume.mount,
            evidence={"free_entries": Number(volume.free_inodes)},
        )


inodes = Probe(
    id="host.volume-inodes",
    title="Data volumes have room for more files",
    check=check_inodes,
    levels=InodeLevels(),
    messages={
        "few": "Volume {item} can take only {free_entries} more files ({used_entries} of its entries used)."
    },
    why="A volume without free file entries refuses new files although space is left.",
    remedy="Find the folder with very many small files (often a queue or a session store) and clear it.",
    verify="`df -i` shows the volume below the level given.",
)


@dataclass(frozen=True, slots=True)
class ForecastLevels:
    soon_days: int = 180  # full within this time: act before the next visit (server.disk-forecast)
    later_days: int = 365  # full within this time: plan


def check_forecast(facts: Volumes, levels: ForecastLevels, ctx: Context) -> Iterator[Result]:
    if not facts.volumes:
        yield NotApplicable(reason="no volume holds data")
    for volume in facts.volumes:
        usable = volume.used_bytes + volume.free_bytes
        forecast = ctx.forecast("used_bytes", volume.used_bytes, usable, volume.mount)
        # The forecast needs the sizes of earlier visits: each visit leaves its own behind.
        yield Metric(name="used_bytes", value=Bytes(volume.used_bytes), item=volume.mount, limit=usable)
        if isinstance(forecast, NotEnoughHistory):
            yield NotApplicable(
                item=volume.mount,
                reason=f"not enough history: {forecast.points} of {forecast.needed} measurements",
            )
            continue
        evidence = {"growth_a_month": Bytes(round(forecast.per_day * 30)), "free": Bytes(volume.free_bytes)}
        if forecast.reached is None or forecast.earliest is None:
            yield Passed(item=volume.mount, evidence=evidence)
            continue
        left = forecast.reached - ctx.now
        evidence |= {
            "full_on": Instant(forecast.reached),
            "earliest": Instant(forecast.earliest),
            "days_left": Duration(left.total_seconds()),
        }
        if forecast.latest is not None:
            evidence["latest"] = Instant(forecast.latest)
        if left > timedelta(days=levels.later_days):
            yield Passed(item=volume.mount, evidence=evidence)
        else:
            soon = left <= timedelta(days=levels.soon_days)
            yield Finding(
                impact=Impact.MAJOR if soon else Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT if soon else When.LATER,
                message="fills",
                item=volume.mount,
                evidence=evidence,
                value=Duration(left.total_seconds()),
                worse=Worse.LOWER,
            )


forecast = Probe(
    id="host.volume-forecast",
    title="No volume fills up before the next visits",
    check=check_forecast,
    levels=ForecastLevels(),
    messages={"fills": "At its growth so far, volume {item} will be full about {full_on}."},
    why="A volume that fills between two visits stops work on a day that can be known today.",
    remedy="Extend the volume, or move data off it, before the date given.",
    verify="The forecast of the next visit shows a date more than a year away.",
    references=("domain: server.disk-forecast",),
)
