"""What looking at an Access file costs: `python -m bench.access [--only PART ...] [--file FILE ...]`.

The parts: sparse (bytes, requests and rounds of header, catalogue and maps, beside mdbtools), line (the maps
over SFTP and SMB with a round trip of 50 ms), pages (every page, beside `cat`; also of a file of 2 GB), rows
(beside `mdb-export`), memory, start. Without --file it takes the two files of 206 MB of the tests' corpora.

Needs mdbtools, strace, zstd, OpenSSH's sshd and Samba (Debian: mdbtools strace zstd openssh-server samba);
a part that misses one says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.access_look import DEPTHS, Look, look, on_core
from bench.relay import relaying
from bench.startup import MAIN, compiled, started
from bench.tables import interleaved, table
from checkup.jet.catalogue import read_table_counts
from checkup.jet.formats import LARGEST_PAGE
from checkup.jet.integrity import Plan, examine
from checkup.jet.local import LocalSource
from checkup.jet.opening import open_file
from checkup.jet.problems import Depth
from tests.jet.corpora import BIG_FILES, access_files, unpack_big_file
from tests.jet.oracles import Mdbtools
from tests.jet.test_budgets import traced
from tests.servers.samba import PASSWORD, SHARE
from tests.transports.access_source.conftest import Disk, sftp_disk, smb_disk

ROUND_TRIP_MS = 50
LARGE_BYTES = 2_147_000_000


def main() -> None:
    parts = {"sparse": sparse, "line": line, "pages": pages, "rows": rows, "memory": memory, "start": start}
    options = argparse.ArgumentParser()
    options.add_argument("--file", type=Path, action="append", default=[])
    options.add_argument("--only", choices=parts, action="append", default=[])
    options.add_argument("--times", type=int, default=7)
    given = options.parse_args()
    os.environ.update(compiled())
    print(f"{os.cpu_count()} processors, {given.times} times each")
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place:
        try:
            files = given.file or [unpack_big_file(name, Path(place)) for name in BIG_FILES]
            for name in given.only or parts:
                parts[name](files, given.times)
        except pytest.skip.Exception as missing:
            raise SystemExit(str(missing)) from None


def _small() -> Path:
    """What is looked at first, so that nothing is loaded while the clock runs."""
    found = [file for file in access_files() if file.name == "test.mdb" and "V2000" in file.parts]
    if not found:
        pytest.skip("needs the corpora of Access files: see tests/jet/corpora.py")
    return found[0]


# --- bytes, requests, rounds --------------------------------------------------------------------


def sparse(files: list[Path], _: int) -> None:
    for file in files:
        shown: list[list[object]] = []
        source = LocalSource(file)
        try:
            opened = open_file(source).pages.counters
            shown.append(
                ["the file opened: header", opened.bytes, opened.requests, opened.rounds, "20 KB, 3"]
            )
            placed = examine(source, Plan("maps")).counters
            shown.append(["every page placed", placed.bytes, placed.requests, placed.rounds, "8 and a chain"])
        finally:
            source.close()
        for depth in DEPTHS[:3]:
            cost = look(file, depth)
            shown.append([f"checkup access --depth {depth}", cost.bytes, cost.requests, cost.rounds, ""])
        counted = _table_counts(file)
        shown.insert(2, ["tables and counts", *counted, "mdbtools"])
        shown.append(["mdb-tables, mdb-count each", *_mdbtools(file), "", ""])
        print(f"\n{file.name}, {file.stat().st_size:,} bytes")
        print(table(["", "bytes", "requests", "rounds", "aim"], shown))


def _table_counts(file: Path) -> tuple[int, int, int]:
    source = LocalSource(file)
    opened = open_file(source)
    read_table_counts(opened)
    source.close()
    return opened.pages.counters.bytes, opened.pages.counters.requests, opened.pages.counters.rounds


def _mdbtools(file: Path) -> tuple[int, int]:
    """Bytes and reads of the file, as strace shows them."""
    tables = Mdbtools(file).tables(system=False)
    commands = [["mdb-tables", str(file)], *(["mdb-count", str(file), name] for name in tables)]
    with tempfile.TemporaryDirectory() as folder:
        costs = [traced(command, file, Path(folder) / "trace") for command in commands]
    return sum(read for read, _ in costs), sum(reads for _, reads in costs)


# --- a line with a delay ------------------------------------------------------------------------


def line(files: list[Path], times: int) -> None:
    """Connecting, opening and the lock file are apart; the relay has no limit of bandwidth."""
    shown: list[list[object]] = []
    for file in files:
        with sftp_disk() as disk:
            shown += _over(disk, file, times)
        with smb_disk() as disk:
            shown += _over(disk, file, times)
    print(f"\nthe maps over a line, {ROUND_TRIP_MS} ms round trip, median of {times}")
    print(table(["", "rounds", "bytes", "s near", "s far", "rounds x delay", "x that", "aim"], shown))


def _over(disk: Disk, file: Path, times: int) -> list[list[object]]:
    there = disk.folder / file.name
    shutil.copyfile(file, there)
    there.chmod(0o644)
    seen: list[Look] = []

    def through(port: int) -> Callable[[], float]:
        def once() -> float:
            seen.append(_look_over(disk, there, port))
            return seen[-1].wall_s

        return once

    with relaying([("127.0.0.1", disk.server.port)], ROUND_TRIP_MS / 1000) as far:
        medians = interleaved({"near": through(disk.server.port), "far": through(far.ports[0])}, times)
    least = seen[-1].rounds * ROUND_TRIP_MS / 1000
    name = f"{disk.kind} {file.name}"
    of_delay = medians["far"] / least
    return [[name, seen[-1].rounds, seen[-1].bytes, medians["near"], medians["far"], least, of_delay, "1.5"]]


def _look_over(disk: Disk, file: Path, port: int) -> Look:
    credential = disk.credential
    way = ["--address", disk.kind, "--port", str(port), "--user", credential.user]
    if disk.kind == "sftp":
        way += ["--key", credential.key, "--host-key", getattr(disk.server, "host_key", "")]
        return look(file, "maps", *way, warm=_small())
    return look(f"{SHARE}/{file.name}", "maps", *way, "--password", PASSWORD, warm=_small())


# --- beside `cat` and mdb-export ----------------------------------------------------------------


def pages(files: list[Path], times: int) -> None:
    """Every page of a file that is in memory; what Python loads before is apart."""
    shown: list[list[object]] = []
    with _large(files[0]) as large:
        for file in (*files, large):
            for core, threads, aim in ((0, 1, "2.7"), (None, 2, "2")):
                works = {
                    "cat": _timed([*on_core(core), "cat", str(file)]),
                    "read and sum": _timed(
                        [*on_core(core), sys.executable, "-c", SUM, str(file)], inside=True
                    ),
                    "--depth maps": _wall(file, "maps", core, threads),
                    "--depth pages": _wall(file, "pages", core, threads),
                }
                medians = interleaved(works, times)
                cores = f"{file.name}, {threads} core{'s' * (threads > 1)}"
                shown += [
                    [cores, name, wall * 1000, wall / medians["cat"], aim if name == "--depth pages" else ""]
                    for name, wall in medians.items()
                ]
    print(f"\nevery page, warm, median of {times}")
    print(table(["", "", "ms", "x cat", "aim"], shown))


@contextmanager
def _large(file: Path) -> Generator[Path]:
    """A file of 2 GB, made of a smaller one by appending its pages again and again: all are read and judged
    by themselves, only the first of them have an owner."""
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as folder:
        large = Path(folder) / f"large{file.suffix}"
        with large.open("wb") as out:
            while out.tell() < LARGE_BYTES:
                with file.open("rb") as one:
                    shutil.copyfileobj(one, out, 1 << 22)
            out.truncate(LARGE_BYTES - LARGE_BYTES % LARGEST_PAGE)
        yield large


# What any check of every page in Python cannot do without: the time is printed from inside.
SUM = """
import os, sys, time, numpy
def once():
    file = os.open(sys.argv[1], os.O_RDONLY)
    for at in range(0, os.fstat(file).st_size, 1 << 22):
        numpy.add.reduce(numpy.frombuffer(os.pread(file, 1 << 22, at), numpy.uint64))
