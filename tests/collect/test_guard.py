"""The lockout guard: a wrong password meets one machine, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from checkup.api import ErrorClass
from checkup.collect.guard import CredentialGuard
from checkup.transports.session import Credential, TransportError

ADMIN = Credential(name="admin", user="admin", password="env:PW")


class Machines:
    """Counts the logins that reach any of them, and how many at the same time."""

    def __init__(self, right: bool, error: ErrorClass = ErrorClass.AUTH) -> None:
        self.right, self.error = right, error
        self.attempts = self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.pause = threading.Event()

    def login(self) -> None:
        with self.lock:
            self.attempts += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.pause.wait(0.02)
        with self.lock:
            self.at_once -= 1
        if not self.right:
            raise TransportError(self.error, "refused")


def log_in_everywhere(machines: Machines, guard: CredentialGuard, hosts: int = 40) -> list[str]:
    def one(_: int) -> str:
        try:
            with guard.gate(ADMIN):
                machines.login()
        except TransportError as error:
            return error.detail
        return ""

    with ThreadPoolExecutor(hosts) as pool:
        return list(pool.map(one, range(hosts)))


def test_forty_hosts_and_a_wrong_password_make_exactly_one_attempt():
    machines = Machines(right=False)
    details = log_in_everywhere(machines, CredentialGuard())
    assert machines.attempts == 1
    assert sum("not tried" in detail for detail in details) == 39
    assert all("'admin'" in detail for detail in details if "not tried" in detail)


def test_after_one_success_all_go_together():
    machines = Machines(right=True)
    assert set(log_in_everywhere(machines, CredentialGuard())) == {""}
    assert machines.attempts == 40
    assert machines.most_at_once > 1


def test_the_first_goes_alone():
    machines = Machines(right=True)
    guard = CredentialGuard()
    with guard.gate(ADMIN):
        waiting = threading.Thread(target=log_in_everywhere, args=(machines, guard, 5))
        waiting.start()
        waiting.join(0.2)
        assert machines.attempts == 0
    waiting.join()
    assert machines.attempts == 5


def test_a_machine_that_does_not_answer_says_nothing_about_the_password():
    machines = Machines(right=False, error=ErrorClass.TIMEOUT)
    log_in_everywhere(machines, CredentialGuard(), 5)
    assert machines.attempts == 5
    assert machines.most_at_once == 1


def test_a_refusal_after_a_success_stops_the_credential_too():
    guard = CredentialGuard()
    with guard.gate(ADMIN):
        pass
    with pytest.raises(TransportError), guard.gate(ADMIN):
        raise TransportError(ErrorClass.AUTH, "refused")
    with pytest.raises(TransportError, match="not tried"), guard.gate(ADMIN):
        pytest.fail("a login was offered after a refusal")


def test_another_credential_is_another_matter():
    guard = CredentialGuard()
    with pytest.raises(TransportError), guard.gate(ADMIN):
        raise TransportError(ErrorClass.AUTH, "refused")
    with guard.gate(Credential(name="other", user="other", agent=True)):
        pass
