"""What our own login may do: it should read nothing of the clinic's, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
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
from probes.mariadb.databases import ACCOUNT, OWN
from probes.sql.rows import reader

# Rights on the whole server that a check-up never needs: each is a way to other people's data.
_DANGEROUS = """(
         'SUPER', 'FILE', 'CREATE USER', 'RELOAD', 'SHUTDOWN', 'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'DROP',
         'CREATE', 'ALTER', 'EXECUTE', 'SET USER', 'READ_ONLY ADMIN', 'FEDERATED ADMIN', 'SYSTEM_USER')"""


@dataclass(frozen=True, slots=True)
class Right:
    """`kind` is "tables", with how many of a database the login may read and change; "server", with the name
    of a right on all of it that the account itself holds; or "role", with one that it may take on."""

    kind: str
    name: str
    readable: int
    writable: int


class Rights(SqlFacts[Right]):
    pass


# information_schema tells of each column what this login may do with it, by whatever active role; columns
# that it may not touch at all are left out, which is the very answer.
_OWN = f"""
SELECT 'tables' AS kind, o.database_name AS name, CAST(SUM(o.readable) AS SIGNED) AS readable,
       CAST(SUM(o.writable) AS SIGNED) AS writable
FROM (
  SELECT c.TABLE_SCHEMA AS database_name, c.TABLE_NAME AS table_name,
         MAX(CASE WHEN c.PRIVILEGES LIKE '%select%' THEN 1 ELSE 0 END) AS readable,
         MAX(CASE WHEN c.PRIVILEGES LIKE '%insert%' OR c.PRIVILEGES LIKE '%update%'
                  THEN 1 ELSE 0 END) AS writable
  FROM information_schema.COLUMNS AS c
  WHERE c.TABLE_SCHEMA NOT IN {OWN}
  GROUP BY c.TABLE_SCHEMA, c.TABLE_NAME
) AS o
GROUP BY o.database_name
UNION ALL
SELECT 'server' AS kind, p.PRIVILEGE_TYPE AS name, 0 AS readable, 0 AS writable
FROM information_schema.USER_PRIVILEGES AS p
WHERE p.GRANTEE = {ACCOUNT}
  AND p.PRIVILEGE_TYPE IN {_DANGEROUS}
"""  # noqa: S608  the parts are constants of the probes

# What a role opens on the whole server is told to administrators only; so is all that a role opens which the
# login may take on and has not.
_ROLES = """UNION ALL
SELECT DISTINCT 'role' AS kind, r.ROLE_NAME AS name, 0 AS readable, 0 AS writable
FROM information_schema.APPLICABLE_ROLES AS r
WHERE r.ROLE_NAME IS NOT NULL
"""
_READS = ("information_schema.COLUMNS", "information_schema.USER_PRIVILEGES")
_WITH_ROLES = (*_READS, "information_schema.APPLICABLE_ROLES")

own_rights = Section(
    name="mariadb-own-rights",
    facts=Rights,
    collect={
        "mariadb": Sql(
            (
                SqlVariant(_OWN + _ROLES, reads=_WITH_ROLES, editions=("mariadb",)),
                SqlVariant(_OWN + _ROLES, reads=_WITH_ROLES, since=(8, 0, 19), editions=("mysql",)),
                SqlVariant(_OWN, reads=_READS, before=(8, 0, 19), editions=("mysql",)),
            ),
            row=Right,
            most_rows=5000,
            timeout_s=30,
            cost="medium",
        )
    },
    parse=reader(Rights, Right),
    privacy="our own login's rights, and names of its roles",
)


def check(facts: Rights, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    found = False
    for one in facts.rows:
        if one.kind == "tables" and (one.readable or one.writable):
            found = True
            yield Finding(
                impact=Impact.LIMITED,
                message="tables",
                item=one.name,
                evidence={"readable": Number(one.readable), "writable": Number(one.writable)},
                value=Number(max(one.readable, one.writable)),
                worse=Worse.HIGHER,
            )
    server = sorted(one.name for one in facts.rows if one.kind == "server")
    if server:
        found = True
        yield Finding(
            impact=Impact.LIMITED,
            message="server",
            evidence={"rights": Text(", ".join(server))},
            value=Number(len(server)),
            worse=Worse.HIGHER,
        )
    roles = sorted(one.name for one in facts.rows if one.kind == "role")
    if roles and not server:
        yield NotChecked(
            reason=f"the login may take on roles ({', '.join(roles)}), and not all that they open is told to "
            "it: SHOW GRANTS FOR the role, as an administrator, shows that"
        )
    elif not found:
        yield Passed()


probe = Probe(
    id="mariadb.no-patient-access",
    title="The check-up's login can read no table of the clinic",
    check=check,
    levels=NoLevels(),
    kind="mariadb",
    messages={
        "tables": (
            "The check-up's login may read {readable} tables of {item} and change {writable} of them."
        ),
        "server": "The check-up's login holds rights on the whole server that it does not need: {rights}.",
    },
    why=(
        "A check-up needs no patient's record. What its login cannot read, nobody can take with its password."
    ),
    remedy=(
        "As an administrator: SHOW GRANTS FOR 'checkup_ro'@'%' (the login in the site file), then REVOKE "
        "each of the rights named, for example REVOKE SELECT ON `ledger`.* FROM 'checkup_ro'@'%'; what it "
        "has by a role: REVOKE the role. Is it an administrator's account: make the login that `checkup "
        "access-request` describes, and write that into the site file."
    ),
    verify=(
        "SHOW GRANTS names PROCESS, REFERENCES, SHOW DATABASES, and SELECT on tables of mysql or "
        "performance_schema; nothing else."
    ),
    rights="a login",
    references=("MariaDB documentation: Information Schema COLUMNS Table",),
)
