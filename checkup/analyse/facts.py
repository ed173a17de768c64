"""From raw sections to facts: the newest good snapshot, parsed once, with its quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkup.api import ErrorClass, Quality
from checkup.catalogue import AnySection
from checkup.clean import REASON_LENGTH, clean_line
from checkup.snapshot import SectionSnapshot

# What a missing fact is called where the snapshot itself names no error class.
ERROR_OF = {
    Quality.DENIED: ErrorClass.DENIED,
    Quality.FILTERED: ErrorClass.DENIED,
    Quality.TIMEOUT: ErrorClass.TIMEOUT,
    Quality.UNSUPPORTED: ErrorClass.UNSUPPORTED,
    Quality.BAD_OUTPUT: ErrorClass.BAD_OUTPUT,
    Quality.UNREACHABLE: ErrorClass.UNREACHABLE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One section of one target. `value` is there only where `quality` is ok or partial."""

    quality: Quality
    value: Any = None
    source: str = ""
    collected_at: datetime | None = None
    error: ErrorClass | None = None
    reason: str = ""

    @property
    def usable(self) -> bool:
        return self.quality in (Quality.OK, Quality.PARTIAL)


NOT_COLLECTED = Facts(quality=Quality.UNREACHABLE, reason="was not collected")

Snapshots = Mapping[tuple[str, str], SectionSnapshot]


def newest(snapshots: Iterable[SectionSnapshot]) -> dict[tuple[str, str], SectionSnapshot]:
    """Per target and section the newest ok snapshot, else the newest."""
    chosen: dict[tuple[str, str], SectionSnapshot] = {}
    for snapshot in sorted(snapshots, key=lambda s: (s.quality is Quality.OK, s.collected_at)):
        chosen[snapshot.target, snapshot.section] = snapshot
    return chosen


def read(section: AnySection, snapshot: SectionSnapshot | None) -> Facts:
    """Parse one snapshot; what its own parser cannot read is bad output, never an exception."""
    if snapshot is None:
        return NOT_COLLECTED
    if snapshot.quality not in (Quality.OK, Quality.PARTIAL):
        return Facts(
            quality=snapshot.quality,
            source=snapshot.source,
            collected_at=snapshot.collected_at,
            error=snapshot.error or ERROR_OF.get(snapshot.quality),
            reason=clean_line(snapshot.reason, REASON_LENGTH),
        )
    try:
        value = section.parse(snapshot.raw, snapshot.source, snapshot.version)
    except Exception as error:  # noqa: BLE001 - a parser meets hostile text; whatever it raises means the same
        return Facts(
            quality=Quality.BAD_OUTPUT,
            source=snapshot.source,
            collected_at=snapshot.collected_at,
            error=ErrorClass.BAD_OUTPUT,
            reason=f"the answer could not be read ({type(error).__name__})",
        )
    return Facts(
        quality=snapshot.quality,
        value=value,
        source=snapshot.source,
        collected_at=snapshot.collected_at,
        reason=clean_line(snapshot.reason, REASON_LENGTH),
    )
