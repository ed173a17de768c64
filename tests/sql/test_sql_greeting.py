"""The greeting: what is asked of a server first, and what its answers say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checkup.api import JSON
from checkup.sql.engine import Engine, Row, Wants
from checkup.sql.engines import ENGINES
from checkup.sql.mariadb import MARIADB
from checkup.sql.postgresql import POSTGRESQL
from checkup.sql.sqlserver import SQLSERVER

WANTS = Wants(
    rights=("SELECT ON msdb.dbo.backupset", "VIEW SERVER STATE"),
    needs=(
        "msdb.dbo.x.y",
        "sys.dm_os_host_info",
        "sys.dm_server_services.instant_file_initialization_enabled",
    ),
)
WINDOWS = (
    "Microsoft SQL Server 2008 R2 (SP3) - 10.50.6000.34 (X64) \n\tExpress Edition on Windows NT 6.1 <X64>"
)


def hello(**more: JSON) -> dict[str, list[Row]]:
    return {
        "hello": [
            {
                "version": "10.50.6000.34",
                "edition": "Express Edition (64-bit)",
                "engine_edition": 4,
                "server_name": "WS-3\\SQLEXPRESS",
                "banner": WINDOWS,
                "login": "checkup_ro",
                "local_now": "2026-06-01T02:00:00.003000",
                "utc_now": "2026-06-01T08:00:00.000000",
                **more,
            }
        ],
        "hello-since": [{"installed_at": "2024-03-01T10:22:11.433", "started_at": "2026-05-20T22:00:00"}],
        "hello-databases": [
            {"name": "ledger", "state": "ONLINE", "user_access": "MULTI_USER", "enters": 1},
            {"name": "archive", "state": "RECOVERY_PENDING", "user_access": "MULTI_USER", "enters": 0},
            {"name": "alone", "state": "ONLINE", "user_access": "SINGLE_USER", "enters": 1},
            {"name": "foreign", "state": "ONLINE", "user_access": "MULTI_USER", "enters": 0},
        ],
        "hello-rights": [{"r0": 0, "r1": None, "r2": True}],
        "hello-objects": [{"name": "sys.dm_os_host_info"}],
    }


def test_who_a_sql_server_is():
    found = SQLSERVER.read(hello(), WANTS)
    assert found.version == (10, 50, 6000, 34)
    assert (found.edition, found.platform, found.login) == ("express", "windows", "checkup_ro")
    assert found.identity == "sqlserver:WS-3\\SQLEXPRESS/2024-03-01T10:22:11.433"
    assert found.utc_offset_minutes == -360
    assert found.asked_at == datetime(2026, 6, 1, 8, tzinfo=UTC)
    assert found.started_at == datetime(2026, 5, 21, 4, tzinfo=UTC)
    assert found.rights == {"VIEW SERVER STATE"}  # by the newer of its two permissions
    assert found.objects == {"sys.dm_os_host_info"}
    assert found.untold == {"msdb.dbo.x.y"}
    assert [(one.name, one.enters, one.unavailable) for one in found.databases] == [
        ("ledger", True, ""),
        ("archive", False, "the database is not open: recovery pending"),
        ("alone", True, "the database takes a single user, whose place the check-up does not take"),
        ("foreign", False, ""),
    ]
    assert found.as_json()["version"] == "10.50.6000.34"


def test_a_login_that_may_know_little():
    answers = hello()
    del answers["hello-since"], answers["hello-objects"]
    answers["hello-rights"] = [{"r0": None, "r1": None, "r2": 0}]
    found = SQLSERVER.read(answers, WANTS)
    assert (found.identity, found.started_at) == ("", None)
    assert not found.rights and not found.objects
    assert found.untold == set(WANTS.needs)


@pytest.mark.parametrize(
    ("edition", "number", "expected"),
    [
        ("Enterprise Evaluation Edition (64-bit)", 3, "evaluation"),
        ("Developer Edition (64-bit)", 3, "developer"),
        ("Enterprise Edition: Core-based Licensing (64-bit)", 3, "enterprise"),
        ("Datacenter Edition (64-bit)", 3, "enterprise"),
        ("Web Edition (64-bit)", 2, "web"),
        ("Standard Edition (64-bit)", 2, "standard"),
        ("Business Intelligence Edition (64-bit)", 2, "standard"),
        ("Express Edition with Advanced Services (64-bit)", 4, "express"),
    ],
)
def test_editions(edition: str, number: int, expected: str):
    assert SQLSERVER.read(hello(edition=edition, engine_edition=number), WANTS).edition == expected


def test_linux():
    banner = (
        "Microsoft SQL Server 2022 (RTM) - 16.0.4125.3 (X64)\n\tDeveloper Edition on Linux (Ubuntu 22.04)"
    )
    assert SQLSERVER.read(hello(banner=banner), WANTS).platform == "linux"


def test_each_part_of_a_greeting_can_be_refused_alone():
    """What lies in another database is asked apart: a login that may not enter it loses no more than that."""
    names = [one.name for one in SQLSERVER.hello(WANTS)]
    assert names == [
        "hello",
        "hello-since",
        "hello-databases",
        "hello-rights",
        "hello-objects",
        "hello-objects-msdb",
    ]
    text = {one.name: one.text for one in SQLSERVER.hello(WANTS)}
    assert "msdb.sys.all_columns" in text["hello-objects-msdb"] and "msdb" not in text["hello-objects"]
    for word in ("IIF", "STRING_AGG", "TRY_CONVERT", "CONCAT("):  # unknown to 2008 R2
        assert all(word not in one for one in text.values())


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_nothing_is_asked_that_no_section_wants(engine: Engine):
    names = {one.name for one in engine.hello(Wants())}
    assert "hello" in names and "hello-rights" not in names and "hello-objects" not in names


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
@pytest.mark.parametrize("said", [{}, {"hello": []}, {"hello": [{"version": "x"}]}, {"hello": [{}]}])
def test_what_is_no_greeting_is_refused(engine: Engine, said: dict[str, list[Row]]):
    with pytest.raises((ValueError, LookupError)):
        engine.read(said, Wants())


def test_who_a_postgresql_is():
    answers: dict[str, list[Row]] = {
        "hello": [
            {
                "version_number": "90624",
                "banner": "PostgreSQL 9.6.24, compiled by Visual C++ build 1914, 64-bit",
                "login": "checkup_ro",
                "utc_now": "2026-06-01T08:00:00.250000",
                "started_at": "2026-05-01T00:00:00",
            }
        ],
        "hello-identity": [{"identifier": "7711259823163912755"}],
        "hello-databases": [
            {"name": "ledger", "open": True, "enters": "1"},
            {"name": "closed", "open": "0", "enters": True},
            {"name": 'half "gone"', "open": True, "enters": True, "broken": "1"},
        ],
        "hello-rights": [{"name": "right pg_monitor"}, {"name": "need pg_stat_archiver"}],
    }
    found = POSTGRESQL.read(answers, Wants(rights=("pg_monitor",), needs=("pg_stat_archiver",)))
    assert (found.version, found.platform) == ((9, 6, 24), "windows")
    assert found.identity == "postgresql:7711259823163912755"
    assert (found.rights, found.objects) == ({"pg_monitor"}, {"pg_stat_archiver"})
    assert [one.enters and not one.unavailable for one in found.databases] == [True, False, False]
    assert 'DROP DATABASE "half ""gone"""' in found.databases[2].unavailable


