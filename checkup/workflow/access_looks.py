"""The Access files of a run in words: how deep, why so deep, at what cost, and which pages cross a link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from checkup.access_cost import ASSUMED_MBIT_PER_S, HANDED_OUT, LARGEST_FILE_BYTES, PAGE_KINDS, cost_of
from checkup.access_depth import SERVER_PAGES, Look, seconds, settled
from checkup.api import JSON, Depth
from checkup.plan import EndpointPlan, Plan
from checkup.report.text import bytes_text, significant
from checkup.site import Site

if TYPE_CHECKING:
    from checkup.snapshot import EndpointSnapshot
    from checkup.store import Store


def seen_sizes(site: Site, store: Store | None, now: datetime) -> Mapping[str, int]:
    """How large each Access file was when it was last read before `now`, in bytes."""
    sizes: dict[str, int] = {}
    left = {file.id for file in site.access}
    for run in store.runs(site.site.id) if store is not None and left else ():
        if store is None or run.started_at >= now or not left & store.finished_endpoints(run.id):
            continue
        for snapshot in store.snapshots([run.id]):
            size = _size(snapshot) if snapshot.endpoint in left else None
            if size is not None:
                sizes[snapshot.endpoint] = size
        left -= sizes.keys()
        if not left:
            break
    return sizes


def _size(snapshot: EndpointSnapshot) -> int | None:
    """By the header, which several sections of a file hold; None where none does."""
    for section in snapshot.sections:
        header: JSON = section.raw.get("header") if isinstance(section.raw, dict) else None
        size = header.get("size_bytes") if isinstance(header, dict) else None
        if isinstance(size, int) and size > 0:
            return size
    return None


def looks(plan: Plan) -> Iterator[tuple[EndpointPlan, Look]]:
    """The Access files that will be read."""
    for endpoint in plan.endpoints:
        if endpoint.look is not None and not endpoint.opted_out:
            yield endpoint, endpoint.look


def look_line(endpoint: EndpointPlan, look: Look) -> str:
    """One file in one line."""
    return f"{endpoint.endpoint}: to the depth {_depth(look)}; {_cost(endpoint, look)}"


def look_lines(endpoint: EndpointPlan, look: Look) -> Iterator[str]:
    """One file as the plan shows it."""
    yield f"depth {_depth(look)}"
    yield _cost(endpoint, look)
    kinds = HANDED_OUT if endpoint.carrier else PAGE_KINDS[_expected(look)]
    yield f"these pages cross the link: {kinds}" if look.over_link else f"read, crossing no link: {kinds}"


def _expected(look: Look) -> Depth:
    return look.wanted if look.size_bytes is None else settled(look, look.size_bytes).depth


def _depth(look: Look) -> str:
    expected = _expected(look)
    if look.size_bytes is None or expected == look.wanted:
        return f"{look.wanted} ({look.because})"
    return f"{expected} ({look.because}, but {look.wanted} {settled(look, look.size_bytes).why})"


def _cost(endpoint: EndpointPlan, look: Look) -> str:
    if look.size_bytes is not None:
        size = f"{bytes_text(look.size_bytes)} by {look.size_from}"
        return f"{size}: {_spent(endpoint, look, look.size_bytes)}"
    largest = settled(look, LARGEST_FILE_BYTES).depth
    at = "at 2 GB" if largest == look.wanted else f"at 2 GB, then to the depth {largest},"
    return (
        "size unknown yet: settled when the header is read; "
        f"{at} {_spent(endpoint, look, LARGEST_FILE_BYTES)}"
    )


def _spent(endpoint: EndpointPlan, look: Look, size_bytes: int) -> str:
    depth = settled(look, size_bytes).depth
    cost = cost_of(depth, size_bytes)
    if endpoint.transport == SERVER_PAGES:
        text = bytes_text(cost.bytes * 16 / 9)  # in base64, in a frame that is base64 as well
        return f"about {text} in the answer of its machine, where the whole file is read once"
    took = f"{significant(max(1, seconds(look, depth, size_bytes)), 2)} s"
    about = f"about {bytes_text(cost.bytes)} in {significant(cost.requests, 2)} reads"
    if not look.over_link:
        return f"{about}, {took} on a slow machine"
    speed = f"{look.link_mbit_per_s or ASSUMED_MBIT_PER_S} Mbit/s"
    assumed = "" if look.link_mbit_per_s else " (assumed: no `link_mbit_per_s:`)"
    return f"{about} and {cost.rounds} round trips, {took} at {speed}{assumed}"
