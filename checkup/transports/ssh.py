"""OpenSSH and its like, through paramiko.

This module holds what the site file may say; the work is in `ssh_link`, `ssh_login` and
`ssh_session`, which import paramiko and are imported only when a session is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from checkup.transports.connect import ConnectModel
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    Session,
    TransportError,
    open_gate,
)

if TYPE_CHECKING:
    from checkup.transports.jump import JumpPool


class Connect(ConnectModel):
    """How to reach a machine by SSH.

    `host_key` pins the machine's key by its fingerprint, as `ssh-keygen -l` prints it, and wins;
    without it the user's known_hosts files decide. `keyboard_interactive`: the server asks for the
    password by a prompt of its own (many appliances do).
    """

    transport: Literal["ssh"]
    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=22, ge=1, le=65535)
    credential: str = ""
    host_key: str = Field(default="", pattern=r"^(SHA256:[A-Za-z0-9+/]{43})?$")
    host_key_check: Literal["pinned", "known_hosts", "ignore"] = "known_hosts"
    keyboard_interactive: bool = False
    jump: str = ""

    @model_validator(mode="after")
    def _one_way_to_check(self) -> Connect:
        if self.host_key_check == "pinned" and not self.host_key:
            raise ValueError('host_key_check: pinned needs host_key: "SHA256:..."')
        if self.host_key_check == "ignore" and self.host_key:
            raise ValueError("host_key is pinned, so host_key_check: ignore must go")
        return self


def open_session(
    connect: Connect,
    *,
    platform: str = "posix",
    credential: Credential | None,
    gate: LoginGate = open_gate,
    deadlines: Deadlines | None = None,
    jump: JumpPool | None = None,
    facts: ConnectionFacts | None = None,
) -> Session:
    """Connect, check the host key, log in; may be called from many threads at once.

    `platform` says which shell runs the batches: sh, or PowerShell for "windows". `gate` is entered
    around the offer to log in and nothing else, with the credential it is about. `jump` knows the jump
    hosts by name. `facts` is filled in as far as the connection came, also when this raises
    TransportError.
    """
    from checkup.transports.ssh_link import open_link
    from checkup.transports.ssh_session import POSIX, WINDOWS, SshSession

    deadlines = deadlines or Deadlines()
    facts = facts or ConnectionFacts(transport="ssh")
    try:
        link = open_link(connect, credential, gate=gate, deadlines=deadlines, jump=jump, facts=facts)
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
    return SshSession(link, facts, deadlines, WINDOWS if platform == "windows" else POSIX)
