"""What is shown to a Windows machine at the login, made ready before it is contacted at all."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

from checkup.api import ErrorClass
from checkup.secrets import SecretError, resolve
from checkup.transports.session import Credential, TransportError
from checkup.transports.winrm import Authentication, Connect
from checkup.transports.winrm_tls import ClientCertificate

_WANTED = {
    "ntlm": "a password:",
    "basic": "a password:",
    "certificate": "certificate: and key:",
    "kerberos": "keytab:, or ticket: true after `kinit`",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who logs in by `auth`, and with what; `shown` names it to people."""

    auth: Authentication
    user: str
    shown: str
    password: str = field(default="", repr=False)
    client: ClientCertificate | None = field(default=None, repr=False)
    keytab: Path | None = None
    credential: str = ""


def prepared(connect: Connect, credential: Credential | None) -> Identity:
    """Raises TransportError(AUTH) when there is nothing to show; no machine has refused anything then."""
    if credential is None:
        raise _unready(
            "no credential is named for this machine; name one under its connect: in the site file"
        )
    auth = connect.auth
    if auth in ("ntlm", "basic") and credential.password:
        return Identity(
            auth=auth,
            user=credential.user,
            password=_secret(credential, credential.password),
            shown=f"the password of {credential.user} (credential {credential.name})",
            credential=credential.name,
        )
    if auth == "certificate" and credential.certificate and credential.key:
        return Identity(
            auth=auth,
            user=credential.user,
            client=_certificate(credential),
            shown=f"the certificate of {credential.user} (credential {credential.name})",
            credential=credential.name,
        )
    if auth == "kerberos" and (credential.keytab or credential.ticket):
        return _kerberos(credential)
    hint = ""
    if auth == "kerberos" and credential.password:
        hint = "; its password is never used for Kerberos, which takes the ticket of whoever is logged on"
    raise _unready(f"credential {credential.name} has nothing for auth: {auth}, add {_WANTED[auth]}{hint}")


def _kerberos(credential: Credential) -> Identity:
    module = "winkerberos" if sys.platform == "win32" else "kerberos"
    if importlib.util.find_spec(module) is None:
        raise TransportError(
            ErrorClass.UNSUPPORTED,
            'auth: kerberos needs a library that is not installed here: pip install "site-checkup[kerberos]"',
        )
    keytab = None
    if credential.keytab:
        if sys.platform == "win32":
            raise _unready(
                f"credential {credential.name}: Windows takes the ticket of whoever is logged on and knows "
                "no keytab:; log on as that account, and write ticket: true"
            )
        keytab = _file(credential, "keytab", credential.keytab)
    how = f"the keytab of {credential.user}" if keytab else f"the Kerberos ticket of {credential.user}"
    return Identity(
        auth="kerberos",
        user=credential.user,
        keytab=keytab,
        shown=f"{how} (credential {credential.name})",
        credential=credential.name,
    )


def _certificate(credential: Credential) -> ClientCertificate:
    return ClientCertificate(
        certificate=_file(credential, "certificate", credential.certificate),
        key=_file(credential, "key", credential.key),
        passphrase=_secret(credential, credential.passphrase) if credential.passphrase else None,
    )


def _file(credential: Credential, field_name: str, path: str) -> Path:
    found = Path(path).expanduser()
    try:
        with found.open("rb"):
            return found.absolute()
    except OSError as error:
        raise _unready(
            f"credential {credential.name}: {field_name}: {found} cannot be read "
            f"({error.strerror or 'unreadable'})"
        ) from None


def _secret(credential: Credential, reference: str) -> str:
    try:
        return resolve(reference)
    except SecretError as error:
        raise _unready(f"credential {credential.name}: {error}") from None


def _unready(detail: str) -> TransportError:
    return TransportError(ErrorClass.AUTH, detail)
