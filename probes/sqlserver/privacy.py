"""Our own login: it should see how the instance is, and none of its patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Worse,
)
from probes.sql.rows import reader

# --- tables -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadableTables:
    """Tables and views of one database that our login sees at all, and those whose rows it may read."""

    database: str
    visible: int
    readable: int


class TablesWeMayRead(SqlFacts[ReadableTables]):
    pass


# What may be read is visible: metadata shows each object on which one holds any right.
readable_tables = Section(
    name="sqlserver-readable-tables",
    facts=TablesWeMayRead,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], COUNT(*) AS visible,
       ISNULL(SUM(CASE WHEN HAS_PERMS_BY_NAME(QUOTENAME(SCHEMA_NAME(o.schema_id)) + N'.' + QUOTENAME(o.name),
                                              N'OBJECT', N'SELECT') = 1 THEN 1 ELSE 0 END), 0) AS readable
FROM sys.objects AS o
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0
""",
                    reads=("sys.objects",),
                    rights=("CONNECT ANY DATABASE",),
                ),
            ),
            row=ReadableTables,
            scope="database",
            most_rows=2,
            cost="medium",
        )
    },
    parse=reader(TablesWeMayRead, ReadableTables),
    privacy="counts of tables by database",
)


def check_tables(facts: TablesWeMayRead, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows and not facts.missing:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.rows:
        readable = Number(one.readable)
        if not one.readable:
            yield Passed(item=one.database, evidence={"readable": readable})
            continue
        yield Finding(
            impact=Impact.LIMITED,
            function=SUPPORTABILITY,
            message="readable",
            item=one.database,
            evidence={"readable": readable, "visible": Number(one.visible)},
            value=readable,
            worse=Worse.HIGHER,
        )


no_patient_access = Probe(
    id="sqlserver.no-patient-access",
    title="The check-up's login cannot read patients' tables",
    check=check_tables,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"readable": "Tables and views of {item} that the check-up's login may read: {readable}."},
    why="The check-up needs no row of any patient, so its login should not be able to read one.",
    remedy=(
        "In the database: EXEC sp_droprolemember N'db_datareader', N'login' (also db_owner), and DENY "
        "nothing. Look for rights given to public: SELECT * FROM sys.database_permissions WHERE "
        "grantee_principal_id = 0. On the instance: take sysadmin from the login. `checkup access-request` "
        "prints the rights that it needs."
    ),
    verify="The next run of `checkup run SITE.YAML --only sqlserver.no-patient-access` passes.",
    rights="CONNECT ANY DATABASE (before 2014: a user in each database, without any role)",
    references=("HAS_PERMS_BY_NAME (Transact-SQL), Microsoft Learn",),
)


# --- the whole instance -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnRights:
    """A right that the version does not know is None."""

    login_name: str
    is_sysadmin: bool
    is_securityadmin: bool
    controls_server: bool | None
    alters_logins: bool | None
    alters_databases: bool | None
    reads_all_tables: bool | None


class OurRights(SqlFacts[OwnRights]):
    pass


own_rights = Section(
    name="sqlserver-own-rights",
    facts=OurRights,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT SUSER_SNAME() AS login_name, ISNULL(IS_SRVROLEMEMBER(N'sysadmin'), 0) AS is_sysadmin,
       ISNULL(IS_SRVROLEMEMBER(N'securityadmin'), 0) AS is_securityadmin,
       HAS_PERMS_BY_NAME(NULL, NULL, N'CONTROL SERVER') AS controls_server,
       HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY LOGIN') AS alters_logins,
       HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY DATABASE') AS alters_databases,
       HAS_PERMS_BY_NAME(NULL, NULL, N'SELECT ALL USER SECURABLES') AS reads_all_tables
""",
                    reads=(),
                ),
            ),
            row=OwnRights,
            most_rows=2,
        )
    },
    parse=reader(OurRights, OwnRights),
    privacy="the name and the rights of the check-up's own login",
)


def check_rights(facts: OurRights, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotChecked(reason="the server did not say what our login may do")
        return
    one = facts.rows[0]
    too_much = [
        name
        for name, held in (
            ("sysadmin", one.is_sysadmin),
            ("securityadmin", one.is_securityadmin),
            ("CONTROL SERVER", one.controls_server),
            ("ALTER ANY LOGIN", one.alters_logins),
            ("ALTER ANY DATABASE", one.alters_databases),
            ("SELECT ALL USER SECURABLES", one.reads_all_tables),
        )
        if held
    ]
    login = Text(one.login_name)
    if not too_much:
        yield Passed(evidence={"login": login})
        return
    # An administrator holds all the others by being one.
    shown = ["sysadmin"] if one.is_sysadmin else too_much
    yield Finding(
        impact=Impact.LIMITED,
        function=SUPPORTABILITY,
        message="much",
        evidence={"login": login, "rights": Text(", ".join(shown))},
    )


least_privilege = Probe(
    id="sqlserver.least-privilege",
    title="The check-up's login can only look",
    check=check_rights,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"much": "The login of the check-up, {login}, holds {rights}, which it does not need."},
    why="The check-up only reads. Rights beyond that are a risk, should its password become known.",
    remedy=(
        "ALTER SERVER ROLE sysadmin DROP MEMBER [login] (before 2012: EXEC sp_dropsrvrolemember), or REVOKE "
        "the right named FROM [login]. Then run the statements that `checkup access-request` prints for this "
        "instance, which give what is needed. The way back: ADD MEMBER."
    ),
    verify="SELECT IS_SRVROLEMEMBER('sysadmin', 'login') shows 0, and the check-up runs as before.",
    rights="any login",
    references=("IS_SRVROLEMEMBER and HAS_PERMS_BY_NAME (Transact-SQL), Microsoft Learn",),
)
