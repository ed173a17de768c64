"""Rights: which words there are, and what grants them."""

from __future__ import annotations

import pytest
from sql_examples import instance, sql

from checkup.sql.engine import EngineName
from checkup.sql.rights import (
    UnknownRight,
    entering,
    grant_for,
    grants_text,
    known,
    mariadb_account,
    mariadb_holds,
    named_in,
    postgresql_expression,
    problems,
    script,
    sqlserver_expressions,
)


@pytest.mark.parametrize(
    ("engine", "right"),
    [
        ("sqlserver", "SELECT ON clinic.dbo.patients"),  # never a table of the site's own databases
        ("sqlserver", "SELECT ON msdb.dbo.x; DROP TABLE y"),
        ("sqlserver", "CONTROL SERVER"),
        ("sqlserver", "VIEW SERVER STAT"),
        ("postgresql", "pg_read_all_data"),
        ("postgresql", "SELECT ON patients"),
        ("mariadb", "SELECT ON *.*"),
        ("mariadb", "SELECT ON clinic.patients"),
        ("mariadb", "SUPER"),
    ],
)
def test_a_probe_cannot_ask_for_more_than_the_engines_own(engine: EngineName, right: str):
    assert not known(engine, right)
    with pytest.raises(UnknownRight):
        grant_for(engine, right, (), "", "checkup_ro")
    assert problems(engine, sql(rights=(right,))) == [
        f"{right!r} is no right of {engine} that the check-up asks for"
    ]


@pytest.mark.parametrize(
    ("engine", "right", "version", "expected"),
    [
        ("sqlserver", "VIEW SERVER STATE", (15,), "VIEW SERVER STATE TO [ro]"),
        ("sqlserver", "VIEW SERVER STATE", (16,), "VIEW SERVER PERFORMANCE STATE TO [ro]"),
        ("sqlserver", "VIEW DATABASE STATE", (), "VIEW SERVER STATE TO [ro]"),
        ("sqlserver", "VIEW SERVER SECURITY STATE", (13,), "VIEW SERVER STATE TO [ro]"),
        ("sqlserver", "VIEW ANY ERROR LOG", (16,), "VIEW ANY ERROR LOG TO [ro]"),
        ("postgresql", "pg_monitor", (15, 18), 'pg_monitor TO "ro"'),
        (
            "postgresql",
            "EXECUTE ON pg_ls_waldir()",
            (15,),
            'EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() TO "ro"',
        ),
        ("mariadb", "PROCESS", (10, 11, 19), "PROCESS ON *.* TO 'ro'@'%'"),
        ("mariadb", "SLAVE MONITOR", (10, 5, 9), "SLAVE MONITOR ON *.* TO 'ro'@'%'"),
        ("mariadb", "SLAVE MONITOR", (10, 5, 8), "REPLICATION CLIENT ON *.* TO 'ro'@'%'"),
        ("mariadb", "SELECT ON mysql.global_priv", (10, 11), "SELECT ON mysql.`global_priv` TO 'ro'@'%'"),
    ],
)
def test_what_grants_a_right(engine: EngineName, right: str, version: tuple[int, ...], expected: str):
    made = grant_for(engine, right, version, "", "ro")
    assert made.give == f"GRANT {expected}"
    assert made.take.startswith("REVOKE ")


def test_mysql_has_kept_the_older_names():
    made = grant_for("mariadb", "BINLOG MONITOR", (8, 0, 36), "mysql", "ro")
    assert made.give == "GRANT REPLICATION CLIENT ON *.* TO 'ro'@'%'"


def test_a_script_for_any_version_has_no_word_that_older_ones_do_not_know():
    made = "\n".join(script("sqlserver", ["VIEW ANY ERROR LOG", "VIEW SERVER SECURITY STATE"]).give)
    grants = [line for line in made.split("\n") if line.startswith("GRANT")]
    assert grants[:1] == ["GRANT VIEW SERVER STATE TO [checkup_ro];"]
    assert not any("ANY ERROR LOG" in grant for grant in grants)
    assert "--" in next(line for line in made.split("\n") if "ANY ERROR LOG" in line)
    assert "GRANT EXECUTE ON sys.xp_readerrorlog TO [checkup_ro];" in grants
    assert "and VIEW ANY ERROR LOG in the place of" not in "\n".join(script("sqlserver", []).give)


def test_rights_that_the_check_up_never_asks_for_are_said_to_be_so():
    for engine, right in (("sqlserver", "sysadmin"), ("postgresql", "superuser")):
        made = grant_for(engine, right, (), "", "checkup_ro")  # pyright: ignore[reportArgumentType]
        assert not made.give and "never asks to be" in made.refusal
    assert "since version 10" in grant_for("postgresql", "pg_monitor", (9, 6, 24), "", "x").refusal


def test_what_lets_a_login_into_a_database():
    assert entering(instance(), "ledger") == "GRANT CONNECT ANY DATABASE TO [checkup_ro]"
    assert entering(instance(version=(11, 0)), "a]b") == (
        "USE [a]]b]; IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL "
        "CREATE USER [checkup_ro] FOR LOGIN [checkup_ro]"
    )
    assert entering(instance("postgresql"), 'a"b') == 'GRANT CONNECT ON DATABASE "a""b" TO "checkup_ro"'


def test_where_every_database_lets_a_login_in_but_one_that_one_is_opened_by_itself():
    held = instance(rights=["CONNECT ANY DATABASE"])
    assert entering(held, "ledger") == (
        "USE [ledger]; IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL "
        "CREATE USER [checkup_ro] FOR LOGIN [checkup_ro]; GRANT CONNECT TO [checkup_ro]"
    )


