"""SQL instances in trouble, from the command line to the report: what is lost is told, the rest goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil
import pytest

from checkup.collect import sql_target
from checkup.store.records import RunState
from tests.servers.tds import (
    SQL_2008_R2,
    SQL_2019,
    Account,
    Answer,
    Database,
    Error,
    HangUp,
    Pause,
    Product,
    Rows,
    Statement,
    TdsServer,
    collations,
)
from tests.servers.tds.drivers import microsoft
from tests.workflow.conftest import (
    PASSWORD,
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    checkup,
    errors,
    outcomes,
    start_command,
)
from tests.workflow.sql_clinic import LISTED, SEES_ALL, add, count, own, reasons, site, sql_server

__all__ = ["site"]  # a fixture

pytestmark = pytest.mark.usefixtures("paper")

MICROSOFT = microsoft([])
DRIVERS = [
    pytest.param("FreeTDS", id="freetds"),
    pytest.param(
        MICROSOFT.location if MICROSOFT else "",
        id="microsoft",
        marks=pytest.mark.skipif(MICROSOFT is None, reason="needs the extra mssql"),
    ),
]


def drivers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that hold this one's ODBC drivers."""
    found: list[psutil.Process] = []
    for one in process.children():
        try:
            if any(word.endswith("worker.py") for word in one.cmdline()):
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def hanging(section: str) -> Iterator[tuple[TdsServer, threading.Event, threading.Event]]:
    """A SQL Server that is long about a section; whether it was asked, and whether it is well again."""
    asked, well = threading.Event(), threading.Event()

    def answer(statement: Statement) -> Answer:
        if well.is_set():
            return count("sessions", 7)
        asked.set()
        return [Pause(60), count("sessions", 7)]

    with TdsServer(sql_server(SEES_ALL, more={section: answer})) as server:
        yield server, asked, well


