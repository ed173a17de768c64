"""Access files on a disk of the machine that checkup runs on, or mounted there."""

from __future__ import annotations

from pathlib import Path

from checkup.jet.folder_rights import FolderRights, local_folder_rights
from checkup.jet.local import LocalSource
from checkup.jet.lock_file import MOST_BYTES as MOST_LOCK_BYTES
from checkup.jet.source import Source, SourceError
from checkup.transports.access_source.files import LockFileBytes, lock_paths
from checkup.transports.session import ConnectionFacts


class LocalFiles:
    """See `Files`."""

    def __init__(self, facts: ConnectionFacts | None = None) -> None:
        self.facts = facts or ConnectionFacts(transport="local")
        self.facts.reached = True

    def open(self, path: str) -> Source:
        return LocalSource(Path(path))

    def lock_file(self, path: str) -> LockFileBytes | None:
        for place in map(Path, lock_paths(path)):
            try:
                source = LocalSource(place)
            except SourceError as error:
                if error.kind == "gone":
                    continue
                raise
            try:
                (content,) = source.read([(0, MOST_LOCK_BYTES)])
                return LockFileBytes(name=place.name, stat=source.stat(), content=content)
            finally:
                source.close()
        return None

    def folder_rights(self, path: str) -> FolderRights | None:
        return local_folder_rights(Path(path))

    def close(self) -> None:
        """There is no connection."""
