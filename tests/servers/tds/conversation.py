"""One connection from its first byte to its last."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import builtin, calls, errors, login, prelogin, tokens
from .answers import Error
from .collations import Collation
from .execution import Execution, HungUp
from .login import TDS_7_3A, TDS_8_0, Login
from .packets import NotTds, Packets, PacketType, packet_size
from .prelogin import Encryption
from .script import Account
from .seen import LoginAttempt, Request
from .statements import Session
from .tls import shake_hands, shake_hands_first
from .tokens import Change, Done, DoneStatus
from .wire import Wire

if TYPE_CHECKING:
    from .server import TdsServer

_TLS_HANDSHAKE = 0x16  # the first byte of TLS, and no type of packet
_UTF8_FEATURE = 0x0A
_BEGIN, _COMMIT, _ROLLBACK = 5, 7, 8  # [MS-TDS] 2.2.6.9
_LANGUAGE = "us_english"
# "MSSQLSERVER_18456": the states that stand in the server's log, while the client is told 1
_UNKNOWN_USER, _DISABLED, _WRONG_PASSWORD, _PASSWORD_MUST_CHANGE, _NO_DATABASE = 5, 7, 8, 18, 38
_INTEGRATED_STATE = 1


class Conversation:
    """Talks to one client. `spid` is the session's number."""

    def __init__(self, server: TdsServer, wire: Wire, spid: int) -> None:
        self._server = server
        self._script = server.script
        self._packets = Packets(wire, spid)
        self._wire = wire
        self._spid = spid
        self._transaction = 0

    def run(self) -> None:
        """Ends when the client goes, or is refused. Raises ConnectionLost, NotTds, HandshakeFailed."""
        if self._server.mute == "accepted":
            self._listen_only()
        self._agree_on_encryption()
        if self._server.mute == "prelogin":
            self._listen_only()
        if session := self._log_in():
            self._serve(session)

    def _listen_only(self) -> None:
        while True:  # until ConnectionLost
            self._wire.receive(1)

    def _agree_on_encryption(self) -> None:
        strict = self._wire.first_byte() == _TLS_HANDSHAKE and self._script.product.strict
        if strict and self._server.tls is not None:
            shake_hands_first(self._wire, self._server.tls)
        message = self._packets.read()
        if message.type is not PacketType.PRELOGIN:
            raise NotTds(f"a message of type {message.type!r} in place of PRELOGIN")
        asked = prelogin.parse(message.data)
        self._server.prelogins.append(asked)
        agreed = prelogin.agree(asked.encryption, self._server.encrypts)
        if self._wire.encrypted:  # TDS 8.0 does not look at the option
            agreed = Encryption.NOT_SUPPORTED
        version = self._script.product.wire_version
        self._packets.write(PacketType.TABULAR_RESULT, prelogin.answer(version, agreed))
        self._login_only = agreed is Encryption.OFF
        if agreed is Encryption.REQUIRED and asked.encryption is Encryption.NOT_SUPPORTED:
            raise NotTds("the client cannot encrypt, the server demands it")
        if agreed is not Encryption.NOT_SUPPORTED:
            assert self._server.tls is not None
            shake_hands(self._packets, self._server.tls)

    def _log_in(self) -> Session | None:
        message = self._packets.read()
        if message.type is not PacketType.LOGIN7:
            raise NotTds(f"a message of type {message.type!r} in place of LOGIN7")
        asked = login.parse(message.data)
        encrypted, tls_version = self._wire.encrypted, self._wire.tls_version
        if self._login_only:
            self._wire.drop_tls()
        if asked.tds < TDS_7_3A and asked.tds != TDS_8_0:
            raise NotTds(f"TDS 0x{asked.tds:08X}: this server speaks 7.3 and 7.4")
        session, refusals, state = self._judge(asked)
        number = refusals[-1].number if refusals else None
        self._server.logins.append(LoginAttempt(asked, encrypted, tls_version, number, state))
        if session is None:
            self._refuse(refusals)
            return None
        self._welcome(asked, session)
        return session

    def _judge(self, asked: Login) -> tuple[Session | None, Sequence[Error], int | None]:
        """The session, or what is told to the client and the state in the log."""
        if asked.integrated:
            return None, (errors.untrusted_domain(),), _INTEGRATED_STATE
        account = self._script.accounts.get(asked.user)
        if account is None:
            return None, (errors.login_failed(asked.user),), _UNKNOWN_USER
        if account.password != asked.password:
            return None, (errors.login_failed(asked.user),), _WRONG_PASSWORD
        match account.refused:
            case "disabled":
                return None, (errors.login_disabled(asked.user),), _DISABLED
            case "locked":
                return None, (errors.login_locked(asked.user),), 1
            case "expired":
                return None, (errors.password_expired(asked.user),), 1
            case "must change":
                return None, (errors.password_must_change(asked.user),), _PASSWORD_MUST_CHANGE
            case None:
                pass
        session = self._session(asked, account)
        wanted = asked.database or account.default
        if builtin.refused(wanted, session):
            refusals = (errors.cannot_open_at_login(wanted), errors.login_failed(asked.user))
            return None, refusals, _NO_DATABASE
        builtin.use(wanted, session)
        return session, (), None

    def _session(self, asked: Login, account: Account) -> Session:
        return Session(
            spid=self._spid,
            script=self._script,
            user=asked.user,
            account=account,
            host=asked.host,
            application=asked.application,
            database="master",
            read_only=asked.read_only,
        )

    def _refuse(self, refusals: Sequence[Error]) -> None:
        payload = b"".join(self._message(error) for error in refusals)
        self._packets.write(
            PacketType.TABULAR_RESULT, payload + tokens.done(Done.STATEMENT, DoneStatus.ERROR)
        )

    def _welcome(self, asked: Login, session: Session) -> None:
        product = self._script.product
        collation: Collation = product.collation
        size = packet_size(asked.packet_size)
        parts = [
            tokens.environment_text(Change.DATABASE, session.database, "master"),
            self._message(_info(5701, 2, f"Changed database context to '{session.database}'.")),
            tokens.environment_collation(collation),
            tokens.environment_text(Change.LANGUAGE, _LANGUAGE, ""),
            self._message(_info(5703, 1, f"Changed language setting to {_LANGUAGE}.")),
            tokens.login_acknowledged(min(asked.tds, product.tds), product.wire_version),
            tokens.environment_text(Change.PACKET_SIZE, str(size), str(self._packets.size)),
        ]
        if _UTF8_FEATURE in asked.features and product.numbers >= (15,):
            parts.append(tokens.feature_acknowledged(_UTF8_FEATURE, b"\x01"))
        parts.append(tokens.done(Done.STATEMENT, DoneStatus.FINAL))
        self._packets.write(PacketType.TABULAR_RESULT, b"".join(parts))
        self._packets.size = size

    def _serve(self, session: Session) -> None:
        prepared = calls.Prepared()
        goes_on = True
        while goes_on:
            message = self._packets.read()
            if message.reset_connection:
                raise NotTds("a pooled connection is used again: pooling is not known here")
            match message.type:
                case PacketType.SQL_BATCH:
                    text = _after_headers(message.data).decode("utf-16-le")
                    self._server.requests.append(Request("batch", text, self._spid))
                    goes_on = self._answered(session, prepared, text)
                case PacketType.RPC:
                    call = calls.parse(_after_headers(message.data))
                    self._server.requests.append(Request("call", str(call), self._spid))
                    goes_on = self._answered(session, prepared, call)
                case PacketType.TRANSACTION_MANAGER:
                    self._server.requests.append(Request("transaction", "", self._spid))
                    self._transact(session, _after_headers(message.data))
                case PacketType.ATTENTION:  # it crossed the end of our answer
                    acknowledged = tokens.done(Done.STATEMENT, DoneStatus.ATTENTION)
                    self._packets.write(PacketType.TABULAR_RESULT, acknowledged)
                case _:
                    raise NotTds(f"a message of type {message.type!r} after the login")

    def _answered(self, session: Session, prepared: calls.Prepared, asked: str | calls.Call) -> bool:
        execution = Execution(
            self._packets,
            session,
            prepared,
            self._server.stopping,
            self._server.statements.append,
            self._server.unscripted.append,
        )
        try:
            return execution.batch(asked) if isinstance(asked, str) else execution.call(asked)
        except HungUp as hung_up:
            if hung_up.abruptly:
                self._wire.reset()
            return False

    def _transact(self, session: Session, data: bytes) -> None:
        (kind,) = struct.unpack_from("<H", data)
        old = struct.pack("<Q", self._transaction)
        changes = b""
        if kind in (_COMMIT, _ROLLBACK):
            session.transactions = 0
            ended = Change.COMMIT_TRANSACTION if kind == _COMMIT else Change.ROLLBACK_TRANSACTION
            changes += tokens.environment_bytes(ended, b"", old)
            begins_another = len(data) > 3 + data[2] and data[3 + data[2]] & 1
        elif kind == _BEGIN:
            begins_another = True
        else:
            raise NotTds(f"a transaction manager request of type {kind}")
        if begins_another:
            session.transactions = 1
            self._transaction += 1
            new = struct.pack("<Q", self._transaction)
            changes += tokens.environment_bytes(Change.BEGIN_TRANSACTION, new, b"")
        self._packets.write(
            PacketType.TABULAR_RESULT, changes + tokens.done(Done.STATEMENT, DoneStatus.FINAL)
        )

    def _message(self, error: Error) -> bytes:
        server = self._script.product.server_name
        return tokens.message(
            error.number, error.state, error.severity, error.text, server, error.procedure, error.line
        )


def _info(number: int, state: int, text: str) -> Error:
    return Error(number, text, 0, state)


def _after_headers(data: bytes) -> bytes:
    """ALL_HEADERS starts with its own length (2.2.5.3)."""
    (length,) = struct.unpack_from("<I", data)
    return data[length:]
