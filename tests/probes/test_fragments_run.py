"""Every shell fragment runs on this machine's own shells, prints no error, and is read by its parser."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest

import probes
from checkup.api import Section, Shell
from checkup.testing.package import contents

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"], "sh": ["sh"]}
SECTIONS = [one for one in contents(probes).sections if "posix" in one.collect]
DECLARED = {
    "services": "cron\nno such; service",
    "names": "localhost\nno-such-name.invalid",
    "certificates": "/etc/hostname\n/no/such \"$(file)'",
    "ports": "80\n443",
    "administrators": "admin",
    "since": "0",
}

# A stand-in for the batch's prologue: each word ends the fragment, or is noted.
PROLOGUE = """
absent() { echo "@absent $1"; exit 0; }
unsupported() { echo "@unsupported $1"; exit 0; }
denied() { echo "@denied $1"; exit 0; }
partial() { echo "@partial $1" >&2; }
"""


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(SHELLS[name][0])])
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_fragment_runs(section: Section[Any], shell: str) -> None:
    fragment = section.collect["posix"]
    assert isinstance(fragment, Shell)
    parameters = {f"P_{name}": DECLARED.get(name, "") for name in section.parameters}
    done = subprocess.run(
        SHELLS[shell],
        input=(PROLOGUE + fragment.script).encode(),
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **parameters},
        capture_output=True,
        timeout=60,
        check=False,
    )
    noise = [line for line in done.stderr.decode().splitlines() if not line.startswith("@partial")]
    assert noise == []
    out = done.stdout.decode()
    if not any(line.startswith(("@absent", "@unsupported", "@denied")) for line in out.splitlines()):
        assert isinstance(section.parse(out, "posix", section.version), section.facts)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_local_function_is_read_by_the_parser(section: Section[Any]) -> None:
    local = section.collect.get("local")
    if local is None:
        pytest.skip("a local machine uses the shell fragment")
    assert not isinstance(local, Shell)
    raw = local.read()  # pyright: ignore[reportAttributeAccessIssue] - only Psutil is left here
    assert isinstance(section.parse(raw, "local", section.version), section.facts)
