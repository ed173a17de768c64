"""Faults made real on a MariaDB server: found by the probes, gone after the report's remedy was followed.

What is run as the remedy stands in the probe's own text, word by word but for the names in it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from scenarios import LOGIN, STRANGER, Examiner, assert_found, assert_gone, follow, said, until

from checkup.api import Quality
from checkup.assessment import Outcome
from checkup.sql.mariadb import MARIADB
from tests.servers.mariadb import ADMINISTRATOR, PASSWORD, MariaDb, mariadb, needs_mariadb

pytestmark = needs_mariadb

EXAMINER = Examiner(MARIADB)
collectors_of, collected, examined = EXAMINER.collectors_of, EXAMINER.collected, EXAMINER.examined
ALL = EXAMINER.probes
GRANTS = (
    "PROCESS ON *.*",
    "REFERENCES ON *.*",
    "SHOW DATABASES ON *.*",
    "SELECT ON mysql.global_priv",
)
_numbers = itertools.count(1)


SAFE = {"log-bin": "binlog", "server-id": "1", "sync-binlog": "1", "innodb-flush-log-at-trx-commit": "1"}


def with_logins(server: MariaDb) -> MariaDb:
    server.run(
        f"CREATE USER {LOGIN}@'127.0.0.%' IDENTIFIED BY '{PASSWORD}';"
        f"CREATE USER {STRANGER}@'127.0.0.%' IDENTIFIED BY '{PASSWORD}';"
        f"RENAME USER {ADMINISTRATOR}@'%' TO {ADMINISTRATOR}@'127.0.0.%';"
        + "".join(f"GRANT {one} TO {LOGIN}@'127.0.0.%';" for one in GRANTS)
    )
    return server


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDb]:
    with mariadb(options=SAFE) as one:
        yield with_logins(one)


@pytest.fixture
def ledger(server: MariaDb) -> Iterator[str]:
    """A database of the test's own with a table of visits; nobody may do anything in it."""
    name = f"ledger_{next(_numbers)}"
    server.run(
        f"CREATE DATABASE {name}; CREATE TABLE {name}.visit (id INT PRIMARY KEY, day INT);"
        f"INSERT INTO {name}.visit VALUES (1, 1)"
    )
    yield name
    server.run(f"DROP DATABASE {name}")


# --- the instance -----------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["sync_binlog", "innodb_flush_log_at_trx_commit"])
def test_a_crash_would_cost_entries(server: MariaDb, setting: str) -> None:
    probe = "mariadb.durability"
    server.run(f"SET GLOBAL {setting} = 0")
    assert_found(examined(server, probe), probe, setting)
    follow(server, probe, "SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET GLOBAL sync_binlog = 1;")
    assert_gone(examined(server, probe), probe, setting)


def test_no_binary_log() -> None:
    probe = "mariadb.binary-log"
    with mariadb() as server:
        assert_found(examined(with_logins(server), probe), probe)
    words = said(probe, "log_bin = binlog, server_id = 1")
    lines = [*words.split(", "), said(probe, "sync_binlog = 1"), said(probe, "expire_logs_days = 14")]
    with mariadb(options=dict(one.split(" = ") for one in lines)) as server:
        found = examined(with_logins(server), probe, "mariadb.binary-log-kept")
        assert_gone(found, probe)
        assert_gone(found, "mariadb.binary-log-kept")


def test_binary_logs_that_nobody_deletes(server: MariaDb) -> None:
    probe = "mariadb.binary-log-kept"
    assert_found(examined(server, probe), probe, message="forever")
    follow(server, probe, "SET GLOBAL expire_logs_days = 14")
    follow(server, probe, "FLUSH BINARY LOGS")
    assert_gone(examined(server, probe), probe)
    server.run("SET GLOBAL expire_logs_days = 0")


