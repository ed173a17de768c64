"""Where a data file lies: by its path, by the way to it, and by what the machine is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Passed,
    Probe,
    Result,
    Target,
    Text,
    When,
)
from probes.access.file_size import FileSize

# Folders that a program keeps in step with somewhere else, by their names as the programs make them; what
# people append ("OneDrive - Cedar Ridge Clinic") is allowed for.
_SYNCHRONISED = (
    (re.compile(r"onedrive( - .+)?|skydrive"), "OneDrive"),
    (re.compile(r"dropbox( \(.+\))?"), "Dropbox"),
    (re.compile(r"google ?drive( .+)?|my drive|shared drives|drivefs"), "Google Drive"),
    (re.compile(r"icloud ?drive"), "iCloud Drive"),
    (re.compile(r"box sync"), "Box"),
    (re.compile(r"nextcloud\d*|owncloud\d*"), "Nextcloud or ownCloud"),
    (re.compile(r"synologydrive|pcloud ?drive|tresorit|megasync|resilio sync"), "a synchronising program"),
)
_WEB = re.compile(r"^https?://|davwwwroot|@ssl(@\d+)?[\\/]", re.IGNORECASE)
# Where the systems of these boxes mount their disks.
_NAS = re.compile(r"^/(volume(usb)?\d+|share/(cachedev|md|hda|hdb)\w*|mnt/user\d*)/", re.IGNORECASE)
# Where Linux and macOS put a disk that is plugged in (Filesystem Hierarchy Standard, /media), and floppies.
_REMOVABLE = re.compile(r"^(/media/|/run/media/|/volumes/(?!macintosh hd)|[ab]:[\\/])", re.IGNORECASE)
_PROFILE = re.compile(
    r"^([a-z]:[\\/](users|documents and settings)[\\/](?!public[\\/]|all users[\\/])[^\\/]+[\\/]"
    r"|/home/(?!samba/|smb/|shares?/|data/|public/)[^/]+/|/users/(?!shared/)[^/]+/|/root/)",
    re.IGNORECASE,
)
_PASSING = frozenset({"temp", "tmp", "downloads", "$recycle.bin", "recycler", "trash", "desktop"})
_ADDRESS = re.compile(r"^(sftp|smb)://[^/]*", re.IGNORECASE)
_WINDOWS_OVER_SFTP = re.compile(r"^/(?=[A-Za-z]:/)")

# How a site file calls machines at which somebody works.
_WORKSTATIONS = frozenset({"workstation", "laptop", "desktop", "reception", "reading-station"})
_NAS_ROLES = frozenset({"nas"})


class Sign(NamedTuple):
    """One thing that speaks against the place: which message tells of it, and how bad that is."""

    message: str
    what: str
    impact: Impact


def signs(target: Target) -> tuple[Sign, ...]:
    """What the place of a file shows, the worst first; nothing does not mean that all is well there."""
    paths = [_plain(path) for path in (target.path, target.share) if path]
    found = [sign for path in paths for sign in _of_path(path)]
    role = target.host_role.casefold()
    if role in _NAS_ROLES:
        found.append(Sign("nas", "by the role of its machine", Impact.LIMITED))
    elif role in _WORKSTATIONS:
        found.append(Sign("workstation", role, Impact.LIMITED))
    first = {sign.message: sign for sign in reversed(found)}
    return tuple(sorted(first.values(), key=lambda sign: (sign.impact is not Impact.MAJOR, sign.message)))


def _plain(path: str) -> str:
    """A path without the server's address, as the machine itself would have it."""
    return _WINDOWS_OVER_SFTP.sub("", _ADDRESS.sub("", path))


def _of_path(path: str) -> Iterator[Sign]:
    folders = [folder.casefold() for folder in re.split(r"[\\/]", path)[:-1]]
    for pattern, name in _SYNCHRONISED:
        if any(pattern.fullmatch(folder) for folder in folders):
            yield Sign("synchronised", name, Impact.MAJOR)
    if _WEB.search(path):
        yield Sign("web", "a web address", Impact.MAJOR)
    if _REMOVABLE.match(path):
        yield Sign("removable", "by its path", Impact.LIMITED)
    if _NAS.match(path):
        yield Sign("nas", "by its path", Impact.LIMITED)
    if _PROFILE.match(path):
        yield Sign("profile", "by its path", Impact.LIMITED)
    passing = next((folder for folder in folders if folder in _PASSING), "")
    if passing:
        yield Sign("passing", passing, Impact.LIMITED)


def check_place(facts: FileSize, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not ctx.target.path:
        yield NotApplicable(reason="the file was looked at by itself, not as one of a site")
        return
    found: Sequence[Sign] = signs(ctx.target)
    for sign in found:
        yield Finding(
            impact=sign.impact,
            when=When.BEFORE_NEXT_VISIT if sign.impact is Impact.MAJOR else When.LATER,
            message=sign.message,
            item=sign.message,
            evidence={"what": Text(sign.what)},
        )
    if not found:
        # A stick may have the letter D: what kind of disk it is, the checks of its machine know.
        yield Passed(evidence={"judged_by": Text("path, way and role of the machine")})


placement = Probe(
    id="access.placement",
    title="The data file lies in a plain folder of a server",
    check=check_place,
    levels=NoLevels(),
    messages={
        "synchronised": "The file lies in a folder that {what} keeps in step with other places.",
        "web": "The file lies at {what} (WebDAV, SharePoint), where Access cannot lock single records.",
        "removable": "The file lies on a disk that can be taken out ({what}).",
        "nas": "The file lies on a storage box (NAS), {what}.",
        "workstation": "The file lies on a machine at which somebody works (role {what}).",
        "profile": "The file lies among the personal files of one user ({what}).",
        "passing": "The file lies in a folder for things that come and go ({what}).",
    },
    why=(
        "A synchronising program copies a file that is being written to and puts older pages back; a "
        "workstation is switched off, a disk pulled out, a profile deleted while others are at work."
    ),
    remedy=(
        "With everyone out, move the file to a folder of its own on a server that is always on, share that "
        "folder, and link the front ends anew; keep that folder out of any synchronising program."
    ),
    verify="The next check-up finds the new path.",
    kind="access",
    roles=frozenset({"back-end"}),
    references=("domain: access.placement",),
)
