"""What is offered to log in, how often, and what a refusal is called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.transports import Credential, TransportError
from tests.servers.fake_ssh import FakeSsh, fake_ssh
from tests.servers.sshd import make_key
from tests.transports.conftest import PASSWORD, Opener


def refusal(log_in: Opener, server: FakeSsh, **more: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        log_in(server, **more)
    return caught.value


def test_a_right_password_lets_us_in_with_one_offer(log_in: Opener, fake: FakeSsh) -> None:
    assert b"".join(log_in(fake).stream(b"x" * 5)) == b"5 bytes\n"
    assert fake.attempts == [("password", "admin")]
    assert fake.commands == ["sh"]


def test_a_wrong_password_is_offered_once_and_named_without_its_value(log_in: Opener, fake: FakeSsh) -> None:
    fake.password = "another"
    error = refusal(log_in, fake)
    assert error.error is ErrorClass.AUTH
    assert "refused the password of admin (credential legacy)" in error.detail
    assert "right" not in error.detail.replace("is the password right?", "")
    assert len(fake.attempts) == 1


def test_a_password_is_not_offered_a_second_time_by_another_method(log_in: Opener, fake: FakeSsh) -> None:
    fake.login = "keyboard-interactive"
    error = refusal(log_in, fake)
    assert error.error is ErrorClass.AUTH
    assert "set keyboard_interactive: true" in error.detail
    assert len(fake.attempts) == 1


def test_a_prompt_for_the_password_is_answered(log_in: Opener, fake: FakeSsh) -> None:
    fake.login = "keyboard-interactive"
    log_in(fake, keyboard_interactive=True)
    assert fake.attempts == [("keyboard-interactive", "admin")]


def test_a_refused_answer_to_the_prompt_is_not_given_again(log_in: Opener, fake: FakeSsh) -> None:
    fake.login, fake.password = "keyboard-interactive", "another"
    assert refusal(log_in, fake, keyboard_interactive=True).error is ErrorClass.AUTH
    assert len(fake.attempts) == 1


def test_a_refused_key_is_named_by_its_fingerprint(log_in: Opener, fake: FakeSsh, tmp_path: Path) -> None:
    fake.login = "publickey"
    error = refusal(
        log_in, fake, credential=Credential(name="k", user="me", key=str(make_key(tmp_path / "id")))
    )
    assert error.error is ErrorClass.AUTH
    assert "refused key ssh-ed25519 SHA256:" in error.detail
    assert "authorized_keys" in error.detail


def test_a_server_without_key_logins_has_refused_no_key(
    log_in: Opener, fake: FakeSsh, tmp_path: Path
) -> None:
    error = refusal(
        log_in, fake, credential=Credential(name="k", user="me", key=str(make_key(tmp_path / "id")))
    )
    assert error.error is ErrorClass.DISABLED
    assert "takes no login by publickey, only by password" in error.detail


def test_a_further_step_cannot_be_given(log_in: Opener, fake: FakeSsh) -> None:
    fake.further = "keyboard-interactive"
    error = refusal(log_in, fake)
    assert error.error is ErrorClass.UNSUPPORTED
    assert "wants a further step" in error.detail


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        (None, "no credential is named"),
        (Credential(name="c", user="u"), "names no key, password or agent"),
        (Credential(name="c", user="u", password="env:TEST_PASSWORD", key="k"), "a password and a key"),
        (Credential(name="c", user="u", password="env:NO_SUCH"), "credential c: "),
        (Credential(name="c", user="u", key="~/missing"), "no key file"),
        (Credential(name="c", user="u", key="~/text"), "is no private key"),
        (Credential(name="c", user="u", key="~/locked"), "needs a passphrase:"),
        (Credential(name="c", user="u", key="~/locked", passphrase="env:TEST_PASSWORD"), "wrong passphrase"),
        (Credential(name="c", user="u", agent=True), "the SSH agent, which holds no key or does not run"),
    ],
)
def test_nobody_is_contacted_without_something_to_offer(
    log_in: Opener, fake: FakeSsh, tmp_path: Path, credential: Credential | None, says: str
) -> None:
    (tmp_path / "text").write_text("no key", encoding="utf-8")
    make_key(tmp_path / "locked", passphrase="a passphrase")
    error = refusal(log_in, fake, credential=credential)
    assert error.error is ErrorClass.AUTH
    assert says in error.detail
    assert fake.attempts == []


def test_a_credential_shows_no_secret() -> None:
    assert "hunter2" not in repr(Credential(name="c", user="u", password="hunter2", passphrase="hunter2"))


def test_the_gate_is_entered_for_the_offer_alone_and_sees_the_refusal(log_in: Opener, fake: FakeSsh) -> None:
    seen: list[str] = []

    @contextmanager
    def gate(credential: Credential) -> Iterator[None]:
        seen.append(f"{credential.name}: {len(fake.attempts)} offered before")
        try:
            yield
        except TransportError as error:
            seen.append(error.error)
            raise

    fake.password = "another"
    refusal(log_in, fake, gate=gate)
    assert seen == ["legacy: 0 offered before", "auth"]


def test_forty_machines_and_a_wrong_password_make_one_attempt(log_in: Opener) -> None:
    """With a gate such as collect's: the first login goes alone, and its refusal stops the others."""
    refused, first = threading.Event(), threading.Lock()

    @contextmanager
    def gate(credential: Credential) -> Iterator[None]:
        with first:
            if refused.is_set():
                raise TransportError(ErrorClass.AUTH, "not tried: refused earlier")
            try:
                yield
            except TransportError:
                refused.set()
                raise

    with ExitStack() as stack, ThreadPoolExecutor(40) as threads:
        host_key = FakeSsh().host_key
        servers = [
            stack.enter_context(fake_ssh(FakeSsh(password="another", host_key=host_key))) for _ in range(40)
        ]
        errors = list(threads.map(lambda server: refusal(log_in, server, gate=gate), servers))
    assert {error.error for error in errors} == {ErrorClass.AUTH}
    assert sum(len(server.attempts) for server in servers) == 1


def test_no_password_is_shown_to_a_machine_whose_key_nobody_knows(log_in: Opener, fake: FakeSsh) -> None:
    error = refusal(log_in, fake, credential=PASSWORD, host_key_check="known_hosts")
    assert error.error is ErrorClass.HOST_KEY
    assert fake.attempts == []
