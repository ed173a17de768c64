"""How back-ups changed since the last visit, whether one was ever restored, how long msdb remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkup.api import (
    RECOVERABILITY,
    Bytes,
    Context,
    Day,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
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
from probes.sqlserver.backup_sets import FULL, LastBackup, LastBackups, Restores
from probes.sqlserver.databases import Databases

# --- how long, how large ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DurationLevels:
    growth: float = 1.5  # times the size or the duration at the last visit; our own experience
    least_minutes: float = 10.0  # a back-up that is shorter disturbs nobody


def check_duration(facts: LastBackups, levels: DurationLevels, ctx: Context) -> Iterator[Result]:
    before = ctx.previous(LastBackups)
    names = sorted({one.database_name for one in facts.rows if one.kind == FULL})
    if not names:
        yield NotApplicable(reason="no full back-up is recorded")
    for name in names:
        last = facts.of(name, FULL)
        assert last is not None
        yield Metric(name="took", value=Duration(last.took_s), item=name)
        yield Metric(name="size_bytes", value=Bytes(last.size_bytes or 0), item=name)
        earlier = before.of(name, FULL) if before else None
        if earlier is None:
            yield NotApplicable(item=name, reason="there is no earlier visit to compare with")
        elif earlier.finished_at == last.finished_at:
            yield NotApplicable(item=name, reason="it was not backed up again since the last visit")
        else:
            yield from _compared(name, last, earlier, levels)


def _compared(name: str, last: LastBackup, earlier: LastBackup, levels: DurationLevels) -> Iterator[Result]:
    times = max(_times(last.took_s, earlier.took_s), _times(last.size_bytes or 0, earlier.size_bytes or 0))
    evidence: dict[str, Value] = {
        "took": Duration(last.took_s),
        "took_before": Duration(earlier.took_s),
        "size": Bytes(last.size_bytes or 0),
        "size_before": Bytes(earlier.size_bytes or 0),
        "limit": Ratio(levels.growth),
    }
    if times >= levels.growth and last.took_s >= levels.least_minutes * 60:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="longer",
            item=name,
            evidence=evidence,
            value=Duration(last.took_s),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(item=name, evidence=evidence)


def _times(now: float, before: float) -> float:
    return now / before if before > 0 else 1.0


backup_duration = Probe(
    id="sqlserver.backup-duration",
    title="Back-ups take no longer than they did",
    check=check_duration,
    levels=DurationLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "longer": (
            "The full back-up of {item} takes {took} for {size}; at the last visit {took_before} for "
            "{size_before}."
        )
    },
    why="A back-up that outgrows its night slows the morning, and tells how long a restore would take.",
    remedy=(
        "Compress it: WITH COMPRESSION (not on Express; on Standard from 2008 R2; try it once by hand, it "
        "halves the time at most sites and costs processor time). Else begin earlier, or write to a faster "
        "place. The way back is WITH NO_COMPRESSION. Did only the time grow, look at that place first."
    ),
    verify="msdb.dbo.backupset shows a shorter time between backup_start_date and backup_finish_date.",
    rights="SELECT on msdb.dbo.backupset, msdb.dbo.backupmediaset",
    references=("Backup compression, Microsoft Learn", "backupset (Transact-SQL), Microsoft Learn"),
)


# --- was anything ever restored? --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restored:
    databases: Databases
    restores: Restores


@dataclass(frozen=True, slots=True)
class RestoreLevels:
    test_days: float = 365.0  # a documented test restore each year; our contract's practice


def declared_test(declared: object) -> datetime | None:
    """The day of a test restore that the site file names (`restore_tested: "2026-09-01"`)."""
    if not isinstance(declared, str):
        return None
    try:
        moment = datetime.fromisoformat(declared)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_restore(facts: Restored, levels: RestoreLevels, ctx: Context) -> Iterator[Result]:
    now = facts.restores.server.asked_at
    declared = ctx.target.declare.get("restore_tested")
    told = declared_test(declared)
    if declared is not None and told is None:
        yield NotChecked(reason='the site file\'s restore_tested is no day: write it as "2026-09-01"')
        return
    recorded = [
        (moment, one.database_name)
        for one in facts.databases.users
        if (moment := facts.restores.last(one.database_name)) is not None
    ]
    if told is not None and told <= now:
        recorded.append((told, "the site file"))
    if not facts.databases.users:
        yield NotApplicable(reason="there is no database of the clinic here")
        return
    if not recorded:
        yield Finding(impact=Impact.MAJOR, function=RECOVERABILITY, message="never")
        return
    last, source = max(recorded)
    age = Duration((now - last).total_seconds())
    limit = Duration(timedelta(days=levels.test_days).total_seconds())
    shown = Day(last.date()) if last == told else Instant(last)
    evidence: dict[str, Value] = {"last": shown, "age": age, "source": Text(source), "limit": limit}
    if age.value <= limit.value:
        yield Passed(evidence=evidence)
    else:
        yield Finding(
            impact=Impact.MAJOR,
            function=RECOVERABILITY,
            message="old",
            evidence=evidence,
            value=age,
            worse=Worse.HIGHER,
        )


restore_test = Probe(
    id="sqlserver.restore-test",
    title="A back-up was restored within the last year",
    check=check_restore,
    levels=RestoreLevels(),
    kind="sqlserver",
    messages={
        "never": "No restore of any back-up is recorded on this instance in the last 400 days.",
        "old": "The last restore that is known is {age} old (of {last}, {source}).",
    },
    why=(
        "Whether a back-up is good shows when it is restored. Those that never were are often incomplete, "
        "and nobody knows how long it takes."
    ),
    remedy=(
        "Restore last night's back-up under another name, here or on another machine: RESTORE DATABASE "
        "[name_test] FROM DISK = N'...' WITH MOVE ..., then DBCC CHECKDB ([name_test]), note the time it "
        "took, and DROP DATABASE [name_test]. Tested elsewhere? Say so in the site file: declare: "
        "restore_tested."
    ),
    verify="msdb.dbo.restorehistory has a row of type D, or the site file names the day.",
    rights="SELECT on msdb.dbo.restorehistory, msdb.dbo.backupset; VIEW ANY DATABASE",
    references=("restorehistory (Transact-SQL), Microsoft Learn", "dbachecks TestLastBackup"),
)


# --- how long msdb remembers ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """All of msdb's rows about back-ups; the oldest by its end, which msdb has an index on: years of rows are
    not read through for it."""

    sets: int
    oldest_at: datetime | None


class Histories(SqlFacts[History]):
    pass


backup_history = Section(
    name="sqlserver-backup-history",
    facts=Histories,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT (SELECT COUNT(*) FROM msdb.dbo.backupset AS s) AS sets,
       (SELECT MIN(t.backup_finish_date) FROM msdb.dbo.backupset AS t) AS oldest_at
""",
                    reads=("msdb.dbo.backupset",),
                    rights=("SELECT ON msdb.dbo.backupset",),
                ),
            ),
            row=History,
            most_rows=1,
        )
    },
    parse=reader(Histories, History),
    privacy="a count and a time",
)


