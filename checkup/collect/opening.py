"""From a planned endpoint to an open session: its transport, its credential, its jump host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from checkup.collect.guard import CredentialGuard
from checkup.plan import EndpointPlan
from checkup.site import Site
from checkup.transports import (
    ConnectionFacts,
    ConnectModel,
    Credential,
    JumpHost,
    JumpPool,
    Session,
    open_session,
    ssh,
)


class Opening:
    """What the sessions of one run share: one guard for the logins, one connection per jump host.

    `folder` is the site file's: a bundle's relative path starts there.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self._connects: Mapping[str, ConnectModel] = {host.id: host.connect for host in site.hosts}
        self._folder = folder
        self._credentials = {
            name: Credential(
                name=name,
                user=given.user,
                password=given.password or "",
                key=given.key or "",
                passphrase=given.passphrase or "",
                agent=given.agent,
            )
            for name, given in site.credentials.items()
        }
        self._guard = CredentialGuard()
        self._jumps = JumpPool(
            {
                name: JumpHost(connect=connect, credential=self._credentials.get(connect.credential))
                for name, connect in self._connects.items()
                if isinstance(connect, ssh.Connect)
            },
            gate=self._guard.gate,
        )

    def __enter__(self) -> Opening:
        return self

    def __exit__(self, *_: object) -> None:
        self._jumps.close()

    def open(self, plan: EndpointPlan, facts: ConnectionFacts) -> Session:
        """Raises TransportError; `facts` is filled in as far as the connection came."""
        connect = self._connects[plan.endpoint]
        name = connect.credential if isinstance(connect, ssh.Connect) else ""
        return open_session(
            connect,
            credential=self._credentials.get(name),
            gate=self._guard.gate,
            jump=self._jumps,
            facts=facts,
            base=self._folder,
        )
