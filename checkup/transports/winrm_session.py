"""One batch over WinRM: a remote shell, our script on the standard input of PowerShell in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from winrm.protocol import Protocol

from checkup.api import JSON, ErrorClass, WmiQuery
from checkup.batch.powershell import ARGUMENTS, BOOTSTRAP, PROGRAM
from checkup.transports import winrm_cim, winrm_tls
from checkup.transports.powershell import Complaints
from checkup.transports.session import (
    OUTPUT_LIMIT,
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    TransportError,
    open_gate,
)
from checkup.transports.winrm import Connect
from checkup.transports.winrm_client import ON_THE_WAY_S, OPERATION_S, Client, Waiting
from checkup.transports.winrm_errors import (
    NO_SUCH_FILE,
    OPERATIONS_QUOTA,
    Fault,
    Unjudged,
    shell_refusal,
)
from checkup.transports.winrm_line import Line, Stale
from checkup.transports.winrm_login import Identity, prepared
from checkup.transports.wire import shown_address

T = TypeVar("T")

UTF_8, UNITED_STATES = 65001, 437  # code pages; every Windows has the second

# A shell that we could not end is ended by the service after so long without a request.
IDLE_TIMEOUT = "PT600S"

# In base64 and an envelope this stays below the 150 kB that WinRM 2 takes.
PIECE_BYTES = 60_000
SLOWEST = 4096  # bytes a second at which a script may still be handed over

# Without a shell a session still answers queries.
NO_SHELL = frozenset({ErrorClass.DENIED, ErrorClass.DISABLED, ErrorClass.QUOTA})

GOODBYE_S = 5.0  # for ending a shell, and again for a new connection to end it by
PAUSE_S = 0.2  # between two answers that hold nothing and came at once


@dataclass(frozen=True)
class _Left:
    """What is still to be ended, and the connection to do it by."""

    client: Client | None
    shell: str
    command: str


@dataclass(frozen=True)
class _Piece:
    stdout: bytes
    stderr: bytes
    exit_code: int
    done: bool


class WinrmSession:
    """See `Session` and `QuerySession`.

    One thread streams and asks; `interrupt` and `close` may come from any, and only cut the connection
    of a thread that asks. Everything else belongs to whoever took it (`_take`).
    """

    def __init__(
        self,
        connect: Connect,
        credential: Credential,
        identity: Identity,
        gate: LoginGate,
        deadlines: Deadlines,
        facts: ConnectionFacts,
    ) -> None:
        self.facts = facts
        self.where = shown_address(connect.host, connect.tcp_port)
        self._connect = connect
        self._credential = credential
        self._identity = identity
        self._gate = gate
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._shell = ""
        self._command = ""
        self._refusal: TransportError | None = None
        self._closed = False
        self._asking = False
        self._receiving = False
        self._interrupted = threading.Event()

    @classmethod
    def opened(
        cls,
        connect: Connect,
        *,
        credential: Credential | None,
        gate: LoginGate,
        deadlines: Deadlines,
        facts: ConnectionFacts,
    ) -> WinrmSession:
        """Logged in, with a shell, or with the reason why there is none. Raises TransportError."""
        identity = prepared(connect, credential)
        assert credential is not None, "nothing was prepared without a credential"
        session = cls(connect, credential, identity, gate, deadlines, facts)
        try:
            session._open_shell()
        except Fault as fault:
            if fault.error not in NO_SHELL:
                session.close()
                raise
            session._refusal = fault
        except BaseException:
            session.close()
            raise
        return session

    # --- what collect calls ---

    def stream(self, script: bytes) -> Iterator[bytes]:
        self._interrupted = threading.Event()
        return self._run(script, self._interrupted)

    def interrupt(self) -> None:
        self._interrupted.set()
        with self._lock:
            if self._receiving and self._client is not None:
                self._client.line.cut()  # the reading thread would wait for up to 20 s

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._asking:
                if self._client is not None:
                    self._client.line.cut()
                return  # the thread that asks says goodbye
            left = self._take()
        if left.shell:
            # Not here, for whoever closes must not wait for the network; and not through the gate, which
            # may wait for another machine: this one took the login a moment ago.
            threading.Thread(target=self._leave, args=(left, open_gate), name="checkup-winrm-goodbye").start()
        else:
            self._leave(left, open_gate)

    def query(self, query: WmiQuery, timeout_s: float) -> list[dict[str, JSON]]:
        deadline = time.monotonic() + timeout_s

        def ask(work: Callable[[Protocol], bytes], doing: str) -> bytes:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TransportError(
                    ErrorClass.TIMEOUT, f"{self.where} did not answer {query.wmi_class} in {timeout_s:g} s"
                )
            return self._ask(work, doing, left_s)

        try:
            return winrm_cim.rows(query, ask, self.where)
        finally:
            if self._client is None or not self._client.usable:
                self._end_shell()  # while this thread still may log in
            self._leave_if_closed()

    # --- one batch ---

    def _run(self, script: bytes, interrupted: threading.Event) -> Iterator[bytes]:
        if self._refusal is not None:
            raise self._refusal
        try:
            self._start_command()
            self._hand_over(script)
            yield from self._output(interrupted)
        finally:
            self._end_shell()
            self._leave_if_closed()

    def _open_shell(self) -> None:
        code_page, patient = UTF_8, True

        def open_it(protocol: Protocol) -> None:
            self._shell = protocol.open_shell(codepage=code_page, noprofile=True, idle_timeout=IDLE_TIMEOUT)

        while True:
            try:
                return self._ask(open_it, "when it was asked for a shell", self._deadlines.auth_s)
            except Fault as fault:
                if fault.error is ErrorClass.QUOTA and patient:
                    patient = False
                    time.sleep(self._deadlines.retry_pause_s)
                elif fault.error is ErrorClass.PROTOCOL and code_page == UTF_8:
                    code_page = UNITED_STATES
                else:
                    raise shell_refusal(fault, self.where, self._identity) from None

    def _start_command(self) -> None:
        """PowerShell, started without a cmd around it; with one where it is not found without."""
        bare, patient = True, True

        def start(protocol: Protocol) -> None:
            self._command = protocol.run_command(
                self._shell,
                PROGRAM,
                [*ARGUMENTS, BOOTSTRAP],
                console_mode_stdin=False,
                skip_cmd_shell=bare,
            )

        while True:
            if not self._shell:
                self._open_shell()
            try:
                return self._ask(start, "when PowerShell was to be started", self._deadlines.channel_s)
            except Fault as fault:
                if fault.codes & OPERATIONS_QUOTA and patient:
                    # A shell counts its operations and never forgets one; a new one begins at none.
                    patient = False
                    self._end_shell()
                elif fault.codes & NO_SUCH_FILE and bare:
                    bare = False
                else:
                    raise

    def _hand_over(self, script: bytes) -> None:
        pieces = [script[at : at + PIECE_BYTES] for at in range(0, len(script), PIECE_BYTES)] or [b""]
        for number, piece in enumerate(pieces, start=1):
            last = number == len(pieces)
            try:
                self._ask(
                    lambda protocol, piece=piece, last=last: protocol.send_command_input(
                        self._shell, self._command, piece, end=last
                    ),
                    "when the script was handed over",
                    self._deadlines.channel_s + len(piece) / SLOWEST,
                )
            except Fault:
                return  # it ended before it had read the script; its output tells why

    def _output(self, interrupted: threading.Event) -> Iterator[bytes]:
        complaints = Complaints()
        received = 0
        deadline = time.monotonic() + self._deadlines.batch_s
        while not interrupted.is_set():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self._too_long()
            asked = time.monotonic()
            piece = self._received(left_s, interrupted)
            if piece is None:
                if time.monotonic() - asked < PAUSE_S:
                    interrupted.wait(PAUSE_S)
                continue
            received += len(piece.stdout) + len(piece.stderr)
            if received > OUTPUT_LIMIT:
                raise TransportError(
                    ErrorClass.BAD_OUTPUT,
                    f"{self.where} sent more than {OUTPUT_LIMIT // 1024**2} MB and was cut off",
                )
            complaints.keep(piece.stdout, piece.stderr)
            if piece.stdout:
                yield piece.stdout
            if piece.done:
                refusal = complaints.refusal(self.where, piece.exit_code)
                if refusal is not None:
                    self._refusal = refusal if refusal.error is ErrorClass.CONSTRAINED else None
                    raise refusal
                return

    def _received(self, left_s: float, interrupted: threading.Event) -> _Piece | None:
        """What the batch said since; None where it said nothing, or is to be ended."""
        with self._lock:
            if interrupted.is_set():
                return None
            self._receiving = True
        limit_s = min(left_s, OPERATION_S + ON_THE_WAY_S)
        try:
            stdout, stderr, exit_code, done = self._ask(
                lambda protocol: protocol.get_command_output_raw(self._shell, self._command),
                "in the middle of the batch",
                limit_s,
                unless=interrupted,
            )
        except Waiting:
            return None
        except TransportError as error:
            if interrupted.is_set():
                return None
            if error.error is ErrorClass.TIMEOUT and limit_s == left_s:
                raise self._too_long() from None
            raise
        finally:
            with self._lock:
                self._receiving = False
        if not (stdout or stderr or done):
            return None
        return _Piece(stdout, stderr, exit_code, done)

    def _too_long(self) -> TransportError:
        return TransportError(
            ErrorClass.TIMEOUT, f"{self.where}: the batch ran longer than {self._deadlines.batch_s:g} s"
        )

    # --- asking ---

    def _ask(
        self,
        work: Callable[[Protocol], T],
        doing: str,
        limit_s: float,
        *,
        unless: threading.Event | None = None,
    ) -> T:
        """One request, on the connection there is, or on a new one where that has gone.

        With `unless` set, no new one is made.
        """
        with self._lock:
            if self._closed:
                raise self._hung_up()
            self._asking = True
            client = self._client
        try:
            try:
                if client is not None and client.usable:
                    return client.ask(work, doing, limit_s)
            except Stale:
                pass  # nothing was sent
            except Unjudged as error:
                raise error.reason from None
            client = self._renewed(unless)
            with self._logging_in(self._gate):
                return client.ask(work, doing, limit_s)
        except TransportError:
            if self._closed:
                raise self._hung_up() from None
            raise
        finally:
            with self._lock:
                self._asking = False

    def _renewed(self, unless: threading.Event | None) -> Client:
        def unwanted() -> bool:
            return self._closed or (unless is not None and unless.is_set())

        if unwanted():
            raise self._hung_up()
        try:
            client = self._connected(self._deadlines)
        except TransportError as error:
            if self._client is None or error.error is not ErrorClass.UNREACHABLE:
                raise
            raise TransportError(
                ErrorClass.DROPPED,
                f"the connection to {self.where} broke and could not be made again: {error.detail}",
            ) from None
        with self._lock:
            old, self._client = self._client, client
            late = unwanted()  # from here on, who closes or interrupts finds the new one
        if old is not None:
            old.close()
        if late:
            client.close()
            raise self._hung_up()
        return client

    def _connected(self, deadlines: Deadlines) -> Client:
        try:
            context = None
            if self._connect.scheme == "https":
                context = winrm_tls.trust(self._connect, self._identity.client)
        except winrm_tls.BadClientCertificate as error:
            raise TransportError(
                ErrorClass.AUTH,
                f"credential {self._credential.name}: certificate: and key: cannot be used ({error}): do "
                "they belong together, and is the passphrase: right?",
            ) from None
        line = Line(self._connect, context, deadlines, self.facts)
        self.facts.address = self.facts.address or self.where
        try:
            line.open()
        except BaseException:
            line.close()
            raise
        return Client(self._connect, self._identity, line)

    @contextmanager
    def _logging_in(self, gate: LoginGate) -> Generator[None]:
        told: TransportError | None = None
        try:
            with gate(self._credential):
                try:
                    yield
                except (Fault, Waiting) as answer:
                    told = answer  # only who was let in is told anything: the credential is good
        except Unjudged as error:
            raise error.reason from None
        except Stale:
            raise TransportError(
                ErrorClass.DROPPED, f"{self.where} hung up again and again during the login; try again"
            ) from None
        if told is not None:
            raise told

    # --- ending ---

    def _take(self) -> _Left:
        """All that there is to end, for whoever holds the lock, and for nobody else any more."""
        left = _Left(self._client, self._shell, self._command)
        self._client, self._shell, self._command = None, "", ""
        return left

    def _end_shell(self) -> None:
        """End the batch that may still run, and the shell; keep a connection that is well."""
        with self._lock:
            left = self._take()
        client = self._end(left, self._gate)
        if left.client is not None and left.client is not client:
            left.client.close()
        with self._lock:
            self._client = client

    def _leave_if_closed(self) -> None:
        with self._lock:
            left = self._take() if self._closed else None
        if left is not None:
            self._leave(left, self._gate)

    def _leave(self, left: _Left, gate: LoginGate) -> None:
        client = self._end(left, gate)
        for each in (left.client, client):
            if each is not None:
                each.close()

    def _end(self, left: _Left, gate: LoginGate) -> Client | None:
        """The connection by which it was done, if it could be; the old one where there was nothing to do."""
        if not left.shell:
            return left.client
        if left.client is not None and left.client.usable:
            try:
                _end(left.client, left)
                return left.client
            except (TransportError, Unjudged, Stale):
                pass  # this connection is of no use any more
        soon = replace(
            self._deadlines, connect_s=GOODBYE_S, handshake_s=GOODBYE_S, auth_s=GOODBYE_S, channel_s=GOODBYE_S
        )
        try:
            client = self._connected(soon)
        except TransportError:
            return None  # nobody there any more; the service ends the shell after IDLE_TIMEOUT
        try:
            with self._logging_in(gate):
                _end(client, left)
        except TransportError:
            client.close()
            return None  # as above
        except BaseException:
            client.close()
            raise
        return client

    def _hung_up(self) -> TransportError:
        return TransportError(ErrorClass.DROPPED, f"the connection to {self.where} was closed from here")


def _end(client: Client, left: _Left) -> None:
    """Raises what `Client.ask` raises, unless the machine says that there is no such shell."""
    doing = "when the shell was to be closed"
    if left.command:
        with suppress(Fault):  # it has ended already
            client.ask(lambda protocol: protocol.cleanup_command(left.shell, left.command), doing, GOODBYE_S)
    try:
        client.ask(lambda protocol: protocol.close_shell(left.shell, close_session=False), doing, GOODBYE_S)
    except Fault as fault:
        if fault.error is not ErrorClass.DROPPED:
            raise
