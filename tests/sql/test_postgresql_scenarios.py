"""Faults made real on a PostgreSQL server: found by the probes, gone after the report's remedy was followed.

What is run as the remedy stands in the probe's own text, word by word but for the names in it.

The server is the machine's own, or of another version: see tests/servers/postgresql.py. 10 to 18 have been
here.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from scenarios import CATALOGUE, LOGIN, STRANGER, Examiner, assert_found, assert_gone, follow, until

from checkup.api import Quality
from checkup.assessment import Outcome
from checkup.sql.postgresql import POSTGRESQL
from tests.servers.postgresql import (
    PASSWORD,
    PostgreSql,
    major_version,
    needs_postgresql,
    postgresql,
    program,
)
from tests.servers.programs import free_port
from tests.servers.sql_programs import as_account, hand_over

pytestmark = needs_postgresql


def since(version: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(major_version() < version, reason=f"what PostgreSQL has since {version}")


EXAMINER = Examiner(POSTGRESQL)
collectors_of, collected, examined = EXAMINER.collectors_of, EXAMINER.collected, EXAMINER.examined
ALL = EXAMINER.probes
MONITORED = tuple(name for name in ALL if "pg_monitor" in EXAMINER.rights_of(name))
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    options = {
        "max_prepared_transactions": "5",
        "shared_preload_libraries": "pg_stat_statements",
        "fsync": "on",
        "full_page_writes": "on",
        "shared_buffers": "128MB",
    }
    with postgresql(options=options) as one:
        one.run(
            f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO {LOGIN};"
            f"CREATE ROLE {STRANGER} LOGIN PASSWORD '{PASSWORD}'; CREATE EXTENSION pg_stat_statements"
        )
        yield one


@pytest.fixture
def ledger(server: PostgreSql) -> Iterator[str]:
    """A database of the test's own with a table of visits; nobody may do anything in it."""
    name = f"ledger_{next(_numbers)}"
    server.run(f"CREATE DATABASE {name}")
    server.run(
        "CREATE TABLE visit (id int PRIMARY KEY, day int, note text); INSERT INTO visit VALUES (1, 1, 'a')",
        database=name,
    )
    yield name
    server.run(
        f"UPDATE pg_database SET datallowconn = false WHERE datname = '{name}';"
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    until(server, f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'", "0")
    server.run(f"DROP DATABASE {name}")


# --- the instance -----------------------------------------------------------------------------


def test_autovacuum_off(server: PostgreSql) -> None:
    probe = "postgresql.autovacuum"
    server.run("ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf()")
    until(server, "SHOW autovacuum", "off")
    assert_found(examined(server, probe), probe)
    words = "ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()"
    follow(server, probe, words)
    until(server, "SHOW autovacuum", "on")
    assert_gone(examined(server, probe), probe)


def test_a_power_failure_would_cost_data(server: PostgreSql) -> None:
    probe = "postgresql.durability"
    server.run("ALTER SYSTEM SET full_page_writes = off; SELECT pg_reload_conf()")
    until(server, "SHOW full_page_writes", "off")
    assert_found(examined(server, probe), probe, "full_page_writes")
    follow(server, probe, "ALTER SYSTEM SET full_page_writes = on; ")
    follow(server, probe, "SELECT pg_reload_conf()")
    until(server, "SHOW full_page_writes", "on")
    assert_gone(examined(server, probe), probe, "full_page_writes")


def test_a_setting_waits_for_a_restart(server: PostgreSql) -> None:
    probe = "postgresql.pending-restart"
    server.run("ALTER SYSTEM SET max_connections = 40; SELECT pg_reload_conf()")
    waiting = "SELECT count(*) FROM pg_settings WHERE pending_restart"
    until(server, waiting, "1")
    assert_found(examined(server, probe), probe)
    follow(server, probe, "ALTER SYSTEM RESET name", {"name": "max_connections"})
    follow(server, probe, "SELECT pg_reload_conf()")
    until(server, waiting, "0")
    assert_gone(examined(server, probe), probe)


def test_a_replication_slot_left_behind(server: PostgreSql) -> None:
    probe = "postgresql.replication-slots"
    server.run("SELECT pg_create_physical_replication_slot('attic', true)")
    assert_found(examined(server, probe), probe, "attic", "left")
    follow(server, probe, "SELECT pg_drop_replication_slot('NAME')", {"NAME": "attic"})
    assert examined(server, probe)[probe, ""].outcome is Outcome.NOT_APPLICABLE


@since(18)
def test_a_slot_that_the_server_gave_up() -> None:
    probe = "postgresql.replication-slots"
    with postgresql() as one:
        one.run(
            f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}';"
            "ALTER SYSTEM SET idle_replication_slot_timeout = '1s'"
        )
        one.run("SELECT pg_reload_conf(); SELECT pg_create_physical_replication_slot('attic', true)")
        until(one, "SELECT now() - inactive_since > interval '1.1 s' FROM pg_replication_slots", "t")
        one.run("CHECKPOINT")
        assert_found(examined(one, probe), probe, "attic", "given_up")
        follow(one, probe, "SELECT pg_drop_replication_slot('NAME')", {"NAME": "attic"})
        assert examined(one, probe)[probe, ""].outcome is Outcome.NOT_APPLICABLE


def test_a_password_that_runs_out(server: PostgreSql) -> None:
    probe = "postgresql.password-expiry"
    server.run(
        "CREATE ROLE clinic_app LOGIN VALID UNTIL 'tomorrow'; CREATE ROLE other LOGIN VALID UNTIL 'infinity'"
    )
    found = examined(server, probe)
    assert_found(found, probe, "clinic_app", "soon")
    assert len(found) == 1  # 'infinity' is no day
    server.run("ALTER ROLE clinic_app VALID UNTIL 'yesterday'")
    assert_found(examined(server, probe), probe, "clinic_app", "over")
    follow(server, probe, "ALTER ROLE name NOLOGIN", {"name": "clinic_app"})
    assert examined(server, probe)[probe, ""].outcome is Outcome.NOT_APPLICABLE
    server.run("DROP ROLE clinic_app, other")


def test_no_back_up_evidence() -> None:
    probe = "postgresql.backup-evidence"
    backup = Path(tempfile.mkdtemp(prefix="postgresql-backup-"))
    try:
        (backup / "later").mkdir()
        backup.chmod(0o755)
        hand_over(as_account("postgres", "nobody"), backup)
        with postgresql() as one:
            one.run(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'")
            assert_found(examined(one, probe), probe, message="none")
            follow(one, probe, "ALTER SYSTEM SET archive_mode = on")
            follow(
                one,
                probe,
                "ALTER SYSTEM SET archive_command = 'test ! -f /backup/wal/%f && cp %p /backup/wal/%f'",
                {"/backup/wal": str(backup / "gone")},  # nobody has made the folder
            )
            one.stop()
            with started(one, 2) as again:
                assert_found(examined(again, probe), probe, message="never")
                again.run("SELECT pg_switch_wal()")
                until(again, "SELECT failed_count > 0 FROM pg_stat_archiver", "t")
                assert_found(examined(again, probe), probe, message="failing")
                (backup / "later").rename(backup / "gone")
                again.run("SELECT pg_reload_conf()")  # or it sleeps for a minute before it tries again
                until(again, "SELECT last_archived_time IS NOT NULL FROM pg_stat_archiver", "t")
                assert_gone(examined(again, probe), probe)
    finally:
        shutil.rmtree(backup)


@contextmanager
def started(server: PostgreSql, starts: int) -> Iterator[PostgreSql]:
    """The server in this folder, with the settings that it was given; `starts`: how many its log will have
    seen with this one."""
    data = server.folder / "data"
    with (server.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program("postgres"), "-D", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=data,
            start_new_session=True,
            **as_account("postgres", "nobody"),
        )
    again = dataclasses.replace(server, process=process)
    try:
        deadline = time.monotonic() + 20
        while server.log.count("database system is ready to accept") < starts:
            assert time.monotonic() < deadline and process.poll() is None, server.log
            time.sleep(0.02)
        yield again
    finally:
        again.stop()


# --- sessions ---------------------------------------------------------------------------------


def test_idle_in_a_transaction(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.idle-in-transaction"
    with server.hold("BEGIN; SELECT 1", database=ledger):
        found = examined(server, probe, levels={"seconds": 0})
        result = assert_found(found, probe, ledger)
        assert result.evidence["logins"].value == server.user
        words = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' "
            "AND state_change < now() - interval '1 hour'"
        )
        follow(server, probe, words, {"1 hour": "0 hours"})
        until(server, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'", "0")
        assert_gone(examined(server, probe, levels={"seconds": 0}), probe, ledger)


def test_a_long_transaction(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.old-snapshots"
    levels = {"session_hours": 0}
    with server.hold("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM visit", database=ledger):
        assert_found(examined(server, probe, levels=levels), probe, f"sessions in {ledger}", "session")
    until(server, f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{ledger}'", "0")
    assert_gone(examined(server, probe, levels=levels), probe, f"sessions in {ledger}")


def test_a_transaction_prepared_and_forgotten(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.old-snapshots"
    levels = {"prepared_hours": 0}
    server.run("BEGIN; UPDATE visit SET day = 2; PREPARE TRANSACTION 'left'", database=ledger)
    assert_found(examined(server, probe, levels=levels), probe, f"prepared in {ledger}", "prepared")
    assert server.run("SELECT gid FROM pg_prepared_xacts") == [["left"]]
    follow(server, probe, "ROLLBACK PREPARED 'GID'", {"GID": "left"}, database=ledger)
    assert_gone(examined(server, probe, levels=levels), probe, f"prepared in {ledger}")


def test_a_lock_that_others_wait_for(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.blocked-sessions"
    with server.hold("BEGIN; LOCK TABLE visit", database=ledger), server.hold("", database=ledger) as waiting:
        waiting.start("SELECT count(*) FROM visit")
        until(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", "1")
        assert_found(examined(server, probe, levels={"seconds": 0}), probe, ledger)
        assert_gone(examined(server, probe), probe, ledger)  # for a moment everyone waits
        words = (
            "SELECT pg_terminate_backend(b) FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b WHERE "
            "a.wait_event_type = 'Lock' AND a.query_start < now() - interval '1 minute'"
        )
        follow(server, probe, words, {"1 minute": "0 minutes"})
        until(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", "0")
        assert_gone(examined(server, probe, levels={"seconds": 0}), probe, ledger)


def test_a_program_that_works_as_superuser(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.superuser-sessions"
    server.run(f"CREATE ROLE clinic_app LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    with server.hold("SELECT 1", database=ledger, user="clinic_app"):
        assert_found(examined(server, probe), probe, "clinic_app")
        follow(server, probe, "ALTER ROLE name NOSUPERUSER", {"name": "clinic_app"})
        assert_gone(examined(server, probe), probe, "clinic_app")
    server.run("DROP ROLE clinic_app")


# --- the databases ----------------------------------------------------------------------------


@since(12)
def test_an_index_that_was_never_finished(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.invalid-indexes"
    item = f"{ledger}.public.visit_day"
    server.run("INSERT INTO visit VALUES (2, 1, 'b')", database=ledger)
    with pytest.raises(RuntimeError, match="could not create unique index"):
        server.run("CREATE UNIQUE INDEX CONCURRENTLY visit_day ON visit (day)", database=ledger)
    assert_found(examined(server, probe), probe, item, "unique")
    rebuild = "REINDEX INDEX CONCURRENTLY schema.index"
    names = {"schema.index": "public.visit_day"}
    with pytest.raises(RuntimeError, match="could not create unique index"):
        follow(server, probe, rebuild, names, database=ledger)
    for left in ("visit_day", "visit_day_ccnew"):  # what fails leaves a second one behind
        follow(
            server,
            probe,
            "DROP INDEX CONCURRENTLY schema.index",
            {"schema.index": f"public.{left}"},
            database=ledger,
        )
    assert_gone(examined(server, probe), probe, item)


@since(12)
def test_an_index_that_can_be_built_again(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.invalid-indexes"
    server.run("INSERT INTO visit VALUES (2, 1, 'b')", database=ledger)
    with pytest.raises(RuntimeError, match="could not create unique index"):
        server.run("CREATE UNIQUE INDEX CONCURRENTLY visit_day ON visit (day)", database=ledger)
    server.run("DELETE FROM visit WHERE id = 2", database=ledger)
    words = "REINDEX INDEX CONCURRENTLY schema.index"
    follow(server, probe, words, {"schema.index": "public.visit_day"}, database=ledger)
    assert_gone(examined(server, probe), probe, f"{ledger}.public.visit_day")


def test_a_sequence_near_its_end(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.sequences"
    item = f"{ledger}.public.scan_id_seq"
    server.run("CREATE TABLE scan (id smallserial); SELECT setval('scan_id_seq', 32700)", database=ledger)
    kept = examined(server, probe)[probe, ledger]
    assert kept.outcome is Outcome.NOT_CHECKED
    where, _, grant = kept.reason.partition(": ")
    assert where == f"in the database {ledger}"
    server.run(grant, database=ledger)
    assert_found(examined(server, probe), probe, item)
    follow(
        server,
        probe,
        "ALTER TABLE schema.table ALTER COLUMN column TYPE bigint; "
        "ALTER SEQUENCE schema.sequence AS bigint NO MAXVALUE",
        {"schema.table": "public.scan", " column ": " id ", "schema.sequence": "public.scan_id_seq"},
        database=ledger,
    )
    assert_gone(examined(server, probe), probe, item)


def test_a_sequence_larger_than_its_column(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.sequences"
    server.run(
        "CREATE SEQUENCE old_seq; CREATE TABLE old (id int DEFAULT nextval('old_seq'));"
        f"ALTER SEQUENCE old_seq OWNED BY old.id; SELECT setval('old_seq', 2140000000);"
        f"GRANT SELECT ON old_seq TO {LOGIN}",
        database=ledger,
    )
    result = assert_found(examined(server, probe), probe, f"{ledger}.public.old_seq")
    assert result.evidence["column"].value == "public.old.id"


@pytest.mark.parametrize("login", ["admin", LOGIN])
def test_a_bloated_table(server: PostgreSql, ledger: str, login: str) -> None:
    """Estimated for who may read the table, measured for who may not."""
    probe = "postgresql.table-bloat"
    item = f"{ledger}.public.visit"
    server.run(
        "INSERT INTO visit SELECT n, n, repeat('x', 100) FROM generate_series(2, 150000) AS n;"
        "DELETE FROM visit WHERE id > 10000 AND id < 149000; VACUUM (ANALYZE) visit",
        database=ledger,
    )
    levels = {"least_bytes": 1024**2}
    if login == LOGIN:
        kept = examined(server, probe)[probe, ledger]
        assert kept.outcome is Outcome.NOT_CHECKED
        for grant in (
            "CREATE EXTENSION pgstattuple SCHEMA public",
            f'GRANT pg_stat_scan_tables TO "{LOGIN}"',
        ):
            assert grant in kept.reason
            server.run(grant, database=ledger)
        server.run("CREATE EXTENSION pgstattuple SCHEMA public")
    assert_found(examined(server, probe, login=login, levels=levels), probe, item)
    words = "VACUUM (FULL, ANALYZE) schema.table"
    follow(server, probe, words, {"schema.table": "public.visit"}, database=ledger)
    assert_gone(examined(server, probe, login=login, levels=levels), probe, item)
    if login == LOGIN:
        server.run(f"REVOKE pg_stat_scan_tables FROM {LOGIN}; DROP EXTENSION pgstattuple")


def test_dead_rows(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.dead-rows"
    item = f"{ledger}.public.visit"
    server.run("ALTER TABLE visit SET (autovacuum_enabled = off)", database=ledger)
    server.run("INSERT INTO visit SELECT n, n, '' FROM generate_series(2, 30000) AS n", database=ledger)
    server.run("DELETE FROM visit WHERE id > 10000", database=ledger)
    counted = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relname = 'visit'"
    until(server, counted, "t", database=ledger)
    assert_found(examined(server, probe), probe, item, "never")
    alone = "postgresql.autovacuum-tables"
    assert_found(examined(server, alone), alone, item)
    words = "VACUUM (VERBOSE, ANALYZE) schema.table"
    follow(server, probe, words, {"schema.table": "public.visit"}, database=ledger)
    until(server, counted, "f", database=ledger)
    words = "ALTER TABLE schema.table RESET (autovacuum_enabled)"
    follow(server, alone, words, {"schema.table": "public.visit"}, database=ledger)
    found = examined(server, probe, alone)
    assert_gone(found, probe, item)
    assert_gone(found, alone, item)


def test_an_unlogged_table(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.unlogged-tables"
    item = f"{ledger}.public.scan"
    server.run("CREATE UNLOGGED TABLE scan (id int)", database=ledger)
    assert_found(examined(server, probe), probe, item)
    words = "ALTER TABLE schema.table SET LOGGED"
    follow(server, probe, words, {"schema.table": "public.scan"}, database=ledger)
    assert_gone(examined(server, probe), probe, item)


def test_a_trigger_that_is_off(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.disabled-triggers"
    item = f"{ledger}.public.visit.visit_log"
    server.run(
        "CREATE TRIGGER visit_log BEFORE UPDATE ON visit FOR EACH ROW "
        "EXECUTE PROCEDURE suppress_redundant_updates_trigger(); ALTER TABLE visit DISABLE TRIGGER visit_log",
        database=ledger,
    )
    assert_found(examined(server, probe), probe, item, "off")
    words = "ALTER TABLE schema.table ENABLE TRIGGER name"
    follow(server, probe, words, {"schema.table": "public.visit", "name": "visit_log"}, database=ledger)
    assert_gone(examined(server, probe), probe, item)


def test_a_foreign_key_that_is_off(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.disabled-triggers"
    item = f"{ledger}.public.scan.scan_visit"
    server.run(
        "CREATE TABLE scan (id int, visit int CONSTRAINT scan_visit REFERENCES visit);"
        "ALTER TABLE scan DISABLE TRIGGER ALL",
        database=ledger,
    )
    assert_found(examined(server, probe), probe, item, "foreign")
    assert "ENABLE TRIGGER ALL" in CATALOGUE.entries[probe].probe.remedy
    server.run("ALTER TABLE public.scan ENABLE TRIGGER ALL", database=ledger)
    assert_gone(examined(server, probe), probe, item)


def test_a_rule_that_was_never_checked(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.constraints"
    item = f"{ledger}.public.visit.visit_positive"
    server.run("ALTER TABLE visit ADD CONSTRAINT visit_positive CHECK (day > 0) NOT VALID", database=ledger)
    assert_found(examined(server, probe), probe, item)
    words = "ALTER TABLE schema.table VALIDATE CONSTRAINT name"
    follow(server, probe, words, {"schema.table": "public.visit", "name": "visit_positive"}, database=ledger)
    assert_gone(examined(server, probe), probe, item)


@since(18)
def test_rules_that_are_not_enforced(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.constraints"
    items = [f"{ledger}.public.scan.{name}" for name in ("scan_visit", "scan_positive")]
    server.run(
        "CREATE TABLE scan (id int CONSTRAINT scan_positive CHECK (id > 0) NOT ENFORCED,"
        " visit int CONSTRAINT scan_visit REFERENCES visit NOT ENFORCED)",
        database=ledger,
    )
    found = examined(server, probe)
    for item in items:
        assert_found(found, probe, item, "unenforced")
    words = "ALTER TABLE schema.table ALTER CONSTRAINT name ENFORCED"
    follow(server, probe, words, {"schema.table": "public.scan", "name": "scan_visit"}, database=ledger)
    server.run("ALTER TABLE scan DROP CONSTRAINT scan_positive", database=ledger)
    for item in items:
        assert_gone(examined(server, probe), probe, item)


@since(11)
def test_indexes_that_repeat_others(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.duplicate-indexes"
    server.run(
        "CREATE INDEX visit_day ON visit (day); CREATE INDEX visit_day_note ON visit (day, note);"
        "CREATE INDEX visit_down ON visit (day DESC); CREATE INDEX visit_some ON visit (day) WHERE day > 5;"
        "CREATE INDEX visit_with ON visit (day, id) INCLUDE (note); CREATE INDEX visit_key ON visit (id)",
        database=ledger,
    )
    result = assert_found(examined(server, probe), probe, ledger)
    assert result.evidence["count"].value == 2
    assert result.evidence["names"].value in (
        "public.visit_day (as visit_day_note), public.visit_key (as visit_pkey)",
        "public.visit_day (as visit_with), public.visit_key (as visit_pkey)",
    )
    server.run("DROP INDEX visit_day; DROP INDEX visit_key", database=ledger)
    assert_gone(examined(server, probe), probe, ledger)


def test_tables_that_the_login_could_read(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.no-patient-access"
    server.run(f"GRANT SELECT (note) ON visit TO {LOGIN}", database=ledger)
    assert examined(server, probe)[probe, ledger].evidence["readable"].value == 1
    words = "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM login"
    follow(server, probe, words, {"login": LOGIN}, database=ledger)
    assert examined(server, probe)[probe, ledger].outcome is Outcome.PASSED
    assert_found(examined(server, probe, login="admin"), probe, ledger, "superuser")


def test_declared_databases(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.declared-databases"
    found = examined(server, probe, declare={"databases": (ledger, ledger.upper())})
    assert found[probe, ledger].outcome is Outcome.PASSED
    assert_found(found, probe, ledger.upper(), "gone")


def test_a_database_that_was_half_dropped(server: PostgreSql, ledger: str) -> None:
    """A login there would be refused, and every refusal stops the credential."""
    probe = "postgresql.unlogged-tables"
    server.run("CREATE DATABASE halved; UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'halved'")
    found = examined(server, probe)
    assert found[probe, "halved"].outcome is Outcome.NOT_CHECKED
    assert ("postgresql.wraparound", "halved") not in examined(server, "postgresql.wraparound")
    _, _, remedy = found[probe, "halved"].reason.partition("as a superuser: ")
    server.run(remedy)
    assert_gone(examined(server, probe), probe)


# --- counters ---------------------------------------------------------------------------------


def test_counters_that_outlive_a_restart() -> None:
    """The time since the start is no measure of what was counted before it."""
    probe = "postgresql.temporary-files"
    levels = {"a_day": 1024**2, "least_days": 0.0}
    options = {"fsync": "on", "full_page_writes": "on"}
    with postgresql(options=options) as one:
        one.run(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE ledger")
        one.run(
            "SET work_mem = '64kB';"
            "SELECT count(*) FROM (SELECT DISTINCT n FROM generate_series(1, 200000) n) d",
            database="ledger",
        )
        until(one, "SELECT temp_bytes > 1e6 FROM pg_stat_database WHERE datname = 'ledger'", "t")
        one.process.send_signal(signal.SIGINT)  # "fast": what was counted is kept
        one.process.wait(10)
        with started(one, 2) as again:
            found = examined(again, probe, levels=levels)[probe, "ledger"]
            if major_version() < 15:  # which tell since when they count
                assert found.outcome is Outcome.FINDING
                start = again.run("SELECT pg_postmaster_start_time() AT TIME ZONE 'UTC'")[0][0]
                assert f"{found.evidence['since'].value:%F %T}" < start
            else:
                assert found.outcome is Outcome.NOT_CHECKED
                assert "outlive" in found.reason


def test_statements_are_counted_only_where_the_extension_is_loaded() -> None:
    probe = "postgresql.top-statements"
    with postgresql() as one:
        one.run(
            f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO {LOGIN};"
            "CREATE EXTENSION pg_stat_statements"
        )
        found = examined(one, probe)[probe, ""]
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert "shared_preload_libraries" in found.reason


@since(13)
def test_an_extension_older_than_the_server(server: PostgreSql) -> None:
    """After an upgrade the columns of version 1.6 stay until somebody updates it."""
    statements, versions = "postgresql.top-statements", "postgresql.extensions"
    server.run("DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.6'")
    found = examined(server, statements, versions)
    assert any(probe == statements and one.outcome is Outcome.PASSED for (probe, _), one in found.items())
    assert_found(found, versions, "postgres.pg_stat_statements", "older")
    follow(server, versions, "ALTER EXTENSION name UPDATE", {"name": "pg_stat_statements"})
    assert_gone(examined(server, versions), versions)


# --- rights -----------------------------------------------------------------------------------


def test_without_rights_nothing_passes_that_needs_them(server: PostgreSql, ledger: str) -> None:
    found = examined(server, *MONITORED, login=STRANGER)
    assert {one.outcome for one in found.values()} == {Outcome.NOT_CHECKED}
    grant = f'GRANT pg_monitor TO "{STRANGER}"'
    assert {one.reason for one in found.values()} == {grant}
    server.run(grant)
    again = examined(server, *MONITORED, login=STRANGER)
    assert not [one for one in again.values() if one.reason == grant]
    server.run(f"REVOKE pg_monitor FROM {STRANGER}")


def test_what_is_left_out_without_a_word_is_noticed(server: PostgreSql, ledger: str) -> None:
    """Even where the rights were not asked for before."""
    sql = collectors_of(*ALL)["postgresql-sessions"]
    unguarded = tuple(dataclasses.replace(one, rights=()) for one in sql.variants)
    with server.hold("SELECT 1", database=ledger):
        asked = {"postgresql-sessions": dataclasses.replace(sql, variants=unguarded)}
        qualities = [collected(server, asked, login)[0].quality for login in (STRANGER, LOGIN)]
    assert qualities == [Quality.FILTERED, Quality.OK]


def test_a_database_that_may_not_be_entered(server: PostgreSql, ledger: str) -> None:
    probe = "postgresql.unlogged-tables"
    server.run(f"REVOKE CONNECT ON DATABASE {ledger} FROM PUBLIC")
    found = examined(server, probe)
    assert {one.outcome for one in found.values()} == {Outcome.NOT_CHECKED}
    assert ledger in found[probe, ""].reason
    grant = f'GRANT CONNECT ON DATABASE "{ledger}" TO "{LOGIN}"'
    assert grant in found[probe, ledger].reason
    size = examined(server, "postgresql.database-growth")["postgresql.database-growth", ledger]
    assert size.outcome is Outcome.NOT_CHECKED and size.reason == grant
    server.run(grant)
    assert_gone(examined(server, probe), probe)


def test_nothing_fails_and_nothing_is_written(server: PostgreSql, ledger: str) -> None:
    """Every statement runs, for the least login and for a superuser; the server's own counters show reads."""
    collectors = collectors_of(*ALL)
    for login, allowed in (
        (STRANGER, {Quality.OK, Quality.DENIED, Quality.UNSUPPORTED}),
        (LOGIN, {Quality.OK, Quality.UNSUPPORTED, Quality.DENIED}),
        ("admin", {Quality.OK, Quality.UNSUPPORTED}),
    ):
        for one in collected(server, collectors, login):
            assert one.quality in allowed, one
            if one.raw is not None:
                CATALOGUE.sections[one.section].parse(one.raw, "postgresql", 1)
    counted = "SELECT tup_inserted + tup_updated + tup_deleted FROM pg_stat_database"
    counted += f" WHERE datname = '{ledger}'"
    written = server.run(counted)
    collected(server, collectors, "admin")
    assert written == server.run(counted)


# --- a standby --------------------------------------------------------------------------------

_REPLICATION = ("host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256")


@contextmanager
def standby_of(primary: PostgreSql, options: Mapping[str, str] | None = None) -> Iterator[PostgreSql]:
    """A standby that follows the primary, made by hand: pg_basebackup wants a server of its own version."""
    account = as_account("postgres", "nobody")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-standby-"))
    try:
        folder.chmod(0o755)
        hand_over(account, folder)
        data = folder / "data"
        start, stop = "pg_backup_start('attic', true)", "pg_backup_stop(false)"
        if major_version() < 15:
            start, stop = "pg_start_backup('attic', true, false)", "pg_stop_backup(false, false)"
        with primary.hold(f"SELECT {start}") as backup:
            shutil.copytree(
                primary.folder / "data", data, ignore=shutil.ignore_patterns("postmaster.*", "pg_replslot")
            )
            (label,) = backup.run(f"SELECT translate(labelfile, chr(10), '|') FROM {stop}")
        (data / "pg_replslot").mkdir(mode=0o700)
        (data / "backup_label").write_text(label.replace("|", "\n"), encoding="utf-8")
        where = f"host={primary.address} port={primary.port} user={primary.user} password={primary.password}"
        settings = {"primary_conninfo": f"{where} dbname=postgres application_name=attic"} | dict(
            options or {}
        )
        if major_version() < 12:
            settings["standby_mode"] = "on"
        else:
            (data / "standby.signal").touch()
        with (data / ("recovery.conf" if major_version() < 12 else "postgresql.conf")).open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        hand_over(account, data)
        port = free_port()
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {port}\n")
        with started(dataclasses.replace(primary, folder=folder, port=port), 1) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def test_a_standby_that_stands_still() -> None:
    there, here = "postgresql.standby", "postgresql.replication"
    late = {"late_s": 0.0}
    declared = {"standbys": ("attic",)}
    with postgresql(access=_REPLICATION) as primary:
        primary.run(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO {LOGIN}")
        assert_found(examined(primary, here, declare=declared), here, "attic", "gone")
        assert examined(primary, there)[there, ""].outcome is Outcome.NOT_APPLICABLE
        with standby_of(primary) as standby:
            until(primary, "SELECT state FROM pg_stat_replication", "streaming")
            primary.run("CREATE TABLE visit (id int)")
            until(standby, "SELECT count(*) FROM pg_tables WHERE tablename = 'visit'", "1")
            assert_gone(examined(primary, here, declare=declared), here, "attic")
            assert examined(standby, there)[there, ""].outcome is Outcome.PASSED
            for one in collected(standby, collectors_of(*ALL), "admin"):
                assert one.quality in (Quality.OK, Quality.UNSUPPORTED), one
            standby.run("SELECT pg_wal_replay_pause()")
            assert_found(examined(standby, there), there, message="paused")
            follow(standby, there, "SELECT pg_wal_replay_resume()")
            assert examined(standby, there)[there, ""].outcome is Outcome.PASSED
            primary.stop()
            until(standby, "SELECT count(*) FROM pg_stat_wal_receiver", "0")
            assert_found(examined(standby, there, levels=late), there, message="alone")


@since(17)
def test_slots_that_a_standby_keeps_like_its_primarys() -> None:
    """Nobody reads them there, and nobody should."""
    probe = "postgresql.replication-slots"
    with postgresql(access=_REPLICATION) as primary:
        primary.run(
            f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}';"
            "SELECT pg_create_physical_replication_slot('follower')"
        )
        following = {"hot_standby_feedback": "on", "primary_slot_name": "follower"}
        with standby_of(primary, following) as standby:
            until(primary, "SELECT state FROM pg_stat_replication", "streaming")
            primary.run("CREATE TABLE visit (id int)")
            primary.run(
                "SELECT pg_create_logical_replication_slot('reports', 'pgoutput', false, false, true)"
            )
            sent = primary.run("SELECT pg_current_wal_lsn()")[0][0]
            until(standby, f"SELECT pg_last_wal_replay_lsn() >= '{sent}'", "t")
            standby.run("SELECT pg_sync_replication_slots()")
            kept = standby.run("SELECT slot_name, active, synced FROM pg_replication_slots")
            assert kept == [["reports", "f", "t"]], standby.log
            assert examined(standby, probe)[probe, "reports"].outcome is Outcome.PASSED
            assert_found(examined(primary, probe), probe, "reports", "left")
