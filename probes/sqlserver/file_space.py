"""How full the files of each database are, how far they may grow, and when that ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from checkup.api import (
    Bytes,
    Context,
    Duration,
    Finding,
    Impact,
    Instant,
    Metric,
    NotApplicable,
    NotEnoughHistory,
    Number,
    Passed,
    Probe,
    Ratio,
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
from probes.sqlserver.databases import Databases
from probes.sqlserver.files import express_limit
from probes.sqlserver.places import volume_of
from probes.sqlserver.volumes import Volumes

RIGHTS = "CONNECT ANY DATABASE (before 2014: a user in each database, without any role)"
_NOBODY = "no database of the clinic that is written to could be entered, or there is none"


@dataclass(frozen=True, slots=True)
class FileSpace:
    """`filegroup` is 0 for a log. `growth` is 0 where the file does not grow; `most_bytes` is None without a
    limit of its own; `used_bytes` is None where the server does not tell."""

    database: str
    file_name: str
    kind: str
    path: str
    filegroup: int
    size_bytes: int
    used_bytes: int | None
    most_bytes: int | None
    growth: int

    @property
    def item(self) -> str:
        return f"{self.database}/{self.file_name}"

    @property
    def used(self) -> int:
        return self.size_bytes if self.used_bytes is None else self.used_bytes

    @property
    def may_grow(self) -> bool:
        return self.growth > 0 and (self.most_bytes is None or self.size_bytes < self.most_bytes)


class FileSpaces(SqlFacts[FileSpace]):
    def by_database(self) -> dict[str, list[FileSpace]]:
        found: dict[str, list[FileSpace]] = defaultdict(list)
        for one in self.rows:
            found[one.database].append(one)
        return dict(found)


# size, growth, max_size and SpaceUsed are pages of 8 KB; max_size 268435456 is the 2 TB that any log has
# ("sys.database_files (Transact-SQL)", "FILEPROPERTY (Transact-SQL)").
file_spaces = Section(
    name="sqlserver-file-space",
    facts=FileSpaces,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT DB_NAME() AS [database], f.name AS file_name, f.type_desc AS kind, f.physical_name AS path,
       f.data_space_id AS [filegroup], CONVERT(bigint, f.size) * 8192 AS size_bytes,
       CONVERT(bigint, FILEPROPERTY(f.name, 'SpaceUsed')) * 8192 AS used_bytes,
       CASE WHEN f.max_size = -1 OR f.max_size = 268435456 THEN NULL
            WHEN f.max_size = 0 THEN CONVERT(bigint, f.size) * 8192
            ELSE CONVERT(bigint, f.max_size) * 8192 END AS most_bytes,
       f.growth AS growth
FROM sys.database_files AS f
WHERE f.type IN (0, 1)
""",
                    reads=("sys.database_files",),
                    rights=("CONNECT ANY DATABASE",),
                ),
            ),
            row=FileSpace,
            scope="database",
            cost="medium",
        )
    },
    parse=reader(FileSpaces, FileSpace),
    privacy="names, paths and sizes of database files",
)


@dataclass(frozen=True, slots=True)
class Filling:
    spaces: FileSpaces
    databases: Databases | None

    def filled(self) -> list[tuple[str, list[FileSpace]]]:
        """By database, in order of names; without those that are read-only, which never need more room."""
        known = self.databases.rows if self.databases else ()
        still = {one.database_name for one in known if one.is_read_only}
        return [
            (name, group) for name, group in sorted(self.spaces.by_database().items()) if name not in still
        ]


# --- room inside the files --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoomLevels:
    free: float = 0.20  # of the data files (dbachecks filegrowthfreespacethreshold; Microsoft's rules: 0.25)


def check_room(facts: Filling, levels: RoomLevels, ctx: Context) -> Iterator[Result]:
    judged = {
        name: [one for one in group if one.kind == "ROWS" and one.used_bytes is not None]
        for name, group in facts.filled()
    }
    for name, group in judged.items():
        size, used = sum(one.size_bytes for one in group), sum(one.used for one in group)
        if not size:
            continue
        free = Ratio(max(size - used, 0) / size)
        yield Metric(name="used_bytes", value=Bytes(used), item=name)
        evidence: dict[str, Value] = {
            "free": free,
            "size": Bytes(size),
            "used": Bytes(used),
            "limit": Ratio(levels.free),
        }
        if free.value < levels.free:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="tight",
                item=name,
                evidence=evidence,
                value=free,
                worse=Worse.LOWER,
            )
        else:
            yield Passed(item=name, evidence=evidence)
    if not any(judged.values()):
        yield NotApplicable(reason=_NOBODY)


