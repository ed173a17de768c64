"""What a package of probes holds: every probe and every section, found by walking its modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from checkup.api import Probe, Section


@dataclass(frozen=True, slots=True)
class PackageContents:
    folder: Path
    probes: tuple[Probe[Any], ...]
    sections: tuple[Section[Any], ...]


def contents(package: ModuleType) -> PackageContents:
    """Every module-level probe and section of a package, each once, by id and name."""
    folder = Path(str(package.__file__)).parent
    probes: dict[int, Probe[Any]] = {}
    sections: dict[int, Section[Any]] = {}
    for module in _modules(package):
        for value in cast(Iterable[object], vars(module).values()):
            if isinstance(value, Probe):
                probes[id(cast(object, value))] = cast(Probe[Any], value)
            elif isinstance(value, Section):
                sections[id(cast(object, value))] = cast(Section[Any], value)
    return PackageContents(
        folder,
        tuple(sorted(probes.values(), key=lambda probe: probe.id)),
        tuple(sorted(sections.values(), key=lambda section: section.name)),
    )


def _modules(package: ModuleType) -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [package, *(importlib.import_module(name) for name in sorted(names))]
