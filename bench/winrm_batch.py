"""One batch beside as many calls of pywinrm's `run_ps`: `python -m bench.winrm_batch [--times 3]`.

Twenty sections of one machine, NTLM with message encryption, with a delay before each answer. Each
`run_ps` starts a PowerShell of its own on a real machine, which does not happen here: there the ratio
is larger still.
"""

from __future__ import annotations

import argparse
import os
import time

import winrm

from bench.tables import interleaved, table
from bench.winrm_lab import ACCOUNT, PASSWORD, winrm_lab
from checkup.batch import BatchSection, assemble
from checkup.batch.frames import FrameReader
from checkup.batch.powershell import token_of
from checkup.transports import Credential, open_session
from checkup.transports.winrm import Connect

SECTIONS = [f"section-{number}" for number in range(20)]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=3)
    given = options.parse_args()
    os.environ["CHECKUP_BENCH_PASSWORD"] = PASSWORD
    rows: list[list[object]] = []
    for delay_ms in (0, 20, 80):
        with winrm_lab(1, SECTIONS, delay_ms) as (port,):
            medians = interleaved(
                {"batch": lambda port=port: batch(port), "run_ps": lambda port=port: run_ps(port)},
                given.times,
            )
        ratio = medians["run_ps"] / medians["batch"]
        rows.append([f"{delay_ms} ms", medians["batch"], medians["run_ps"], ratio])
    print(f"{len(SECTIONS)} sections of one machine, median of {given.times}")
    print(table(["delay of an answer", "one batch s", "run_ps s", "ratio"], rows))


def batch(port: int) -> float:
    fragment = "@{ 'rows' = (Wmi -Class 'Win32_LogicalDisk' -Properties 'DeviceID', 'Size') }"
    script = assemble(
        "windows",
        [
            BatchSection(target="ws-0", name=name, version=1, script=fragment, timeout_s=20)
            for name in SECTIONS
        ],
        site="bench",
        endpoint="ws-0",
        checksums=False,
    )
    credential = Credential(name="bench", user=ACCOUNT, password="env:CHECKUP_BENCH_PASSWORD")
    connect = Connect(transport="winrm", host="127.0.0.1", port=port, credential="bench")
    started = time.perf_counter()
    session = open_session(connect, platform="windows", credential=credential)
    reader = FrameReader(token_of(script))
    frames = [frame for chunk in session.stream(script) for frame in reader.feed(chunk)]
    session.close()
    assert reader.ended and len(frames) == len(SECTIONS) + 2
    return time.perf_counter() - started


def run_ps(port: int) -> float:
    started = time.perf_counter()
    session = winrm.Session(f"http://127.0.0.1:{port}/wsman", auth=(ACCOUNT, PASSWORD), transport="ntlm")
    for name in SECTIONS:
        done = session.run_ps(f"Get-Something -Name '{name}'")
        assert done.status_code == 0 and done.std_out
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
