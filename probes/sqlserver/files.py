"""The files of all databases as the instance itself lists them: how large, where, and how they grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
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
    Text,
    Visit,
    When,
    Worse,
    judge,
)
from probes.sql.rows import reader

GIB = 1024**3
MIB = 1024**2
RIGHTS = "VIEW ANY DEFINITION"

SYSTEM = frozenset({"master", "model", "msdb", "tempdb"})


@dataclass(frozen=True, slots=True)
class File:
    """`kind` is ROWS, LOG, FILESTREAM or FULLTEXT; `size_bytes` of tempdb is that after a start.

    `growth_bytes` is the fixed step, 0 where the file does not grow; `growth_percent` the other kind of step.
    `most_bytes` is what the file may reach, None without a limit of its own.
    """

    database_name: str
    file_name: str
    kind: str
    path: str
    size_bytes: int
    most_bytes: int | None
    growth_bytes: int
    growth_percent: int

    @property
    def is_system(self) -> bool:
        return self.database_name in SYSTEM

    @property
    def item(self) -> str:
        return f"{self.database_name}/{self.file_name}"

    @property
    def may_grow(self) -> bool:
        steps = self.growth_bytes or self.growth_percent
        return bool(steps) and (self.most_bytes is None or self.size_bytes < self.most_bytes)


class Files(SqlFacts[File]):
    def by_database(self) -> dict[str, list[File]]:
        found: dict[str, list[File]] = defaultdict(list)
        for one in self.rows:
            found[one.database_name].append(one)
        return dict(found)


# size, growth and max_size are pages of 8 KB; max_size 268435456 is the 2 TB that any log has
# ("sys.master_files (Transact-SQL)").
files = Section(
    name="sqlserver-files",
    facts=Files,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.name AS database_name, f.name AS file_name, f.type_desc AS kind, f.physical_name AS path,
       CONVERT(bigint, f.size) * 8192 AS size_bytes,
       CASE WHEN f.max_size = -1 OR f.max_size = 268435456 THEN NULL
            WHEN f.max_size = 0 THEN CONVERT(bigint, f.size) * 8192
            ELSE CONVERT(bigint, f.max_size) * 8192 END AS most_bytes,
       CASE WHEN f.is_percent_growth = 1 THEN CONVERT(bigint, 0)
            ELSE CONVERT(bigint, f.growth) * 8192 END AS growth_bytes,
       CASE WHEN f.is_percent_growth = 1 THEN f.growth ELSE 0 END AS growth_percent
FROM sys.master_files AS f
JOIN sys.databases AS d ON d.database_id = f.database_id
WHERE d.source_database_id IS NULL
""",
                    reads=("sys.master_files", "sys.databases"),
                    rights=("VIEW ANY DEFINITION", "VIEW ANY DATABASE"),
                ),
            ),
            row=File,
            # Without the right the files of others' databases are left out, and no error.
            canary="""
SELECT COUNT(*) AS filtered
FROM sys.databases AS d
WHERE d.state = 0 AND d.source_database_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM sys.master_files AS f WHERE f.database_id = d.database_id)
""",
            most_rows=10_000,
        )
    },
    parse=reader(Files, File),
    privacy="names, paths and sizes of database files",
)


# --- the limit of Express ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpressLevels:
    tight: float = 0.75  # share of the edition's limit; our own experience: a year of growth is left
    full: float = 0.90


def express_limit(version: tuple[int, ...]) -> int:
    """What one database's data files may hold on Express ("Editions and supported features" by version)."""
    if version < (10, 50):
        return 4 * GIB
    return (10 if version < (17,) else 50) * GIB


