"""Jump hosts: one connection to each, shared by all machines behind it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkup.api import ErrorClass
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    TransportError,
    open_gate,
)
from checkup.transports.ssh import Connect
from checkup.transports.wire import UNLIMITED, shown_address

if TYPE_CHECKING:
    from paramiko import Channel

    from checkup.transports.ssh_link import Link


@dataclass(frozen=True, kw_only=True)
class JumpHost:
    connect: Connect
    credential: Credential | None


class JumpPool:
    """The jump hosts of a site, by the name that `jump:` gives; used by many threads at once.

    A jump host is connected to when the first machine behind it is, once: its failure is the
    failure of every machine behind it. A connection that breaks later drops who is using it, and is
    made anew for the next machine. Its login goes through `gate` like any other.
    """

    def __init__(
        self,
        hosts: Mapping[str, JumpHost],
        *,
        gate: LoginGate = open_gate,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._hosts = hosts
        self._gate = gate
        self._deadlines = deadlines or Deadlines()
        self._links: dict[str, Future[Link]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.facts: dict[str, ConnectionFacts] = {}

    def channel(self, name: str, host: str, port: int) -> Channel:
        """A stream to `host`:`port` as the jump host sees them; raises TransportError."""
        from paramiko import ChannelException, SSHException

        from checkup.transports.ssh_link import through

        link = self._link(name)
        there = shown_address(host, port)
        try:
            return through(link, host, port, self._deadlines.channel_s)
        except ChannelException as error:
            if error.code == 1:  # administratively prohibited
                raise TransportError(
                    ErrorClass.DENIED,
                    f"jump host {name}: does not forward to {there}; ask for AllowTcpForwarding there",
                ) from None
            raise _unreachable(name, there) from None
        except (SSHException, OSError, EOFError) as error:
            if not link.transport.is_active():
                raise TransportError(
                    ErrorClass.DROPPED, f"jump host {name}: its connection broke; try again"
                ) from None
            if "imeout" in str(error):
                raise TransportError(
                    ErrorClass.TIMEOUT, f"jump host {name}: got no answer from {there} in time"
                ) from None
            raise _unreachable(name, there) from None

    def close(self) -> None:
        """Close all connections, also those still being opened; what runs through them is dropped."""
        with self._lock:
            self._closed = True
            links = list(self._links.values())
        for opening in links:
            opening.add_done_callback(_close)

    def _link(self, name: str) -> Link:
        with self._lock:
            if self._closed:
                raise TransportError(ErrorClass.DROPPED, f"jump host {name}: was closed, the run is ending")
            opening = self._links.get(name)
            first = opening is None or _broken(opening)
            if opening is None or first:
                opening = self._links[name] = Future["Link"]()
        if first:
            try:
                opening.set_result(self._open(name))
            except BaseException as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
                opening.set_exception(error)
        try:
            return opening.result()
        except TransportError as error:
            # A new one for each thread: they would all write their traceback into the same.
            raise TransportError(error.error, f"jump host {name}: {error.detail}") from None

    def _open(self, name: str) -> Link:
        from checkup.transports.ssh_link import open_link

        host = self._hosts.get(name)
        if host is None:
            raise TransportError(ErrorClass.UNREACHABLE, "the site file describes no host of this name")
        if host.connect.jump:
            raise TransportError(
                ErrorClass.UNSUPPORTED, "is behind a jump host itself; one is all checkup can do"
            )
        self.facts[name] = facts = ConnectionFacts(transport="ssh")
        link = open_link(
            host.connect,
            host.credential,
            gate=self._gate,
            deadlines=self._deadlines,
            jump=None,
            facts=facts,
        )
        link.wire.allow(UNLIMITED)  # it carries what the machines behind it say; each has its own limit
        return link


def _broken(opening: Future[Link]) -> bool:
    return opening.done() and opening.exception() is None and not opening.result().transport.is_active()


def _close(opened: Future[Link]) -> None:
    if opened.exception() is None:
        opened.result().close()


def _unreachable(name: str, there: str) -> TransportError:
    return TransportError(
        ErrorClass.UNREACHABLE,
        f"jump host {name}: cannot reach {there}; is the machine on, and the address right?",
    )
