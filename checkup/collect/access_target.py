"""An Access file of the site: opened, read once, cut into its sections."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from checkup.api import AccessFile, Depth, ErrorClass
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkup.api import JSON
    from checkup.collect.access_parts import Cut
    from checkup.collect.access_reading import Reading
    from checkup.jet.source import Source, Stat

DEPTHS: tuple[Depth, ...] = ("header", "catalogue", "maps", "sample", "index", "pages", "rows")

# What crosses the link below the depths that read rows: the pages that describe, never those of values.
_PAGE_KINDS = "the header, definitions, usage maps and the catalogue's own pages; no page of anyone's rows"

# Between two looks at a page that changed while it was read.
PAUSE_S = 2.0

# What a network may have to carry for one file down to its maps: three to eight megabytes for a large one.
MOST_BYTES = 32 * 1024**2


@dataclass(frozen=True)
class OpenedFile:
    """`lock` is the lock file beside it, with what the file system says of it; None where there is none."""

    source: Source
    lock: tuple[bytes, Stat] | None


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
    reading: Reading
    parts: Mapping[str, JSON]

    @property
    def bytes_read(self) -> int:
        cost = self.parts.get("cost")
        size = cost.get("bytes") if isinstance(cost, dict) else None
        return size if isinstance(size, int) else 0

    def cut(self, collector: AccessFile) -> Cut:
        from checkup.collect.access_parts import cut

        return cut(self.reading, self.parts, collector)


def deepest(collectors: Collection[AccessFile]) -> Depth:
    depths: list[Depth] = [collector.depth for collector in collectors]
    return DEPTHS[max(map(DEPTHS.index, depths))]


def reading_text(plan: EndpointPlan, collectors: Collection[AccessFile]) -> str:
    """What the ledger keeps of a reading."""
    return f"read {plan.endpoint} by {plan.transport} to the depth {deepest(collectors)}: {_PAGE_KINDS}\n"


def read_file(
    open_file: OpenFile, plan: EndpointPlan, facts: ConnectionFacts, collectors: Collection[AccessFile]
) -> ReadFile:
    """Raises TransportError where the file cannot be had, or is no Access file."""
    from checkup.collect.access_parts import parts
    from checkup.collect.access_reading import read_access
    from checkup.jet.header import NotAccessError
    from checkup.jet.pages import Budget
    from checkup.jet.source import SourceError

    with _told(facts), open_file(plan, facts) as opened:
        content, stat = opened.lock if opened.lock is not None else (None, None)
        try:
            reading = read_access(
                opened.source,
                depth=deepest(collectors),
                lock=content,
                lock_stat=stat,
                budget=None if plan.transport == "file" else Budget(bytes=MOST_BYTES),
                pause=lambda: time.sleep(PAUSE_S),
            )
        except NotAccessError as error:
            raise TransportError(ErrorClass.BAD_OUTPUT, f"this is no Access file: {error}") from None
        except SourceError as error:
            raise TransportError(ERROR_OF.get(error.kind, ErrorClass.PROTOCOL), error.detail) from None
        return ReadFile(reading, parts(reading))


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
