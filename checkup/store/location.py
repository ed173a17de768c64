"""Where the store is: the default place, and what makes a place unfit for a SQLite file."""

from __future__ import annotations

import ntpath
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from checkup.store.errors import StoreError

VARIABLE = "CHECKUP_STORE"

# SQLite's write-ahead log is shared memory: it needs all processes on one machine.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "9p", "vboxsf", "ncpfs", "afs", "lustre"),
        *("webdav", "davfs", "ceph", "glusterfs", "fuse.davfs2", "fuse.sshfs", "fuse.ceph"),
        *("fuse.glusterfs", "macfuse_sshfs"),
    }
)


def default_url() -> str:
    """The URL of the store: the CHECKUP_STORE environment variable, else a file in the user's data folder."""
    return os.environ.get(VARIABLE) or url_of(default_path(os.environ, sys.platform, str(Path.home())))


def default_path(environ: Mapping[str, str], platform: str, home: str) -> str:
    """The file in the user's data folder, by the custom of the platform (as `sys.platform` names it)."""
    if platform == "win32":
        folder = environ.get("LOCALAPPDATA") or ntpath.join(home, "AppData", "Local")
        return ntpath.join(folder, "checkup", "checkup.db")
    if platform == "darwin":
        return f"{home}/Library/Application Support/checkup/checkup.db"
    folder = environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is invalid and must be ignored.
    return f"{folder if folder.startswith('/') else f'{home}/.local/share'}/checkup/checkup.db"


def url_of(place: str) -> str:
    """A database URL as it is; the path of a file as the SQLite URL of that file."""
    return place if "://" in place else f"sqlite:///{quote(place, safe='/:' + chr(92))}"


def file_of(place: str) -> Path | None:
    """The file of the SQLite store at `place`, a URL or a path; None for a database server."""
    prefix = "sqlite:///"
    url = url_of(place)
    return Path(unquote(url.removeprefix(prefix))).expanduser() if url.startswith(prefix) else None


def prepare(path: Path) -> None:
    """Make the file and its folder, for this user alone, unless they are there."""
    refuse_network(path)
    try:
        missing = [folder for folder in path.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        # SQLite gives its own files beside it (-wal, -shm) the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"cannot open the store {path}: {error.strerror or error}; "
            f"check the rights on its folder, or name another place in {VARIABLE}"
        ) from error


def refuse_network(path: Path) -> None:
    """Raise StoreError for a file on a network file system."""
    # On Windows, the real path of a mapped drive is its UNC path.
    for written in (str(path), os.path.realpath(path)):
        local = written.startswith("\\\\?\\") and not written.startswith("\\\\?\\UNC\\")
        if written.startswith(("\\\\", "//")) and not local:
            raise _on_network(path, "a network share")
    if sys.platform != "win32" and (filesystem := _file_system(path)) in NETWORK_FILE_SYSTEMS:
        raise _on_network(path, filesystem)


def _file_system(path: Path) -> str:
    """The type of the file system that holds `path`, "" if unknown."""
    import psutil

    real = Path(os.path.realpath(path))
    try:
        mounts = [m for m in psutil.disk_partitions(all=True) if real.is_relative_to(m.mountpoint)]
    except OSError:
        return ""
    # The deepest mount holds the file; of several on one point, the last mounted.
    return max(enumerate(mounts), key=lambda m: (len(m[1].mountpoint), m[0]))[1].fstype if mounts else ""


def _on_network(path: Path, filesystem: str) -> StoreError:
    return StoreError(
        f"cannot keep the store at {path}: {filesystem} does not give SQLite the locks it needs; "
        f"name a local file in {VARIABLE}, or, for a team, a PostgreSQL database by its URL "
        "(postgresql+psycopg://user@host/database)"
    )
