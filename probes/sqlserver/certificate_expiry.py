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
    serves_endpoint: bool


class ServerCertificates(SqlFacts[DatedCertificate]):
    """Those of master: of endpoints, databases and back-ups."""


class DatabaseCertificates(SqlFacts[DatedCertificate]):
    """Those of the site's own databases."""


_PRIVACY = "names and ends of certificates; no keys"

# Names with ## are the server's own, which it renews itself. Since 2022 endpoints are shown to those alone
# who may see what guards the server ("sys.database_mirroring_endpoints (Transact-SQL)").
_SERVER = """
SELECT N'master' AS [database], c.name AS certificate_name, c.expiry_date AS ends_at,
       CASE WHEN EXISTS (SELECT 1 FROM sys.database_mirroring_endpoints AS m
                         WHERE m.certificate_id = c.certificate_id)
              OR EXISTS (SELECT 1 FROM sys.service_broker_endpoints AS b
                         WHERE b.certificate_id = c.certificate_id) THEN 1 ELSE 0 END AS serves_endpoint
FROM master.sys.certificates AS c
WHERE c.name NOT LIKE N'##%' AND c.expiry_date IS NOT NULL
"""
_SERVER_READS = (
    "master.sys.certificates",
    "sys.database_mirroring_endpoints",
    "sys.service_broker_endpoints",
)

server_certificates = Section(
    name="sqlserver-server-certificates",
    facts=ServerCertificates,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    _SERVER,
                    reads=_SERVER_READS,
                    since=(16,),
                    rights=("VIEW ANY DEFINITION", "VIEW SERVER SECURITY STATE"),
                ),
                SqlVariant(_SERVER, reads=_SERVER_READS, before=(16,), rights=("VIEW ANY DEFINITION",)),
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
SELECT DB_NAME() AS [database], c.name AS certificate_name, c.expiry_date AS ends_at, 0 AS serves_endpoint
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
            # What encrypts or signs goes on after the end ("CREATE CERTIFICATE (Transact-SQL)").
            impact=Impact.LIMITED if one.serves_endpoint else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if one.serves_endpoint else When.LATER,
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
        "Mirroring, availability groups without a domain and Service Broker between servers stop at the end "
        "of their endpoint's certificate. Encrypted databases and back-ups go on: there it is a note."
    ),
    remedy=(
        "Ask us what the certificate is for. For an endpoint: CREATE CERTIFICATE a new one with EXPIRY_DATE, "
        "back it up, install it on the partner, then ALTER ENDPOINT ... AUTHENTICATION = CERTIFICATE [new]. "
        "Keep the old one: back-ups made with it need it. The way back: ALTER ENDPOINT to the old one."
    ),
    verify="SELECT name, expiry_date FROM sys.certificates shows an end more than a month ahead.",
    rights="VIEW ANY DEFINITION, CONNECT ANY DATABASE; since 2022 VIEW SERVER SECURITY STATE",
    references=("sys.certificates (Transact-SQL), Microsoft Learn", "dbachecks CertificateExpiration"),
)
