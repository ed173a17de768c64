"""Settings of NTFS that cost time on every access."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NoLevels,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
)
from probes.windows.rows import number


@dataclass(frozen=True, slots=True)
class FileSystemSettings:
    """None: Windows' default is in force.

    `short_names` (NtfsDisable8dot3NameCreation): 0 made on all volumes, 1 on none, 2 set for each volume,
    3 on the system volume only. `last_access` (NtfsDisableLastAccessUpdate): odd when reading a file does
    not write the time, 0x80000000 and above when Windows itself decides. `long_paths`: programs may use
    paths of more than 260 characters.
    """

    short_names: int | None
    last_access: int | None
    long_paths: bool | None


WINDOWS = r"""
$path = 'HKLM:\SYSTEM\CurrentControlSet\Control\FileSystem'
$values = RegistryValues $path
if ($null -eq $values) {
  Unsupported 'no settings of the file system in the registry'
}
@{
  'NtfsDisable8dot3NameCreation' = $values['NtfsDisable8dot3NameCreation']
  'NtfsDisableLastAccessUpdate' = $values['NtfsDisableLastAccessUpdate']
  'LongPathsEnabled' = $values['LongPathsEnabled']
}
"""


def parse(raw: JSON, source: str, version: int) -> FileSystemSettings:
    if not isinstance(raw, dict):
        raise ValueError("not an object of settings")
    short_names = number(raw["NtfsDisable8dot3NameCreation"])
    last_access = number(raw["NtfsDisableLastAccessUpdate"])
    long_paths = number(raw["LongPathsEnabled"])
    return FileSystemSettings(
        short_names=short_names,
        # The registry's numbers arrive signed.
        last_access=None if last_access is None else last_access % 2**32,
        long_paths=None if long_paths is None else bool(long_paths),
    )


settings = Section(
    name="file-system-settings",
    facts=FileSystemSettings,
    collect={"windows": PowerShell(WINDOWS, timeout_s=10, rights="user", cost="small")},
    parse=parse,
    privacy="three numbers",
)

BY_WINDOWS = 0x80000000
SHORT_NAMES = {0: "on all volumes", 1: "on no volume", 2: "set for each volume", 3: "on the system volume"}


def check(facts: FileSystemSettings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    short = SHORT_NAMES.get(facts.short_names if facts.short_names is not None else 2, "unknown")
    # Who switched it on did so on purpose; what Windows decides fits the size of its volume.
    access = facts.last_access
    access_written = access is not None and access < BY_WINDOWS and access % 2 == 0
    evidence: dict[str, Value] = {
        "short_names": Text(short),
        "last_access": Text("written" if access_written else "not written, or as Windows decides"),
        "long_paths": Text("allowed" if facts.long_paths else "not allowed"),
    }
    if facts.short_names == 0:
        yield Finding(
            impact=Impact.NOTE, when=When.LATER, message="short_names", item="short names", evidence=evidence
        )
    if access_written:
        yield Finding(
            impact=Impact.NOTE, when=When.LATER, message="last_access", item="last access", evidence=evidence
        )
    if facts.short_names != 0 and not access_written:
        yield Passed(evidence=evidence)


probe = Probe(
    id="windows.file-system",
    title="The file system does no needless work on every access",
    check=check,
    levels=NoLevels(),
    messages={
        "short_names": "Windows makes a second, short name for every file on all volumes.",
        "last_access": "Windows writes the time of the last access whenever a file is read.",
    },
    why="In folders with very many files the search for a free short name takes longer and longer, and every "
    "reading that also writes holds up the disk.",
    remedy="If no old program needs them, switch off short names on the data volume (`fsutil 8dot3name set`) "
    "and the time of the last access (`fsutil behavior set disablelastaccess 1`).",
    verify="`fsutil 8dot3name query` and `fsutil behavior query disablelastaccess` show them switched off.",
    references=("HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem",),
)
