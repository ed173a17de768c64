"""TLS to a Windows machine: is this the machine it should be, and is what it offers still safe?"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkup.api import ErrorClass
from checkup.transports.session import ConnectionFacts, TransportError
from checkup.transports.winrm import Connect

# Numbers of OpenSSL (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = (62, 64)

_CHECKS = {"pinned": "pinned", "ca": "ca", "ignore": "ignored"}


@dataclass(frozen=True, kw_only=True)
class ClientCertificate:
    """Files; `passphrase` is the value itself, for the time of one login."""

    certificate: Path
    key: Path
    passphrase: str | None = None


class BadClientCertificate(Exception):
    """The files are no certificate and the key to it."""


def trust(connect: Connect, client: ClientCertificate | None) -> ssl.SSLContext:
    """What is believed, and what is shown. Raises BadClientCertificate, or TransportError (tls)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connect.pin or connect.certificate_check == "ignore":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif connect.ca_file:
        _trust_file(context, Path(connect.ca_file).expanduser())
    else:
        context.load_default_certs()
    if client is not None:
        # Windows asks for a client's certificate after the request has come, which TLS 1.3 does in a
        # way that Windows and OpenSSL do not share.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(client.certificate, client.key, lambda: client.passphrase or "")
        except (OSError, ValueError) as error:
            raise BadClientCertificate(getattr(error, "reason", "") or str(error)) from None
    return context


def _trust_file(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:
        why = (
            error.strerror
            if not isinstance(error, ssl.SSLError) and error.strerror
            else "no certificate in it"
        )
        raise TransportError(ErrorClass.TLS, f"ca_file: {ca_file} cannot be used ({why})") from None


def secured(
    raw: socket.socket,
    context: ssl.SSLContext,
    connect: Connect,
    facts: ConnectionFacts,
    *,
    where: str,
    hold: Callable[[socket.socket], None],
    again: Callable[[], socket.socket],
) -> ssl.SSLSocket:
    """TLS on an open connection, with the certificate checked. Raises TransportError.

    The limit of time is that of `raw`. `hold` learns the socket that is to be closed from now on.
    `again` opens a second connection, to see a certificate that was not believed.
    """
    secure = context.wrap_socket(raw, server_hostname=connect.host, do_handshake_on_connect=False)
    hold(secure)
    try:
        secure.do_handshake()
    except ssl.SSLCertVerificationError as error:
        secure.close()
        facts.host_key = _shown(again, connect.host)
        raise _not_believed(error, facts.host_key, where) from None
    except OSError as error:
        secure.close()
        raise _no_handshake(error, connect, facts, where) from None
    facts.host_key = _fingerprint(secure)
    facts.algorithms = f"{secure.version()} {(secure.cipher() or ('',))[0]}"
    if connect.pin and _digest(secure) != connect.pin:
        secure.close()
        raise TransportError(
            ErrorClass.TLS,
            f"{where} shows another certificate than the pinned one; ask the client's IS staff whether it "
            f'was renewed, and only then write fingerprint: "{facts.host_key}"',
        )
    facts.host_key_check = "pinned" if connect.pin else _CHECKS[connect.certificate_check]
    return secure


def _shown(again: Callable[[], socket.socket], host: str) -> str:
    """The fingerprint of a certificate that is not believed, seen on a connection made for that alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        contextlib.suppress(OSError, TransportError),  # then the message lacks the fingerprint
        again() as raw,
        context.wrap_socket(raw, server_hostname=host) as secure,
    ):
        return _fingerprint(secure)
    return ""


def _digest(secure: ssl.SSLSocket) -> bytes:
    return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").digest()


def _fingerprint(secure: ssl.SSLSocket) -> str:
    return "SHA256:" + base64.b64encode(_digest(secure)).decode("ascii").rstrip("=")


def _not_believed(error: ssl.SSLCertVerificationError, shown: str, where: str) -> TransportError:
    if error.verify_code == _EXPIRED:
        why = "has expired: ask the client's IS staff to renew it"
    elif error.verify_code == _NOT_YET_VALID:
        why = "is not valid yet: is one of the clocks wrong?"
    elif error.verify_code in _WRONG_NAME:
        why = "was made for another name: write the name that it holds as host:, or pin it"
    else:
        why = "is vouched for by nobody known here: name the authority's ca_file:, or pin it"
    pin = f' as fingerprint: "{shown}", once the IS staff confirmed it' if shown else ""
    return TransportError(ErrorClass.TLS, f"the certificate of {where} {why}{pin}")


def not_in_time(where: str) -> TransportError:
    return TransportError(
        ErrorClass.TIMEOUT, f"{where} takes connections and does not finish the TLS handshake in time"
    )


def _no_handshake(error: OSError, connect: Connect, facts: ConnectionFacts, where: str) -> TransportError:
    if isinstance(error, TimeoutError):
        return not_in_time(where)
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return TransportError(
            ErrorClass.PROTOCOL,
            f"{where} does not speak TLS: are port and scheme right (https: 5986, http: 5985)?",
        )
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"):
        facts.offers_only_obsolete = True
        facts.algorithms = "TLS below 1.2"
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} offers only obsolete TLS (below 1.2, or old ciphers); it needs an update, or "
            "scheme: http, where NTLM or Kerberos encrypt",
        )
    if connect.auth == "certificate" and ("UNKNOWN_CA" in reason or "CERTIFICATE" in reason):
        return TransportError(
            ErrorClass.AUTH,
            f"{where} refused the certificate of credential {connect.credential} in the TLS handshake: does "
            "it know the authority that made it?",
        )
    if not reason or "EOF" in reason:
        return TransportError(
            ErrorClass.DROPPED,
            f"{where} ended the connection in the TLS handshake: has its https listener a certificate?",
        )
    return TransportError(ErrorClass.TLS, f"no TLS with {where}: {reason.replace('_', ' ').lower()}")
