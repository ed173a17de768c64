"""Where Access files lie, and how they are read there: on a disk, by SFTP, by SMB.

`files.Files` is what they have in common. This module says which one an address or a place of the site file
needs; paramiko and smbprotocol are imported only when one of them is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkup.transports.access_source.address import (
    Address,
    LocalAddress,
    SftpAddress,
    SmbAddress,
    parse_address,
)
from checkup.transports.access_source.connect import (
    AccessFile,
    ServerPagesPlace,
    SftpPlace,
    SmbConnect,
    SmbPlace,
)
from checkup.transports.access_source.files import ROUND_S, Files, LockFileBytes
from checkup.transports.access_source.local_files import LocalFiles
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    TransportError,
    open_gate,
)

if TYPE_CHECKING:
    from checkup.transports.jump import JumpPool

__all__ = [
    "AccessFile",
    "Address",
    "Files",
    "LocalAddress",
    "LocalFiles",
    "LockFileBytes",
    "ServerPagesPlace",
    "SftpAddress",
    "SftpPlace",
    "SmbAddress",
    "SmbConnect",
    "SmbPlace",
    "open_address",
    "open_smb",
    "parse_address",
]


def open_address(
    address: Address,
    *,
    credential: Credential | None = None,
    gate: LoginGate = open_gate,
    deadlines: Deadlines | None = None,
    jump: JumpPool | None = None,
    facts: ConnectionFacts | None = None,
    round_s: float = ROUND_S,
) -> tuple[Files, str]:
    """The connection that `address` needs, and the file's path for `Files.open`. Raises TransportError.

    A file of this machine needs no credential. `facts` is filled in as far as the connection came.
    """
    deadlines = deadlines or Deadlines()
    match address:
        case LocalAddress():
            return LocalFiles(facts), str(address.path)
        case SmbAddress(connect=place):
            files = open_smb(
                place,
                credential=credential,
                gate=gate,
                deadlines=deadlines,
                jump=jump,
                facts=facts,
                round_s=round_s,
            )
            return files, place.below
        case SftpAddress():
            from checkup.transports.access_source.sftp_files import open_sftp
            from checkup.transports.ssh_link import open_link

            facts = facts or ConnectionFacts(transport="sftp")
            try:
                link = open_link(
                    address.connect, credential, gate=gate, deadlines=deadlines, jump=jump, facts=facts
                )
                try:
                    return open_sftp(link, facts, deadlines, round_s=round_s, close_link=True), address.path
                except BaseException:
                    link.close()
                    raise
            except TransportError as error:
                facts.error, facts.detail = error.error, error.detail
                raise


def open_smb(
    connect: SmbConnect,
    *,
    credential: Credential | None,
    gate: LoginGate = open_gate,
    deadlines: Deadlines | None = None,
    jump: JumpPool | None = None,
    facts: ConnectionFacts | None = None,
    round_s: float = ROUND_S,
) -> Files:
    """Connect to a file server and log in, once; may be called from many threads. Raises TransportError.

    `gate` is entered around the login and nothing else. `facts` is filled in as far as the connection came.
    """
    from checkup.transports.access_source.smb_files import SmbFiles
    from checkup.transports.access_source.smb_link import open_smb_link

    facts = facts or ConnectionFacts(transport="smb")
    try:
        link = open_smb_link(
            connect, credential, gate=gate, deadlines=deadlines or Deadlines(), jump=jump, facts=facts
        )
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
    return SmbFiles(link, facts, round_s)
