"""A logged-in SSH connection: reach the port, agree on keys, check the host key, log in.

paramiko waits without end at several places, so every wait here is our own, on an event, and ends
with closing the connection from outside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from paramiko import Channel, Message, Transport
from paramiko.common import MSG_DISCONNECT, MSG_KEXINIT
from paramiko.packet import Packetizer

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports import host_key, known_hosts, ssh_login
from checkup.transports.limit import limited
from checkup.transports.reach import reach
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    TransportError,
)
from checkup.transports.ssh_algorithms import Algorithms, Kind, agreed, mismatch
from checkup.transports.wire import Busy, TooMuch, Wire

if TYPE_CHECKING:
    from checkup.transports.jump import JumpPool
    from checkup.transports.ssh import Connect

# paramiko logs whole tracebacks of what we report in one line; who wants them sets a level first.
if logging.getLogger("paramiko").level == logging.NOTSET:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Overhearing(Packetizer):
    """Keeps two things that paramiko only logs: what the server offered, and its reason for hanging up."""

    offered: Algorithms | None = None
    bye: str = ""

    def read_message(self) -> tuple[int, Message]:
        kind, message = super().read_message()
        if kind == MSG_KEXINIT and self.offered is None:
            self.offered = _read_algorithms(Message(message.asbytes()))
        elif kind == MSG_DISCONNECT:
            words = Message(message.asbytes())
            words.get_int()
            self.bye = clean_line(words.get_text(), 200)
        return kind, message


def _read_algorithms(message: Message) -> Algorithms:
    message.get_bytes(16)
    key_exchanges, host_keys, ciphers, _, macs = (message.get_list() for _ in range(5))
    return Algorithms.of(key_exchanges, host_keys, ciphers, macs)


@dataclass(frozen=True)
class Link:
    """One connection; `close` may be called by any thread at any moment, and more than once."""

    transport: Transport
    wire: Wire
    overheard: Overhearing
    where: str

    def close(self) -> None:
        self.overheard.complete_handshake()  # ends paramiko's timer, which nothing else would
        self.wire.close()
        self.transport.close()
        if self.transport.is_alive() and self.transport is not threading.current_thread():
            self.transport.join(1)

    def closed_after(self, seconds: float) -> AbstractContextManager[threading.Event]:
        """Close the connection if the block takes longer; the event tells whether that happened."""
        return limited(seconds, self.close)


def open_link(
    connect: Connect,
    credential: Credential | None,
    *,
    gate: LoginGate,
    deadlines: Deadlines,
    jump: JumpPool | None,
    facts: ConnectionFacts,
) -> Link:
    """Raises TransportError; nothing stays open then, and `facts` tells how far it came."""
    with ssh_login.prepared(credential, keyboard_interactive=connect.keyboard_interactive) as offers:
        assert credential is not None, "nothing was prepared without a credential"
        known = known_hosts.read(known_hosts.files(), connect.host, connect.port)
        link = _greeted(connect, deadlines, jump, facts, known)
        try:
            _check_host_key(connect, link, known, facts)
            with gate(credential):
                ssh_login.log_in(link.transport, offers, link.where, lambda: link.overheard.bye)
        except BaseException:
            link.close()
            raise
    link.transport.set_keepalive(deadlines.keepalive_s)
    return link


def _greeted(
    connect: Connect,
    deadlines: Deadlines,
    jump: JumpPool | None,
    facts: ConnectionFacts,
    known: Sequence[known_hosts.KnownKey],
) -> Link:
    try:
        return _handshake(_reach(connect, deadlines, jump, facts), deadlines, facts, known)
    except Busy:
        time.sleep(deadlines.retry_pause_s)
        return _handshake(_reach(connect, deadlines, jump, facts), deadlines, facts, known)


def _reach(connect: Connect, deadlines: Deadlines, jump: JumpPool | None, facts: ConnectionFacts) -> Wire:
    return Wire(reach(connect, deadlines.connect_s, jump, facts, "machine"))


def _handshake(
    wire: Wire, deadlines: Deadlines, facts: ConnectionFacts, known: Sequence[known_hosts.KnownKey]
) -> Link:
    try:
        # paramiko wants a socket and takes anything that behaves like one.
        transport = Transport(cast("Any", wire), packetizer_class=Overhearing)
    except BaseException:
        wire.close()
        raise
    overheard = cast("Overhearing", transport.packetizer)
    link = Link(transport, wire, overheard, facts.address)
    # Ours run out first: paramiko's answers do not tell a mute server from a broken line.
    transport.banner_timeout = deadlines.banner_s + 5
    transport.handshake_timeout = deadlines.banner_s + deadlines.handshake_s + 5
    transport.auth_timeout = deadlines.auth_s
    transport.channel_timeout = deadlines.channel_s
    options = transport.get_security_options()
    options.key_types = host_key.preferred(options.key_types, known)
    # With GCM a message is one call of the cipher; the others compare each MAC in Python, byte by byte.
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "gcm" not in cipher)

    done = threading.Event()
    try:
        transport.start_client(event=done)
        in_time = done.wait(deadlines.banner_s) or (
            bool(transport.remote_version) and done.wait(deadlines.handshake_s)
        )
        facts.server = clean_line(transport.remote_version or wire.first.decode("utf-8", "replace"), 200)
        if in_time and transport.is_active() and transport.host_key is not None:
            facts.algorithms = agreed(overheard.offered, _ours(transport)) if overheard.offered else ""
            return link
        raise _failure(link, deadlines, facts, timed_out=not in_time)
    except BaseException:
        link.close()
        raise


def _ours(transport: Transport) -> Mapping[Kind, Sequence[str]]:
    return {
        "key exchange": transport.preferred_kex,
        "host key": transport.preferred_keys,
        "cipher": transport.preferred_ciphers,
        "MAC": transport.preferred_macs,
    }


def _failure(link: Link, deadlines: Deadlines, facts: ConnectionFacts, *, timed_out: bool) -> TransportError:
    """Why the handshake failed, from what was seen of it."""
    error = link.transport.get_exception()
    if not link.transport.remote_version:
        return _no_greeting(link, deadlines, facts.server, timed_out=timed_out)
    where = link.where
    if timed_out:
        return TransportError(
            ErrorClass.TIMEOUT,
            f"{where} greeted and then stopped in the key exchange: often a firewall that inspects SSH, a "
            "line that loses large packets (MTU), or an overloaded server",
        )
    missing = mismatch(link.overheard.offered, _ours(link.transport)) if link.overheard.offered else None
    if missing is not None:
        offered = clean_line(", ".join(missing.offered), 300) or "none"
        facts.offers_only_obsolete = missing.obsolete
        facts.algorithms = f"{missing.kind}: {offered}"
        age = "only obsolete algorithms" if missing.obsolete else "no algorithm that checkup knows"
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} offers {age} for the {missing.kind} ({offered}); its SSH server needs an update or "
            "another configuration",
        )
    if facts.server.startswith("SSH-1.") and not facts.server.startswith("SSH-1.99"):  # 1.99 speaks both
        facts.offers_only_obsolete = True
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} speaks only the first SSH protocol, which is broken; it needs an update",
        )
    text = str(error or "")
    if "Signature verification" in text:
        return TransportError(
            ErrorClass.HOST_KEY,
            f"{where} could not prove that the host key it shows is its own; do not connect",
        )
    if error is None or (isinstance(error, EOFError | OSError) and not isinstance(error, TooMuch)):
        said = f" It said: {link.overheard.bye}" if link.overheard.bye else ""
        return TransportError(
            ErrorClass.DROPPED, f"{where} ended the connection during the key exchange; try again.{said}"
        )
    return TransportError(
        ErrorClass.PROTOCOL, f"{where} breaks the SSH protocol in the key exchange: {clean_line(text, 150)}"
    )


def _no_greeting(link: Link, deadlines: Deadlines, said: str, *, timed_out: bool) -> TransportError:
    where, first = link.where, link.wire.first
    if timed_out and not first:
        return TransportError(
            ErrorClass.TIMEOUT,
            f"{where} takes connections and says nothing for {deadlines.banner_s:g} s: its SSH server hangs, "
            "or a firewall answers in its place",
        )
    if first.startswith(b"Not allowed at this time"):
        return TransportError(
            ErrorClass.DENIED,
            f"{where} bars this station for some minutes, after failed logins from its address",
        )
    if not first or first.startswith(b"Exceeded MaxStartups"):
        return Busy(
            ErrorClass.DROPPED,
            f"{where} hung up before its greeting, twice: it has too many logins at once (MaxStartups), or "
            "bars this station's address",
        )
    if first.startswith(b"SSH-") and b"\n" not in first:
        kind = ErrorClass.TIMEOUT if timed_out else ErrorClass.DROPPED
        return TransportError(kind, f"{where} stopped in the middle of its greeting")
    return TransportError(
        ErrorClass.PROTOCOL, f"{where} is no SSH 2 server, is the port right? It says: {clean_line(said, 80)}"
    )


def _check_host_key(
    connect: Connect, link: Link, known: Sequence[known_hosts.KnownKey], facts: ConnectionFacts
) -> None:
    shown = link.transport.host_key
    assert shown is not None, "the handshake came to its end"
    blob = shown.asbytes()
    facts.host_key = known_hosts.fingerprint(blob)
    facts.host_key_check = host_key.verify(connect, link.where, shown.get_name(), blob, known)


def through(link: Link, host: str, port: int, timeout_s: float) -> Channel:
    """A channel from the machine at the other end of `link` to a port it can reach.

    Raises what paramiko raises.
    """
    return link.transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout_s)
