"""What stands on the command line for a file: a path, sftp://user@host/path or smb://user@host/share/path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import ValidationError

from checkup.transports.access_source.connect import SmbPlace
from checkup.transports.ssh import Connect as SshConnect

# With at least two letters: a Windows drive is no scheme.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class LocalAddress:
    path: Path


@dataclass(frozen=True)
class SftpAddress:
    """`path` as the SSH server names it: absolute, or below the account's home when it began with /~/."""

    connect: SshConnect
    user: str
    path: str


@dataclass(frozen=True)
class SmbAddress:
    """`user` may be DOMAIN\\user or user@domain."""

    connect: SmbPlace
    user: str


Address = LocalAddress | SftpAddress | SmbAddress


def parse_address(text: str) -> Address:
    """Raises ValueError with what is wrong; a password in the text is refused and never repeated."""
    if not _SCHEME.match(text):
        return LocalAddress(Path(text))
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("the address has a control character in it")
    try:
        parts = urlsplit(text, allow_fragments=False)
        port = parts.port
    except ValueError:
        raise ValueError("the address cannot be read: is its port a number?") from None
    if parts.scheme not in ("sftp", "smb"):
        raise ValueError(f"{parts.scheme}:// is no way to a file: write sftp://, smb:// or a path")
    if parts.password is not None:
        raise ValueError("a password must not stand in an address, where others can read it: leave it away")
    # Without a fragment or a query of its own: # and ? are letters of a file's name.
    path = unquote(parts.path + (f"?{parts.query}" if parts.query else ""))
    if not parts.hostname:
        raise ValueError(f"the address names no host: {parts.scheme}://host/...")
    if "\x00" in path:
        raise ValueError("the address has a control character in it")
    try:
        return _sftp(parts, port, path) if parts.scheme == "sftp" else _smb(parts, port, path)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ValueError(f"the address has no valid {where}") from None


def _sftp(parts: SplitResult, port: int | None, path: str) -> SftpAddress:
    below = path[3:] if path.startswith("/~/") else path
    if not below.strip("/"):
        raise ValueError("the address names no file: sftp://user@host/folder/file.accdb")
    connect = SshConnect(transport="ssh", host=parts.hostname or "", port=port or 22)
    return SftpAddress(connect, unquote(parts.username or ""), below)


def _smb(parts: SplitResult, port: int | None, path: str) -> SmbAddress:
    share, _, below = path.lstrip("/").partition("/")
    if not share or not below.strip("/"):
        raise ValueError("the address names no file on a share: smb://user@host/share/folder/file.accdb")
    # DOMAIN;user is how addresses of this kind name a domain.
    domain, _, user = unquote(parts.username or "").rpartition(";")
    place = SmbPlace(
        transport="smb", host=parts.hostname or "", port=port or 445, share=share, path=below.strip("/")
    )
    return SmbAddress(place, f"{domain}\\{user}" if domain else user)
