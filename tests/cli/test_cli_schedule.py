"""`checkup schedule install`: timers that are shown, and a cron line that runs as it is written."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.workflow.conftest import Clinic, checkup, run_command


@pytest.fixture
def due_clinic(clinic: Clinic) -> Clinic:
    """A clinic whose 30-day check-up is due, in a folder with a name that shells and cron trip over."""
    clinic.folder = clinic.folder / "harbour & co, 100% copy"
    clinic.folder.mkdir()
    clinic.more["contract"] = {"package": "deluxe", "installed": "31 days ago"}
    clinic.add_local()
    return clinic


def part(shown: str, title: str) -> str:
    return shown.partition(f"# {title}\n")[2].partition("\n\n# ")[0].strip()


def test_everything_is_shown_and_nothing_is_installed(due_clinic: Clinic, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    site_file = due_clinic.site_file
    ended = checkup("schedule", "install", site_file, "--at", "22:30")
    assert ended.status == 0, ended.err
    assert "OnCalendar=*-*-* 22:30:00 America/Denver" in part(ended.out, "systemd timer")
    assert "--due" in part(ended.out, "systemd service")
    assert re.match(r"\d+ \d+ \* \* \* ", part(ended.out, "cron line"))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, site_file])


def test_write_writes_the_units_that_are_shown(
    due_clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    ended = checkup("schedule", "install", due_clinic.site_file, "--write")
    assert ended.status == 0, ended.err
    units = tmp_path / "config" / "systemd" / "user"
    timer = (units / "checkup-harbour.timer").read_text(encoding="utf-8")
    assert timer.strip() == part(ended.out, "systemd timer")
    assert "enable --now checkup-harbour.timer" in ended.err
    service = (units / "checkup-harbour.service").read_text(encoding="utf-8")
    assert service.strip() == part(ended.out, "systemd service")


def as_cron_reads(line: str) -> str:
    """The command of a crontab line: without the five fields of time, its \\% as %."""
    return re.sub(r"\\%", "%", re.split(r"\s+", line, maxsplit=5)[5])


def run_by_cron(line: str) -> int:
    """As written, with nothing in the environment, no terminal and another current folder."""
    return subprocess.run(
        ["env", "-i", "/bin/sh", "-c", as_cron_reads(line)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        start_new_session=True,
        timeout=240,
        check=False,
    ).returncode


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="cron is a POSIX thing")
def test_the_cron_line_leaves_a_report_once_and_then_does_nothing(due_clinic: Clinic) -> None:
    folder = due_clinic.folder
    log = folder / "night" / "check ups.log"
    shown = run_command("schedule", "install", due_clinic.site_file, "--log", log, folder=folder)
    assert shown.status == 0, shown.err
    line = part(shown.out, "cron line")

    assert run_by_cron(line) in (0, 3), log.read_text(encoding="utf-8")
    reports = sorted((folder / "reports").iterdir())
    assert [path.suffix for path in reports] == [".html", ".json", ".pdf"]
    assert all("30-day" in path.name for path in reports)
    written = [path.stat().st_mtime_ns for path in reports]

    assert run_by_cron(line) == 0
    assert "harbour: no visit is due" in log.read_text(encoding="utf-8")
    assert [path.stat().st_mtime_ns for path in reports] == written
    assert sorted((folder / "reports").iterdir()) == reports
    with due_clinic.store() as store:
        assert len(store.runs()) == 1
    assert "Traceback" not in log.read_text(encoding="utf-8")
