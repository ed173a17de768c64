"""The peers, each in an environment of its own, doing a comparable look at the same hosts.

Comparable, not the same: Ansible gathers its standard facts, pyinfra nine of its own; the two
OpenSSH lines run the very batch that checkup sends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.lab import Line, planned

Run = Callable[[], float]  # one run; its seconds

PYINFRA_FACTS = (
    "server.LinuxDistribution",
    "server.Kernel",
    "server.Hostname",
    "server.Date",
    "server.Mounts",
    "server.Users",
    "server.Groups",
    "hardware.Memory",
    "deb.DebPackages",
)


def environment(folder: Path, package: str) -> Path:
    """A virtual environment with `package`, made once in `folder`; its `bin`."""
    place = folder / package
    programs = place / "bin"
    if not programs.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "-p", sys.executable, place], check=True)
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", "-p", programs / "python", package]
        subprocess.run(install, check=True)
    return programs


def _timed(command: Sequence[str | Path], text: str = "", more: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, env={**os.environ, **(more or {})}, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - started


def openssh(way: Line) -> Run:
    """`ssh host sh < batch` for all hosts at once."""
    _, plan = planned(way)
    options = " ".join(f"-o {option}" for option in way.ssh_options())
    jobs: list[str] = []
    for endpoint, (address, port) in zip(plan.endpoints, way.reached, strict=True):
        batch = way.folder / f"{endpoint.endpoint}.sh"
        batch.write_bytes(endpoint.script)
        jobs.append(f"exec ssh {options} -l {way.lab.user} -p {port} {address} sh <{batch} >/dev/null")
    return lambda: _timed(["xargs", "-P", "256", "-I{}", "sh", "-c", "{}"], "\n".join(jobs))


def ansible(way: Line, programs: Path) -> Run:
    """`ansible -m setup` with pipelining; every run logs in anew, as ours does."""
    options = " ".join(f"-o {option}" for option in way.ssh_options())
    inventory = way.folder / "inventory.ini"
    inventory.write_text(
        "[all]\n"
        + "".join(
            f"{name} ansible_host={address} ansible_port={port} ansible_user={way.lab.user}"
            f" ansible_python_interpreter=/usr/bin/python3\n"
            for name, (address, port) in zip(way.names, way.reached, strict=True)
        ),
        encoding="ascii",
    )
    command = [programs / "ansible", "all", "-i", inventory, "-m", "setup", "-f", "40"]
    more = {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": f"-o ControlMaster=no {options}",
        "ANSIBLE_HOME": str(way.folder / "ansible"),
        "HOME": str(way.lab.folder / "home"),
    }
    return lambda: _timed(command, more=more)


def pyinfra(way: Line, programs: Path) -> Run:
    """Nine facts of every host."""
    inventory = way.folder / "inventory.py"
    hosts = [
        (
            name,
            {
                "ssh_hostname": address,
                "ssh_port": port,
                "ssh_user": way.lab.user,
                "ssh_key": str(way.lab.key),
                "ssh_known_hosts_file": str(way.known_hosts),
            },
        )
        for name, (address, port) in zip(way.names, way.reached, strict=True)
    ]
    inventory.write_text(f"hosts = {hosts!r}\n", encoding="ascii")
    command = [programs / "pyinfra", "-y", inventory, "fact", *PYINFRA_FACTS]
    return lambda: _timed(command, more={"HOME": str(way.lab.folder / "home")})
