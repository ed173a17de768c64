"""SQL instances of a site: asked by ODBC, judged and reported with the machines."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from checkup.sql.rights import script
from tests.servers.mariadb import MariaDb, mariadb_server, needs_mariadb
from tests.servers.postgresql import PostgreSql, needs_postgresql, postgresql_server
from tests.servers.tds import (
    PRODUCTS,
    SQL_2019,
    Account,
    Answer,
    Column,
    Database,
    Error,
    HangUp,
    Needs,
    Product,
    Rows,
    Scripted,
    Statement,
    TdsServer,
    data_types,
)
from tests.servers.tds.drivers import Driver, freetds, microsoft
from tests.workflow.conftest import (
    PASSWORD,
    SITE,
    Clinic,
    assert_adds_up,
    assert_clean,
    checkup,
    errors,
    install_probe,
    outcomes,
    stored_text,
)

__all__ = ["mariadb_server", "postgresql_server"]  # fixtures

pytestmark = pytest.mark.usefixtures("paper")

# Two sections for each engine: one of the instance that needs a right, one of each database.
OWN = """
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    Context, Finding, Impact, NoLevels, NotChecked, Number, Passed, Probe, Result, Section, Sql, SqlFacts,
    SqlVariant, Text,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Session:
    sessions: int


@dataclass(frozen=True, slots=True)
class Tables:
    database: str
    tables: int


class Sessions(SqlFacts[Session]):
    pass


class EachDatabase(SqlFacts[Tables]):
    pass


class Everything(SqlFacts[Session]):
    pass


def server(text: str, right: str, **more: object) -> Sql:
    variant = SqlVariant(text, reads=("x",), rights=(right,) if right else ())
    return Sql((variant,), row=Session, **more)


def each(text: str) -> Sql:
    return Sql((SqlVariant(text, reads=("x",)),), row=Tables, scope="database")


TEXTS = {
    "sqlserver": (
        "SELECT COUNT(*) AS sessions FROM sys.dm_exec_sessions AS s",
        "VIEW SERVER STATE",
        "SELECT DB_NAME() AS [database], COUNT(*) AS tables FROM sys.tables AS t",
    ),
    "postgresql": (
        "SELECT count(*) AS sessions FROM pg_stat_activity AS s",
        "pg_monitor",
        "SELECT current_database()::text AS database, count(*) AS tables FROM pg_tables AS t "
        "WHERE t.schemaname = 'public'",
    ),
    "mariadb": (
        "SELECT COUNT(*) AS sessions FROM information_schema.PROCESSLIST AS p",
        "PROCESS",
        "SELECT DATABASE() AS `database`, COUNT(*) AS tables FROM information_schema.TABLES AS t "
        "WHERE t.TABLE_SCHEMA = DATABASE()",
    ),
}

sessions = Section(
    name="own-sessions", facts=Sessions, parse=reader(Sessions, Session),
    collect={engine: server(text, right) for engine, (text, right, _) in TEXTS.items()},
)
tables = Section(
    name="own-tables", facts=EachDatabase, parse=reader(EachDatabase, Tables),
    collect={engine: each(text) for engine, (_, _, text) in TEXTS.items()},
)
everything = Section(
    name="own-everything", facts=Everything, parse=reader(Everything, Session),
    collect={engine: server(text, "", cost="large") for engine, (text, _, _) in TEXTS.items()},
)


