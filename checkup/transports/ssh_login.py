"""Logging in: exactly what the credential says is offered, and a password never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from paramiko import (
    Agent,
    AuthenticationException,
    BadAuthenticationType,
    PKey,
    SSHException,
    Transport,
)
from paramiko.pkey import UnknownKeyType

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.secrets import SecretError, resolve
from checkup.transports.known_hosts import fingerprint
from checkup.transports.session import Credential, TransportError

# An OpenSSH server ends the connection at the sixth refusal, and an account may be locked earlier.
MOST_AGENT_KEYS = 4

Method = Literal["publickey", "password", "keyboard-interactive"]


@dataclass(frozen=True)
class Offer:
    """One thing to show to the server; `make` returns the login steps that are still missing."""

    method: Method
    shown: str
    make: Callable[[Transport], Sequence[str]]


@contextmanager
def prepared(
    credential: Credential | None, *, keyboard_interactive: bool
) -> Generator[tuple[Offer, ...], None, None]:
    """What will be offered, made ready before the machine is contacted at all.

    Raises TransportError(AUTH) when there is nothing to offer: no such key file, a secret that
    cannot be had, an agent without keys. No machine has refused anything then.
    """
    if credential is None:
        raise _unready(
            "no credential is named for this machine; name one under its connect: in the site file"
        )
    if credential.password and (credential.key or credential.agent):
        raise _unready(f"credential {credential.name} names a password and a key; a login takes one of them")
    if credential.agent:
        with closing(Agent()) as agent:
            yield tuple(_key_offer(credential, key) for key in _agent_keys(credential, agent))
    elif credential.key:
        yield (_key_offer(credential, _key_from_file(credential)),)
    elif credential.password:
        yield (_password_offer(credential, keyboard_interactive=keyboard_interactive),)
    else:
        raise _unready(f"credential {credential.name} names no key, password or agent")


def log_in(transport: Transport, offers: Sequence[Offer], where: str, bye: Callable[[], str]) -> None:
    """Make the offers one after the other until one is taken. `bye`: the server's last words, if any."""
    refusal: TransportError | None = None
    for offer in offers:
        if not transport.is_active():  # the gate may have kept us waiting for longer than the server does
            raise _hung_up(where, bye())
        try:
            missing = offer.make(transport)
        except (SSHException, OSError, EOFError) as error:
            refusal = _refusal(error, offer, where, bye())
            if refusal.error is not ErrorClass.AUTH or not transport.is_active():
                raise refusal from None
        else:
            if missing:
                raise TransportError(
                    ErrorClass.UNSUPPORTED,
                    f"{where} took {offer.shown} and wants a further step ({clean_line(', '.join(missing))}),"
                    " which checkup cannot give; ask for an account that logs in with a key alone",
                )
            return
    assert refusal is not None, "a prepared credential has at least one offer"
    raise refusal


def _refusal(error: Exception, offer: Offer, where: str, bye: str) -> TransportError:
    text = str(error)
    password = offer.method != "publickey"
    if isinstance(error, BadAuthenticationType):
        # Some servers judge the password all the same: it must not be shown to the next machine.
        kind = ErrorClass.AUTH if password else ErrorClass.DISABLED
        allowed = clean_line(", ".join(error.allowed_types), 100)
        hint = "; set keyboard_interactive: true under its connect:" if _would_ask(offer, error) else ""
        return TransportError(kind, f"{where} takes no login by {offer.method}, only by {allowed}{hint}")
    if text == "No existing session":
        return _hung_up(where, bye)
    if "Illegal info request" in text:  # paramiko's reading of "this password has expired"
        return TransportError(ErrorClass.AUTH, f"{where} wants a new password: the one in use has expired")
    if "imeout" in text:
        return TransportError(
            ErrorClass.TIMEOUT,
            f"{where} did not answer the login in time: its account service may be slow or down",
        )
    if "pubkey algorithm" in text:
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} takes no safe signature of {offer.shown}; use an Ed25519 key, or update its SSH server",
        )
    if text == "Authentication failed.":
        hint = "is the password right?" if password else "is its public half in authorized_keys there?"
        return TransportError(ErrorClass.AUTH, f"{where} refused {offer.shown}: {hint}")
    if password or "authentication failures" in bye:
        # The server may have judged the offer before it hung up.
        said = f" and said: {bye}" if bye else ""
        return TransportError(ErrorClass.AUTH, f"{where} hung up on {offer.shown}{said}")
    return _hung_up(where, bye)


