"""From whatever pywinrm raises to one of our errors, with what to do about it. Pure functions.

Codes of faults are those of wsmerror.h (0x8033....), of winerror.h (below 65536, or as HRESULT
0x8007....) and of WMI (0x8004....).
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterator
from http.client import HTTPException

import requests
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError, WSManFaultError

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.session import TransportError
from checkup.transports.winrm_line import MOST_ANSWER_BYTES, TooMuch
from checkup.transports.winrm_login import Identity
from checkup.transports.winrm_xml import Unreadable

SHELL_QUOTA = 0x803381A5
OPERATIONS_QUOTA = frozenset({0x803381A6, 0x803381E7, 0x803381E8, 0x803381E9})
NO_SUCH_FILE = frozenset({0x80070002, 0x80070003, 2, 3})

_CLASSES: dict[ErrorClass, frozenset[int]] = {
    ErrorClass.DENIED: frozenset({5, 0x80070005, 0x80041003, 0x80338104, 0x80338105, 0x80338106}),
    ErrorClass.DISABLED: frozenset({0x803381AC, 0x803381E3}),  # remote shells, remote connections
    ErrorClass.QUOTA: frozenset(
        {SHELL_QUOTA, 0x803381A7, 0x803381A8, 0x803381AB, 0x803381E4, 0x803381E5, 0x803381E6, 0x803381EA}
    )
    | OPERATIONS_QUOTA,
    # Aborted, shutting down, no such shell or command (any more), the service is not available.
    ErrorClass.DROPPED: frozenset({995, 0x800703E3, 0x8007045B, 0x8033805B, 0x80338014}),
    # No such class, namespace, instance, resource; a provider that cannot; the class of a query.
    ErrorClass.UNSUPPORTED: frozenset(
        {0x80041010, 0x8004100E, 0x80041002, 0x8004100C, 0x80338000, 0x80338002, 0x8033801A, 0x80338102}
    ),
    ErrorClass.TIMEOUT: frozenset({0x80338029, 0x80338126}),
}


class Fault(TransportError):
    """The service itself answers that it will not: so it took the login. `codes` as it gave them."""

    def __init__(self, error: ErrorClass, detail: str, codes: frozenset[int] = frozenset()) -> None:
        super().__init__(error, detail)
        self.codes = codes


class Unjudged(Exception):
    """The login failed before anything secret was judged, so it tells nothing about the credential."""

    def __init__(self, reason: TransportError) -> None:
        super().__init__(reason.detail)
        self.reason = reason


def error_of(
    error: Exception, where: str, doing: str, identity: Identity, *, logged_in: bool, sealed: bool
) -> TransportError | Unjudged:
    """What `error` means, met while `doing` ("when it was asked to …")."""
    if isinstance(error, TransportError | Unjudged):
        return error
    if isinstance(error, WSManFaultError):
        return fault_of(error, where, doing)
    if isinstance(error, InvalidCredentialsError):
        return _refused(error, where, identity)
    if isinstance(error, WinRMTransportError):
        return _status(error.code, where, doing, stale=logged_in and sealed)
    if identity.auth == "ntlm" and not logged_in and isinstance(error, PermissionError | KeyError):
        return Unjudged(_ntlm_blocked(where))
    return _broken(list(_causes(error)), where, doing, identity)


def fault_of(error: WSManFaultError, where: str, doing: str) -> Fault:
    numbers = (error.wsman_fault_code, error.wmierror_code)
    codes = frozenset(number & 0xFFFFFFFF for number in numbers if number is not None)
    kind = next((kind for kind, known in _CLASSES.items() if codes & known), ErrorClass.PROTOCOL)
    shown = ", ".join(str(code) if code < 65536 else f"0x{code:08X}" for code in sorted(codes)) or "no code"
    said = f"{clean_line(error.reason, 130)} ({shown})"
    return Fault(kind, f"{where} answered {doing}: {said}", codes)


def shell_refusal(fault: Fault, where: str, identity: Identity) -> Fault:
    """The same, with what to ask for, where the fault was about opening a shell."""
    details = {
        ErrorClass.DENIED: f"{where} lets {identity.user} in and gives it no remote shell. Windows takes the "
        "rights of a local administrator away over the network: use a domain account; any other account "
        "needs Execute in WinRM's RootSDDL",
        ErrorClass.DISABLED: f"{where} gives nobody a remote shell: AllowRemoteShellAccess is off; "
        "ask the client's IS staff to allow it, or use ssh",
        ErrorClass.QUOTA: f"{where} has no shell left for {identity.user} (5 on Windows 7, 30 later): "
        "another tool leaves its shells open; try again in some minutes",
    }
    return Fault(fault.error, details.get(fault.error, fault.detail), fault.codes)


def _refused(error: InvalidCredentialsError, where: str, identity: Identity) -> TransportError | Unjudged:
    """A 401, and what the answer says beside it."""
    answer = getattr(error.__context__, "response", None)
    offers = _schemes(answer)
    offered = clean_line(", ".join(offers), 60) or "nothing"
    if identity.auth == "ntlm":
        if not _was_judged(answer):
            return Unjudged(
                TransportError(
                    ErrorClass.AUTH,
                    f"{where} takes no NTLM, only {offered}: use auth: kerberos, or https with a certificate",
                )
            )
        blocked = "" if "ntlm" in offers else ", or NTLM is blocked there (then use auth: kerberos)"
        return TransportError(
            ErrorClass.AUTH,
            f"{where} refused {identity.shown}: it is wrong, the account is locked or expired, or may not "
            f"use WinRM (Remote Management Users){blocked}",
        )
    if identity.auth == "basic":
        # It has seen the password, and may have counted it.
        hint = "is it right?" if "basic" in offers else f"it takes no Basic logins, only {offered}"
        return TransportError(ErrorClass.AUTH, f"{where} refused {identity.shown}: {hint}")
    if identity.auth == "certificate":
        return TransportError(
            ErrorClass.AUTH,
            f"{where} refused {identity.shown}: is it mapped to an account there (winrm certmapping), and "
            "are certificate logins switched on?",
        )
    return Unjudged(
        TransportError(
            ErrorClass.AUTH,
            f"{where} refused {identity.shown}: does it take Kerberos (it offers {offered}), and was its "
            "account made anew, or the machine renamed? `kdestroy` and `kinit` get a new ticket",
        )
    )


def _ntlm_blocked(where: str) -> TransportError:
    return TransportError(
        ErrorClass.AUTH,
        f"{where} refuses NTLM before it saw any password, so a policy blocks it (Restrict NTLM): use "
        "auth: kerberos, or scheme: https with auth: certificate",
    )


def _schemes(answer: object) -> tuple[str, ...]:
    header = str(getattr(answer, "headers", {}).get("WWW-Authenticate", ""))
    return tuple(dict.fromkeys(re.findall(r"(?:^|,)\s*([A-Za-z]{1,20})(?=\s|,|$)", header.lower())))


def _was_judged(answer: object) -> bool:
    """Whether the last request held NTLM's third message, the one that proves the password."""
    shown = str(getattr(getattr(answer, "request", None), "headers", {}).get("Authorization", ""))
    try:
        token = base64.b64decode(shown.partition(" ")[2])
    except (binascii.Error, ValueError):
        return True
    return token.startswith(b"NTLMSSP\0\3")


