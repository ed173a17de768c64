"""Many Windows machines at once: `python -m bench.winrm_hosts [--times 3] [--hosts 10 25 50 100]`.

CPU and memory of the engineer's machine, from the plan to the last commit, and how they grow. The
machines run in a process of their own and share the processors, so only CPU says something of a
real site, not the wall time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

from bench.collecting import Collecting, collect_once
from bench.tables import table
from bench.winrm_lab import ACCOUNT, PASSWORD, winrm_lab
from checkup.catalogue import load

SITE = """
version: 1
site: {id: bench, name: Bench, timezone: UTC, country: US}
contract: {package: premium, installed: 2026-01-05}
credentials: {admin: {user: %s, password: "env:CHECKUP_BENCH_PASSWORD"}}
hosts:
"""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--hosts", type=int, nargs="+", default=[10, 25, 50, 100])
    given = options.parse_args()
    os.environ["CHECKUP_BENCH_PASSWORD"] = PASSWORD
    sections = [name for name, section in load().sections.items() if "windows" in section.collect]
    rows: list[list[object]] = []
    for hosts in given.hosts:
        with winrm_lab(hosts, sections) as ports, tempfile.TemporaryDirectory() as place:
            site = Path(place) / "site.yaml"
            site.write_text(SITE % ACCOUNT + "".join(map(_host, range(hosts), ports)))
            runs = [collect_once(site, Path(place) / f"{time}.db") for time in range(given.times)]
        assert all(run.complete == hosts for run in runs), runs
        rows.append([f"{hosts}", *_medians(runs), _medians(runs)[1] / hosts * 1000])
    print(f"{len(sections)} sections a machine, median of {given.times}")
    print(table(["machines", "wall s", "CPU s", "peak MB", "CPU ms a machine"], rows))


def _host(number: int, port: int) -> str:
    way = f"{{transport: winrm, host: 127.0.0.1, port: {port}, credential: admin}}"
    return f"  - {{id: ws-{number}, role: workstation, connect: {way}}}\n"


def _medians(runs: list[Collecting]) -> list[float]:
    return [
        median(run.wall_s for run in runs),
        median(run.cpu_s for run in runs),
        median(run.peak_mb for run in runs),
    ]


if __name__ == "__main__":
    main()
