from __future__ import annotations

import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import SITE, T0, a_run, an_endpoint, an_entry, finish, start

from checkup.api import Visit
from checkup.store import open_store, tables
from checkup.store.database import Database, insert_unless_there
from checkup.store.store import Store

WRITE = """
from concurrent.futures import ThreadPoolExecutor
from store_samples import an_endpoint, an_entry
from checkup.store import open_store
url, name, threads, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = open_store(url)

def work(thread):
    for number in range(each):
        endpoint = f"{name}-{thread}-{number}"
        store.ledger_begin(an_entry(endpoint=endpoint, script=b"same for all"))
        store.save_endpoint("r1", an_endpoint(endpoint))
        sys.stdout.write(endpoint + "\\n")
        sys.stdout.flush()

with ThreadPoolExecutor(threads) as pool:
    list(pool.map(work, range(threads)))
"""


def test_many_threads_write_and_read_at_once(store: Store, run_id: str) -> None:
    def work(number: int) -> None:
        entry = store.ledger_begin(an_entry(endpoint=f"e{number}"))
        store.save_endpoint(run_id, an_endpoint(f"e{number}"))
        store.ledger_end(entry, returned_bytes=1, ended_at=T0, outcome="complete")
        assert f"e{number}" in store.finished_endpoints(run_id)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(work, range(72)))
    assert len(store.snapshots([run_id])) == len(store.ledger([run_id])) == 72


def test_two_processes_write_at_once(store: Store, url: str, run_id: str) -> None:
    for process in [start(WRITE, url, name, "4", "25") for name in "ab"]:
        assert len(finish(process).split()) == 100
    assert len(store.finished_endpoints(run_id)) == 200


def test_processes_open_one_and_the_same_visit(url: str) -> None:
    code = """
from store_samples import SITE, T0
from checkup.api import Visit
from checkup.store import open_store
print(open_store(sys.argv[1]).open_visit(SITE, Visit.SIX_MONTH, T0))
"""
    open_store(url).close()
    assert len({finish(process) for process in [start(code, url) for _ in range(4)]}) == 1


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_reported_saved(file_url: str, tmp_path: Path) -> None:
    with open_store(file_url) as store:
        store.begin_run(a_run(store.open_visit(SITE, Visit.THIRTY_DAY, T0)))
    reported: list[str] = []
    for trial in range(10):
        process = start(WRITE, file_url, f"t{trial}", "12", "100000")
        assert process.stdout is not None
        reported.append(process.stdout.readline())
        time.sleep(random.uniform(0, 0.3))  # any moment will do: no outcome depends on which
        process.kill()
        rest, _ = process.communicate()
        reported += rest.splitlines(keepends=True)
    # A line that was cut by the kill itself reported nothing.
    names = {line.strip() for line in reported if line.endswith("\n")}
    assert len(names) >= 10
    with open_store(file_url) as store:
        assert names <= store.finished_endpoints("r1")
        assert names <= {entry.endpoint for entry in store.ledger(["r1"])}
    with closing(sqlite3.connect(tmp_path / "checkup.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_row_that_another_process_made_first_is_left_to_it(store: Store, url: str) -> None:
    database = Database(url, str)
    row = {"sha256": "ab", "text": "mine"}
    with database.write("try twice") as connection:
        assert insert_unless_there(connection, tables.script, row)
        assert not insert_unless_there(connection, tables.script, {**row, "text": "theirs"})
    database.close()
    assert store.script("ab") == b"mine"
