"""One section cut from a reading of an Access file: how good it is, and why not better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from checkup.api import JSON, AccessFile, Depth, Quality
from checkup.collect.access_catalogue_parts import STRUCTURE, lacking
from checkup.collect.access_reading import COVERS, Reading, Refusal

# The depth from which on a part is there. The lock file may be absent at any.
_NEEDED: Final[Mapping[str, Depth]] = {
    **dict.fromkeys(("header", "integrity", "cost"), "header"),
    **dict.fromkeys(STRUCTURE, "catalogue"),
    "maps": "maps",
}

# By what kept a part from being read: what its sections are then.
_QUALITIES: Final[Mapping[str, Quality]] = {
    "encrypted": Quality.DENIED,
    "denied": Quality.DENIED,
    "timeout": Quality.TIMEOUT,
    "damaged": Quality.BAD_OUTPUT,
    "catalogue-unreadable": Quality.BAD_OUTPUT,
}


class Cut(NamedTuple):
    """One section cut from a reading: how good it is, why not better, and its raw data."""

    quality: Quality
    reason: str
    raw: JSON


def cut(reading: Reading, made: Mapping[str, JSON], collector: AccessFile) -> Cut:
    """The section that `collector` asks for, from the parts made of the reading.

    Not ok where a part could not be read, and partial where one could not be read whole or deep enough.
    """
    raw: dict[str, JSON] = {part: made.get(part) for part in collector.parts}
    missing = [
        part
        for part, content in raw.items()
        if content is None and part in _NEEDED and _NEEDED[part] in COVERS[collector.depth]
    ]
    if collector.depth not in COVERS[reading.depth]:
        why = f"was not looked at: that takes the depth {collector.depth!r}"
        return Cut(Quality.UNREACHABLE, why, None)
    if "lock" in collector.parts and reading.lock_unread:
        return Cut(Quality.DENIED, f"the lock file could not be read: {reading.lock_unread}", None)
    if missing:
        why = reading.refused or Refusal("broken", f"could not be read: {', '.join(missing)}")
        return Cut(_QUALITIES.get(why.kind, Quality.UNREACHABLE), why.detail, None)
    gaps = [*_gaps(reading, collector)]
    return Cut(Quality.PARTIAL if gaps else Quality.OK, "; ".join(dict.fromkeys(gaps)), raw)


def _gaps(reading: Reading, collector: AccessFile) -> Iterable[str]:
    if set(STRUCTURE).intersection(collector.parts) and reading.catalogue is not None:
        unread = [table.name for table in reading.catalogue.user_tables() if table.definition is None]
        if unread and "tables" in collector.parts:
            yield f"the definitions of {len(unread)} tables cannot be read"
        if reading.catalogue.damages:
            yield "parts of the catalogue cannot be read"
        whys = lacking(reading.catalogue)
        yield from (whys[part] for part in collector.parts if part in whys)
    if "integrity" in collector.parts:
        for left in reading.left_out:
            yield f"{left.part} left out: {left.detail}"
    if "maps" in collector.parts and reading.integrity is not None:
        placed = reading.integrity.partition
        if placed is not None and not placed.complete:
            yield "some usage maps or definitions cannot be read"
