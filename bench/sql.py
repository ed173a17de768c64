"""What SQL instances cost: `python -m bench.sql [--only PART ...] [--times N]`.

The parts: line (the six-month sections of a SQL Server over a line of 50 ms, in batches and one by one, for
1, 5 and 20 databases), databases (100, 250 and 500 databases on one real PostgreSQL). The SQL Server is that
of the tests, which executes nothing and answers at once: what is measured is the way, not a server's work.

Needs pyodbc with FreeTDS's and PostgreSQL's drivers, and PostgreSQL (Debian: unixodbc tdsodbc odbc-postgresql
postgresql), and 4 GB of disk for the databases.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.relay import relaying
from bench.sql_collecting import SqlCollecting, collect_sql
from bench.tables import interleaved, table
from checkup.api import Visit
from tests.servers.postgresql import postgresql
from tests.servers.sql_server_answers import PASSWORD, USER, sections, sql_server
from tests.servers.tds import TdsServer

ROUND_TRIP_MS = 50
INSTANCE = "sql"


def main() -> None:
    parts = {"line": line, "databases": databases}
    options = argparse.ArgumentParser()
    options.add_argument("--only", choices=parts, action="append", default=[])
    options.add_argument("--times", type=int, default=5)
    given = options.parse_args()
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start, {given.times} times each"
    )
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place:
        for name in given.only or parts:
            parts[name](Path(place), given.times)


@dataclass
class _Collects:
    """Runs collects into fresh stores and remembers what they measured."""

    site_file: Path
    alone: bool = False
    seen: list[SqlCollecting] = field(default_factory=list[SqlCollecting])

    def __call__(self) -> float:
        way = "alone" if self.alone else "together"
        store = self.site_file.with_name(f"{self.site_file.stem}-{way}-{len(self.seen)}.db")
        done = collect_sql(self.site_file, store, INSTANCE, alone=self.alone)
        store.unlink()
        self.seen.append(done)
        return done.wall_s

    def median(self, figure: Callable[[SqlCollecting], float]) -> float:
        return median(figure(done) for done in self.seen)


def _site_file(folder: Path, name: str, user: str, password: str, **instance: object) -> Path:
    secret = folder / f"{name}.password"
    secret.write_text(password, encoding="utf-8")
    secret.chmod(0o600)
    site = {
        "version": 1,
        "site": {"id": "bench", "name": "Bench", "timezone": "UTC", "country": "US"},
        "contract": {"package": "premium", "installed": "400 days ago"},
        "credentials": {"sql": {"user": user, "password": f"file:{secret}"}},
        "hosts": [{"id": "here", "connect": {"transport": "local"}}],
        "sql": [{"id": INSTANCE, "server": "127.0.0.1", "credential": "sql", **instance}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(site), encoding="utf-8")  # JSON is YAML too
    return path


# --- a line with a delay ------------------------------------------------------------------------


def line(folder: Path, times: int) -> None:
    asked = sections(Visit.SIX_MONTH).values()
    scopes = [sum(one.scope == scope for one in asked) for scope in ("server", "database")]
    canaries = sum(bool(one.canary) for one in asked)
    print(
        f"\n{scopes[0]} sections of the instance, {scopes[1]} of each database, {canaries} of them with a "
        "second statement"
    )
    shown: list[list[object]] = []
    for count in (1, 5, 20):
        with TdsServer(sql_server([f"clinic-{number:03}" for number in range(count)])) as server:
            trips = _round_trips(folder, server, count)
            with relaying([("127.0.0.1", server.port)], ROUND_TRIP_MS / 1000) as far:
                site = _sql_server_site(folder, f"ms-{count}-far", far.ports[0])
                works = {"batches": _Collects(site), "one by one": _Collects(site, alone=True)}
                medians = interleaved(works, times)
            near = _Collects(_sql_server_site(folder, f"ms-{count}-near", server.port))
            near_s = interleaved({"near": near}, times)["near"]
        for name, wall in medians.items():
            before, instance, each = trips[name]
            aim = f"12 + {2 * count}" if name == "batches" else ""
            of_batches = wall / medians["batches"]
            at_0_ms = near_s if name == "batches" else ""
            shown.append([count, name, before, instance, each, aim, at_0_ms, wall, of_batches])
    print(f"\nSQL Server, {ROUND_TRIP_MS} ms round trip, median of {times}")
    heads = ["databases", "", "log-in, preamble", "instance", "databases", "aim", "s near", "s far", "x"]
    print(table(heads, shown))


def _sql_server_site(folder: Path, name: str, port: int) -> Path:
    where = {"engine": "sqlserver", "port": port, "encryption": "clear", "driver": "FreeTDS"}
    return _site_file(folder, name, USER, PASSWORD, **where)


def _round_trips(folder: Path, server: TdsServer, count: int) -> dict[str, tuple[int, int, int]]:
    """Messages that were answered: after the login up to the greeting, of the instance, of its databases."""
    found: dict[str, tuple[int, int, int]] = {}
    for name, alone in (("batches", False), ("one by one", True)):
        server.requests.clear()
        collect = _Collects(_sql_server_site(folder, f"ms-{count}-{alone}", server.port), alone)
        collect()
        if any("unsupported" not in one for one in collect.seen[0].incomplete) or collect.seen[0].missing:
            raise RuntimeError(f"not all was answered: {collect.seen[0].incomplete}")
        texts = server.texts
        greeted = max(number for number, text in enumerate(texts) if "checkup:hello" in text) + 1
        entered = next(number for number, text in enumerate(texts) if text.startswith("USE ["))
        found[name] = (greeted, entered - greeted, len(texts) - entered)
    return found


# --- many databases -----------------------------------------------------------------------------

# What a small application's database has: the benchmark's own, nothing of anybody's.
_TEMPLATE = "".join(
    f"CREATE TABLE t{number} (id serial PRIMARY KEY, name text, at timestamptz);"
    f"CREATE INDEX ON t{number} (name); INSERT INTO t{number} (name) SELECT 'x' FROM generate_series(1, 50);"
    for number in range(20)
)


def databases(folder: Path, times: int) -> None:
    shown: list[list[object]] = []
    with postgresql(tls=True) as server:
        server.run("CREATE DATABASE clinic_0")
        server.run(_TEMPLATE, database="clinic_0")
        where = {"engine": "postgresql", "port": server.port, "encryption": "unvalidated"}
        site = _site_file(folder, "pg", server.user, server.password, **where)
        there = 1
        for count in (100, 250, 500):
            _more(server.run, range(there, count))
            there = count
            collects = _Collects(site)
            wall = interleaved({"": collects}, max(1, times // 2 + 1))[""]
            if collects.seen[0].missing:
                raise RuntimeError(f"not every database was looked into: {collects.seen[0].incomplete}")
            cpu = collects.median(lambda one: one.cpu_s + one.driver_cpu_s)
            own, driver = (
                collects.median(lambda one: one.peak_mb),
                collects.median(lambda o: o.driver_peak_mb),
            )
            shown.append([count, wall, wall / count * 1000, cpu / count * 1000, own, driver])
    print("\nPostgreSQL, TLS, 20 tables in each database")
    heads = ["databases", "wall s", "wall ms each", "CPU ms each", "peak MB", "MB of the driver's process"]
    print(table(heads, shown))


def _more(run: Callable[[str], Sequence[object]], numbers: range) -> None:
    run("".join(f"CREATE DATABASE clinic_{number} TEMPLATE clinic_0;\n" for number in numbers))


if __name__ == "__main__":
    main()
