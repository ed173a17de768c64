"""How long the command line takes to say anything: `python -m bench.startup [--times 15]`.

Each is a fresh process of the same Python; the floor is `import typer`, which every command needs.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from bench.tables import interleaved, table

MAIN = "from checkup.cli import main; import sys; sys.argv[0] = 'checkup'; main()"


def compiled() -> Mapping[str, str]:
    """Variables with which Python keeps what it compiled, as it does where checkup is installed, in a folder
    that goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="checkup-bench-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}


def started(*arguments: str, may_fail: bool = False) -> Callable[[], float]:
    """`may_fail`: a command that found something ends with a status of its own."""

    def once() -> float:
        at = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=not may_fail, stdout=subprocess.DEVNULL)
        return time.perf_counter() - at

    return once


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=15)
    times = options.parse_args().times
    os.environ.update(compiled())
    medians = interleaved(
        {
            "python -c pass": started("-c", "pass"),
            "import typer": started("-c", "import typer"),
            "checkup --help": started("-c", MAIN, "--help"),
            "checkup --version": started("-c", MAIN, "--version"),
            "checkup run --help": started("-c", MAIN, "run", "--help"),
            "checkup probes list": started("-c", MAIN, "probes", "list"),
        },
        times,
    )
    floor = medians["import typer"]
    print(f"median of {times}")
    print(table(["", "ms", "x typer"], [[name, s * 1000, s / floor] for name, s in medians.items()]))


if __name__ == "__main__":
    main()
