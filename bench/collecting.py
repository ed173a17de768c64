"""One collect in a process of its own, measured from inside: `python -m bench.collecting SITE STORE`.

Prints JSON. The clock starts when the plan is ready and stops after the last commit; what the
process needed before is `start_s`. The SSH library is loaded within the measured time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Collecting:
    """`kept` endpoints were committed, of which `complete` answered to the end."""

    start_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    kept: int
    complete: int


def collect_once(site_file: Path, store: Path) -> Collecting:
    """Run it; the store must not exist yet."""
    command = [sys.executable, "-m", "bench.collecting", str(site_file), str(store)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Collecting(**json.loads(done.stdout))


def _main(site_file: Path, store_file: Path) -> Collecting:
    import resource

    import psutil

    from checkup.api import Visit
    from checkup.workflow.collecting import plan_run, start_run
    from checkup.workflow.prepare import prepare, store_at, utc_now

    now = utc_now()
    prepared = prepare(site_file, now)
    with store_at(f"sqlite:///{store_file}") as store:
        plan = plan_run(prepared, store, Visit.SIX_MONTH, now)
        start_s = time.time() - psutil.Process().create_time()
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        outcome = start_run(prepared, store, plan, clock=utc_now, emit=lambda event: None, parallel=256)
        wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        snapshots = store.snapshots([outcome.run_id])
    return Collecting(
        start_s=start_s,
        wall_s=wall_s,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_mb=after.ru_maxrss / 1024,
        kept=len(outcome.collected.kept),
        complete=sum(snapshot.complete for snapshot in snapshots),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_main(Path(sys.argv[1]), Path(sys.argv[2])))))
