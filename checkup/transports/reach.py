"""To a machine directly, or through a jump host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from checkup.api import ErrorClass
from checkup.transports.session import ConnectionFacts, TransportError
from checkup.transports.wire import Stream, dial, shown_address

if TYPE_CHECKING:
    from checkup.transports.access_source.connect import SmbConnect
    from checkup.transports.jump import JumpPool
    from checkup.transports.ssh import Connect


def reach(
    connect: Connect | SmbConnect, connect_s: float, jump: JumpPool | None, facts: ConnectionFacts, what: str
) -> Stream:
    """An open connection to where `connect` leads; `what` it is, for people ("machine"). Raises
    TransportError; `facts` tells how far it came, and how long a round trip takes."""
    facts.jump = connect.jump
    facts.address = shown_address(connect.host, connect.port)
    if connect.jump:
        if jump is None:
            raise TransportError(
                ErrorClass.UNREACHABLE,
                f"jump host {connect.jump} is named for this {what}, but not described",
            )
        started = time.monotonic()
        stream: Stream = jump.channel(connect.jump, connect.host, connect.port)
        facts.round_trip_s = time.monotonic() - started
    else:
        dialled = dial(connect.host, connect.port, connect_s)
        stream, facts.address, facts.round_trip_s = dialled.socket, dialled.address, dialled.round_trip_s
    facts.reached = True
    return stream