@dataclass(frozen=True, slots=True)
class HistoryLevels:
    most_days: float = 60.0  # sp_Blitz check 3
    least_days: float = 2.0  # sp_Blitz check 186
    most_sets: int = 10_000  # BackupTables of Microsoft's assessment rules


def check_history(facts: Histories, levels: HistoryLevels, ctx: Context) -> Iterator[Result]:
    found = next(iter(facts.rows), None)
    if found is None or found.oldest_at is None:
        yield NotApplicable(reason="no back-up is recorded")
        return
    age = facts.server.asked_at - found.oldest_at
    evidence: dict[str, Value] = {
        "sets": Number(found.sets),
        "age": Duration(age.total_seconds()),
        "oldest": Instant(found.oldest_at),
    }
    yield Metric(name="sets", value=Number(found.sets))
    if age < timedelta(days=levels.least_days):
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="short", evidence=evidence)
    elif age > timedelta(days=levels.most_days) and found.sets > levels.most_sets:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="long",
            evidence=evidence,
            value=Number(found.sets),
            worse=Worse.HIGHER,
        )
    else:
        yield Passed(evidence=evidence)


history = Probe(
    id="sqlserver.backup-history",
    title="The history of back-ups is kept for weeks, not for years",
    check=check_history,
    levels=HistoryLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={
        "long": "msdb remembers {sets} back-ups, the oldest {age} old.",
        "short": "msdb remembers back-ups of {age} only: whether nights were missed cannot be told.",
    },
    why=(
        "Rows of years make each back-up and each look at them slower; a history that is emptied every day "
        "hides the nights that failed."
    ),
    remedy=(
        "Weekly, by a job (on Express by the Windows task scheduler and sqlcmd): DECLARE @day datetime; SET "
        "@day = DATEADD(day, -60, GETDATE()); EXEC msdb.dbo.sp_delete_backuphistory @oldest_date = @day; the "
        "first time month by month, in a quiet hour. Gain: quicker back-ups and restores by hand. There is "
        "no way back; the back-ups themselves stay. Is it too short: remove the job that empties it."
    ),
    verify="SELECT COUNT(*), MIN(backup_start_date) FROM msdb.dbo.backupset shows about 60 days.",
    rights="SELECT on msdb.dbo.backupset",
    references=("sp_delete_backuphistory, Microsoft Learn", "sp_Blitz checks 3 and 186, First Responder Kit"),
)
