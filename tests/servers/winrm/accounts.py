"""Who may log in, and the exchange that proves it: passwords, NTLM, and whatever acceptor a test brings."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal, Protocol

import spnego
from spnego.channel_bindings import GssChannelBindings

Ntlm = Literal["accepted", "no challenge", "refused"]

# The acceptor finds its accounts through the environment, at every step; several servers share it.
_ENVIRONMENT = threading.Lock()
_VARIABLE = "NTLM_USER_FILE"


class LoginRefused(Exception):
    """The credentials are wrong, the account is locked, or the exchange made no sense."""

    def __init__(self, account: str, why: str) -> None:
        super().__init__(why)
        self.account = account


class Acceptor(Protocol):
    """The server's half of one security context, of NTLM or of Kerberos."""

    @property
    def complete(self) -> bool: ...

    @property
    def account(self) -> str:
        """Who it is, once complete; who it claimed to be, where that is known earlier."""
        ...

    def step(self, token: bytes) -> bytes:
        """The token to answer with, or nothing. Raises any exception for a token that proves nothing."""
        ...

    def seal(self, message: bytes) -> tuple[bytes, bytes]:
        """(signature, sealed message)."""
        ...

    def unseal(self, signature: bytes, sealed: bytes) -> bytes:
        """Raises any exception for what was not sealed within this context, or not in this order."""
        ...


AcceptorFactory = Callable[["bytes | None"], Acceptor]
"""Makes one for a new exchange; gets the server certificate's channel binding, or None without TLS."""


class Accounts:
    """Names and passwords. A name without a domain also logs in as `.\\name` and `MACHINE\\name`."""

    def __init__(self, passwords: Mapping[str, str], *, locked: Collection[str], machine: str) -> None:
        if unfit := [name for name, password in passwords.items() if ":" in name + password]:
            raise ValueError(f"the acceptor's file of accounts has no way to write a colon: {unfit}")
        self._passwords = {name.lower(): password for name, password in passwords.items()}
        self._locked = {name.lower() for name in locked}
        self._machine = machine
        self._folder = tempfile.TemporaryDirectory(prefix="winrm-accounts-")
        self.file = Path(self._folder.name) / "accounts"
        lines = [line for name, password in passwords.items() for line in self._lines(name, password)]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def close(self) -> None:
        self._folder.cleanup()

    def check(self, name: str, password: str) -> None:
        """Raises LoginRefused."""
        known = self._passwords.get(self._local(name))
        if known is None or known != password:
            raise LoginRefused(name, "wrong name or password")
        self.check_lock(name)

    def check_lock(self, name: str) -> None:
        if self._local(name) in self._locked:
            raise LoginRefused(name, "the account is locked")

    def _local(self, name: str) -> str:
        domain, _, user = name.rpartition("\\")
        return user.lower() if domain.lower() in ("", ".", self._machine.lower()) else name.lower()

    def _lines(self, name: str, password: str) -> list[str]:
        domain, _, user = name.rpartition("\\")
        domains = [domain] if domain else ["", ".", self._machine]
        return [f"{each}:{user}:{password}" for each in domains]


class NtlmAcceptor:
    """MS-NLMP, by pyspnego. Over TLS the client must be bound to this server's certificate."""

    def __init__(self, accounts: Accounts, binding: bytes | None) -> None:
        self._accounts = accounts
        with self._environment():
            self._context = spnego.server(
                protocol="ntlm",
                options=spnego.NegotiateOptions.use_ntlm,
                channel_bindings=GssChannelBindings(application_data=binding) if binding else None,
            )

    @property
    def complete(self) -> bool:
        return self._context.complete

    @property
    def account(self) -> str:
        return self._context.client_principal or "" if self.complete else ""

    def step(self, token: bytes) -> bytes:
        with self._environment():
            answer = self._context.step(token)
        if self.complete:
            self._accounts.check_lock(self.account)
        return answer or b""

    def seal(self, message: bytes) -> tuple[bytes, bytes]:
        wrapped = self._context.wrap_winrm(message)
        return wrapped.header, wrapped.data

    def unseal(self, signature: bytes, sealed: bytes) -> bytes:
        return self._context.unwrap_winrm(signature, sealed)

    def _environment(self) -> _AccountsFile:
        return _AccountsFile(self._accounts.file)


class _AccountsFile:
    """For its duration, this file is where the acceptor finds accounts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._before: str | None = None

    def __enter__(self) -> None:
        _ENVIRONMENT.acquire()
        self._before = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = str(self._file)

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = self._before
        _ENVIRONMENT.release()


def claimed_account(token: bytes) -> str:
    """The name in an NTLM AUTHENTICATE message, for the record of a login that failed."""
    # MS-NLMP 2.2.1.3: domain and user name fields (length, size, offset) at 28 and 36; flags at 60.
    if token[:12] != b"NTLMSSP\0\x03\0\0\0" or len(token) < 64:
        return ""
    encoding = "utf-16-le" if token[60] & 1 else "latin-1"

    def text(at: int) -> str:
        length, offset = (
            int.from_bytes(token[at : at + 2], "little"),
            int.from_bytes(token[at + 4 : at + 8], "little"),
        )
        return token[offset : offset + length].decode(encoding, "replace")

    domain, user = text(28), text(36)
    return f"{domain}\\{user}" if domain else user
