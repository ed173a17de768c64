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


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("run", "--help"), ("probes", "--help")], ids=" ".join
)
def test_help_loads_none_of_the_heavy_libraries(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments) & HEAVY == set()
