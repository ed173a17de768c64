"""Who may do everything on the instance: members of sysadmin, sa, owners of databases."""

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
    Value,
    Visit,
    When,
    Worse,
)
from probes.sql.rows import reader
from probes.sqlserver.instance import Instance

RIGHTS = "VIEW ANY DEFINITION"


@dataclass(frozen=True, slots=True)
class Administrator:
    """A member of sysadmin. `is_policy_checked` is of SQL logins only; `is_everybody` says that the login is
    Everyone, Authenticated Users, Users, Guests or Domain Users, known by its number."""

    login_name: str
    kind: str
    is_disabled: bool
    is_policy_checked: bool | None
    is_sa: bool
    is_everybody: bool


class Administrators(SqlFacts[Administrator]):
    @property
    def in_force(self) -> tuple[Administrator, ...]:
        return tuple(one for one in self.rows if not one.is_disabled)


# Security identifiers, "Well-known SIDs", Microsoft Learn: S-1-1-0, S-1-5-11, S-1-5-32-545 and -546; those of
# a domain end in 513 (Domain Users) or 514 (Domain Guests).
administrators = Section(
    name="sqlserver-administrators",
    facts=Administrators,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT p.name AS login_name, p.type_desc AS kind, p.is_disabled AS is_disabled,
       l.is_policy_checked AS is_policy_checked, CASE WHEN p.principal_id = 1 THEN 1 ELSE 0 END AS is_sa,
       CASE WHEN p.sid IN (CONVERT(varbinary(85), N'0x010100000000000100000000', 1),
                           CONVERT(varbinary(85), N'0x01010000000000050B000000', 1),
                           CONVERT(varbinary(85), N'0x01020000000000052000000021020000', 1),
                           CONVERT(varbinary(85), N'0x01020000000000052000000022020000', 1))
              OR (DATALENGTH(p.sid) = 28 AND p.type IN ('U', 'G')
                  AND SUBSTRING(p.sid, 25, 4) IN (CONVERT(varbinary(4), N'0x01020000', 1),
                                                  CONVERT(varbinary(4), N'0x02020000', 1)))
            THEN 1 ELSE 0 END AS is_everybody
FROM sys.server_role_members AS m
JOIN sys.server_principals AS r ON r.principal_id = m.role_principal_id
JOIN sys.server_principals AS p ON p.principal_id = m.member_principal_id
LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id
WHERE r.name = N'sysadmin'
""",
                    reads=("sys.server_role_members", "sys.server_principals", "sys.sql_logins"),
                    rights=("VIEW ANY DEFINITION",),
                ),
            ),
            row=Administrator,
            # Any login sees the numbers of sysadmin's members, and not whose they are
            # ("sys.server_role_members (Transact-SQL)"). sa is always one of them; the role is number 3.
            canary="""
SELECT COUNT(CASE WHEN p.principal_id IS NULL THEN 1 END)
       + CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END AS filtered
FROM sys.server_role_members AS m
LEFT JOIN sys.server_principals AS p ON p.principal_id = m.member_principal_id
WHERE m.role_principal_id = 3
""",
            most_rows=1000,
        )
    },
    parse=reader(Administrators, Administrator),
    privacy="names of the logins that may do everything; no passwords, no hashes",
)


# --- how many, and who ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdministratorLevels:
    many: int = (
        6  # in force beside sa and the services' own; our own: the clinic's, the vendor's, a spare each
    )
    applications: tuple[str, ...] = ()  # logins that programs work with; they must not be administrators


def check_administrators(
    facts: Administrators, levels: AdministratorLevels, ctx: Context
) -> Iterator[Result]:
    wrong = False
    applications = {name.casefold() for name in levels.applications}
    for one in facts.in_force:
        if not (one.is_everybody or one.login_name.casefold() in applications):
            continue
        wrong = True
        yield Finding(
            impact=Impact.MAJOR if one.is_everybody else Impact.LIMITED,
            function=SUPPORTABILITY,
            message="everybody" if one.is_everybody else "application",
            item=one.login_name,
        )
    people = [
        one for one in facts.in_force if not one.is_sa and not one.login_name.startswith("NT SERVICE\\")
    ]
    evidence: dict[str, Value] = {
        "administrators": Number(len(people)),
        "names": Text(", ".join(sorted(one.login_name for one in people)[:20])),
        "limit": Number(levels.many),
    }
    if len(people) > levels.many:
        yield Finding(
            impact=Impact.NOTE,
            function=SUPPORTABILITY,
            when=When.LATER,
            message="many",
            evidence=evidence,
            value=Number(len(people)),
            worse=Worse.HIGHER,
        )
    elif not wrong:
        yield Passed(evidence=evidence)


administrators_few = Probe(
    id="sqlserver.administrators",
    title="Few may do everything on the instance",
    check=check_administrators,
    levels=AdministratorLevels(),
    kind="sqlserver",
    messages={
        "everybody": "{item} is a member of sysadmin: every user of the network may read, change and delete "
        "all.",
        "application": "{item}, which a program works with, is a member of sysadmin.",
        "many": "{administrators} logins are members of sysadmin: {names}.",
    },
    why="A member of sysadmin reads every record, deletes back-ups, and often owns the machine as well.",
    remedy=(
        "See first that one administrator of the clinic remains. Then, for each login that needs it no more: "
        "ALTER SERVER ROLE sysadmin DROP MEMBER [name] (before 2012: EXEC sp_dropsrvrolemember N'name', "
        "N'sysadmin'). Ask us before you take it from a login of our software. The way back: ADD MEMBER."
    ),
    verify="EXEC sp_helpsrvrolemember N'sysadmin' lists only those who administer the instance.",
    rights=RIGHTS,
    references=("Server-level roles, Microsoft Learn", "sp_Blitz check 4, First Responder Kit"),
)


# --- sa ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdministratorsAndInstance:
    administrators: Administrators
    instance: Instance


def check_sa(facts: AdministratorsAndInstance, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    one = next((row for row in facts.administrators.rows if row.is_sa), None)
    instance = facts.instance.one
    if one is None or instance is None:
        yield NotChecked(reason="the server does not show its login sa")
        return
    evidence: dict[str, Value] = {"name": Text(one.login_name)}
    if one.is_disabled:
        yield Passed(evidence=evidence)
    elif instance.takes_windows_logins_only:
        yield Passed(evidence={**evidence, "logins": Text("Windows accounts only")})
    else:
        yield Finding(impact=Impact.LIMITED, function=SUPPORTABILITY, message="enabled", evidence=evidence)


sa = Probe(
    id="sqlserver.sa",
    title="Nobody can log in as sa",
    check=check_sa,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"enabled": "The login {name} (sa) is enabled, and the instance takes SQL logins."},
    why="Everybody knows the name and may guess at its password, and whoever gets in may do everything.",
    remedy=(
        "See that another member of sysadmin can log in, and ask us whether any of our programs uses sa. "
        "Then, by the name shown: ALTER LOGIN [sa] DISABLE. Jobs that sa owns run on. The way back: ALTER "
        "LOGIN [sa] ENABLE."
    ),
    verify="SELECT name, is_disabled FROM sys.server_principals WHERE sid = 0x01 shows 1.",
    rights=RIGHTS,
    references=("dbachecks SaDisabled", "ALTER LOGIN (Transact-SQL), Microsoft Learn"),
)


# --- password policy --------------------------------------------------------------------------


def check_policy(facts: Administrators, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.in_force if one.is_policy_checked is not None]
    if not looked:
        yield NotApplicable(reason="no SQL login in force is an administrator")
    for one in looked:
        if one.is_policy_checked:
            yield Passed(item=one.login_name)
        else:
            yield Finding(impact=Impact.LIMITED, function=SUPPORTABILITY, message="free", item=one.login_name)


password_policy = Probe(
    id="sqlserver.password-policy",
    title="Administrators' passwords obey the policy",
    check=check_policy,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"free": "The administrator {item} may have any password, and is never locked out."},
    why="A short password of an administrator is guessed in hours, by any machine of the network.",
    remedy=(
        "ALTER LOGIN [name] WITH PASSWORD = N'a long new one' (tell whoever uses it), then ALTER LOGIN "
        "[name] WITH CHECK_POLICY = ON. Ask us first if the login is ours. The way back: CHECK_POLICY = OFF."
    ),
    verify="SELECT name, is_policy_checked FROM sys.sql_logins shows 1.",
    rights=RIGHTS,
    references=("Password policy, Microsoft Learn", "dbachecks LoginCheckPolicy"),
)


# --- owners of databases ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatabaseOwner:
    database_name: str
    owner_name: str | None
    is_owned_by_sa: bool


class DatabaseOwners(SqlFacts[DatabaseOwner]):
    pass


database_owners = Section(
    name="sqlserver-database-owners",
    facts=DatabaseOwners,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.name AS database_name, SUSER_SNAME(d.owner_sid) AS owner_name,
       CASE WHEN p.principal_id = 1 THEN 1 ELSE 0 END AS is_owned_by_sa
FROM sys.databases AS d
LEFT JOIN sys.server_principals AS p ON p.sid = d.owner_sid
WHERE d.database_id > 4 AND d.source_database_id IS NULL
""",
                    reads=("sys.databases", "sys.server_principals"),
                    rights=("VIEW ANY DATABASE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=DatabaseOwner,
            most_rows=5000,
        )
    },
    parse=reader(DatabaseOwners, DatabaseOwner),
    privacy="names of databases and of the logins that own them",
)


