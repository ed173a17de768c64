from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.contract.schedule import (
    Nightly,
    ScheduleError,
    cron_line,
    local_time,
    schtasks_text,
    systemd_steps,
    systemd_units,
    unit_folder,
    write_units,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="runs a POSIX shell")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
NIGHTLY = Nightly(
    site="cedar-ridge",
    timezone="America/Denver",
    checkup=PurePosixPath("/opt/checkup/bin/checkup"),
    site_file=PurePosixPath("/home/anna/sites/cedar-ridge.yaml"),
    store="sqlite:////home/anna/checkup/store.sqlite3",
)
# What a path may hold on a POSIX machine and still be scheduled.
AWKWARD = st.text(
    st.characters(min_codepoint=32, exclude_characters="/\\\x7f", exclude_categories=["C", "Z"])
    | st.just(" "),
    min_size=1,
    max_size=20,
)


def as_cron_hands_it_over(line: str) -> str:
    """The command of a crontab line after cron took the backslashes from its % signs."""
    command = line.split(maxsplit=5)[5]
    assert not re.search(r"(?<!\\)%", command)
    return command.replace(r"\%", "%")


def arguments_in_an_empty_environment(command: str) -> list[str]:
    done = subprocess.run(["/bin/sh", "-c", command], env={}, capture_output=True, check=True, timeout=20)
    return done.stdout.decode().split("\0")[:-1]


def printer(folder: Path) -> Path:
    """A program that prints its arguments, in a folder with an awkward name."""
    program = folder / "50 % of Anna's $tools" / "checkup"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


def test_the_command_is_explicit_about_everything():
    assert " ".join(NIGHTLY.command) == (
        "/opt/checkup/bin/checkup run /home/anna/sites/cedar-ridge.yaml "
        "--due --no-progress --store sqlite:////home/anna/checkup/store.sqlite3"
    )


def test_the_folder_of_the_reports_may_be_named():
    nightly = dataclasses.replace(NIGHTLY, output=PurePosixPath("/home/anna/reports"))
    assert nightly.command[-2:] == ("--output", "/home/anna/reports")


def test_a_plain_cron_line_reads_plainly():
    assert cron_line(NIGHTLY, time(4, 30), PurePosixPath("/home/anna/checkup/cron.log")) == (
        "30 4 * * * /opt/checkup/bin/checkup run /home/anna/sites/cedar-ridge.yaml --due --no-progress "
        "--store sqlite:////home/anna/checkup/store.sqlite3 >> /home/anna/checkup/cron.log 2>&1 </dev/null"
    )


@posix
def test_the_cron_line_works_in_an_empty_environment(tmp_path: Path):
    site_file = tmp_path / "50 % of Anna's $sites.yaml"
    nightly = dataclasses.replace(NIGHTLY, checkup=printer(tmp_path), site_file=site_file)
    command = as_cron_hands_it_over(cron_line(nightly, time(4)))
    assert arguments_in_an_empty_environment(command) == list(nightly.command[1:])


@posix
def test_the_output_of_cron_is_added_to_the_log(tmp_path: Path):
    nightly, log = dataclasses.replace(NIGHTLY, checkup=printer(tmp_path)), tmp_path / "100 %.log"
    log.write_text("before\n", encoding="utf-8")
    assert arguments_in_an_empty_environment(as_cron_hands_it_over(cron_line(nightly, time(4), log))) == []
    assert log.read_text(encoding="utf-8").startswith("before\nrun\0")


@posix
def test_a_cron_that_does_not_know_percent_signs_runs_the_same(tmp_path: Path):
    nightly = dataclasses.replace(NIGHTLY, checkup=printer(tmp_path))
    command = cron_line(nightly, time(4)).split(maxsplit=5)[5]  # as busybox: nothing is taken away
    assert arguments_in_an_empty_environment(command) == list(nightly.command[1:])


@settings(deadline=None)
@given(AWKWARD)
def test_any_name_survives_cron_and_the_shell(name: str):
    nightly = dataclasses.replace(NIGHTLY, site_file=PurePosixPath("/sites") / name)
    words = shlex.split(as_cron_hands_it_over(cron_line(nightly, time(4))))
    assert tuple(words[:-1]) == nightly.command


@needs_systemd
@posix
def test_systemd_accepts_the_timer_and_finds_the_program(tmp_path: Path):
    program = tmp_path / "50 % of my tools" / "checkup"
    program.parent.mkdir()
    shutil.copy("/bin/sh", program)
    site_file = tmp_path / '50 % "Anna\'s" $sites \\ x.yaml'
    nightly = dataclasses.replace(NIGHTLY, checkup=program, site_file=site_file)
    _, timer = write_units(tmp_path / "units", nightly)
    verified = subprocess.run(
        ["systemd-analyze", "verify", timer], capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
def test_the_timer_follows_the_clock_of_the_site():
    when = re.search("OnCalendar=(.*)", systemd_units(NIGHTLY).timer)
    assert when
    arguments = ["systemd-analyze", "calendar", when[1], "--base-time=2026-07-01 00:00:00 UTC"]
    shown = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env={"TZ": "UTC"}, timeout=60
    )
    assert "Wed 2026-07-01 03:00:00 UTC" in shown.stdout  # 21:00 in Denver


def test_a_missed_night_is_made_up_for():
    assert "Persistent=true" in systemd_units(NIGHTLY).timer


