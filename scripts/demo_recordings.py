"""Records the fictional clinic of inventory.example.yaml: its machines' answers, and two earlier visits.

The answers are written in the batch's own format, dated relative to today, so that the demo never
ages. They hold what real machines say; the names and numbers are invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from checkup.api import Quality, Visit
from checkup.batch.frames import Frame, encode_stream
from checkup.collect.events import Emit
from checkup.store import default_url, open_store
from checkup.workflow.assessing import assess_visit, visit_runs
from checkup.workflow.collecting import plan_run, start_run
from checkup.workflow.prepare import prepare

ROOT = Path(__file__).resolve().parents[1]
SITE_FILE = ROOT / "inventory.example.yaml"
BUNDLES = ROOT / "demo" / "bundles"
EARLIER = ((Visit.THIRTY_DAY, 368), (Visit.TUNE_UP, 182))  # days ago; delivered two days later
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
    release: str = "debian12"
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
    reboot_required: bool = False
    pending: int = 4
    security: int = 0
    clock_synchronised: bool = True
    ports: tuple[int, ...] = (22,)
    disk: str = "PASSED"
    pending_sectors: int = 0
    speed: int = 1000
    duplex: str = "full"
    interface_errors: int = 0
    names: tuple[tuple[str, str], ...] = ()  # name, address
    file_system_errors: int = 0
    before: Callable[[Machine, int], Machine] = field(default=lambda machine, days: machine)


RELEASES = {
    "debian12": ("debian", "12", "Debian GNU/Linux 12 (bookworm)", "6.1.0-41-amd64"),
    "debian11": ("debian", "11", "Debian GNU/Linux 11 (bullseye)", "5.10.0-35-amd64"),
    "ubuntu22": ("ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "5.15.0-161-generic"),
    "ubuntu24": ("ubuntu", "24.04", "Ubuntu 24.04.3 LTS", "6.8.0-87-generic"),
}
DB, FILES = "srv-db.cedar-ridge.example", "srv-files.cedar-ridge.example"


def _changed(**old: object) -> Callable[[Machine, int], Machine]:
    """A machine that was different at all earlier visits."""
    from dataclasses import replace

    return lambda machine, days: replace(machine, **old)  # type: ignore[arg-type]


def _at_first_visit(**old: object) -> Callable[[Machine, int], Machine]:
    """A machine that was different at the first visit only."""
    from dataclasses import replace

    return lambda machine, days: replace(machine, **old) if days > 300 else machine  # type: ignore[arg-type]


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
        services=(("postgresql", "active"), ("cron", "active"), ("ssh", "active")),
        certificates=(("/etc/ssl/clinic/server.pem", 19),),
        administrators=("okafor", "checkup", "tbright"),
        declared_administrators=("okafor", "checkup"),
        names=((DB, "10.40.1.10"), (FILES, "10.40.1.12")),
        ports=(22, 5432),
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
        before=_changed(crashes_days_ago=(), failed_units=(), log_errors=(("interface-engine", 22),)),
    ),
    Machine(
        "srv-files",
        volumes=(Volume("/", "/dev/sda2", 60, 18, 0.1), Volume("/data", "/dev/md0", 4000, 2150, 35)),
        memory_gb=32,
        uptime_days=140,
        services=(("smbd", "active"),),
        names=((DB, "10.40.1.10"),),
        ports=(22, 139, 445),
        pending_sectors=8,
        before=_changed(pending_sectors=0),
    ),
    Machine("reading-1", release="ubuntu24", ports=(22,)),
    Machine("reading-2", release="ubuntu24", before=_changed(reboot_required=True, security=14)),
    Machine("echo-1", release="ubuntu22", speed=100, interface_errors=412_000, log_denied=True),
    Machine("holding-1", release="ubuntu24", clock_synchronised=False),
    Machine("holding-2", release="ubuntu24", reboot_required=True, before=_changed(reboot_required=False)),
    Machine("frontdesk-1", release="ubuntu24", pending=38, security=11),
    Machine("frontdesk-2", release="ubuntu24", pending=37, security=11, available=0.06, memory_gb=4),
    Machine(
        "registry-1",
        release="ubuntu24",
        volumes=(Volume("/", "/dev/nvme0n1p2", 110, 104, 3.1),),
        before=_at_first_visit(clock_synchronised=False),
    ),
    # stock-1 is switched off today; it was there before.
    Machine("stock-1", release="ubuntu22", uptime_days=3),
)
OFF_TODAY = {"stock-1"}


# --- what a machine answers -----------------------------------------------------------------------


def bundle(machine: Machine, at: datetime, days: int) -> bytes:
    """The whole answer of a machine to a batch, as recorded `days` ago at `at`."""
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
    return encode_stream(hello, [_frame(machine, *section) for section in _sections(machine, at, days)])


def _frame(machine: Machine, name: str, text: str, status: Quality = Quality.OK, reason: str = "") -> Frame:
    return Frame(
        kind="SECTION",
        target=machine.id,
        section=name,
        version=VERSIONS.get(name, 1),
        status=status,
        milliseconds=8 + len(text) % 23,
        reason=reason,
        payload=text.encode(),
    )


VERSIONS = {"names": 2}  # of the sections; 1 for all others

Answer = tuple[str, str] | tuple[str, str, Quality, str]


def _sections(machine: Machine, at: datetime, days: int) -> Iterator[Answer]:
    now = at.timestamp()
    boot = at - timedelta(days=machine.uptime_days)
    yield "volumes", _volumes(machine, days)
    yield "resources", _resources(machine)
    yield "boots", _boots(machine, at, boot)
    yield "system", _system(machine)
    yield (
        "updates",
        "\n".join(
            [
                "manager=apt",
                f"known={now - 7200:.0f}",
                f"installed={now - 9 * 86400:.0f}",
                "lists=there",
                f"pending={machine.pending}",
                f"security={machine.security}",
                "",
            ]
        ),
    )
    if machine.clock_synchronised:
        yield "time-source", "NTP=yes\nNTPSynchronized=yes\ndaemons= systemd-timesyn\ntimesync=yes\n"
    else:
        yield "time-source", "NTP=no\nNTPSynchronized=no\ndaemons=\n"
    yield "units", _units(machine)
    if machine.services:
        yield "declared-services", _services(machine)
    else:
        yield "declared-services", "", Quality.ABSENT, "no services are declared for this machine"
    if machine.certificates:
        yield (
            "certificates",
            "".join(
                f"file {path}\nnotAfter={_openssl(at + timedelta(days=left))}\n"
                for path, left in machine.certificates
            ),
        )
    else:
        yield "certificates", "", Quality.ABSENT, "no certificates are declared here"
    if machine.log_denied:
        reason = "the journal: the account is in none of the groups adm, systemd-journal, wheel"
        yield "log-errors", "", Quality.DENIED, reason
    else:
        counts = "".join(f"errors {count} {name}\n" for name, count in machine.log_errors)
        total = sum(count for _, count in machine.log_errors)
        yield "log-errors", f"method journal\n{counts}all {total}\nsevere 0\n"
    yield "listening", "".join(f"listen 00000000:{port:04X}\n" for port in machine.ports) + "declared \n"
    yield "disk-health", _smart(machine)
    yield "file-systems", _file_systems(machine)
    yield "interfaces", _interfaces(machine)
    if machine.names:
        asked = "".join(
            f"name {name}\n{address}   STREAM {name}\nseconds 0\n" for name, address in machine.names
        )
        yield "names", asked + "== end\n"
    else:
        yield "names", "", Quality.ABSENT, "no names are declared for this machine"
    members = "".join(f"member {name}\n" for name in machine.administrators)
    declared = "".join(f"declared {name}\n" for name in machine.declared_administrators or ("",))
    yield "administrators", f"root root\n{members}{declared}"


def _volumes(machine: Machine, days: int) -> str:
    space, inodes, mounts = ["Filesystem 1024-blocks Used Available Capacity Mounted on"], [], []
    for volume in machine.volumes:
        used_gb = volume.used_gb - volume.growth_gb_a_month * days / 30.4
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
    if machine.reboot_required:
        lines.append("restart=/run/reboot-required")
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
    return "manager systemd\n" + "".join(shown)


def _openssl(moment: datetime) -> str:
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def _smart(machine: Machine) -> str:
    return (
        "disk sda\n=== START OF READ SMART DATA SECTION ===\n"
        f"SMART overall-health self-assessment test result: {machine.disk}\n\n"
        "ID# ATTRIBUTE_NAME          FLAG     VALUE WORST THRESH TYPE      UPDATED  WHEN_FAILED RAW_VALUE\n"
        "  5 Reallocated_Sector_Ct   0x0033   100   100   010    Pre-fail  Always       -       0\n"
        "197 Current_Pending_Sector  0x0012   100   100   000    Old_age   Always       -"
        f"       {machine.pending_sectors}\n"
        "198 Offline_Uncorrectable   0x0010   100   100   000    Old_age   Offline      -       0\n"
    )


def _file_systems(machine: Machine) -> str:
    names = [volume.device.rpartition("/")[2] for volume in machine.volumes]
    errors = "".join(f"errors /sys/fs/ext4/{n}/errors_count {machine.file_system_errors}\n" for n in names)
    mounts = "".join(f"{v.device} {v.mount} ext4 rw,relatime\n" for v in machine.volumes)
    array = "array md0 [UU]\n" if any(v.device == "/dev/md0" for v in machine.volumes) else ""
    return f"{errors}{array}== fstab\n== mounts\n{mounts}"


def _interfaces(machine: Machine) -> str:
    packets = 48_000_000
    return (
        f"link eno1 {machine.speed} {machine.duplex}\n"
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes packets errs drop fifo frame compressed multicast"
        "|bytes packets errs drop fifo colls carrier compressed\n"
        "    lo: 912345 8123 0 0 0 0 0 0 912345 8123 0 0 0 0 0 0\n"
        f"  eno1: {packets * 700} {packets} {machine.interface_errors} 0 0 0 0 0"
        f" {packets * 300} {packets // 2} 0 0 0 0 0 0\n"
    )


# --- the earlier visits ---------------------------------------------------------------------------


def record_bundles(today: datetime, days: int) -> None:
    """Write every machine's answer of `days` ago; each machine took a minute after the one before."""
    BUNDLES.mkdir(parents=True, exist_ok=True)
    for minute, machine in enumerate(MACHINES):
        file = BUNDLES / f"{machine.id}.bundle"
        if days == 0 and machine.id in OFF_TODAY:
            file.unlink(missing_ok=True)
            continue
        at = today - timedelta(days=days, hours=1) + timedelta(minutes=minute)
        file.write_bytes(bundle(machine, at, days))


