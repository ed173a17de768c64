"""The commands beside `run`: what each prints, writes and leaves alone."""

from __future__ import annotations

import email
import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from checkup.batch.frames import Frame
from checkup.catalogue import load
from tests.servers.fake_ssh import listening
from tests.workflow.conftest import Clinic, answer_of, checkup, install_probe, own_probe, run_command


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_plan_prints_every_command_contacts_nothing_and_writes_nothing(clinic: Clinic) -> None:
    touched: list[socket.socket] = []
    with listening(touched.append) as port:
        clinic.credentials["admin"] = {"user": "admin", "password": "env:CLINIC_PASSWORD"}
        clinic.add("srv", {"transport": "ssh", "host": "127.0.0.1", "port": port, "credential": "admin"})
        clinic.add("lab", {"transport": "ssh", "host": "127.0.0.1", "port": port}, touch="never")
        site_file = clinic.site_file
        before = everything_in(clinic.folder)
        ended = checkup("plan", site_file, "--visit", "six-month")
        batch = checkup("plan", site_file, "--visit", "six-month", "--batch", "--host", "srv").out
        assert everything_in(clinic.folder) == before
    assert touched == []
    assert "lab: this machine is not touched" in ended.out
    for section in load().sections.values():
        if "posix" in section.collect:
            assert f"--- {section.name} (posix)" in ended.out
    assert "df -P -k -l" in ended.out
    script = batch[batch.index("# A check-up of srv") :]
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_validate_counts_the_hosts_or_names_every_problem(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    assert "Harbour Clinic, 1 hosts" in checkup("validate", clinic.site_file).out
    clinic.hosts[0]["platfrom"] = "posix"
    clinic.more["levels"] = {"host.uptime": {"long_dayz": 3}}
    ended = checkup("validate", clinic.site_file)
    assert ended.status == 2
    assert re.search(r'site\.yaml:\d+:\d+: hosts\.0\.platfrom: .*did you mean "platform"', ended.err)
    del clinic.hosts[0]["platfrom"]
    ended = checkup("validate", clinic.site_file)
    assert ended.status == 2
    assert re.search(r"site\.yaml:\d+:\d+: levels\.host\.uptime\.long_dayz: .*long_days", ended.err)


def test_due_lists_the_visits_of_the_contract(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    clinic.more["contract"] = {"package": "deluxe", "installed": "2026-01-05"}
    ended = checkup("due", clinic.site_file, "--as-of", "2026-02-03", "--json")
    (visit,) = [row for row in json.loads(ended.out) if row["visit"] == "30-day"]
    assert visit["due_on"] == "2026-02-04"
    assert "30-day" in checkup("due", clinic.site_file, "--as-of", "2026-02-03").out
    assert not clinic.store_file.exists()


def test_history_of_an_empty_store_makes_none(clinic: Clinic) -> None:
    ended = checkup("history")
    assert (ended.status, ended.out) == (0, "")
    assert not clinic.store_file.exists()


def lamp(name: str, colour: str) -> bytes:
    frame = Frame(kind="SECTION", target=name, section="lamp", version=1, payload=colour.encode())
    return answer_of(name, [frame])


@pytest.fixture
def two_visits(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A visit that was delivered with one dark lamp, and a later one that found another."""
    monkeypatch.syspath_prepend(install_probe(clinic.folder, own_probe("echo green")))
    clinic.more["contacts"] = {
        "practice_manager": {"name": "Rosa Alvarado", "email": "rosa@harbour.example"},
        "engineer": {"name": "Adam Novak", "email": "adam@vendor.example"},
    }
    clinic.add_bundle("hall", lamp("hall", "red"))
    clinic.add_bundle("cellar", lamp("cellar", "green"))
    assert checkup("run", clinic.site_file, "--visit", "six-month", "--only", "own").status == 0
    assert checkup("deliver", "harbour").status == 0
    (clinic.folder / "hall.txt").write_bytes(lamp("hall", "green"))
    (clinic.folder / "cellar.txt").write_bytes(lamp("cellar", "red"))
    assert checkup("run", clinic.site_file, "--visit", "six-month", "--only", "own").status == 0
    return clinic


@pytest.mark.usefixtures("paper")
def test_diff_says_what_is_new_and_what_is_resolved(two_visits: Clinic) -> None:
    lines = checkup("diff", "harbour").out.splitlines()
    assert "compared with the six-month visit" in lines[0]
    assert [line.split() for line in lines[1:]] == [
        ["new", "P3", "cellar", "own.lamp"],
        ["resolved", "P3", "hall", "own.lamp"],
    ]


@pytest.mark.usefixtures("paper")
def test_history_lists_the_runs_newest_first(two_visits: Clinic) -> None:
    newest, oldest = json.loads(checkup("history", "--json").out)
    assert (newest["delivered"], oldest["delivered"]) == (False, True)
    assert newest["state"] == "complete"
    assert newest["findings"]["P3"] == 1
    assert len(checkup("history", "harbour").out.splitlines()) == 2
    assert checkup("history", "another").out == ""


@pytest.mark.usefixtures("paper")
def test_deliver_lays_down_a_draft_that_nobody_sent(two_visits: Clinic) -> None:
    ended = checkup("deliver", "harbour")
    assert ended.status == 0, ended.err
    (path,) = re.findall(r"draft: +(\S+\.eml)", ended.out)
    draft = email.message_from_bytes((two_visits.folder / path).read_bytes())
    assert draft["X-Unsent"] == "1"
    assert "rosa@harbour.example" in draft["To"]
    assert any(part.get_filename("").endswith(".pdf") for part in draft.walk())
    with two_visits.store() as store:
        assert all(visit.closed_at is not None for visit in store.visits("harbour"))


@pytest.mark.usefixtures("paper")
def test_analyse_adds_an_assessment_and_contacts_nothing(two_visits: Clinic) -> None:
    for bundle in two_visits.folder.glob("*.txt"):
        bundle.unlink()
    with two_visits.store() as store:
        before = len(store.assessments("harbour"))
    ended = checkup("analyse", "harbour", "--as-of", "2030-01-01", "--json")
    assert ended.status == 0, ended.err
    assert ended.assessment.clock.year == 2030
    with two_visits.store() as store:
        assert len(store.assessments("harbour")) == before + 1


@pytest.mark.usefixtures("paper")
def test_collect_alone_prints_the_runs_id_and_writes_no_report(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    ended = checkup("collect", clinic.site_file, "--visit", "interim")
    assert ended.status == 0, ended.err
    with clinic.store() as store:
        assert [run.id for run in store.runs()] == [ended.out.strip()]
    assert not (clinic.folder / "reports").exists()
    assert checkup("report", ended.out.strip()).status == 4  # not analysed yet
    assert checkup("analyse", ended.out.strip()).status == 0
    assert checkup("report", ended.out.strip()).status == 0


def test_schema_is_json_schema(clinic: Clinic) -> None:
    schema = json.loads(checkup("schema").out)
    assert {"site", "contract", "hosts"} <= set(schema["properties"])


@pytest.mark.usefixtures("paper")
def test_doctor_says_of_everything_whether_it_is_there_and_how_to_get_it(clinic: Clinic) -> None:
    ended = checkup("doctor")
    lines = ended.out.splitlines()
    lacking = [number for number, line in enumerate(lines) if line.startswith(("MISSING", "absent"))]
    assert ended.status == (3 if "MISSING" in ended.out else 0)
    assert all(lines[number + 1].startswith(" " * 11) for number in lacking)
    assert any("PDF" in line for line in lines)
    assert any("SSH agent" in lines[number] for number in lacking)


def test_probes_lists_and_shows_every_one(clinic: Clinic) -> None:
    listed = checkup("probes", "list").out.splitlines()
    assert len(listed) == len(load().entries) >= 16
    shown = checkup("probes", "show", "host.volume-space").out
    for word in ("**", "- Remedy: ", "- To verify: ", "`tight` = 0.8", "- Rights: ", "df -P -k -l"):
        assert word in shown


ANSWERS = {
    "this machine": ["Rose Hill", "2026-04-20", "America/Denver", "US", "", "deluxe", "Adam Novak"],
    "two machines": [
        "Rose Hill",
        "2026-04-20",
        "Europe/Berlin",
        "DE",
        "10.0.0.5 srv-db.rose-hill.example",
        "checkup",
        "~/.ssh/id_ed25519",
        "premium",
        "",
    ],
    "nothing but a name": ["Rose Hill", *[""] * 8],
}


@pytest.mark.slow
@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_init_writes_a_site_file_that_validates(tmp_path: Path, answers: list[str]) -> None:
    made = run_command("init", "site.yaml", folder=tmp_path, stdin="\n".join([*answers, ""]))
    assert made.status == 0, made.err
    checked = run_command("validate", "site.yaml", folder=tmp_path)
    assert checked.status == 0, checked.err
    assert "Rose Hill" in checked.out
    again = run_command("init", "site.yaml", folder=tmp_path)
    assert again.status == 2
    assert "exists already" in again.err


@pytest.mark.parametrize(
    ("number", "answer"), [(1, "yesterday"), (2, "Mars/Olympus"), (3, "Utopia"), (5, "gold")]
)
def test_init_refuses_an_answer_that_makes_no_site_file(tmp_path: Path, number: int, answer: str) -> None:
    answers = list(ANSWERS["this machine"])
    answers[number] = answer
    ended = run_command("init", "site.yaml", folder=tmp_path, stdin="\n".join([*answers, ""]))
    assert ended.status == 2, ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "site.yaml").exists()
