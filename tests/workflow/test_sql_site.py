"""SQL instances of a site: asked by ODBC, judged and reported with the machines."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

import probes
from checkup.api import Sql
from checkup.sql.rights import script
from checkup.testing.package import contents
from tests.servers.mariadb import MariaDb, mariadb_server, needs_mariadb
from tests.servers.postgresql import PostgreSql, needs_postgresql, postgresql_server
from tests.servers.tds import (
    PRODUCTS,
    Account,
    Answer,
    Column,
    Error,
    HangUp,
    Product,
    Rows,
    Statement,
    TdsServer,
    data_types,
)
from tests.servers.tds.drivers import Driver, freetds, microsoft
from tests.workflow.conftest import (
    PASSWORD,
    SITE,
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    checkup,
    errors,
    outcomes,
    stored_text,
)
from tests.workflow.sql_clinic import (
    SEES_ALL,
    SINCE,
    add,
    count,
    own,
    reasons,
    site,
    sql_server,
)

__all__ = ["mariadb_server", "postgresql_server", "site"]  # fixtures

pytestmark = pytest.mark.usefixtures("paper")

# --- real servers -------------------------------------------------------------------------------


@pytest.fixture
def ledger_database(postgresql_server: PostgreSql) -> Iterator[PostgreSql]:
    postgresql_server.run("CREATE DATABASE ledger")
    postgresql_server.run("CREATE TABLE item (n int)", database="ledger")
    postgresql_server.run(
        "CREATE ROLE checkup_ro LOGIN PASSWORD 'p-for-tests'; GRANT pg_monitor TO checkup_ro"
    )
    yield postgresql_server
    postgresql_server.run("DROP DATABASE ledger WITH (FORCE)")
    postgresql_server.run("DROP ROLE checkup_ro")


@needs_postgresql
def test_a_postgresql(site: Clinic, ledger_database: PostgreSql):
    server = ledger_database
    add(site, "pg", "postgresql", server.port, "checkup_ro", "p-for-tests")
    ended = site.run("--host", "pg")
    assert_clean(site.texts(ended))
    assert_adds_up(ended.assessment)
    assert own(ended, "pg") == {"sessions": "passed", "tables": "finding", "everything": "not checked"}
    assert reasons(ended, "pg") == {("everything", ""): "it reads much, and runs only with --deep"}
    assert errors(ended.assessment, "pg") == {"opted_out"}
    assert outcomes(ended.assessment, "pg")["postgresql.reachable"] == "passed"
    # The ledger has every statement.
    stored = stored_text(site.store_file)
    assert "/* checkup:own-tables */" in stored and "default_transaction_read_only = on" in stored


@needs_postgresql
def test_what_a_role_may_not_is_not_checked_with_its_grant(site: Clinic, ledger_database: PostgreSql):
    server = ledger_database
    server.run("REVOKE pg_monitor FROM checkup_ro; REVOKE CONNECT ON DATABASE ledger FROM PUBLIC")
    add(site, "pg", "postgresql", server.port, "checkup_ro", "p-for-tests")
    ended = site.run("--host", "pg", "--deep")
    assert own(ended, "pg") == {"sessions": "not checked", "tables": "finding", "everything": "passed"}
    told = reasons(ended, "pg")
    assert told["sessions", ""] == 'GRANT pg_monitor TO "checkup_ro"'
    assert told["tables", "ledger"] == 'GRANT CONNECT ON DATABASE "ledger" TO "checkup_ro"'
    assert told["tables", ""] == "could not look into ledger"
    # What the report says is done, word by word, and nothing is left to say.
    for grant in (told["sessions", ""], told["tables", "ledger"]):
        server.run(grant)
    ended = site.run("--host", "pg", "--deep")
    assert own(ended, "pg") == {"sessions": "passed", "tables": "finding", "everything": "passed"}
    assert not reasons(ended, "pg")


@needs_mariadb
def test_a_mariadb(site: Clinic, mariadb_server: MariaDb):
    mariadb_server.run(
        "CREATE DATABASE `led``ger`; CREATE TABLE `led``ger`.item (n int);"
        "CREATE USER checkup_ro@'%' IDENTIFIED BY 'p-for-tests'; GRANT REFERENCES ON *.* TO checkup_ro@'%'"
    )
    try:
        add(site, "my", "mariadb", mariadb_server.port, "checkup_ro", "p-for-tests")
        ended = site.run("--host", "my")
        assert_clean(site.texts(ended))
        told = {"sessions": "not checked", "tables": "passed", "everything": "not checked"}
        assert own(ended, "my") == told, reasons(ended, "my")
        grant = reasons(ended, "my")["sessions", ""]
        assert grant == "GRANT PROCESS ON *.* TO 'checkup_ro'@'%'"
        mariadb_server.run(grant)
        assert own(site.run("--host", "my"), "my")["sessions"] == "passed"
    finally:
        mariadb_server.run("DROP DATABASE `led``ger`; DROP USER checkup_ro@'%'")


KINDS = ("insert", "update", "delete", "create_table", "create_db", "alter_table", "grant")
WRITES = ", ".join(f"'Com_{kind}'" for kind in KINDS)
PG_WRITES = (
    "SELECT sum(tup_inserted), sum(tup_updated), sum(tup_deleted) FROM pg_stat_database "
    "WHERE datname IN ('ledger', 'postgres')"
)


@needs_postgresql
@needs_mariadb
def test_the_servers_own_counters_show_no_write(
    site: Clinic, ledger_database: PostgreSql, mariadb_server: MariaDb
):
    add(site, "pg", "postgresql", ledger_database.port, ledger_database.user, ledger_database.password)
    add(site, "my", "mariadb", mariadb_server.port, mariadb_server.user, mariadb_server.password)
    counters = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({WRITES})"
    before = ledger_database.run(PG_WRITES), mariadb_server.run(counters)
    ended = site.run("--host", "pg", "--host", "my", "--deep")
    told = {**reasons(ended, "pg"), **reasons(ended, "my")}
    assert {own(ended, name)["everything"] for name in ("pg", "my")} == {"passed"}, told
    assert (ledger_database.run(PG_WRITES), mariadb_server.run(counters)) == before


# --- a SQL Server that knows its lines ------------------------------------------------------------


def driver_named(name: str) -> Driver:
    pyodbc: Any = pytest.importorskip("pyodbc", reason="pyodbc or unixODBC is missing", exc_type=ImportError)
    found = freetds(pyodbc.drivers()) if name == "FreeTDS" else microsoft(pyodbc.drivers())
    if found is None:
        pytest.skip(f"this machine has no driver of {name}")
    return found


@pytest.mark.parametrize("driver", ["FreeTDS", "Microsoft"])
@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_a_sql_server_of_each_version(site: Clinic, product: Product, driver: str):
    library = driver_named(driver).location
    account = SEES_ALL
    if product.numbers < (12,):  # there the login is a user in each database
        account = replace(
            SEES_ALL,
            permissions=frozenset({"VIEW SERVER STATE"}),
            databases=frozenset({"ledger", "a]b'c \U0001f600<b>"}),
        )
    with TdsServer(sql_server(account, product)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver=library)
        ended = site.run("--host", "ms", "--only", "own", "--only", "sqlserver.reachable")
        assert_clean(site.texts(ended))
        assert_adds_up(ended.assessment)
        assert own(ended, "ms") == {
            "sessions": "passed",
            "tables": "not checked",
            "everything": "not checked",
        }
        told = reasons(ended, "ms")
        assert told["tables", "old"] == "the database is not open: offline"
        assert "single user" in told["tables", "alone"]
        assert {item for probe, item in told if probe == "tables"} == {"", "old", "alone"}
        sent = [request.text for request in server.requests if "checkup:" in request.text]
        assert len(sent) == 4  # greeting, the instance, and two databases
        # Whatever was sent, but for what the driver asks by itself, stood in the ledger.
        told = stored_text(site.store_file)
        for request in server.requests:
            written = json.dumps(request.text.strip())[1:-1]
            assert "sp_datatype_info" in request.text or written in told, request.text
        verbs = {statement.text.split()[0].upper() for statement in server.statements}
        by_drivers = {verb for verb in verbs if verb.startswith(("EXEC", "SP_DATATYPE_INFO"))}
        assert verbs - by_drivers <= {"SELECT", "SET", "USE"}
        assert not server.unscripted


def test_with_rights_taken_away_one_by_one_nothing_turns_to_passed(site: Clinic):
    for permissions, grant in (
        (frozenset[str](), "GRANT VIEW SERVER STATE TO [checkup_ro]"),
        (frozenset({"VIEW SERVER STATE"}), ""),
    ):
        with TdsServer(sql_server(Account(PASSWORD, permissions=permissions))) as server:
            site.more["sql"] = []
            add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
            ended = site.run("--host", "ms", "--only", "own")
        told = reasons(ended, "ms")
        assert own(ended, "ms")["tables"] == "not checked"
        assert told["tables", "ledger"] == "GRANT CONNECT ANY DATABASE TO [checkup_ro]"
        assert told.get(("sessions", ""), "") == grant


def test_one_statement_that_fails_costs_only_itself(site: Clinic):
    lost: dict[str, Answer] = {"own-sessions": Error(208, "Invalid object name 'sys.dm_exec_sessions'.")}
    with TdsServer(sql_server(SEES_ALL, more=lost)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own", "--deep")
    assert own(ended, "ms")["everything"] == "passed"
    assert "error 208" in reasons(ended, "ms")["sessions", ""]


def test_a_connection_that_breaks_in_the_middle_is_made_again(site: Clinic):
    broken: list[int] = []

    def once(statement: Statement) -> Any:
        broken.append(1)
        return HangUp() if len(broken) == 1 else count("sessions", 7)

    with TdsServer(sql_server(SEES_ALL, more={"own-sessions": once})) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "own", "--deep")
    assert own(ended, "ms")["sessions"] == own(ended, "ms")["everything"] == "passed", reasons(ended, "ms")
    assert len(server.logins) == 2


LOG_LINE = (
    Column("LogDate", data_types.DATETIME),
    Column("ProcessInfo", data_types.nvarchar(12)),
    Column("Text", data_types.nvarchar(3000)),
)


def logged(*lines: str) -> Rows:
    return Rows(LOG_LINE, [(datetime(2026, 2, 27, 22, 0), "spid51", line) for line in lines])


def test_no_message_of_an_error_log_is_kept(site: Clinic):
    """What a procedure hands out beside what it was asked for is in no file of ours."""
    name = "Ada Lovelace"
    begin = logged(f"Server process ID is 4711. {name}", "Server process ID is 4711.")
    errors_logged = logged(
        "Error: 823, Severity: 24, State: 2.",
        f"Error: 50000, Severity: 16, State: 1. {name}",
        f"Login failed for user '{name}'.",
    )
    log: dict[str, Answer] = {
        "sqlserver-error-log": errors_logged,
        "sqlserver-error-log-begin": begin,
        "sqlserver-error-log-earlier": logged(name),
        "sqlserver-error-log-earlier-begin": logged(),
    }
    reads = frozenset({"master.sys.xp_readerrorlog: EXECUTE", *SEES_ALL.permissions})
    with TdsServer(sql_server(replace(SEES_ALL, permissions=reads), more=log)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        ended = site.run("--host", "ms", "--only", "sqlserver.log-damage")
    assert outcomes(ended.assessment, "ms")["sqlserver.log-damage"] == "finding"
    texts = {**site.texts(ended), "store": stored_text(site.store_file)}
    assert "Error: 823" in texts["store"]
    assert not [where for where, text in texts.items() if name in text]


def test_another_instance_in_its_place_is_told_and_nothing_of_it_kept(site: Clinic):
    with TdsServer(sql_server(SEES_ALL)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        assert own(site.run("--host", "ms", "--only", "own"), "ms")["sessions"] == "passed"
    other = Rows(SINCE.columns, [("2025-11-11T08:00:00", datetime(2026, 2, 20, 22, 0))])
    with TdsServer(sql_server(SEES_ALL, more={"hello-since": other})) as server:
        site.more["sql"][0]["port"] = server.port
        ended = site.run("--host", "ms", "--only", "own", "--only", "sqlserver.reachable")
    assert outcomes(ended.assessment, "ms")["sqlserver.reachable"] == "finding"
    assert "another instance answers here" in ended.err
    with site.store() as store:
        (newest, *_) = store.runs(SITE)
        (snapshot,) = store.snapshots([newest.id])
    kept = {one.section for one in snapshot.sections if one.raw is not None}
    assert kept == {"sql-connection"}


def test_a_wrong_password_is_tried_once(site: Clinic):
    with TdsServer(sql_server(SEES_ALL)) as server:
        for name in ("ms", "ms-too"):
            add(site, "ms", "sqlserver", server.port, "checkup_ro", "wrong", driver="FreeTDS")
            site.more["sql"][-1]["id"] = name
        ended = site.run("--only", "own", "--host", "ms", "--host", "ms-too")
        assert len(server.logins) == 1
    assert errors(ended.assessment, "ms") | errors(ended.assessment, "ms-too") == {"auth", "opted_out"}


# --- all together -------------------------------------------------------------------------------


@needs_postgresql
@needs_mariadb
def test_one_site_with_three_engines(
    site: Clinic, ledger_database: PostgreSql, mariadb_server: MariaDb, monkeypatch: pytest.MonkeyPatch
):
    with TdsServer(sql_server(SEES_ALL)) as server:
        add(site, "ms", "sqlserver", server.port, "checkup_ro", PASSWORD, driver="FreeTDS")
        add(site, "pg", "postgresql", ledger_database.port, "checkup_ro", "p-for-tests", databases=["ledger"])
        user, password = mariadb_server.user, mariadb_server.password
        add(site, "my", "mariadb", mariadb_server.port, user, password)
        ended = site.run("--only", "own", "--deep")
    assert_clean(site.texts(ended))
    assert_adds_up(ended.assessment)
    found = {name: own(ended, name) for name in ("ms", "pg", "my")}
    assert {one["sessions"] for one in found.values()} == {"passed"}
    assert {one["everything"] for one in found.values()} == {"passed"}
    assert ended.finished.keys() == {"here", "ms", "pg", "my"}


# --- without a connection -----------------------------------------------------------------------


def test_the_plan_shows_every_statement_and_what_waits_for_deep(site: Clinic):
    add(site, "pg", "postgresql", 5432, "checkup_ro", "x")
    shown = checkup("plan", site.site_file, "--only", "own")
    assert shown.status == 0
    assert "pg by ODBC: own-everything, own-sessions, own-tables" in shown.out
    assert "SELECT count(*) AS sessions FROM pg_stat_activity" in shown.out
    assert "-- needs pg_monitor" in shown.out
    assert "only with --deep: own-everything" in shown.out
    assert "only with --deep" not in checkup("plan", site.site_file, "--only", "own", "--deep").out
    made = json.loads(checkup("plan", site.site_file, "--only", "own", "--json").out)
    (instance,) = [one for one in made["endpoints"] if one["endpoint"] == "pg"]
    assert (instance["transport"], instance["platform"]) == ("odbc", "postgresql")


def test_an_instance_of_a_machine_that_is_never_touched_is_not_touched_either(site: Clinic):
    site.hosts[0]["touch"] = "never"
    add(site, "pg", "postgresql", 1, "checkup_ro", "x", host="here")
    assert errors(site.run("--host", "pg").assessment, "pg") == {"opted_out"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"id": "here"}, "another instance has this id"),
        ({"host": "gone"}, "there is no such host"),
        ({"credential": "gone"}, "there is no such credential"),
        ({"via": "here"}, "no such host reached by ssh"),
        ({"server": ""}, "says not where the instance is"),
        ({"engine": "oracle"}, "must be sqlserver or postgresql or mariadb"),
        ({"declare": {"userz": 3}}, "no probe asks"),
        ({"levels": {"sqlserver.reachable": {"x": 1}}}, "unknown level"),
        ({"databses": ["ledger"]}, "unknown key"),
        ({"instance": "X"}, "other engines are told apart by port"),
    ],
)
def test_a_mistake_is_told_with_its_place(site: Clinic, entry: dict[str, object], said: str):
    add(site, "pg", "postgresql", 1, "checkup_ro", "x", **entry)
    ended = checkup("validate", site.site_file)
    assert ended.status == 2 and said in ended.err and "sql[0]" in ended.err.replace("sql.0", "sql[0]"), (
        ended.err
    )


def test_what_only_people_know_may_be_declared(site: Clinic):
    """Remedies tell to write these into the site file."""
    known = {
        "sqlserver": {"restore_tested": "2026-09-01", "backups_copied_by": "snapshots of the NAS"},
        "postgresql": {"backup": "images of the machine", "standbys": ["srv-2"]},
        "mariadb": {"memory_gib": 16},
    }
    for kind, declare in known.items():
        add(site, kind, kind, 1, "checkup_ro", "x", declare=declare)
    ended = checkup("validate", site.site_file)
    assert ended.status == 0, ended.err


# --- what the client's administrators are asked for ---------------------------------------------


def test_the_access_request_has_a_script_for_each_engine(site: Clinic):
    for name, kind in (("ms", "sqlserver"), ("pg", "postgresql"), ("my", "mariadb")):
        add(site, name, kind, 4000, "checkup_ro", "x")
    site.credentials["ms"]["user"] = "CEDAR\\checkup"
    made = checkup("access-request", site.site_file, "--output", site.folder / "request.pdf")
    assert made.status == 0, made.err
    text = html.unescape((site.folder / "request.html").read_text(encoding="utf-8"))
    for part in (
        "CREATE LOGIN [CEDAR\\checkup] FROM WINDOWS;",
        "GRANT VIEW SERVER STATE TO [CEDAR\\checkup];",
        "DROP LOGIN [CEDAR\\checkup];",
        'GRANT pg_monitor TO "checkup_ro";',
        "GRANT PROCESS ON *.* TO 'checkup_ro'@'%';",
        "DROP USER 'checkup_ro'@'%';",
    ):
        assert part in text, part
    assert "TO [CEDAR\\checkup] WITH GRANT" not in text and "db_datareader TO" not in text


def built_in_rights(engine: str) -> list[str]:
    """All that the built-in sections want of an engine, in the words of every version."""
    collectors = [section.collect.get(engine) for section in contents(probes).sections]  # pyright: ignore[reportArgumentType]
    asked = [one for one in collectors if isinstance(one, Sql)]
    return sorted({right for one in asked for variant in one.variants for right in variant.rights})


def grants_of(ended: Ended, name: str) -> set[str]:
    """What the report says would open what was not checked."""
    said = "; ".join(one.reason for one in ended.assessment.not_checked if one.target == name)
    return {one.rpartition(": ")[2] for one in re.split("; | and (?=GRANT)", said) if "GRANT" in one}


def test_what_gives_more_than_a_look_is_a_comment_in_the_script():
    made = script("sqlserver", built_in_rights("sqlserver"))
    assert "--   GRANT ALTER TRACE TO [checkup_ro];" in made.give
    assert not [one for one in made.give if "ALTER TRACE" in one and not one.startswith("--")]


@needs_postgresql
def test_the_script_for_postgresql_is_enough_and_its_undo_leaves_nothing(
    site: Clinic, postgresql_server: PostgreSql
):
    server = postgresql_server
    made = script("postgresql", built_in_rights("postgresql"))
    adapted = [
        one.removeprefix("--   ") for one in made.give if one.startswith("--   ") and "name" not in one
    ]
    server.run("CREATE DATABASE ledger")
    server.run("CREATE TABLE item (n serial)", database="ledger")
    server.run("\n".join(one for one in made.give if not one.startswith("\\")))
    server.run(f"ALTER ROLE checkup_ro PASSWORD '{PASSWORD}'")  # as \password does
    add(site, "pg", "postgresql", server.port, "checkup_ro", PASSWORD)
    try:
        ended = site.run("--host", "pg", "--only", "own", "--only", "postgresql", "--deep")
        assert own(ended, "pg")["sessions"] == "passed"
        # What is a comment in it the report names; once that was run too, nothing is left to grant.
        assert 'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "public" TO "checkup_ro"' in grants_of(ended, "pg")
        for database in ("ledger", "postgres"):
            server.run("\n".join(adapted), database=database)
        ended = site.run("--host", "pg", "--only", "own", "--only", "postgresql", "--deep")
        assert grants_of(ended, "pg") == set()
        assert outcomes(ended.assessment, "pg")["postgresql.sequences"] == "passed"
    finally:
        for database in ("ledger", "postgres"):
            server.run("DROP EXTENSION IF EXISTS pgstattuple", database=database)
            server.run("\n".join(one.removeprefix("--   ") for one in made.take[-2:-1]), database=database)
        server.run("\n".join(made.take))
        server.run("DROP DATABASE ledger WITH (FORCE)")
    assert server.run("SELECT count(*) FROM pg_roles WHERE rolname = 'checkup_ro'") == [["0"]]


@needs_mariadb
def test_the_script_for_mariadb_is_enough_and_its_undo_leaves_nothing(site: Clinic, mariadb_server: MariaDb):
    made = script("mariadb", [*built_in_rights("mariadb"), "BINLOG MONITOR"])
    for right in (
        "PROCESS ON *.*",
        "REFERENCES ON *.*",
        "SHOW DATABASES ON *.*",
        "SELECT ON mysql.`global_priv`",
    ):
        assert f"GRANT {right} TO 'checkup_ro'@'%';" in made.give
    mariadb_server.run("CREATE DATABASE ledger; CREATE TABLE ledger.item (n int)")
    newer = itertools.takewhile(lambda line: "before 10.4" not in line, made.give)
    mariadb_server.run("\n".join(newer).replace("A-LONG-PASSWORD", PASSWORD))
    try:
        add(site, "my", "mariadb", mariadb_server.port, "checkup_ro", PASSWORD)
        ended = site.run("--host", "my", "--only", "own", "--only", "mariadb", "--deep")
        assert own(ended, "my")["sessions"] == own(ended, "my")["tables"] == "passed"
        assert grants_of(ended, "my") == set()
        with pytest.raises(RuntimeError, match="denied"):  # no row of a table of theirs
            mariadb_server.run("SELECT * FROM ledger.item", user="checkup_ro", password=PASSWORD)
    finally:
        mariadb_server.run("\n".join(made.take) + "; DROP DATABASE ledger")
    assert mariadb_server.run("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'checkup_ro'") == [["0"]]


@needs_postgresql
def test_selftest_covers_an_instance(site: Clinic, ledger_database: PostgreSql):
    add(site, "pg", "postgresql", ledger_database.port, "checkup_ro", "p-for-tests")
    ended = checkup("selftest", site.site_file, "pg", "--no-progress")
    assert "pg: PostgreSQL 15." in ended.out
    assert "own-sessions" in ended.out and "own-tables" in ended.out
    assert "powershell" not in ended.out.lower() and "hosts-file" not in ended.out
