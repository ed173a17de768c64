"""Puts mutated Access files through the deepest examination, and prints what came of it.

A case that raises ends the run and is named; `--first CASE 1` runs it alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.jet.fuzzing import Outcome, bases, run_case

STEP = 500


@dataclass(frozen=True)
class Batch:
    """What came of some cases, run in one process; `memory_bytes` is its peak so far."""

    states: Counter[str]
    slowest: Outcome
    memory_bytes: int


def run_batch(cases: range) -> Batch:
    all_bases = bases()
    outcomes: list[Outcome] = []
    for case in cases:
        try:
            outcomes.append(run_case(case, all_bases))
        except Exception as error:
            raise RuntimeError(f"case {case}: {error!r}") from error
    return Batch(
        Counter(outcome.state for outcome in outcomes),
        max(outcomes, key=lambda outcome: outcome.seconds),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=100_000, help="mutated files (100000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    last = chosen.first + chosen.count
    batches = [range(first, min(first + STEP, last)) for first in range(chosen.first, last, STEP)]
    done: list[Batch] = []
    with multiprocessing.Pool(chosen.processes) as pool:
        for batch in pool.imap_unordered(run_batch, batches):
            done.append(batch)
            print(f"{len(done) * STEP} of {chosen.count}", file=sys.stderr, end="\r")
    states = sum((batch.states for batch in done), Counter[str]())
    slowest = max((batch.slowest for batch in done), key=lambda outcome: outcome.seconds)
    memory = max(batch.memory_bytes for batch in done)
    print(f"{states.total()} mutated copies of {len(bases())} files in {time.monotonic() - started:.0f} s:")
    print(", ".join(f"{count} {state}" for state, count in states.most_common()))
    print(f"slowest case {slowest.case}: {slowest.seconds:.2f} s; peak memory {memory / 1e6:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
