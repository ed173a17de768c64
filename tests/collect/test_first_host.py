"""The first Windows machine of a run is examined alone, and may stop the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from checkup.api import ErrorClass
from checkup.collect.first_host import FirstHost
from checkup.transports.session import TransportError


class Run:
    """Forty machines that all want to begin at once; `first_ends` says how the first one ends."""

    def __init__(self, *, answers: bool, error: ErrorClass | None, fails: int = 1) -> None:
        self.first_host = FirstHost()
        self.answers, self.error, self.fails = answers, error, fails
        self.lock = threading.Lock()
        self.pause = threading.Event()
        self.begun = self.at_once = self.most_before_proof = 0

    def examine(self, number: int) -> str:
        name = f"ws-{number}"
        try:
            self.first_host.enter(name)
        except TransportError as error:
            self.first_host.leave(name, answered=False, error=error.error)
            return error.detail
        with self.lock:
            self.begun += 1
            fails = self.begun <= self.fails
            self.at_once += 1
            if fails:
                self.most_before_proof = max(self.most_before_proof, self.at_once)
        self.pause.wait(0.02)
        with self.lock:
            self.at_once -= 1
        error = self.error if fails else None
        self.first_host.leave(name, answered=self.answers if fails else True, error=error)
        return ""

    def all(self) -> list[str]:
        with ThreadPoolExecutor(40) as pool:
            return list(pool.map(self.examine, range(40), timeout=20))


def test_nobody_begins_before_the_first_has_answered():
    run = Run(answers=True, error=None)
    assert run.all() == [""] * 40
    assert run.most_before_proof == 1


def test_where_protection_software_stopped_the_first_no_other_is_tried():
    run = Run(answers=False, error=ErrorClass.BLOCKED_BY_AV)
    said = run.all()
    assert run.begun == 1
    assert said.count("") == 1
    assert sum("not tried: protection software on ws-" in one for one in said) == 39


@pytest.mark.parametrize("error", [ErrorClass.UNREACHABLE, ErrorClass.AUTH, ErrorClass.DROPPED])
def test_a_first_that_never_answered_proves_nothing_so_the_next_is_alone_too(error: ErrorClass):
    run = Run(answers=False, error=error, fails=3)
    assert run.all() == [""] * 40
    assert run.most_before_proof == 1


def test_a_machine_that_enters_twice_keeps_its_turn():
    first_host = FirstHost()
    first_host.enter("ws-1")
    first_host.enter("ws-1")  # its fallback
    first_host.leave("ws-1", answered=True, error=None)
    first_host.enter("ws-2")
