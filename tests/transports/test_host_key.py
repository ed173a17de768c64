from __future__ import annotations

import pytest
from pydantic import ValidationError

from checkup.api import ErrorClass
from checkup.transports import TransportError, ssh
from checkup.transports.host_key import preferred, verify
from checkup.transports.known_hosts import KnownKey, fingerprint

MINE, OTHER = b"my key", b"another key"


def connect(**more: str) -> ssh.Connect:
    return ssh.Connect.model_validate({"transport": "ssh", "host": "srv", **more})


def check(settings: ssh.Connect, *known: KnownKey) -> str:
    return verify(settings, "srv:22", "ssh-ed25519", MINE, known)


def refusal(settings: ssh.Connect, *known: KnownKey) -> str:
    with pytest.raises(TransportError) as caught:
        check(settings, *known)
    assert caught.value.error is ErrorClass.HOST_KEY
    return caught.value.detail


def test_a_pin_decides_whatever_known_hosts_says() -> None:
    known = KnownKey("ssh-ed25519", OTHER)
    assert check(connect(host_key=fingerprint(MINE)), known) == "pinned"


def test_another_key_than_the_pinned_one_is_refused_with_both_fingerprints() -> None:
    detail = refusal(connect(host_key=fingerprint(OTHER)), KnownKey("ssh-ed25519", MINE))
    assert f"not the pinned {fingerprint(OTHER)}" in detail
    assert f'host_key: "{fingerprint(MINE)}"' in detail


def test_a_known_key_is_taken() -> None:
    assert check(connect(), KnownKey("ssh-rsa", OTHER), KnownKey("ssh-ed25519", MINE)) == "known_hosts"


def test_an_unknown_key_is_refused_with_the_line_that_pins_it() -> None:
    detail = refusal(connect())
    assert "nobody vouched for" in detail
    assert f'host_key: "{fingerprint(MINE)}"' in detail


def test_a_changed_key_is_refused_with_the_known_one() -> None:
    assert f"known_hosts has ssh-rsa {fingerprint(OTHER)}" in refusal(connect(), KnownKey("ssh-rsa", OTHER))


@pytest.mark.parametrize("settings", [{}, {"host_key": fingerprint(MINE)}, {"host_key_check": "ignore"}])
def test_a_revoked_key_is_never_taken(settings: dict[str, str]) -> None:
    assert "revoked" in refusal(connect(**settings), KnownKey("ssh-ed25519", MINE, revoked=True))


def test_a_check_can_be_ignored_for_one_machine() -> None:
    assert check(connect(host_key_check="ignore"), KnownKey("ssh-ed25519", OTHER)) == "ignored"


def test_the_kinds_of_known_keys_are_asked_for_first() -> None:
    algorithms = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert preferred(algorithms, [KnownKey("ssh-rsa", MINE)]) == (*algorithms[2:], *algorithms[:2])
    assert preferred(algorithms, []) == algorithms


@pytest.mark.parametrize(
    "settings",
    [
        {"host_key": "SHA256:short"},
        {"host_key": "aa:bb:cc"},
        {"host_key_check": "pinned"},
        {"host_key_check": "ignore", "host_key": fingerprint(MINE)},
        {"port": "0"},
        {"host": ""},
        {"pasword": "x"},
    ],
)
def test_a_connect_that_cannot_be_meant_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        connect(**settings)
