"""What a plan is: what will run where, as pure data. It is made in `planning`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from checkup.access_depth import Look
from checkup.api import Declared, Source, Target, Visit, WmiQuery
from checkup.batch import BatchSection, assemble, token_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The section by which a Windows machine hands out pages of the Access files on its disks.
PAGES_SECTION = "access-pages"
PAGES_PARAMETER = "access_files"

# What these carry arrives whole or not at all; a file that was brought by hand may be damaged.
CHECKED_TRANSPORTS = ("ssh", "local", "winrm")


class PlanError(Exception):
    """What was asked for cannot be planned: an unknown probe, area or host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCheck:
    """One (probe, target) pair; the target is "" at site scope."""

    probe: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedSection:
    """One section of one target, with the collector that the transport and platform call for.

    `source` is None where no collector fits the platform: the section comes back as unsupported.
    `queries` are what a Windows machine is asked where it gives us no shell. `left_out` says why it is not
    collected in this run, though its checks are planned; "" if it is.
    """

    target: str
    name: str
    version: int
    source: Source | None
    text: str = ""
    timeout_s: int = 0
    parameters: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    queries: tuple[WmiQuery, ...] = ()
    left_out: str = ""


# Of a SQL section that reads pages of tables or indexes.
ONLY_DEEP = "it reads much, and runs only with --deep"

# Of a section that is made of samples.
NOT_SAMPLED = "nobody sampled a busy hour; run `checkup sample SITE.YAML --for 2h` while people work"

SQL_PLATFORMS = frozenset({"sqlserver", "postgresql", "mariadb"})

# Transports whose name alone does not say it.
_WAYS = {
    "file": "reading it in place",
    "odbc": "reading it in place, and counting by its driver",
    "server-pages": "pages that its machine hands out",
}


@dataclass(frozen=True, kw_only=True)
class EndpointPlan:
    """One machine: one connection, one batch. An opted-out machine is never contacted.

    An Access file is an endpoint as well. With a `carrier` it has no connection of its own: the answer of
    that endpoint brings its pages, under the file's `path` as that machine names it.
    """

    site: str
    endpoint: str
    transport: str
    platform: str
    opted_out: str  # why this machine is not touched; "" if it is
    targets: tuple[str, ...]
    sections: tuple[PlannedSection, ...]
    fallback: str = ""  # the transport that is tried where the first gives no shell
    carrier: str = ""
    path: str = ""
    look: Look | None = None  # of an Access file that anything is asked of: how deep

    @property
    def way(self) -> str:
        """How it is reached, for people."""
        if self.carrier:
            return f"pages that {self.carrier} hands out"
        if self.platform in SQL_PLATFORMS:
            return "ODBC"
        return _WAYS.get(self.transport, self.transport)

    @property
    def scripted(self) -> tuple[PlannedSection, ...]:
        """The sections that travel in the batch, in the order in which they run."""
        return tuple(section for section in self.sections if section.source in ("posix", "windows"))

    @cached_property
    def script(self) -> bytes:
        return self.script_for(self.scripted)

    def script_for(self, sections: Sequence[PlannedSection]) -> bytes:
        """The batch for these sections. Without any it still says HELLO: who answers is always asked."""
        return assemble(
            self.platform,
            [
                BatchSection(
                    target=section.target,
                    name=section.name,
                    version=section.version,
                    script=section.text,
                    timeout_s=section.timeout_s,
                    parameters=section.parameters,
                )
                for section in sections
            ],
            site=self.site,
            endpoint=self.endpoint,
            checksums=self.transport not in CHECKED_TRANSPORTS,
        )

    def token_of(self, script: bytes) -> str:
        return token_of(self.platform, script)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will run where. `unlinted` are the probes without the read-only lint's stamp."""

    site: str
    visit: Visit
    targets: tuple[Target, ...]
    checks: tuple[PlannedCheck, ...]
    endpoints: tuple[EndpointPlan, ...]
    unlinted: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return hashlib.sha256(to_json(self)).hexdigest()


@cache
def _adapter() -> TypeAdapter[Plan]:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


def to_json(plan: Plan) -> bytes:
    return _adapter().dump_json(plan)


def from_json(data: bytes) -> Plan:
    return _adapter().validate_json(data)
