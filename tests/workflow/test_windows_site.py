"""A site of ten Windows machines of two versions: one hangs in a section, one gives no shell, one differs,
one comes by bundle, one is asleep. What the report says of each is what was seen, and nothing more."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from checkup.assessment import Assessment, Outcome
from checkup.batch.powershell import ARGUMENTS, BOOTSTRAP, PROGRAM
from checkup.catalogue import load
from checkup.collect import machine_endpoint
from tests.servers.recordings import recorded
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import WinrmServer
from tests.workflow.conftest import (
    PASSWORD,
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    checkup,
    environment,
    errors,
    outcomes,
    pdf_text,
)

pytestmark = pytest.mark.slow

HUNG, NO_SHELL, ODD, BROUGHT, ASLEEP = "ws-4", "ws-5", "ws-6", "ws-9", "ws-10"
WINRM = [f"ws-{number}" for number in range(1, 9)]
STUCK = min(
    (section for section in load().sections.values() if "windows" in section.collect),
    key=lambda section: (section.collect["windows"].timeout_s, section.name),  # pyright: ignore
).name


@dataclass(frozen=True)
class Job:
    """The run, and the servers it met; they are stopped by now."""

    clinic: Clinic
    ended: Ended
    servers: dict[str, WinrmServer]
    machines: dict[str, WindowsMachine]

    @property
    def assessment(self) -> Assessment:
        return self.ended.assessment


def machine(name: str, number: int) -> WindowsMachine:
    version = "7" if number % 2 else "11"
    return WindowsMachine(
        name=name.upper(),
        version=version,
        sections=recorded(version),
        guid=f"5c1d0f5e-8a3b-4f21-9d61-{number:012x}",
        stuck=(STUCK,) if name == HUNG else (),
    )


def answer(brought: WindowsMachine, script: str) -> bytes:
    """What the client's person would bring back."""
    outputs = brought.run(PROGRAM, [*ARGUMENTS, BOOTSTRAP], script.encode())
    return b"".join(output.stdout for output in islice(outputs, 1000))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("windows")
    clinic = Clinic(folder)
    clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}
    servers: dict[str, WinrmServer] = {}
    machines = {name: machine(name, number) for number, name in enumerate([*WINRM, BROUGHT], start=1)}

    def winrm(port: int) -> dict[str, Any]:
        return {"transport": "winrm", "host": "127.0.0.1", "port": port, "credential": "domain"}

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for variable, value in environment(folder).items():
            patch.setenv(variable, value)
        patch.chdir(folder)
        patch.setattr(machine_endpoint, "GRACE_S", 0.5)
        for name in WINRM:
            servers[name] = WinrmServer(
                machines[name],
                {"checkup": PASSWORD},
                name=name.upper(),
                remote_shells="denied" if name == NO_SHELL else "allowed",
            )
            stack.enter_context(servers[name])
            clinic.add(name, winrm(servers[name].port), role="workstation")
        by_file = {"transport": "bundle", "file": "ws-9.bundle"}
        clinic.add(BROUGHT, by_file, role="workstation", platform="windows")
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        clinic.add(ASLEEP, winrm(nobody.getsockname()[1]), role="workstation")
        printed = checkup("plan", clinic.site_file, "--visit", "tune-up", "--host", BROUGHT, "--batch").out
        script = printed[printed.index("& {") :].rstrip("\n") + "\n"
        Path("ws-9.bundle").write_bytes(answer(machines[BROUGHT], script))
        ended = checkup("run", clinic.site_file, "--visit", "tune-up", "--json")
    return Job(clinic, ended, servers, machines)


def test_what_could_not_be_assessed_makes_the_exit_status(job: Job) -> None:
    assert job.ended.status == 3, job.ended.err
    assert_adds_up(job.assessment)
    assert_clean(job.clinic.texts(job.ended))


def test_machines_that_answered_have_every_check_decided(job: Job) -> None:
    for name in ("ws-1", "ws-2", "ws-3", BROUGHT):
        found = outcomes(job.assessment, name)
        assert len(found) > 40
        assert "passed" in found.values()


def test_a_section_that_hung_costs_its_own_checks_only(job: Job) -> None:
    timeouts = [r for r in job.assessment.not_checked if r.target == HUNG and str(r.error) == "timeout"]
    assert timeouts
    beside = {
        probe for probe, outcome in outcomes(job.assessment, "ws-2").items() if outcome != "not checked"
    }
    hung = {probe for probe, outcome in outcomes(job.assessment, HUNG).items() if outcome != "not checked"}
    assert len(beside - hung) <= len({result.probe for result in timeouts})


def test_without_a_shell_management_classes_answer_and_the_rest_is_denied(job: Job) -> None:
    assert not job.servers[NO_SHELL].programs
    by_classes = [r for r in job.assessment.results if r.target == NO_SHELL and r.source == "cim"]
    assert by_classes
    assert "denied" in errors(job.assessment, NO_SHELL)
    assert outcomes(job.assessment, NO_SHELL)["host.reachable"] == "finding"


def test_a_machine_that_sleeps_passes_nothing(job: Job) -> None:
    found = outcomes(job.assessment, ASLEEP)
    assert set(found.values()) <= {"not checked", "finding"}
    assert [probe for probe, outcome in found.items() if outcome == "finding"] == ["host.reachable"]


def test_nothing_passes_on_facts_that_are_not_whole(job: Job) -> None:
    passed = [r for r in job.assessment.results if r.outcome is Outcome.PASSED]
    with job.clinic.store() as store:
        run = store.runs("harbour")[0]
        good = {
            section.section
            for snapshot in store.snapshots([run.id])
            if snapshot.endpoint == NO_SHELL
            for section in snapshot.sections
            if section.quality == "ok"
        }
    probes = load().entries
    for result in passed:
        if result.target == NO_SHELL:
            needed = {need.section.name for need in probes[result.probe].needs if not need.optional}
            assert needed <= good, result


def test_every_machine_got_one_batch_and_no_shell_stays_open(job: Job) -> None:
    for name, server in job.servers.items():
        assert not server.shells, name
        assert server.logins.count(("checkup", True)) >= 1
        batches = 2 if name == HUNG else 0 if name == NO_SHELL else 1
        assert len(job.machines[name].scripts) == batches, name


def test_the_report_tells_it(job: Job) -> None:
    text = pdf_text(job.clinic.report.with_suffix(".pdf"))
    for name in (HUNG, NO_SHELL, BROUGHT, ASLEEP):
        assert name in text
    assert "Machines compared" in text