started = time.perf_counter()
once()
print(time.perf_counter() - started)
"""


def _wall(file: Path, depth: Depth, core: int | None, threads: int) -> Callable[[], float]:
    return lambda: look(file, depth, core=core, threads=threads, warm=_small()).wall_s


def _timed(command: list[str], *, inside: bool = False) -> Callable[[], float]:
    def once() -> float:
        started_at = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE if inside else subprocess.DEVNULL)
        return float(done.stdout) if inside else time.perf_counter() - started_at

    return once


def rows(files: list[Path], times: int) -> None:
    shown: list[list[object]] = []
    for file in files:
        tables = Mdbtools(file).tables(system=False)
        exports = [_timed(["mdb-export", str(file), name]) for name in tables]
        medians = interleaved(
            {
                "mdb-export": lambda exports=exports: sum(export() for export in exports),
                "rows": _wall(file, "rows", None, 2),
            },
            max(1, times // 2),
        )
        export = medians["mdb-export"]
        shown.append([f"{file.name}: mdb-export of all tables", export, 1.0, ""])
        shown.append(["  --depth rows", medians["rows"], medians["rows"] / export, "1, if possible 0.2"])
    print(f"\nevery row, warm, median of {max(1, times // 2)}")
    print(table(["", "s", "x mdb-export", "aim"], shown))


# --- memory, start ------------------------------------------------------------------------------


def memory(files: list[Path], _: int) -> None:
    shown: list[list[object]] = []
    with _large(files[0]) as large:
        for file in (*files, large):
            for depth in DEPTHS:
                peak_mb = look(file, depth, threads=2).peak_mb
                shown.append([f"{file.stat().st_size:,} bytes, --depth {depth}", peak_mb, "200"])
    print("\npeak memory, Python and numpy included")
    print(table(["", "MB", "aim"], shown))


def start(_: list[Path], times: int) -> None:
    small = _small()
    asked = [MAIN, "access", str(small), "--depth"]
    medians = interleaved(
        {
            "python -c pass": started("-c", "pass"),
            "import typer": started("-c", "import typer"),
            "import numpy": started("-c", "import numpy"),
            "checkup --version": started("-c", MAIN, "--version"),
            "checkup access FILE --depth header": started("-c", *asked, "header", may_fail=True),
            "checkup access FILE --depth catalogue": started("-c", *asked, "catalogue", may_fail=True),
            "  the same --json": started("-c", *asked, "catalogue", "--json", may_fail=True),
            "checkup access FILE --depth maps": started("-c", *asked, "maps", may_fail=True),
            "checkup access FILE --depth pages": started("-c", *asked, "pages", may_fail=True),
        },
        2 * times,
    )
    floor = medians["checkup --version"]
    print(f"\nstart, on a file of {small.stat().st_size // 1024} KB, median of {2 * times}")
    print(table(["", "ms", "x --version"], [[name, s * 1000, s / floor] for name, s in medians.items()]))


if __name__ == "__main__":
    main()