# --- ended in the middle ------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_in_mid_look_goes_on_with_that_instance_alone(
    site: Clinic, ending: signal.Signals
) -> None:
    own_probes = {"PYTHONPATH": str(site.folder / "installed"), "TMPDIR": str(site.folder)}
    arguments = ("--json", "--only", "own", "--deep")
    with hanging("own-sessions") as (slow, asked, well), TdsServer(sql_server(SEES_ALL)) as quick:
        for name, server in (("quick", quick), ("slow", slow)):
            add(site, name, "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        running = start_command("run", site.site_file, *arguments, folder=site.folder, **own_probes)
        running.read_until("quick: done")
        assert asked.wait(20)
        (driver,) = drivers_of(psutil.Process(running.process.pid))
        began = time.monotonic()
        ended = running.send(ending)
        assert time.monotonic() - began < 40  # nobody waits for the statement, which takes 60 s
        assert ended.status == (130 if ending is signal.SIGINT else -ending), ended.err
        psutil.wait_procs([driver], timeout=10)
        assert not driver.is_running()  # nor does it hold the client's server any longer
        with site.store() as store:
            (run,) = store.runs()
            assert "slow" not in store.finished_endpoints(run.id)
        if ending is signal.SIGINT:
            assert_clean(site.texts(ended))
            assert_adds_up(ended.assessment)
            assert set(outcomes(ended.assessment, "slow").values()) == {"not checked"}
            assert own(ended, "quick")["sessions"] == "passed"
        well.set()
        again = start_command(
            "run", site.site_file, "--resume", run.id, "--json", folder=site.folder, **own_probes
        )
        out, err = again.process.communicate(timeout=60)
        resumed = Ended(again.process.returncode, out, err)
        assert resumed.status in (0, 3), err
        assert set(resumed.finished) <= {"slow", "here"}
        assert own(resumed, "slow")["sessions"] == own(resumed, "quick")["sessions"] == "passed"
        assert len(quick.logins) == 1
    with site.store() as store:
        assert [one.state for one in store.runs()] == [RunState.COMPLETE]


def kill_the_driver() -> None:
    for one in drivers_of(psutil.Process(os.getpid())):
        one.kill()


def test_a_driver_that_is_killed_in_mid_look_costs_nothing_but_time(site: Clinic) -> None:
    killed: list[int] = []

    def once(statement: Statement) -> Answer:
        if not killed:
            killed.append(1)
            kill_the_driver()
            return HangUp()
        return count("sessions", 7)

    with TdsServer(sql_server(SEES_ALL, more={"own-sessions": once})) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own", "--deep")
        assert len(server.logins) == 2
    assert own(ended, "ms")["sessions"] == own(ended, "ms")["everything"] == "passed", reasons(ended, "ms")


def test_a_statement_that_kills_each_driver_costs_only_its_section(site: Clinic) -> None:
    def always(statement: Statement) -> Answer:
        kill_the_driver()
        return HangUp()

    with TdsServer(sql_server(SEES_ALL, more={"own-sessions": always})) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own", "--deep")
    assert_clean(site.texts(ended))
    assert_adds_up(ended.assessment)
    assert own(ended, "ms") == {"sessions": "not checked", "tables": "not checked", "everything": "passed"}
    told = reasons(ended, "ms")
    assert "the process of the ODBC driver crashed (SIGKILL)" in told["sessions", ""]
    assert ("tables", "ledger") not in told  # that database was looked into
    assert not drivers_of(psutil.Process(os.getpid()))


# --- this station -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "remedy"),
    [
        ("ModuleNotFoundError('No module named pyodbc')", "pip install pyodbc"),
        ("ImportError('libodbc.so.2: cannot open shared object file')", "apt-get install unixodbc"),
    ],
)
def test_a_station_without_odbc_loses_the_sql_part_alone(
    site: Clinic, monkeypatch: pytest.MonkeyPatch, raised: str, remedy: str
) -> None:
    folder = site.folder / "station"
    folder.mkdir()
    (folder / "pyodbc.py").write_text(f"raise {raised}", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with TdsServer(sql_server(SEES_ALL)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD)
        ended = site.run("--only", "own", "--only", "host", "--only", "sqlserver.reachable")
        assert not server.prelogins  # a client's server is not touched in vain
    assert_clean(site.texts(ended))
    assert_adds_up(ended.assessment)
    assert outcomes(ended.assessment, "here")["host.reachable"] == "passed"
    assert set(own(ended, "ms").values()) == {"not checked"}
    assert errors(ended.assessment, "ms") <= {"unsupported", "opted_out"}
    assert remedy in ended.err
    assert remedy in site.texts(ended)[site.report.with_suffix(".html").name]


# --- self-test ----------------------------------------------------------------------------------


def test_a_recording_of_an_instance_names_nothing_of_the_site(site: Clinic) -> None:
    with TdsServer(sql_server(SEES_ALL)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        record = site.folder / "recording.json"
        sections = [word for name in ("own-sessions", "own-tables") for word in ("--section", name)]
        ended = checkup("selftest", site.site_file, "ms", "--no-progress", *sections, "--record", record)
    assert "own-tables" in ended.out and "SQL Server" in ended.out, ended.err
    text = record.read_text(encoding="utf-8")
    assert '"tables": 3' in text
    for name in ("ledger", "a]b'c", "checkup_ro", "127.0.0.1", "old", "alone"):
        assert name not in text, name


# --- databases that cannot be looked into -------------------------------------------------------


def test_databases_in_every_state(site: Clinic) -> None:
    states = ("offline", "restoring", "recovering", "recovery pending", "suspect")
    script = sql_server(SEES_ALL)
    script = replace(script, databases={state: Database(state=state) for state in states})
    with TdsServer(script) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own")
    assert_adds_up(ended.assessment)
    told = reasons(ended, "ms")
    for state in states:
        assert told["tables", state] == f"the database is not open: {state}"
    assert own(ended, "ms")["sessions"] == "passed"
    text = site.texts(ended)[site.report.with_suffix(".html").name]
    assert "Bring the database online, or finish its restore" in text
    assert "Switch the machine on" not in text


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "state", ["offline", "restoring", "recovering", "recovery pending", "suspect", "single user"]
)
def test_a_database_that_closes_while_it_is_looked_at(site: Clinic, state: Any, driver: str) -> None:
    """The list of databases still says that it is open."""

    def listed(statement: Statement) -> Rows:
        return Rows(LISTED, [(name, "ONLINE", "MULTI_USER", 1) for name in ("closed", "ledger")])

    script = sql_server(SEES_ALL, more={"hello-databases": listed})
    script = replace(script, databases={"ledger": Database(), "closed": Database(state=state)})
    with TdsServer(script) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=driver)
        ended = site.run("--host", "ms", "--only", "own")
    told = reasons(ended, "ms")
    assert told["tables", "closed"].startswith("the database is not open for reading (error 9"), told
    assert ("tables", "ledger") not in told and own(ended, "ms")["tables"] == "not checked"


