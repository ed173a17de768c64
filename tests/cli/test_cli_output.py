"""Machine output on stdout, everything for people on stderr; no colour and no traceback unasked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from checkup import secrets
from checkup.workflow import prepare
from tests.workflow.conftest import PASSWORD, Clinic, checkup, command, environment, outcomes, run_command

SEEN = ("--only", "host.uptime", "--only", "host.memory", "--visit", "interim")


@pytest.mark.usefixtures("paper")
def test_json_is_one_document_and_nothing_else_on_stdout(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    for arguments in (
        ["run", clinic.site_file, *SEEN],
        ["analyse", "harbour"],
        ["report", "harbour"],
        ["plan", clinic.site_file],
        ["due", clinic.site_file],
        ["history"],
    ):
        ended = checkup(*arguments, "--json")
        assert ended.status in (0, 3), ended.err
        assert json.loads(ended.out), arguments


@pytest.mark.usefixtures("paper")
def test_without_json_a_run_prints_nothing_on_stdout(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    ended = checkup("run", clinic.site_file, *SEEN)
    assert ended.out == ""
    assert "[1/1] srv: done" in ended.err
    assert "2 checks planned" in ended.err


@pytest.mark.usefixtures("paper")
def test_only_and_host_narrow_a_run(clinic: Clinic) -> None:
    clinic.add_bundle("one")
    clinic.add_bundle("two")
    ended = clinic.run("--only", "host.uptime", "--host", "two")
    assert set(ended.finished) == {"two"}
    assert set(outcomes(ended.assessment, "two")) == {"host.uptime"}
    area = clinic.run("--only", "site", "--host", "one").assessment
    assert {check.probe.partition(".")[0] for check in area.checks} >= {"site"}


@pytest.mark.slow
def test_a_pipe_gets_plain_lines(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    ended = run_command(
        "run", clinic.site_file, *SEEN, folder=clinic.folder, TERM="xterm-256color", COLORTERM="truecolor"
    )
    assert ended.status == 0, ended.err
    assert "\x1b" not in ended.out + ended.err
    assert "\r" not in ended.err


def on_a_terminal(clinic: Clinic, *arguments: object, **more: str) -> str:
    """What a person sees of the command."""
    if sys.platform == "win32":
        pytest.skip("needs pseudo-terminals")
    import pty

    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("this machine has no pseudo terminals")
    done = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=clinic.folder,
        env=environment(clinic.folder, TERM="xterm-256color", **more),
    )
    os.close(theirs)
    seen = b""
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor, not a path
        while chunk := _read(terminal):
            seen += chunk
    done.wait(60)
    return seen.decode("utf-8", "replace")


def _read(terminal: Any) -> bytes:
    try:
        return terminal.read(65536)
    except OSError:  # how Linux says that the other side has closed
        return b""


COLOUR = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")


@pytest.mark.slow
def test_a_terminal_gets_bars_and_colours_unless_no_color_is_set(clinic: Clinic) -> None:
    clinic.add_bundle("srv")
    wish = ("run", clinic.site_file, *SEEN)
    assert COLOUR.search(on_a_terminal(clinic, *wish))
    plain = on_a_terminal(clinic, *wish, NO_COLOR="1")
    assert not COLOUR.search(plain)
    assert "all machines" in plain
    assert "srv: done" in plain


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, clinic: Clinic) -> Clinic:
    """A fault of our own, whose text holds a secret."""
    clinic.add_bundle("srv")
    assert secrets.resolve("env:CLINIC_PASSWORD") == PASSWORD

    def fail(*arguments: object) -> None:
        raise RuntimeError(f"boom {PASSWORD}")

    monkeypatch.setattr(prepare, "prepare", fail)
    return clinic


def test_an_unexpected_error_is_one_clear_text_without_a_traceback(broken: Clinic) -> None:
    ended = checkup("validate", broken.site_file)
    assert ended.status == 4
    assert "unexpected error: RuntimeError: boom ***" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("place", ["first", "last"])
def test_with_debug_the_traceback_is_shown_without_the_secret(broken: Clinic, place: str) -> None:
    words = ["validate", str(broken.site_file)]
    ended = checkup(*(["--debug", *words] if place == "first" else [*words, "--debug"]))
    assert ended.status == 4
    assert "Traceback" in ended.err
    assert "boom" in ended.err
    assert PASSWORD not in ended.err
