"""Certificates within SQL Server that end: mirroring and Service Broker stop with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    NotApplicable,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Value,
    When,
    Worse,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class DatedCertificate:
    database: str
    certificate_name: str
    ends_at: datetime


class ServerCertificates(SqlFacts[DatedCertificate]):
    """Those of master: of endpoints, databases and back-ups."""


class DatabaseCertificates(SqlFacts[DatedCertificate]):
    """Those of the site's own databases."""


_PRIVACY = "names and ends of certificates; no keys"

# Names with ## are the server's own, which it renews itself.
server_certificates = Section(
    name="sqlserver-server-certificates",
    facts=ServerCertificates,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT N'master' AS [database], c.name AS certificate_name, c.expiry_date AS ends_at
FROM master.sys.certificates AS c
WHERE c.name NOT LIKE N'##%' AND c.expiry_date IS NOT NULL
""",
                    reads=("master.sys.certificates",),
                    rights=("VIEW ANY DEFINITION",),
                ),
            ),
            row=DatedCertificate,
        )
    },
    parse=reader(ServerCertificates, DatedCertificate),
    privacy=_PRIVACY,
)

database_certificates = Section(
    name="sqlserver-database-certificates",
    facts=DatabaseCertificates,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], c.name AS certificate_name, c.expiry_date AS ends_at
FROM sys.certificates AS c
WHERE c.name NOT LIKE N'##%' AND c.expiry_date IS NOT NULL
""",
                    reads=("sys.certificates",),
                    rights=("VIEW ANY DEFINITION", "CONNECT ANY DATABASE"),
                ),
            ),
            row=DatedCertificate,
            scope="database",
            most_rows=200,
            cost="medium",
        )
    },
    parse=reader(DatabaseCertificates, DatedCertificate),
    privacy=_PRIVACY,
)


@dataclass(frozen=True, slots=True)
class AllCertificates:
    server: ServerCertificates
    databases: DatabaseCertificates


@dataclass(frozen=True, slots=True)
class Levels:
    soon_days: int = 30  # dbachecks, policy.certificateexpiration.warningwindow: one month


def check(facts: AllCertificates, levels: Levels, ctx: Context) -> Iterator[Result]:
    found = facts.server.rows + facts.databases.rows
    if not found:
        yield NotApplicable(reason="there is no certificate within SQL Server")
    for one in found:
        item = f"{one.certificate_name} ({one.database})"
        left = one.ends_at - ctx.now
        evidence: dict[str, Value] = {"ends": Instant(one.ends_at)}
        if left > timedelta(days=levels.soon_days):
            yield Passed(item=item, evidence=evidence)
            continue
        ended = left <= timedelta()
        yield Finding(
            impact=Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT,
            message="ended" if ended else "ends",
            item=item,
            evidence=evidence,
            value=None if ended else Duration(left.total_seconds()),
            worse=Worse.LOWER,
        )


probe = Probe(
    id="sqlserver.certificate-expiry",
    title="Certificates within SQL Server are valid",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    messages={
        "ended": "The certificate {item} ended on {ends}.",
        "ends": "The certificate {item} ends on {ends}.",
    },
    why=(
        "Mirroring, availability groups without a domain and Service Broker stop at the end of their "
        "certificate. Encrypted databases go on, but a renewal should be noticed."
    ),
    remedy=(
        "Ask us what the certificate is for. For an endpoint: CREATE CERTIFICATE a new one with EXPIRY_DATE, "
        "back it up, install it on the partner, then ALTER ENDPOINT ... AUTHENTICATION = CERTIFICATE [new]. "
        "Keep the old one: back-ups made with it need it. The way back: ALTER ENDPOINT to the old one."
    ),
    verify="SELECT name, expiry_date FROM sys.certificates shows an end more than a month ahead.",
    rights="VIEW ANY DEFINITION, CONNECT ANY DATABASE",
    references=("sys.certificates (Transact-SQL), Microsoft Learn", "dbachecks CertificateExpiration"),
)
