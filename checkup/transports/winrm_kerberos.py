# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (What pywinrm carries for Kerberos has no types.)
"""Kerberos for WinRM: whose ticket, from where, and what its library's errors mean.

The library under pywinrm takes names and files from environment variables, which belong to the whole
process, so one thread at a time asks for a ticket.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from winrm.vendor.requests_kerberos.exceptions import KerberosExchangeError, MutualAuthenticationError
from winrm.vendor.requests_kerberos.kerberos_ import REQUIRED, HTTPKerberosAuth

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.session import TransportError
from checkup.transports.winrm_errors import Unjudged
from checkup.transports.winrm_login import Identity

# It logs whole tracebacks of what we report in one line; who wants them sets a level first.
_LOGGER = logging.getLogger("winrm.vendor.requests_kerberos")
if _LOGGER.level == logging.NOTSET:
    _LOGGER.setLevel(logging.CRITICAL)

_TURN = threading.Lock()

# MIT's table (krb5_err.et) starts at -1765328384; its first 128 are the errors of RFC 4120, 7.5.9.
_TABLE = -1765328384 & 0xFFFFFFFF
_CLIENT_UNKNOWN, _SERVER_UNKNOWN, _REVOKED, _KEY_EXPIRED, _WRONG_KEY = 6, 7, 18, 23, 24
_WRONG_INTEGRITY, _TICKET_EXPIRED, _NO_TICKET, _CLOCK_SKEW = 31, 32, 33, 37
_NO_CACHE_ENTRY, _NO_REALM, _NO_KDC = 141, 154, 156
_WRONG_PREAUTHENTICATION, _NO_KEY, _NO_CACHE_FILE, _NO_KDC_NAME = 174, 181, 195, 220
_NO_TICKETS = frozenset({_TICKET_EXPIRED, _NO_TICKET, _NO_CACHE_ENTRY, _NO_CACHE_FILE})
# What the key distribution centre counts as a failed login, or has counted.
_JUDGED = frozenset(
    {_CLIENT_UNKNOWN, _REVOKED, _KEY_EXPIRED, _WRONG_KEY, _WRONG_INTEGRITY, _WRONG_PREAUTHENTICATION}
)


class Authentication(HTTPKerberosAuth):
    """pywinrm's own, with the tickets of `identity` and errors under their names.

    With a keytab, tickets go to a cache in memory and come from nowhere else. On Windows it is
    always whoever is logged on.
    """

    def __init__(self, identity: Identity, spn_host: str | None) -> None:
        super().__init__(
            mutual_authentication=REQUIRED,
            force_preemptive=True,
            principal=None if sys.platform == "win32" else identity.user,
            hostname_override=spn_host,
            sanitize_mutual_error_response=False,
        )
        self._identity = identity

    def generate_request_header(self, response: Any, host: str, is_preemptive: bool = False) -> str:
        try:
            with _TURN, _variables(self._variables()):
                return super().generate_request_header(response, host, is_preemptive)
        except KerberosExchangeError as error:
            raise _explained(error, self.hostname_override or host, self._identity) from None

    def handle_other(self, response: Any) -> Any:
        try:
            return super().handle_other(response)
        except MutualAuthenticationError:
            host = self.hostname_override or urlsplit(response.url).hostname
            raise Unjudged(
                TransportError(
                    ErrorClass.PROTOCOL,
                    f"whoever answers as {host} could not prove by Kerberos that it is: a captive portal, or "
                    "another machine?",
                )
            ) from None

    def _variables(self) -> Mapping[str, str]:
        if self._identity.keytab is None:
            return {}
        return {
            "KRB5_CLIENT_KTNAME": f"FILE:{self._identity.keytab}",
            "KRB5CCNAME": f"MEMORY:checkup-{self._identity.credential}",
        }


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _explained(error: KerberosExchangeError, host: str, identity: Identity) -> TransportError | Unjudged:
    number = _number(error)
    whose = f"{identity.user} (credential {identity.credential})"
    if number == _SERVER_UNKNOWN:
        detail = (
            f"Kerberos knows no machine HTTP/{host}: write the full name that it has in its domain as host: "
            "or spn_host:"
        )
    elif number == _CLOCK_SKEW:
        detail = f"the clocks of this station and of {host} or its domain differ by more than Kerberos allows"
    elif number in (_NO_REALM, _NO_KDC, _NO_KDC_NAME):
        detail = f"no domain controller was found for {whose}: is the VPN up, and krb5.conf right?"
    elif number in _JUDGED:
        detail = f"the domain refused {identity.shown}: is it old, or the account locked, expired or unknown?"
    elif identity.keytab is not None and number in _NO_TICKETS | {_NO_KEY}:
        detail = f"keytab: gives no Kerberos ticket for {whose}: does `klist -k` show a key for that name?"
    elif number in _NO_TICKETS:
        detail = (
            f"this station holds no valid Kerberos ticket of {whose}: run `kinit`, or log on to the domain"
        )
    else:
        detail = f"no Kerberos login with {identity.shown}: {clean_line(_said(error), 150)}"
    reason = TransportError(ErrorClass.AUTH, detail)
    return reason if number in _JUDGED else Unjudged(reason)


def _number(error: KerberosExchangeError) -> int:
    """The error's number in MIT's table; -1 where it is of another library."""
    parts = getattr(error.__context__, "args", ())
    minor = parts[1][1] if len(parts) > 1 else 0
    return (minor & 0xFFFFFFFF) - _TABLE if minor & 0xFFFFFF00 == _TABLE else -1


def _said(error: KerberosExchangeError) -> str:
    parts = getattr(error.__context__, "args", ())
    return str(parts[-1][0] if parts and isinstance(parts[-1], tuple) else error)
