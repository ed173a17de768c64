"""The ways in: one module per transport, with its `connect:` model and its `open_session`."""

from __future__ import annotations

from pathlib import Path

from checkup.transports import bundle, local, ssh, winrm
from checkup.transports.connect import ConnectModel
from checkup.transports.jump import JumpHost, JumpPool
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    Session,
    TransportError,
    open_gate,
)

__all__ = [
    "CONNECTS",
    "ConnectModel",
    "ConnectionFacts",
    "Credential",
    "Deadlines",
    "JumpHost",
    "JumpPool",
    "LoginGate",
    "Session",
    "TransportError",
    "open_gate",
    "open_session",
]

CONNECTS = {
    "local": local.Connect,
    "ssh": ssh.Connect,
    "winrm": winrm.Connect,
    "bundle": bundle.Connect,
}


def open_session(
    connect: ConnectModel,
    *,
    platform: str = "posix",
    credential: Credential | None = None,
    gate: LoginGate = open_gate,
    deadlines: Deadlines | None = None,
    jump: JumpPool | None = None,
    facts: ConnectionFacts | None = None,
    base: Path | None = None,
) -> Session:
    """Open a session by whatever way `connect` describes; raises TransportError.

    `facts` is filled in either way; `platform` says which shell the machine has. Each transport takes
    of the rest what it needs: `base` is the folder of the site file, for bundles; the others are
    explained at `ssh.open_session`.
    """
    match connect:
        case ssh.Connect():
            return ssh.open_session(
                connect,
                platform=platform,
                credential=credential,
                gate=gate,
                deadlines=deadlines,
                jump=jump,
                facts=facts,
            )
        case winrm.Connect():
            return winrm.open_session(
                connect, credential=credential, gate=gate, deadlines=deadlines, facts=facts
            )
        case local.Connect():
            return local.open_session(connect, deadlines=deadlines, facts=facts)
        case bundle.Connect():
            return bundle.open_session(connect, base=base, facts=facts)
        case _:
            raise TypeError(f"no transport opens a {type(connect).__name__}")