def test_which_rights_a_refusal_is_about():
    rights = ["pg_monitor", "EXECUTE ON pg_ls_waldir()", "SELECT ON pg_authid"]
    assert named_in("permission denied for function pg_ls_waldir", rights) == rights[1:2]
    assert named_in("permission denied for table pg_authid_members", rights) == []
    assert named_in("you need (at least one of) the PROCESS privilege(s)", ["PROCESS", "SHOW VIEW"]) == [
        "PROCESS"
    ]
    msdb = ["VIEW ANY DEFINITION", "SELECT ON msdb.dbo.sysjobs", "SELECT ON msdb.dbo.sysjobsteps"]
    assert named_in('cannot access the database "msdb"', msdb) == msdb[1:]
    assert named_in("object 'sysjobsteps', database 'msdb'", msdb) == msdb[2:]


def test_several_rights_are_granted_in_an_order_that_the_server_takes():
    """A right of the server is granted in master only (error 4621 elsewhere), a database is entered once."""
    rights = ["SELECT ON msdb.dbo.sysjobs", "VIEW ANY DEFINITION", "SELECT ON msdb.dbo.sysjobsteps"]
    assert grants_text(instance(), rights) == (
        "GRANT VIEW ANY DEFINITION TO [checkup_ro]; USE [msdb]; "
        "IF DATABASE_PRINCIPAL_ID(N'checkup_ro') IS NULL CREATE USER [checkup_ro] FOR LOGIN [checkup_ro]; "
        "GRANT SELECT ON dbo.sysjobs TO [checkup_ro]; GRANT SELECT ON dbo.sysjobsteps TO [checkup_ro]"
    )
    assert grants_text(instance("postgresql"), ["pg_monitor", "SELECT ON pg_authid", "pg_monitor"]) == (
        'GRANT pg_monitor TO "checkup_ro"; GRANT SELECT ON pg_catalog.pg_authid TO "checkup_ro"'
    )


@pytest.mark.parametrize(
    ("login", "account"),
    [
        ("checkup@10.0.0.%", "'checkup'@'10.0.0.%'"),
        ("us@er@%", "'us@er'@'%'"),
        ("o'hara\\@h", "'o''hara\\\\'@'h'"),
        ("checkup", "'checkup'@'%'"),
    ],
)
def test_an_account_of_mariadb(login: str, account: str):
    assert mariadb_account(login) == account


def test_what_a_list_of_privileges_covers():
    def holds(right: str, *held: str, version: tuple[int, ...] = (10, 11, 19), edition: str = "mariadb"):
        return mariadb_holds(right, frozenset(held), version, edition)

    assert holds("PROCESS", "PROCESS") and not holds("PROCESS", "SELECT")
    assert holds("SHOW VIEW ON *.*", "SHOW VIEW") and not holds("SHOW VIEW ON *.*", "SHOW VIEW ON ledger.*")
    assert holds("SELECT ON mysql.user", "SELECT ON mysql.*")
    assert not holds("SELECT ON mysql.user", "SELECT ON ledger.*")
    assert holds("SLAVE MONITOR", "REPLICATION CLIENT", version=(8, 0, 36), edition="mysql")
    assert not holds("SLAVE MONITOR", "REPLICATION CLIENT")


def test_any_of_the_permissions_is_enough_to_ask():
    assert sqlserver_expressions("VIEW SERVER STATE") == (
        "HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE')",
        "HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE')",
    )
    assert sqlserver_expressions("SELECT ON msdb.dbo.backupset") == (
        "HAS_PERMS_BY_NAME(N'msdb.dbo.backupset', N'OBJECT', N'SELECT')",
    )
    assert sqlserver_expressions("EXECUTE ON master.sys.xp_readerrorlog") == (
        "HAS_PERMS_BY_NAME(N'master.sys.xp_readerrorlog', N'OBJECT', N'EXECUTE')",
        "HAS_PERMS_BY_NAME(N'master.dbo.xp_readerrorlog', N'OBJECT', N'EXECUTE')",
    )
    for right in ("nonsense", "SELECT ON clinic.dbo.x"):
        with pytest.raises(UnknownRight):
            sqlserver_expressions(right)
        with pytest.raises(UnknownRight):
            postgresql_expression(right)


def test_the_script_for_the_administrator_makes_and_unmakes_a_login_of_its_own():
    rights = ["VIEW SERVER STATE", "SELECT ON msdb.dbo.backupset", "SELECT ON msdb.dbo.sysjobs", "sysadmin"]
    made = script("sqlserver", rights)
    give, take = "\n".join(made.give), "\n".join(made.take)
    assert "CREATE LOGIN [checkup_ro] WITH PASSWORD" in give and "DROP LOGIN [checkup_ro]" in take
    assert give.count("USE [msdb];") == 1 and "GRANT SELECT ON dbo.sysjobs TO [checkup_ro];" in give
    assert "sysadmin" not in give and "db_datareader" not in give
    windows = script("sqlserver", [], "CEDAR\\checkup", windows=True)
    assert "CREATE LOGIN [CEDAR\\checkup] FROM WINDOWS;" in windows.give
    assert 'GRANT pg_monitor TO "checkup_ro";' in script("postgresql", ["pg_monitor"]).give
    assert "GRANT PROCESS ON *.* TO 'checkup_ro'@'%';" in script("mariadb", ["PROCESS"]).give