def test_all_connections_in_use() -> None:
    probe = "mariadb.connections"
    with mariadb(options={"max-connections": "10"}) as server:
        with_logins(server)
        with ExitStack() as programs:
            for _ in range(10):
                programs.enter_context(server.hold("SELECT 1"))
        assert_found(examined(server, probe), probe, message="full")
        words = "SET GLOBAL max_connections = twice the present number"
        follow(server, probe, words, {"twice the present number": "20"})
        until(server, "SELECT COUNT(*) < 3 FROM information_schema.PROCESSLIST", "1")
        follow(server, probe, "FLUSH STATUS")
        assert_gone(examined(server, probe), probe)


def test_connections_in_clear() -> None:
    probe = "mariadb.encryption"
    with mariadb() as server:
        assert_found(examined(with_logins(server), probe), probe, message="none")
    with mariadb(tls=True, options={"tls-version": "TLSv1.1,TLSv1.2"}) as server:
        assert_found(examined(with_logins(server), probe), probe, message="weak")
    name, _, versions = said(probe, "tls_version = TLSv1.2,TLSv1.3").partition(" = ")
    with mariadb(tls=True, options={name: versions}) as server:
        assert_found(examined(with_logins(server), probe), probe, message="optional")
        follow(server, probe, "SET GLOBAL require_secure_transport = ON")
        assert server.run("SELECT @@require_secure_transport") == [["1"]]


def test_a_slow_log_that_is_off(server: MariaDb) -> None:
    probe = "mariadb.slow-log"
    assert_found(examined(server, probe), probe)
    follow(server, probe, "SET GLOBAL long_query_time = 2; SET GLOBAL slow_query_log = ON")
    assert_gone(examined(server, probe), probe)
    follow(server, probe, "SET GLOBAL slow_query_log = OFF")


# --- tables -----------------------------------------------------------------------------------


