"""Where the bytes of a file come from: the protocol that every source implements, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Range = tuple[int, int]
"""Offset and length, in bytes."""

SourceErrorKind = Literal["gone", "denied", "timeout", "budget", "broken"]
"""gone: no such file, or it went away. denied: no right to read it. timeout: no answer in time.
budget: the answer would cost more than was allowed. broken: the connection or the disk failed."""


class Stat(NamedTuple):
    """What the file system says of the file; times in seconds since 1970 UTC, None where it does not say.

    `read_only`: the file itself lets nobody write, whatever the rights of an account.
    """

    size_bytes: int
    modified: float | None
    created: float | None = None
    read_only: bool | None = None


class SourceError(Exception):
    """The source could not answer; `kind` is for decisions, `detail` for people."""

    def __init__(self, kind: SourceErrorKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind: SourceErrorKind = kind
        self.detail = detail


class Source(Protocol):
    """Random access to a file that others may write, replace or delete while it is read.

    Never writes, locks or creates anything.
    """

    @property
    def name(self) -> str:
        """What people call the file, without a password."""
        ...

    def stat(self) -> Stat:
        """Size and time of the file now. Raises SourceError."""
        ...

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """All ranges in ONE round (pipelined where there is a network), answers in the order asked.

        A short answer means that the file ends there. Raises SourceError.
        """
        ...

    def close(self) -> None:
        """Lets go of the file; further calls raise SourceError."""
        ...
