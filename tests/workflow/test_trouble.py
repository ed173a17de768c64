"""Whatever goes wrong with one machine: the others are complete, the report is written and says what
was not checked and why, the exit status is right, and no secret and no traceback appears."""

from __future__ import annotations

import html
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import paramiko
import pytest

from checkup.api import Quality
from checkup.batch.frames import Frame
from checkup.collect import machine_endpoint
from checkup.collect.events import Event
from checkup.store import engine
from checkup.store.records import RunState
from checkup.transports import ssh
from checkup.workflow import check_up
from tests.servers.fake_ssh import FakeSsh, fake_ssh, listening
from tests.servers.relay import relay
from tests.servers.sshd import needs_sshd, sshd
from tests.workflow.conftest import (
    IDENTITY,
    PASSWORD,
    SOON,
    Clinic,
    Ended,
    answer_of,
    answer_to,
    assert_adds_up,
    assert_clean,
    checkup,
    errors,
    frames_of,
    install_probe,
    outcomes,
    own_frames,
    own_probe,
    pdf_text,
    start_command,
    stored_text,
)

Handler = Callable[[paramiko.Channel, bytes], None]


def answers(name: str, before: bytes = b"", **more: Any) -> Handler:
    """A machine that answers every batch as this one would."""

    def handler(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(before + answer_to(script, name, **more))
        channel.send_exit_status(0)

    return handler


@contextmanager
def machine(name: str, handler: Handler | None = None, **more: Any) -> Iterator[FakeSsh]:
    """A machine that lets the clinic's account in."""
    with fake_ssh(FakeSsh(password=PASSWORD, handler=handler or answers(name), **more)) as server:
        yield server


def assert_examined(ended: Ended, name: str) -> None:
    """Every section that this machine has came in."""
    assert "not complete" not in ended.finished[name]
    assert outcomes(ended.assessment, name)["host.memory"] != "not checked"


def assert_others_complete_and_all_said(clinic: Clinic, ended: Ended, *others: str) -> None:
    assert ended.status == 3, ended.err
    assert_adds_up(ended.assessment)
    for name in others:
        assert_examined(ended, name)
    texts = clinic.texts(ended)
    assert_clean(texts)
    printed = html.unescape(texts[f"{clinic.report.name}.html"])
    for result in ended.assessment.not_checked:
        assert result.reason
        assert ended.assessment.probes[result.probe].title in printed


# --- machines that cannot be reached ------------------------------------------------------------


def nowhere(stack: ExitStack) -> dict[str, Any]:
    return {"host": "no-such-machine.invalid", "port": 22}


def refusing(stack: ExitStack) -> dict[str, Any]:
    nobody = stack.enter_context(socket.socket())
    nobody.bind(("127.0.0.1", 0))
    return {"host": "127.0.0.1", "port": nobody.getsockname()[1]}


def mute(stack: ExitStack) -> dict[str, Any]:
    def hold(client: socket.socket) -> None:
        while client.recv(4096):
            pass

    return {"host": "127.0.0.1", "port": stack.enter_context(listening(hold))}


def another_key(stack: ExitStack) -> dict[str, Any]:
    server = stack.enter_context(machine("bad"))
    return {"host": "127.0.0.1", "port": server.port, "host_key": "SHA256:" + "A" * 43}


def refusing_the_login(stack: ExitStack) -> dict[str, Any]:
    server = stack.enter_context(fake_ssh(FakeSsh(password="another")))
    return {"host": "127.0.0.1", "port": server.port, "host_key": server.host_key.fingerprint}


@pytest.mark.usefixtures("soon", "paper")
@pytest.mark.parametrize(
    ("trouble", "error", "probe"),
    [
        (nowhere, "unreachable", "host.reachable"),
        (refusing, "unreachable", "host.reachable"),
        (mute, "timeout", "host.reachable"),
        (another_key, "host_key", "host.identity"),
        (refusing_the_login, "auth", "host.reachable"),
    ],
)
def test_a_machine_that_cannot_be_reached_is_one_finding(
    clinic: Clinic, trouble: Callable[[ExitStack], dict[str, Any]], error: str, probe: str
) -> None:
    with ExitStack() as stack:
        clinic.add_ssh("good", stack.enter_context(machine("good")))
        clinic.credentials["other"] = {"user": "other", "password": "env:CLINIC_PASSWORD"}
        clinic.add("bad", {"transport": "ssh", "credential": "other", **trouble(stack)})
        clinic.add_bundle("brought")
        ended = clinic.run()
    assert_others_complete_and_all_said(clinic, ended, "good", "brought")
    found = [f.probe for f in ended.assessment.findings if f.target == "bad"]
    assert found == [probe]
    assert errors(ended.assessment, "bad") == {error}


@pytest.mark.usefixtures("soon", "paper")
def test_forty_machines_and_a_wrong_password_make_exactly_one_attempt(clinic: Clinic) -> None:
    clinic.add_bundle("brought")
    with fake_ssh(FakeSsh(password="another")) as server:
        for number in range(40):
            clinic.add_ssh(f"host-{number}", server)
        ended = clinic.run("--only", "host.reachable", "--only", "host.memory")
        assert server.attempts == [("password", "admin")]
    assert_others_complete_and_all_said(clinic, ended, "brought")
    findings = [f for f in ended.assessment.findings if f.probe == "host.reachable"]
    assert len(findings) == 40
    assert sum("not tried" in str(f.evidence["detail"]) for f in findings) == 39


# --- machines that stop in the middle -----------------------------------------------------------


def hangs(name: str, after: int) -> tuple[Handler, threading.Event]:
    """Says nothing more after so many sections, to whatever batch it is given."""
    over = threading.Event()

    def handler(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(answer_to(script, name, sections=after))
        over.wait(60)

    return handler, over


@pytest.mark.usefixtures("soon", "paper")
def test_a_machine_that_hangs_in_mid_batch_keeps_what_it_had_said(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_endpoint.MachineVisit, "_budget", lambda self, left: 0.5)  # pyright: ignore[reportPrivateUsage]
    handler, over = hangs("bad", after=6)
    with machine("bad", handler) as server:
        clinic.add_ssh("bad", server)
        clinic.add_bundle("brought")
        ended = clinic.run()
        over.set()
    assert_others_complete_and_all_said(clinic, ended, "brought")
    kept = {frame.section for frame in own_frames()[:6]}
    with clinic.store() as store:
        (bad,) = [s for s in store.snapshots([store.runs()[0].id]) if s.endpoint == "bad"]
        assert {s.section for s in bad.sections if s.error != "timeout"} == kept | {"connection"}
        assert not bad.complete
        assert [entry.outcome for entry in store.ledger([store.runs()[0].id]) if entry.endpoint == "bad"] == [
            "timeout",
            "timeout",
            "timeout",
        ]


SLEEP = own_probe("sleep 60; echo green", section="lamp", timeout_s=1)


@pytest.mark.sshd
@needs_sshd
@pytest.mark.usefixtures("soon", "paper")
@pytest.mark.parametrize("lacking", [(), ("timeout",)], ids=["ended by the machine", "ended by us"])
def test_a_section_that_sleeps_costs_only_itself(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...]
) -> None:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, SLEEP))
    monkeypatch.setattr(machine_endpoint, "GRACE_S", 1)
    options = poor_account(clinic.folder, *lacking)
    with sshd(clinic.folder / "sshd", options=options) as server:
        clinic.add_ssh("bad", server)
        ended = clinic.run("--only", "own", "--only", "host.uptime", "--only", "host.os-support")
        assert server.logins == 1
        assert server.sessions == (2 if lacking else 1)
    seen = outcomes(ended.assessment, "bad")
    assert seen.pop("own.lamp") == "not checked"
    assert "not checked" not in seen.values()
    assert errors(ended.assessment, "bad") == {"timeout"}
    assert_others_complete_and_all_said(clinic, ended)


