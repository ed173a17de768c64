"""The clinic's Windows machines: what each of them answers, today and at an earlier visit.

`demo_windows.json` holds one healthy workstation and one healthy file server, section by section, as the
batch for PowerShell prints them. Every machine is one of the two with a few named changes, which
`demo_changes.py` makes.

Moments stand there as texts: "3.5 days ago" is so long before the visit, "890 days before today" is the
same day at every visit. A word before it asks for another form than ISO 8601: `cim`, `day` (20260311),
`seconds` (since 1970) or `filetime` (the upper half of one). {NAME} and {ADDRESS} are the machine's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import demo_changes as changes
from demo_answers import Answer, Section
from demo_changes import Change, Raw, earlier, lately

from checkup.api import Declared, Quality

BASES = Path(__file__).with_suffix(".json")
SERVER, WORKSTATION = "server", "workstation"


@dataclass(frozen=True)
class WindowsMachine:
    id: str
    address: str
    changes: tuple[Change, ...] = ()
    base: str = WORKSTATION


MACHINES = (
    WindowsMachine(
        "srv-files",
        "10.40.1.12",
        (
            changes.serves_smb1,
            changes.offline_files_by_hand,
            changes.leasing,
            changes.filling("D:", size_gib=4000, used_gib=3290, gib_a_month=96),
            earlier(changes.open_to_all),
            lately(changes.failed_export),
        ),
        base=SERVER,
    ),
    WindowsMachine(
        "reading-1",
        "10.40.1.51",
        (
            changes.runs_for(3.2, free_gib=9.6),
            changes.filling("C:", size_gib=475, used_gib=171, gib_a_month=1.9),
            earlier(changes.falls_asleep),
        ),
    ),
    WindowsMachine(
        "reading-2",
        "10.40.1.52",
        (
            changes.runs_for(8.1, free_gib=7.9),
            changes.filling("C:", size_gib=475, used_gib=188, gib_a_month=2.3),
            changes.older_odbc_driver,
            changes.engine_of_32_bits_beside,
            earlier(changes.no_consent),
        ),
    ),
    WindowsMachine(
        "echo-1",
        "10.40.1.53",
        (
            changes.runs_for(1.4, free_gib=8.3),
            changes.filling("C:", size_gib=475, used_gib=144, gib_a_month=1.2),
            changes.laptop,
            lately(changes.on_wifi),
        ),
    ),
    WindowsMachine(
        "holding-1",
        "10.40.1.54",
        (
            changes.runs_for(9.2, free_gib=10.1),
            changes.filling("C:", size_gib=475, used_gib=97, gib_a_month=0.6),
            changes.serial_port("COM3"),
            earlier(changes.barcode_readers(2)),
            lately(changes.barcode_readers(1)),
            changes.power_losses(9.2, 47.6, 118.3, 233.5),
        ),
    ),
    WindowsMachine(
        "holding-2",
        "10.40.1.55",
        (
            changes.runs_for(18.7, free_gib=9.8),
            changes.filling("C:", size_gib=475, used_gib=102, gib_a_month=0.7),
            changes.serial_port("COM3"),
            changes.barcode_readers(2),
            earlier(changes.falls_asleep),
            changes.wearing_disk(today=92, a_month=1.1),
            lately(changes.waits_for_restart),
        ),
    ),
    WindowsMachine(
        "frontdesk-1",
        "10.40.1.56",
        (
            changes.runs_for(4.9, free_gib=6.4),
            changes.filling("C:", size_gib=475, used_gib=156, gib_a_month=1.4),
            changes.label_printer,
            earlier(changes.firewall_off),
            lately(changes.stuck_labels),
            lately(changes.older_front_end),
            lately(changes.crashing_access),
        ),
    ),
    WindowsMachine(
        "frontdesk-2",
        "10.40.1.57",
        (
            changes.runs_for(22.6, free_gib=5.2),
            changes.filling("C:", size_gib=237, used_gib=131, gib_a_month=1.1),
            changes.windows_10,
            changes.label_printer,
            earlier(changes.guest_enabled),
            lately(changes.teamviewer),
            lately(changes.old_signatures),
        ),
    ),
    WindowsMachine(
        "registry-1",
        "10.40.1.58",
        (
            changes.runs_for(16.4, free_gib=4.7),
            changes.windows_10,
            changes.old_machine,
            changes.pcanywhere,
            changes.older_unencrypted_driver,
            changes.filling("C:", size_gib=237, used_gib=199, gib_a_month=0.4),
        ),
    ),
    # Switched off today; it was there before.
    WindowsMachine("stock-1", "10.40.1.59", (changes.barcode_readers(1),)),
)


def answer(machine: WindowsMachine, at: datetime, days: int, declare: Mapping[str, Declared]) -> Answer:
    """What the machine answers at `at`, which is `days` before today.

    Raises ValueError where the site file declares something that the demo's data know nothing of.
    """
    base = _bases()[machine.base].replace("{NAME}", machine.id.upper()).replace("{ADDRESS}", machine.address)
    raw: Raw = json.loads(base)
    for change in machine.changes:
        change(raw, days)
    _declare(raw, declare)
    found = [_section(name, data, at, days) for name, data in sorted(raw.items())]
    return Answer(_hello(machine, at, raw["system"]), found)


def _section(name: str, data: Raw, at: datetime, days: int) -> Section:
    if name in ABSENT_WITHOUT and not any(data.values()):
        return Section(name, "", Quality.ABSENT, f"no {ABSENT_WITHOUT[name]} are declared for this machine")
    return Section(name, _dated(data, at, days))


def _hello(machine: WindowsMachine, at: datetime, system: Raw) -> dict[str, str]:
    row = system["Win32_OperatingSystem"][0]
    guid = UUID(bytes=sha256(machine.id.encode()).digest()[:16])
    return {
        "protocol": "1",
        "platform": "windows",
        "site": "cedar-ridge",
        "endpoint": machine.id,
        "hostname": machine.id.upper(),
        "kernel": f"Windows {row['Version']}",
        "os_id": "client" if row["ProductType"] == 1 else "server",
        "os_version": f"{row['BuildNumber']}.{system['release']['UBR']}",
        "identity": f"machine-guid:{guid}",
        "user": "CEDARRIDGE\\svc-checkup",
        "elevated": "yes",
        "utc": f"{at.timestamp():.3f}",
        "powershell": f"5.1.{row['BuildNumber']}.{system['release']['UBR']}",
        "language": "FullLanguage",
        "bits": "64",
        "codepage": "437",
        "timeout": "yes",
    }


@cache
def _bases() -> dict[str, str]:
    """The two healthy machines, as JSON texts."""
    return {name: json.dumps(raw) for name, raw in json.loads(BASES.read_text(encoding="utf-8")).items()}


# --- what the site file declares --------------------------------------------------------------

# Sections that repeat what was declared, and what it is called there.
REPEATED = {
    "administrators": "administrators",
    "certificates": "certificates",
    "dotnet": "dotnet",
    "listening": "ports",
    "odbc": "dsns",
}
# Sections that answer for each declared thing: where the answers stand, which key of them names the thing,
# and what it is called in the site file.
ASKED = {
    "applications": ("applications", "path", "applications"),
    "backends": ("backends", "name", "backends"),
    "declared-services": ("services", "Asked", "services"),
    "names": ("names", "name", "names"),
    "shares": ("folders", "path", "data_folders"),
}
ABSENT_WITHOUT = {"backends": "back ends", "declared-services": "services", "names": "names"}


def _declare(found: Raw, declare: Mapping[str, Declared]) -> None:
    for section, key in REPEATED.items():
        found[section]["declared"] = _texts(declare, key)
    for section, (place, name, key) in ASKED.items():
        known = {answer[name]: answer for answer in found[section][place]}
        if unknown := [one for one in _texts(declare, key) if one not in known]:
            raise ValueError(
                f"{BASES.name} has no answer for `declare: {key}: [{', '.join(unknown)}]`: add one, or "
                "take it out of the site file"
            )
        found[section][place] = [known[one] for one in _texts(declare, key)]


def _texts(declare: Mapping[str, Declared], key: str) -> list[str]:
    value = declare.get(key, ())
    return list(value) if isinstance(value, tuple) else [str(value)]


# --- moments ----------------------------------------------------------------------------------

_MOMENT = re.compile(r"(?:(cim|day|filetime|seconds) )?(-?[0-9.]+) days (ago|before today)")
_CLINIC = timezone(timedelta(hours=-7))
_FILETIME_ZERO = datetime(1601, 1, 1, tzinfo=UTC)


def _dated(value: Any, at: datetime, days: int) -> Any:
    """The same data with its moments written out."""
    if isinstance(value, dict):
        return {key: _dated(one, at, days) for key, one in value.items()}
    if isinstance(value, list):
        return [_dated(one, at, days) for one in value]
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    since = float(found[2]) - (days if found[3] == "before today" else 0)
    return _written(at - timedelta(days=since), found[1])


def _written(moment: datetime, form: str | None) -> str | int:
    match form:
        case "cim":
            return f"{moment.astimezone(_CLINIC):%Y%m%d%H%M%S.%f}-420"
        case "day":
            return f"{moment:%Y%m%d}"
        case "seconds":
            return int(moment.timestamp())
        case "filetime":
            return int((moment - _FILETIME_ZERO).total_seconds() * 10_000_000) >> 32
        case _:
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
