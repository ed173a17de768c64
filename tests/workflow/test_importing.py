"""`checkup import`: what was brought by hand is looked into, kept once, and judged like everything else."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checkup.api import ErrorClass, Quality, Visit
from checkup.assessment import Assessment
from checkup.cli import import_
from checkup.snapshot import EndpointSnapshot
from tests.servers.windows_machine import WindowsMachine
from tests.workflow.bundles import by_queries, by_winrm, run_by_hand
from tests.workflow.conftest import (
    IDENTITY,
    SITE,
    Clinic,
    Ended,
    answer_of,
    assert_adds_up,
    assert_clean,
    checkup,
    frames_of,
    install_probe,
    outcomes,
    own_probe,
    read_report,
)

pytestmark = pytest.mark.usefixtures("paper")

NOWHERE = {"transport": "bundle", "file": "none"}
SEEN = {"hostname": "WS-3"}

WINDOWS_LAMP = (
    own_probe("echo green")
    .replace("Shell, When", "PowerShell, Shell, When, Wmi, WmiQuery")
    .replace(
        'collect={"posix": Shell(',
        "collect={\"windows\": PowerShell(\"@{ 'colour' = 'green' }\"), "
        '"cim": Wmi((WmiQuery("Win32_Lamp", ("Colour",)),)), "posix": Shell(',
    )
    .replace(
        "return Lamp(str(raw).strip())",
        'return Lamp(raw["Win32_Lamp"][0]["Colour"] if source == "cim" else raw["colour"]'
        ' if source == "windows" else str(raw).strip())',
    )
)


def put(clinic: Clinic, name: str, content: bytes) -> Path:
    path = clinic.folder / name
    path.write_bytes(content)
    return path


def take(clinic: Clinic, *arguments: object) -> Ended:
    return checkup("import", clinic.site_file, *arguments)


def snapshots(clinic: Clinic) -> dict[str, EndpointSnapshot]:
    """The newest of each machine."""
    with clinic.store() as store:
        runs = [run.id for run in reversed(store.runs(SITE))]
        return {one.endpoint: one for run in runs for one in store.snapshots([run])}


def runs(clinic: Clinic) -> list[str]:
    if not clinic.store_file.exists():
        return []
    with clinic.store() as store:
        return [run.id for run in store.runs(SITE)]


@pytest.fixture
def linux(clinic: Clinic) -> Clinic:
    for name in ("srv-1", "srv-2"):
        clinic.add(name, NOWHERE)
    return clinic


@pytest.fixture
def windows(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, WINDOWS_LAMP))
    for name in ("srv", "ws-3", "ws-4", "ws-5"):
        clinic.add(name, NOWHERE, platform="windows")
    return clinic


# --- the way in -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_script_that_was_run_by_hand_comes_back_into_a_report(linux: Clinic) -> None:
    made = checkup("bundle", linux.site_file, "--host", "srv-1")
    script = linux.folder / made.out.strip()
    done = subprocess.run(["sh", script], capture_output=True, check=True)
    file = put(linux, "srv-1.bundle", done.stdout)
    ended = take(linux, file, "--visit", "six-month", "--json")
    assert ended.status in (0, 3), ended.err
    seen = outcomes(ended.assessment, "srv-1")
    assert "passed" in seen.values()
    assert seen["host.reachable"] == "not applicable"
    assert_adds_up(ended.assessment)
    assert_clean(linux.texts(ended))
    assert linux.report.with_suffix(".pdf").exists()
    assert "made by another plan" not in ended.err
    # Its script is in no ledger: nobody sent it.
    with linux.store() as store:
        assert store.ledger(runs(linux)) == []


def test_a_script_of_weeks_ago_is_known_by_its_look_back(
    linux: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checkup.workflow import bundling

    then = datetime.now(UTC) - timedelta(days=20)
    monkeypatch.setattr(bundling, "utc_now", lambda: then)
    made = checkup("bundle", linux.site_file, "--host", "srv-1")
    script = (linux.folder / made.out.strip()).read_bytes()
    hash_ = script.partition(b"\nbatch='")[2][:64].decode("ascii")
    ended = take(linux, put(linux, "srv-1.bundle", answer_of("srv-1", batch=hash_)))
    assert "made by another plan" not in ended.err


def test_an_answer_of_another_plan_is_taken_and_said_to_be_one(linux: Clinic) -> None:
    ended = take(linux, put(linux, "srv-1.bundle", answer_of("srv-1", batch="f" * 64)))
    assert ended.status in (0, 3)
    assert "the answer of srv-1 was made by another plan" in ended.err
    assert "srv-1.bundle (made by another plan)" in read_report(linux.report.with_suffix(".html"))


def test_several_files_are_one_run_of_the_open_visit(linux: Clinic) -> None:
    first = take(linux, put(linux, "1.bundle", answer_of("srv-1")), "--visit", "six-month")
    assert first.status in (0, 3), first.err
    # What is open goes before what is due.
    late = take(linux, put(linux, "2.bundle", answer_of("srv-2")), "--json")
    assert set(outcomes(late.assessment, "srv-1")) == set(outcomes(late.assessment, "srv-2"))
    assert late.assessment.visit is Visit.SIX_MONTH
    with linux.store() as store:
        assert len({run.visit_id for run in store.runs(SITE)}) == 1
    both = [put(linux, f"{n}.bundle", answer_of(f"srv-{n}", utc="9.0")) for n in (1, 2)]
    before = len(runs(linux))
    assert take(linux, *both).status in (0, 3)
    assert len(runs(linux)) == before + 1


def test_two_answers_of_a_machine_are_two_runs_and_the_newer_one_counts(
    linux: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install_probe(linux.folder, own_probe("echo green")))
    (frame,) = [replace(one, section="lamp", payload=b"red") for one in frames_of("srv-1")[:1]]
    now = datetime.now(UTC).timestamp()
    older = answer_of("srv-1", [frame], utc=str(now - 7 * 86400))
    newer = answer_of("srv-1", [replace(frame, payload=b"green")], utc=str(now))
    files = [put(linux, "b.bundle", older), put(linux, "a.bundle", newer)]
    ended = take(linux, *files, "--json")
    assert len(runs(linux)) == 2
    assert outcomes(ended.assessment, "srv-1")["own.lamp"] == "passed"


def test_utf_16_and_line_ends_of_windows_are_read(linux: Clinic) -> None:
    text = answer_of("srv-1").decode("ascii").replace("\n", "\r\n")
    assert take(linux, put(linux, "srv-1.txt", ("\ufeff" + text).encode("utf-16-le"))).status in (0, 3)
    assert snapshots(linux)["srv-1"].complete


# --- Windows --------------------------------------------------------------------------------------


def lamps(assessment: Assessment) -> dict[str, str]:
    names = [target.id for target in assessment.targets]
    return {name: outcomes(assessment, name)["own.lamp"] for name in names}


def test_a_windows_machines_answer_comes_back(windows: Clinic) -> None:
    machine = WindowsMachine("WS-3", sections={"lamp": {"colour": "green"}})
    checkup("bundle", windows.site_file, "--host", "ws-3")
    script = (windows.folder / "bundles" / "ws-3.ps1").read_bytes()
    file = put(windows, "ws-3_20261120-090000.bundle", run_by_hand(script, {"ws-3": by_winrm(machine)}))
    ended = take(windows, file, "--json")
    assert ended.status in (0, 3), ended.err
    assert lamps(ended.assessment) == {"ws-3": "passed"}
    assert "made by another plan" not in ended.err
    assert snapshots(windows)["ws-3"].connection["identity_check"] == "first"


def test_a_round_brings_every_machine_or_the_reason_why_not(windows: Clinic) -> None:
    checkup("bundle", windows.site_file, "--all", "--from", "srv")
    script = (windows.folder / "bundles" / f"{SITE}-from-srv.ps1").read_bytes()
    rows = {"lamp": b'{"Win32_Lamp": [{"Colour": "green"}]}'}
    asked = by_queries(script, "ws-4", rows, uuid="7a1b")
    file = put(
        windows,
        "harbour_20261120-090000.bundle",
        run_by_hand(
            script,
            {
                "srv": by_winrm(WindowsMachine("SRV", sections={"lamp": {"colour": "red"}})),
                "ws-3": by_winrm(
                    WindowsMachine("WS-3", sections={"lamp": {"colour": "green"}}, guid="3" * 8)
                ),
                "ws-4": lambda batch: asked,
                "ws-5": "denied by WinRM: no rights",
            },
        ),
    )
    ended = take(windows, file, "--json")
    assert ended.status == 3, ended.err
    found = lamps(ended.assessment)
    assert (found["srv"], found["ws-3"], found["ws-5"]) == ("finding", "passed", "not checked")
    assert "made by another plan" not in ended.err
    kept = snapshots(windows)
    assert (kept["ws-5"].error, kept["ws-5"].reason) == (ErrorClass.DENIED, "by WinRM: no rights")
    assert kept["ws-4"].hello["way"] == "wmi"
    assert kept["ws-4"].complete
    assert outcomes(ended.assessment, "ws-5")["host.reachable"] == "finding"
    assert outcomes(ended.assessment, "srv")["host.reachable"] == "not applicable"
    assert_adds_up(ended.assessment)


def test_what_a_neighbour_was_asked_by_queries_is_read_as_such(windows: Clinic) -> None:
    checkup("bundle", windows.site_file, "--all", "--from", "srv", "--host", "ws-3")
    script = (windows.folder / "bundles" / f"{SITE}-from-srv.ps1").read_bytes()
    asked = by_queries(script, "ws-3", {"lamp": b'{"Win32_Lamp": [{"Colour": "green"}]}'}, uuid="7a1b")
    machines = {"srv": by_winrm(WindowsMachine("SRV")), "ws-3": lambda batch: asked}
    ended = take(windows, put(windows, "round.bundle", run_by_hand(script, machines)), "--json")
    assert lamps(ended.assessment)["ws-3"] == "passed"


def test_a_neighbour_that_fell_asleep_keeps_what_it_had_said(windows: Clinic) -> None:
    checkup("bundle", windows.site_file, "--all", "--from", "srv", "--host", "ws-3")
    script = (windows.folder / "bundles" / f"{SITE}-from-srv.ps1").read_bytes()
    ws_3 = by_winrm(WindowsMachine("WS-3", sections={"lamp": {"colour": "green"}}, guid="3" * 8))

    def asleep(batch: bytes) -> bytes:
        return ws_3(batch)[:-150] + b"\n#CHECKUP-UNREACHED ws-3 dropped by WinRM: the line broke"

    machines = {"srv": by_winrm(WindowsMachine("SRV")), "ws-3": asleep}
    ended = take(windows, put(windows, "round.bundle", run_by_hand(script, machines)))
    assert ended.status == 3, ended.err
    kept = snapshots(windows)["ws-3"]
    assert (kept.error, kept.complete) == (ErrorClass.DROPPED, False)
    assert Quality.OK in {section.quality for section in kept.sections if section.source == "windows"}


# --- refused by name ------------------------------------------------------------------------------


def refused(clinic: Clinic, *arguments: object) -> str:
    """What is said; nothing is kept."""
    before = runs(clinic)
    ended = take(clinic, *arguments)
    assert ended.status == 4, ended.err
    assert runs(clinic) == before
    assert not (clinic.folder / "reports").exists()
    return ended.err


def test_a_damaged_answer_is_refused_with_file_machine_and_section(linux: Clinic) -> None:
    victim = next(frame for frame in frames_of("srv-1") if len(frame.payload) > 40)
    data = answer_of("srv-1")
    place = data.index(victim.payload[:40]) if victim.payload[:40] in data else data.rindex(b"\n", 0, 3000)
    damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    said = refused(linux, put(linux, "mail.bundle", damaged))
    assert "mail.bundle: the answer of srv-1 is damaged" in said
    assert f"(in: {victim.section})" in said
    assert "--partial" in said


def test_partial_takes_what_is_whole(linux: Clinic) -> None:
    data = answer_of("srv-1")
    file = put(linux, "cut.bundle", data[: len(data) // 2])
    assert "the answer of srv-1 breaks off" in refused(linux, file)
    ended = take(linux, file, "--partial", "--json")
    assert ended.status == 3, ended.err
    assert "passed" in outcomes(ended.assessment, "srv-1").values()
    assert not snapshots(linux)["srv-1"].complete


def test_an_answer_without_check_sums_is_refused(linux: Clinic) -> None:
    data = answer_of("srv-1")
    number = data.split(b" cksum=")[2].split(b" ")[0]
    file = put(linux, "bare.bundle", data.replace(b" cksum=" + number + b" ", b" cksum=- ", 1))
    assert "srv-1 has no check sums" in refused(linux, file)
    assert take(linux, file, "--partial").status in (0, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (answer_of("srv-1", site="another"), "srv-1 answers for site 'another', not for 'harbour'"),
        (answer_of("srv-9"), "no host 'srv-9' (it has: srv-1, srv-2)"),
        (answer_of("srv-1", platform="windows"), "the site file says `platform: posix`"),
        (b"Dear Adam,\n\nplease find attached\n", "it holds no answer of a check-up"),
        (b"#CHECKUP-UNREACHED ws-9 denied no\n", "no host 'ws-9'"),
    ],
)
def test_a_foreign_file_is_refused_whatever_is_asked(linux: Clinic, content: bytes, said: str) -> None:
    file = put(linux, "odd.bundle", content)
    assert said in refused(linux, file)
    assert said in refused(linux, file, "--partial")


def test_another_machine_under_the_name_is_refused_by_the_pin(linux: Clinic) -> None:
    take(linux, put(linux, "1.bundle", answer_of("srv-1")))
    other = answer_of("srv-1", identity="machine-id:" + "b" * 32)
    before = runs(linux)
    ended = take(linux, put(linux, "2.bundle", other))
    assert ended.status == 4
    assert f"known is {IDENTITY}" in ended.err
    assert "identity: machine-id:bbbb" in ended.err
    assert runs(linux) == before


def test_a_round_that_was_stopped_says_how_many_are_missing(windows: Clinic) -> None:
    checkup("bundle", windows.site_file, "--all", "--from", "srv")
    script = (windows.folder / "bundles" / f"{SITE}-from-srv.ps1").read_bytes()
    machines = {name: f"unreachable {name} is off" for name in ("srv", "ws-3", "ws-4", "ws-5")}
    data = run_by_hand(script, machines)
    said = refused(windows, put(windows, "round.bundle", data[: data.index(b"#CHECKUP-UNREACHED ws-4")]))
    assert "announces 4 machines and tells of 2" in said


def test_beside_a_file_that_is_refused_the_good_ones_are_taken(linux: Clinic) -> None:
    files = [put(linux, "1.bundle", answer_of("srv-1")), put(linux, "2.bundle", b"nothing")]
    ended = take(linux, *files, linux.folder / "missing.bundle")
    assert ended.status == 3
    assert "not taken: " in ended.err and "2.bundle: it holds no answer" in ended.err
    assert "was not brought yet" in ended.err
    assert set(snapshots(linux)) == {"srv-1"}


def test_the_same_file_twice_is_taken_once(linux: Clinic) -> None:
    file = put(linux, "1.bundle", answer_of("srv-1"))
    twin = put(linux, "copy.bundle", file.read_bytes())
    assert "the same file as" in take(linux, file, twin).err
    (run,) = runs(linux)
    again = take(linux, twin)
    assert again.status == 0
    assert f"already imported as run {run}" in again.err
    assert runs(linux) == [run]


def test_a_machine_with_another_way_in_is_not_connected_to(linux: Clinic) -> None:
    """Its site file says SSH with a fallback; what the file tells is all that is taken."""
    linux.credentials["admin"] = {"user": "admin", "password": "env:CLINIC_PASSWORD"}
    ssh = {"transport": "ssh", "host": "192.0.2.1", "credential": "admin"}
    linux.hosts[0] |= {"connect": ssh, "fallback": {"transport": "local"}}
    ended = take(linux, put(linux, "1.bundle", b"#CHECKUP-UNREACHED srv-1 unreachable it is off\n"))
    assert ended.status in (3, 4), ended.err
    kept = snapshots(linux)["srv-1"]
    assert (kept.error, kept.connection["transport"]) == (ErrorClass.UNREACHABLE, "bundle")
    assert kept.hello == {}


def test_hostile_words_in_a_file_are_printed_harmlessly(linux: Clinic) -> None:
    words = b"#CHECKUP-UNREACHED srv-1 denied \x1b[31m<script>alert(1)</script>\xe2\x80\xae\n"
    take(linux, put(linux, "1.bundle", words))
    html = linux.report.with_suffix(".html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "\x1b" not in html and "\u202e" not in html


# --- a folder that is watched ---------------------------------------------------------------------


def test_a_folder_gives_each_complete_file_once(linux: Clinic) -> None:
    inbox = linux.folder / "inbox"
    inbox.mkdir()
    whole, data = inbox / "a.bundle", answer_of("srv-1")
    whole.write_bytes(data)
    (inbox / "notes.txt").write_bytes(data)
    growing = inbox / "b.bundle"
    growing.write_bytes(answer_of("srv-2")[:-40])
    first = checkup("import", linux.site_file, "--watch", inbox, "--once")
    assert first.status in (0, 3), first.err
    assert set(snapshots(linux)) == {"srv-1"}
    growing.write_bytes(answer_of("srv-2"))
    assert checkup("import", linux.site_file, "--watch", inbox, "--once").status in (0, 3)
    assert set(snapshots(linux)) == {"srv-1", "srv-2"}
    before = runs(linux)
    assert checkup("import", linux.site_file, "--watch", inbox, "--once").status == 0
    assert runs(linux) == before
    assert {path.name for path in inbox.iterdir()} == {"a.bundle", "b.bundle", "notes.txt"}


def test_a_file_that_will_not_be_completed_is_named(linux: Clinic) -> None:
    cut = put(linux, "cut.bundle", answer_of("srv-1")[:-40])
    hours_ago = datetime.now(UTC).timestamp() - 7200
    os.utime(cut, (hours_ago, hours_ago))
    ended = checkup("import", linux.site_file, "--watch", linux.folder, "--once")
    assert ended.status == 0
    assert "cut.bundle: not complete, and not written to any more" in ended.err


def test_ctrl_c_ends_the_watching(linux: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def arrives(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt
        (linux.folder / "late.bundle").write_bytes(answer_of("srv-1"))

    monkeypatch.setattr(import_.time, "sleep", arrives)
    ended = checkup("import", linux.site_file, "--watch", linux.folder)
    assert (ended.status, looks) == (0, 2)
    assert set(snapshots(linux)) == {"srv-1"}


@pytest.mark.parametrize("arguments", [[], ["a.bundle", "--watch", "."]])
def test_files_or_a_folder_but_one_of_them(linux: Clinic, arguments: list[str]) -> None:
    ended = take(linux, *arguments)
    assert ended.status == 2
    assert "--watch FOLDER" in ended.err