@pytest.mark.sshd
@needs_sshd
@pytest.mark.usefixtures("soon", "paper")
def test_a_server_that_is_stopped_in_mid_batch(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, SLEEP))
    monkeypatch.setattr(ssh, "Deadlines", lambda: replace(SOON, channel_s=1))
    clinic.add_bundle("brought")
    with sshd(clinic.folder / "sshd", options=poor_account(clinic.folder, "timeout")) as server:
        clinic.add_ssh("bad", server)

        def freeze() -> None:
            while server.sessions == 0:
                time.sleep(0.02)
            server.freeze()

        freezing = threading.Thread(target=freeze, daemon=True)
        freezing.start()
        ended = clinic.run("--only", "own", "--only", "host.reachable", "--only", "host.memory")
        freezing.join()
    assert outcomes(ended.assessment, "bad")["own.lamp"] == "not checked"
    assert_others_complete_and_all_said(clinic, ended, "brought")


@pytest.mark.usefixtures("soon", "paper")
def test_a_line_that_is_cut_in_mid_batch_keeps_what_had_come(clinic: Clinic) -> None:
    clinic.add_bundle("brought")
    with machine("bad") as server, relay(("127.0.0.1", server.port), cut_after=5_000) as line:
        clinic.add_ssh("bad", server, port=line.port)
        ended = clinic.run()
        assert line.connections == 1
    assert_others_complete_and_all_said(clinic, ended, "brought")
    assert outcomes(ended.assessment, "bad")["host.reachable"] == "finding"
    assert errors(ended.assessment, "bad") == {"dropped"}


