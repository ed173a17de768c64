"""What keeping a host costs: `python -m bench.store [--counts 10 100 400]`.

Everything a run writes for one endpoint (ledger before and after, snapshot, identity), from one thread
and from eight, with this machine's own answer under many names. Every write is a commit that waits
for the disk; the floor is the same number of empty commits of SQLite alone.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench.report_40_hosts import bundle_site
from bench.tables import table
from checkup.api import Visit
from checkup.snapshot import EndpointSnapshot
from checkup.store import LedgerEntry, RunRecord, RunState
from checkup.store.store import Store
from checkup.workflow.collecting import plan_run, start_run
from checkup.workflow.prepare import prepare, store_at, utc_now

COMMITS = 4  # ledger before, ledger after, snapshot, identity


def sample(folder: Path) -> tuple[EndpointSnapshot, bytes]:
    """This machine's snapshot, and the script it answered."""
    now = utc_now()
    prepared = prepare(bundle_site(folder, 1), now)
    with store_at(f"sqlite:///{folder / 'sample.db'}") as store:
        plan = plan_run(prepared, store, Visit.SIX_MONTH, now)
        run = start_run(prepared, store, plan, clock=utc_now, emit=lambda event: None)
        return store.snapshots([run.run_id])[0], plan.endpoints[0].script


def keep(store: Store, snapshot: EndpointSnapshot, script: bytes, name: str) -> None:
    own = script.replace(snapshot.endpoint.encode(), name.encode())
    entry = store.ledger_begin(
        LedgerEntry(
            run="r",
            endpoint=name,
            transport="ssh",
            at=utc_now(),
            sha256=hashlib.sha256(own).hexdigest(),
            script=own,
            sent_bytes=len(own),
        )
    )
    store.ledger_end(entry, returned_bytes=20_000, ended_at=utc_now(), outcome="complete")
    store.save_endpoint("r", replace(snapshot, endpoint=name))
    store.pin_identity("bench", name, "machine-id:1", utc_now())


def kept(folder: Path, count: int, threads: int, snapshot: EndpointSnapshot, script: bytes) -> list[object]:
    path = folder / f"{count}-{threads}.db"
    with store_at(f"sqlite:///{path}") as store:
        visit = store.open_visit("bench", Visit.SIX_MONTH, utc_now())
        store.begin_run(
            RunRecord(
                id="r",
                site="bench",
                visit_id=visit,
                visit=Visit.SIX_MONTH,
                started_at=utc_now(),
                tool_version="bench",
                site_json={},
                plan_json={},
            )
        )
        started, busy = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda n: keep(store, snapshot, script, f"srv-{n:04}"), range(count)))
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - busy
        store.finish_run("r", RunState.COMPLETE, utc_now())
    size = path.stat().st_size
    floor_s = empty_commits(folder, count * COMMITS)
    return [
        count,
        threads,
        count * COMMITS / wall_s,
        wall_s / count * 1000,
        cpu_s / count * 1000,
        wall_s / floor_s,
        size / count / 1000,
    ]


def empty_commits(folder: Path, number: int) -> float:
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (a)")
    connection.execute("PRAGMA synchronous = FULL")
    started = time.perf_counter()
    for _ in range(number):
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--counts", type=int, nargs="+", default=[10, 100, 400])
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place:
        folder = Path(place)
        snapshot, script = sample(folder)
        rows = [
            kept(folder, count, threads, snapshot, script) for count in given.counts for threads in (1, 8)
        ]
    heads = ["hosts", "threads", "commits/s", "ms/host", "CPU ms/host", "x empty commits", "kB/host"]
    print(table(heads, rows))


if __name__ == "__main__":
    main()
