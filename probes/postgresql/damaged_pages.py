"""Pages whose checksum was wrong when the server read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    Context,
    Finding,
    Impact,
    Instant,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Value,
    When,
    Worse,
)
from probes.postgresql.databases import Databases


def check_failures(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.version < (12,):
        yield NotApplicable(reason="PostgreSQL counts damaged pages since version 12")
        return
    looked = [one for one in facts.rows if one.checksum_failures is not None]
    if not looked:
        yield NotApplicable(reason="the instance has no page checksums (postgresql.page-checksums)")
        return
    failed = False
    for one in looked:
        if one.checksum_failures:
            failed = True
            yield _damaged(one.database_name, one.checksum_failures, one.checksum_failed_at)
    shared = max(one.shared_checksum_failures or 0 for one in looked)
    if shared:
        yield _damaged("shared catalogues", shared, None)
    if not failed and not shared:
        yield Passed(evidence={"databases": Number(len(looked))})


def _damaged(item: str, failures: int, last: datetime | None) -> Finding:
    evidence: dict[str, Value] = {"failures": Number(failures)}
    if last is not None:
        evidence["last"] = Instant(last)
    return Finding(
        impact=Impact.MAJOR,
        when=When.NOW,
        function=RECOVERABILITY,
        message="damaged" if last is None else "damaged_last",
        item=item,
        evidence=evidence,
        value=Number(failures),
        worse=Worse.HIGHER,
    )


checksum_failures = Probe(
    id="postgresql.damaged-pages",
    title="The server has met no damaged page",
    check=check_failures,
    levels=NoLevels(),
    kind="postgresql",
    messages={
        "damaged": "PostgreSQL met damaged pages in {item} (failures: {failures}).",
        "damaged_last": "PostgreSQL met damaged pages in {item} (failures: {failures}, the last on {last}).",
    },
    why=(
        "A page whose checksum is wrong is lost data, and a sign of storage that fails. Back-ups taken since "
        "may lack it or hold the damage."
    ),
    remedy=(
        "Keep all back-ups that you have. Have the storage and memory examined, and call us before anything "
        "is repaired or zeroed. Restore the database from the last good back-up. Afterwards: SELECT "
        "pg_stat_reset() in the database that is named."
    ),
    verify=(
        "pg_dump of the database ends without an error, and checksum_failures in pg_stat_database stays 0."
    ),
    rights="an ordinary login",
    references=("PostgreSQL documentation: pg_stat_database", "check_pgactivity: checksum_errors"),
)
