"""`checkup --help` is quick because it loads nothing heavy. (How quick: `python -m bench.startup`.)"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "jinja2",
    "keyring",
    "paramiko",
    "psutil",
    "pydantic",
    "ruamel",
    "sqlalchemy",
    "weasyprint",
    "probes",
}

LOADED = """
import sys
from checkup.cli import main
sys.argv = ["checkup", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""


def loaded_by(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_no_heavy_library_is_loaded_to_say_what_there_is(argument: str) -> None:
    assert loaded_by(argument) & HEAVY == set()


@pytest.mark.parametrize("command", ["run", "probes"])
def test_the_help_of_a_command_loads_only_what_typer_itself_needs_for_its_options(command: str) -> None:
    assert loaded_by(command, "--help") & HEAVY <= {"pydantic"}