@dataclass(frozen=True, slots=True)
class OwnerLevels:
    owners: tuple[str, ...] = ()  # logins that may own databases beside sa


def check_database_owners(facts: DatabaseOwners, levels: OwnerLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    allowed = {name.casefold() for name in levels.owners}
    for one in facts.rows:
        owner = Text(one.owner_name or "nobody known")
        if one.owner_name is None:
            yield Finding(
                impact=Impact.LIMITED,
                function=SUPPORTABILITY,
                message="gone",
                item=one.database_name,
                evidence={"owner": owner},
            )
        elif one.is_owned_by_sa or one.owner_name.casefold() in allowed:
            yield Passed(item=one.database_name, evidence={"owner": owner})
        else:
            yield Finding(
                impact=Impact.NOTE,
                function=SUPPORTABILITY,
                when=When.LATER,
                message="other",
                item=one.database_name,
                evidence={"owner": owner},
            )


owners = Probe(
    id="sqlserver.database-owners",
    title="Databases belong to sa or an agreed login",
    check=check_database_owners,
    levels=OwnerLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "gone": "The login that owns {item} is gone, or its domain did not answer.",
        "other": "{item} belongs to {owner}.",
    },
    why="The owner may do everything in the database; one who is gone breaks what runs in the owner's name.",
    remedy=(
        "Ask us whether our software expects an owner. If not: ALTER AUTHORIZATION ON DATABASE::[name] TO "
        "sa; nobody needs to leave. Gain: no rights that nobody meant. The way back is the same statement "
        "with the old owner."
    ),
    verify="SELECT name, SUSER_SNAME(owner_sid) FROM sys.databases shows sa or the login agreed on.",
    rights="VIEW ANY DATABASE, VIEW ANY DEFINITION",
    references=(
        "ALTER AUTHORIZATION (Transact-SQL), Microsoft Learn",
        "sp_Blitz checks 55 and 213, First Responder Kit",
    ),
)
