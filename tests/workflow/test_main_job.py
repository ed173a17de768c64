"""The main job, end to end: `checkup run` on real machines, to a PDF in which the numbers add up."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkup.assessment import from_json
from checkup.testing.contract import problems
from checkup.testing.package import contents
from checkup.testing.running import run_sample
from tests.servers.sshd import PROGRAM, Sshd, sshd
from tests.workflow.conftest import (
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    environment,
    errors,
    install_probe,
    outcomes,
    own_probe,
    pdf_text,
    run_command,
)

pytestmark = [pytest.mark.sshd, pytest.mark.slow]


@dataclass(frozen=True)
class Job:
    """One run of the whole site, and the servers it met."""

    clinic: Clinic
    ended: Ended
    bastion: Sshd
    inside: Sshd
    stranger: Sshd


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """This machine; a jump host and one behind it; one that is down; one with another host key."""
    if PROGRAM is None:
        pytest.skip("needs OpenSSH's sshd (Debian: apt-get install openssh-server)")
    folder = tmp_path_factory.mktemp("job")
    clinic = Clinic(folder)
    with ExitStack() as stack:
        bastion = stack.enter_context(sshd(folder / "1", address="127.0.0.2"))
        inside = stack.enter_context(sshd(folder / "2", address="127.0.0.3", key=bastion.key))
        stranger = stack.enter_context(sshd(folder / "3", key=bastion.key))
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        clinic.add_local("station")
        clinic.add_ssh("bastion", bastion)
        clinic.add_ssh("inside", inside, jump="bastion")
        clinic.add_ssh("stranger", stranger, host_key=inside.host_key)
        clinic.add_ssh("down", stranger, port=nobody.getsockname()[1])
        ended = run_command("run", clinic.site_file, "--visit", "six-month", "--json", folder=folder)
    # From here on every server is stopped.
    return Job(clinic, ended, bastion, inside, stranger)


def test_the_exit_status_says_that_something_could_not_be_assessed(job: Job) -> None:
    assert job.ended.status == 3, job.ended.err


def test_a_report_is_written_in_three_forms(job: Job) -> None:
    report = job.clinic.report
    assert report.with_suffix(".pdf").read_bytes().startswith(b"%PDF-1.")
    assert "Harbour Clinic" in report.with_suffix(".html").read_text(encoding="utf-8")
    assert from_json(report.with_suffix(".json").read_bytes()) == job.ended.assessment


def test_every_planned_check_has_one_outcome(job: Job) -> None:
    assert_adds_up(job.ended.assessment)


def test_the_pdf_prints_the_same_numbers(job: Job) -> None:
    totals = job.ended.assessment.totals
    text = " ".join(pdf_text(job.clinic.report.with_suffix(".pdf")).split())
    assert (
        f"{totals.planned} planned checks = {totals.passed} passed + {totals.findings} with findings"
        f" + {totals.not_applicable} not applicable + {totals.not_checked} not checked"
    ) in text


def test_the_machines_that_answer_are_examined(job: Job) -> None:
    for name in ("station", "bastion", "inside"):
        seen = outcomes(job.ended.assessment, name)
        assert seen["host.reachable"] == seen["host.identity"] == "passed"
        assert "passed" in (seen["host.volume-space"], seen["host.memory"], seen["host.cpu-load"])


@pytest.mark.parametrize(
    ("name", "probe", "error"),
    [("down", "host.reachable", "unreachable"), ("stranger", "host.identity", "host_key")],
)
def test_a_machine_that_was_not_examined_is_one_finding(job: Job, name: str, probe: str, error: str) -> None:
    seen = outcomes(job.ended.assessment, name)
    assert seen.pop(probe) == "finding"
    assert set(seen.values()) == {"not checked"}
    assert errors(job.ended.assessment, name) == {error}


def test_the_report_says_what_was_not_checked_and_why(job: Job) -> None:
    text = " ".join(pdf_text(job.clinic.report.with_suffix(".pdf")).split())
    listed = text.rpartition("What was not checked, and why")[2]
    assert "refuses connections" in listed
    assert "not the pinned" in listed


def test_one_connection_and_one_batch_per_machine(job: Job) -> None:
    """Counted by the servers. A jump host is also connected to as such, without a session."""
    assert (job.inside.connections, job.inside.logins, job.inside.sessions) == (1, 1, 1)
    assert (job.bastion.connections, job.bastion.sessions) == (2, 1)
    assert (job.stranger.logins, job.stranger.sessions) == (0, 0)


def test_the_ledger_has_one_row_for_each_machine_that_was_sent_anything(job: Job) -> None:
    with job.clinic.store() as store:
        (run,) = store.runs()
        ledger = store.ledger([run.id])
    assert sorted(entry.endpoint for entry in ledger) == ["bastion", "inside", "station"]
    assert {entry.outcome for entry in ledger} == {"complete"}


def test_no_secret_and_no_traceback_anywhere(job: Job) -> None:
    assert_clean(job.clinic.texts(job.ended))


OFFLINE = """
import socket, sys