@pytest.mark.parametrize(
    ("banner", "version", "edition"),
    [
        ("10.11.19-MariaDB-0+deb12u1", (10, 11, 19), "mariadb"),
        ("5.5.5-10.3.39-MariaDB", (10, 3, 39), "mariadb"),
        ("5.5.68-MariaDB", (5, 5, 68), "mariadb"),
        ("8.0.36", (8, 0, 36), "mysql"),
        ("5.7.44-log", (5, 7, 44), "mysql"),
    ],
)
def test_who_a_mariadb_or_mysql_is(banner: str, version: tuple[int, ...], edition: str):
    answers: dict[str, list[Row]] = {
        "hello": [
            {
                "version": banner,
                "platform": "debian-linux-gnu",
                "login": "c@%",
                "utc_now": "2026-06-01T08:00:00",
            }
        ],
        "hello-variables": [
            {"Variable_name": "hostname", "Value": "srv-1"},
            {"Variable_name": "port", "Value": "3306"},
            {"Variable_name": "datadir", "Value": "/var/lib/mysql/"},
        ],
        "hello-uptime": [{"Variable_name": "Uptime", "Value": "86400"}],
        "hello-databases": [{"name": "ledger"}],
        "hello-rights": [{"name": "PROCESS"}],
    }
    found = MARIADB.read(answers, Wants(rights=("PROCESS",)))
    assert (found.version, found.edition, found.platform) == (version, edition, "linux")
    assert found.identity == "mariadb-place:srv-1:3306:/var/lib/mysql/"
    assert found.started_at == datetime(2026, 5, 31, 8, tzinfo=UTC)
    assert found.rights == {"PROCESS"}
    own: Row = {"Variable_name": "server_uuid", "Value": "8a94f357-aab4"}
    again = MARIADB.read({**answers, "hello-variables": [own]}, Wants())
    assert again.identity == "mariadb-uid:8a94f357-aab4"
    expected = "max_execution_time = 20000" if edition == "mysql" else "max_statement_time = 20"
    assert expected in MARIADB.limit(found, 20)
