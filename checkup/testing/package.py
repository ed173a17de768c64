"""What a package of probes holds, read by the catalogue as the product does it."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from checkup.catalogue import AnySection, Catalogue, Entry, build


@dataclass(frozen=True, slots=True)
class PackageContents:
    folder: Path
    catalogue: Catalogue

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self.catalogue.entries.values())

    @property
    def sections(self) -> tuple[AnySection, ...]:
        return tuple(self.catalogue.sections.values())


def contents(package: ModuleType) -> PackageContents:
    """Every probe and section of a package. Raises CatalogueError on one that cannot be used."""
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    modules = [package, *(importlib.import_module(name) for name in sorted(names))]
    return PackageContents(Path(str(package.__file__)).parent, build(modules))
