"""Known risks that the client accepted: until a date, with a reason and an owner.

A lapsed waiver does not vanish: its finding returns, marked with the old reason. A finding that
grew beyond the value accepted returns as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from checkup.api import Worse
from checkup.assessment import ItemResult, Outcome, Waived


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """As in the site file. `item` None waives the probe on the target whatever the item; the last
    day is `until`, in the site's time zone. `accepted` is the worst value the client accepted."""

    probe: str
    target: str
    item: str | None
    reason: str
    approved_by: str
    until: date
    accepted: float | None = None

    def __str__(self) -> str:
        item = f", {self.item}" if self.item else ""
        return f"{self.probe} on {self.target}{item} (until {self.until:%Y-%m-%d})"


def apply(
    results: Sequence[ItemResult], waivers: Sequence[Waiver], ids: Mapping[str, str], today: date
) -> tuple[list[ItemResult], list[Waiver]]:
    """The results with their waivers, and the waivers that met no finding.

    `ids` maps every probe id and alias to the id in use.
    """
    used: set[int] = set()
    out: list[ItemResult] = []
    for result in results:
        index = next((i for i, w in enumerate(waivers) if _meets(w, result, ids)), None)
        if result.outcome is not Outcome.FINDING or index is None:
            out.append(result)
            continue
        used.add(index)
        waiver = waivers[index]
        out.append(
            replace(
                result,
                waived=Waived(
                    reason=waiver.reason,
                    approved_by=waiver.approved_by,
                    until=waiver.until,
                    lapsed=today > waiver.until,
                    outgrown=_outgrown(waiver, result),
                ),
            )
        )
    return out, [waiver for i, waiver in enumerate(waivers) if i not in used]


def _meets(waiver: Waiver, result: ItemResult, ids: Mapping[str, str]) -> bool:
    return (
        ids.get(waiver.probe) == result.probe
        and waiver.target in (result.target, "*")
        and waiver.item in (None, result.item)
    )


def _outgrown(waiver: Waiver, result: ItemResult) -> bool:
    if waiver.accepted is None or result.value is None:
        return False
    sign = -1 if result.worse is Worse.LOWER else 1
    return sign * result.value.value > sign * waiver.accepted
