"""Where a file of a server lies, from its path alone and the volumes that the server named."""

from __future__ import annotations

from collections.abc import Iterable

# backupmediafamily.device_type ("backupmediafamily (Transact-SQL)").
_TAPE = (5, 105)
_VIRTUAL = (7, 107)
_URL = 9


def device_kind(path: str, device_type: int | None) -> str:
    """ "nothing", "share", "url", "virtual device", "tape" or "disk"."""
    lower = path.casefold()
    if lower.rstrip(":") in ("nul", "\\\\.\\nul", "/dev/", "/dev/null"):
        return "nothing"
    if lower.startswith("\\\\.\\"):
        return "tape"
    if lower.startswith("\\\\"):
        return "share"
    if device_type == _URL or lower.startswith(("http://", "https://", "s3://")):
        return "url"
    if device_type in _VIRTUAL or not path:
        return "virtual device"
    if device_type in _TAPE and not _drive(path):
        return "tape"
    return "disk"


def volume_of(path: str, mounts: Iterable[str]) -> str:
    """The mount point that holds the path: the longest of `mounts` it begins with, else its drive letter,
    else "" (not known)."""
    folded = path.casefold().replace("/", "\\")
    fitting = [one for one in mounts if one and folded.startswith(_ended(one.casefold().replace("/", "\\")))]
    return max(fitting, key=len, default=_drive(path))


def _ended(mount: str) -> str:
    return mount if mount.endswith("\\") else mount + "\\"


def _drive(path: str) -> str:
    return path[:2].upper() + "\\" if path[1:2] == ":" and path[:1].isalpha() else ""
