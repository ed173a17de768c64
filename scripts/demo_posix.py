"""The clinic's Linux machines: what each of them answers, today and at an earlier visit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from demo_answers import Answer, Section, grown

from checkup.api import Quality

GIB = 1024**2  # in units of 1 KiB, as df counts


@dataclass(frozen=True)
class Volume:
    mount: str
    device: str
    size_gb: float
    used_gb: float  # today
    growth_gb_a_month: float = 0.0


@dataclass(frozen=True)
class Machine:
    """One machine as it is today; `before` changes it for the visits `days` ago."""

    id: str
    release: str = "ubuntu24"
    volumes: tuple[Volume, ...] = (Volume("/", "/dev/sda2", 110, 41, 0.4),)
    memory_gb: float = 16
    available: float = 0.6
    loads: str = "0.21 0.18 0.12"
    processors: int = 4
    uptime_days: float = 24
    crashes_days_ago: tuple[int, ...] = ()
    failed_units: tuple[str, ...] = ()
    services: tuple[tuple[str, str], ...] = ()  # name, state
    certificates: tuple[tuple[str, int], ...] = ()  # file, days left today
    administrators: tuple[str, ...] = ("okafor", "checkup")
    declared_administrators: tuple[str, ...] = ()
    log_errors: tuple[tuple[str, int], ...] = (("kernel", 3), ("smartd", 1))
    log_denied: bool = False
    ports: tuple[int, ...] = (22,)
    pending_sectors: int = 0
    names: tuple[tuple[str, str], ...] = ()  # name, address
    before: Callable[[Machine, int], Machine] = field(default=lambda machine, days: machine)


RELEASES = {
    "debian11": ("debian", "11", "Debian GNU/Linux 11 (bullseye)", "5.10.0-35-amd64"),
    "ubuntu24": ("ubuntu", "24.04", "Ubuntu 24.04.3 LTS", "6.8.0-87-generic"),
}
DB, FILES = "srv-db.cedar-ridge.example", "srv-files.cedar-ridge.example"


def _changed(**old: object) -> Callable[[Machine, int], Machine]:
    """A machine that was different at all earlier visits."""
    return lambda machine, days: replace(machine, **old)  # type: ignore[arg-type]


MACHINES = (
    Machine(
        "srv-db",
        volumes=(
            Volume("/", "/dev/sda2", 60, 21, 0.2),
            Volume("/boot", "/dev/sda1", 1, 0.78),
            Volume("/srv", "/dev/sdb1", 500, 431, 12.6),
        ),
        memory_gb=64,
        available=0.31,
        loads="1.92 1.71 1.55",
        processors=8,
        uptime_days=61,
        services=(("mssql-server", "active"), ("cron", "active"), ("ssh", "active")),
        certificates=(("/etc/ssl/clinic/server.pem", 19),),
        administrators=("okafor", "checkup", "tbright"),
        declared_administrators=("okafor", "checkup"),
        names=((DB, "10.40.1.10"), (FILES, "10.40.1.12")),
        ports=(22, 1433),
        log_denied=True,
        before=_changed(
            administrators=("okafor", "checkup"), certificates=(("/etc/ssl/clinic/server.pem", 201),)
        ),
    ),
    Machine(
        "srv-if",
        release="debian11",
        uptime_days=12,
        crashes_days_ago=(12, 47),
        services=(("interface-engine", "active"),),
        failed_units=("hl7-archive.service",),
        names=((DB, "10.40.1.10"),),
        log_errors=(("interface-engine", 341), ("kernel", 12)),
        ports=(22, 6661, 7010),
        pending_sectors=8,
        before=_changed(
            crashes_days_ago=(),
            failed_units=(),
            log_errors=(("interface-engine", 22),),
            pending_sectors=0,
        ),
    ),
)


# --- what a machine answers -----------------------------------------------------------------------


def answer(machine: Machine, at: datetime, days: int) -> Answer:
    """What the machine answers at `at`, which is `days` before today."""
    machine = machine.before(machine, days) if days else machine
    distribution, version, _, kernel = RELEASES[machine.release]
    hello = {
        "protocol": "1",
        "platform": "posix",
        "site": "cedar-ridge",
        "endpoint": machine.id,
        "hostname": machine.id,
        "kernel": f"Linux {kernel} x86_64",
        "os_id": distribution,
        "os_version": version,
        "identity": "machine-id:" + hashlib.sha256(machine.id.encode()).hexdigest()[:32],
        "uid": "998",
        "user": "checkup",
        "utc": f"{at.timestamp():.3f}",
        "timeout": "yes",
        "missing": "",
    }
    return Answer(hello, tuple(_sections(machine, at, days)))


def _sections(machine: Machine, at: datetime, days: int) -> Iterator[Section]:
    boot = at - timedelta(days=machine.uptime_days)
    yield Section("volumes", _volumes(machine, days))
    yield Section("resources", _resources(machine))
    yield Section("boots", _boots(machine, at, boot))
    yield Section("system", _system(machine))
    yield Section("updates", _updates(at))
    yield Section("time-source", "NTP=yes\nNTPSynchronized=yes\ndaemons= systemd-timesyn\ntimesync=yes\n")
    yield Section("units", _units(machine))
    yield _declared("declared-services", "services", _services(machine))
    yield _declared("certificates", "certificates", _certificates(machine, at))
    yield _log_errors(machine)
    yield Section(
        "listening", "".join(f"listen 00000000:{port:04X}\n" for port in machine.ports) + "declared \n"
    )
    yield Section("disk-health", _smart(machine))
    yield Section("file-systems", _file_systems(machine))
    yield Section("interfaces", _interfaces())
    yield _declared("names", "names", _names(machine))
    yield Section("administrators", _administrators(machine))


def _declared(section: str, things: str, text: str) -> Section:
    if text:
        return Section(section, text)
    return Section(section, "", Quality.ABSENT, f"no {things} are declared for this machine")


def _updates(at: datetime) -> str:
    known, installed = at - timedelta(hours=2), at - timedelta(days=9)
    return (
        f"manager=apt\nknown={known.timestamp():.0f}\ninstalled={installed.timestamp():.0f}\n"
        "lists=there\npending=4\nsecurity=0\n"
    )


def _certificates(machine: Machine, at: datetime) -> str:
    return "".join(
        f"file {path}\nnotAfter={_openssl(at + timedelta(days=left))}\n"
        for path, left in machine.certificates
    )


def _log_errors(machine: Machine) -> Section:
    if machine.log_denied:
        reason = "the journal: the account is in none of the groups adm, systemd-journal, wheel"
        return Section("log-errors", "", Quality.DENIED, reason)
    counts = "".join(f"errors {count} {name}\n" for name, count in machine.log_errors)
    total = sum(count for _, count in machine.log_errors)
    return Section("log-errors", f"method journal\n{counts}all {total}\nsevere 0\n")


def _names(machine: Machine) -> str:
    asked = (f"name {name}\n{address}   STREAM {name}\nseconds 0\n" for name, address in machine.names)
    return "".join((*asked, "== end\n")) if machine.names else ""


def _administrators(machine: Machine) -> str:
    members = "".join(f"member {name}\n" for name in machine.administrators)
    declared = "".join(f"declared {name}\n" for name in machine.declared_administrators or ("",))
    return f"root root\n{members}{declared}"


def _volumes(machine: Machine, days: int) -> str:
    space, inodes, mounts = ["Filesystem 1024-blocks Used Available Capacity Mounted on"], [], []
    for volume in machine.volumes:
        used_gb = volume.used_gb - grown(volume.growth_gb_a_month, days)
        size, used = round(volume.size_gb * GIB), round(used_gb * GIB)
        free = size - used
        space.append(f"{volume.device} {size} {used} {free} {100 * used // size}% {volume.mount}")
        entries = size // 16
        inodes.append(f"{volume.device} {entries} {entries // 9} {entries - entries // 9} 12% {volume.mount}")
        mounts.append(f"{volume.device} {volume.mount} ext4 rw,relatime 0 0")
    return "\n".join([*space, "== inodes", *inodes, "== mounts", *mounts, ""])


def _resources(machine: Machine) -> str:
    total = round(machine.memory_gb * GIB)
    return (
        f"MemTotal: {total} kB\nMemFree: {round(total * machine.available * 0.6)} kB\n"
        f"MemAvailable: {round(total * machine.available)} kB\nSwapTotal: 2097148 kB\nSwapFree: 2031612 kB\n"
        f"loads: {machine.loads} 1/312 4821\nonline: 0-{machine.processors - 1}\n"
    )


def _last(moment: datetime) -> str:
    return f"{moment:%a %b} {moment.day:2} {moment:%H:%M:%S %Y}"


def _boots(machine: Machine, at: datetime, boot: datetime) -> str:
    """`last -xF`, the newest first: a restart without a shutdown before it is a crash."""
    kernel = RELEASES[machine.release][3]
    lines = [f"reboot   system boot  {kernel} {_last(boot)}   still running"]
    if not any(abs(days - machine.uptime_days) < 1 for days in machine.crashes_days_ago):
        lines.append(f"shutdown system down  {kernel} {_last(boot - timedelta(minutes=2))}")
    for days in machine.crashes_days_ago:
        if abs(days - machine.uptime_days) >= 1:
            lines.append(f"reboot   system boot  {kernel} {_last(at - timedelta(days=days))}")
    begins = at - timedelta(days=400)
    return "\n".join([*lines, "", f"wtmp begins {_last(begins)}", ""])


def _system(machine: Machine) -> str:
    distribution, version, name, kernel = RELEASES[machine.release]
    lines = [
        f'PRETTY_NAME="{name}"',
        f'VERSION_ID="{version}"',
        f"ID={distribution}",
        f"kernel={kernel}",
        f"uptime={machine.uptime_days * 86400:.2f}",
        f"installed={kernel}",
    ]
    return "\n".join([*lines, ""])


def _units(machine: Machine) -> str:
    failed = "".join(f"{unit} loaded failed failed A unit of the clinic\n" for unit in machine.failed_units)
    timers = "\n".join(f"Id={name}.timer\nUnit={name}.service\n" for name in ("apt-daily", "backup"))
    return f"{failed}== timers\n{timers}"


def _services(machine: Machine) -> str:
    shown = [
        f"service {name}\nLoadState=loaded\nActiveState={state}\n"
        f"SubState={'running' if state == 'active' else 'dead'}\nUnitFileState=enabled\n"
        for name, state in machine.services
    ]
    return "".join(("manager systemd\n", *shown)) if shown else ""


def _openssl(moment: datetime) -> str:
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def _smart(machine: Machine) -> str:
    return (
        "disk sda\n=== START OF READ SMART DATA SECTION ===\n"
        "SMART overall-health self-assessment test result: PASSED\n\n"
        "ID# ATTRIBUTE_NAME          FLAG     VALUE WORST THRESH TYPE      UPDATED  WHEN_FAILED RAW_VALUE\n"
        "  5 Reallocated_Sector_Ct   0x0033   100   100   010    Pre-fail  Always       -       0\n"
        "197 Current_Pending_Sector  0x0012   100   100   000    Old_age   Always       -"
        f"       {machine.pending_sectors}\n"
        "198 Offline_Uncorrectable   0x0010   100   100   000    Old_age   Offline      -       0\n"
    )


def _file_systems(machine: Machine) -> str:
    names = [volume.device.rpartition("/")[2] for volume in machine.volumes]
    errors = "".join(f"errors /sys/fs/ext4/{n}/errors_count 0\n" for n in names)
    mounts = "".join(f"{v.device} {v.mount} ext4 rw,relatime\n" for v in machine.volumes)
    array = "array md0 [UU]\n" if any(v.device == "/dev/md0" for v in machine.volumes) else ""
    return f"{errors}{array}== fstab\n== mounts\n{mounts}"


def _interfaces() -> str:
    packets = 48_000_000
    return (
        "link eno1 1000 full\n"
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes packets errs drop fifo frame compressed multicast"
        "|bytes packets errs drop fifo colls carrier compressed\n"
        "    lo: 912345 8123 0 0 0 0 0 0 912345 8123 0 0 0 0 0 0\n"
        f"  eno1: {packets * 700} {packets} 0 0 0 0 0 0"
        f" {packets * 300} {packets // 2} 0 0 0 0 0 0\n"
    )