def test_a_table_of_myisam(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.storage-engines"
    server.run(f"CREATE TABLE {ledger}.lab (id INT PRIMARY KEY) ENGINE = MyISAM")
    assert_found(examined(server, probe), probe, ledger, "engine")
    words = "ALTER TABLE `database`.`table` ENGINE = InnoDB"
    follow(server, probe, words, {"`database`": ledger, "`table`": "lab"})
    assert_gone(examined(server, probe), probe, ledger)


def test_a_table_whose_engine_is_not_told(server: MariaDb, ledger: str) -> None:
    server.run(f"CREATE TABLE {ledger}.lab (id INT PRIMARY KEY) ENGINE = MyISAM; FLUSH TABLES")
    (server.folder / "data" / ledger / "lab.MYI").unlink()
    assert_found(examined(server, "mariadb.storage-engines"), "mariadb.storage-engines", ledger, "unreadable")


@pytest.mark.parametrize("kind", ["", "WITH SYSTEM VERSIONING"])
def test_a_table_without_primary_key(server: MariaDb, ledger: str, kind: str) -> None:
    probe = "mariadb.primary-keys"
    server.run(
        f"SET GLOBAL system_versioning_alter_history = KEEP; CREATE TABLE {ledger}.note (day INT) {kind}"
    )
    assert_found(examined(server, probe), probe, ledger)
    words = "ALTER TABLE `database`.`table` ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"
    follow(server, probe, words, {"`database`": ledger, "`table`": "note"})
    assert_gone(examined(server, probe), probe, ledger)


def test_a_unique_key_without_null_will_do(server: MariaDb, ledger: str) -> None:
    server.run(f"CREATE TABLE {ledger}.code (code INT NOT NULL, UNIQUE (code))")
    assert_gone(examined(server, "mariadb.primary-keys"), "mariadb.primary-keys", ledger)


@pytest.mark.parametrize(
    ("column", "start", "message"),
    [
        ("TINYINT UNSIGNED", 250, "near"),
        ("SMALLINT", 30_000, "near"),
        ("TINYINT", 127, "end"),
        ("BIGINT UNSIGNED", 18_000_000_000_000_000_000, "near"),
    ],
)
def test_numbers_that_run_out(server: MariaDb, ledger: str, column: str, start: int, message: str) -> None:
    probe = "mariadb.auto-increment"
    server.run(f"CREATE TABLE {ledger}.lab (id {column} AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = {start}")
    server.run(f"INSERT INTO {ledger}.lab VALUES ()")
    assert_found(examined(server, probe), probe, f"{ledger}.lab", message)
    words = "ALTER TABLE `database`.`table` MODIFY `column` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"
    if column != "BIGINT UNSIGNED":  # nothing is larger
        follow(server, probe, words, {"`database`": ledger, "`table`": "lab", "`column`": "id"})
        assert_gone(examined(server, probe), probe, f"{ledger}.lab")


def test_empty_space_in_a_table(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.table-space"
    server.run(
        f"CREATE TABLE {ledger}.archive (id INT AUTO_INCREMENT PRIMARY KEY, text LONGTEXT);"
        f"INSERT INTO {ledger}.archive (text) VALUES {','.join(['(REPEAT(char(65), 60000))'] * 200)};"
        f"DELETE FROM {ledger}.archive"
    )
    small = {"least_bytes": 1024**2}
    until(
        server,
        f"SELECT DATA_FREE > 1048576 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{ledger}' "
        "AND TABLE_NAME = 'archive'",
        "1",
    )
    assert_found(examined(server, probe, levels=small), probe, f"{ledger}.archive")
    words = "OPTIMIZE TABLE `database`.`table`"
    follow(server, probe, words, {"`database`": ledger, "`table`": "archive"})
    assert_gone(examined(server, probe, levels=small), probe, f"{ledger}.archive")


def test_declared_databases(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.declared-databases"
    found = examined(server, probe, declare={"databases": (ledger, "elsewhere")})
    assert found[probe, ledger].outcome is Outcome.PASSED
    assert_found(found, probe, "elsewhere", "gone")


# --- back-ups ---------------------------------------------------------------------------------

OPEN = {"late_days": 0.0, "lost_days": 7.0}  # a server of the tests was started seconds ago


def dumped(server: MariaDb, *tables: str) -> None:
    """What mariadb-dump --single-transaction asks, without writing a file."""
    each = "".join(
        f"SHOW CREATE TABLE {one}; SELECT /*!40001 SQL_NO_CACHE */ * FROM {one};" for one in tables
    )
    server.run(f"START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */; {each} ROLLBACK")


def test_back_ups_that_nobody_makes() -> None:
    probe = "mariadb.backup-evidence"
    with mariadb() as server:
        with_logins(server)
        server.run("CREATE DATABASE d; CREATE TABLE d.visit (id INT); CREATE TABLE d.lab (id INT)")
        assert_found(examined(server, probe, levels=OPEN), probe, message="none")
        assert examined(server, probe)[probe, ""].outcome is Outcome.NOT_CHECKED  # too young to have seen one
        told = {"backup": "mariadb-dump every night"}
        assert_found(examined(server, probe, levels=OPEN, declare=told), probe, message="unseen")
        dumped(server, "d.visit", "d.lab")
        for declare in ({}, told):
            found = examined(server, probe, levels=OPEN, declare=declare)[probe, ""]
            assert found.outcome is Outcome.NOT_CHECKED
            assert "as many requests for tables as a dump makes" in found.reason


def test_stages_of_mariadb_backup(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.backup-evidence"
    server.run("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT; BACKUP STAGE END")
    assert "3 statements of mariadb-backup" in examined(server, probe)[probe, ""].reason


@pytest.mark.parametrize("place", ["mysql.mariadb_backup_history", "PERCONA_SCHEMA.xtrabackup_history"])
def test_back_ups_that_are_written_down(server: MariaDb, ledger: str, place: str) -> None:
    """As mariadb-backup --history does; only the time of the last change is read."""
    probe, database = "mariadb.backup-evidence", place.partition(".")[0]
    server.run(
        f"CREATE DATABASE IF NOT EXISTS {database}; CREATE TABLE {place} (uuid VARCHAR(40) PRIMARY KEY, "
        f"end_time TIMESTAMP NULL) ENGINE = InnoDB; INSERT INTO {place} VALUES (UUID(), NOW())"
    )
    try:
        assert_gone(examined(server, probe), probe)
    finally:
        server.run(f"DROP TABLE {place}")
        if database != "mysql":
            server.run(f"DROP DATABASE {database}")


def test_the_size_of_each_database(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.database-growth"
    assert (probe, ledger) in examined(server, probe)


# --- sessions ---------------------------------------------------------------------------------


def test_a_transaction_left_open(server: MariaDb, ledger: str) -> None:
    probe, who = "mariadb.long-transactions", f"{ADMINISTRATOR}@127.0.0.1"
    with server.hold(f"START TRANSACTION; UPDATE {ledger}.visit SET day = 2"):
        time.sleep(1.1)  # InnoDB tells whole seconds
        found = assert_found(examined(server, probe, levels={"long_s": 1}), probe, who, "idle")
        assert 1 <= found.evidence["age"].value < 60  # type: ignore[operator]
        assert_gone(examined(server, probe), probe, who)
        session = str(int(found.evidence["session"].value))  # type: ignore[arg-type]
        words = "KILL with the number of the session"
        follow(server, probe, words, {"with the number of the session": session})
    assert_gone(examined(server, probe, levels={"long_s": 1}), probe, who)
    assert server.run(f"SELECT day FROM {ledger}.visit") == [["1"]]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Denver"])
def test_ages_are_right_on_a_machine_elsewhere(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    probe = "mariadb.long-transactions"
    with mariadb() as server:
        with_logins(server)
        assert server.run("SELECT NOW() <> UTC_TIMESTAMP()") == [["1"]]
        server.run("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)")
        with server.hold("START TRANSACTION; INSERT INTO d.t VALUES (1)"):
            found = examined(server, probe, levels={"long_s": 0})
            age = found[probe, f"{ADMINISTRATOR}@127.0.0.1"].evidence["age"].value
            assert isinstance(age, int | float) and 0 <= age < 60


def test_a_wait_for_a_row(server: MariaDb, ledger: str) -> None:
    probe, who = "mariadb.lock-waits", f"{ADMINISTRATOR}@127.0.0.1"
    update = f"UPDATE {ledger}.visit SET day = 2"
    with server.hold(f"START TRANSACTION; {update}") as holder, server.hold("SELECT 1") as waiting:
        waiting.start(update)
        until(
            server,
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'",
            "1",
        )
        found = assert_found(examined(server, probe, levels={"felt_s": 0}), probe, who, "blocked")
        blocker = str(int(found.evidence["blocker"].value))  # type: ignore[arg-type]
        assert [blocker] == holder.run("SELECT CONNECTION_ID()")
        words = "KILL with the number of the holder's session"
        follow(server, probe, words, {"with the number of the holder's session": blocker})
        waiting.run("SELECT 1")
        assert_gone(examined(server, probe, levels={"felt_s": 0}), probe, who)


def test_a_wait_for_a_table(server: MariaDb, ledger: str) -> None:
    probe, who = "mariadb.lock-waits", f"{ADMINISTRATOR}@127.0.0.1"
    with (
        server.hold(f"START TRANSACTION; SELECT * FROM {ledger}.visit"),
        server.hold("SELECT 1") as waiting,
    ):
        waiting.start(f"ALTER TABLE {ledger}.visit ADD COLUMN note INT")
        until(
            server,
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%lock'",
            "1",
        )
        assert_found(examined(server, probe, levels={"felt_s": 0}), probe, who, "waits")
        server.kill_sessions()
    assert_gone(examined(server, probe, levels={"felt_s": 0}), probe, who)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own, where this account may mount one; the server's account may enter it."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    folder.chmod(0o755)
    tried = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(tried, capture_output=True, check=False) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip("this account may not mount a file system")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@pytest.mark.slow  # the server looks for room once a minute
def test_a_full_disk() -> None:
    probe = "mariadb.disk-full"
    with small_disk(120) as disk, mariadb(data=disk / "data") as server:
        with_logins(server)
        server.run("CREATE DATABASE d; CREATE TABLE d.scan (image LONGBLOB) ENGINE = MyISAM")
        room = os.statvfs(disk)
        old = disk / "old back-up"
        with old.open("wb") as file:
            for _ in range(room.f_bavail * room.f_frsize // 1024**2):
                file.write(b"x" * 1024**2)
        with server.hold("SELECT 1") as program:
            program.start("INSERT INTO d.scan VALUES (REPEAT('x', 4000000))")
            waiting = (
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                "WHERE STATE = 'Waiting for someone to free space'"
            )
            until(server, waiting, "1")
            assert_found(examined(server, probe), probe, message="full")
            assert said(probe, "move old back-ups and downloads elsewhere")
            old.unlink()
            assert said(probe, "The server goes on by itself within a minute")
            until(server, waiting, "0", patience_s=75)
            assert_gone(examined(server, probe), probe)
        assert server.run(said(probe, "CHECK TABLE") + " d.scan")[-1][-1] == "OK"


# --- accounts ---------------------------------------------------------------------------------


def test_a_nameless_account(server: MariaDb) -> None:
    probe, who = "mariadb.anonymous-accounts", "''@'localhost'"
    server.run("CREATE USER ''@'localhost'")
    assert_found(examined(server, probe), probe, who)
    follow(server, probe, "DROP USER ''@'localhost'")
    assert_gone(examined(server, probe), probe, who)


@pytest.mark.parametrize(("password", "message"), [("", "empty"), ("lab", "name")])
def test_a_password_that_is_none(server: MariaDb, password: str, message: str) -> None:
    probe, who = "mariadb.passwords", "'lab'@'%'"
    server.run(f"CREATE USER 'lab'@'%' IDENTIFIED BY '{password}'")
    try:
        assert_found(examined(server, probe), probe, who, message)
        words = "ALTER USER 'lab'@'%' IDENTIFIED BY '...'"
        follow(server, probe, words, {"'...'": "'a long password of the clinic'"})
        assert_gone(examined(server, probe), probe, who)
    finally:
        server.run("DROP USER 'lab'@'%'")


@pytest.mark.parametrize(
    "account",
    ["IDENTIFIED VIA unix_socket", "IDENTIFIED BY '' ACCOUNT LOCK", "IDENTIFIED BY 'something else'"],
)
def test_accounts_that_nobody_else_gets_in_by(server: MariaDb, account: str) -> None:
    server.run(f"CREATE USER 'lab'@'10.0.0.%' {account}; CREATE ROLE nurse")
    try:
        assert_gone(examined(server, "mariadb.passwords"), "mariadb.passwords")
    finally:
        server.run("DROP USER 'lab'@'10.0.0.%'; DROP ROLE nurse")


def test_an_account_from_anywhere(server: MariaDb) -> None:
    probe = "mariadb.accounts-from-anywhere"
    server.run("CREATE USER 'lab'@'%' IDENTIFIED BY 'long'; GRANT ALL ON *.* TO 'lab'@'%'")
    assert_found(examined(server, probe), probe, "administrators")
    words = "RENAME USER 'name'@'%' TO 'name'@'192.168.10.%'"
    follow(server, probe, words, {"'name'": "'lab'"})
    assert_gone(examined(server, probe), probe, "administrators")
    server.run("DROP USER 'lab'@'192.168.10.%'")


def test_an_outdated_method(server: MariaDb) -> None:
    probe = "mariadb.password-methods"
    found = assert_found(examined(server, probe), probe, "mysql_native_password")
    assert found.evidence["count"].value == 3


# --- replication ------------------------------------------------------------------------------


def test_a_replica_that_stands_still(server: MariaDb) -> None:
    probes_here = ("mariadb.replication", "mariadb.replica-read-only")
    running, read_only = probes_here
    with mariadb(options={"server-id": "2"}) as replica:
        with_logins(replica)
        found = examined(replica, *probes_here)
        assert {one.outcome for one in found.values()} == {Outcome.NOT_APPLICABLE}
        position = server.run("SELECT @@gtid_binlog_pos")[0][0]
        replica.run(
            f"SET GLOBAL gtid_slave_pos = '{position}'; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', "
            f"MASTER_PORT = {server.port}, MASTER_USER = '{ADMINISTRATOR}', MASTER_PASSWORD = '{PASSWORD}', "
            "MASTER_USE_GTID = slave_pos"
        )
        assert_found(examined(replica, running), running, message="stopped")
        follow(replica, running, "START REPLICA")
        until(replica, _STATUS, "ON")
        found = examined(replica, *probes_here)
        assert_gone(found, running)
        assert_found(found, read_only)
        follow(replica, read_only, "SET GLOBAL read_only = ON")
        assert_gone(examined(replica, read_only), read_only)

        replica.run("STOP REPLICA SQL_THREAD")
        found = assert_found(examined(replica, running), running, message="stopped")
        assert (found.evidence["receiver"].value, found.evidence["applier"].value) == ("running", "stopped")
        follow(replica, running, "START REPLICA")
        until(replica, _STATUS, "ON")
        assert_gone(examined(replica, running), running)

        replica.run("STOP REPLICA")
        assert_found(examined(replica, running), running, message="stopped")
        follow(replica, running, "RESET REPLICA ALL")
        follow(replica, running, "SET GLOBAL gtid_slave_pos = ''")
        found = examined(replica, *probes_here)
        assert {one.outcome for one in found.values()} == {Outcome.NOT_APPLICABLE}


_STATUS = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'SLAVE_RUNNING'"


# --- rights -----------------------------------------------------------------------------------


def test_tables_that_the_login_could_read(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.no-patient-access"
    who = f"'{LOGIN}'@'127.0.0.%'"
    assert_gone(examined(server, probe), probe)
    server.run(f"GRANT SELECT ON {ledger}.* TO {who}")
    found = assert_found(examined(server, probe), probe, ledger, "tables")
    assert (found.evidence["readable"].value, found.evidence["writable"].value) == (1, 0)
    words = "REVOKE SELECT ON `ledger`.* FROM 'checkup_ro'@'%'"
    follow(server, probe, words, {"ledger": ledger, "'%'": "'127.0.0.%'"})
    assert_gone(examined(server, probe), probe)


def test_tables_that_a_role_opens(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.no-patient-access"
    who = f"'{LOGIN}'@'127.0.0.%'"
    server.run(
        f"CREATE ROLE nurse; GRANT SELECT, UPDATE ON {ledger}.visit TO nurse; GRANT nurse TO {who};"
        f"SET DEFAULT ROLE nurse FOR {who}"
    )
    try:
        assert_found(examined(server, probe), probe, ledger, "tables")
    finally:
        server.run(f"SET DEFAULT ROLE NONE FOR {who}; DROP ROLE nurse")


def test_a_role_that_could_be_taken_on(server: MariaDb, ledger: str) -> None:
    """It is not active now, so that nothing of what it opens is seen; SET ROLE is all that it takes."""
    probe = "mariadb.no-patient-access"
    undo = role_for(server, LOGIN, [f"SELECT ON {ledger}.*"], default=False)
    try:
        (found,) = examined(server, probe).values()
    finally:
        server.run(undo)
    assert found.outcome is Outcome.NOT_CHECKED
    assert "watcher_" in found.reason


def test_an_administrators_login(server: MariaDb, ledger: str) -> None:
    probe = "mariadb.no-patient-access"
    found = examined(server, probe, login=ADMINISTRATOR)
    assert_found(found, probe, ledger, "tables")
    assert "SUPER" in str(assert_found(found, probe, "", "server").evidence["rights"].value)


NEEDING = tuple(name for name in ALL if EXAMINER.rights_of(name))


@pytest.mark.parametrize("grant", GRANTS)
def test_each_right_taken_away_is_named(server: MariaDb, ledger: str, grant: str) -> None:
    who = f"'{LOGIN}'@'127.0.0.%'"
    right = grant.removesuffix(" ON *.*")
    concerned = [name for name in ALL if right in EXAMINER.rights_of(name)]
    assert concerned
    taken = [grant, "REFERENCES ON *.*"] if right == "SHOW DATABASES" else [grant]  # either shows databases
    server.run("".join(f"REVOKE {one} FROM {who};" for one in taken))
    try:
        found = examined(server, *concerned, declare={"databases": (ledger,)})
    finally:
        server.run("".join(f"GRANT {one} TO {who};" for one in taken))
    named = f"GRANT {grant.replace('global_priv', '`global_priv`')} TO {who}"
    for (name, _), one in found.items():
        assert one.outcome is Outcome.NOT_CHECKED, (name, one)
        assert named in one.reason


def test_without_rights_nothing_passes_that_needs_them(server: MariaDb, ledger: str) -> None:
    found = examined(server, *NEEDING, login=STRANGER, declare={"databases": (ledger,)})
    assert {one.outcome for one in found.values()} == {Outcome.NOT_CHECKED}


def role_for(server: MariaDb, login: str, grants: Iterable[str], *, default: bool) -> str:
    """A role with a role in it that has these rights; what takes both away again."""
    role = f"watcher_{next(_numbers)}"
    who = f"'{login}'@'127.0.0.%'"
    server.run(
        f"CREATE ROLE {role}; CREATE ROLE {role}_inner; GRANT {role}_inner TO {role}; GRANT {role} TO {who};"
        + (f"SET DEFAULT ROLE {role} FOR {who};" if default else "")
        + "".join(f"GRANT {one} TO {role}_inner;" for one in grants)
    )
    return f"SET DEFAULT ROLE NONE FOR {who}; DROP ROLE {role}; DROP ROLE {role}_inner"


def test_rights_by_a_role_are_rights(server: MariaDb, ledger: str) -> None:
    undo = role_for(server, STRANGER, GRANTS, default=True)
    try:
        with server.hold("SELECT 1"):  # somebody else's session to be seen
            found = examined(server, *NEEDING, login=STRANGER, declare={"databases": (ledger,)})
            told = collected(server, collectors_of(*NEEDING), STRANGER)
    finally:
        server.run(undo)
    assert {one.section: one.reason for one in told if one.quality is not Quality.OK} == {}
    unseen = {name for (name, _), one in found.items() if one.outcome is Outcome.NOT_CHECKED}
    assert unseen <= {"mariadb.backup-evidence"}  # the server was started seconds ago


@pytest.mark.parametrize("grant", GRANTS)
def test_each_right_that_a_role_lacks_is_named(server: MariaDb, ledger: str, grant: str) -> None:
    """But REFERENCES shows all databases by itself."""
    concerned = [name for name in ALL if grant.removesuffix(" ON *.*") in EXAMINER.rights_of(name)]
    undo = role_for(server, STRANGER, [one for one in GRANTS if one != grant], default=True)
    try:
        with server.hold("SELECT 1"):
            found = examined(server, *concerned, login=STRANGER, declare={"databases": (ledger,)})
    finally:
        server.run(undo)
    outcomes = {one.outcome for one in found.values()}
    assert outcomes == {Outcome.PASSED if grant.startswith("SHOW") else Outcome.NOT_CHECKED}


def test_databases_alone_shown_by_a_role(server: MariaDb, ledger: str) -> None:
    undo = role_for(server, STRANGER, ["SHOW DATABASES ON *.*", "SELECT ON mysql.global_priv"], default=True)
    try:
        found = examined(
            server, "mariadb.declared-databases", login=STRANGER, declare={"databases": (ledger,)}
        )
    finally:
        server.run(undo)
    assert {one.outcome for one in found.values()} == {Outcome.PASSED}


def test_reading_the_servers_own_databases_shows_no_other(server: MariaDb, ledger: str) -> None:
    grants = ["SELECT ON mysql.*", "SELECT ON sys.*", "SELECT ON performance_schema.*"]
    undo = role_for(server, STRANGER, grants, default=True)
    probe = "mariadb.declared-databases"
    try:
        found = examined(
            server, probe, "mariadb.storage-engines", login=STRANGER, declare={"databases": (ledger,)}
        )
    finally:
        server.run(undo)
    assert {one.outcome for one in found.values()} == {Outcome.NOT_CHECKED}


def test_a_role_that_is_not_active_gives_nothing(server: MariaDb, ledger: str) -> None:
    undo = role_for(server, STRANGER, GRANTS, default=False)
    try:
        found = examined(server, *NEEDING, login=STRANGER, declare={"databases": (ledger,)})
    finally:
        server.run(undo)
    assert {one.outcome for one in found.values()} == {Outcome.NOT_CHECKED}


SILENT = ("mariadb-databases", "mariadb-tables", "mariadb-replication")


@pytest.mark.parametrize("section", SILENT)
def test_the_canary_tells_who_sees_all(server: MariaDb, section: str) -> None:
    canary = collectors_of(*ALL)[section].canary
    assert server.run(canary, user=STRANGER) == [["1"]]
    assert server.run(canary, user=LOGIN) == [["0"]]


@pytest.mark.parametrize("section", SILENT)
def test_what_is_left_out_without_a_word_is_noticed(server: MariaDb, ledger: str, section: str) -> None:
    """Even where the rights were not asked for before."""
    sql = collectors_of(*ALL)[section]
    unguarded = dataclasses.replace(
        sql, variants=tuple(dataclasses.replace(one, rights=()) for one in sql.variants)
    )
    (told,) = collected(server, {section: unguarded}, STRANGER)
    assert told.quality is Quality.FILTERED


# --- all of it --------------------------------------------------------------------------------

_WRITES = """
SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
WHERE VARIABLE_NAME IN ('COM_INSERT', 'COM_UPDATE', 'COM_DELETE', 'COM_REPLACE', 'COM_CREATE_TABLE',
      'COM_DROP_TABLE', 'COM_ALTER_TABLE', 'COM_GRANT', 'COM_REVOKE', 'COM_CREATE_USER', 'COM_KILL',
      'COM_FLUSH', 'COM_CALL_PROCEDURE', 'INNODB_ROWS_INSERTED', 'INNODB_ROWS_UPDATED',
      'INNODB_ROWS_DELETED', 'COM_SHOW_GRANTS') ORDER BY 1
"""


def test_nothing_fails_and_nothing_is_written(server: MariaDb, ledger: str) -> None:
    before = server.run(_WRITES)
    sections = {one.section: one for one in collected(server, collectors_of(*ALL), LOGIN)}
    assert {name: one.reason for name, one in sections.items() if one.quality is not Quality.OK} == {}
    assert server.run(_WRITES) == before
    found = examined(server, *ALL, declare={"databases": (ledger,), "memory_gib": "64"})
    assert {name for name, _ in found} == set(ALL)


def test_no_hash_of_a_password_leaves_the_server(server: MariaDb) -> None:
    (told,) = collected(server, collectors_of("mariadb.passwords"), LOGIN)
    hashes = [row[0] for row in server.run("SELECT Password FROM mysql.user WHERE Password <> ''")]
    assert hashes
    assert not any(one in str(told.raw) for one in hashes)
