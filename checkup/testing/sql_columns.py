"""Which columns SQL Server's views have, by version: dmv_columns.json.

The file is dated data: facts of Microsoft's documentation, for the views that probes read. For each object
its first version (`since`, left out where 2008 R2 has it) and its columns in groups: "always", "since 11",
"since 13.0.4001", "before 11". An object that is not in it may not be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, cast

COLUMNS_FILE: Final = "dmv_columns.json"

Version = tuple[int, ...]

OLDEST: Final[Version] = (10, 50)
NEWEST: Final[Version] = (99,)


@dataclass(frozen=True, slots=True)
class Span:
    """The versions from `since` on and before `before`, as a variant gives them."""

    since: Version = ()
    before: Version = ()

    @property
    def lowest(self) -> Version:
        return max(self.since, OLDEST)

    @property
    def highest(self) -> Version:
        return self.before or NEWEST


@dataclass(frozen=True, slots=True)
class View:
    """One object; a column may be there for a span of versions only."""

    since: Version
    columns: Mapping[str, Span]


def is_known(name: str) -> bool:
    return name in views()


def object_problems(name: str, span: Span, needs: frozenset[str]) -> Iterator[str]:
    view = views().get(name)
    # Who asks for a column beforehand has asked for its object.
    asked = any(need == name or need.startswith(f"{name}.") for need in needs)
    if view is not None and view.since > span.lowest and not asked:
        yield f"{name} came with {dotted(view.since)}, and the variant is sent to {dotted(span.lowest)}"


def column_problems(name: str, column: str, span: Span, needs: frozenset[str]) -> Iterator[str]:
    view = views().get(name)
    if view is None:
        return
    there = view.columns.get(column)
    if there is None:
        yield f"{name} has no column {column} (dmv_columns.json)"
    elif there.since > max(span.lowest, view.since) and f"{name}.{column}" not in needs:
        since, sent = dotted(there.since), dotted(span.lowest)
        yield f"{name}.{column} came with {since}, and the variant is sent to {sent}"
    elif there.before and there.before < span.highest:
        yield f"{name}.{column} went with {dotted(there.before)}: give the variant a `before`"


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


@cache
def views() -> Mapping[str, View]:
    """The objects by name in lower case. Raises ValueError on a file that is not of this form."""
    text = resources.files("checkup.testing").joinpath(COLUMNS_FILE).read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> Mapping[str, View]:
    data = cast("dict[str, Any]", json.loads(text))
    made: dict[str, View] = {}
    for name, given in cast("dict[str, dict[str, Any]]", data["objects"]).items():
        since = _version(given.get("since", ""))
        columns: dict[str, Span] = {}
        for group, listed in cast("dict[str, str]", given["columns"]).items():
            span = _span(group, since)
            columns |= {column.lower(): span for column in listed.split()}
        made[name.lower()] = View(since, columns)
    return made


def _span(group: str, since: Version) -> Span:
    word, _, version = group.partition(" ")
    if word == "always" and not version:
        return Span(since)
    if word == "since":
        return Span(_version(version))
    if word == "before":
        return Span(since, _version(version))
    raise ValueError(f"{group!r} should be always, or since or before a version")


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split(".")) if text else ()
