"""`checkup --help` is quick because it loads nothing heavy, and a look at one Access file nearly so.
(How quick: `python -m bench.startup`, `python -m bench.access --only start`.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.jet.made import clinic_file

HEAVY = {
    "alembic",
    "jinja2",
    "keyring",
    "numpy",
    "paramiko",
    "psutil",
    "pydantic",
    "ruamel",
    "smbclient",
    "smbprotocol",
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


def loaded_by(*arguments: str, statuses: tuple[int, ...] = (0,)) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in statuses, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_no_heavy_library_is_loaded_to_say_what_there_is(argument: str) -> None:
    assert loaded_by(argument) & HEAVY == set()


@pytest.mark.parametrize("command", ["run", "probes"])
def test_the_help_of_a_command_loads_only_what_typer_itself_needs_for_its_options(command: str) -> None:
    assert loaded_by(command, "--help") & HEAVY <= {"pydantic"}


def test_the_help_of_a_command_whose_options_are_texts_loads_nothing_heavy() -> None:
    assert loaded_by("access", "--help") & HEAVY == set()


@pytest.mark.parametrize(
    ("depth", "needed"), [("header", set[str]()), ("catalogue", set[str]()), ("maps", {"numpy"})]
)
def test_a_look_at_one_access_file_loads_its_probes_and_what_its_depth_needs(
    depth: str, needed: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "clinic.mdb"
    path.write_bytes(clinic_file().data())
    loaded = loaded_by("access", str(path), "--depth", depth, statuses=(0, 1, 3))
    assert loaded & HEAVY == {"probes", *needed}
