"""`kill -9` at any moment of a run loses no machine that was reported as done."""

from __future__ import annotations

import random
import signal
import threading
import time

import paramiko
import pytest

from checkup.store.records import RunState
from tests.servers.fake_ssh import FakeSsh, fake_ssh
from tests.workflow.conftest import PASSWORD, Clinic, answer_to, checkup, start_command

KILLS = 10
BUNDLES = 8


@pytest.mark.slow
@pytest.mark.usefixtures("paper")
def test_kill_9_at_ten_random_moments_loses_no_finished_machine(clinic: Clinic) -> None:
    moments = random.Random(20)
    answering = threading.Event()  # until then the last machine keeps the run from ending

    def last(channel: paramiko.Channel, script: bytes) -> None:
        # A run that was killed while it sent its script gets no answer.
        if answering.wait(30) and script.endswith(b"checkup_batch\n"):
            channel.sendall(answer_to(script, "last"))
            channel.send_exit_status(0)

    with fake_ssh(FakeSsh(password=PASSWORD, handler=last)) as server:
        clinic.add_ssh("last", server)
        clinic.add_local("here")
        for number in range(BUNDLES):
            clinic.add_bundle(f"bundle-{number}")
        names = {host["id"] for host in clinic.hosts}
        wish = (clinic.site_file, "--visit", "interim", "--only", "host.reachable", "--only", "host.memory")
        for _ in range(KILLS):
            answering.clear()
            running = start_command("run", *wish, "--parallel", "3", folder=clinic.folder)
            running.read_until("checks on")
            for _ in range(moments.randrange(BUNDLES)):
                running.read_until(": done")
            time.sleep(moments.random() * 0.05)
            killed = running.send(signal.SIGKILL)
            assert killed.status == -signal.SIGKILL
            reported = set(killed.finished)
            with clinic.store() as store:
                run = store.runs()[0].id
                kept = store.finished_endpoints(run)
            assert reported <= kept < names

            answering.set()
            resumed = checkup("run", clinic.site_file, "--resume", run)
            assert f"run {run} did not come to its end" in resumed.err
            assert resumed.status in (0, 3), resumed.err
            assert set(resumed.finished) == names - kept
            with clinic.store() as store:
                assert store.finished_endpoints(run) == names
                assert store.run(run).state is RunState.COMPLETE


@pytest.mark.slow
@pytest.mark.usefixtures("paper")
def test_a_run_that_was_killed_is_marked_at_the_next_start(clinic: Clinic) -> None:
    with fake_ssh(FakeSsh(password=PASSWORD, hold="exec")) as server:
        clinic.add_bundle("brought")
        clinic.add_ssh("slow", server)
        running = start_command("run", clinic.site_file, "--visit", "interim", folder=clinic.folder)
        running.read_until("brought: done")
        running.send(signal.SIGKILL)
    with clinic.store() as store:
        (run,) = store.runs()
        assert run.state is RunState.RUNNING
    next_one = checkup("run", clinic.site_file, "--visit", "interim", "--host", "brought")
    assert f"`--resume {run.id}` goes on with it" in next_one.err
    with clinic.store() as store:
        assert store.run(run.id).state is RunState.INTERRUPTED