def _hung_up(where: str, bye: str) -> TransportError:
    said = f" It said: {bye}" if bye else ""
    return TransportError(
        ErrorClass.DROPPED, f"{where} ended the connection before the login was done.{said}"
    )


def _would_ask(offer: Offer, error: BadAuthenticationType) -> bool:
    return offer.method == "password" and "keyboard-interactive" in error.allowed_types


def _password_offer(credential: Credential, *, keyboard_interactive: bool) -> Offer:
    password = _secret(credential, credential.password)
    shown = f"the password of {credential.user} (credential {credential.name})"
    asked: list[str] = []

    def answer(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        # A server asks again after a wrong answer: a second one could lock the account.
        if not prompts:
            return []
        if asked or len(prompts) > 1:
            raise AuthenticationException("Authentication failed.")
        asked.append(title)
        return [password]

    if keyboard_interactive:
        return Offer(
            "keyboard-interactive",
            shown,
            lambda transport: transport.auth_interactive(credential.user, answer),
        )
    return Offer(
        "password",
        shown,
        lambda transport: transport.auth_password(credential.user, password, fallback=False),
    )


def _key_offer(credential: Credential, key: PKey) -> Offer:
    shown = f"key {key.get_name()} {fingerprint(key.asbytes())}"
    shown += f" of {credential.user} (credential {credential.name})"
    return Offer("publickey", shown, lambda transport: transport.auth_publickey(credential.user, key))


def _agent_keys(credential: Credential, agent: Agent) -> list[PKey]:
    keys: list[PKey] = list(agent.get_keys())
    if not keys:
        raise _unready(
            f"credential {credential.name} wants the SSH agent, which holds no key or does not run: "
            "run `ssh-add`"
        )
    if credential.key:
        wanted = _public_blob(credential)
        keys = [key for key in keys if fingerprint(key.asbytes()) == wanted]
        if not keys:
            raise _unready(f"the SSH agent does not hold {credential.key}: run `ssh-add {credential.key}`")
    if len(keys) > MOST_AGENT_KEYS:
        raise _unready(
            f"the SSH agent holds {len(keys)} keys, and offering more than {MOST_AGENT_KEYS} may lock an "
            f"account: name the right one as key: in credential {credential.name}"
        )
    return keys


def _public_blob(credential: Credential) -> str:
    """The fingerprint of the public half beside the key file."""
    from paramiko.pkey import PublicBlob

    path = Path(credential.key).expanduser()
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return fingerprint(PublicBlob.from_file(public).key_blob)
    except (OSError, ValueError, SSHException):
        raise _unready(f"credential {credential.name}: no public key could be read from {public}") from None


# A key with a passphrase takes a tenth of a second to open, on purpose: once a run, not once a machine.
_opened: dict[tuple[str, str, int], PKey] = {}
_opening = threading.Lock()


def _key_from_file(credential: Credential) -> PKey:
    path = Path(credential.key).expanduser()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise _unready(
            f"credential {credential.name}: no key file {path} ({error.strerror or 'unreadable'})"
        ) from None
    with _opening:
        name = (str(path), credential.passphrase, changed)
        if name not in _opened:
            _opened[name] = _open_key(credential, path)
        return _opened[name]


def _open_key(credential: Credential, path: Path) -> PKey:
    passphrase = _secret(credential, credential.passphrase).encode() if credential.passphrase else None
    try:
        # paramiko 5 says it takes text here, and hands it on to a function that takes bytes only.
        return PKey.from_path(path, cast("str | None", passphrase))
    except TypeError:
        problem = "is not encrypted; take away passphrase:" if passphrase else "needs a passphrase:"
        raise _unready(f"credential {credential.name}: key file {path} {problem}") from None
    except (OSError, ValueError, SSHException, UnknownKeyType):
        problem = "could not be opened: wrong passphrase, or " if passphrase else ""
        raise _unready(f"credential {credential.name}: key file {path} {problem}is no private key") from None


def _secret(credential: Credential, reference: str) -> str:
    try:
        return resolve(reference)
    except SecretError as error:
        raise _unready(f"credential {credential.name}: {error}") from None


def _unready(detail: str) -> TransportError:
    return TransportError(ErrorClass.AUTH, detail)
