"""What is shipped: a wheel leaves out what git leaves out, so no data file of ours may be ignored."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
    "targets"
]["wheel"]["packages"]
MADE_BY_PYTHON = "__pycache__"

# Data that the packages read at run time, without which some checks would have no answer.
READ_AT_RUN_TIME = (
    "checkup/batch/prologue.sh",
    "checkup/testing/dmv_columns.json",
    "checkup/transports/odbc/worker.py",  # run as a program by its path
    "probes/host/os_lifecycle.json",
    "probes/lint-stamp.json",
    "probes/mariadb/releases.json",
    "probes/postgresql/releases.json",
    "probes/powershell/boot.ps1",
    "probes/powershell/lib.ps1",
    "probes/sqlserver/builds.json",
    "probes/windows/access_lifecycle.json",
    "report_templates/report.html",
)


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="no checkout of git")
def test_no_file_of_the_packages_is_left_out_of_the_wheel():
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", *PACKAGES]
    ignored = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    assert [file for file in ignored if file and MADE_BY_PYTHON not in file] == []


def test_the_packages_of_the_wheel_hold_what_is_read_at_run_time():
    assert {Path(file).parts[0] for file in READ_AT_RUN_TIME} == set(PACKAGES)
    assert [file for file in READ_AT_RUN_TIME if not (ROOT / file).is_file()] == []
    for name in PACKAGES:  # a folder that Python does not find would be shipped for nothing
        assert importlib.util.find_spec(name) is not None
