"""What a check is given beside its facts: the target, the clocks, the memory of earlier visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

Declared = int | str | tuple[str, ...]
F = TypeVar("F")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One thing that is examined. `endpoint` is the machine or instance that serves it; `platform` is
    what runs there: "posix", "windows", or "" where that says nothing.

    Of an Access file also: `path` as the machine that owns the disk names it, `share` the place on a share by
    which it is reached, `host_role` the role of that machine, `copy_of` the file that it is a back-up of.
    """

    id: str
    kind: str = "host"
    endpoint: str = ""
    platform: str = ""
    title: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    declare: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    path: str = ""
    share: str = ""
    host_role: str = ""
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One remembered metric value."""

    at: datetime
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When a limit is reached at the growth seen: best guess and the range around it.

    A date is None where the limit is not reached within the horizon (ten years).
    `per_day` is the robust slope in units a day.
    """

    reached: datetime | None
    earliest: datetime | None
    latest: datetime | None
    per_day: float
    points: int
    span_days: float


@dataclass(frozen=True, slots=True)
class NotEnoughHistory:
    """Too few visits to foretell anything from."""

    points: int
    needed: int


class Context(Protocol):
    """What a check may know beside its facts. Everything is handed in; nothing is looked up."""

    @property
    def target(self) -> Target: ...
    @property
    def now(self) -> datetime:
        """The clock of the analysis."""
        ...

    @property
    def collected_at(self) -> datetime:
        """When the facts were taken; ages of things on the target are counted from here."""
        ...

    @property
    def previous_at(self) -> datetime | None:
        """When the last comparable run took its facts; None at the first visit."""
        ...

    def history(self, metric: str, item: str = "") -> Sequence[Point]: ...

    def previous(self, facts: type[F]) -> F | None:
        """The same facts of the last comparable run, taken by the same method."""
        ...

    def forecast(
        self, metric: str, current: float, limit: float, item: str = ""
    ) -> Forecast | NotEnoughHistory: ...


class PerTarget(Mapping[str, F]):
    """Facts of every target that has them, by target id: the input of a site-scope check.

    `targets` says what is known of each of them beside its facts: role, tags, declarations.
    """

    def __init__(self, facts: Mapping[str, F], targets: Mapping[str, Target] | None = None) -> None:
        self._facts = dict(facts)
        self.targets: Mapping[str, Target] = targets or {name: Target(id=name) for name in self._facts}

    def __getitem__(self, target: str) -> F:
        return self._facts[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)
