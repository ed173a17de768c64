"""From a planned endpoint to an open session: its transport, its credential, its jump host."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.access_depth import DATA_PAGES, WITH_ROWS
from checkup.api import ErrorClass
from checkup.collect.access_target import ERROR_OF, OpenedFile
from checkup.collect.first_host import FirstHost
from checkup.collect.guard import CredentialGuard
from checkup.plan import EndpointPlan
from checkup.site import Site
from checkup.site.models import AccessTarget
from checkup.transports import (
    ConnectionFacts,
    ConnectModel,
    Credential,
    JumpHost,
    JumpPool,
    LoginGate,
    Session,
    TransportError,
    open_session,
    ssh,
)
from checkup.transports.session import Told, untold

if TYPE_CHECKING:
    from checkup.collect.sql_sessions import SqlSession
    from checkup.transports.access_odbc import Counts
    from checkup.transports.access_source import Address
    from checkup.transports.odbc.session import ResultSet
    from checkup.transports.odbc.session import SqlSession as OdbcSession


@dataclass(frozen=True, eq=False)
class _GuardedSession:
    """A session with a SQL engine whose later logins go through the guard as its first did."""

    session: OdbcSession
    gate: LoginGate
    credential: Credential

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]:
        return self.session.run(text, timeout_s=timeout_s, most_rows=most_rows)

    def enter(self, database: str) -> None:
        self.session.enter(database, gate=self.gate, credential=self.credential)

    def close(self) -> None:
        self.session.close()


class Opening:
    """What the sessions of one run share: one guard for the logins, one connection per jump host.

    `folder` is the site file's: a bundle's relative path starts there.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self._connects: Mapping[str, ConnectModel] = {host.id: host.connect for host in site.hosts}
        self._files = {file.id: file for file in site.access}
        self._instances = {instance.id: instance for instance in site.sql}
        self._fallbacks = {host.id: host.fallback for host in site.hosts if host.fallback}
        self._folder = folder
        self._credentials = {
            name: Credential(
                name=name,
                user=given.user,
                password=given.password or "",
                key=given.key or "",
                passphrase=given.passphrase or "",
                agent=given.agent,
                certificate=given.certificate or "",
                keytab=given.keytab or "",
                ticket=given.ticket,
            )
            for name, given in site.credentials.items()
        }
        self._guard = CredentialGuard()
        self._first_host = FirstHost()
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

    def open(self, plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session:
        """Raises TransportError; `facts` is filled in as far as the connection came."""
        connect = (self._fallbacks if fallback else self._connects)[plan.endpoint]
        transport = getattr(connect, "transport", "")
        if transport != (plan.fallback if fallback else plan.transport):
            raise TransportError(
                ErrorClass.UNSUPPORTED,
                f"it was planned by {plan.transport}, but the site file now says {transport}: start a "
                "new run instead of resuming this one",
            )
        return open_session(
            connect,
            platform=plan.platform,
            credential=self._credentials.get(getattr(connect, "credential", "")),
            gate=self._gate(plan),
            jump=self._jumps,
            facts=facts,
            base=self._folder,
        )

    @contextmanager
    def open_file(self, plan: EndpointPlan, facts: ConnectionFacts) -> Generator[OpenedFile]:
        """An Access file of the site. Raises TransportError; `facts` is filled in as far as it came."""
        from checkup.jet.source import SourceError
        from checkup.transports.access_source import open_address

        file = self._consented(plan)
        address, credential = self._address(file, plan)
        files, path = open_address(
            address, credential=credential, gate=self._guard.gate, jump=self._jumps, facts=facts
        )
        try:
            source = files.open(path)
            try:
                found = files.lock_file(path)
                lock = None if found is None else (found.content, found.stat)
                yield OpenedFile(source, lock, files.folder_rights(path), _counting(file, path))
            finally:
                source.close()
        except SourceError as error:
            raise TransportError(ERROR_OF.get(error.kind, ErrorClass.PROTOCOL), error.detail) from None
        finally:
            files.close()

    def _consented(self, plan: EndpointPlan) -> AccessTarget:
        """The file of a plan, which may be an older one's than the site file."""
        file, look = self._files[plan.endpoint], plan.look
        if look and look.over_link and look.wanted in WITH_ROWS and DATA_PAGES not in file.consent:
            raise TransportError(
                ErrorClass.UNSUPPORTED,
                f"it was planned to the depth {look.wanted}, but the site file no longer has `consent: "
                f"[{DATA_PAGES}]`: start a new run instead of resuming this one",
            )
        return file

    def _address(self, file: AccessTarget, plan: EndpointPlan) -> tuple[Address, Credential | None]:
        from checkup.transports.access_source import LocalAddress, SftpAddress, SmbAddress, SmbPlace

        host = self._connects[file.host]
        if isinstance(file.reach, SmbPlace):
            credential = self._credentials.get(file.reach.credential)
            return SmbAddress(file.reach, credential.user if credential else ""), credential
        if isinstance(host, ssh.Connect) and plan.transport == "sftp":
            credential = self._credentials.get(host.credential)
            path = getattr(file.reach, "path", "") or file.path
            return SftpAddress(host, credential.user if credential else "", path), credential
        if plan.transport in ("file", "odbc"):
            path = getattr(file.reach, "path", "") or file.path
            return LocalAddress(self._folder / Path(path).expanduser()), None
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            f"{file.host} is reached by no way that files can be read by: give the file a `reach:` by smb",
        )

    def open_sql(
        self, plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
    ) -> SqlSession:
        """A connection to a SQL instance. Raises TransportError; `facts` is filled in as far as it came."""
        from checkup.transports.odbc.session import open_sql

        instance = self._instances[plan.endpoint]
        if instance.engine != plan.platform:
            raise TransportError(
                ErrorClass.UNSUPPORTED,
                f"it was planned as {plan.platform}, but the site file now says {instance.engine}: start a "
                "new run instead of resuming this one",
            )
        credential = self._credentials.get(instance.credential)
        session = open_sql(
            instance.at(self._address_of(instance.host)),
            instance.engine,
            credential,
            gate=self._guard.gate,
            jump=self._jumps,
            facts=facts,
            database=database,
            told=told,
        )
        assert credential is not None  # nobody logs in without one
        return _GuardedSession(session, self._guard.gate, credential)

    def _address_of(self, host: str) -> str:
        """Where a host of the site is, for what runs on it."""
        connect = self._connects.get(host)
        if connect is None:
            return ""
        return str(getattr(connect, "host", "")) or "127.0.0.1"

    def left(self, plan: EndpointPlan, answered: bool, error: ErrorClass | None) -> None:
        """A machine is done, so that the others need not wait for it."""
        self._first_host.leave(plan.endpoint, answered=answered, error=error)

    def _gate(self, plan: EndpointPlan) -> LoginGate:
        if plan.platform != "windows":
            return self._guard.gate

        @contextmanager
        def gate(credential: Credential) -> Generator[None]:
            self._first_host.enter(plan.endpoint)
            with self._guard.gate(credential):
                yield

        return gate


def _counting(file: AccessTarget, path: str) -> Callable[[], Counts] | None:
    """What asks the file's ODBC driver to count; None where the site file wants none."""
    from checkup.transports.access_odbc import count_tables
    from checkup.transports.access_source.connect import OdbcPlace

    reach = file.reach
    if not isinstance(reach, OdbcPlace):
        return None
    return lambda: count_tables(reach, Path(path), is_copy=bool(file.backup_of))
