"""A named group of facts: how it is collected, and how its raw data are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from checkup.api.collectors import JSON, AccessFile, Connection, PowerShell, Psutil, Sampled, Shell, Wmi
from checkup.api.context import Declared
from checkup.api.sql import Sql

F = TypeVar("F")

Collector = Shell | PowerShell | Wmi | AccessFile | Sql | Psutil | Connection | Sampled

# "cim" is what a Windows machine is asked where it gives us no shell. A section whose "windows"
# collector is `Wmi` need not name it: the same queries are asked.
Source = Literal[
    "posix",
    "windows",
    "cim",
    "access",
    "sqlserver",
    "postgresql",
    "mariadb",
    "local",
    "connection",
    "sampled",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a collector needs to know. `since` is filled with the last visit's time; every other
    parameter comes from the target's `declare:` in the site file, never from this run's facts."""

    kind: Literal["integer", "instant", "text", "texts"]
    default: Declared | None = None
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Section(Generic[F]):
    """One named group of facts, with how to collect it and how to read it.

    `parse(raw, source, version)` is pure, raises ValueError (or any lookup error) on what it cannot
    read, and reads every version it ever shipped. `raw` is text for a shell fragment, JSON data for
    everything else. `privacy` says in a few words what leaves the machine.
    """

    name: str
    facts: type[F]
    collect: Mapping[Source, Collector]
    parse: Callable[[JSON, str, int], F]
    version: int = 1
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    privacy: str = "no names, no contents"
