"""The service as a whole: its settings, its life, and what a test may look at."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, cast
from xml.etree.ElementTree import Element

from . import cim, faults, shells, soap
from .accounts import AcceptorFactory, Accounts, Ntlm
from .cim import Cim, Instances
from .connections import HttpServer, Request
from .faults import Refused
from .programs import Machine, Program
from .shells import NEW_QUOTAS, OLD_QUOTAS, Access, Quotas, Shell, Shells
from .tls import Certificate, make_certificate, server_context
from .trouble import Trouble, Troubles

Tls = Literal["valid", "expired", "wrong name"]
Windows = Literal["7", "2008 R2", "10", "2022"]

_OLD = ("7", "2008 R2")
_PRODUCTS: Mapping[Windows, str] = {
    "7": "OS: 6.1.7601 SP: 1.0 Stack: 2.0",
    "2008 R2": "OS: 6.1.7601 SP: 1.0 Stack: 2.0",
    "10": "OS: 10.0.19045 SP: 0.0 Stack: 3.0",
    "2022": "OS: 10.0.20348 SP: 0.0 Stack: 3.0",
}


class WinrmServer:
    """One machine's WinRM service on loopback, on a free port, for as long as `with` lasts.

    `windows`: "7" and "2008 R2" have the old quotas and faults. `accounts`: name -> password; of these
    the `locked` are refused all the same. `offers`: the authentication that a 401 names. `ntlm`: "no
    challenge" where the first leg is answered by another 401, "refused" where the last is. `acceptor`
    makes the server's half of what is not NTLM. `remote_shells`: "denied" is fault 5, "off" is
    AllowRemoteShellAccess. `wait_s` replaces the request's OperationTimeout. `tls` makes a certificate
    where none is given; `clients`: account -> the client certificate that is mapped to it.
    `denied_namespaces`: of CIM. What a test's machine or the server itself raised is raised at the end.
    """

    def __init__(
        self,
        machine: Machine,
        accounts: Mapping[str, str],
        *,
        name: str = "WS-3",
        windows: Windows = "2022",
        locked: Collection[str] = (),
        offers: Sequence[str] = ("Negotiate", "Kerberos", "Basic"),
        ntlm: Ntlm = "accepted",
        acceptor: AcceptorFactory | None = None,
        allow_unencrypted: bool = True,
        remote_shells: Access = "allowed",
        quotas: Quotas | None = None,
        wait_s: float | None = None,
        delay_s: float = 0,
        tls: Tls | None = None,
        certificate: Certificate | None = None,
        clients: Mapping[str, Certificate] | None = None,
        denied_namespaces: Collection[str] = (),
        port: int = 0,
    ) -> None:
        old = windows in _OLD
        self.machine = machine
        self.name = name
        self.product = _PRODUCTS[windows]
        self.offers = tuple(offers)
        self.ntlm = ntlm
        self.acceptor = acceptor
        self.allow_unencrypted = allow_unencrypted
        self.quotas = quotas or (OLD_QUOTAS if old else NEW_QUOTAS)
        self.delay_s = delay_s  # before every answer
        self.clients = dict(clients or {})
        self.requests: list[Request] = []  # in order of arrival
        self.logins: list[tuple[str, bool]] = []  # every attempt: account, accepted
        self.failed_handshakes: list[str] = []
        self.trouble = Troubles()
        self.stopping = threading.Event()
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="winrm-server-")
        self.accounts = Accounts(accounts, locked=locked, machine=name)
        self.certificate = certificate or (
            make_server_certificate(Path(self._folder.name), tls) if tls else None
        )
        self.tls = server_context(self.certificate, self.clients.values()) if self.certificate else None
        self._http = HttpServer(self, port)
        self.port: int = self._http.server_address[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/wsman"
        self._shells = Shells(
            machine,
            address=self.url,
            quotas=self.quotas,
            old=old,
            access=remote_shells,
            wait_s=wait_s,
            report=self.report,
        )
        self.cim = Cim(self._instances, denied=denied_namespaces, old=old)
        self._accepting = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), daemon=True, name=f"winrm-{name}"
        )

    @property
    def shells(self) -> dict[str, Shell]:
        """The open ones, by id."""
        return self._shells.open

    @property
    def programs(self) -> list[Program]:
        """Every program that was started, in order: command, arguments, options, stdin, killed."""
        return self._shells.programs

    @property
    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    @property
    def ca_file(self) -> Path:
        """What a client must trust. Only over TLS."""
        assert self.certificate is not None
        return self.certificate.file

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 lower-case hexadecimal digits. Only over TLS."""
        assert self.certificate is not None
        return self.certificate.sha256

    def __enter__(self) -> WinrmServer:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._errors and error is None:
            raise self._errors[0]

    def stop(self) -> None:
        """The machine is switched off: every connection breaks, every program ends."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._http.shutdown()
        self._accepting.join(5)
        self._shells.end()
        self._http.break_connections()
        self._http.server_close()
        self.accounts.close()
        self._folder.cleanup()

    def lose_shells(self) -> None:
        """As when the WinRM service is restarted: shells and programs are gone, connections stay."""
        self._shells.lose()

    def record(self, request: Request) -> list[Trouble]:
        """Keeps a request, and gives what befalls it."""
        with self._lock:
            self.requests.append(request)
            return self.trouble.meet(request.action)

    def report(self, error: BaseException) -> None:
        self._errors.append(error)

    def handle(self, root: Element, account: str) -> tuple[str, str]:
        """The action and body of the answer. Raises Refused."""
        message = soap.read(root)
        if message.resource_uri == shells.RESOURCE:
            return self._shells.answer(message, account)
        if message.resource_uri.startswith(cim.RESOURCE):
            return self.cim.answer(message)
        raise Refused(faults.INVALID_RESOURCE)

    def _instances(self) -> Instances:
        return cast("Instances", getattr(self.machine, "instances", {}))


def make_server_certificate(folder: Path, tls: Tls) -> Certificate:
    names = ["elsewhere.example"] if tls == "wrong name" else ["localhost", "127.0.0.1"]
    return make_certificate(folder, names=names, expired=tls == "expired")
