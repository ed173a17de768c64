"""`checkup sample`: instances are looked at again and again, and the next tune-up judges the differences."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from checkup.api import Quality, Visit
from checkup.assessment import Assessment
from checkup.cli.sample_progress import line
from checkup.collect.sampling import EndpointSamples, Taken
from checkup.plan import NOT_SAMPLED, PlanError
from checkup.store.records import RunState
from checkup.workflow.exit_status import Exit
from checkup.workflow.sampling import BadTimes, Sampled, SampleWish, intervals, sample, shown
from tests.servers.mariadb import MariaDb, mariadb_server, needs_mariadb
from tests.servers.postgresql import PostgreSql, needs_postgresql, postgresql_server
from tests.servers.recordings import recorded
from tests.servers.tds import (
    SQL_2019,
    Account,
    Answer,
    Column,
    Rows,
    Scripted,
    Statement,
    TdsServer,
    data_types,
)
from tests.servers.tds.data_types import BIGINT, INT, SYSNAME
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import WinrmServer
from tests.workflow.conftest import (
    PASSWORD,
    SITE,
    Clinic,
    Ended,
    assert_adds_up,
    checkup,
    start_command,
)

__all__ = ["mariadb_server", "postgresql_server"]  # fixtures

pytestmark = pytest.mark.usefixtures("paper")

POSTGRESQL = ("postgresql-active-waits", "postgresql-activity", "postgresql-sessions")


@pytest.mark.parametrize(
    ("lasting", "every", "said"),
    [
        ("2h", "5s", "--every 5s is too often"),
        ("25h", "60s", "--for 25h is too long"),
        ("1m", "60s", "makes 2 samples, which measures nothing: take at least 2 min"),
        ("30s", "60s", "makes 1 sample, which"),
        ("24h", "10s", "makes 8,641 samples, more than the 1,441 .*take --every 60s"),
        ("soon", "60s", "--for 'soon' is no time: write it like 2h"),
        ("2", "60s", "--for '2' is no time"),
        ("", "60s", "--for '' is no time"),
        ("2h", "-60s", "--every '-60s' is no time"),
    ],
)
def test_silly_times_are_refused(lasting: str, every: str, said: str) -> None:
    with pytest.raises(BadTimes, match=said):
        intervals(lasting, every)


@pytest.mark.parametrize(
    ("lasting", "every", "count", "seconds"),
    [("2h", "60s", 121, 60), ("1h30m", "5min", 19, 300), ("24h", "1m", 1441, 60), ("20S", "10 s", 3, 10)],
)
def test_times(lasting: str, every: str, count: int, seconds: int) -> None:
    made = intervals(lasting, every)
    assert (made.count, made.seconds) == (count, seconds)


def test_times_left() -> None:
    assert [shown(timedelta(seconds=s)) for s in (7500, 3600, 45)] == ["2 h 5 min", "1 h", "45 s"]


def test_a_line_of_progress() -> None:
    good = EndpointSamples(endpoint="db-1", good=3, sections=5)
    poor = EndpointSamples(endpoint="db-2", good=1, failed=2, reason="no answer")
    at = datetime(2026, 11, 20, 10, 2, tzinfo=UTC)
    taken = Taken(number=3, of=121, at=at, left=timedelta(minutes=118), endpoints=[good, poor])
    assert line(taken) == "sample 3 of 121, 1 h 58 min left: db-1 5 sections; db-2 1 of 3 (no answer)"


# --- with real instances, and a clock of our own ------------------------------------------------


@dataclass
class Clock:
    """Goes on by waiting only. `meanwhile` is called in each wait, with the number of the sample before."""

    start: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=2))
    gone_s: float = 0.0
    waits: int = 0
    meanwhile: Callable[[int], None] = lambda number: None

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.gone_s)

    def monotonic(self) -> float:
        return self.gone_s

    def wait(self, seconds: float) -> None:
        self.waits += 1
        self.meanwhile(self.waits)
        self.gone_s += seconds


@dataclass
class Taking:
    said: list[str] = field(default_factory=list[str])
    rounds: list[Taken] = field(default_factory=list[Taken])
    clock: Clock = field(default_factory=Clock)

    def sample(self, clinic: Clinic, lasting: str, every: str = "10m", *hosts: str) -> Sampled:
        return sample(
            SampleWish(
                site_file=clinic.site_file,
                lasting=lasting,
                every=every,
                hosts=hosts,
                store=str(clinic.store_file),
            ),
            say=self.said.append,
            tell=self.rounds.append,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
            wait=self.clock.wait,
        )


@pytest.fixture
def taking() -> Taking:
    return Taking()


def add(clinic: Clinic, name: str, engine: str, port: int, user: str, password: str, **more: Any) -> None:
    file = clinic.folder / f"{name}.password"
    file.write_text(password, encoding="utf-8")
    file.chmod(0o600)
    clinic.credentials[name] = {"user": user, "password": f"file:{file}"}
    where = {"id": name, "engine": engine, "server": "127.0.0.1", "port": port, "credential": name}
    clinic.more.setdefault("sql", []).append({**where, "encryption": "clear", **more})


def tune_up(clinic: Clinic, host: str, *only: str) -> Ended:
    named = [part for probe in only for part in ("--only", probe)]
    return checkup("run", clinic.site_file, "--visit", "tune-up", "--json", "--host", host, *named)


def busy(assessment: Assessment) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each check of samples; of several items the last."""
    found = (one for one in assessment.results if ".busy-" in one.probe)
    return {one.probe: (str(one.outcome), one.reason) for one in found}


