"""What every way to an Access file has in common: a file that is read at random, and the lock file beside it.

Reading is all there is. Nothing here can list a folder, write, lock, create, rename or delete: the servers
are never sent such a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from checkup.jet.folder_rights import FolderRights
from checkup.jet.source import Source, Stat
from checkup.transports.session import ConnectionFacts

# A round may take so long, and a second more for each so many bytes that were asked for.
ROUND_S = 30.0
SLOWEST_BYTES_A_S = 16 * 1024

# What may be on its way at once. Enough for the longest round that a plan has: with less, it would take
# several round trips.
MOST_REQUESTS = 512
MOST_BYTES = 16 * 1024**2


@dataclass(frozen=True, kw_only=True)
class LockFileBytes:
    """The lock file beside an Access file, as it was read; `jet.lock_file` knows what it means."""

    name: str
    stat: Stat
    content: bytes


class Files(Protocol):
    """One open connection to where Access files lie."""

    facts: ConnectionFacts

    def open(self, path: str) -> Source:
        """The file, open for reading and for everybody else. Raises SourceError."""
        ...

    def lock_file(self, path: str) -> LockFileBytes | None:
        """The lock file beside the file at `path`; None where there is none. Raises SourceError."""
        ...

    def folder_rights(self, path: str) -> FolderRights | None:
        """Rights at the file and in its folder, without trying any; None where nothing tells them.

        Raises nothing: a file is worth reading without them.
        """
        ...

    def close(self) -> None:
        """Close the connection; may be called from another thread, twice, at any moment."""
        ...


def lock_paths(path: str) -> tuple[str, ...]:
    """Where the lock file of the file at `path` would lie: one place, or two where its name leaves it open.

    Access replaces the extension: .ldb for the files of Jet (.mdb, .mde, .mda, .mdw), .laccdb for those of
    ACE (.accdb, .accde, ...).
    """
    stem, dot, extension = path.rpartition(".")
    if not dot or re.search(r"[/\\]", extension):
        stem, extension = path, ""
    if re.fullmatch(r"acc\w*", extension, re.IGNORECASE):
        return (f"{stem}.laccdb",)
    if re.fullmatch(r"md\w", extension, re.IGNORECASE):
        return (f"{stem}.ldb",)
    return (f"{stem}.laccdb", f"{stem}.ldb")


def round_limit_s(round_s: float, nbytes: int) -> float:
    """How long a round for `nbytes` may take, in seconds."""
    return round_s + nbytes / SLOWEST_BYTES_A_S