def _status(code: int, where: str, doing: str, *, stale: bool) -> TransportError:
    if code == 400 and stale:
        return TransportError(
            ErrorClass.DROPPED, f"{where} lost the connection's encryption {doing}; try again"
        )
    if code == 403:
        return TransportError(
            ErrorClass.DENIED, f"{where} forbids it {doing} (HTTP 403): does it bar this station's address?"
        )
    if code in (407, 502, 504):
        return TransportError(
            ErrorClass.UNREACHABLE, f"a proxy answers in the place of {where} (HTTP {code}): is the VPN up?"
        )
    if code == 503:
        return TransportError(
            ErrorClass.QUOTA,
            f"{where} is too busy, or its WinRM service is stopping (HTTP 503); try again in some minutes",
        )
    hint = ": is this the port of WinRM?" if code in (400, 404, 405) else ""
    return TransportError(ErrorClass.PROTOCOL, f"{where} answered HTTP {code} and no SOAP {doing}{hint}")


def _broken(causes: list[BaseException], where: str, doing: str, identity: Identity) -> TransportError:
    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    unreadable = next((cause for cause in causes if isinstance(cause, Unreadable)), None)
    if unreadable is not None:
        portal = ": a captive portal or a VPN's login page?" if "web page" in str(unreadable) else ""
        return TransportError(
            ErrorClass.PROTOCOL, f"{where} answered with {unreadable} {doing}, not with SOAP{portal}"
        )
    if has(TooMuch):
        return TransportError(
            ErrorClass.BAD_OUTPUT,
            f"{where} sent more than {MOST_ANSWER_BYTES // 1024**2} MB in one answer and was cut off",
        )
    if has(TimeoutError, requests.Timeout):
        return TransportError(ErrorClass.TIMEOUT, f"{where} gave no answer in time {doing}")
    if has(requests.TooManyRedirects):
        return TransportError(
            ErrorClass.PROTOCOL, f"{where} wants to send us elsewhere {doing}: a captive portal?"
        )
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None and not isinstance(tls, ssl.SSLEOFError):
        if identity.auth == "certificate" and "ALERT" in (tls.reason or ""):
            return TransportError(ErrorClass.AUTH, f"{where} refused {identity.shown} in the TLS handshake")
        return TransportError(ErrorClass.TLS, f"the TLS connection to {where} failed {doing}: {tls.reason}")
    if has(ConnectionError, ssl.SSLEOFError):
        return TransportError(ErrorClass.DROPPED, f"the connection to {where} broke {doing}; try again")
    if has(HTTPException) and "IncompleteRead" not in str(causes[0]):
        return TransportError(ErrorClass.PROTOCOL, f"{where} does not speak HTTP: is the port right?")
    if has(OSError):
        return TransportError(ErrorClass.DROPPED, f"the connection to {where} broke {doing}; try again")
    return TransportError(
        ErrorClass.PROTOCOL, f"{where} breaks the WS-Management protocol {doing} ({type(causes[0]).__name__})"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it: its cause, and the errors that libraries put into their own."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
        waiting += [part for part in each.args if isinstance(part, BaseException)]
