"""One site with the three engines gives one report, in which each finding can be traced and acted upon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape

import pytest

from checkup import catalogue
from checkup.api import Scope, Visit
from checkup.assessment import Assessment, ItemResult, Priority
from tests.servers import sql_server_answers
from tests.servers.mariadb import MariaDb, mariadb_server, needs_mariadb
from tests.servers.postgresql import PostgreSql, needs_postgresql, postgresql_server
from tests.servers.tds import TdsServer
from tests.workflow.conftest import (
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    checkup,
    stored_text,
)

__all__ = ["mariadb_server", "postgresql_server"]  # fixtures

pytestmark = [pytest.mark.usefixtures("paper"), needs_postgresql, needs_mariadb]

LOGIN = "checkup_ro"
PASSWORD = "three-engines-Tr0ub4dor"  # must never be seen anywhere
PATIENT = "Ottilie Sandgruber"  # a row of a table: neither
ENGINES = {"ms": "sqlserver", "pg": "postgresql", "my": "mariadb"}

PG_WRITES = "SELECT tup_inserted, tup_updated, tup_deleted FROM pg_stat_database WHERE datname = 'ledger'"
MY_WRITES = (
    "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN "
    "('COM_INSERT', 'COM_UPDATE', 'COM_DELETE', 'COM_REPLACE', 'COM_CREATE_TABLE', 'COM_DROP_TABLE', "
    "'COM_ALTER_TABLE', 'COM_GRANT', 'COM_REVOKE', 'COM_CREATE_USER', 'COM_KILL', 'COM_FLUSH', "
    "'COM_CALL_PROCEDURE', 'INNODB_ROWS_INSERTED', 'INNODB_ROWS_UPDATED', 'INNODB_ROWS_DELETED') ORDER BY 1"
)


@pytest.fixture
def postgresql_ledger(postgresql_server: PostgreSql) -> Iterator[PostgreSql]:
    """A clinic's database whose numbers for new records run out."""
    postgresql_server.run(
        f"CREATE DATABASE ledger; CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}';GRANT pg_monitor TO {LOGIN}"
    )
    postgresql_server.run(
        "CREATE TABLE visit (id smallserial PRIMARY KEY, patient text);"
        f"INSERT INTO visit (patient) VALUES ('{PATIENT}'); SELECT setval('visit_id_seq', 20000);"
        f"GRANT SELECT ON SEQUENCE visit_id_seq TO {LOGIN}; SELECT pg_stat_force_next_flush()",
        database="ledger",
    )
    yield postgresql_server
    postgresql_server.run("DROP DATABASE ledger WITH (FORCE)")
    postgresql_server.run(f"DROP ROLE {LOGIN}")


@pytest.fixture
def mariadb_ledger(mariadb_server: MariaDb) -> Iterator[MariaDb]:
    """The same, and a table that does not survive a crash."""
    rights = ("PROCESS ON *.*", "REFERENCES ON *.*", "SHOW DATABASES ON *.*", "SELECT ON mysql.global_priv")
    mariadb_server.run(
        "CREATE DATABASE ledger; CREATE TABLE ledger.visit (id SMALLINT AUTO_INCREMENT PRIMARY KEY, "
        "patient TEXT) AUTO_INCREMENT = 30000;"
        f"INSERT INTO ledger.visit (patient) VALUES ('{PATIENT}');"
        f"CREATE TABLE ledger.note (id INT PRIMARY KEY) ENGINE = MyISAM;"
        f"CREATE USER {LOGIN}@'127.0.0.%' IDENTIFIED BY '{PASSWORD}';"
        + "".join(f"GRANT {one} TO {LOGIN}@'127.0.0.%';" for one in rights)
    )
    yield mariadb_server
    mariadb_server.run(f"DROP DATABASE ledger; DROP USER {LOGIN}@'127.0.0.%'")


@dataclass(frozen=True)
class Examined:
    """A tune-up of the three instances, and what their own counters of writes said around it."""

    ended: Ended
    texts: dict[str, str]
    wrote: tuple[bool, bool]
    server: TdsServer

    @property
    def assessment(self) -> Assessment:
        return self.ended.assessment

    @property
    def html(self) -> str:
        (text,) = (text for name, text in self.texts.items() if name.endswith(".html"))
        return text


