"""Many hosts: wall time of a collect beside its peers, client CPU per host, growth with the hosts.

    python -m bench.collect_hosts [--hosts 40] [--times 3] [--many 200] [--peers FOLDER] [--sections]

The hosts are OpenSSH servers on this machine, so they share its processors with the client: nearly
all of the wall time is theirs. `--many` adds a run with so many hosts (0: none), `--sections` the cost
of each section on a host; `--peers FOLDER` keeps the peers' environments for the next time.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import peers
from bench.collecting import Collecting, collect_once
from bench.lab import Lab, Line, lab, line, planned
from bench.tables import interleaved, table


class Collects:
    """Runs collects into fresh stores and remembers what they measured."""

    def __init__(self, way: Line) -> None:
        self.way = way
        self.seen: list[Collecting] = []

    def __call__(self) -> float:
        store = self.way.folder / f"{len(self.seen)}.db"
        done = collect_once(self.way.site_file, store)
        if done.complete != len(self.way.reached):
            raise RuntimeError(f"only {done.complete} of {len(self.way.reached)} hosts were examined")
        self.seen.append(done)
        return done.wall_s

    def median(self, figure: Callable[[Collecting], float]) -> float:
        return median(figure(done) for done in self.seen)


def beside_peers(at: Lab, hosts: int, round_trip_ms: float, times: int, environments: Path) -> None:
    with line(at, hosts, round_trip_ms) as way:
        ours = Collects(way)
        works: dict[str, Callable[[], float]] = {
            "checkup collect": ours,
            "OpenSSH, same batch": peers.openssh(way),
            "ansible -m setup": peers.ansible(way, peers.environment(environments, "ansible-core")),
            "pyinfra, 9 facts": peers.pyinfra(way, peers.environment(environments, "pyinfra")),
        }
        medians = interleaved(works, times)
    mine = medians["checkup collect"]
    print(f"\n{hosts} hosts, {round_trip_ms:g} ms round trip, median of {times}")
    print(table(["", "wall s", "of ours"], [[name, wall, wall / mine] for name, wall in medians.items()]))
    print(
        f"ours before the plan was ready: {ours.median(lambda done: done.start_s):.2f} s, not counted above"
    )


def growth(at: Lab, counts: list[int], times: int) -> None:
    with ExitStack() as lines:
        collects = {count: Collects(lines.enter_context(line(at, count, 0))) for count in counts}
        interleaved({str(count): collect for count, collect in collects.items()}, times)
    rows: list[list[object]] = []
    cpu_s = {count: one.median(lambda done: done.cpu_s) for count, one in collects.items()}
    for count, one in collects.items():
        more = count - counts[0]
        slope = (cpu_s[count] - cpu_s[counts[0]]) / more * 1000 if more else float("nan")
        wall = one.median(lambda done: done.wall_s)
        rows.append([count, wall, wall / count * 1000, cpu_s[count], slope, one.median(lambda d: d.peak_mb)])
    print(f"\nGrowth at 0 ms, median of {times}; the slope is against {counts[0]} hosts")
    print(table(["hosts", "wall s", "wall ms/host", "client CPU s", "CPU ms/host", "peak MB"], rows))
    for server in at.servers[: counts[0]]:
        if not server.connections == server.logins == server.sessions:
            print(f"{server.address}: {server.connections} connections, {server.sessions} sessions")


def sections(at: Lab, times: int) -> None:
    """What a section costs a host: the batch with it alone, less the batch with none."""
    with line(at, 1, 0) as way:
        _, plan = planned(way)
    endpoint = plan.endpoints[0]
    empty = _batch_cpu_s(endpoint.script_for([]), times)
    rows = [
        [section.name, (_batch_cpu_s(endpoint.script_for([section]), times) - empty) * 1000]
        for section in endpoint.scripted
    ]
    rows.sort(key=lambda row: -float(row[1]))
    whole = _batch_cpu_s(endpoint.script, times)
    print(f"\nCPU that the batch costs a host, median of {times}")
    print(table(["section", "ms"], [["(whole batch)", whole * 1000], ["(greeting)", empty * 1000], *rows]))


def _batch_cpu_s(script: bytes, times: int) -> float:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["sh"], input=script, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return median(once() for _ in range(times))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--hosts", type=int, default=40)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--many", type=int, default=0)
    options.add_argument("--peers", type=Path)
    options.add_argument("--sections", action="store_true")
    options.add_argument("--no-peers", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place:
        folder = Path(place)
        with lab(folder, max(given.hosts, given.many)) as at:
            print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
            if given.sections:
                sections(at, 9)
            growth(at, [10, given.hosts, *([given.many] if given.many else [])], given.times)
            if not given.no_peers:
                for round_trip_ms in (0, 50):
                    beside_peers(at, given.hosts, round_trip_ms, given.times, given.peers or folder / "peers")


if __name__ == "__main__":
    main()
