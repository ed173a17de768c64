"""Statements that a reason holds: the ways into a database, and the one list that is made of all."""

from __future__ import annotations

import pytest

from checkup.report.sql_blind_spots import A_USER, Grant, grants_in, script

USER = "IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER [checkup_ro] FOR LOGIN [checkup_ro]"
LEDGER = f"USE [ledger]; {USER}"
AUDIT = "USE [audit;2]; " + USER
JOBS = f"USE [msdb]; {USER}; GRANT SELECT ON dbo.sysjobs TO [checkup_ro]"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (LEDGER, [Grant(A_USER, USER, "USE [ledger]")]),
        (f"{LEDGER}; the login may not see this (error 916)", [Grant(A_USER, USER, "USE [ledger]")]),
        (f"{LEDGER}; {AUDIT}", [Grant(A_USER, USER, "USE [ledger]"), Grant(A_USER, USER, "USE [audit;2]")]),
        (
            f"{LEDGER}; GRANT CONNECT TO [checkup_ro]",
            [Grant("CONNECT", "GRANT CONNECT TO [checkup_ro]", "USE [ledger]", USER)],
        ),
        (
            f"{LEDGER}; {JOBS}",
            [
                Grant(A_USER, USER, "USE [ledger]"),
                Grant(
                    "SELECT ON dbo.sysjobs", "GRANT SELECT ON dbo.sysjobs TO [checkup_ro]", "USE [msdb]", USER
                ),
            ],
        ),
        (f"in each database: {USER}", []),  # which is not said
        ("USE [ledger]", []),
        (f"{LEDGER} WITHOUT LOGIN", []),
    ],
)
def test_the_ways_into_a_database(reason: str, expected: list[Grant]) -> None:
    assert list(grants_in(reason)) == expected


def test_the_list_has_each_statement_once_in_its_database() -> None:
    server = "GRANT VIEW SERVER STATE TO [checkup_ro]"
    given = [one for reason in (LEDGER, JOBS, server, AUDIT, LEDGER) for one in grants_in(reason)]
    other = Grant(A_USER, USER, "USE [msdb]")
    assert list(script([*dict.fromkeys(given), other])) == [
        f"{server};",
        "USE [ledger];",
        f"{USER};",
        "USE [msdb];",
        f"{USER};",
        "GRANT SELECT ON dbo.sysjobs TO [checkup_ro];",
        "USE [audit;2];",
        f"{USER};",
    ]
