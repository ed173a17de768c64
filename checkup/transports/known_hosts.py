"""The known_hosts files of OpenSSH: which keys is a machine known by?

Only lines that name a key are read; a certificate authority (`@cert-authority`) vouches for
certificates, which are not asked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

# A file larger than this is no list of host keys.
LARGEST = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that a machine is known by; `revoked` if it must never be taken again."""

    kind: str
    blob: bytes
    revoked: bool = False


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def files() -> tuple[Path, ...]:
    """The files that OpenSSH itself would look into, for this user."""
    home = Path.home() / ".ssh"
    windows = os.environ.get("PROGRAMDATA")
    system = Path(windows) / "ssh" if windows else Path("/etc/ssh")
    return (
        home / "known_hosts",
        home / "known_hosts2",
        system / "ssh_known_hosts",
        system / "ssh_known_hosts2",
    )


def read(paths: Iterable[Path], host: str, port: int) -> tuple[KnownKey, ...]:
    """The keys of one machine in all files; a file that is missing or unreadable knows nobody."""
    found: list[KnownKey] = []
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(LARGEST)
        except OSError:
            continue  # then its machines are unknown, and refused as such
        found.extend(parse(text, host, port))
    return tuple(found)


def parse(text: str, host: str, port: int) -> Iterator[KnownKey]:
    name = (host if port == 22 else f"[{host}]:{port}").lower()
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue
        patterns, kind, encoded = words[:3]
        blob = _decoded(encoded)
        if blob and _matches(patterns, name):
            yield KnownKey(kind, blob, revoked=bool(marker))


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _hash_matches(patterns, name)
    wanted = False
    for pattern in patterns.lower().split(","):
        if pattern.startswith("!"):
            if _glob(name, pattern[1:]):
                return False
        elif _glob(name, pattern):
            wanted = True
    return wanted


def _glob(name: str, pattern: str) -> bool:
    # OpenSSH knows * and ?; the brackets of [host]:port are meant literally.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _hash_matches(hashed: str, name: str) -> bool:
    fields = hashed.split("|")
    if len(fields) != 4:
        return False
    salt, digest = _decoded(fields[2]), _decoded(fields[3])
    return bool(salt) and hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