@pytest.fixture
def instance(clinic: Clinic, postgresql_server: PostgreSql) -> Clinic:
    server = postgresql_server
    clinic.add_local()
    add(clinic, "pg", "postgresql", server.port, server.user, server.password)
    return clinic


@needs_postgresql
def test_samples_are_judged_by_the_next_tune_up(instance: Clinic, taking: Taking) -> None:
    done = taking.sample(instance, "20m")
    assert done.status is Exit.COMPLETE, taking.said
    assert [(one.good, one.failed, one.missed) for one in done.endpoints] == [(3, 0, 0)]
    assert [line(one).partition(":")[0] for one in taking.rounds] == [
        "sample 1 of 3, 20 min left",
        "sample 2 of 3, 10 min left",
        "sample 3 of 3, the last",
    ]
    with instance.store() as store:
        (run,) = store.sampling_runs(SITE)
        assert (run.id, run.visit, run.state) == (done.run_id, Visit.INTERIM, RunState.COMPLETE)
        kept = Counter((one.section, one.quality) for one in store.samples(run.id))
        assert kept == {(name, Quality.OK): 3 for name in POSTGRESQL}
        assert {one.outcome for one in store.ledger([run.id])} == {"asked"}
        (reached,) = store.snapshots([run.id])
        assert (reached.endpoint, reached.sections, reached.complete) == ("pg", (), True)
    ended = tune_up(instance, "pg")
    assert_adds_up(ended.assessment)
    found = busy(ended.assessment)
    assert found["postgresql.busy-waits"] == found["postgresql.busy-blocking"] == ("passed", "")
    (blocking,) = (one for one in ended.assessment.results if one.probe == "postgresql.busy-blocking")
    assert blocking.evidence["samples"].value == 3 and blocking.source == "sampled"
    page = instance.report.with_suffix(".html").read_text(encoding="utf-8")
    # The annex has each command once, however often it was sent.
    assert f"asked, 3 times until {taking.clock.now():%H:%M} UTC" in page


@needs_postgresql
def test_without_samples_a_tune_up_says_what_to_type(instance: Clinic) -> None:
    found = busy(tune_up(instance, "pg").assessment)
    assert set(found.values()) == {("not checked", NOT_SAMPLED)}
    assert len(found) == 3


@needs_postgresql
def test_samples_taken_after_the_visit_s_run_are_found_by_analyse(instance: Clinic, taking: Taking) -> None:
    tune_up(instance, "pg")
    taking.sample(instance, "20m")
    ended = checkup("analyse", SITE, "--json")
    found = busy(ended.assessment)
    assert found["postgresql.busy-waits"] == ("passed", "")


@needs_postgresql
def test_samples_of_long_ago_are_not_this_visit_s(instance: Clinic, taking: Taking) -> None:
    taking.clock.start = datetime.now(UTC) - timedelta(days=40)
    taking.sample(instance, "20m")
    assert set(busy(tune_up(instance, "pg").assessment).values()) == {("not checked", NOT_SAMPLED)}


@needs_postgresql
def test_a_sampling_that_was_given_up_does_not_hide_the_one_before(instance: Clinic, taking: Taking) -> None:
    taking.sample(instance, "20m")

    def give_up(number: int) -> None:
        raise KeyboardInterrupt

    taking.clock = Clock(start=taking.clock.now(), meanwhile=give_up)
    given_up = taking.sample(instance, "20m")
    assert given_up.status is Exit.INTERRUPTED
    assert "interrupted: every sample above is kept" in taking.said
    assert "pg: 1 of 3 samples kept" in taking.said
    with instance.store() as store:
        assert store.run(given_up.run_id).state is RunState.INTERRUPTED
        assert len(store.samples(given_up.run_id)) == len(POSTGRESQL)
    assert busy(tune_up(instance, "pg").assessment)["postgresql.busy-waits"] == ("passed", "")


