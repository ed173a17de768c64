# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportMissingTypeStubs=false
# pyright: reportUntypedBaseClass=false
# (smbprotocol has no types.)
"""A logged-in SMB 2 or 3 connection: reach the port, agree on a dialect, log in, connect to shares.

smbprotocol waits without end at several places, so every wait here has a limit that ends with closing the
connection from outside.
"""

from __future__ import annotations

import importlib
import logging
import re
import struct
import threading
import uuid
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import spnego
from cryptography.exceptions import InvalidSignature, InvalidTag
from smbprotocol import Dialects
from smbprotocol.connection import Connection, Request
from smbprotocol.exceptions import SMBAuthenticationError, SMBException, SMBResponseException
from smbprotocol.header import NtStatus, Smb2Flags
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.jet.source import SourceError
from checkup.transports.access_source.connect import SmbConnect
from checkup.transports.access_source.smb_errors import file_error, login_error
from checkup.transports.access_source.smb_login import SmbIdentity, prepared
from checkup.transports.access_source.smb_wire import NotSmb, SmbWire
from checkup.transports.limit import limited
from checkup.transports.reach import reach
from checkup.transports.session import ConnectionFacts, Credential, Deadlines, LoginGate, TransportError
from checkup.transports.wire import TooMuch, Wire

if TYPE_CHECKING:
    from checkup.transports.jump import JumpPool

# It logs whole tracebacks of what we report in one line; who wants them sets a level first.
for _name in ("smbprotocol", "spnego"):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.CRITICAL)

# What smbprotocol raises when an answer is not what it should be: it unpacks without looking.
UNREADABLE = (
    SMBException,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
    InvalidTag,
    InvalidSignature,
)

# What a server may say beside the data that was asked for.
ALLOWANCE = 1024**2

_DIALECTS = {
    Dialects.SMB_2_0_2: "2.0.2",
    Dialects.SMB_2_1_0: "2.1",
    Dialects.SMB_3_0_0: "3.0",
    Dialects.SMB_3_0_2: "3.0.2",
    Dialects.SMB_3_1_1: "3.1.1",
}


class _OurConnection(Connection):
    """smbprotocol's, over our wire; every answer comes in time, and signed where that was agreed."""

    def __init__(self, wire: SmbWire, server_name: str) -> None:
        self.wire = wire
        self.limit_s = 0.0
        super().__init__(uuid.uuid4(), server_name, require_signing=True)

    @property
    def transport(self) -> SmbWire:
        return self.wire

    @transport.setter
    def transport(self, made: object) -> None:
        """It would dial by itself; the wire is there already."""

    def cause(self, error: Exception) -> Exception:
        """What was wrong first: with an answer, before `error` was met on a line that was closed for it."""
        return self._t_exc or error

    def receive(
        self,
        request: Request,
        wait: bool = True,
        timeout: float | None = None,
        resolve_symlinks: bool = False,
    ) -> Any:
        # Following a link would be another request to open, made by the library.
        try:
            answer = super().receive(request, wait, timeout or self.limit_s, resolve_symlinks=False)
        except SMBResponseException as error:
            self._insist_on_signature(request, error.header)
            raise
        self._insist_on_signature(request, answer)
        return answer

    def _insist_on_signature(self, request: Request, answer: Any) -> None:
        """smbprotocol verifies signatures, and takes an answer that has none."""
        session = self.session_table.get(request.session_id)
        if session is None or not session.signing_required:
            return
        pending = answer["status"].get_value() == NtStatus.STATUS_PENDING
        if not pending and not answer["flags"].has_flag(Smb2Flags.SMB2_FLAGS_SIGNED):
            raise NotSmb("an answer without a signature")


