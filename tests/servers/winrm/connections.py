"""The HTTP side: connections, logins, sealed and plain messages, and the trouble arranged for them."""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element

from . import faults, sealed, soap
from .accounts import Acceptor, LoginRefused, NtlmAcceptor, claimed_account
from .faults import Fault, Refused
from .trouble import Trouble

if TYPE_CHECKING:
    from .server import WinrmServer

CERTIFICATE_PROFILE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
_SOAP_TYPE = "application/soap+xml;charset=UTF-8"
_NTLM_MARK = b"NTLMSSP\0"
_IDLE_S = 60
_HANDSHAKE_S = 10


@dataclass
class Request:
    """One HTTP request. `action` is as in Trouble, or "" for one that was never understood."""

    action: str
    connection: int  # counted from 1
    authentication: str  # the scheme that its headers took part in, or nothing
    bytes: int  # of its body, as sent
    at: float  # time.monotonic
    status: int = 0  # 0 while unanswered
    answered: int = 0  # bytes sent back, status line included


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: str = _SOAP_TYPE
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Envelope:
    """What an authenticated request holds, or a request that needs no authentication."""

    xml: bytes
    account: str
    sealed: bool


@dataclass(frozen=True)
class _Said:
    """An answer before it is sealed."""

    status: int
    xml: bytes


class Hangup(Exception):
    """This connection ends here."""


class HttpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64

    def __init__(self, winrm: WinrmServer, port: int) -> None:
        self.winrm = winrm
        self._opened = 0
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)

    def number(self) -> int:
        with self._lock:
            self._opened += 1
            return self._opened

    def register(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def break_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(
            error, ConnectionError | ssl.SSLError | TimeoutError | Hangup
        ):
            self.winrm.report(error)


class Connection(BaseHTTPRequestHandler):
    """Whoever has logged in by a security context is so for the whole connection, as http.sys has it."""

    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.http = cast("HttpServer", self.server)
        self.winrm = self.http.winrm
        self.number = self.http.number()
        self.context: Acceptor | None = None
        self._proof: tuple[tuple[str, str], ...] = ()
        self.http.register(self.request)
        if self.winrm.tls is not None:
            self._shake_hands(self.winrm.tls)
        self.request.settimeout(_IDLE_S)
        super().setup()

    def _shake_hands(self, tls: ssl.SSLContext) -> None:
        plain = self.request
        plain.settimeout(_HANDSHAKE_S)
        try:
            self.request = tls.wrap_socket(plain, server_side=True)
        except OSError as error:
            self.winrm.failed_handshakes.append(str(error))
            raise Hangup from error
        finally:
            self.http.forget(plain)
        self.http.register(self.request)

    def finish(self) -> None:
        self.http.forget(self.request)
        with contextlib.suppress(OSError):  # the client is gone; nothing is left to say
            super().finish()
        if self.winrm.tls is not None:
            self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test asks `requests`."""

    def do_GET(self) -> None:
        request = self._request(b"")
        self._send(Answer(405), request, self.winrm.record(request))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = self._request(body)
        if self.winrm.delay_s:
            self.winrm.stopping.wait(self.winrm.delay_s)
        if self.path.split("?")[0] != "/wsman":
            answer = Answer(404, b"<h2>Not Found</h2>", "text/html; charset=us-ascii")
            self._send(answer, request, self.winrm.record(request))
            return
        found = self._authenticate(body, request)
        if isinstance(found, Answer):
            request.action = request.action or "Login"
            troubles = self.winrm.record(request)
            self._suffer(troubles)
            self._send(self._page(troubles) or found, request, troubles)
            return
        self._converse(found, request)

    # --- messages

    def _converse(self, envelope: _Envelope, request: Request) -> None:
        try:
            root = soap.parse(envelope.xml)
        except Refused as refused:
            troubles = self.winrm.record(request)
            self._send(self._said(self._fault(refused.fault, ""), envelope), request, troubles)
            return
        message_id = soap.message_id_of(root)
        request.action = "Identify" if soap.is_identify(root) else _operation(root)
        troubles = self.winrm.record(request)
        self._suffer(troubles)
        if any(trouble.unrelated for trouble in troubles):
            message_id = f"uuid:{soap.new_id()}"
        instead = any(trouble.fault or trouble.page or trouble.malformed for trouble in troubles)
        said = _Said(500, b"")
        if not instead or any(trouble.after for trouble in troubles):
            said = self._answer(root, message_id, envelope)
        for trouble in troubles:
            if trouble.fault:
                said = self._fault(trouble.fault, message_id)
            elif trouble.malformed:
                said = _Said(200, b'<s:Envelope xmlns:s="')
        # Sealed once and last: every seal takes a number of the context's sequence.
        self._send(self._page(troubles) or self._said(said, envelope), request, troubles)

    def _answer(self, root: Element, message_id: str, envelope: _Envelope) -> _Said:
        if soap.is_identify(root):
            product = self.winrm.product if envelope.account else "OS: 0.0.0 SP: 0.0 Stack: 3.0"
            return _Said(200, soap.identify_envelope(product))
        try:
            if not envelope.account:
                raise Refused(faults.ACCESS_DENIED)
            if len(envelope.xml) > self.winrm.quotas.request_bytes:
                raise Refused(faults.REQUEST_TOO_LARGE)
            action, body = self.winrm.handle(root, envelope.account)
        except Refused as refused:
            return self._fault(refused.fault, message_id)
        return _Said(200, soap.envelope(action, body, message_id))

    def _fault(self, fault: Fault, message_id: str) -> _Said:
        return _Said(fault.status, soap.fault_envelope(fault, message_id, self.winrm.name))

    def _said(self, said: _Said, envelope: _Envelope) -> Answer:
        if envelope.sealed and self.context is not None:
            return Answer(said.status, sealed.seal(said.xml, self.context), sealed.CONTENT_TYPE)
        return Answer(said.status, said.xml)

    # --- trouble

    def _suffer(self, troubles: Sequence[Trouble]) -> None:
        for trouble in troubles:
            self.winrm.stopping.wait(trouble.delay_s)
            if trouble.silent:
                self.winrm.stopping.wait()
                raise Hangup
            if trouble.lose_shells:
                self.winrm.lose_shells()

    def _page(self, troubles: Sequence[Trouble]) -> Answer | None:
        for trouble in troubles:
            if trouble.page:
                return Answer(trouble.page.status, trouble.page.text.encode(), trouble.page.content_type)
        return None

    # --- authentication

    def _request(self, body: bytes) -> Request:
        scheme = self.headers.get("Authorization", "").split(" ", 1)[0].lower()
        if scheme == CERTIFICATE_PROFILE:
            scheme = "certificate"
        return Request("", self.number, scheme, len(body), time.monotonic())

    def _authenticate(self, body: bytes, request: Request) -> _Envelope | Answer:
        given = self.headers.get("Authorization", "")
        content_type = self.headers.get("Content-Type", "")
        if self.headers.get("WSMANIDENTIFY", "").lower() == "unauthenticated":
            return _Envelope(body, "", sealed=False)
        try:
            if request.authentication == "certificate":
                return _Envelope(body, self._mapped_account(), sealed=False)
            if request.authentication == "basic" and "Basic" in self.winrm.offers:
                account = self._basic_account(given)
                return _Envelope(body, account, sealed=False) if self._plain_allowed() else Answer(500)
            if request.authentication in ("negotiate", "ntlm", "kerberos"):
                challenge = self._step(given)
                if challenge is not None:
                    return challenge
        except LoginRefused as refused:
            self.context = None
            self.winrm.logins.append((refused.account, False))
            return self._unauthorised()
        if self.context is None or not self.context.complete:
            return self._unauthorised()
        if not body:
            return Answer(200)
        if sealed.is_sealed(content_type):
            try:
                return _Envelope(sealed.unseal(body, self.context), self.context.account, sealed=True)
            except sealed.NotSealed:
                request.action = "Unsealed"
                return Answer(400)
        return _Envelope(body, self.context.account, sealed=False) if self._plain_allowed() else Answer(500)

    def _plain_allowed(self) -> bool:
        return self.winrm.tls is not None or self.winrm.allow_unencrypted

    def _unauthorised(self) -> Answer:
        offers = tuple(
            ("WWW-Authenticate", 'Basic realm="WSMAN"' if offer == "Basic" else offer)
            for offer in self.winrm.offers
        )
        return Answer(401, headers=offers)

    def _basic_account(self, given: str) -> str:
        try:
            account, _, password = (
                base64.b64decode(given.split(" ", 1)[1], validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError, IndexError) as error:
            raise LoginRefused("", "not a Basic header") from error
        self.winrm.accounts.check(account, password)
        self.winrm.logins.append((account, True))
        return account

    def _mapped_account(self) -> str:
        der = self.request.getpeercert(binary_form=True) if self.winrm.tls is not None else None
        for account, certificate in self.winrm.clients.items():
            if der == certificate.der:
                self.winrm.accounts.check_lock(account)
                self.winrm.logins.append((account, True))
                return account
        raise LoginRefused("", "no certificate, or one that is mapped to nobody")

    def _step(self, given: str) -> Answer | None:
        """One leg of an exchange; None where it was the last and the login is good."""
        scheme, _, text = given.partition(" ")
        offered = {offer.lower() for offer in self.winrm.offers}
        try:
            token = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise LoginRefused("", "the token is not base64") from error
        ntlm = token.startswith(_NTLM_MARK)
        if scheme.lower() not in offered or (ntlm and self.winrm.ntlm == "no challenge"):
            return self._unauthorised()
        if self.context is None or self.context.complete:
            self.context = self._new_context(ntlm=ntlm)
        if ntlm and self.winrm.ntlm == "refused" and claimed_account(token):
            raise LoginRefused(claimed_account(token), "this machine accepts no NTLM")
        try:
            answer = self.context.step(token)
        except LoginRefused:
            raise
        except Exception as error:
            raise LoginRefused(claimed_account(token), str(error)) from error
        if self.context.complete:
            if answer:  # the proof that this is the machine it should be goes with whatever is said next
                self._proof = (("WWW-Authenticate", _token_header(scheme, answer)),)
            self.winrm.logins.append((self.context.account, True))
            return None
        return Answer(401, headers=(("WWW-Authenticate", _token_header(scheme, answer)),))

    def _new_context(self, *, ntlm: bool) -> Acceptor:
        binding = self.winrm.certificate.binding if self.winrm.tls and self.winrm.certificate else None
        if ntlm:
            return NtlmAcceptor(self.winrm.accounts, binding)
        if self.winrm.acceptor is None:
            raise LoginRefused("", "only NTLM is spoken here")
        return self.winrm.acceptor(binding)

    # --- the wire

    def _send(self, answer: Answer, request: Request, troubles: Sequence[Trouble]) -> None:
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in (*answer.headers, *self._proof)]
        self._proof = ()
        if answer.body:
            lines.append(f"Content-Type: {answer.content_type}")
        lines += [f"Server: {self.server_version}", f"Date: {self.date_time_string()}"]
        lines.append(f"Content-Length: {len(answer.body)}")
        data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body
        cut = min((each.drop_after for each in troubles if each.drop_after is not None), default=None)
        data = data if cut is None else data[:cut]
        request.status = answer.status
        request.answered = len(data)
        closing = cut is not None or any(each.close_after for each in troubles)
        abruptly = cut is not None and any(each.abruptly for each in troubles)
        if closing and not abruptly and hasattr(socket, "TCP_CORK"):
            # The end of the connection leaves with the last byte: a client that reads it sees both.
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.wfile.write(data)
        if abruptly:  # a socket that is closed without lingering sends a reset
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if closing:
            raise Hangup


def _token_header(scheme: str, token: bytes) -> str:
    return f"{scheme} {base64.b64encode(token).decode('ascii')}"


def _operation(root: Element) -> str:
    action = root.findtext("s:Header/a:Action", "", soap.PREFIXES).strip()
    return action.rsplit("/", 1)[-1]
