"""A TLS handshake before any login: is this the server it should be, and is its TLS of today?

No name and no password has been sent then. What the server shows here, drivers are told to expect.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.known_hosts import fingerprint
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.odbc.greetings import Greeting
from checkup.transports.odbc.line import Ended
from checkup.transports.session import ConnectionFacts, TransportError

# Numbers of OpenSSL (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = (62, 64)

# Reasons of OpenSSL for a server whose TLS is older than 1.2, or its keys and signatures of that age.
_OLD = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
        "WRONG_VERSION_NUMBER",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
        "NO_CIPHERS_AVAILABLE",
        "DH_KEY_TOO_SMALL",
        "EE_KEY_TOO_SMALL",
        "CA_MD_TOO_WEAK",
        "WRONG_SIGNATURE_TYPE",
    }
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The server's certificate in DER, and the first of the names that it holds."""

    certificate: bytes = b""
    name: str = ""


def shake_hands(place: SqlPlace, greeting: Greeting, where: str, facts: ConnectionFacts) -> Shown:
    """Raises TransportError (tls), or what Line raises. `facts` learns the certificate and the algorithms."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = _context(place).wrap_bio(incoming, outgoing, server_hostname=place.server)
    try:
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    greeting.send(outgoing.read())
                incoming.write(greeting.receive())
    except ssl.SSLCertVerificationError as error:
        raise _not_believed(error, where) from None
    except ssl.SSLError as error:
        raise _no_handshake(place, error.reason or "", where, facts) from None
    except Ended:
        raise _no_handshake(place, "", where, facts) from None
    if outgoing.pending:  # so that the server need not take it for an attack
        greeting.send(outgoing.read())
    certificate = secure.getpeercert(binary_form=True) or b""
    facts.host_key = fingerprint(certificate)
    facts.host_key_check = "ca" if place.encryption == "validated" else "ignored"
    facts.algorithms = f"{secure.version()} {(secure.cipher() or ('',))[0]}"
    return Shown(certificate=certificate, name=_name(certificate, place.server))


def _context(place: SqlPlace) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if place.engine == "sqlserver":
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # all that there is inside of TDS 7 packets
    if place.encryption == "unvalidated":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif place.ca_file:
        file = Path(place.ca_file).expanduser()
        try:
            context.load_verify_locations(file)
        except OSError as error:
            is_tls = isinstance(error, ssl.SSLError)
            why = "no certificate in it" if is_tls or not error.strerror else error.strerror
            raise TransportError(ErrorClass.TLS, f"ca_file: {file} cannot be used ({why})") from None
    else:
        context.load_default_certs()
    return context


def authorities(place: SqlPlace) -> str:
    """The file of the certificates that are believed, for drivers that know none by themselves; "" where
    this station keeps them in no file."""
    if place.ca_file:
        return str(Path(place.ca_file).expanduser().absolute())
    return ssl.get_default_verify_paths().cafile or ""


def stations_authorities() -> str:
    """The text of such a file, from wherever this station keeps them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in context.get_ca_certs(binary_form=True))


def _name(certificate: bytes, server: str) -> str:
    """A name that the certificate holds, for drivers that know certificates by DNS names only."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        read = x509.load_der_x509_certificate(certificate)
        found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.DNSName)
    except (ValueError, x509.ExtensionNotFound):
        return ""
    if not names:
        common = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(common[0].value) if common else ""
    if not _is_address(server):
        return server
    return next((name for name in names if not name.startswith("*")), "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _not_believed(error: ssl.SSLCertVerificationError, where: str) -> TransportError:
    if error.verify_code == _EXPIRED:
        why = "has expired: ask the client's IS staff to renew it"
    elif error.verify_code == _NOT_YET_VALID:
        why = "is not valid yet: is one of the clocks wrong?"
    elif error.verify_code in _WRONG_NAME:
        why = "was made for another name: write the name that it holds as server:"
    else:
        said = clean_line(error.verify_message or "", 100)
        why = f"is vouched for by nobody this station knows ({said}): name its authority as ca_file:"
    return TransportError(
        ErrorClass.TLS,
        f"the certificate of {where} {why}. Or write encryption: unvalidated: then all is encrypted, but "
        "nothing proves that this is the server and nobody in between",
    )


def _no_handshake(place: SqlPlace, reason: str, where: str, facts: ConnectionFacts) -> TransportError:
    if reason and reason not in _OLD:
        return TransportError(
            ErrorClass.TLS, f"{where} and this station could not agree on TLS ({clean_line(reason, 80)})"
        )
    facts.offers_only_obsolete = bool(reason)
    sure = (
        "has no TLS of today"
        if reason
        else "hung up in the TLS handshake, as servers do that know no TLS 1.2"
    )
    remedy = (
        "SQL Server 2008 to 2014 need the update of Microsoft's article KB3135244, and Windows its own"
        if place.engine == "sqlserver"
        else "it needs an update, or another TLS setting"
    )
    code = f" ({reason.lower().replace('_', ' ')})" if reason else ""
    return TransportError(
        ErrorClass.TLS,
        f"{where} {sure}, that is 1.2 or later{code}: {remedy}. Until then only encryption: clear gets in: "
        "without TLS, with everything, the password too, readable on the line (inside a VPN or through via:)",
    )
