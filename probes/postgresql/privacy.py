"""What our own login could read of the site's tables; it should be nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
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
    Value,
    Worse,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Access:
    """Tables and views of a database that no extension brought along, and what the login may do."""

    database: str
    tables: int
    readable: int
    writable: int
    is_superuser: bool
    login: str


class Accesses(SqlFacts[Access]):
    pass


accesses = Section(
    name="postgresql-access",
    facts=Accesses,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT current_database()::text AS database, COUNT(*) AS tables,
       COUNT(*) FILTER (WHERE has_schema_privilege(n.oid, 'USAGE')
                          AND (has_table_privilege(c.oid, 'SELECT')
                               OR has_any_column_privilege(c.oid, 'SELECT'))) AS readable,
       COUNT(*) FILTER (WHERE has_schema_privilege(n.oid, 'USAGE')
                          AND has_table_privilege(c.oid, 'INSERT,UPDATE,DELETE,TRUNCATE')) AS writable,
       (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) AS is_superuser,
       current_user::text AS login
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
""",
                    reads=("pg_roles", "pg_class", "pg_namespace", "pg_depend"),
                    since=(9, 6),
                ),
            ),
            row=Access,
            scope="database",
            most_rows=5000,
        )
    },
    parse=reader(Accesses, Access),
    privacy="numbers of tables, and our own login's rights to them",
)


def check(facts: Accesses, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.rows if one.tables]
    if not looked:
        yield NotApplicable(reason="the databases that were looked into have no table")
    for one in looked:
        evidence: dict[str, Value] = {
            "tables": Number(one.tables),
            "readable": Number(one.readable),
            "writable": Number(one.writable),
            "login": Text(one.login),
        }
        if not one.readable and not one.writable:
            yield Passed(item=one.database, evidence=evidence)
            continue
        yield Finding(
            impact=Impact.LIMITED,
            message="superuser" if one.is_superuser else "open",
            item=one.database,
            evidence=evidence,
            value=Number(max(one.readable, one.writable)),
            worse=Worse.HIGHER,
        )


probe = Probe(
    id="postgresql.no-patient-access",
    title="The check-up's login can read no table of the clinic",
    check=check,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "open": (
            "The check-up's login {login} may read {readable} and change {writable} of {tables} tables "
            "in {item}."
        ),
        "superuser": (
            "The check-up's login {login} is a superuser: it may read and change all {tables} tables in "
            "{item}."
        ),
    },
    why=(
        "A check-up needs no patient's record. What its login cannot read, nobody can take with its password."
    ),
    remedy=(
        "In the database named: REVOKE ALL ON ALL TABLES IN SCHEMA public FROM login; the same for each "
        "further schema, and REVOKE of each role that was granted to it but pg_monitor. Are tables open to "
        "PUBLIC, ask us first. A superuser: make the login that `checkup access-request` describes, and "
        "write it into the site file."
    ),
    verify="The next check-up passes here.",
    rights="CONNECT on the databases",
    references=("PostgreSQL documentation: Access Privilege Inquiry Functions",),
)