class Refused(socket.socket):
    def __init__(self, *arguments, **more):
        raise AssertionError("a rebuilt report opened a socket")

socket.socket = Refused
from checkup.cli import main
main()
"""


def test_the_report_of_a_stored_run_is_rebuilt_byte_for_byte_without_a_network(
    job: Job, tmp_path: Path
) -> None:
    with job.clinic.store() as store:
        (run,) = store.runs()
    alone = ["unshare", "-n"] if shutil.which("unshare") and _may("unshare", "-n", "true") else []
    done = subprocess.run(
        [*alone, sys.executable, "-c", OFFLINE, "report", run.id, "--json"],
        capture_output=True,
        cwd=tmp_path,
        env=environment(job.clinic.folder),
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == job.ended.out
    first, second = job.clinic.report, tmp_path / "reports" / job.clinic.report.name
    for kind in (".pdf", ".html", ".json"):
        assert second.with_suffix(kind).read_bytes() == first.with_suffix(kind).read_bytes(), kind


def _may(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


# --- a probe is one file ------------------------------------------------------------------------

REPOSITORY = Path(__file__).parents[2]
SAMPLES = {
    "ok": {
        "about": "a green lamp",
        "sections": {"lamp": {"raw": "green"}},
        "expect": [{"outcome": "passed"}],
    },
    "dark": {
        "about": "no light",
        "sections": {"lamp": {"raw": ""}},
        "expect": [{"outcome": "finding", "message": "dark", "impact": "limited"}],
    },
    "denied": {
        "about": "nobody may look",
        "sections": {"lamp": {"quality": "denied"}},
        "expect": [{"outcome": "not checked"}],
    },
}


@pytest.fixture(params=["among the built-in probes", "in a package of its own"])
def lamp(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tree to put on the path, in which the probe is one new file and nothing else was touched."""
    source = own_probe("echo red", id="host.lamp")
    if request.param == "in a package of its own":
        return install_probe(tmp_path, source)
    tree = tmp_path / "tree"
    for package in ("checkup", "probes", "report_templates"):
        shutil.copytree(REPOSITORY / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "probes" / "host" / "lamp.py").write_text(source, encoding="utf-8")
    return tree


def test_a_probe_added_as_one_file_is_listed_planned_run_and_reported(lamp: Path, tmp_path: Path) -> None:
    clinic = Clinic(tmp_path)
    clinic.add_local()

    def run(*arguments: object) -> Ended:
        return run_command(*arguments, folder=tmp_path, PYTHONPATH=str(lamp))

    assert re.search(r"^host\.lamp +The lamp is green", run("probes", "list").out, re.MULTILINE)
    plan = run("plan", clinic.site_file, "--visit", "six-month").out
    assert "--- lamp (posix)\necho red" in plan
    ended = run("run", clinic.site_file, "--visit", "six-month", "--only", "host.lamp", "--json")
    (finding,) = ended.assessment.findings
    assert (finding.probe, finding.target) == ("host.lamp", "here")
    text = pdf_text(clinic.report.with_suffix(".pdf"))
    assert "The lamp is not green." in text
    assert "Change the lamp." in text


def test_its_samples_are_its_tests(tmp_path: Path) -> None:
    """The shipped contract runs over the new probe as over any other, from its samples alone."""
    root = install_probe(tmp_path, own_probe("echo red", id="host.lamp"))
    folder = tmp_path / "samples" / "host.lamp"
    folder.mkdir(parents=True)
    for name, sample in SAMPLES.items():
        (folder / f"{name}.json").write_text(
            json.dumps({"now": "2026-11-20T10:00:00Z", **sample}), encoding="utf-8"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        found = contents(importlib.import_module(next(root.glob("own_probes*/lamp.py")).parent.name))
        (entry,) = found.entries
        assert [run_sample(entry, found.catalogue, path) for path in sorted(folder.iterdir())] == [[], [], []]
        assert problems(entry.probe, folder.parent) == []
