"""What every way in has in common: a session that runs one batch, and the errors it may raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Protocol, runtime_checkable

from checkup.api import JSON, ErrorClass, WmiQuery

# A batch that says more than this is not one of ours, or its machine means harm.
OUTPUT_LIMIT = 64 * 1024**2


class TransportError(Exception):
    """A machine could not be examined, or not to the end.

    `detail` is one line for people: no secret, no text of the machine that was not cleaned.
    """

    def __init__(self, error: ErrorClass, detail: str) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Credential:
    """Who logs in, and with what: references to secrets, never their values.

    With `key`, that key file and no other is offered, opened with `passphrase` where it needs one.
    With `agent`, the keys of the SSH agent are; with both, only the one key of the agent whose
    public half lies beside `key`. `certificate` is the client certificate (a PEM file) that belongs
    to `key`. With `keytab`, a Kerberos ticket for `user` is had by that file; with `ticket`, the
    tickets that this station holds already are used.
    """

    name: str
    user: str
    password: str = field(default="", repr=False)
    key: str = ""
    passphrase: str = field(default="", repr=False)
    agent: bool = False
    certificate: str = ""
    keytab: str = ""
    ticket: bool = False


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each step may take, in seconds. Each ends in a TransportError, never in a hang."""

    connect_s: float = 10  # TCP, for all addresses of a name together
    banner_s: float = 15  # the server's first line
    handshake_s: float = 15  # from there to the agreed keys
    auth_s: float = 30  # one offer to log in
    channel_s: float = 15  # opening a channel; starting the shell and handing it the script
    batch_s: float = 900  # a whole batch; collect ends single sections long before
    keepalive_s: float = 30  # silence after which a firewall on the way is reminded of us
    retry_pause_s: float = 1  # before the one new attempt at a server that is too busy


# Called around the moment a login is offered; see checkup/collect.py, the guard against locked
# accounts. Entering may wait (for the first login of a run with this credential) and may raise
# TransportError(AUTH, "not tried: ...") when the credential was refused before. TransportError(AUTH)
# leaves the block when the server refused; any other error tells nothing about the credential.
LoginGate = Callable[[Credential], AbstractContextManager[object]]


def open_gate(credential: Credential) -> AbstractContextManager[object]:
    """The gate that never closes, for one machine at a time."""
    return nullcontext()


# Entered around each text that a way in sends of its own accord, for the ledger.
Told = Callable[[str], AbstractContextManager[object]]


def untold(text: str) -> AbstractContextManager[object]:
    """Where there is no ledger."""
    return nullcontext()


@dataclass(kw_only=True)
class ConnectionFacts:
    """The connection's own facts; filled in as the connection comes up, whether or not it does.

    `reached`: something answered at the address. `server`: what it called itself, cleaned.
    `offers_only_obsolete`: nothing it offers is safe enough for us; `algorithms` then lists its
    offer, and the agreed ones otherwise.
    """

    transport: str
    address: str = ""
    reached: bool = False
    error: ErrorClass | None = None
    detail: str = ""
    round_trip_s: float | None = None
    server: str = ""
    host_key: str = ""  # fingerprint, "SHA256:...", of the host key or the TLS certificate
    host_key_check: str = ""  # "pinned", "known_hosts", "ca", "ignored" or ""
    offers_only_obsolete: bool = False
    algorithms: str = ""
    jump: str = ""
    encryption: str = ""  # of a SQL session: "validated", "encrypted" (by whoever answered) or "clear"
    # filled in by collect from the HELLO frame:
    identity: str = ""
    identity_check: str = ""  # "pinned", "first", "none" or "mismatch"
    clock_offset_s: float | None = None
    clock_error_s: float | None = None

    def as_json(self) -> Mapping[str, JSON]:
        return asdict(self)


class Session(Protocol):
    """One open connection to one endpoint."""

    facts: ConnectionFacts

    def stream(self, script: bytes) -> Iterator[bytes]:
        """Run one batch and yield its output as it comes; end of iteration is end of output.

        May be called again after `interrupt`, for the sections that are left. Raises
        TransportError when the connection breaks.
        """
        ...

    def interrupt(self) -> None:
        """End the running batch; may be called from another thread, and must not block."""
        ...

    def close(self) -> None:
        """Close the connection; may be called from another thread, twice, at any moment."""
        ...


@runtime_checkable
class QuerySession(Protocol):
    """A session that can also ask management classes one by one, without a shell."""

    def query(self, query: WmiQuery, timeout_s: float) -> list[dict[str, JSON]]:
        """The rows: a text, None or a list of texts for each property; dates are CIM texts.

        Raises TransportError: unsupported where there is no such class or namespace, denied where
        the account may not read it, otherwise as `stream`.
        """
        ...
