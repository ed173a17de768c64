"""The SQL Server Browser: on which port a named instance listens ([MC-SQLR] 2.2, CLNT_UCAST_INST)."""

from __future__ import annotations

import socket
import time

from checkup.api import ErrorClass
from checkup.transports.session import TransportError

PORT = 1434
PATIENCE_S = 3.0
_ASK_ONE, _ANSWER = 0x04, 0x05
_LONGEST = 3 + 1024
_TRIES = 3  # datagrams get lost


def port_of(server: str, instance: str, *, patience_s: float = PATIENCE_S) -> int:
    """Raises TransportError: unreachable where nobody answers, unsupported where there is no TCP port."""
    fields = _fields(_asked(server, instance, patience_s))
    port = fields.get("tcp", "")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            f"instance {instance} on {server} listens on no TCP port, on shared memory or named pipes alone: "
            "enable TCP/IP in the SQL Server Configuration Manager, restart the instance, and write port:",
        )
    return int(port)


def _asked(server: str, instance: str, patience_s: float) -> bytes:
    request = bytes([_ASK_ONE]) + instance.encode() + b"\0"
    try:
        family, _, _, _, address = socket.getaddrinfo(server, PORT, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError):
        raise TransportError(
            ErrorClass.UNREACHABLE, f"the name {server} could not be looked up: is the VPN up?"
        ) from None
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        for _ in range(_TRIES):
            answer = _once(asking, address, request, patience_s / _TRIES)
            if answer:
                return answer
    raise TransportError(
        ErrorClass.UNREACHABLE,
        f"no SQL Server Browser at {server} told the port of instance {instance} within {patience_s:g} s: it "
        "may be switched off, UDP 1434 closed on the way, or there is no such instance. Write port: (it "
        "stands in the SQL Server Configuration Manager, TCP/IP, IPAll)",
    )


def _once(asking: socket.socket, address: tuple[object, ...], request: bytes, patience_s: float) -> bytes:
    """The answer, or nothing. Only the machine that was asked is listened to."""
    ends_at = time.monotonic() + patience_s
    try:
        asking.connect(address)
        asking.send(request)
        while (left_s := ends_at - time.monotonic()) > 0:
            asking.settimeout(left_s)
            answer = asking.recv(_LONGEST)
            if len(answer) > 3 and answer[0] == _ANSWER:
                return answer[3:]
    except OSError:
        # Refused by the machine itself, or late; a service that starts may answer the next one.
        time.sleep(max(0.0, min(0.2, ends_at - time.monotonic())))
    return b""


def _fields(answer: bytes) -> dict[str, str]:
    """ "name;value;name;value;;" of the first instance."""
    words = answer.decode("ascii", "replace").split(";;")[0].split(";")
    return {name.casefold(): value for name, value in zip(words[::2], words[1::2], strict=False)}