class SmbLink:
    """One connection; `close` may be called by any thread at any moment, and more than once."""

    def __init__(self, connection: _OurConnection, where: str, host: str) -> None:
        self.where = where
        self.connection = connection
        self.session: Session | None = None
        self._host = host
        self._shares: dict[str, TreeConnect] = {}

    def share(self, name: str, limit_s: float) -> TreeConnect:
        """The share, connected to when it is first asked for. Raises SourceError."""
        key = name.lower()
        if key not in self._shares:
            tree = TreeConnect(self.session, f"\\\\{self._host}\\{name}")
            with self.bounded(limit_s, f"\\\\{self._host}\\{name}"):
                tree.connect()
            # Names below it are the share's own; with this flag they would have to be those of DFS.
            tree.is_dfs_share = False
            self._shares[key] = tree
        return self._shares[key]

    @contextmanager
    def bounded(self, limit_s: float, name: str, expected: int = 0) -> Generator[None]:
        """A block that ends in time, and whose errors become SourceErrors about `name`."""
        self.connection.wire.allow(ALLOWANCE + 2 * expected)
        self.connection.limit_s = limit_s
        with self.closed_after(limit_s) as expired:
            try:
                yield
            except SMBResponseException as error:
                raise file_error(error.status, name) from None
            except UNREADABLE as error:
                # What was asked and not answered yet would be taken for the answer to something else.
                self.close()
                if expired.is_set() or "Connection timeout" in str(error):
                    raise SourceError(
                        "timeout", f"{self.where} did not answer within {limit_s:.0f} s"
                    ) from None
                why = _broken(self.connection.cause(error))
                raise SourceError("broken", f"{self.where} {why}") from None

    def closed_after(self, seconds: float) -> AbstractContextManager[threading.Event]:
        """Close the connection if the block takes longer; the event tells whether that happened."""
        return limited(seconds, self.close)

    def send(self, messages: Sequence[Any], tree: TreeConnect, *, related: bool = False) -> list[Request]:
        """Messages that leave together; with `related`, each is about the file that the first one opens."""
        assert self.session is not None, "a link is handed out after the login"
        ids = (self.session.session_id, tree.tree_connect_id)
        if related:
            return list(self.connection.send_compound(list(messages), *ids, related=True))
        with self.connection.wire.held():
            # Credits are how many answers a server lets one wait for; it grants more to who asks for more.
            return [self.connection.send(message, *ids, credit_request=CREDITS) for message in messages]

    @property
    def credits(self) -> int:
        """How much may be asked for now: one for each request, or for each 64 kB of it."""
        with self.connection.sequence_lock:
            window = self.connection.sequence_window
            return window["high"] - window["low"]

    def close(self) -> None:
        """Ends whatever is open there, at once: a server lets go of everything with the connection."""
        self.connection.disconnect(close=False)


# Asked for with every request; a server grants what it likes, in all some hundreds.
CREDITS = 64


def open_smb_link(
    connect: SmbConnect,
    credential: Credential | None,
    *,
    gate: LoginGate,
    deadlines: Deadlines,
    jump: JumpPool | None,
    facts: ConnectionFacts,
) -> SmbLink:
    """Raises TransportError; nothing stays open then, and `facts` tells how far it came."""
    identity = prepared(connect, credential)
    assert credential is not None, "nothing was prepared without a credential"
    link = _negotiated(connect, deadlines, jump, facts)
    try:
        with gate(credential):
            refusal = _log_in(link, connect, identity, deadlines)
            if refusal is not None and refusal.judged:
                raise refusal.reason
        if refusal is not None:
            raise refusal.reason
    except BaseException:
        link.close()
        raise
    facts.algorithms = _protection(link)
    return link


def _negotiated(
    connect: SmbConnect, deadlines: Deadlines, jump: JumpPool | None, facts: ConnectionFacts
) -> SmbLink:
    stream = reach(connect, deadlines.connect_s, jump, facts, "file server")
    wire = SmbWire(Wire(stream))
    link = SmbLink(_OurConnection(wire, connect.host), facts.address, connect.host)
    limit_s = deadlines.banner_s + deadlines.handshake_s
    link.connection.limit_s = limit_s
    with link.closed_after(limit_s) as expired:
        try:
            link.connection.connect(timeout=int(limit_s) + 1)
        except UNREADABLE as error:
            link.close()
            cause = link.connection.cause(error)
            raise _no_agreement(cause, link.where, limit_s, late=expired.is_set()) from None
        except BaseException:
            link.close()
            raise
    dialect = cast("int", link.connection.dialect)
    facts.server = f"SMB {_DIALECTS.get(dialect, 'of an unknown dialect')}"
    return link


def _no_agreement(error: Exception, where: str, limit_s: float, *, late: bool) -> TransportError:
    if late or "Connection timeout" in str(error):
        return TransportError(
            ErrorClass.TIMEOUT, f"{where} takes connections and said nothing for {limit_s:.0f} s"
        )
    if isinstance(error, SMBResponseException):
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} takes none of the dialects of SMB 2 and 3 (0x{error.status:08X})",
        )
    if isinstance(error, NotSmb | TooMuch | ValueError | LookupError | TypeError | struct.error):
        return TransportError(ErrorClass.PROTOCOL, f"{where} is no SMB 2 or 3 server, is the port right?")
    return TransportError(
        ErrorClass.DROPPED,
        f"{where} hung up at the first word: it may know only SMB 1, or bar this station's address",
    )


