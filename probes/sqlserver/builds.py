"""The table of SQL Server's branches, their support and their builds: dated data in builds.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Build:
    """`number` is the third part of ProductVersion; `update` what the maker calls it ("CU24 GDR")."""

    number: int
    update: str
    released: date


@dataclass(frozen=True, slots=True)
class Branch:
    """What is published under one major version: "15.0" is SQL Server 2019."""

    key: str
    name: str
    mainstream_ends: date
    extended_ends: date
    source: str
    builds: tuple[Build, ...]

    @property
    def newest(self) -> Build:
        return max(self.builds, key=lambda build: (build.released, build.number))

    def build(self, number: int) -> Build | None:
        return next((build for build in self.builds if build.number == number), None)

    @property
    def highest(self) -> int:
        return max(build.number for build in self.builds)


@dataclass(frozen=True, slots=True)
class Dangerous:
    """Builds that must not be used: `kind` is "corruption" (data may be lost) or "withdrawn"."""

    branch: str
    first: int
    last: int
    kind: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    as_of: date
    source: str
    branches: Mapping[str, Branch]
    dangerous: tuple[Dangerous, ...]


@cache
def table() -> Table:
    content = files("probes.sqlserver").joinpath("builds.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(content)
    branches = [
        Branch(
            key=row["branch"],
            name=row["name"],
            mainstream_ends=date.fromisoformat(row["mainstream_ends"]),
            extended_ends=date.fromisoformat(row["extended_ends"]),
            source=row["source"],
            builds=tuple(
                Build(number, update, date.fromisoformat(day)) for number, update, day in row["builds"]
            ),
        )
        for row in data["branches"]
    ]
    return Table(
        as_of=date.fromisoformat(data["as_of"]),
        source=data["source"],
        branches={branch.key: branch for branch in branches},
        dangerous=tuple(Dangerous(**row) for row in data["dangerous"]),
    )


def branch_of(version: tuple[int, ...]) -> Branch | None:
    """The branch of a ProductVersion; None for one that the table does not know."""
    major, minor = (*version, 0, 0)[:2]
    return table().branches.get(f"{major}.{minor}")


def number_of(version: tuple[int, ...]) -> int:
    return version[2] if len(version) > 2 else 0
