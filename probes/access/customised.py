"""What was made or changed at the site, against the set of objects that the maker of the file shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
    Worse,
)
from probes.access import parts
from probes.access.contents import OBJECT_KINDS

Key = tuple[str, str]
"""Kind and name of an object, the name in small letters as Access compares it."""


class NamedObject(NamedTuple):
    """`changed` is a local time of whoever changed it, taken for UTC; None where nothing tells."""

    kind: str
    name: str
    changed: datetime | None

    @property
    def key(self) -> Key:
        return self.kind, self.name.casefold()


class Objects(NamedTuple):
    """Queries, forms, reports, macros and modules of a file, those apart that Access makes for itself."""

    made: tuple[NamedObject, ...]


def parse(raw: JSON, source: str, version: int) -> Objects:
    return Objects(
        tuple(
            NamedObject(
                parts.word(one, "kind", OBJECT_KINDS),
                parts.text(one, "name"),
                parts.instant_or_none(one, "updated"),
            )
            for one in parts.objects(raw, "objects")
        )
    )


objects = Section(
    name="access-objects",
    facts=Objects,
    collect={"access": AccessFile(("objects",), depth="catalogue")},
    parse=parse,
    parameters={
        "access_shipped": Parameter(
            "texts",
            doc="the queries, forms, reports, macros and modules that the maker shipped: a file made by "
            "`checkup access FILE --json` of the file as shipped, or texts like "
            "'form Orders 2026-01-31T10:00:00' (the time of its last change may be left out)",
        ),
    },
    privacy="kinds, names and times of queries, forms, reports, macros and modules",
)

_SHIPPED = re.compile(
    rf"({'|'.join(sorted(OBJECT_KINDS))}) (.+?)(?: (\d{{4}}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?))?", re.DOTALL
)
# Copying a file keeps these times to the second; formats round them a little differently.
_SAME_TIME = timedelta(seconds=2)


def shipped(lines: Sequence[str]) -> dict[Key, NamedObject]:
    """Raises ValueError for a text that names no object."""
    known: dict[Key, NamedObject] = {}
    for line in lines:
        found = _SHIPPED.fullmatch(line.strip())
        if found is None:
            raise ValueError(f"{line[:60]!r} is not a kind and a name, like 'form Orders'")
        changed = datetime.fromisoformat(found[3]).replace(tzinfo=UTC) if found[3] else None
        one = NamedObject(found[1], found[2], changed)
        known[one.key] = one
    return known


def check_objects(facts: Objects, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    declared = ctx.target.declare.get("access_shipped")
    if not declared or isinstance(declared, int):
        yield NotApplicable(reason="what the maker shipped is not declared (`access_shipped`)")
        return
    try:
        before = shipped((declared,) if isinstance(declared, str) else declared)
    except ValueError as error:
        yield NotChecked(reason=f"`access_shipped` of the site file: {error}")
        return
    now = {one.key: one for one in facts.made}
    yield from _compared(before, now)


def _compared(before: Mapping[Key, NamedObject], now: Mapping[Key, NamedObject]) -> Iterator[Result]:
    added = [one for key, one in now.items() if key not in before]
    changed = [one for key, one in now.items() if key in before and _changed(before[key], one)]
    removed = [one for key, one in before.items() if key not in now]
    yield from _told(added, "added", Impact.NOTE)
    yield from _told(changed, "changed", Impact.LIMITED)
    yield from _told(removed, "removed", Impact.LIMITED)
    if not (added or changed or removed):
        yield Passed(evidence={"objects": Number(len(now))})


def _changed(before: NamedObject, now: NamedObject) -> bool:
    if before.changed is None or now.changed is None:
        return False
    return now.changed > before.changed + _SAME_TIME


def _told(some: Sequence[NamedObject], message: str, impact: Impact) -> Iterator[Result]:
    if not some:
        return
    names = [f"{one.kind} {one.name}" for one in sorted(some, key=lambda one: one.key)]
    evidence: dict[str, Value] = {"count": Number(len(names)), "names": Text(parts.named(names))}
    yield Finding(
        impact=impact,
        when=When.BEFORE_NEXT_VISIT if impact is Impact.LIMITED else When.LATER,
        message=message,
        item=message,
        evidence=evidence,
        value=Number(len(names)),
        worse=Worse.HIGHER,
    )


customised = Probe(
    id="access.customised",
    title="The file holds the objects that its maker shipped",
    check=check_objects,
    levels=NoLevels(),
    messages={
        "added": "Made at the site ({count}): {names}.",
        "changed": "Shipped, and changed at the site since ({count}): {names}.",
        "removed": "Shipped, and no longer there ({count}): {names}.",
    },
    why=(
        "The next update of the product replaces its file: what was made or changed at the site is lost then "
        "unless it is known and carried over, and a fault in it is no fault of the product."
    ),
    remedy=(
        "Before the next update, copy what was made or changed to a file of your own, and have it looked at "
        "again with the new version; ask the maker for what is missing."
    ),
    verify="The next check-up names only what you know of.",
    kind="access",
)