@dataclass(frozen=True)
class _Refusal:
    """`judged`: the credential itself was looked at and found wrong, so it must not be shown again."""

    reason: TransportError
    judged: bool = False


def _log_in(
    link: SmbLink, connect: SmbConnect, identity: SmbIdentity, deadlines: Deadlines
) -> _Refusal | None:
    """None once logged in."""
    user: Any = identity.user
    if identity.keytab is not None:
        user = spnego.KerberosKeytab(keytab=f"FILE:{identity.keytab}", principal=identity.user)
    session = Session(
        link.connection,
        username=user,
        password=identity.password or None,
        require_encryption=False,  # where the server wants it, it is
        hostname_override=connect.spn_host or None,
        # Not "negotiate": that would show a password to the domain first, and then to the server.
        auth_protocol=identity.auth,
    )
    link.connection.limit_s = deadlines.auth_s
    with link.closed_after(deadlines.auth_s) as expired:
        try:
            session.connect()
        except (SMBAuthenticationError, *_kerberos_errors(identity)) as error:
            return _own_failure(error, link.where, identity)
        except SMBResponseException as error:
            reason = login_error(error.status, link.where, identity.shown)
            return _Refusal(reason, judged=reason.error is ErrorClass.AUTH)
        except UNREADABLE as error:
            cause = link.connection.cause(error)
            return _broken_login(cause, link.where, identity, late=expired.is_set())
    link.session = session
    link.connection.wire.only_encrypted = bool(session.encrypt_data)
    return None


def _broken_login(error: Exception, where: str, identity: SmbIdentity, *, late: bool) -> _Refusal:
    said = str(error)
    if late or "Connection timeout" in said:
        return _Refusal(
            TransportError(
                ErrorClass.TIMEOUT,
                f"{where} did not answer the login in time: its account service may be slow or down",
            )
        )
    if "guest" in said:
        return _Refusal(
            TransportError(
                ErrorClass.AUTH,
                f"{where} does not know {identity.shown} and takes everybody as a guest: are user and "
                "password right?",
            ),
            judged=True,
        )
    if "signature" in said:
        return _Refusal(
            TransportError(
                ErrorClass.PROTOCOL, f"{where} answered the login with a wrong signature; do not connect"
            )
        )
    return _Refusal(TransportError(ErrorClass.DROPPED, f"{where} {_broken(error)} during the login"))


def _kerberos_errors(identity: SmbIdentity) -> tuple[type[Exception], ...]:
    """What the library under spnego raises where a keytab gives no ticket; it is not on every computer."""
    if identity.keytab is None:
        return ()
    return (cast("type[Exception]", importlib.import_module("krb5").Krb5Error),)


def _own_failure(error: Exception, where: str, identity: SmbIdentity) -> _Refusal:
    """The login could not be made up on this side: Kerberos gave no ticket."""
    if identity.auth == "ntlm":
        reason = TransportError(ErrorClass.PROTOCOL, f"{where} answered the login with what cannot be read")
        return _Refusal(reason)
    # spnego puts three layers of numbers before the one sentence that says what happened.
    said = clean_line(re.sub(r"^.*(Minor|SpnegoError) \(\d+\): ", "", str(error)), 200)
    reason = TransportError(
        ErrorClass.AUTH, f"no Kerberos login at {where} with {identity.shown}: {said or 'no ticket was had'}"
    )
    return _Refusal(reason, judged=(getattr(error, "err_code", 0) & 0xFFFFFFFF) - _KERBEROS_TABLE in _JUDGED)


# MIT's table (krb5_err.et) starts at -1765328384; its first 128 are the errors of RFC 4120, 7.5.9. These are
# what the key distribution centre counts as a failed login, or has counted: the account is unknown, barred
# or expired, its key has expired, is wrong, or failed the check.
_KERBEROS_TABLE = -1765328384 & 0xFFFFFFFF
_JUDGED = frozenset({6, 18, 23, 24, 31})


def _protection(link: SmbLink) -> str:
    session = link.session
    assert session is not None, "asked after the login"
    return "encrypted" if session.encrypt_data else "signed" if session.signing_required else "not protected"


def _broken(error: Exception) -> str:
    if isinstance(error, NotSmb):
        return f"sent {error}"
    if isinstance(error, TooMuch):
        return "sent more than was asked for"
    if isinstance(error, SMBException | OSError | EOFError) and "signature" not in str(error):
        return "broke the connection"
    return "sent an answer that cannot be read"
