"""Logins of an instance: who may do everything, whose password runs out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
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
    When,
    Worse,
)
from probes.postgresql.counting import named
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Role:
    """A role that can log in; `valid_until` is None where the password never runs out."""

    role_name: str
    is_superuser: bool
    valid_until: datetime | None


class Roles(SqlFacts[Role]):
    pass


roles = Section(
    name="postgresql-roles",
    facts=Roles,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    """
SELECT r.rolname::text AS role_name, r.rolsuper AS is_superuser,
       CASE WHEN r.rolvaliduntil > '-infinity' AND r.rolvaliduntil < 'infinity'
            THEN r.rolvaliduntil AT TIME ZONE 'UTC' END AS valid_until
FROM pg_roles AS r
WHERE r.rolcanlogin
""",
                    reads=("pg_roles",),
                    since=(9, 6),
                ),
            ),
            row=Role,
            most_rows=5000,
        )
    },
    parse=reader(Roles, Role),
    privacy="names of logins, which of them are superusers, until when passwords hold",
)


@dataclass(frozen=True, slots=True)
class SuperuserLevels:
    most: int = 2  # the server's own and an administrator's; ours


def check_superusers(facts: Roles, levels: SuperuserLevels, ctx: Context) -> Iterator[Result]:
    names = sorted(one.role_name for one in facts.rows if one.is_superuser)
    evidence: dict[str, Value] = {
        "count": Number(len(names)),
        "names": Text(named(names)),
        "limit": Number(levels.most),
    }
    if len(names) <= levels.most:
        yield Passed(evidence=evidence)
    else:
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            function=SUPPORTABILITY,
            message="many",
            evidence=evidence,
            value=Number(len(names)),
            worse=Worse.HIGHER,
        )


superusers = Probe(
    id="postgresql.superusers",
    title="Few logins are superusers",
    check=check_superusers,
    levels=SuperuserLevels(),
    kind="postgresql",
    messages={"many": "{count} logins are superusers: {names}."},
    why="Each of them may read, change and delete everything; each of their passwords is a way in.",
    remedy=(
        "For each name ask who uses it and what for. Where nobody needs it: ALTER ROLE name NOSUPERUSER; "
        "never of the login that the server was installed with. The way back: ALTER ROLE name SUPERUSER."
    ),
    verify="SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin shows at most two.",
    rights="an ordinary login",
    references=("PostgreSQL documentation: Role Attributes",),
)


@dataclass(frozen=True, slots=True)
class ExpiryLevels:
    soon_days: float = 30  # the time in which a new password can be given out; ours


def check_expiry(facts: Roles, levels: ExpiryLevels, ctx: Context) -> Iterator[Result]:
    limited = [one for one in facts.rows if one.valid_until is not None]
    if not limited:
        yield NotApplicable(reason="no password of this instance runs out")
    for one in limited:
        if one.valid_until is None:
            continue
        left = (one.valid_until - facts.server.asked_at).total_seconds()
        evidence: dict[str, Value] = {"until": Instant(one.valid_until)}
        if left > levels.soon_days * 86_400:
            yield Passed(item=one.role_name, evidence=evidence)
            continue
        over = left <= 0
        yield Finding(
            impact=Impact.NOTE if over else Impact.LIMITED,
            when=When.LATER if over else When.BEFORE_NEXT_VISIT,
            message="over" if over else "soon",
            item=one.role_name,
            evidence=evidence,
            value=None if over else Duration(left),
            worse=Worse.LOWER,
        )


role_expiry = Probe(
    id="postgresql.password-expiry",
    title="No login's password runs out before the next visit",
    check=check_expiry,
    levels=ExpiryLevels(),
    kind="postgresql",
    messages={
        "soon": "The password of {item} runs out on {until}.",
        "over": "The password of {item} ran out on {until}; nobody can log in with it.",
    },
    why="On that day the program that uses this login stops, at eight in the morning.",
    remedy=(
        "Still needed: set a new password where the program keeps it, then ALTER ROLE name PASSWORD '...' "
        "VALID UNTIL 'a day next year' (or 'infinity'). Not needed any more: ALTER ROLE name NOLOGIN. The "
        "way back: ALTER ROLE name LOGIN."
    ),
    verify=(
        "SELECT rolname, rolvaliduntil FROM pg_roles WHERE rolcanlogin shows no day of the next month and "
        "none in the past."
    ),
    rights="an ordinary login",
    references=("PostgreSQL documentation: CREATE ROLE, VALID UNTIL",),
)
