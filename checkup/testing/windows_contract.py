"""What a section with a collector for Windows owes its readers beside its probe's contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from checkup.api import JSON, Cost, PowerShell, Quality, Rights, Section, Wmi
from checkup.testing.hostile_raw import READING_ERRORS
from checkup.testing.samples import (
    NEW_WINDOWS,
    OLD_WINDOWS,
    WINDOWS_SOURCES,
    Sample,
    SampleSection,
    load,
)

PRIVACY_LENGTH = 160
LONGEST_TIMEOUT_S = 120


def windows_problems(section: Section[Any]) -> list[str]:
    """What is wrong with a section's rights, cost and privacy; empty without a collector for Windows."""
    found: list[str] = []
    for source in WINDOWS_SOURCES:
        collector = section.collect.get(source)
        if collector is None:
            continue
        where = f"{section.name} ({source})"
        can = (Wmi,) if source == "cim" else (PowerShell, Wmi)
        if not isinstance(collector, can):
            found.append(f"{where}: {type(collector).__name__} cannot collect there")
            continue
        if collector.rights not in get_args(Rights):
            found.append(f"{where}: rights {collector.rights!r} is none of {', '.join(get_args(Rights))}")
        if collector.cost not in get_args(Cost):
            found.append(f"{where}: cost {collector.cost!r} is none of {', '.join(get_args(Cost))}")
        if not 1 <= collector.timeout_s <= LONGEST_TIMEOUT_S:
            found.append(f"{where}: the timeout should be 1 to {LONGEST_TIMEOUT_S} s")
        if not 0 < len(section.privacy.strip()) <= PRIVACY_LENGTH:
            found.append(f"{where}: privacy should say in a few words what leaves the machine")
    return found


def windows_sample_problems(section: Section[Any], folder: Path) -> list[str]:
    """Which recorded facts of Windows are missing below `folder`, or do not fit what is collected."""
    if not any(source in section.collect for source in WINDOWS_SOURCES):
        return []
    return list(_sample_problems(section, folder))


def _sample_problems(section: Section[Any], folder: Path) -> Iterator[str]:
    seen: set[str] = set()
    sources: set[str] = set()
    for sample, windows, given in _recorded(section, folder):
        if not windows:
            yield f'{sample.path}: say which Windows it is of, like "windows": "7"'
        seen.add(windows)
        sources.add(given.source)
        for text in _misfits(section, given):
            yield f"{sample.path}: {section.name}: {text}"
    for which, known in (("an old", OLD_WINDOWS), ("a new", NEW_WINDOWS)):
        if not seen & known:
            yield f"{section.name}: no sample of {which} Windows ({', '.join(sorted(known))})"
    if "cim" in section.collect and "cim" not in sources:
        yield f"{section.name}: no sample of what is asked without a shell (source cim)"


def _recorded(section: Section[Any], folder: Path) -> Iterator[tuple[Sample, str, SampleSection]]:
    for path in sorted(folder.glob("*/*.json")):
        sample = load(path)
        for one in sample.targets:
            given = one.sections.get(section.name)
            if given is not None and given.source in WINDOWS_SOURCES and given.raw is not None:
                yield sample, one.windows, given


def _misfits(section: Section[Any], given: SampleSection) -> Iterator[str]:
    """Where raw data is not what the section's queries would bring."""
    collector = section.collect.get("windows" if given.source == "windows" else "cim")
    collector = collector or section.collect.get("windows")
    if not isinstance(collector, Wmi) or not isinstance(given.raw, dict) or given.version != section.version:
        return
    if given.quality is not Quality.OK:
        return
    asked = {query.wmi_class: query for query in collector.queries}
    for name in sorted(given.raw.keys() - asked.keys()):
        yield f"nothing asks for {name}"
    for name, query in asked.items():
        rows = given.raw.get(name)
        if rows is None:
            if not query.optional:
                yield f"{name} is missing, and not optional"
            continue
        if not isinstance(rows, list):
            yield f"{name} is a list of rows"
            continue
        for row in rows:
            values: dict[str, JSON] = row if isinstance(row, dict) else {str(row)[:40]: None}
            if values.keys() != set(query.properties):
                yield f"{name} is asked for {', '.join(query.properties)}, not {', '.join(sorted(values))}"
                break
            if given.source == "cim" and not all(_is_text(value) for value in values.values()):
                yield f"{name}: without a shell every value is a text, a list of texts or null"
                break


def _is_text(value: JSON) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(one is None or isinstance(one, str) for one in values)


# --- with and without a shell -----------------------------------------------------------------


def without_shell(raw: JSON) -> JSON:
    """What WS-Management says where the batch says this: texts for numbers and truth values, a single text
    for an array of one, null for an empty one."""
    if not isinstance(raw, dict):
        return raw
    return {
        name: [
            {key: _as_text(value) for key, value in row.items()} if isinstance(row, dict) else row
            for row in rows
        ]
        if isinstance(rows, list)
        else rows
        for name, rows in raw.items()
    }


def _as_text(value: JSON) -> JSON:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        texts = [_as_text(one) for one in value]
        return None if not texts else texts[0] if len(texts) == 1 else texts
    return value


def without_shell_problems(section: Section[Any], folder: Path) -> list[str]:
    """Where a section reads the same rows otherwise when they come as texts, without a shell."""
    if not isinstance(section.collect.get("windows"), Wmi) or "cim" in section.collect:
        return []
    found: list[str] = []
    for sample, _, given in _recorded(section, folder):
        if given.source != "windows":
            continue
        typed = _facts(section, given.raw, "windows", given.version)
        texts = _facts(section, without_shell(given.raw), "cim", given.version)
        if typed != texts:
            found.append(f"{sample.path}: {section.name}: as texts the facts are {texts}, not {typed}")
    return found


def _facts(section: Section[Any], raw: JSON, source: str, version: int) -> object:
    try:
        return section.parse(raw, source, version)
    except READING_ERRORS:
        return "not readable"
