"""Self-made certificates, and the server's end of TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, in files; the certificate is its own authority."""

    file: Path
    key_file: Path
    der: bytes

    @property
    def pem(self) -> str:
        return self.file.read_text(encoding="ascii")

    @property
    def sha256(self) -> str:
        """The fingerprint, 64 lower-case hexadecimal digits."""
        return sha256(self.der).hexdigest()

    @property
    def binding(self) -> bytes:
        """Its channel binding, "tls-server-end-point" (RFC 5929, section 4)."""
        return b"tls-server-end-point:" + sha256(self.der).digest()


def make_certificate(
    folder: Path, *, names: Iterable[str] = ("localhost", "127.0.0.1"), expired: bool = False
) -> Certificate:
    """A certificate for these names or addresses; the first is its common name."""
    names = list(names)
    now = dt.datetime.now(dt.UTC)
    ends = now - dt.timedelta(days=3) if expired else now + dt.timedelta(days=30)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    stem = f"certificate-{certificate.serial_number:x}"
    made = Certificate(
        folder / f"{stem}.pem", folder / f"{stem}.key", certificate.public_bytes(serialization.Encoding.DER)
    )
    made.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


def server_context(certificate: Certificate, clients: Iterable[Certificate]) -> ssl.SSLContext:
    """Asks for a client's certificate where any client has one; an unknown one fails the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key_file)
    for client in clients:
        context.load_verify_locations(client.file)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
