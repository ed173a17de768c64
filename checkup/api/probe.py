"""A probe: one question, with the check that answers it and all that the report says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from checkup.api.context import Context
from checkup.api.results import Result

API_VERSION = 1

L = TypeVar("L")


class Visit(StrEnum):
    """The contractual check-ups, and the run that closes none of them."""

    THIRTY_DAY = "30-day"
    SIX_MONTH = "six-month"
    TUNE_UP = "tune-up"
    INTERIM = "interim"


ALL_VISITS = frozenset(Visit)


@dataclass(frozen=True, slots=True)
class NoLevels:
    """For a probe without thresholds."""


class Scope(StrEnum):
    TARGET = "target"
    SITE = "site"


@dataclass(frozen=True, kw_only=True)
class Probe(Generic[L]):
    """One question, asked of every target of its kinds.

    `title` states the good state. `check(facts, levels, ctx)` is a pure generator; the type of its
    first parameter names the facts it needs: one fact type, a frozen dataclass of several (`X |
    None` for one it can do without), or `PerTarget[X]` at site scope. With `roles`, a machine to which
    the site file gives another role is not asked. `messages` are templates by
    id with {named} values from the evidence, `{item}` and `{target}`; `levels` are the defaults.
    """

    id: str
    title: str
    check: Callable[[Any, L, Context], Iterator[Result]]
    messages: Mapping[str, str]
    why: str
    remedy: str
    verify: str
    levels: L
    visits: frozenset[Visit] = ALL_VISITS
    scope: Scope = Scope.TARGET
    kind: str = "host"
    roles: frozenset[str] = frozenset()
    rights: str = "an ordinary account"
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    api: ClassVar[int] = API_VERSION
