"""What statements for SQL Server mean, run over invented rows by another engine, in its own words."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlglot

from checkup.api import Section, Sql
from probes.sqlserver.backup_history import backup_history
from probes.sqlserver.backup_sets import log_chains
from probes.sqlserver.busy_hours import processor_times
from probes.sqlserver.connections import connected_programs
from probes.sqlserver.databases import databases

Rows = Sequence[Mapping[str, object]]


def answers(section: Section[Any], tables: Mapping[str, Rows]) -> list[dict[str, Any]]:
    """The rows of the section's first statement over these tables, each of at least one row."""
    collector = section.collect["sqlserver"]
    assert isinstance(collector, Sql)
    statement = sqlglot.transpile(collector.variants[0].text, read="tsql", write="sqlite")[0]
    for word, instead in (("msdb.dbo.", ""), ("sys.", ""), ("N'", "'"), ("@@SPID", "0")):
        statement = statement.replace(word, instead)
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        connection.create_function("SERVERPROPERTY", 1, lambda name: "srv-db")
        for table, rows in tables.items():
            names = list(rows[0])
            connection.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            values = [tuple(row[name] for name in names) for row in rows]
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", values)
        return [dict(row) for row in connection.execute(statement)]


# Kind, first and last number of the log that it holds; the oldest first, an hour apart.
Set = tuple[str, int, int]


def backup_sets(sets: Sequence[Set]) -> Rows:
    now = datetime.now(UTC)
    return [
        {
            "backup_set_id": number,
            "database_name": "ledger",
            "server_name": "srv-db",
            "type": kind,
            "first_lsn": first,
            "last_lsn": last,
            "backup_finish_date": (now - timedelta(hours=len(sets) - number)).strftime("%Y-%m-%d %H:%M:%S"),
        }
        for number, (kind, first, last) in enumerate(sets)
    ]


def gaps_of(sets: Sequence[Set]) -> int:
    (row,) = answers(log_chains, {"backupset": backup_sets(sets)})
    return row["gaps"]


def test_logs_that_follow_on_one_another() -> None:
    assert gaps_of([("D", 10, 12), ("L", 5, 20), ("L", 20, 30), ("L", 30, 40)]) == 0


def test_one_that_is_missing() -> None:
    assert gaps_of([("D", 10, 12), ("L", 5, 20), ("L", 30, 40), ("L", 40, 50)]) == 1


def test_a_chain_that_a_full_back_up_began_anew_has_no_gap() -> None:
    """SIMPLE for a while, then FULL: the first log after the full back-up follows on no other log."""
    assert gaps_of([("L", 5, 20), ("D", 60, 62), ("L", 58, 70), ("L", 70, 80)]) == 0


def test_a_full_back_up_that_ended_before_the_gap_does_not_mend_it() -> None:
    assert gaps_of([("L", 5, 20), ("D", 18, 22), ("L", 58, 70)]) == 1


def test_a_copy_of_the_log_breaks_nothing() -> None:
    """A copy-only back-up of the log begins where the one after it begins as well."""
    assert gaps_of([("D", 10, 12), ("L", 5, 20), ("L", 20, 25), ("L", 20, 30)]) == 0


def test_the_history_is_as_old_as_its_oldest_row() -> None:
    rows = backup_sets([("D", 10, 12), ("L", 5, 20), ("L", 20, 30)])
    assert answers(backup_history, {"backupset": rows}) == [
        {"sets": 3, "oldest_at": rows[0]["backup_finish_date"]}
    ]


def test_processors_are_those_that_the_edition_may_use() -> None:
    """A machine of six, of which Express takes four; the server's own schedulers are hidden."""
    states = ["VISIBLE ONLINE"] * 4 + ["VISIBLE OFFLINE"] * 2 + ["HIDDEN ONLINE"] * 3
    (row,) = answers(
        processor_times,
        {
            "dm_os_sys_info": [{"process_kernel_time_ms": 1, "process_user_time_ms": 2, "cpu_count": 6}],
            "dm_os_schedulers": [{"status": state} for state in states],
        },
    )
    assert row["processors"] == 4


def programs(member: str, sid: bytes) -> dict[str, Any]:
    """What is told of a session with the Windows account b"anna", another with a login of the server, while
    this member is in sysadmin."""
    session = {"program_name": "Ledger Client", "host_name": "ws-3", "is_user_process": 1}
    (row,) = answers(
        connected_programs,
        {
            "dm_exec_sessions": [
                {**session, "session_id": 61, "login_name": "CEDAR\\anna", "nt_user_name": "anna"}
                | {"security_id": b"anna"},
                {**session, "session_id": 62, "login_name": "ledger", "nt_user_name": None}
                | {"security_id": b"ledger"},
            ],
            "server_principals": [
                {"principal_id": 3, "name": "sysadmin", "type": "R", "sid": b"role"},
                {"principal_id": 270, "name": "the member", "type": member, "sid": sid},
            ],
            "server_role_members": [{"role_principal_id": 3, "member_principal_id": 270}],
        },
    )
    return row


def test_accounts_that_may_be_administrators_by_their_group_are_counted() -> None:
    assert programs("G", b"group")["group_sessions"] == 1
    assert programs("U", b"somebody")["group_sessions"] == 0


def test_an_administrator_by_name_is_counted_once() -> None:
    row = programs("U", b"anna")
    assert (row["sessions"], row["administrator_sessions"], row["group_sessions"]) == (2, 1, 0)


def test_what_is_not_told_of_one_database_costs_none_of_the_others() -> None:
    """Of one that did not come up most columns may be NULL, which the facts know in two of them only."""
    options = [
        "auto_close_on",
        "auto_shrink_on",
        "auto_create_stats_on",
        "auto_update_stats_on",
        "trustworthy_on",
    ]
    texts = "state_desc user_access_desc recovery_model_desc page_verify_option_desc log_reuse_wait_desc"
    untold = [*texts.split(), "is_read_only", "is_in_standby", *(f"is_{one}" for one in options)]
    known = {"name": "ledger", "database_id": 5, "create_date": "2024-03-04", "compatibility_level": 150}
    row = known | dict.fromkeys(["source_database_id", "collation_name", *untold])
    (answer,) = answers(databases, {"databases": [row]})
    assert [name for name, value in answer.items() if value is None] == [
        "source_database_id",
        "collation_name",
    ]
