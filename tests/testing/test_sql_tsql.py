"""Slips that only SQL Server itself would tell, and statements that look like them and are right."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from checkup.testing.sql_tsql import problems


def said(text: str) -> str:
    query = sqlglot.parse_one(text, read="tsql")
    assert isinstance(query, exp.Query)
    return "\n".join(problems(query))


COUNTED = "SELECT d.name AS name, COUNT(*) AS files FROM sys.databases AS d JOIN sys.master_files AS f"
ON = "ON f.database_id = d.database_id"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{COUNTED} {ON}", "d.name is neither in GROUP BY"),
        (f"{COUNTED} {ON} GROUP BY d.state", "d.name is neither in GROUP BY"),
        (f"{COUNTED} {ON} GROUP BY name", "not the result name"),
        (f"{COUNTED} {ON} GROUP BY d.name HAVING f.size > 5", "f.size is neither"),
        (f"{COUNTED} {ON} GROUP BY d.name ORDER BY f.size", "f.size is neither"),
        (
            "SELECT d.name AS name, (SELECT COUNT(*) FROM sys.master_files AS f "
            "WHERE f.database_id = d.database_id) AS files, MAX(d.state) AS state "
            "FROM sys.databases AS d GROUP BY d.name",
            "d.database_id is neither",
        ),
        (
            "SELECT SUM(CASE WHEN EXISTS (SELECT 1 FROM sys.master_files AS f WHERE f.database_id = "
            "d.database_id) THEN 1 ELSE 0 END) AS n FROM sys.databases AS d",
            "error 130",
        ),
        ("SELECT MAX(COUNT(*)) AS n FROM sys.databases AS d GROUP BY d.state", "error 130"),
        ("SELECT MAX(d.is_read_only) AS n FROM sys.databases AS d", "error 8117"),
        ("SELECT d.state = 0 AS is_open FROM sys.databases AS d", "a comparison is no value"),
        (
            "SELECT x.name AS name FROM (SELECT d.name AS name FROM sys.databases AS d ORDER BY d.name) AS x",
            "error 1033",
        ),
        (
            "SELECT d.name AS name, d.state AS a FROM sys.databases AS d ORDER BY a + 1",
            "not inside of an expression",
        ),
        (
            "SELECT d.name AS name FROM sys.databases AS d UNION ALL "
            "SELECT f.name FROM sys.master_files AS f ORDER BY f.name",
            "after UNION",
        ),
        (
            "SELECT d.name AS name FROM sys.databases AS d JOIN (SELECT f.database_id AS id "
            "FROM sys.master_files AS f WHERE f.database_id = d.database_id) AS x ON x.id = d.database_id",
            "does not see its neighbours",
        ),
    ],
)
def test_what_the_server_refuses(text: str, expected: str) -> None:
    assert expected in said(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{COUNTED} {ON} GROUP BY d.name ORDER BY COUNT(*) DESC, d.name",
        f"{COUNTED} {ON} GROUP BY d.name ORDER BY files",
        "SELECT UPPER(d.name) AS name, COUNT(*) AS n FROM sys.databases AS d GROUP BY UPPER(d.name)",
        "SELECT ISNULL(d.name, N'') AS name, COUNT(*) AS n FROM sys.databases AS d GROUP BY d.name",
        "SELECT MAX(CONVERT(int, d.is_read_only)) AS n FROM sys.databases AS d",
        "SELECT CASE WHEN d.state = 0 THEN 1 ELSE 0 END AS is_open FROM sys.databases AS d",
        "SELECT d.name AS name, SUM(COUNT(*)) OVER (PARTITION BY d.name) AS n FROM sys.databases AS d "
        "GROUP BY d.name",
        "SELECT d.name AS name, ROW_NUMBER() OVER (ORDER BY d.name) AS n FROM sys.databases AS d",
        "SELECT x.n AS name FROM (SELECT TOP (5) d.name AS n FROM sys.databases AS d ORDER BY d.name) AS x",
        "SELECT d.name AS name FROM sys.databases AS d CROSS APPLY (SELECT f.name AS file_name "
        "FROM sys.master_files AS f WHERE f.database_id = d.database_id) AS x",
        "SELECT d.name AS name FROM sys.databases AS d WHERE EXISTS (SELECT 1 FROM sys.master_files AS f "
        "WHERE f.database_id = d.database_id)",
        "SELECT d.name AS name FROM sys.databases AS d UNION ALL SELECT N'x' ORDER BY name",
        "SELECT d.name AS name, (SELECT MAX(f.size) FROM sys.master_files AS f WHERE f.name = d.name) AS n "
        "FROM sys.databases AS d GROUP BY d.name",
    ],
)
def test_what_the_server_takes(text: str) -> None:
    assert said(text) == ""
