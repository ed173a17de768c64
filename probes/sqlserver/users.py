"""Users of the databases that belong to no login."""

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
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    When,
    Worse,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class DatabaseUsers:
    """Users with a SQL login; `first_orphan` is the first by name of those whose login is not there."""

    database: str
    users: int
    orphans: int
    first_orphan: str | None


class UsersOfDatabases(SqlFacts[DatabaseUsers]):
    pass


# A user with a SQL login has that login's number of 16 bytes; users without login, and those of contained
# databases, have longer ones. Windows users may come in through a group, and are no orphans.
database_users = Section(
    name="sqlserver-database-users",
    facts=UsersOfDatabases,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], COUNT(*) AS users,
       COUNT(CASE WHEN s.principal_id IS NULL THEN 1 END) AS orphans,
       MIN(CASE WHEN s.principal_id IS NULL THEN u.name END) AS first_orphan
FROM sys.database_principals AS u
LEFT JOIN sys.server_principals AS s ON s.sid = u.sid
WHERE u.type = 'S' AND u.principal_id > 4 AND DATALENGTH(u.sid) = 16
""",
                    reads=("sys.database_principals", "sys.server_principals"),
                    # Without VIEW ANY DEFINITION every other login is invisible, and its user an orphan.
                    rights=("VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=DatabaseUsers,
            scope="database",
            most_rows=2,
            cost="medium",
        )
    },
    parse=reader(UsersOfDatabases, DatabaseUsers),
    privacy="counts of users by database, one name",
)


def check_orphans(facts: UsersOfDatabases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows and not facts.missing:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.rows:
        if not one.orphans:
            yield Passed(item=one.database, evidence={"users": Number(one.users)})
            continue
        yield Finding(
            impact=Impact.NOTE,
            function=SUPPORTABILITY,
            when=When.LATER,
            message="orphans",
            item=one.database,
            evidence={"orphans": Number(one.orphans), "name": Text(one.first_orphan or "")},
            value=Number(one.orphans),
            worse=Worse.HIGHER,
        )


orphans = Probe(
    id="sqlserver.orphaned-users",
    title="Every user of a database has a login",
    check=check_orphans,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"orphans": "Users of {item} without a login: {orphans} ({name} for one)."},
    why="After a restore on another server such users cannot log in, until somebody finds out why.",
    remedy=(
        "Ask us if the user is our software's. A login of that name is there: ALTER USER [name] WITH LOGIN = "
        "[name]. Nobody needs it any more: DROP USER [name], once it owns no schema. The way back: CREATE "
        "USER, and its roles as before; note them first."
    ),
    verify="EXEC sp_change_users_login 'Report' in the database lists nobody.",
    rights="VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=("Troubleshoot orphaned users, Microsoft Learn", "dbachecks OrphanedUser"),
)
