from __future__ import annotations

import pytest

from checkup.transports.ssh_algorithms import Algorithms, Kind, agreed, mismatch

OURS: dict[Kind, tuple[str, ...]] = {
    "key exchange": ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"),
    "host key": ("ssh-ed25519", "rsa-sha2-512"),
    "cipher": ("aes128-ctr",),
    "MAC": ("hmac-sha2-256",),
}


def offer(**changed: list[str]) -> Algorithms:
    lists = {
        "kex": ["ecdh-sha2-nistp256"],
        "keys": ["rsa-sha2-512"],
        "ciphers": ["aes128-ctr"],
        "macs": ["hmac-sha2-256"],
    }
    return Algorithms.of(*(lists | changed).values())


def test_what_both_know_is_agreed_on() -> None:
    assert mismatch(offer(), OURS) is None
    assert agreed(offer(), OURS) == "ecdh-sha2-nistp256, rsa-sha2-512, aes128-ctr, hmac-sha2-256"


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (
            {"kex": ["diffie-hellman-group1-sha1", "ext-info-s", "kex-strict-s-v00@openssh.com"]},
            "key exchange",
        ),
        ({"keys": ["ssh-rsa", "ssh-dss"]}, "host key"),
        ({"ciphers": ["arcfour256", "blowfish-cbc"]}, "cipher"),
        ({"macs": ["hmac-ripemd160"]}, "MAC"),
    ],
)
def test_a_server_of_long_ago_offers_only_obsolete_algorithms(
    changed: dict[str, list[str]], kind: str
) -> None:
    found = mismatch(offer(**changed), OURS)
    assert found is not None
    assert found.kind == kind
    assert found.obsolete


def test_a_server_with_a_taste_of_its_own_is_not_called_obsolete() -> None:
    found = mismatch(offer(ciphers=["chacha20-poly1305@openssh.com", "3des-cbc"]), OURS)
    assert found is not None
    assert not found.obsolete


def test_an_empty_offer_proves_nothing() -> None:
    found = mismatch(offer(kex=["ext-info-s"]), OURS)
    assert found is not None
    assert not found.obsolete
