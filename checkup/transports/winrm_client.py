"""pywinrm's Protocol on a line of ours: one login, one request at a time, every failure under its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import requests
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol
from winrm.transport import Transport

from checkup.api import ErrorClass
from checkup.transports import winrm_xml
from checkup.transports.session import TransportError
from checkup.transports.winrm import Connect
from checkup.transports.winrm_errors import Fault, Unjudged, error_of
from checkup.transports.winrm_line import Line, Stale
from checkup.transports.winrm_login import Identity

T = TypeVar("T")

# How long the service may keep a request before it says that there is nothing yet; and how much longer
# its answer may take to come here.
OPERATION_S = 20
ON_THE_WAY_S = 15


class Waiting(TransportError):
    """The service says that there is nothing to answer yet; it is well."""


class Client:
    """For one thread at a time. It is `usable` until it raises anything but Waiting or a Fault."""

    def __init__(self, connect: Connect, identity: Identity, line: Line) -> None:
        self.line = line
        self.usable = True
        self._identity = identity
        self._sealed = connect.scheme == "http"
        self._protocol = _protocol(connect, identity, line, sealed=self._sealed)

    def ask(self, work: Callable[[Protocol], T], doing: str, limit_s: float) -> T:
        """Raises TransportError (a Fault where the service itself refused, or Waiting), Unjudged or Stale.

        Stale, and only Stale, says that nothing was sent.
        """
        self._protocol.operation_timeout_sec = max(1, min(OPERATION_S, int(limit_s) - 1))
        self._transport.read_timeout_sec = min(limit_s, OPERATION_S + ON_THE_WAY_S)  # pyright: ignore[reportAttributeAccessIssue] - handed to requests, which takes parts of a second
        if self.line.is_cut:
            self.usable = False
            raise Stale
        with self.line.limited(limit_s) as expired:
            try:
                answer = work(self._protocol)
            except WinRMOperationTimeoutError:
                self.line.settled = True
                raise Waiting(ErrorClass.TIMEOUT, f"{self.line.where} was not done in time {doing}") from None
            except Stale:
                self.usable = False
                raise
            except Exception as error:  # noqa: BLE001 - whatever its parsing meets in a hostile answer
                failure = self._failure(error, doing)
                self.usable = isinstance(failure, Fault)
                self.line.settled |= self.usable
                if expired.is_set() and not self.usable:
                    failure = TransportError(
                        ErrorClass.TIMEOUT, f"{self.line.where} gave no answer within {limit_s:.3g} s {doing}"
                    )
                raise failure from None
        self.line.settled = True
        return answer

    def close(self) -> None:
        self.usable = False
        self.line.close()

    @property
    def _transport(self) -> Transport:
        return self._protocol.transport

    def _failure(self, error: Exception, doing: str) -> TransportError | Unjudged:
        return error_of(
            error,
            self.line.where,
            doing,
            self._identity,
            logged_in=self.line.settled,
            sealed=self._sealed,
        )


def _protocol(connect: Connect, identity: Identity, line: Line, *, sealed: bool) -> Protocol:
    endpoint = f"{connect.scheme}://{line.where}/wsman"
    common: dict[str, Any] = {
        "username": identity.user or None,
        "password": identity.password,
        "ca_trust_path": None,  # the line checks the certificate, and looks at no environment variable
        "cert_pem": str(identity.client.certificate) if identity.client else None,
        "cert_key_pem": str(identity.client.key) if identity.client else None,
        "kerberos_hostname_override": connect.spn_host or None,
        "message_encryption": "always" if sealed else "never",
        "proxy": None,
        "read_timeout_sec": OPERATION_S + ON_THE_WAY_S,
    }
    protocol = Protocol(endpoint, transport=identity.auth, operation_timeout_sec=OPERATION_S, **common)
    protocol.transport = _LineTransport(line, identity, endpoint, auth_method=identity.auth, **common)
    return protocol


class _LineTransport(Transport):
    """Everything over the line; and on a sealed connection nothing that is not sealed is believed."""

    def __init__(self, line: Line, identity: Identity, endpoint: str, **named: Any) -> None:
        super().__init__(endpoint, service="HTTP", **named)
        self._line = line
        self._identity = identity

    def build_session(self) -> requests.Session:
        session = super().build_session()
        self._adopt(session)
        return session

    def setup_encryption(self, session: requests.Session) -> None:
        self._adopt(session)  # this sends the first requests
        super().setup_encryption(session)
        if self.auth_method == "ntlm" and getattr(session.auth, "session_security", None) is None:
            raise winrm_xml.Unreadable("a web page that asks for no login")

    def _adopt(self, session: requests.Session) -> None:
        if session.adapters.get("http://") is self._line.adapter:
            return
        session.trust_env = False  # no .netrc, no proxy
        session.max_redirects = 0
        session.mount("http://", self._line.adapter)
        session.mount("https://", self._line.adapter)
        if self.auth_method == "kerberos":
            from checkup.transports.winrm_kerberos import Authentication

            session.auth = Authentication(self._identity, self.kerberos_hostname_override)

    def _get_message_response_text(self, response: requests.Response) -> bytes:
        if self.encryption and "protocol=" not in response.headers.get("Content-Type", ""):
            if response.ok:
                raise winrm_xml.Unreadable("plain text on an encrypted connection")
            return b""
        answer = super()._get_message_response_text(response)
        try:
            winrm_xml.check(answer)
        except winrm_xml.Unreadable:
            if response.ok:
                raise
            return b""  # the status says enough, and no library is to look at this
        return answer
