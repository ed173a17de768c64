"""Pages that the server itself found damaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    Context,
    Finding,
    Impact,
    Instant,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Step,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader

# event_type 1 to 3 are errors; 4, 5 and 7 say that the page was restored, repaired or deallocated
# ("suspect_pages (Transact-SQL)").
_BROKEN = (1, 2, 3)
_GONE = "a database that is gone"


@dataclass(frozen=True, slots=True)
class SuspectPage:
    database_name: str
    event_type: int
    page_count: int
    last_seen_at: datetime


class SuspectPages(SqlFacts[SuspectPage]):
    pass


suspect_pages = Section(
    name="sqlserver-suspect-pages",
    facts=SuspectPages,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT ISNULL(DB_NAME(p.database_id), N'') AS database_name, p.event_type AS event_type,
       COUNT(*) AS page_count, MAX(p.last_update_date) AS last_seen_at
FROM msdb.dbo.suspect_pages AS p
GROUP BY p.database_id, p.event_type
""",
                    reads=("msdb.dbo.suspect_pages",),
                    rights=("SELECT ON msdb.dbo.suspect_pages",),
                ),
            ),
            row=SuspectPage,
        )
    },
    parse=reader(SuspectPages, SuspectPage),
    privacy="counts of pages by database",
)


@dataclass(frozen=True, slots=True)
class Levels:
    # Rows stay until somebody removes them, so that an old one may be settled; more than between two visits.
    recent_days: float = 200.0


def check(facts: SuspectPages, levels: Levels, ctx: Context) -> Iterator[Result]:
    broken: dict[str, list[SuspectPage]] = defaultdict(list)
    for page in facts.rows:
        if page.event_type in _BROKEN:
            broken[page.database_name].append(page)
    for database, found in sorted(broken.items()):
        pages = Number(sum(one.page_count for one in found))
        last = max(one.last_seen_at for one in found)
        recent = facts.server.asked_at - last <= timedelta(days=levels.recent_days)
        yield Finding(
            impact=Impact.MAJOR if recent else Impact.LIMITED,
            when=When.NOW if recent else When.BEFORE_NEXT_VISIT,
            function=RECOVERABILITY,
            message="broken" if recent else "old",
            item=database or _GONE,
            evidence={"pages": pages, "last": Instant(last)},
            value=pages,
            worse=Worse.HIGHER,
        )
    if not broken:
        yield Passed()


probe = Probe(
    id="sqlserver.suspect-pages",
    title="The server has met no damaged page",
    check=check,
    levels=Levels(),
    kind="sqlserver",
    messages={
        "broken": "SQL Server found {pages} damaged pages in {item}, the last on {last}.",
        "old": "SQL Server found {pages} damaged pages in {item}, the last on {last}: nothing shows that "
        "they were mended.",
    },
    why=(
        "A page that the server could not read is lost data, and a sign of storage that fails. Back-ups "
        "taken since may hold the damage as well."
    ),
    remedy=(
        "Keep all back-ups that you have. Run DBCC CHECKDB on the database, restore the page or the "
        "database from the last good back-up, and have the storage examined. Call us before anything is "
        "repaired with data loss. Where DBCC CHECKDB is clean: DELETE FROM msdb.dbo.suspect_pages WHERE "
        "database_id = DB_ID(N'name')."
    ),
    verify="DBCC CHECKDB reports no error, and msdb.dbo.suspect_pages gains no row afterwards.",
    rights="SELECT on msdb.dbo.suspect_pages",
    references=("suspect_pages (Transact-SQL), Microsoft Learn", "sp_Blitz check 90, First Responder Kit"),
)


# --- room in the table ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoomLevels:
    most_rows: int = 1000  # what msdb.dbo.suspect_pages holds ("Manage the suspect_pages table")
    full: float = 0.90  # dbachecks policy.suspectpage.threshold


def check_room(facts: SuspectPages, levels: RoomLevels, ctx: Context) -> Iterator[Result]:
    rows = sum(one.page_count for one in facts.rows)
    yield from judge(
        "share",
        Ratio(rows / levels.most_rows),
        (Step(levels.full, Impact.LIMITED),),
        worse=Worse.HIGHER,
        message="full",
        function=RECOVERABILITY,
        evidence={"rows": Number(rows), "most": Number(levels.most_rows)},
    )


room = Probe(
    id="sqlserver.suspect-pages-room",
    title="The list of damaged pages has room for new ones",
    check=check_room,
    levels=RoomLevels(),
    kind="sqlserver",
    messages={"full": "The list of damaged pages holds {rows} of {most} rows."},
    why="When the list is full, the server notes no further damage, and the check of damaged pages is blind.",
    remedy=(
        "Save the rows (SELECT into a file), settle the damage that they name, and then remove what is "
        "settled: DELETE FROM msdb.dbo.suspect_pages WHERE event_type IN (4, 5, 7). There is no way back but "
        "the saved rows."
    ),
    verify="SELECT COUNT(*) FROM msdb.dbo.suspect_pages shows fewer rows than the level given.",
    rights="SELECT on msdb.dbo.suspect_pages",
    references=("Manage the suspect_pages table, Microsoft Learn", "dbachecks policy.suspectpage.threshold"),
)
