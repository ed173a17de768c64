"""What is shown to a file server at the login, made ready before it is contacted at all."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

from checkup.api import ErrorClass
from checkup.secrets import SecretError, resolve
from checkup.transports.access_source.connect import SmbAuthentication, SmbConnect
from checkup.transports.session import Credential, TransportError

_KERBEROS_MODULES = ("sspilib",) if sys.platform == "win32" else ("gssapi", "krb5")


@dataclass(frozen=True, kw_only=True)
class SmbIdentity:
    """Who logs in by `auth`, and with what; `shown` names it to people."""

    auth: SmbAuthentication
    user: str
    shown: str
    password: str = field(default="", repr=False)
    keytab: Path | None = None


def prepared(connect: SmbConnect, credential: Credential | None) -> SmbIdentity:
    """Raises TransportError(AUTH) when there is nothing to show; no machine has refused anything then."""
    if credential is None:
        raise _unready("no credential is named for this file server; name one in the site file")
    if connect.auth == "kerberos":
        return _kerberos(credential)
    if not credential.password:
        raise _unready(f"credential {credential.name} has nothing for auth: ntlm, add a password:")
    try:
        password = resolve(credential.password)
    except SecretError as error:
        raise _unready(f"credential {credential.name}: {error}") from None
    shown = f"the password of {credential.user} (credential {credential.name})"
    return SmbIdentity(auth="ntlm", user=credential.user, shown=shown, password=password)


def _kerberos(credential: Credential) -> SmbIdentity:
    if any(importlib.util.find_spec(module) is None for module in _KERBEROS_MODULES):
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            'auth: kerberos needs a library that is not installed here: pip install "site-checkup[kerberos]"',
        )
    if not credential.keytab:
        if credential.ticket:
            shown = f"the Kerberos ticket of {credential.user} (credential {credential.name})"
            return SmbIdentity(auth="kerberos", user=credential.user, shown=shown)
        raise _unready(
            f"credential {credential.name} has nothing for auth: kerberos, add keytab:, or ticket: true "
            "after `kinit`; a password is never used for Kerberos"
        )
    if sys.platform == "win32":
        raise _unready(
            f"credential {credential.name}: Windows takes the ticket of whoever is logged on and knows no "
            "keytab:; log on as that account, and write ticket: true"
        )
    keytab = Path(credential.keytab).expanduser()
    try:
        with keytab.open("rb"):
            pass
    except OSError as error:
        why = error.strerror or "unreadable"
        raise _unready(f"credential {credential.name}: keytab: {keytab} cannot be read ({why})") from None
    shown = f"the keytab of {credential.user} (credential {credential.name})"
    return SmbIdentity(auth="kerberos", user=credential.user, shown=shown, keytab=keytab.absolute())


def _unready(detail: str) -> TransportError:
    return TransportError(ErrorClass.AUTH, detail)
