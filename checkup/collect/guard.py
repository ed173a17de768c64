"""Keeps accounts from being locked: the first login with a credential is made alone.

A wrong password tried on forty hosts at once locks the account everywhere. So until one login with
a credential has succeeded, only one is under way; the others wait at the last step, connected and
with the keys exchanged. One refusal stops the credential for the whole run, in all threads.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from checkup.api import ErrorClass
from checkup.transports.session import Credential, TransportError


@dataclass
class _Standing:
    """What the run knows of one credential."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    proven: bool = False
    refused: bool = False


class CredentialGuard:
    """One for a run, shared by all its threads; `gate` is the transports' LoginGate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: dict[str, _Standing] = {}

    @contextmanager
    def gate(self, credential: Credential) -> Generator[None]:
        """Around one login attempt: enters when it is safe to make it.

        Raises TransportError (auth) without an attempt once the credential was refused.
        """
        with self._lock:
            standing = self._standings.setdefault(credential.name, _Standing())
        if standing.proven:
            with _watched(standing, credential):
                yield
            return
        with _turn(standing), _watched(standing, credential):
            yield
            standing.proven = True


@contextmanager
def _turn(standing: _Standing) -> Generator[None]:
    """Alone until the credential is proven; whoever waited then goes on together."""
    standing.turn.acquire()
    if standing.proven:
        standing.turn.release()
        yield
        return
    try:
        yield
    finally:
        standing.turn.release()


@contextmanager
def _watched(standing: _Standing, credential: Credential) -> Generator[None]:
    if standing.refused:
        raise TransportError(
            ErrorClass.AUTH,
            f"not tried: credential {credential.name!r} was refused earlier in this run, and is not offered "
            "again so that no account gets locked",
        )
    try:
        yield
    except TransportError as error:
        if error.error is ErrorClass.AUTH:
            standing.refused = True
        raise