@pytest.fixture
def examined(
    clinic: Clinic,
    postgresql_ledger: PostgreSql,
    mariadb_ledger: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
) -> Examined:
    pytest.importorskip("pyodbc", reason="pyodbc or unixODBC is missing", exc_type=ImportError)
    monkeypatch.setenv("LEDGER_PASSWORD", PASSWORD)
    monkeypatch.setattr(sql_server_answers, "PASSWORD", PASSWORD)
    clinic.add_local()
    clinic.credentials["sql"] = {"user": LOGIN, "password": "env:LEDGER_PASSWORD"}
    with TdsServer(sql_server_answers.sql_server(["ledger"], now=datetime.now(UTC))) as server:
        ports = {"ms": server.port, "pg": postgresql_ledger.port, "my": mariadb_ledger.port}
        where = {"server": "127.0.0.1", "credential": "sql", "encryption": "clear", "databases": ["ledger"]}
        more = {"ms": {"driver": "FreeTDS"}, "pg": {"levels": {"postgresql.sequences": {"near": 0.5}}}}
        clinic.more["sql"] = [
            {"id": name, "engine": engine, "port": ports[name], **where, **more.get(name, {})}
            for name, engine in ENGINES.items()
        ]
        before = postgresql_ledger.run(PG_WRITES), mariadb_ledger.run(MY_WRITES)
        only = [word for name in ENGINES for word in ("--host", name)]
        asking = f"SELECT '{PATIENT}' AS name"  # stands in the lists of sessions
        with postgresql_ledger.hold(asking, database="ledger"), mariadb_ledger.hold(asking):
            ended = checkup("run", clinic.site_file, "--visit", "tune-up", "--deep", "--json", *only)
        after = postgresql_ledger.run(PG_WRITES), mariadb_ledger.run(MY_WRITES)
    wrote = before[0] != after[0], before[1] != after[1]
    texts = {**clinic.texts(ended), "store": stored_text(clinic.store_file)}
    return Examined(ended, texts, wrote, server)


def cards(html: str) -> dict[str, str]:
    """The text of each card of the report, by the probe that it is of (the last, of several)."""
    found: dict[str, str] = {}
    for card in re.findall(r'<section class="card.*?</section>', html, re.DOTALL):
        text = unescape(re.sub(r"<[^>]+>", " ", card)).replace("\xa0", " ")
        probe = re.search(r"Expected .*? ((?:sqlserver|postgresql|mariadb)\.[a-z-]+)\s", text)
        assert probe is not None, text
        found[probe[1]] = found.get(probe[1], "") + re.sub(r"\s+", " ", text)
    return found


def test_one_report_in_which_each_finding_can_be_traced(examined: Examined) -> None:
    assessment = examined.assessment
    assert_clean(examined.texts)
    assert_adds_up(assessment)
    planned = {(one.probe, one.target) for one in assessment.checks}
    for name, engine in ENGINES.items():
        expected = {
            (probe, name)
            for probe, entry in catalogue.load().entries.items()
            if entry.probe.kind == engine
            and entry.probe.scope is Scope.TARGET
            and Visit.TUNE_UP in entry.probe.visits
        }
        assert expected <= planned
        assert {one.probe.partition(".")[0] for one in assessment.findings if one.target == name} == {engine}
    assert_each_finding_is_whole(assessment, cards(examined.html))
    assert_no_secret(examined)
    assert examined.wrote == (False, False)
    verbs = {one.text.split()[0].upper() for one in examined.server.statements}
    by_driver = {verb for verb in verbs if verb.startswith(("EXEC", "SP_DATATYPE_INFO"))}
    assert verbs - by_driver <= {"SELECT", "SET", "USE", "IF", "DECLARE", "DBCC"}, verbs
    consoles = {one.text.upper() for one in examined.server.statements if one.text.upper().startswith("DBCC")}
    assert consoles <= {"DBCC TRACESTATUS (-1) WITH NO_INFOMSGS"}
    assert not examined.server.unscripted


def assert_each_finding_is_whole(assessment: Assessment, shown: dict[str, str]) -> None:
    """Value, threshold and whose it is, origin and remedy: in the JSON, and in the report."""
    levels = {(one.probe, one.target): one.levels for one in assessment.checks}
    for finding in assessment.findings:
        probe = assessment.probes[finding.probe]
        assert finding.source in (*ENGINES.values(), "connection") and finding.collected_at is not None
        assert probe.remedy and probe.verify and (finding.evidence or probe.messages[finding.message])
        own = levels[finding.probe, finding.target]
        assert own == ({"near": "0.5"} if finding.probe == "postgresql.sequences" else {})
        if finding.ranking is None or finding.ranking.priority is Priority.NOTE:
            continue
        card = shown[finding.probe]
        assert f" Source {origin(finding)}, " in card
        assert f" Remedy {first_words(probe.remedy)}" in card
        for name, value in probe.levels.items():
            assert f"{name.replace('_', ' ')} {value.removesuffix('.0')}".strip() in card
        assert ("Threshold default: " in card) == bool(probe.levels)
    sequence = shown["postgresql.sequences"]
    assert "has used 61 % of its numbers" in sequence
    assert "Threshold default: end 0.95 · near 0.8; site file: near 0.5 " in sequence


def origin(finding: ItemResult) -> str:
    return {
        "sqlserver": "SQL Server",
        "postgresql": "PostgreSQL",
        "mariadb": "MariaDB or MySQL",
        "connection": "the connection",
    }[finding.source]


def first_words(remedy: str) -> str:
    """Up to where the report may print a command in another type."""
    return re.split(r"[`<]", remedy)[0][:40].strip()


def assert_no_secret(examined: Examined) -> None:
    """Neither the password, nor a value of a row, nor the text of any statement of the clinic's programs."""
    for where, text in examined.texts.items():
        for secret in (PASSWORD, PATIENT, "INSERT INTO visit", "setval("):
            assert secret not in text, (where, secret)
