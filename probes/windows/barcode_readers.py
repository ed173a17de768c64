"""Barcode readers on USB: are they there, do they work, and as what are they attached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    Wmi,
    WmiQuery,
)
from probes.windows.declaration import declared_number, declared_texts
from probes.windows.devices import FAULTS
from probes.windows.rows import number, rows, text, texts

# Makers of barcode readers, by the USB vendor number of the "USB ID Repository"
# (http://www.linux-usb.org/usb.ids, as of 2026-06-10). Makers whose other devices are common as well
# (Zebra's printers, Denso, Honeywell's controllers) are left out.
VENDORS: Mapping[str, str] = {
    "0536": "Hand Held Products (Honeywell)",
    "05E0": "Symbol (Zebra)",
    "05F9": "PSC (Datalogic)",
    "065A": "Opticon",
    "067E": "Intermec (Honeywell)",
    "0745": "Syntech (CipherLab)",
    "080C": "Datalogic",
    "0C2E": "Metrologic (Honeywell)",
    "1EAB": "Newland",
    "27DD": "Mindeo",
}

KEYBOARD = "{4d36e96b-e325-11ce-bfc1-08002be10318}"
PORT = "{4d36e978-e325-11ce-bfc1-08002be10318}"


@dataclass(frozen=True, slots=True)
class Reader:
    """All readers of one product (vendor:product in hex): `attached` is keyboard, serial port or other."""

    product: str
    vendor: str
    name: str
    attached: str
    count: int
    faults: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BarcodeReaders:
    """`vendors` are the vendor numbers looked for; `layouts` those of the keyboards, like 00000409."""

    vendors: tuple[str, ...]
    readers: tuple[Reader, ...]
    layouts: tuple[str, ...]

    @property
    def count(self) -> int:
        return sum(reader.count for reader in self.readers)


def _condition(vendors: Sequence[str]) -> str:
    return " OR ".join(f"DeviceID LIKE '%VID[_]{vendor}%'" for vendor in vendors)


DEVICES = WmiQuery(
    "Win32_PnPEntity",
    ("DeviceID", "Name", "ClassGuid", "ConfigManagerErrorCode"),
    where=_condition(tuple(VENDORS)),
)
KEYBOARDS = WmiQuery("Win32_Keyboard", ("DeviceID", "Layout"))

WINDOWS = (
    "$vendors = @('"
    + "', '".join(VENDORS)
    + r"""')