room = Probe(
    id="sqlserver.file-room",
    title="Data files have room before they must grow",
    check=check_room,
    levels=RoomLevels(),
    kind="sqlserver",
    messages={"tight": "The data files of {item} ({size}) have {free} of room left before they grow."},
    why="A file that grows by itself does so in working hours, and whoever saves at that moment waits.",
    remedy=(
        "In a quiet hour: ALTER DATABASE [name] MODIFY FILE (NAME = N'file', SIZE = ...MB) to what a year "
        "needs, if the volume has the room. Leave growth on as a safety net. The way back is DBCC "
        "SHRINKFILE, which is not worth it."
    ),
    verify="In Management Studio, Reports, Disk usage shows free room in the data files.",
    rights=RIGHTS,
    references=(
        "sys.database_files (Transact-SQL), Microsoft Learn",
        "dbachecks filegrowthfreespacethreshold",
    ),
)


# --- files that may not grow ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FullLevels:
    full: float = 0.80  # share used, of a file or of its limit; dbachecks leaves 20 % free


def _relieved(one: FileSpace, group: Iterable[FileSpace]) -> bool:
    """Does another file take what this one cannot? Files of a filegroup are filled side by side."""
    return any(
        other is not one and other.filegroup == one.filegroup and other.may_grow
        for other in group
        if other.kind == one.kind
    )


def check_fixed(facts: Filling, levels: FullLevels, ctx: Context) -> Iterator[Result]:
    files = [(one, group) for _, group in facts.filled() for one in group]
    fixed = [(one, group) for one, group in files if not one.growth and one.size_bytes]
    if not files:
        yield NotApplicable(reason=_NOBODY)
    elif not fixed:
        yield Passed(evidence={"files": Number(len(files))})
    for one, group in fixed:
        share = Ratio(one.used / one.size_bytes)
        evidence: dict[str, Value] = {
            "share": share,
            "size": Bytes(one.size_bytes),
            "limit": Ratio(levels.full),
        }
        if share.value >= levels.full and not _relieved(one, group):
            yield Finding(
                impact=Impact.MAJOR,
                message="full",
                item=one.item,
                evidence=evidence,
                value=share,
                worse=Worse.HIGHER,
            )
        else:
            yield Passed(item=one.item, evidence=evidence)


fixed_files = Probe(
    id="sqlserver.file-growth-off",
    title="Files that may not grow have room",
    check=check_fixed,
    levels=FullLevels(),
    kind="sqlserver",
    messages={"full": "{item} is {share} full ({size}) and is not allowed to grow."},
    why=(
        "When such a file is full, entries fail with error 1105, in a log with 9002, though the disk has "
        "room."
    ),
    remedy=(
        "ALTER DATABASE [name] MODIFY FILE (NAME = N'file', FILEGROWTH = 256MB); for a log 64MB; nobody "
        "needs to leave. The way back: FILEGROWTH = 0. If growth was turned off on purpose, ask us how large "
        "the file should be."
    ),
    verify="SELECT name, growth FROM sys.database_files, run in the database, shows more than 0.",
    rights=RIGHTS,
    references=("ALTER DATABASE file options, Microsoft Learn",),
)


def check_capped(facts: Filling, levels: FullLevels, ctx: Context) -> Iterator[Result]:
    files = [(one, group) for _, group in facts.filled() for one in group]
    capped = [(one, group) for one, group in files if one.growth and one.most_bytes]
    if not files:
        yield NotApplicable(reason=_NOBODY)
    elif not capped:
        yield Passed(evidence={"files": Number(len(files))})
    for one, group in capped:
        assert one.most_bytes
        share = Ratio(one.used / one.most_bytes)
        evidence: dict[str, Value] = {
            "share": share,
            "cap": Bytes(one.most_bytes),
            "size": Bytes(one.size_bytes),
            "limit": Ratio(levels.full),
        }
        full = share.value >= levels.full and not _relieved(one, group)
        yield Metric(name="used_bytes", value=Bytes(one.used), item=one.item, limit=one.most_bytes)
        yield Finding(
            impact=Impact.MAJOR if full else Impact.NOTE,
            when=When.BEFORE_NEXT_VISIT if full else When.LATER,
            message="full" if full else "capped",
            item=one.item,
            evidence=evidence,
            value=share,
            worse=Worse.HIGHER,
        )


