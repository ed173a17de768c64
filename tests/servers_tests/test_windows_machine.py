"""The stand-in for a Windows machine: what it prints is what our own reader expects of a real one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from winrm_client import ACCOUNTS, client, fragments, query

from checkup.batch import BatchSection
from checkup.batch.frames import Frame, FrameReader
from checkup.batch.hello import read_hello
from checkup.batch.powershell import (
    ARGUMENTS,
    BOOTSTRAP,
    LANGUAGE_MARK,
    PROGRAM,
    SSH_COMMAND,
    SSH_FIRST_LINE,
    assemble,
    token_of,
)
from tests.servers.sshd import needs_sshd, sshd
from tests.servers.windows_machine import RELEASES, WindowsMachine, install
from tests.servers.winrm import Output, WinrmServer

VOLUMES = {"Win32_LogicalDisk": [{"DeviceID": "C:", "Size": 2**40, "VolumeName": "Größe 東京", "Free": None}]}
SECTIONS: dict[str, Any] = {"volumes": VOLUMES, "services": {"names": ["W32Time"]}}


def batch(*names: str, checksums: bool = False) -> bytes:
    sections = [
        BatchSection(target="ws-3", name=name, version=2, script="@{}", timeout_s=7) for name in names
    ]
    return assemble(sections, site="cedar-ridge", endpoint="ws-3", checksums=checksums)


SCRIPT = batch("volumes", "services")


def started(machine: WindowsMachine, script: bytes = SCRIPT) -> list[Output]:
    """Everything it says, up to where it would hang."""
    arguments = [*ARGUMENTS, BOOTSTRAP]
    early = machine.before_input(PROGRAM, arguments)
    said: list[Output] = []
    for output in machine.run(PROGRAM, arguments, script) if early is None else early:
        said.append(output)
        if math.isinf(output.delay_s):
            break
    return said


def frames(outputs: Iterable[Output], script: bytes = SCRIPT) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader(token_of(script))
    return reader.feed(b"".join(output.stdout for output in outputs)), reader


@pytest.mark.parametrize("checksums", [False, True])
def test_a_batch_is_answered_from_what_was_recorded(checksums: bool) -> None:
    script = batch("volumes", "services", "unheard-of", checksums=checksums)
    said = started(WindowsMachine(sections=SECTIONS), script)
    read, reader = frames(said, script)
    assert reader.ended and not reader.noise_bytes
    assert [(frame.section, frame.version, str(frame.status)) for frame in read[1:-1]] == [
        ("volumes", 2, "ok"),
        ("services", 2, "ok"),
        ("unheard-of", 2, "unsupported"),
    ]
    assert json.loads(read[1].payload) == VOLUMES
    assert (said[-1].exit_code, read[1].reason) == (0, "" if checksums else "(without a checksum)")
    assert max(len(line) for line in said[-1].stdout.split(b"\n") if not line.startswith(b"#")) == 76
    assert said[-1].stdout.isascii()


def test_each_release_says_what_it_is() -> None:
    for version, release in RELEASES.items():
        read, _ = frames(started(WindowsMachine(version=version, clock_offset_s=-90)))
        hello = read_hello(read[0].payload)
        assert hello["kernel"] == f"Windows {release.number}"
        assert (hello["os_id"], hello["powershell"]) == (release.kind, release.powershell)
        assert (hello["site"], hello["endpoint"]) == ("cedar-ridge", "ws-3")
        assert hello["batch"].startswith(token_of(SCRIPT))
        assert 80 < time.time() - float(hello["utc"]) < 100


def test_a_program_that_is_not_ours_or_a_batch_that_changed_on_its_way_is_an_error_of_the_test() -> None:
    machine = WindowsMachine()
    with pytest.raises(FileNotFoundError):
        machine.before_input("pwsh.exe", [])
    with pytest.raises(AssertionError, match="not started as our batch is"):
        machine.before_input(PROGRAM, ["-Command", "-"])
    with pytest.raises(AssertionError, match="did not arrive as it was assembled"):
        list(machine.run(PROGRAM, [], SCRIPT.replace(b"'volumes'", b"'others'")))


def test_a_batch_that_was_cut_runs_nothing() -> None:
    said = started(WindowsMachine(sections=SECTIONS), SCRIPT[:-3])
    assert said[-1].exit_code == 1
    assert b"MissingEndCurlyBrace" in said[-1].stderr
    assert not any(output.stdout for output in said)


@pytest.mark.parametrize("slow", [False, True])
def test_constrained_language_is_all_that_it_says(slow: bool) -> None:
    machine = WindowsMachine(language="ConstrainedLanguage", slow_to_refuse=slow)
    assert (machine.before_input(PROGRAM, [*ARGUMENTS, BOOTSTRAP]) is None) == slow
    (said,) = started(machine)
    assert (said.stdout, said.exit_code) == (LANGUAGE_MARK + b"ConstrainedLanguage\r\n", 86)


def test_an_antivirus_block_is_told_in_clixml_over_winrm_and_in_text_over_ssh() -> None:
    machine = WindowsMachine(sections=SECTIONS, antivirus=True)
    said = started(machine)
    assert said[-1].stderr.startswith(b"#< CLIXML\r\n")
    assert b"ScriptContainedMaliciousContent" in said[-1].stderr
    (said,) = machine.over_ssh(SSH_COMMAND, SSH_FIRST_LINE + SCRIPT)
    assert b"ScriptContainedMaliciousContent\r\n" in said.stderr
    assert said.exit_code == 1


def test_sections_may_hang_be_late_or_be_denied() -> None:
    read, _ = frames(said := started(WindowsMachine(sections=SECTIONS, stuck=("services",))))
    assert [frame.section for frame in read] == ["", "volumes"]
    assert math.isinf(said[-1].delay_s)
    read, _ = frames(started(WindowsMachine(sections=SECTIONS, late=("volumes",))))
    assert [(str(frame.status), frame.reason) for frame in read[1:3]] == [
        ("timeout", "not done within 7 s (without a checksum)"),
        ("ok", "(without a checksum)"),
    ]
    read, _ = frames(started(WindowsMachine(sections=SECTIONS, filtered=True)))
    assert {str(frame.status) for frame in read[1:3]} == {"denied"}
    assert read_hello(read[0].payload)["elevated"] == "no"
    assert math.isinf(started(WindowsMachine(dumb=True))[-1].delay_s)
    qualities = {"volumes": ("partial", "one drive did not answer"), "services": ("absent", "none here")}
    read, _ = frames(started(WindowsMachine(sections={"volumes": VOLUMES}, qualities=qualities)))
    assert [str(frame.status) for frame in read[1:3]] == ["partial", "absent"]
    assert json.loads(read[1].payload) == VOLUMES


def test_noise_and_a_cut_are_byte_exact() -> None:
    noisy = WindowsMachine(sections=SECTIONS, banner="Nur für Berechtigte\r\n", noise="WARNUNG", codepage=850)
    read, reader = frames(started(noisy))
    assert reader.ended and len(read) == 4
    assert reader.noise.startswith("Nur für Berechtigte\n".encode("cp850"))
    for cut in (0, 1, 500, 1100):
        said = started(WindowsMachine(sections=SECTIONS, cut_at=cut))
        assert sum(len(output.stdout) for output in said) == cut
        assert said[-1].exit_code == 1


def test_frames_may_come_one_by_one() -> None:
    said = started(WindowsMachine(sections=SECTIONS, pause_s=0.01))
    assert [output.stdout.count(b"#CHECKUP") for output in said if output.stdout] == [1, 1, 1, 1]
    assert {output.delay_s for output in said if output.stdout} == {0.01}


def test_over_winrm_it_answers_batches_and_queries_alike() -> None:
    classes = {
        "root\\wmi:MSPower_DeviceEnable": [{"Enable": True}],
        "Win32_OperatingSystem": [{"Caption": "Windows"}],
    }
    machine = WindowsMachine(sections=SECTIONS, classes=classes)
    with WinrmServer(machine, ACCOUNTS) as server:
        protocol = client(server)
        shell = protocol.open_shell()
        running = protocol.run_command(shell, PROGRAM, [*ARGUMENTS, BOOTSTRAP], False, True)
        protocol.send_command_input(shell, running, SCRIPT, end=True)
        stdout, _, exit_code = protocol.get_command_output(shell, running)
        assert (frames([Output(stdout=stdout)])[1].ended, exit_code) == (True, 0)
        assert machine.scripts == [SCRIPT]
        for wql, namespace, found in (
            ("SELECT VolumeName FROM Win32_LogicalDisk", "root/cimv2", "Größe 東京"),
            ("SELECT CSName FROM Win32_OperatingSystem", "root/cimv2", "WS-3"),
            ("SELECT Caption FROM Win32_OperatingSystem", "root/cimv2", "Windows"),
            ("SELECT UUID FROM Win32_ComputerSystemProduct", "root/cimv2", machine.guid.upper()),
            ("SELECT Enable FROM MSPower_DeviceEnable", "root/wmi", "true"),
        ):
            (row,) = fragments(query(protocol, wql, namespace=namespace))
            assert row[0].text == found


@needs_sshd
@pytest.mark.sshd
def test_a_real_ssh_server_starts_it_as_powershell(tmp_path: Path) -> None:
    machine = WindowsMachine(sections=SECTIONS, banner="Willkommen\r\n")
    folder = install(tmp_path / "programs", machine).parent
    path = f"PATH={folder}:{os.environ['PATH']}"
    with sshd(tmp_path / "sshd", options={"SetEnv": path}) as server:
        command = ["ssh", "-T", "-p", str(server.port), "-i", str(server.key), "-o", "BatchMode=yes"]
        command += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'known'}"]
        command += ["-F", "none", f"{server.user}@127.0.0.1", SSH_COMMAND]
        done = subprocess.run(command, input=SSH_FIRST_LINE + SCRIPT, capture_output=True, timeout=30)
    read, reader = frames([Output(stdout=done.stdout)])
    assert reader.ended, done.stderr
    assert json.loads(read[1].payload) == VOLUMES
    assert done.returncode == 0
