"""An Access file of the site: opened, read once, cut into its sections."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from checkup.access_cost import PAGE_KINDS, budget_bytes
from checkup.access_depth import WITH_ROWS, WITHOUT_ROWS, Look, deepest, settled
from checkup.api import AccessFile, ErrorClass, Quality
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checkup.api import JSON, Depth
    from checkup.collect.access_reading import Reading
    from checkup.collect.access_sections import Cut
    from checkup.jet.folder_rights import FolderRights
    from checkup.jet.source import Source, Stat
    from checkup.transports.access_odbc import Counts

# Between two looks at a page that changed while it was read.
PAUSE_S = 2.0


@dataclass(frozen=True)
class OpenedFile:
    """`lock` is the lock file beside it, with what the file system says of it; None where there is none.
    `folder` are the rights where both lie, None where nothing tells them; `count` asks a driver, where there
    is one, to count the rows of the tables."""

    source: Source
    lock: tuple[bytes, Stat] | None
    folder: FolderRights | None = None
    count: Callable[[], Counts] | None = None


class OpenFile(Protocol):
    """Opens the Access file of a plan. Raises TransportError; `facts` is filled in either way."""

    def __call__(self, plan: EndpointPlan, facts: ConnectionFacts) -> AbstractContextManager[OpenedFile]: ...


@contextmanager
def no_files(plan: EndpointPlan, facts: ConnectionFacts) -> Generator[OpenedFile]:
    """Where a run has no way to files."""
    raise TransportError(ErrorClass.UNSUPPORTED, f"there is no way to the file {plan.endpoint}")
    yield  # pyright: ignore[reportUnreachable] - what makes it a generator


@dataclass(frozen=True)
class ReadFile:
    """A reading, and the parts made of it. `left` are the depths that were wanted and left out for the time
    they take; `why` says so."""

    reading: Reading
    parts: Mapping[str, JSON]
    left: tuple[Depth, ...] = ()
    why: str = ""

    @property
    def bytes_read(self) -> int:
        cost = self.parts.get("cost")
        size = cost.get("bytes") if isinstance(cost, dict) else None
        return size if isinstance(size, int) else 0

    def cut(self, collector: AccessFile) -> Cut:
        from checkup.collect.access_sections import Cut, cut

        if collector.depth in self.left:
            reason = f"was not looked at to the depth {collector.depth!r}, which {self.why}"
            return Cut(Quality.UNREACHABLE, reason, None)
        return cut(self.reading, self.parts, collector)


def reading_text(plan: EndpointPlan, collectors: Collection[AccessFile]) -> str:
    """What the ledger keeps of a reading before it begins: the pages that are read at most."""
    look = plan.look or _old_look(plan, collectors)
    where = "these pages cross the link" if look.over_link else "these pages are read, and cross no link"
    less = ""
    if look.wanted in WITH_ROWS and look.most_s is not None:
        less = f"\nor less, where its size makes that longer than {look.most_s} s"
    return (
        f"read {plan.endpoint} by {plan.transport} to the depth {look.wanted}; {where}: "
        f"{PAGE_KINDS[look.wanted]}{less}\n"
    )


def _old_look(plan: EndpointPlan, collectors: Collection[AccessFile]) -> Look:
    """Of a stored plan from before looks were planned: no page with rows is read."""
    asked = deepest(collectors)
    depth = WITHOUT_ROWS if asked in WITH_ROWS else asked
    return Look(wanted=depth, because="an earlier version planned it", over_link=plan.transport != "file")


def read_file(
    open_file: OpenFile, plan: EndpointPlan, facts: ConnectionFacts, collectors: Collection[AccessFile]
) -> ReadFile:
    """Raises TransportError where the file cannot be had, or is no Access file."""
    from checkup.collect.access_oracle import oracle
    from checkup.collect.access_parts import parts
    from checkup.collect.access_reading import COVERS, read_access
    from checkup.jet.header import NotAccessError
    from checkup.jet.pages import Budget
    from checkup.jet.source import SourceError

    look = plan.look or _old_look(plan, collectors)
    with _told(facts), open_file(plan, facts) as opened:
        content, stat = opened.lock if opened.lock is not None else (None, None)
        try:
            # Its size is worth a round trip only where it decides anything.
            size = opened.source.stat().size_bytes if look.wanted in WITH_ROWS else 0
            chosen = settled(look, size)
            reading = read_access(
                opened.source,
                depth=chosen.depth,
                lock=content,
                lock_stat=stat,
                folder=opened.folder,
                budget=Budget(bytes=budget_bytes(chosen.depth, size)) if look.over_link else None,
                pause=lambda: time.sleep(PAUSE_S),
            )
        except NotAccessError as error:
            raise TransportError(ErrorClass.BAD_OUTPUT, f"this is no Access file: {error}") from None
        except SourceError as error:
            raise TransportError(ERROR_OF.get(error.kind, ErrorClass.PROTOCOL), error.detail) from None
        made = parts(reading)
        if opened.count is not None and any("oracle" in collector.parts for collector in collectors):
            made["oracle"] = oracle(reading.catalogue, opened.count())
    left: list[Depth] = [depth for depth in COVERS[look.wanted] if depth not in COVERS[chosen.depth]]
    return ReadFile(reading, _telling(made, left, chosen.why), tuple(left), chosen.why)


def _telling(parts: Mapping[str, JSON], left: Collection[Depth], why: str) -> Mapping[str, JSON]:
    """The parts with what was left out for its time: no integrity is whole then. The other parts are."""
    integrity = parts.get("integrity")
    if not left or not isinstance(integrity, dict):
        return parts
    known = integrity.get("left_out")
    told: list[JSON] = [
        *(known if isinstance(known, list) else ()),
        *({"part": d, "detail": why} for d in left),
    ]
    return {**parts, "integrity": {**integrity, "left_out": told, "complete": False}}


# What the reader calls a failure of its source.
ERROR_OF = {
    "gone": ErrorClass.UNREACHABLE,
    "denied": ErrorClass.DENIED,
    "timeout": ErrorClass.TIMEOUT,
    "broken": ErrorClass.DROPPED,
    "budget": ErrorClass.QUOTA,
}


@contextmanager
def _told(facts: ConnectionFacts) -> Generator[None]:
    try:
        yield
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
