"""What the server remembers of its clients, for a test to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .login import Login


@dataclass(frozen=True)
class LoginAttempt:
    """`refused`: the number that the client was told last; `state`: that of the server's own log."""

    login: Login
    encrypted: bool
    tls_version: str | None  # "TLSv1.2"
    refused: int | None
    state: int | None


@dataclass(frozen=True)
class Request:
    """One message after the login, which is one round trip; the text whole, as it was sent."""

    kind: Literal["batch", "call", "transaction"]
    text: str
    spid: int
