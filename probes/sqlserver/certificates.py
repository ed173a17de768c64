"""The certificates that encrypt databases and back-ups: without them nothing can be restored elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
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
    Value,
    When,
)
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Certificate:
    """`certificate_name` is None where what encrypts is no certificate of this server (a key store), or one
    that cannot be seen."""

    certificate_name: str | None
    databases: int
    backups: int
    exported_at: datetime | None


class Certificates(SqlFacts[Certificate]):
    pass


# Database 2 is tempdb, which is encrypted along with any other by a key of its own.
certificates = Section(
    name="sqlserver-certificates",
    facts=Certificates,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT c.name AS certificate_name, SUM(u.databases) AS databases, SUM(u.backups) AS backups,
       MAX(c.pvt_key_last_backup_date) AS exported_at
FROM (
    SELECT k.encryptor_thumbprint AS thumbprint, 1 AS databases, 0 AS backups
    FROM sys.dm_database_encryption_keys AS k
    WHERE k.database_id > 4
    UNION ALL
    SELECT s.encryptor_thumbprint AS thumbprint, 0 AS databases, 1 AS backups
    FROM msdb.dbo.backupset AS s
    WHERE s.encryptor_thumbprint IS NOT NULL
      AND s.backup_finish_date >= DATEADD(day, -30, GETDATE())
) AS u
LEFT JOIN master.sys.certificates AS c ON c.thumbprint = u.thumbprint
GROUP BY u.thumbprint, c.name
""",
                    reads=(
                        "sys.dm_database_encryption_keys",
                        "msdb.dbo.backupset",
                        "master.sys.certificates",
                    ),
                    since=(12,),
                    rights=(
                        "VIEW SERVER SECURITY STATE",
                        "VIEW ANY DEFINITION",
                        "SELECT ON msdb.dbo.backupset",
                    ),
                ),
                SqlVariant(
                    """
SELECT c.name AS certificate_name, COUNT(*) AS databases, 0 AS backups,
       MAX(c.pvt_key_last_backup_date) AS exported_at
FROM sys.dm_database_encryption_keys AS k
LEFT JOIN master.sys.certificates AS c ON c.thumbprint = k.encryptor_thumbprint
WHERE k.database_id > 4
GROUP BY k.encryptor_thumbprint, c.name
""",
                    reads=("sys.dm_database_encryption_keys", "master.sys.certificates"),
                    before=(12,),
                    rights=("VIEW SERVER SECURITY STATE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=Certificate,
        )
    },
    parse=reader(Certificates, Certificate),
    privacy="names of certificates, counts and times",
)


@dataclass(frozen=True, slots=True)
class Levels:
    old_days: float = 730.0  # an export that nobody has seen for two years is worth a question; experience


def check(facts: Certificates, levels: Levels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(reason="neither databases nor back-ups are encrypted by this server")
    unseen = [one for one in facts.rows if one.certificate_name is None]
    if unseen:
        yield NotChecked(
            reason="what encrypts is no certificate that can be seen here: ask where the key store is saved"
        )
    for one in facts.rows:
        if one.certificate_name is None:
            continue
        evidence: dict[str, Value] = {
            "databases": Number(one.databases),
            "backups": Number(one.backups),
        }
        if one.exported_at is None:
            yield Finding(
                impact=Impact.MAJOR,
                function=RECOVERABILITY,
                message="never",
                item=one.certificate_name,
                evidence=evidence,
            )
            continue
        age = Duration((facts.server.asked_at - one.exported_at).total_seconds())
        evidence |= {"exported": Instant(one.exported_at), "age": age}
        if age.value > levels.old_days * 86400:
            yield Finding(
                impact=Impact.LIMITED,
                when=When.LATER,
                function=RECOVERABILITY,
                message="old",
                item=one.certificate_name,
                evidence=evidence,
            )
        else:
            yield Passed(item=one.certificate_name, evidence=evidence)


probe = Probe(
    id="sqlserver.encryption-certificates",
    title="Certificates that encrypt data are saved with their private keys",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    messages={
        "never": (
            "This server never saved the private key of {item}; it encrypts data (databases: {databases}, "
            "back-ups of the last 30 days: {backups})."
        ),
        "old": (
            "The private key of {item} was last saved {age} ago (on {exported}): is that file still there?"
        ),
    },
    why=(
        "Without the certificate and its private key an encrypted database or back-up can be restored on no "
        "other server, by nobody."
    ),
    remedy=(
        "USE master; BACKUP CERTIFICATE [name] TO FILE = N'...cer' WITH PRIVATE KEY (FILE = N'...pvk', "
        "ENCRYPTION BY PASSWORD = N'a long password'); keep both files and the password apart from the "
        "back-ups and out of the house, and try once to restore with them on another server. A certificate "
        "that was brought here from files counts as not saved until it is saved here."
    ),
    verify="SELECT name, pvt_key_last_backup_date FROM master.sys.certificates shows today.",
    rights=(
        "VIEW SERVER STATE (2022: VIEW SERVER SECURITY STATE), VIEW ANY DEFINITION, SELECT on "
        "msdb.dbo.backupset"
    ),
    references=("BACKUP CERTIFICATE (Transact-SQL), Microsoft Learn", "sp_Blitz checks 119 and 202"),
)
