from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.transports.known_hosts import KnownKey, fingerprint, parse, read
from tests.servers import sshd

BLOB = b"\0\0\0\x0bssh-ed25519 key"
ENCODED = base64.b64encode(BLOB).decode()
KEY = KnownKey("ssh-ed25519", BLOB)


def known(names: str, host: str = "srv-db", port: int = 22) -> list[KnownKey]:
    return list(parse(f"{names} ssh-ed25519 {ENCODED} a comment\n", host, port))


@pytest.mark.parametrize("names", ["srv-db", "a,srv-db,b", "SRV-DB", "srv-*", "srv-d?", "*,!other"])
def test_a_name_or_pattern_matches(names: str) -> None:
    assert known(names) == [KEY]


@pytest.mark.parametrize(
    "names", ["srv-db2", "!srv-db,*", "[srv-db]:2222", "srv-", "#srv-db", "@cert-authority srv-db"]
)
def test_other_names_do_not_match(names: str) -> None:
    assert known(names) == []


def test_another_port_is_another_name() -> None:
    assert known("[srv-db]:2222", port=2222) == [KEY]
    assert known("srv-db", port=2222) == []


def test_a_revoked_key_is_marked() -> None:
    assert known("@revoked srv-db") == [KnownKey("ssh-ed25519", BLOB, revoked=True)]


@sshd.needs_sshd
@pytest.mark.parametrize("port", [22, 2222])
def test_names_hashed_by_openssh_match(tmp_path: Path, port: int) -> None:
    public = sshd.make_key(tmp_path / "key").with_name("key.pub").read_text(encoding="utf-8")
    name = "srv-db" if port == 22 else f"[srv-db]:{port}"
    (tmp_path / "known_hosts").write_text(f"{name} {public}", encoding="utf-8")
    subprocess.run(
        ["ssh-keygen", "-q", "-H", "-f", tmp_path / "known_hosts"], check=True, capture_output=True
    )
    (key,) = read([tmp_path / "known_hosts", tmp_path / "missing"], "srv-db", port)
    assert fingerprint(key.blob) == sshd.fingerprint(tmp_path / "key")


@given(
    st.text()
    | st.lists(st.sampled_from(["|1|", "a", "=", " ", "\n", "@revoked", "[", "*", ENCODED, "\0"])).map(
        "".join
    )
)
def test_any_text_is_read_without_an_error(text: str) -> None:
    for key in parse(text, "a", 22):
        assert key.blob