# --- machines that say odd things ---------------------------------------------------------------

NOISE = random.Random(1).randbytes(3_000_000) + b"\n" + b"Welcome to \x1b[31mHarbour\x1b[0m\r\n" * 1000


@pytest.mark.usefixtures("soon", "paper")
def test_megabytes_of_noise_before_the_frames_are_harmless(clinic: Clinic) -> None:
    with machine("noisy", answers("noisy", before=NOISE)) as server:
        clinic.add_ssh("noisy", server)
        ended = clinic.run()
    assert ended.status in (0, 3), ended.err
    assert_examined(ended, "noisy")
    assert_adds_up(ended.assessment)
    texts = clinic.texts(ended)
    assert_clean(texts)
    assert all("\x1b" not in text for name, text in texts.items() if name != "store")
    with clinic.store() as store:
        (snapshot,) = store.snapshots([store.runs()[0].id])
    assert snapshot.noise_bytes > 3_000_000
    assert len(snapshot.noise) <= 4000


@pytest.mark.usefixtures("soon", "paper")
def test_an_account_without_a_shell_is_a_finding(clinic: Clinic) -> None:
    def nologin(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(b"This account is currently not available.\n")
        channel.send_exit_status(1)

    clinic.add_bundle("brought")
    with machine("bad", nologin) as server:
        clinic.add_ssh("bad", server)
        ended = clinic.run()
    assert_others_complete_and_all_said(clinic, ended, "brought")
    assert outcomes(ended.assessment, "bad")["host.reachable"] == "finding"


def poor_account(folder: Path, *lacking: str) -> dict[str, str]:
    """Options of an sshd whose account has no other programs than these, and a POSIX sh."""
    if any(shutil.which(tool, path="/usr/sbin:/sbin") for tool in lacking):
        pytest.skip("the batch adds /usr/sbin to PATH, and here that holds every program")
    programs = folder / "programs"
    programs.mkdir()
    for source in (Path("/bin"), Path("/usr/bin")):
        for program in source.iterdir():
            if program.name not in lacking and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    # A home of its own: the account's real one may hold start-up files that need those programs.
    return {"ForceCommand": f"PATH={programs} exec sh", "SetEnv": f"HOME={folder}"}


@pytest.mark.sshd
@needs_sshd
@pytest.mark.usefixtures("soon", "paper")
@pytest.mark.parametrize(
    ("lacking", "probes"),
    [
        (("bash",), {}),
        (("df",), {"host.volume-space": "not applicable"}),
        (("systemctl",), {"host.failed-services": "not applicable"}),
        (("awk", "sed", "sort", "cut"), {}),
        (("base64", "openssl", "od", "cksum", "dd"), {}),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_a_machine_that_lacks_a_program(
    clinic: Clinic, lacking: tuple[str, ...], probes: dict[str, str]
) -> None:
    clinic.add_bundle("brought")
    with sshd(clinic.folder / "sshd", options=poor_account(clinic.folder, *lacking)) as server:
        clinic.add_ssh("poor", server)
        ended = clinic.run()
    assert ended.status in (0, 3), ended.err
    assert "not complete" not in ended.finished["poor"]
    seen = outcomes(ended.assessment, "poor")
    assert seen["host.reachable"] == "passed"
    assert probes.items() <= seen.items()
    assert_adds_up(ended.assessment)
    assert_clean(clinic.texts(ended))


@pytest.mark.sshd
@needs_sshd
@pytest.mark.usefixtures("soon", "paper")
def test_a_machine_without_proc(clinic: Clinic) -> None:
    hidden = "mount -t tmpfs none /proc && exec sh"
    try:
        tried = subprocess.run(["unshare", "-m", "sh", "-c", hidden], input=b"exit 0", capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs unshare, to hide /proc from one shell")
    if tried.returncode != 0:
        pytest.skip("may not hide /proc from one shell here (needs root)")
    options = {"ForceCommand": f"exec unshare -m sh -c '{hidden}'"}
    with sshd(clinic.folder / "sshd", options=options) as server:
        clinic.add_ssh("bare", server)
        clinic.add_bundle("brought")
        ended = clinic.run()
    assert ended.status in (0, 3), ended.err
    assert "not complete" not in ended.finished["bare"]
    assert_examined(ended, "brought")
    assert outcomes(ended.assessment, "bare")["host.uptime"] in ("not applicable", "not checked")
    assert_adds_up(ended.assessment)
    assert_clean(clinic.texts(ended))


# --- machines that must not be touched, or are not the right ones -------------------------------


@pytest.mark.usefixtures("soon", "paper")
def test_a_machine_not_to_be_touched_is_not_even_connected_to(clinic: Clinic) -> None:
    touched: list[socket.socket] = []
    clinic.add_bundle("brought")
    with listening(touched.append) as port:
        address = {"transport": "ssh", "host": "127.0.0.1", "port": port, "credential": "admin"}
        clinic.credentials["admin"] = {"user": "admin", "password": "env:CLINIC_PASSWORD"}
        clinic.add("never", address, touch="never")
        clinic.add("cath-lab", address, role="cath-control")
        ended = clinic.run()
    assert touched == []
    assert_others_complete_and_all_said(clinic, ended, "brought")
    for name in ("never", "cath-lab"):
        assert set(outcomes(ended.assessment, name).values()) == {"not checked"}
        assert errors(ended.assessment, name) == {"opted_out"}


@pytest.mark.usefixtures("soon", "paper")
@pytest.mark.parametrize(
    ("at", "touched"),
    [
        (datetime(2026, 6, 3, 10, 0), False),
        (datetime(2026, 6, 3, 20, 0), True),
        (datetime(2026, 6, 6, 10, 0), True),
    ],
    ids=["in clinic hours", "in the evening", "on a Saturday"],
)
def test_a_machine_to_be_touched_in_quiet_hours(clinic: Clinic, at: datetime, touched: bool) -> None:
    now = at.replace(tzinfo=ZoneInfo("America/Denver"))
    with machine("quiet") as server:
        clinic.add_ssh("quiet", server)
        clinic.hosts[0]["touch"] = "quiet"
        wish = check_up.Wish(site_file=clinic.site_file, only=("host.reachable",))
        done = check_up.check_up(wish, progress=no_progress, say=lambda text: None, clock=lambda: now)
        assert bool(server.attempts) is touched
    assert done.assessment is not None
    assert errors(done.assessment, "quiet") == (set() if touched else {"opted_out"})


@contextmanager
def no_progress(endpoints: int) -> Iterator[Callable[[Event], None]]:
    yield lambda event: None


@pytest.mark.usefixtures("soon", "paper")
def test_another_clinic_under_the_same_address_is_refused_and_nothing_of_it_is_kept(clinic: Clinic) -> None:
    answering: dict[str, str] = {}

    def handler(channel: paramiko.Channel, script: bytes) -> None:
        answers("srv", before=answering.get("before", "").encode(), **answering)(channel, script)

    clinic.add_bundle("brought")
    with machine("srv", handler) as server:
        clinic.add_ssh("srv", server)
        assert_examined(clinic.run(), "srv")
        kept = stored_text(clinic.store_file)
        assert IDENTITY in kept
        answering |= {"identity": "machine-id:" + "b" * 32, "hostname": "rose-hill-db-7"}
        shutil.rmtree(clinic.folder / "reports")
        ended = clinic.run("--visit", "tune-up")  # a visit of its own: what the first one saw stays its own
    assert_others_complete_and_all_said(clinic, ended, "brought")
    seen = outcomes(ended.assessment, "srv")
    assert seen.pop("host.identity") == "finding"
    assert set(seen.values()) == {"not checked"}
    assert errors(ended.assessment, "srv") == {"identity"}
    assert "rose-hill" not in stored_text(clinic.store_file)
    with clinic.store() as store:
        assert store.identity("harbour", "srv") == IDENTITY


# --- the engineer's own side --------------------------------------------------------------------


def big_answer(name: str) -> bytes:
    """A megabyte and a half that cannot be compressed."""
    payload = random.Random(name).randbytes(1_500_000)
    return answer_of(
        name,
        [frame for frame in frames_of(name) if frame.section != "units"]
        + [Frame(kind="SECTION", target=name, section="units", version=1, payload=payload)],
    )


def assert_first_is_kept(clinic: Clinic, ended: Ended) -> None:
    assert ended.status == 4, ended.err
    assert "the disk is full" in ended.err
    assert "first" in ended.finished
    assert "second" not in ended.finished
    assert outcomes(ended.assessment, "second")["host.memory"] != "not checked"  # lost, yet reported
    assert clinic.report.with_suffix(".pdf").exists()
    with clinic.store() as store:
        (run,) = store.runs()
        assert store.finished_endpoints(run.id) == {"first"}


@pytest.mark.usefixtures("paper")
def test_a_store_that_is_full_keeps_the_earlier_machines_and_still_reports(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.add_bundle("first")
    clinic.add_bundle("second", big_answer("second"))
    connect = engine._on_connect  # pyright: ignore[reportPrivateUsage]

    def small(connection: sqlite3.Connection, record: Any) -> None:
        connect(connection, record)
        connection.execute("PRAGMA max_page_count = 90")

    monkeypatch.setattr(engine, "_on_connect", small)
    ended = clinic.run("--parallel", "1")
    monkeypatch.undo()
    monkeypatch.chdir(clinic.folder)
    assert_first_is_kept(clinic, ended)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True, capture_output=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("may not mount a small file system here (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("paper")
def test_a_disk_that_is_full_keeps_the_earlier_machines_and_still_reports(
    clinic: Clinic, small_disk: Path
) -> None:
    clinic.add_bundle("first")
    clinic.add_bundle("second", big_answer("second"))
    store = small_disk / "store.db"
    ended = clinic.run("--parallel", "1", "--store", str(store))
    shutil.copytree(small_disk, clinic.folder, dirs_exist_ok=True)
    assert_first_is_kept(clinic, ended)


@pytest.mark.usefixtures("paper")
def test_a_report_that_cannot_be_written_is_exit_4_and_loses_nothing(clinic: Clinic) -> None:
    clinic.add_bundle("brought")
    (clinic.folder / "reports").write_text("a file is in the way")
    ended = clinic.run()
    assert ended.status == 4
    assert "the report could not be written" in ended.err
    assert "Traceback" not in ended.err
    again = checkup("report", "harbour", "--output", clinic.folder / "elsewhere")
    assert again.status == 0, again.err
    assert list((clinic.folder / "elsewhere").glob("*.html"))


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_resume_contacts_only_the_rest(clinic: Clinic) -> None:
    handler, over = hangs("slow", after=3)
    with machine("slow", handler) as slow, machine("quick") as quick:
        clinic.add_bundle("brought")
        clinic.add_ssh("quick", quick)
        clinic.add_ssh("slow", slow)
        running = start_command("run", clinic.site_file, "--json", folder=clinic.folder)
        running.read_until("quick: done")
        while not slow.commands:
            time.sleep(0.02)
        ended = running.send(signal.SIGINT)
        over.set()
        assert ended.status == 130, ended.err
        assert_clean(clinic.texts(ended))
        assert_adds_up(ended.assessment)
        assert outcomes(ended.assessment, "quick")["host.reachable"] == "passed"
        assert set(outcomes(ended.assessment, "slow").values()) == {"not checked"}
        with clinic.store() as store:
            (run,) = store.runs()
            assert run.state is RunState.INTERRUPTED
            assert store.finished_endpoints(run.id) == {"brought", "quick"} & set(ended.finished)
        assert f"--resume {run.id}" in ended.err

        slow.handler = answers("slow")
        resumed = start_command("run", clinic.site_file, "--resume", run.id, "--json", folder=clinic.folder)
        out, err = resumed.process.communicate(timeout=60)
        done = Ended(resumed.process.returncode, out, err)
        assert done.status in (0, 3), err
        assert set(done.finished) == {"slow"} | ({"brought", "quick"} - set(ended.finished))
        assert len(quick.attempts) == 1
        assert "not checked" not in outcomes(done.assessment, "slow")["host.reachable"]
    with clinic.store() as store:
        assert [r.state for r in store.runs()] == [RunState.COMPLETE]


# --- hostile facts ------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31mred\x1b[0m\u202egnp.exe\u2066\u200b{item}%s$(id)`id`../../x"


def hostile_frames(name: str) -> list[Frame]:
    """Each section says something hostile: in its own form, or in none, with NUL, or at great length."""
    made: list[Frame] = []
    for number, frame in enumerate(frames_of(name)):
        lines = frame.payload.decode("utf-8", "replace").splitlines()
        own_form = "\n".join(HOSTILE.join(line.rsplit(" ", 1)) for line in lines)
        if frame.section == "volumes":
            own_form = DF + "/" + HOSTILE
        said = (own_form, HOSTILE, "\0" + HOSTILE + "\0", (HOSTILE * 200_000)[:7_000_000])
        in_form = frame.section in ("volumes", "units", "administrators")
        text = said[0 if in_form else number % len(said)]
        made.append(replace(frame, status=Quality.OK, payload=text.encode()))
    return made


# `df -P -k` of a machine whose one volume is full.
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 9999999 9999000 999 100% "


@pytest.mark.slow
def test_hostile_facts_are_printed_harmlessly(clinic: Clinic) -> None:
    clinic.add_bundle("good")
    clinic.add_bundle(
        "evil", answer_of("evil", hostile_frames("evil"), hostname=HOSTILE, os_id=HOSTILE, user=HOSTILE)
    )
    clinic.add_bundle("long", answer_of("long", [TEN_MEGABYTES]))
    ended = clinic.run()
    assert_others_complete_and_all_said(clinic, ended, "good")
    assert any("script" in finding.item for finding in ended.assessment.findings)
    texts = clinic.texts(ended)
    assert "<script>alert" not in texts[f"{clinic.report.name}.html"]
    for kind in ("html", "json", "pdf"):
        text = texts[f"{clinic.report.name}.{kind}"]
        assert not set("\x1b\0\u202e\u2066") & set(text), kind
    assert "\x1b" not in ended.out + ended.err
    assert "‹U+202E›" in pdf_text(clinic.report.with_suffix(".pdf"))


TEN_MEGABYTES = Frame(kind="SECTION", target="long", section="system", version=1, payload=b"x" * 10_000_000)


# --- site files ---------------------------------------------------------------------------------

BROKEN = {
    "an empty file": ("", "site.yaml:1:1"),
    "a list": ("- version: 1\n", "site.yaml:1:1"),
    "a tab": ("version: 1\nsite:\n\tid: x\n", "site.yaml:3:1"),
    "five megabytes": ("version: 1\n" + "# x\n" * 1_310_720, "site.yaml: is larger than 1 MB"),
    "a word": ("hello\n", "site.yaml:1:1"),
    "binary": ("\x00\x01\x02", "site.yaml:1:1"),
}


@pytest.mark.parametrize(("content", "place"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_site_file_is_exit_2_with_its_place_and_nothing_is_contacted(
    clinic: Clinic, content: str, place: str
) -> None:
    path = clinic.folder / "site.yaml"
    path.write_text(content, encoding="utf-8")
    for name in ("run", "plan", "validate", "due"):
        ended = checkup(name, path)
        assert ended.status == 2, name
        assert place in ended.err
        assert "Traceback" not in ended.err
        assert ended.out == ""
    assert not clinic.store_file.exists()
    assert not (clinic.folder / "reports").exists()
