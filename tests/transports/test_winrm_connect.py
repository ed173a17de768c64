"""What the site file may say about WinRM."""

from __future__ import annotations

import base64
import hashlib

import pytest
from pydantic import ValidationError

from checkup.transports import CONNECTS, winrm

PIN = hashlib.sha256(b"certificate")
BASE64 = "SHA256:" + base64.b64encode(PIN.digest()).decode().rstrip("=")


def connect(**more: object) -> winrm.Connect:
    return winrm.Connect.model_validate({"transport": "winrm", "host": "ws-3.clinic.example", **more})


def test_it_is_a_transport() -> None:
    assert CONNECTS["winrm"] is winrm.Connect


def test_the_safe_way_is_the_default() -> None:
    assert (connect().scheme, connect().auth, connect().tcp_port) == ("http", "ntlm", 5985)
    assert connect(scheme="https").tcp_port == 5986
    assert connect(scheme="https").certificate_check == "ca"
    assert connect(port=15985).tcp_port == 15985


@pytest.mark.parametrize(
    "written",
    [
        BASE64,
        BASE64 + "=",
        "SHA256:" + PIN.hexdigest(),
        "SHA256:" + PIN.hexdigest().upper(),
        "SHA256:" + PIN.digest().hex(":").upper(),
    ],
)
def test_a_pin_is_read_however_it_is_written(written: str) -> None:
    assert connect(scheme="https", fingerprint=written).pin == PIN.digest()


def test_without_a_fingerprint_nothing_is_pinned() -> None:
    assert connect(scheme="https").pin == b""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"auth": "basic"}, "neither secret nor proven"),
        ({"auth": "certificate"}, "use scheme: https"),
        ({"auth": "basic", "scheme": "https", "certificate_check": "ignore"}, "must be checked"),
        ({"ca_file": "ca.pem"}, "need scheme: https"),
        ({"fingerprint": BASE64}, "need scheme: https"),
        ({"certificate_check": "ignore"}, "need scheme: https"),
        ({"scheme": "https", "certificate_check": "pinned"}, "needs fingerprint:"),
        ({"scheme": "https", "certificate_check": "ignore", "fingerprint": BASE64}, "must go"),
        ({"scheme": "https", "certificate_check": "ignore", "ca_file": "ca.pem"}, "must go"),
        ({"scheme": "https", "ca_file": "ca.pem", "fingerprint": BASE64}, "ca_file must go"),
        ({"scheme": "https", "fingerprint": "SHA256:" + "0" * 40}, "fingerprint"),
        ({"auth": "kerberos", "host": "192.168.1.20"}, "by name, not by address"),
        ({"auth": "kerberos", "host": "fe80::1"}, "by name, not by address"),
        ({"spn_host": "ws-3.clinic.example"}, "needs auth: kerberos"),
        ({"auth": "credssp"}, "auth"),
        ({"port": 70000}, "port"),
    ],
)
def test_what_is_unsafe_or_makes_no_sense_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connect(**given)


def test_kerberos_by_address_with_the_name_beside_it() -> None:
    assert connect(auth="kerberos", host="192.168.1.20", spn_host="ws-3.clinic.example").spn_host
