"""The script around the collectors of one machine, and the frames that come back."""

from __future__ import annotations

from collections.abc import Sequence

from checkup.batch import posix, powershell
from checkup.batch.section import BatchSection

__all__ = ["BatchSection", "assemble", "token_of"]


def assemble(
    platform: str, sections: Sequence[BatchSection], *, site: str, endpoint: str, checksums: bool
) -> bytes:
    """The batch for a machine of this platform. Raises ValueError for what cannot be sent."""
    shell = powershell if platform == "windows" else posix
    return shell.assemble(sections, site=site, endpoint=endpoint, checksums=checksums)


def token_of(platform: str, script: bytes) -> str:
    """What every frame of this script carries, so that noise is never taken for a frame."""
    return (powershell if platform == "windows" else posix).token_of(script)
