"""Packages of probes that are installed, found without the library that reads everything about packages.

`importlib.metadata` knows the same and more, but takes as long to import as a small Access file takes to be
read. What is wanted of it lies in the file entry_points.txt of each package's folder *.dist-info (PyPA,
"Entry points specification"). Where a package may be installed in another way, it is asked all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FOLDER = ".dist-info"
_OTHER_WAYS = (".egg-info", "EGG-INFO")


class ProbePackage(NamedTuple):
    """`value` is what the entry point names: a module or a package."""

    name: str
    value: str


def probe_packages(group: str) -> list[ProbePackage]:
    """The entry points of a group, by name; of a package that is installed twice those of the first."""
    found = _by_folders(group)
    if found is None:
        import importlib.metadata

        points = importlib.metadata.entry_points(group=group)
        found = [ProbePackage(point.name, point.value) for point in points]
    return sorted(found)


def _by_folders(group: str) -> list[ProbePackage] | None:
    """None where packages may be installed in another way."""
    if sum(hasattr(finder, "find_distributions") for finder in sys.meta_path) > 1:
        return None
    found: list[ProbePackage] = []
    seen: set[str] = set()
    for place in dict.fromkeys(sys.path):
        try:
            names = [found.name for found in Path(place).iterdir()]
        except NotADirectoryError:  # an archive
            return None
        except OSError:
            continue  # as Python itself does with a folder that is not there
        if any(name.endswith(_OTHER_WAYS) for name in names):
            return None
        for name in names:
            distribution = name.partition("-")[0].replace("_", "-").replace(".", "-").casefold()
            if name.endswith(_FOLDER) and distribution not in seen:
                seen.add(distribution)
                found += _read(Path(place, name, "entry_points.txt"), group)
    return found


def _read(path: Path, group: str) -> Iterator[ProbePackage]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield ProbePackage(name.strip(), value.strip())
