"""The health of disks, and of the file systems on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    RECOVERABILITY,
    Context,
    ErrorClass,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Worse,
)


@dataclass(frozen=True, slots=True)
class Disk:
    """`verdict` is the disk's own ("PASSED", "FAILED" or "" where it gave none); `problem` says why there
    is none. Counters are None where the disk does not count them."""

    name: str
    verdict: str
    problem: str = ""
    reallocated: int | None = None
    pending: int | None = None
    uncorrectable: int | None = None
    worn_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Disks:
    disks: tuple[Disk, ...]


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

VERDICT = re.compile(r"(?:self-assessment test result|SMART Health Status): *(\w+)", re.A)
ATTRIBUTE = re.compile(r"^ *(\d{1,3}) [\w-]+ +0x\w+ +(\d{1,3}) .* (\d{1,15})(?: \(.*\))?$", re.M | re.A)
WORN = re.compile(r"Percentage Used: *(\d{1,3})%", re.A)
MEDIA = re.compile(r"Media and Data Integrity Errors: *([\d,]{1,20})", re.A)


def parse_smart(raw: JSON, source: str, version: int) -> Disks:
    blocks = re.split(r"^disk ", str(raw), flags=re.M)[1:]
    if not blocks:
        raise ValueError("no disk in the answer")
    return Disks(tuple(_disk(block) for block in blocks))


def _disk(block: str) -> Disk:
    name, _, text = block.partition("\n")
    verdict = VERDICT.search(text)
    counters = {int(a[1]): int(a[3]) for a in ATTRIBUTE.finditer(text)}
    worn, media = WORN.search(text), MEDIA.search(text)
    if verdict is None:
        asleep = "STANDBY" in text or "SLEEP" in text
        return Disk(name.strip(), "", "asleep" if asleep else "it does not report its health")
    return Disk(
        name=name.strip(),
        verdict="PASSED" if verdict[1].upper() in ("PASSED", "OK") else "FAILED",
        reallocated=counters.get(5),
        pending=counters.get(197),
        uncorrectable=int(media[1].replace(",", "")) if media else counters.get(198),
        worn_ratio=int(worn[1]) / 100 if worn else None,
    )


disks = Section(
    name="disk-health",
    facts=Disks,
    collect={"posix": Shell(SMART, timeout_s=40)},
    parse=parse_smart,
    privacy="names and health counters of disks; no serial numbers",
)


@dataclass(frozen=True, slots=True)
class DiskLevels:
    sectors: int = 1  # sectors that wait to be remapped or could not be read (workstation.disk-health)
    reallocated: int = 10  # sectors remapped so far
    worn: float = 0.90  # share of the writes that a flash disk is made for


def check_disks(facts: Disks, levels: DiskLevels, ctx: Context) -> Iterator[Result]:
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
    return NotChecked(item=disk.name, reason=disk.problem, error=ErrorClass.UNSUPPORTED)


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
    verify="`smartctl -H -A` of the new disk shows PASSED and no bad sectors.",
    rights="root, for the health of disks",
    references=("domain: workstation.disk-health, server.disk-health",),
)


# --- file systems -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileSystem:
    """`errors` is the kernel's own count since the file system was last checked; None: not counted."""

    mount: str
    device: str
    kind: str
    read_only: bool
    wanted_read_only: bool
    errors: int | None


@dataclass(frozen=True, slots=True)
class FileSystems:
    file_systems: tuple[FileSystem, ...]
    degraded_arrays: tuple[str, ...]
    arrays: int


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


def parse_file_systems(raw: JSON, source: str, version: int) -> FileSystems:
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


file_systems = Section(
    name="file-systems",
    facts=FileSystems,
    collect={"posix": Shell(FILE_SYSTEMS)},
    parse=parse_file_systems,
    privacy="mount points, devices and their error counters",
)


def check_file_systems(facts: FileSystems, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.file_systems and not facts.arrays:
        yield NotApplicable(reason="no file system on a disk of its own")
    for array in facts.degraded_arrays:
        yield Finding(
            impact=Impact.MAJOR,
            function=RECOVERABILITY,
            when=When.NOW,
            message="degraded",
            item=f"/dev/{array}",
        )
    for one in facts.file_systems:
        evidence: dict[str, Value] = {"device": Text(one.device), "kind": Text(one.kind)}
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
        else:
            yield Passed(item=one.mount, evidence=evidence)


filesystem_errors = Probe(
    id="host.filesystem-errors",
    title="File systems are free of errors and can be written",
    check=check_file_systems,
    levels=NoLevels(),
    messages={
        "errors": "The file system of {item} ({kind}) has recorded {errors} errors.",
        "read_only": "{item} can only be read: the kernel may have locked it after an error.",
        "degraded": "Disk array {item} has lost a member.",
    },
    why="A file system with errors loses files; one that became read-only stops all work that saves.",
    remedy="Back up what can be read; check the file system in a window without users; look at its disk.",
    verify="After the check the counters are zero and the mount is writable.",
    references=("domain: server.disk-health", "Linux: /sys/fs/ext4/*/errors_count"),
)
