"""Every shell fragment runs on this machine's own shells, prints no error, and is read by its parser."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest

import probes
from checkup.api import PowerShell, Quality, Section, Shell, Wmi
from checkup.batch import powershell
from checkup.batch.frames import FrameReader
from checkup.batch.posix import assemble, token_of
from checkup.batch.powershell import query_fragment
from checkup.batch.section import BatchSection
from checkup.testing.package import contents
from checkup.testing.powershell_code import parse

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

# Some ten sends of 60 kB each: a slow line still carries it in seconds.
MOST_BATCH_BYTES = 600_000

UNEXPECTED = {Quality.BAD_OUTPUT, Quality.TIMEOUT, Quality.UNREACHABLE}

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


def test_all_fragments_run_in_one_batch() -> None:
    parts = [
        BatchSection(
            target="this",
            name=section.name,
            version=section.version,
            script=fragment.script,
            timeout_s=60,
            parameters={name: tuple(DECLARED.get(name, "").splitlines()) for name in section.parameters}
            | ({"since": 0} if "since" in section.parameters else {}),
        )
        for section in SECTIONS
        if isinstance(fragment := section.collect["posix"], Shell)
    ]
    script = assemble(parts, site="here", endpoint="this")
    done = subprocess.run(["sh"], input=script, capture_output=True, timeout=120, check=False)
    reader = FrameReader(token_of(script))
    frames = {frame.section: frame for frame in reader.feed(done.stdout) if frame.kind == "SECTION"}
    assert set(frames) == {section.name for section in SECTIONS}
    bad = [f"{f.section}: {f.status}: {f.reason}" for f in frames.values() if f.status in UNEXPECTED]
    assert bad == []


def test_all_windows_fragments_make_one_script_that_parses() -> None:
    parts = [
        BatchSection(
            target="this",
            name=section.name,
            version=section.version,
            script=query_fragment(one.queries) if isinstance(one, Wmi) else one.script,
            timeout_s=one.timeout_s,
            parameters={name: tuple(DECLARED.get(name, "").splitlines()) for name in section.parameters},
        )
        for section in contents(probes).sections
        if isinstance(one := section.collect.get("windows"), Wmi | PowerShell)
    ]
    script = powershell.assemble(parts, site="here", endpoint="this").decode("ascii")
    assert [node.line for node in parse(script).walk() if node.broken] == []
    assert len(script) < MOST_BATCH_BYTES


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_local_function_is_read_by_the_parser(section: Section[Any]) -> None:
    local = section.collect.get("local")
    if local is None:
        pytest.skip("a local machine uses the shell fragment")
    assert not isinstance(local, Shell)
    raw = local.read()  # pyright: ignore[reportAttributeAccessIssue] - only Psutil is left here
    assert isinstance(section.parse(raw, "local", section.version), section.facts)
