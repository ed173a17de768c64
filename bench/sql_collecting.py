"""One collect of a SQL instance, in a process of its own: `python -m bench.sql_collecting SITE STORE ID WAY`.

Prints JSON. WAY "alone" sends SQL Server's statements one by one instead of in batches. The clock starts
when the plan is ready and stops after the last commit; the process of the ODBC driver is measured apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil


@dataclass(frozen=True)
class SqlCollecting:
    """`sections` came back whole, `incomplete` did not; `missing` counts databases that a section lacks."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    driver_cpu_s: float
    driver_peak_mb: float
    sections: int
    incomplete: tuple[str, ...]
    missing: int


def collect_sql(site_file: Path, store: Path, instance: str, *, alone: bool = False) -> SqlCollecting:
    """Run it; the store must not exist yet."""
    way = "alone" if alone else "together"
    command = [sys.executable, "-m", "bench.sql_collecting", str(site_file), str(store), instance, way]
    done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return SqlCollecting(**{**done, "incomplete": tuple(done["incomplete"])})


def _main(site_file: Path, store_file: Path, instance: str, way: str) -> SqlCollecting:
    import resource

    from checkup.api import Quality, Visit
    from checkup.sql import engines
    from checkup.workflow.collecting import plan_run, start_run
    from checkup.workflow.prepare import prepare, store_at, utc_now

    if way == "alone":
        by_name = cast("dict[str, Any]", engines.ENGINES)
        by_name["sqlserver"] = replace(by_name["sqlserver"], several=False)
    now = utc_now()
    prepared = prepare(site_file, now)
    with store_at(f"sqlite:///{store_file}") as store:
        plan = plan_run(prepared, store, Visit.SIX_MONTH, now, hosts=[instance])
        watching = _Watching(psutil.Process())
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        outcome = start_run(prepared, store, plan, clock=utc_now, emit=lambda event: None)
        wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        (snapshot,) = store.snapshots([outcome.run_id])
    driver = resource.getrusage(resource.RUSAGE_CHILDREN)
    return SqlCollecting(
        wall_s=wall_s,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_mb=after.ru_maxrss / 1024,
        driver_cpu_s=driver.ru_utime + driver.ru_stime,
        driver_peak_mb=watching.peak_bytes / 2**20,
        sections=sum(one.quality is Quality.OK for one in snapshot.sections),
        incomplete=tuple(
            f"{one.section}: {one.quality} {one.reason}"
            for one in snapshot.sections
            if one.quality is not Quality.OK
        ),
        missing=sum(
            len(cast("dict[str, Any]", one.raw).get("missing", ()))
            for one in snapshot.sections
            if isinstance(one.raw, dict)
        ),
    )


class _Watching(threading.Thread):
    """The most memory that any child of a process was seen with. (What the kernel tells of ended children
    counts the moment before they became another program, too.)"""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._process = process
        self.start()

    def run(self) -> None:
        while True:
            with suppress(psutil.Error):
                found = [child.memory_info().rss for child in self._process.children()]
                self.peak_bytes = max(self.peak_bytes, *found, 0)
            time.sleep(0.05)


if __name__ == "__main__":
    print(json.dumps(asdict(_main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))))
