"""Certificates: whose is believed, and what is said about one that is not."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from checkup.api import ErrorClass
from checkup.transports import ConnectionFacts, Credential, Deadlines
from tests.servers.fake_ssh import listening
from tests.servers.winrm import Certificate, WinrmServer, make_certificate
from tests.transports.winrm_sessions import ACCOUNTS, Machine, open_error, run, session_at

SOON = Deadlines(handshake_s=0.5)


def shown(server: WinrmServer) -> str:
    return "SHA256:" + base64.b64encode(bytes.fromhex(server.fingerprint)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("tls", "more", "check"),
    [
        ("valid", {}, "ca"),
        ("valid", {"host": "localhost"}, "ca"),
        ("valid", {"fingerprint": "shown"}, "pinned"),
        ("expired", {"fingerprint": "shown"}, "pinned"),
        ("wrong name", {"fingerprint": "shown"}, "pinned"),
        ("expired", {"certificate_check": "ignore"}, "ignored"),
    ],
)
def test_a_certificate_that_is_believed(tls: Any, more: dict[str, str], check: str) -> None:
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS, tls=tls) as server:
        more = {name: shown(server) if value == "shown" else value for name, value in more.items()}
        with session_at(server, facts=facts, **more) as session:
            assert run(session) == b"done\n"
        assert (facts.host_key, facts.host_key_check) == (shown(server), check)
        assert facts.algorithms.startswith("TLSv1.3 ")


@pytest.mark.parametrize(
    ("tls", "more", "words"),
    [
        ("valid", {"ca_file": ""}, "vouched for by nobody"),
        ("expired", {}, "has expired"),
        ("wrong name", {}, "made for another name"),
        ("valid", {"fingerprint": "SHA256:" + "0" * 64}, "another certificate than the pinned"),
    ],
)
def test_a_certificate_that_is_not_believed_is_shown_nothing(
    tls: Any, more: dict[str, str], words: str
) -> None:
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS, tls=tls) as server:
        caught = open_error(server, ErrorClass.TLS, words, facts=facts, **more)
        assert f'fingerprint: "{shown(server)}"' in caught.detail
        assert server.requests == []
        assert facts.host_key == shown(server)
        assert facts.host_key_check == ""
        assert facts.reached


@pytest.mark.parametrize(("text", "words"), [(None, "No such file"), ("nothing", "no certificate in it")])
def test_a_ca_file_that_is_none(tmp_path: Path, text: str | None, words: str) -> None:
    ca_file = tmp_path / "ca.pem"
    if text:
        ca_file.write_text(text)
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        open_error(server, ErrorClass.TLS, words, ca_file=str(ca_file))


def test_variables_that_name_other_authorities_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(server.ca_file))
        open_error(server, ErrorClass.TLS, ca_file="")


def test_a_port_that_speaks_no_tls() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        more = {"scheme": "https", "certificate_check": "ignore"}
        open_error(server, ErrorClass.PROTOCOL, "does not speak TLS", **more)


def test_a_port_that_speaks_tls_only() -> None:
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        more = {"scheme": "http", "ca_file": ""}
        open_error(server, ErrorClass.DROPPED, **more)


def test_obsolete_tls_is_told_apart() -> None:
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        assert server.tls is not None
        server.tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.deprecated_call():
            server.tls.maximum_version = ssl.TLSVersion.TLSv1_1
        server.tls.set_ciphers("ALL:@SECLEVEL=0")
        open_error(server, ErrorClass.UNSUPPORTED, "obsolete TLS", facts=facts)
    assert facts.offers_only_obsolete


def test_a_handshake_that_stands_still_or_is_hung_up() -> None:
    def silent(client: socket.socket) -> None:
        while client.recv(65536):
            pass

    def rude(client: socket.socket) -> None:
        client.recv(65536)
        client.shutdown(socket.SHUT_RDWR)

    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        with listening(silent) as port:
            open_error(server, ErrorClass.TIMEOUT, "handshake", port=port, deadlines=SOON)
        with listening(rude) as port:
            open_error(server, ErrorClass.DROPPED, "handshake", port=port)


# --- client certificates ---


def credential_of(certificate: Certificate, **more: Any) -> Credential:
    given = {"certificate": str(certificate.file), "key": str(certificate.key_file), **more}
    return Credential(name="card", user="checkup", **given)


def test_a_client_certificate_logs_in(tmp_path: Path) -> None:
    client = make_certificate(tmp_path, names=["checkup@clinic.example"])
    with WinrmServer(Machine(), ACCOUNTS, tls="valid", clients={"checkup": client}) as server:
        with session_at(server, auth="certificate", credential=credential_of(client)) as session:
            assert run(session) == b"done\n"
        assert server.actions == ["Create", "Command", "Send", "Receive", "Signal", "Delete"]
        assert server.shells == {}


def test_a_client_certificate_that_nobody_knows(tmp_path: Path) -> None:
    (known, other) = (make_certificate(tmp_path, names=[name]) for name in ("known", "other"))
    with WinrmServer(Machine(), ACCOUNTS, tls="valid", clients={"checkup": known}) as server:
        more = {"auth": "certificate", "credential": credential_of(other)}
        open_error(server, ErrorClass.AUTH, "refused the certificate", **more)


def test_a_client_certificate_where_none_is_asked_for(tmp_path: Path) -> None:
    client = make_certificate(tmp_path, names=["checkup"])
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        more = {"auth": "certificate", "credential": credential_of(client)}
        open_error(server, ErrorClass.AUTH, "certmapping", **more)


def test_a_key_that_is_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_certificate(tmp_path, names=["checkup"])
    key = serialization.load_pem_private_key(client.key_file.read_bytes(), None)
    client.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"right"),
        )
    )
    with WinrmServer(Machine(), ACCOUNTS, tls="valid", clients={"checkup": client}) as server:
        more: dict[str, Any] = {"auth": "certificate"}
        right = credential_of(client, passphrase="env:TEST_PASSWORD")
        with session_at(server, credential=right, **more) as session:
            assert run(session) == b"done\n"
        for bad in (credential_of(client), credential_of(client, key=str(client.file))):
            open_error(server, ErrorClass.AUTH, "do they belong together", credential=bad, **more)
