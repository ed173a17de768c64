"""What one host on a slow line costs: `python -m bench.round_trips [--times 5] [--round-trip 50]`.

Round trips of a whole collect: the wall time with the delay less that without, over the delay; and
counted in the relay, as often as the talk went over and back. OpenSSH's client sends the same batch.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from bench.collecting import collect_once
from bench.lab import Line, lab, line
from bench.peers import openssh
from bench.tables import interleaved, table


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--round-trip", type=float, default=50, help="milliseconds")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place, lab(Path(place), 1) as at:
        with line(at, 1, 0) as near, line(at, 1, given.round_trip) as far:
            medians = interleaved(
                {
                    "checkup near": lambda: _collect(near),
                    "checkup far": lambda: _collect(far),
                    "OpenSSH near": openssh(near),
                    "OpenSSH far": openssh(far),
                },
                given.times,
            )
        assert far.relay is not None
        # Taken in turns, so every second connection is OpenSSH's.
        counted = {"checkup": far.relay.round_trips[::2], "OpenSSH": far.relay.round_trips[1::2]}
    print(f"one host, {given.round_trip:g} ms round trip, median of {given.times}")
    rows = [
        [
            name,
            medians[f"{name} near"],
            medians[f"{name} far"],
            (medians[f"{name} far"] - medians[f"{name} near"]) / given.round_trip * 1000,
            median(turns),
        ]
        for name, turns in counted.items()
    ]
    print(table(["", "s near", "s far", "round trips", "counted"], rows))


def _collect(way: Line) -> float:
    store = Path(tempfile.mkdtemp(dir=way.folder)) / "store.db"
    return collect_once(way.site_file, store).wall_s


if __name__ == "__main__":
    main()
