"""What `checkup selftest --record` writes, and how it becomes a sample of a probe.

    {"about": "Windows 11, build 22631", "recorded_at": "2026-11-20T10:00:00Z", "platform": "windows",
     "windows": "11", "hello": {...}, "sections": {"volumes": {"source": "windows", "version": 1,
     "quality": "ok", "reason": "", "milliseconds": 120, "raw": {...}}}}

Names, numbers and addresses of the machine were replaced before it was written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from checkup.api import Bytes, Day, Duration, Instant, Number, Ratio, Text, Value
from checkup.assessment import ItemResult, Outcome
from checkup.catalogue import Catalogue, Entry
from checkup.catalogue import load as load_catalogue
from checkup.testing.running import run
from checkup.testing.samples import SampleError, load


def read_recording(path: Path) -> Mapping[str, Any]:
    """Raises SampleError for a file that is none."""
    try:
        data = cast(object, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as problem:
        raise SampleError(f"{path}: cannot be read: {problem}") from problem
    if not isinstance(data, dict) or not {"recorded_at", "sections"} <= set(cast("dict[str, Any]", data)):
        raise SampleError(f"{path}: is no recording of `checkup selftest --record`")
    return cast("dict[str, Any]", data)


def sample_text(recording: Mapping[str, Any], entry: Entry, catalogue: Catalogue, scratch: Path) -> str:
    """A sample of this probe with the results that it gives on these data now, to be read and corrected.

    `scratch` is a file to write while the probe is run. Raises SampleError where the recording has none
    of the sections that the probe needs.
    """
    names = [section.name for section in entry.sections if section.name in recording["sections"]]
    if not names:
        needed = ", ".join(section.name for section in entry.sections)
        raise SampleError(f"the recording holds none of the sections of {entry.probe.id} ({needed})")
    sample: dict[str, Any] = {
        "about": f"recorded: {recording.get('about', 'a machine')}",
        "now": recording["recorded_at"],
        "sections": {name: _section(recording["sections"][name]) for name in names},
        "expect": [],
    }
    if recording.get("windows"):
        sample["windows"] = recording["windows"]
    scratch.write_text(json.dumps(sample), encoding="utf-8")
    results = run(entry, catalogue, load(scratch))
    sample["expect"] = [_expected(result) for result in results]
    return json.dumps(sample, indent=1) + "\n"


def write_fixture(file: Path, probe: str) -> int:
    """Print a sample of this probe, made of a recording. Exit 0; 2 where there is no such probe or data."""
    catalogue = load_catalogue()
    entry = catalogue.entries.get(probe)
    if entry is None:
        nearest = catalogue.nearest(probe)
        sys.stderr.write(
            f"there is no probe {probe!r}" + (f"; did you mean {nearest!r}?\n" if nearest else "\n")
        )
        return 2
    with TemporaryDirectory() as folder:
        try:
            text = sample_text(read_recording(file), entry, catalogue, Path(folder) / "sample.json")
        except SampleError as problem:
            sys.stderr.write(f"{problem}\n")
            return 2
    sys.stdout.write(text)
    return 0


def _section(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: given[key] for key in ("source", "version", "quality", "raw") if key in given}
    if given.get("reason"):
        kept["reason"] = given["reason"]
    if isinstance(kept.get("raw"), str):
        kept["raw"] = kept["raw"].splitlines()
    return kept


def _expected(result: ItemResult) -> dict[str, Any]:
    expected: dict[str, Any] = {"outcome": result.outcome.value, "item": result.item}
    if result.outcome is Outcome.FINDING:
        expected |= {"message": result.message, "impact": result.impact, "when": result.when}
        expected["evidence"] = {name: _plain(value) for name, value in result.evidence.items()}
    if result.reason:
        expected["reason"] = result.reason
    return expected


def _plain(value: Value) -> float | int | str:
    match value:
        case Bytes(number) | Ratio(number) | Number(number) | Duration(number):
            return number
        case Instant(moment):
            return datetime.isoformat(moment)
        case Day(day):
            return day.isoformat()
        case Text(text):
            return text