def record_visit(url: str, visit: Visit, at: datetime, today: datetime) -> None:
    """Run a visit of the past on the bundles that lie there, and deliver it two days later."""

    def clock() -> datetime:
        return at

    @contextmanager
    def silent() -> Iterator[Emit]:
        yield lambda event: None

    prepared = prepare(SITE_FILE, today)
    with open_store(url, now=clock) as store, silent() as emit:
        hosts = [machine.id for machine in MACHINES]
        plan = plan_run(prepared, store, visit, at, hosts=hosts)
        outcome = start_run(prepared, store, plan, clock=clock, emit=emit)
        of = visit_runs(store, outcome.run_id)
        number = store.save_assessment(of.visit_id, assess_visit(store, of, prepared.catalogue))
        delivered = at + timedelta(days=2)
        store.record_delivery(number, delivered, "recorded for the demo", "-", "folder")
        store.close_visit(of.visit_id, delivered)


def main() -> None:
    url = default_url()
    for file in (ROOT / "demo").glob("checkup.db*"):
        file.unlink()
    today = datetime.now(UTC).replace(microsecond=0)
    for visit, days in EARLIER:
        record_bundles(today, days)
        record_visit(url, visit, today - timedelta(days=days), today)
    record_bundles(today, 0)
    print(f"recorded: {len(MACHINES)} machines, {len(EARLIER)} earlier visits")


if __name__ == "__main__":
    main()