@needs_postgresql
def test_who_waited_in_the_samples_is_found(
    instance: Clinic, taking: Taking, postgresql_server: PostgreSql
) -> None:
    server = postgresql_server
    server.run("CREATE TABLE diary (n int)")
    try:
        with server.hold("BEGIN; LOCK TABLE diary"), server.hold("") as waiting:
            waiting.start("SELECT count(*) FROM diary")
            until(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", "1")
            taking.sample(instance, "20m")
    finally:
        server.run("DROP TABLE diary")
    instance.more["levels"] = {"postgresql.busy-blocking": {"felt_s": 0.0}}
    assessment = tune_up(instance, "pg").assessment
    found = {one.probe: one for one in assessment.findings if ".busy-" in one.probe}
    blocking = found["postgresql.busy-blocking"].evidence
    assert (blocking["blocked"].value, blocking["ahead"].value) == (3, f"{server.user} in postgres")
    assert found["postgresql.busy-waits"].item == "Lock"


def until(server: PostgreSql, query: str, wanted: str) -> None:
    deadline = time.monotonic() + 10
    while server.run(query) != [[wanted]]:
        assert time.monotonic() < deadline, query
        time.sleep(0.02)


@needs_postgresql
def test_one_connection_is_kept_and_made_anew_where_it_breaks(
    instance: Clinic, taking: Taking, postgresql_server: PostgreSql
) -> None:
    # A psql of the look before may still be on its way out.
    process = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'checkup%'"
    alive = f"SELECT count(*) FROM ({process}) AS ours"
    until(postgresql_server, alive, "0")
    seen: list[list[list[str]]] = []

    def look(number: int) -> None:
        seen.append(postgresql_server.run(process))
        if number == 2:
            postgresql_server.kill_sessions()

    taking.clock.meanwhile = look
    done = taking.sample(instance, "40m")
    assert [(one.good, one.failed) for one in done.endpoints] == [(5, 0)], taking.said
    first, second, third, fourth = seen
    assert first == second != third == fourth
    assert all(len(one) == 1 for one in seen)
    until(postgresql_server, alive, "0")


@needs_postgresql
def test_a_role_without_the_right_is_told_its_grant(
    instance: Clinic, taking: Taking, postgresql_server: PostgreSql
) -> None:
    postgresql_server.run("CREATE ROLE plain LOGIN PASSWORD 'only-for-a-test'")
    try:
        instance.credentials["pg"]["user"] = "plain"
        done = taking.sample(instance, "20m")
        assert done.status is Exit.INCOMPLETE
        assert 'GRANT pg_monitor TO "plain"' in taking.said[-2]
        found = busy(tune_up(instance, "pg").assessment)
        assert found["postgresql.busy-waits"] == ("not checked", 'GRANT pg_monitor TO "plain"')
        assert found["postgresql.busy-reads"][0] == "not applicable"
    finally:
        postgresql_server.run("DROP ROLE plain")


# --- who is sampled, and who is not -------------------------------------------------------------


def test_a_machine_that_is_never_touched_is_not_sampled(clinic: Clinic, taking: Taking) -> None:
    clinic.add("srv", {"transport": "ssh", "host": "127.0.0.1", "port": 1}, touch="never")
    add(clinic, "pg", "postgresql", 1, "x", "x", host="srv")
    with pytest.raises(PlanError, match=r"nothing to sample.*pg: this machine is not touched"):
        taking.sample(clinic, "20m")
    assert not clinic.store_file.exists()


def test_a_site_without_instances_has_nothing_to_sample(clinic: Clinic, taking: Taking) -> None:
    clinic.add_local()
    with pytest.raises(PlanError, match=r"sampled are SQL instances .* and Windows machines"):
        taking.sample(clinic, "20m")


def test_quiet_hours_do_not_forbid_it(clinic: Clinic, taking: Taking) -> None:
    clinic.add("srv", {"transport": "ssh", "host": "127.0.0.1", "port": 1}, touch="quiet")
    add(clinic, "pg", "postgresql", 1, "x", "x", host="srv")
    taking.clock.start = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # ten o'clock of a Friday in Denver
    done = taking.sample(clinic, "20m")
    assert [(one.good, one.failed) for one in done.endpoints] == [(0, 3)]
    assert done.status is Exit.NOTHING
    assert taking.said[-1].endswith("too little to be judged; 3 samples of one instance are the least")


def test_the_command_refuses_silly_times_before_it_reads_anything(clinic: Clinic) -> None:
    ended = checkup("sample", clinic.folder / "none.yaml", "--for", "2h", "--every", "1s")
    assert (ended.status, ended.out) == (2, "")
    assert "--every 1s is too often" in ended.err


def test_what_would_be_asked_is_shown_and_nobody_contacted(clinic: Clinic) -> None:
    clinic.add("srv", {"transport": "ssh", "host": "127.0.0.1", "port": 1}, touch="never")
    add(clinic, "pg", "postgresql", 1, "x", "x")
    add(clinic, "my", "mariadb", 1, "x", "x", host="srv")
    ended = checkup("sample", clinic.site_file, "--show")
    assert (ended.status, ended.err) == (0, "")
    assert "my is left out: this machine is not touched" in ended.out
    assert f"pg by ODBC: {', '.join(POSTGRESQL)}\n" in ended.out
    assert "--- postgresql-activity (postgresql)\n" in ended.out and "FROM pg_stat_database" in ended.out
    assert not clinic.store_file.exists()


# --- the command, and its end -------------------------------------------------------------------


@needs_postgresql
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_what_was_taken_is_kept_however_it_ends(instance: Clinic, ending: signal.Signals) -> None:
    arguments = ("sample", instance.site_file, "--for", "20m", "--every", "10m")
    running = start_command(*arguments, folder=instance.folder)
    running.read_until("sample 1 of 3, 20 min left: pg 3 sections")
    ended = running.send(ending)
    with instance.store() as store:
        (run,) = store.sampling_runs(SITE)
        assert len(store.samples(run.id)) == len(POSTGRESQL)
    if ending is signal.SIGINT:
        assert (ended.status, ended.out.strip()) == (130, run.id)
        assert "pg: 1 of 3 samples kept\ninterrupted: every sample above is kept\n" in ended.err
        assert "Traceback" not in ended.err
    else:
        # It cannot be gone on with, and nobody is told so.
        assert "--resume" not in tune_up(instance, "pg").err
        refused = checkup("run", instance.site_file, "--resume", run.id)
        assert (refused.status, "start it anew" in refused.err) == (4, True)


# --- SQL Server ---------------------------------------------------------------------------------

SINCE = Rows(
    (Column("installed_at", SYSNAME), Column("started_at", data_types.DATETIME)),
    [("2024-03-01T10:22:11.433", datetime(2026, 2, 20, 22, 0))],
)


def growing(columns: tuple[Column, ...], rows: Callable[[int], list[tuple[Any, ...]]]) -> Answer:
    """Rows that depend on how often they were asked for."""
    asked: list[int] = []

    def answer(statement: Statement) -> Rows:
        asked.append(1)
        return Rows(columns, rows(len(asked)))

    return answer


WAITS = tuple(
    Column(name, SYSNAME if name == "wait_type" else BIGINT)
    for name in ("wait_type", "waits", "wait_ms", "signal_ms")
)
TIMES = (Column("kernel_ms", BIGINT), Column("user_ms", BIGINT), Column("processors", INT))


BLOCKED = (
    Column("session_id", INT),
    Column("blocking_session_id", INT),
    Column("database_name", SYSNAME),
    Column("wait_ms", BIGINT),
    Column("blocking_program", SYSNAME),
)
SQL_SERVER = tuple(f"sqlserver.busy-{name}" for name in ("waits", "latency", "blocking", "processors"))


def sql_server(**more: Answer) -> Scripted:
    """Each ten minutes sessions wait 1200 s for locks, and 4 processors work for half of the time."""
    return Scripted(
        product=SQL_2019,
        accounts={"checkup_ro": Account(PASSWORD, permissions=frozenset({"VIEW SERVER STATE"}))},
        databases={},
        answers={
            "hello-since": SINCE,
            "hello-databases": Rows(
                (
                    Column("name", SYSNAME),
                    Column("state", SYSNAME),
                    Column("user_access", SYSNAME),
                    Column("enters", INT),
                ),
                [],
            ),
            "sqlserver-waits": growing(
                WAITS,
                lambda n: [("LCK_M_X", 10 * n, 1_200_000 * n, 0), ("LAZYWRITER_SLEEP", n, 600_000 * n, 0)],
            ),
            "sqlserver-blocked-requests": Rows(BLOCKED, [(60, 55, "ledger", 95_000, "Report writer")]),
            "sqlserver-processor-time": growing(TIMES, lambda n: [(200_000 * n, 1_000_000 * n, 4)]),
            **more,
        },
    )


@pytest.fixture
def freetds_driver() -> str:
    pyodbc: Any = pytest.importorskip("pyodbc", reason="pyodbc or unixODBC is missing", exc_type=ImportError)
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("needs FreeTDS (Debian: apt-get install tdsodbc)")
    return "FreeTDS"


def test_a_sql_server(clinic: Clinic, taking: Taking, freetds_driver: str) -> None:
    clinic.add_local()
    with TdsServer(sql_server()) as server:
        add(clinic, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=freetds_driver)
        taking.sample(clinic, "30m")
        assert len(server.logins) == 1
        assessment = tune_up(clinic, "ms", *SQL_SERVER).assessment
    found = {(one.probe, one.item): one for one in assessment.results if ".busy-" in one.probe}
    locks = found["sqlserver.busy-waits", "LCK_M_X"]
    assert (str(locks.outcome), locks.evidence["waited"].value) == ("finding", 2.0)
    processors = found["sqlserver.busy-processors", ""]
    assert (str(processors.outcome), processors.evidence["share"].value) == ("passed", 0.5)
    # The files' names need a right that the login lacks.
    assert "VIEW ANY DEFINITION" in found["sqlserver.busy-latency", ""].reason


def test_a_restart_of_the_instance_is_no_wait(clinic: Clinic, taking: Taking, freetds_driver: str) -> None:
    asked: list[int] = []

    def waits(statement: Statement) -> Rows:
        asked.append(1)
        # Started anew between the second and the third.
        counted = {1: 1_200_000, 2: 2_400_000}.get(len(asked), 1_200_000 * (len(asked) - 2) - 1_199_000)
        return Rows(WAITS, [("LCK_M_X", 1, counted, 0)])

    clinic.add_local()
    with TdsServer(sql_server(**{"sqlserver-waits": waits})) as server:
        add(clinic, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=freetds_driver)
        taking.sample(clinic, "50m")
        assessment = tune_up(clinic, "ms", *SQL_SERVER).assessment
    (found,) = (one for one in assessment.results if one.probe == "sqlserver.busy-waits")
    assert found.evidence["restarts"].value == 1
    assert found.evidence["waited"].value == 2.0


# --- MariaDB ------------------------------------------------------------------------------------


@needs_mariadb
def test_a_mariadb(clinic: Clinic, taking: Taking, mariadb_server: MariaDb) -> None:
    clinic.add_local()
    add(clinic, "my", "mariadb", mariadb_server.port, mariadb_server.user, mariadb_server.password)
    done = taking.sample(clinic, "20m")
    assert [(one.good, one.sections, one.reason) for one in done.endpoints] == [(3, 2, "")]
    only = [f"mariadb.busy-{name}" for name in ("blocking", "waits", "reads")]
    found = busy(tune_up(clinic, "my", *only).assessment)
    assert found["mariadb.busy-blocking"] == found["mariadb.busy-waits"] == ("passed", "")
    assert found["mariadb.busy-reads"][0] == "not applicable"


# --- Windows ------------------------------------------------------------------------------------


PROCESSOR = "Win32_PerfRawData_PerfOS_Processor"


@pytest.mark.parametrize("remote_shells", ["allowed", "denied"])
def test_a_windows_machine(
    clinic: Clinic, taking: Taking, remote_shells: Literal["allowed", "denied"]
) -> None:
    """By a shell, and without one by its management classes."""
    sections = recorded("11")
    total = {**sections["windows-load"][PROCESSOR][0], "Name": "_Total"}
    machine = WindowsMachine(name="WS-1", version="11", sections=sections, classes={PROCESSOR: [total]})
    clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}
    with WinrmServer(machine, {"checkup": PASSWORD}, name="WS-1", remote_shells=remote_shells) as server:
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": server.port, "credential": "domain"}
        clinic.add("ws-1", connect, role="workstation")
        done = taking.sample(clinic, "20m")
        assert [(one.good, one.failed, one.sections) for one in done.endpoints] == [(3, 0, 2)], taking.said
        assert server.logins == [("checkup", True)]
    with clinic.store() as store:
        kept = {(one.section, one.source) for one in store.samples(done.run_id)}
    source = "windows" if remote_shells == "allowed" else "cim"
    assert kept == {("windows-load", source), ("volume-speed", source)}
    assessment = tune_up(clinic, "ws-1", "windows.busy-disks", "windows.busy-processors").assessment
    # The machine of this test counts nothing.
    assert busy(assessment)["windows.busy-disks"][0] == "not applicable"