def check_express(facts: Files, levels: ExpressLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.edition != "express":
        yield NotApplicable(reason="this edition sets no limit to a database")
        return
    limit = express_limit(facts.server.version)
    looked = False
    for name, group in sorted(facts.by_database().items()):
        if name in SYSTEM:
            continue
        looked = True
        size = sum(one.size_bytes for one in group if one.kind == "ROWS")
        yield Metric(name="size_bytes", value=Bytes(size), item=name, limit=limit)
        yield from judge(
            "share",
            Ratio(size / limit),
            (
                Step(levels.full, Impact.MAJOR, When.BEFORE_NEXT_VISIT, "full"),
                Step(levels.tight, Impact.LIMITED, When.BEFORE_NEXT_VISIT),
            ),
            worse=Worse.HIGHER,
            message="tight",
            item=name,
            evidence={"size": Bytes(size), "cap": Bytes(limit)},
        )
    if not looked:
        yield NotApplicable(reason="there is no database of the clinic here")


express = Probe(
    id="sqlserver.express-limit",
    title="Databases stay well below the limit of SQL Server Express",
    check=check_express,
    levels=ExpressLevels(),
    kind="sqlserver",
    messages={
        "tight": "The data files of {item} take {size}, {share} of the {cap} that Express allows.",
        "full": (
            "The data files of {item} take {size}, {share} of the {cap} that Express allows: soon they grow "
            "no more, and when they are full nothing can be entered."
        ),
    },
    why=(
        "At the limit of Express the files grow no more: once the room within them is used up, every entry "
        "that needs room fails with error 1105 or 1827, whatever room the disk has."
    ),
    remedy=(
        "Ask us for an archive run. If that does not last, plan SQL Server Standard, or a newer Express if "
        "that has a higher limit: an edition upgrade takes an hour, with everyone out and a full back-up "
        "before it."
    ),
    verify="The next check-up shows the database below the level given, or another edition.",
    rights=RIGHTS,
    references=("Editions and supported features of SQL Server, Microsoft Learn",),
)


# --- steps of growth --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepLevels:
    least_gib: float = 1.0  # smaller files grow quickly in any step (sp_Blitz checks 82 and 158)
    small_mib: float = 1.0  # the step that SQL Server 2014 and older set by default (sp_Blitz check 158)


def _steps(
    bad: Callable[[File, StepLevels], bool], shown: Callable[[File], str]
) -> Callable[[Files, StepLevels, Context], Iterator[Result]]:
    def check(facts: Files, levels: StepLevels, ctx: Context) -> Iterator[Result]:
        large = [
            one
            for one in facts.rows
            if one.kind in ("ROWS", "LOG")
            and one.size_bytes > levels.least_gib * GIB
            and (one.growth_bytes or one.growth_percent)
        ]
        if not large:
            yield NotApplicable(reason=f"no file that grows is larger than {levels.least_gib:g} GiB")
        for one in large:
            evidence = {"step": Text(shown(one)), "size": Bytes(one.size_bytes)}
            if bad(one, levels):
                yield Finding(
                    impact=Impact.LIMITED, when=When.LATER, message="step", item=one.item, evidence=evidence
                )
            else:
                yield Passed(item=one.item, evidence=evidence)

    return check


def _step(one: File) -> str:
    return f"{one.growth_percent} %" if one.growth_percent else f"{one.growth_bytes / MIB:g} MiB"


_STEP_WHY = (
    "Whoever saves at the moment when a file grows waits until that is done. Steps that fit keep that short "
    "and rare; a log of many small steps also starts and restores slowly."
)
_STEP_REMEDY = (
    "ALTER DATABASE [name] MODIFY FILE (NAME = N'file', FILEGROWTH = 256MB); 64MB for logs; nobody needs to "
    "leave. Gain: growth that nobody feels. The way back is the same statement with the step named here."
)

percent_growth = Probe(
    id="sqlserver.percent-growth",
    title="Large files grow by a fixed step",
    check=_steps(lambda one, levels: bool(one.growth_percent), _step),
    levels=StepLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"step": "{item} ({size}) grows by {step} at a time: each step is larger than the last."},
    why=_STEP_WHY,
    remedy=_STEP_REMEDY,
    verify="SELECT name, growth, is_percent_growth FROM sys.master_files shows is_percent_growth 0.",
    rights=RIGHTS,
    references=("ALTER DATABASE file options, Microsoft Learn", "sp_Blitz check 82, First Responder Kit"),
)

small_growth = Probe(
    id="sqlserver.small-growth",
    title="Large files do not grow in tiny steps",
    check=_steps(
        lambda one, levels: not one.growth_percent and one.growth_bytes <= levels.small_mib * MIB, _step
    ),
    levels=StepLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"step": "{item} ({size}) grows by {step} at a time: it does so all the time."},
    why=_STEP_WHY,
    remedy=_STEP_REMEDY,
    verify="SELECT name, growth FROM sys.master_files shows 8192 (64 MB) or more.",
    rights=RIGHTS,
    references=("ALTER DATABASE file options, Microsoft Learn", "sp_Blitz check 158, First Responder Kit"),
)


# --- logs larger than the data ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogSizeLevels:
    share: float = 1.0  # of the data files (sp_Blitz check 75; dbachecks logfilesizepercentage 100)
    least_gib: float = 1.0  # smaller logs do no harm (sp_Blitz check 75)