def check_sessions(facts: Sessions, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed(evidence={"sessions": Number(facts.rows[0].sessions)})


def check_tables(facts: EachDatabase, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    for row in facts.rows:
        if row.tables == 0:
            yield Finding(impact=Impact.NOTE, message="empty", item=row.database)
    yield Passed(evidence={"names": Text(", ".join(row.database for row in facts.rows))})


def check_everything(facts: Everything, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed()


def made(engine: str, name: str, check: object) -> Probe:
    return Probe(
        id=f"own.{engine}-{name}", title="It is as it should be", check=check, levels=NoLevels(), kind=engine,
        messages={"empty": "{item} is empty."}, why="A test.", remedy="None.", verify="None.",
    )


CHECKS = {"sessions": check_sessions, "tables": check_tables, "everything": check_everything}
probes = {
    f"{engine}_{name}": made(engine, name, check)
    for engine in TEXTS
    for name, check in CHECKS.items()
}
globals().update(probes)
"""


@pytest.fixture
def site(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A clinic whose own probes ask SQL servers, beside the built-in ones."""
    monkeypatch.syspath_prepend(install_probe(clinic.folder, OWN))
    clinic.add_local()
    clinic.more["sql"] = []
    return clinic


def add(site: Clinic, name: str, kind: str, port: int, user: str, password: str, **more: Any) -> None:
    site.credentials[name] = {"user": user, "password": f"file:{site.folder / name}.password"}
    (site.folder / f"{name}.password").write_text(password, encoding="utf-8")
    (site.folder / f"{name}.password").chmod(0o600)
    where = {"id": name, "engine": kind, "server": "127.0.0.1", "port": port, "credential": name}
    site.more["sql"].append({**where, "encryption": "clear", **more})


def own(ended: Any, name: str) -> dict[str, str]:
    """The outcomes of the clinic's own checks, by the last part of their names."""
    found = outcomes(ended.assessment, name)
    return {probe.rpartition("-")[2]: outcome for probe, outcome in found.items() if probe.startswith("own.")}


def reasons(ended: Any, name: str) -> dict[tuple[str, str], str]:
    return {
        (one.probe.rpartition("-")[2], one.item): one.reason
        for one in ended.assessment.not_checked
        if one.target == name and one.probe.startswith("own.")
    }


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

LISTED = (
    Column("name", data_types.SYSNAME),
    Column("state", data_types.nvarchar(60)),
    Column("user_access", data_types.nvarchar(60)),
    Column("enters", data_types.INT),
)
SINCE = Rows(
    (Column("installed_at", data_types.nvarchar(30)), Column("started_at", data_types.DATETIME)),
    [("2024-03-01T10:22:11.433", datetime(2026, 2, 20, 22, 0))],
)
STATES = {"online": "ONLINE", "offline": "OFFLINE", "restoring": "RESTORING", "single user": "ONLINE"}


def databases(statement: Statement) -> Rows:
    session = statement.session
    return Rows(
        LISTED,
        [
            (
                name,
                STATES[database.state],
                "SINGLE_USER" if database.state == "single user" else "MULTI_USER",
                int(database.state == "online" and session.account.enters(name)),
            )
            for name, database in sorted(session.script.databases.items())
        ],
    )


def count(name: str, value: object) -> Rows:
    return Rows((Column(name, data_types.INT),), [(value,)])


def tables(statement: Statement) -> Rows:
    columns = (Column("database", data_types.SYSNAME), Column("tables", data_types.INT))
    return Rows(columns, [(statement.session.database, 3)])


def sql_server(
    account: Account, product: Product = SQL_2019, more: Mapping[str, Answer] | None = None
) -> Scripted:
    return Scripted(
        product=product,
        accounts={"checkup_ro": account},
        databases={
            "ledger": Database(),
            "a]b'c \U0001f600<b>": Database(),
            "old": Database(state="offline"),
            "alone": Database(state="single user"),
        },
        answers={
            "hello-since": SINCE,
            "hello-databases": databases,
            "own-sessions": Needs(["VIEW SERVER STATE"], count("sessions", 7)),
            "own-tables": tables,
            "own-everything": count("sessions", 7),
            **(more or {}),
        },
    )


SEES_ALL = Account(PASSWORD, permissions=frozenset({"VIEW SERVER STATE", "CONNECT ANY DATABASE"}))


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
        ({"declare": {"userz": 3}}, "no collector asks"),
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


@needs_postgresql
def test_the_script_for_postgresql_is_enough_and_its_undo_leaves_nothing(
    site: Clinic, postgresql_server: PostgreSql
):
    server = postgresql_server
    made = script("postgresql", ["pg_monitor"])
    server.run("\n".join(one for one in made.give if not one.startswith("\\")))
    server.run(f"ALTER ROLE checkup_ro PASSWORD '{PASSWORD}'")  # as \password does
    add(site, "pg", "postgresql", server.port, "checkup_ro", PASSWORD)
    ended = site.run("--host", "pg", "--only", "own", "--deep")
    server.run("\n".join(made.take))
    assert own(ended, "pg")["sessions"] == "passed"
    assert server.run("SELECT count(*) FROM pg_roles WHERE rolname = 'checkup_ro'") == [["0"]]


@needs_mariadb
def test_the_script_for_mariadb_is_enough_and_its_undo_leaves_nothing(site: Clinic, mariadb_server: MariaDb):
    made = script("mariadb", ["PROCESS", "BINLOG MONITOR", "SELECT ON mysql.global_priv"])
    mariadb_server.run("CREATE DATABASE ledger; CREATE TABLE ledger.item (n int)")
    mariadb_server.run("\n".join(made.give).replace("A-LONG-PASSWORD", PASSWORD))
    try:
        add(site, "my", "mariadb", mariadb_server.port, "checkup_ro", PASSWORD)
        ended = site.run("--host", "my", "--only", "own")
        assert own(ended, "my")["sessions"] == own(ended, "my")["tables"] == "passed"
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