def test_units_are_named_after_the_site_and_replace_older_ones(tmp_path: Path):
    write_units(tmp_path / "new" / "folder", NIGHTLY)
    service, timer = write_units(tmp_path / "new" / "folder", dataclasses.replace(NIGHTLY, at=time(22)))
    assert (service.name, timer.name) == ("checkup-cedar-ridge.service", "checkup-cedar-ridge.timer")
    assert "22:00:00" in timer.read_text(encoding="utf-8")
    assert sorted(timer.parent.iterdir()) == [service, timer]
    assert any(timer.name in step for step in systemd_steps(NIGHTLY))


def test_units_go_where_systemd_looks_for_them():
    home = Path("/home/anna").absolute()
    assert unit_folder({}, home) == home / ".config" / "systemd" / "user"
    assert unit_folder({"XDG_CONFIG_HOME": "relative"}, home) == unit_folder({}, home)
    assert unit_folder({"XDG_CONFIG_HOME": str(home)}, home) == home / "systemd" / "user"


def test_a_windows_task_reads_as_the_command_prompt_wants_it():
    nightly = dataclasses.replace(
        NIGHTLY,
        checkup=PureWindowsPath(r"C:\checkup\.venv\Scripts\checkup.exe"),
        site_file=PureWindowsPath(r"C:\Users\Anna Novak\cedar-ridge.yaml"),
        store="sqlite:///C:/checkup/store.sqlite3",
    )
    assert schtasks_text(nightly, time(4)) == (
        r'schtasks /Create /TN "checkup-cedar-ridge" /SC DAILY /ST 04:00 '
        r'/TR "C:\checkup\.venv\Scripts\checkup.exe run '
        r"\"C:\Users\Anna Novak\cedar-ridge.yaml\" --due --no-progress "
        r'--store sqlite:///C:/checkup/store.sqlite3"'
    )


@pytest.mark.parametrize("name", ["100 %.yaml", 'a".yaml', "A & B.yaml", "n" * 200])
def test_what_windows_cannot_schedule_is_refused(name: str):
    nightly = dataclasses.replace(NIGHTLY, site_file=PureWindowsPath("C:\\sites") / name)
    with pytest.raises(ScheduleError):
        schtasks_text(nightly, time(4))


@pytest.mark.parametrize(
    ("now", "expected"),
    [(datetime(2026, 1, 15, tzinfo=UTC), time(4)), (datetime(2026, 7, 15, tzinfo=UTC), time(3))],
)
def test_the_sites_hour_on_this_machines_clock(now: datetime, expected: time):
    assert local_time(NIGHTLY, now, UTC) == expected
    assert local_time(NIGHTLY, now, ZoneInfo("America/Denver")) == time(21)


def test_an_hour_of_another_half_hour_zone():
    assert local_time(
        NIGHTLY, datetime(2026, 1, 15, tzinfo=UTC), timezone(timedelta(hours=5, minutes=30))
    ) == time(9, 30)


@pytest.mark.parametrize(
    "change",
    [
        {"at": time(7)},
        {"at": time(18, 59)},
        {"timezone": "Mars/Olympus"},
        {"timezone": "America/Denver\nExecStart=x"},
        {"timezone": ""},
        {"site": "a b"},
        {"site": "../x"},
        {"checkup": PurePosixPath("checkup")},
        {"site_file": PurePosixPath("site.yaml")},
        {"output": PurePosixPath("reports")},
        {"site_file": PurePosixPath("/sites/a\nb.yaml")},
        {"store": "sqlite:///store.sqlite3"},
        {"store": "sqlite://"},
        {"store": "store.sqlite3"},
        {"store": ""},
    ],
)
def test_a_timer_that_would_not_work_is_refused(change: dict[str, object]):
    with pytest.raises(ScheduleError):
        dataclasses.replace(NIGHTLY, **change)  # pyright: ignore[reportArgumentType] -- one wrong value each


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:Hunter2x@db/checkup",
        "postgresql://anna:Hunter2x/@db/checkup",
        "postgresql://db/checkup?password=Hunter2x",
    ],
)
def test_a_password_in_the_store_url_is_refused_and_not_repeated(url: str):
    with pytest.raises(ScheduleError, match="password") as refusal:
        dataclasses.replace(NIGHTLY, store=url)
    assert "Hunter2x" not in str(refusal.value)


def test_clinic_hours_are_those_of_the_site():
    assert dataclasses.replace(NIGHTLY, at=time(18), clinic_hours=(time(8), time(16))).at == time(18)


@pytest.mark.parametrize("character", "\"'$\\")
def test_a_program_that_systemd_cannot_start_is_refused(character: str):
    with pytest.raises(ScheduleError, match="install it elsewhere"):
        systemd_units(dataclasses.replace(NIGHTLY, checkup=PurePosixPath(f"/opt/{character}/checkup")))


def test_a_backslash_is_refused_for_cron():
    with pytest.raises(ScheduleError, match="backslash"):
        cron_line(dataclasses.replace(NIGHTLY, site_file=PurePosixPath("/sites/a\\b.yaml")), time(4))
    with pytest.raises(ScheduleError, match="backslash"):
        cron_line(NIGHTLY, time(4), PurePosixPath("/logs/a\\b.log"))


def test_a_store_on_a_server_is_fine_without_a_password():
    url = "postgresql+psycopg://anna@db.example:5432/checkup?passfile=/home/anna/.pgpass"
    assert dataclasses.replace(NIGHTLY, store=url).command[-1] == url