def check_log_size(facts: Files, levels: LogSizeLevels, ctx: Context) -> Iterator[Result]:
    looked = False
    for name, group in sorted(facts.by_database().items()):
        if name in SYSTEM:
            continue
        looked = True
        log = sum(one.size_bytes for one in group if one.kind == "LOG")
        data = sum(one.size_bytes for one in group if one.kind != "LOG")
        evidence = {"log": Bytes(log), "data": Bytes(data)}
        yield Metric(name="log_bytes", value=Bytes(log), item=name)
        if log > levels.least_gib * GIB and log > levels.share * data:
            yield Finding(
                impact=Impact.LIMITED,
                message="large",
                item=name,
                evidence=evidence,
                value=Bytes(log),
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=name, evidence=evidence)
    if not looked:
        yield NotApplicable(reason="there is no database of the clinic here")


log_size = Probe(
    id="sqlserver.log-size",
    title="No log is larger than the data it belongs to",
    check=check_log_size,
    levels=LogSizeLevels(),
    kind="sqlserver",
    messages={"large": "The log of {item} takes {log}, its data {data}."},
    why=(
        "A log grows like that when it is not backed up, or when one huge change ran in it. It takes the "
        "room of the data, and a restore has to write all of it."
    ),
    remedy=(
        "First see that log back-ups run (or that SIMPLE is agreed on). Then once, in a quiet hour: USE "
        "[name]; DBCC SHRINKFILE (N'log file', size in MB) to about a quarter of the data. Never as a job. "
        "The way back: ALTER DATABASE [name] MODIFY FILE (NAME = N'log file', SIZE = ...)."
    ),
    verify="SELECT name, size * 8 / 1024 FROM sys.master_files shows the new size in MB, a month later too.",
    rights=RIGHTS,
    references=("Manage the size of the transaction log file, Microsoft Learn", "sp_Blitz check 75"),
)


# --- where the files lie ----------------------------------------------------------------------


def check_system_drive(facts: Files, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.server.platform == "linux":
        yield NotApplicable(reason="the server runs on Linux")
        return
    judged = {
        name: [one for one in group if one.path[:2].casefold() == "c:"]
        for name, group in sorted(facts.by_database().items())
        if name not in SYSTEM or name == "tempdb"
    }
    for name, there in judged.items():
        if there:
            size = sum(one.size_bytes for one in there)
            yield Finding(
                impact=Impact.LIMITED,
                message="there",
                item=name,
                evidence={"count": Number(len(there)), "size": Bytes(size)},
            )
        else:
            yield Passed(item=name)
    if not judged:
        yield NotApplicable(reason="the server lists no file")


system_drive = Probe(
    id="sqlserver.system-drive",
    title="Databases do not lie on the drive of Windows",
    check=check_system_drive,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"there": "Files of {item} lie on drive C, beside Windows ({count}, {size})."},
    why=(
        "A log or tempdb that grows fills the drive that Windows itself needs, and updates fill the one that "
        "the databases need: then both stop."
    ),
    remedy=(
        "Plan a move to a drive of its own, with everyone out, after a full back-up: ALTER DATABASE [name] "
        "MODIFY FILE (NAME = N'file', FILENAME = N'D:\\...'), take it offline, move the files, give the "
        "service's account full control of them and the folder, bring it online; tempdb: rights on the "
        "folder, restart the service. The way back is the same. With a single drive, watch its free space."
    ),
    verify="SELECT name, physical_name FROM sys.master_files shows no C:.",
    rights=RIGHTS,
    references=("Move user databases, Microsoft Learn", "sp_Blitz checks 25 and 26, First Responder Kit"),
)


def check_share(facts: Files, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    there = {
        name: [one for one in group if one.path.startswith("\\\\")]
        for name, group in sorted(facts.by_database().items())
    }
    for name, found in there.items():
        if found:
            yield Finding(
                impact=Impact.LIMITED, message="share", item=name, evidence={"count": Number(len(found))}
            )
        else:
            yield Passed(item=name)
    if not there:
        yield NotApplicable(reason="the server lists no file")


network_share = Probe(
    id="sqlserver.network-share",
    title="Databases lie on disks of the server itself",
    check=check_share,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"share": "Files of {item} lie on a network share ({count})."},
    why="When the share or the network stops for a moment, the database is taken down, and may be damaged.",
    remedy=(
        "Move the files to a disk of the server, with everyone out and after a full back-up: ALTER DATABASE "
        "[name] MODIFY FILE (NAME = N'file', FILENAME = N'D:\\...'), take the database offline, move the "
        "files, give the service's account full control of them and of the folder, bring it online. The way "
        "back is the same with the old path."
    ),
    verify="SELECT name, physical_name FROM sys.master_files shows no path that begins with two backslashes.",
    rights=RIGHTS,
    references=("SQL Server on SMB file shares, Microsoft Learn", "sp_Blitz check 148, First Responder Kit"),
)