capped_files = Probe(
    id="sqlserver.file-limit",
    title="No limit of its own stops a file from growing",
    check=check_capped,
    levels=FullLevels(),
    kind="sqlserver",
    messages={
        "full": "{item} holds {share} of the {cap} that it may reach.",
        "capped": "{item} ({size}) may reach {cap} and no more; {share} of that is in use.",
    },
    why="At its limit a file takes no further entry (error 1105, in a log 9002), though the disk has room.",
    remedy=(
        "Ask us whether the limit is meant. If not: ALTER DATABASE [name] MODIFY FILE (NAME = N'file', "
        "MAXSIZE = UNLIMITED); nobody needs to leave. The way back is the same statement with the limit "
        "named here."
    ),
    verify="SELECT name, max_size FROM sys.database_files, run in the database, shows -1 or 268435456.",
    rights=RIGHTS,
    references=("ALTER DATABASE file options, Microsoft Learn", "sp_Blitz check 80, First Responder Kit"),
)


# --- when it ends -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Growing:
    spaces: FileSpaces
    volumes: Volumes | None


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    near_days: int = 30  # the time that buying and building in a disk takes
    soon_days: int = 180  # before the visit after the next


def room_of(name: str, group: list[FileSpace], facts: Growing) -> int | None:
    """What the data of one database may reach, in bytes: by its files, the edition, and the volumes, where
    the other files of a volume are taken to stay as they are. None where nothing limits it that is known."""
    used = sum(one.used for one in group)
    limits: list[int] = []
    if facts.spaces.server.edition == "express":
        limits.append(express_limit(facts.spaces.server.version))
    if group and all(not one.growth or one.most_bytes for one in group):
        limits.append(
            sum(one.most_bytes if one.growth and one.most_bytes else one.size_bytes for one in group)
        )
    if facts.volumes is not None:
        mounts = facts.volumes.mounts
        there = {volume_of(one.path, mounts).casefold() for one in group if one.growth}
        free = {one.mount.casefold(): one.free_bytes for one in facts.volumes.rows}
        if there and there <= free.keys():
            inside = sum(max(one.size_bytes - one.used, 0) for one in group)
            limits.append(used + inside + sum(free[one] for one in there))
    return min(limits, default=None)


def check_growth(facts: Growing, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    databases = {
        name: data
        for name, group in sorted(facts.spaces.by_database().items())
        if (data := [one for one in group if one.kind == "ROWS"])
    }
    if not databases:
        yield NotApplicable(reason=_NOBODY)
    for name, group in databases.items():
        used = sum(one.used for one in group)
        limit = room_of(name, group, facts)
        yield Metric(name="data_bytes", value=Bytes(used), item=name, limit=limit)
        if limit is None:
            yield NotApplicable(
                item=name, reason="what limits it is not known: the volumes could not be seen"
            )
            continue
        forecast = ctx.forecast("data_bytes", used, limit, name)
        if isinstance(forecast, NotEnoughHistory):
            yield NotApplicable(
                item=name,
                reason=f"not enough history: {forecast.points} of {forecast.needed} measurements",
            )
            continue
        evidence: dict[str, Value] = {
            "used": Bytes(used),
            "room": Bytes(limit),
            "growth_a_month": Bytes(round(forecast.per_day * 30)),
        }
        if forecast.reached is None:
            yield Passed(item=name, evidence=evidence)
            continue
        left = forecast.reached - ctx.now
        evidence |= {
            "full_on": Instant(forecast.reached),
            "days_left": Duration(left.total_seconds()),
            "limit": Duration(timedelta(days=levels.soon_days).total_seconds()),
        }
        if left > timedelta(days=levels.soon_days):
            yield Passed(item=name, evidence=evidence)
        else:
            near = left <= timedelta(days=levels.near_days)
            yield Finding(
                impact=Impact.MAJOR,
                when=When.NOW if near else When.BEFORE_NEXT_VISIT,
                message="fills",
                item=name,
                evidence=evidence,
                value=Duration(left.total_seconds()),
                worse=Worse.LOWER,
            )


growth = Probe(
    id="sqlserver.growth",
    title="No database outgrows its room before the next visits",
    check=check_growth,
    levels=GrowthLevels(),
    kind="sqlserver",
    messages={
        "fills": (
            "At its growth so far ({growth_a_month} a month), {item} will reach the {room} that it may hold "
            "about {full_on}."
        )
    },
    why="A database that runs full stops work on a day that can be known today.",
    remedy=(
        "Before the date given: extend the volume, lift the limit of the files, or on Express ask us for an "
        "archive run or plan another edition; whichever of them limits the database."
    ),
    verify="The forecast of the next visit shows a date more than half a year away.",
    rights=f"{RIGHTS}; for the volumes VIEW SERVER STATE, VIEW ANY DEFINITION",
    references=("sys.database_files (Transact-SQL), Microsoft Learn",),
)