foreach ($vendor in $P.barcode_reader_vendors) {
  if ($vendor -match '^[0-9A-Fa-f]{4}$') {
    $vendors += $vendor.ToUpperInvariant()
  }
}
$conditions = @()
foreach ($vendor in $vendors) {
  $conditions += "DeviceID LIKE '%VID[_]" + $vendor + "%'"
}
$properties = @('DeviceID', 'Name', 'ClassGuid', 'ConfigManagerErrorCode')
$found = @{ 'vendors' = $vendors }
$condition = [string]::Join(' OR ', $conditions)
$found['Win32_PnPEntity'] = Wmi -Class 'Win32_PnPEntity' -Properties $properties -Where $condition
$found['Win32_Keyboard'] = Wmi -Class 'Win32_Keyboard' -Properties @('DeviceID', 'Layout')
$found
"""
)

# A device is USB\VID_05E0&PID_1200\<serial>; its functions are USB\VID_05E0&PID_1200&MI_01\... and
# HID\VID_05E0&PID_1200...\...
_DEVICE = re.compile(
    r"(?P<bus>\w+)\\VID_(?P<vendor>[0-9A-F]{4})&PID_(?P<product>[0-9A-F]{4})(?P<part>[^\\]*)\\"
)


def parse(raw: JSON, source: str, version: int) -> BarcodeReaders:
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    vendors = texts(raw["vendors"]) if source == "windows" else tuple(VENDORS)
    grouped: dict[str, list[tuple[re.Match[str], Mapping[str, JSON]]]] = {}
    for row in rows(raw, "Win32_PnPEntity"):
        found = _DEVICE.match(text(row["DeviceID"]).upper())
        if found and found["vendor"] in vendors:
            grouped.setdefault(f"{found['vendor']}:{found['product']}", []).append((found, row))
    return BarcodeReaders(
        vendors=vendors,
        readers=tuple(_reader(product, devices) for product, devices in sorted(grouped.items())),
        layouts=tuple(sorted({text(row["Layout"]).upper() for row in rows(raw, "Win32_Keyboard")} - {""})),
    )


def _reader(product: str, devices: Sequence[tuple[re.Match[str], Mapping[str, JSON]]]) -> Reader:
    whole = [row for found, row in devices if found["bus"] == "USB" and not found["part"]]
    classes = {text(row["ClassGuid"]).lower() for _, row in devices}
    attached = "keyboard" if KEYBOARD in classes else "serial port" if PORT in classes else "other"
    named = sorted(text(row["Name"]) for row in (whole or [row for _, row in devices]))
    return Reader(
        product=product,
        vendor=VENDORS.get(product[:4], "declared maker"),
        name=named[0],
        attached=attached,
        count=len(whole) or 1,
        faults=tuple(code for _, row in devices if (code := number(row["ConfigManagerErrorCode"]))),
    )


barcode_readers = Section(
    name="barcode-readers",
    facts=BarcodeReaders,
    collect={
        "windows": PowerShell(WINDOWS, timeout_s=30, rights="user", cost="medium"),
        "cim": Wmi((DEVICES, KEYBOARDS), timeout_s=30, rights="user", cost="medium"),
    },
    parse=parse,
    parameters={
        "barcode_readers": Parameter(
            "integer", 0, "how many barcode readers on USB this machine should have"
        ),
        "barcode_reader_vendors": Parameter(
            "texts", (), "USB vendor numbers (four hex digits) of readers whose maker checkup does not know"
        ),
    },
    privacy="names, identifiers and states of barcode readers, keyboard layout",
)


def check(facts: BarcodeReaders, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Metric(name="readers", value=Number(facts.count))
    wanted = declared_number(ctx, "barcode_readers")
    if not wanted and not facts.readers:
        yield NotApplicable(reason="no barcode reader is declared, and none is there")
    for reader in facts.readers:
        yield _judged(reader)
    if wanted:
        yield _counted(facts, wanted, ctx)


def _judged(reader: Reader) -> Result:
    evidence: dict[str, Value] = {
        "vendor": Text(reader.vendor),
        "name": Text(reader.name),
        "attached": Text(reader.attached),
        "count": Number(reader.count),
    }
    if not reader.faults:
        return Passed(item=reader.product, evidence=evidence)
    code = reader.faults[0]
    evidence |= {"fault": Text(FAULTS.get(code, "unknown fault")), "code": Number(code)}
    return Finding(impact=Impact.LIMITED, message="fault", item=reader.product, evidence=evidence)


def _counted(facts: BarcodeReaders, wanted: int, ctx: Context) -> Result:
    evidence: dict[str, Value] = {"found": Number(facts.count), "declared": Number(wanted)}
    if facts.count >= wanted:
        return Passed(item="count", evidence=evidence)
    declared = {vendor.upper() for vendor in declared_texts(ctx, "barcode_reader_vendors")}
    if not declared <= set(facts.vendors):
        return NotChecked(item="count", reason="without a shell, readers of declared makers cannot be seen")
    impact = Impact.LIMITED if facts.count else Impact.MAJOR
    return Finding(impact=impact, message="missing", item="count", evidence=evidence)


probe = Probe(
    id="inventory.reader-present",
    title="The barcode readers are there and work",
    check=check,
    levels=NoLevels(),
    messages={
        "missing": "{found} of {declared} declared barcode readers are on USB.",
        "fault": "Barcode reader {name} ({item}) reports: {fault} (code {code}).",
    },
    why="Without its reader a stock room types numbers by hand, and counts get wrong.",
    remedy="Plug the reader (or its cradle) in again, at another socket if need be, and reinstall its "
    "driver. Readers on Bluetooth are not seen, nor those of other makers without `barcode_reader_vendors`.",
    verify="A scan of a known label appears in a text editor, character by character as printed.",
    references=("domain: inventory.reader-present", "http://www.linux-usb.org/usb.ids"),
)
