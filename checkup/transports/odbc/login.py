"""What is shown to a SQL server at the login, made ready before it is contacted at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from checkup.api import ErrorClass
from checkup.secrets import SecretError, resolve
from checkup.sql.engine import EngineName
from checkup.transports.session import Credential, TransportError


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who logs in: by `password`, or by the Kerberos ticket of this station or of `keytab` where that is
    None. `shown` names it to people."""

    user: str
    shown: str
    password: str | None = field(default=None, repr=False)
    keytab: Path | None = None

    @property
    def windows_account(self) -> bool:
        """A password of a domain or a machine, not of the SQL Server's own."""
        return self.password is not None and "\\" in self.user


def prepared(engine: EngineName, credential: Credential | None) -> Login:
    """Raises TransportError(AUTH) when there is nothing to show; no server has refused anything then."""
    if credential is None:
        raise _unready("no credential is named for this instance; name one as credential: in the site file")
    if credential.password:
        return Login(
            user=credential.user,
            password=_secret(credential),
            shown=f"the password of {credential.user} (credential {credential.name})",
        )
    if not (credential.ticket or credential.keytab):
        raise _unready(f"credential {credential.name} names no password:, keytab: or ticket: true")
    if engine == "mariadb":
        raise _unready(
            f"credential {credential.name}: MariaDB and MySQL take a password: only, no Kerberos ticket"
        )
    keytab = None
    if credential.keytab:
        if sys.platform == "win32":
            raise _unready(
                f"credential {credential.name}: Windows takes the ticket of whoever is logged on and knows "
                "no keytab:; log on as that account, and write ticket: true"
            )
        keytab = Path(credential.keytab).expanduser()
        if not keytab.is_file():
            raise _unready(f"credential {credential.name}: keytab: {keytab} is no file")
    how = f"the keytab of {credential.user}" if keytab else f"the Kerberos ticket of {credential.user}"
    return Login(user=credential.user, keytab=keytab, shown=f"{how} (credential {credential.name})")


def _secret(credential: Credential) -> str:
    try:
        value = resolve(credential.password)
    except SecretError as error:
        raise _unready(f"credential {credential.name}: {error}") from None
    if "\0" in value:
        raise _unready(f"credential {credential.name}: its password holds a NUL, which no server takes")
    return value


def _unready(detail: str) -> TransportError:
    return TransportError(ErrorClass.AUTH, detail)
