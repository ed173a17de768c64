"""The databases of an instance, each with its counters: what several probes judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
)
from probes.sql.rows import reader

_MORE_THAN_EMPTY = 64 * 1024**2  # bytes; an empty database has below ten


@dataclass(frozen=True, slots=True)
class Database:
    """A row of pg_database with its counters.

    `size_bytes` is None where the login may not connect to the database, `checksum_failures` where the
    instance has no page checksums or is older than version 12; `shared_checksum_failures` are those of the
    catalogues that all databases share. What a broken-off DROP DATABASE left behind is none: nobody can
    enter it, and no vacuum looks at it.
    """

    database_name: str
    is_template: bool
    size_bytes: int | None
    transaction_age: int
    multixact_age: int
    transaction_age_limit: int
    multixact_age_limit: int
    connections: int
    deadlocks: int
    temporary_files: int
    temporary_bytes: int
    read_blocks: int
    hit_blocks: int
    checksum_failures: int | None
    checksum_failed_at: datetime | None
    shared_checksum_failures: int | None
    counted_since: datetime | None
    login: str


class Databases(SqlFacts[Database]):
    @property
    def users(self) -> tuple[Database, ...]:
        """The databases that people work in. `postgres` is there for logging in only, unless it is large."""
        return tuple(
            one
            for one in self.rows
            if not one.is_template
            and (one.database_name != "postgres" or (one.size_bytes or 0) >= _MORE_THAN_EMPTY)
        )


def _text(failures: str, failed_at: str, shared: str) -> str:
    return f"""
SELECT d.datname::text AS database_name, d.datistemplate AS is_template,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS size_bytes,
       age(d.datfrozenxid)::bigint AS transaction_age, mxid_age(d.datminmxid)::bigint AS multixact_age,
       current_setting('autovacuum_freeze_max_age')::bigint AS transaction_age_limit,
       current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_age_limit,
       COALESCE(s.numbackends, 0)::bigint AS connections, COALESCE(s.deadlocks, 0) AS deadlocks,
       COALESCE(s.temp_files, 0) AS temporary_files, COALESCE(s.temp_bytes, 0) AS temporary_bytes,
       COALESCE(s.blks_read, 0) AS read_blocks, COALESCE(s.blks_hit, 0) AS hit_blocks,
       {failures} AS checksum_failures, {failed_at} AS checksum_failed_at,
       {shared} AS shared_checksum_failures,
       s.stats_reset AT TIME ZONE 'UTC' AS counted_since, current_user::text AS login
FROM pg_database AS d
LEFT JOIN pg_stat_database AS s ON s.datid = d.oid
WHERE d.datconnlimit <> -2
"""  # noqa: S608  the parts are constants of this file


_READS = ("pg_database", "pg_stat_database")

databases = Section(
    name="postgresql-databases",
    facts=Databases,
    collect={
        "postgresql": Sql(
            (
                SqlVariant(
                    _text(
                        "s.checksum_failures",
                        "s.checksum_last_failure AT TIME ZONE 'UTC'",
                        "(SELECT MAX(g.checksum_failures) FROM pg_stat_database AS g WHERE g.datid = 0)",
                    ),
                    reads=_READS,
                    since=(12,),
                ),
                SqlVariant(
                    _text("NULL::bigint", "NULL::timestamp", "NULL::bigint"),
                    reads=_READS,
                    since=(9, 6),
                    before=(12,),
                ),
            ),
            row=Database,
            most_rows=5000,
            timeout_s=30,
        )
    },
    parse=reader(Databases, Database),
    privacy="names, sizes, ages and counters of databases",
)