@pytest.mark.parametrize(
    ("product", "grant"),
    [
        (SQL_2019, "GRANT CONNECT ANY DATABASE TO [checkup_ro]"),
        (
            SQL_2008_R2,
            "USE [ledger]; IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER",
        ),
    ],
)
def test_a_login_that_is_a_user_in_master_alone(site: Clinic, product: Product, grant: str) -> None:
    account = Account(PASSWORD, permissions=frozenset({"VIEW SERVER STATE"}))
    with TdsServer(sql_server(account, product)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own")
        assert not [one for one in server.statements if one.text.startswith("USE")]
    assert own(ended, "ms")["sessions"] == "passed"
    assert reasons(ended, "ms")["tables", "ledger"].startswith(grant)
    assert "Let the database administrator run" in site.texts(ended)[site.report.with_suffix(".html").name]


@pytest.mark.parametrize("enters", [True, False])
def test_no_right_in_msdb(site: Clinic, enters: bool) -> None:
    account = replace(SEES_ALL, databases=frozenset({"msdb"} if enters else ()), permissions=frozenset())
    with TdsServer(sql_server(account)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "sqlserver.suspect-pages", "--only", "own")
        assert not [one for one in server.statements if one.check_id == "sqlserver-suspect-pages"]
    (why,) = [one.reason for one in ended.assessment.not_checked if one.probe == "sqlserver.suspect-pages"]
    assert "GRANT SELECT ON dbo.suspect_pages TO [checkup_ro]" in why and "USE [msdb]" in why
    assert errors(ended.assessment, "ms") >= {"denied"}


# --- statements that fail -----------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("number", "severity", "words"),
    [
        (1205, 13, "it gave way to the site's own work in a deadlock"),
        (1222, 16, "somebody else's lock was in the way"),
        (300, 14, "GRANT VIEW SERVER STATE TO [checkup_ro]"),
        (824, 16, "the server answered with error 824"),
    ],
)
def test_an_error_in_mid_result_costs_its_section_alone(
    site: Clinic, driver: str, number: int, severity: int, words: str
) -> None:
    """And none of the rows that came before it is believed."""
    error = Error(number, "Row of Ada Lovelace.", severity)
    partly = [Rows(count("sessions", 7).columns, [(7,)], complete=False), error]
    with TdsServer(sql_server(SEES_ALL, more={"own-sessions": partly})) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=driver)
        ended = site.run("--host", "ms", "--only", "own", "--deep")
    assert own(ended, "ms")["everything"] == "passed"
    told = reasons(ended, "ms")["sessions", ""]
    assert words in told
    if number != 300:  # whose sentence can name nothing but rights
        assert not [where for where, text in site.texts(ended).items() if "Lovelace" in text]


def test_a_server_of_100_000_databases(site: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_target, "MOST_DATABASES", 2)
    names = [f"db{number:06}" for number in range(100_000)]
    listed = Rows(LISTED, [(name, "ONLINE", "MULTI_USER", 1) for name in names])
    script = sql_server(SEES_ALL, more={"hello-databases": listed})
    script = replace(script, databases={name: Database() for name in names[:3]})
    with TdsServer(script) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own")
    assert_adds_up(ended.assessment)
    assert reasons(ended, "ms")["tables", "…"] == "99998 more databases were left out"
    assert own(ended, "ms") == {"sessions": "passed", "tables": "not checked", "everything": "not checked"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_of_a_turkish_collation(site: Clinic, driver: str) -> None:
    script = sql_server(SEES_ALL, replace(SQL_2019, collation=collations.TURKISH))
    script = replace(script, databases={"ışık İĞNE": Database(), "ISIK": Database()})
    with TdsServer(script) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=driver)
        ended = site.run("--host", "ms", "--only", "own")
    assert own(ended, "ms") == {"sessions": "passed", "tables": "passed", "everything": "not checked"}
    assert "ışık İĞNE" in ended.out or "\\u0131\\u015f\\u0131k" in ended.out
