"""May whoever changes an Access file also make and delete files beside it? Access needs that for its lock.

Told by what can be read; nothing is ever tried.
"""

from __future__ import annotations

import os
import stat as modes
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class FolderRights:
    """Of the file: `write`; in its folder: `create` and `delete`.

    `basis`: "login", what the server says of the account that looked; "mode", what the permissions of POSIX
    say of everybody but the owner.
    """

    basis: Literal["login", "mode"]
    write: bool
    create: bool
    delete: bool


def rights_by_mode(file: int, folder: int) -> FolderRights:
    """From the modes of the file and its folder; in a sticky folder only a file's owner may delete it."""
    others = modes.S_IWGRP | modes.S_IWOTH
    create = bool(folder & others)
    return FolderRights(
        basis="mode",
        write=bool(file & others),
        create=create,
        delete=create and not folder & modes.S_ISVTX,
    )


def local_folder_rights(path: Path) -> FolderRights | None:
    """Of a file of this machine; the modes that Python gives on Windows say nothing of folders."""
    if os.name == "nt":
        return None
    try:
        return rights_by_mode(path.stat().st_mode, path.resolve().parent.stat().st_mode)
    except OSError:
        return None
