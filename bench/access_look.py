"""One look at an Access file in a process of its own: `python -m bench.access_look FILE DEPTH [options]`.

Prints JSON. `--warm FILE` is looked at first, so that what Python has to load is in `start_s` and not in
`wall_s`. A file on a server is read through `--port`, as `checkup access` does; connecting is in `open_s`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from checkup.collect.access_parts import parts
from checkup.collect.access_reading import read_access
from checkup.jet.local import LocalSource
from checkup.jet.problems import Depth
from checkup.jet.source import Source
from checkup.workflow.access_file import access_probes, judge_reading

DEPTHS: tuple[Depth, ...] = get_args(Depth)
_PROBES = access_probes()


@dataclass(frozen=True)
class Look:
    """Wall and CPU time of the look alone; `peak_mb` of the whole process, Python and its libraries included.

    `state`: as `checkup.jet.integrity` says, "" at depths that it does not look at."""

    start_s: float
    open_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    bytes: int
    requests: int
    rounds: int
    state: str


def look(
    file: Path | str,
    depth: Depth,
    *more: str,
    core: int | None = None,
    threads: int = 1,
    warm: Path | None = None,
) -> Look:
    """Run it; on one core of the machine where `core` is given."""
    command = [sys.executable, "-m", "bench.access_look", str(file), depth, "--threads", str(threads), *more]
    if warm is not None:
        command += ["--warm", str(warm)]
    done = subprocess.run([*on_core(core), *command], check=True, stdout=subprocess.PIPE)
    return Look(**json.loads(done.stdout))


def on_core(core: int | None) -> Sequence[str]:
    return () if core is None else ("taskset", "--cpu-list", str(core))


def _main() -> Look:
    options = argparse.ArgumentParser()
    options.add_argument("file")
    options.add_argument("depth", choices=DEPTHS)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--warm", type=Path)
    options.add_argument("--address", help="sftp or smb: a server on this machine that has the file")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--user", default="")
    options.add_argument("--key", default="")
    options.add_argument("--host-key", default="")
    options.add_argument("--password", default="")
    given = options.parse_args()
    if given.warm:
        _judged(LocalSource(given.warm), given.depth, given.threads)
    started = time.time()
    with _source(given) as source:
        opened, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        open_s = time.time() - started
        cost, state = _judged(source, given.depth, given.threads)
        wall_s, after = time.perf_counter() - opened, resource.getrusage(resource.RUSAGE_SELF)
    return Look(
        start_s=started - _born(),
        open_s=open_s,
        wall_s=wall_s,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_mb=_peak_mb(),
        bytes=cost[0],
        requests=cost[1],
        rounds=cost[2],
        state=state,
    )


def _peak_mb() -> float:
    """Since this program began: `ru_maxrss` would have that of the process which started it as well."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _born() -> float:
    import psutil

    return psutil.Process().create_time()


def _judged(source: Source, depth: Depth, threads: int) -> tuple[tuple[int, int, int], str]:
    """What the command does between its start and its first line."""
    reading = read_access(source, depth=depth, threads=threads)
    parts(reading)
    judge_reading(reading, _PROBES, datetime.now(UTC))
    cost = reading.cost
    return (cost.bytes, cost.requests, cost.rounds), reading.integrity.state if reading.integrity else ""


@contextmanager
def _source(given: argparse.Namespace) -> Generator[Source]:
    if not given.address:
        source = LocalSource(Path(given.file))
        yield source
        source.close()
        return
    from checkup.transports.access_source import SftpAddress, SmbAddress, SmbPlace, open_address
    from checkup.transports.session import Credential
    from checkup.transports.ssh import Connect

    if given.address == "sftp":
        connect = Connect(transport="ssh", host="127.0.0.1", port=given.port, host_key=given.host_key)
        address = SftpAddress(connect, given.user, given.file)
        credential = Credential(name="bench", user=given.user, key=given.key)
    else:
        share, _, below = given.file.partition("/")
        place = SmbPlace(transport="smb", host="127.0.0.1", port=given.port, share=share, path=below)
        address = SmbAddress(place, given.user)
        os.environ["BENCH_PASSWORD"] = given.password
        credential = Credential(name="bench", user=given.user, password="env:BENCH_PASSWORD")
    files, path = open_address(address, credential=credential)
    try:
        source = files.open(path)
        files.lock_file(path)
        yield source
        source.close()
    finally:
        files.close()


if __name__ == "__main__":
    print(json.dumps(asdict(_main())))
