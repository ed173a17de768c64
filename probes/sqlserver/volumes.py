"""The volumes that hold database files, as SQL Server sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
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
    Value,
    When,
    Worse,
)
from probes.sql.rows import reader

GIB = 1024**3
RIGHTS = "VIEW SERVER STATE, VIEW ANY DEFINITION"


@dataclass(frozen=True, slots=True)
class Volume:
    """`files` and `file_bytes` are those of databases."""

    mount: str
    size_bytes: int
    free_bytes: int
    files: int
    file_bytes: int


class Volumes(SqlFacts[Volume]):
    @property
    def mounts(self) -> tuple[str, ...]:
        return tuple(one.mount for one in self.rows)


volumes = Section(
    name="sqlserver-volumes",
    facts=Volumes,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT v.volume_mount_point AS mount, MAX(v.total_bytes) AS size_bytes, MIN(v.available_bytes) AS free_bytes,
       COUNT(*) AS files, SUM(CONVERT(bigint, f.size) * 8192) AS file_bytes
FROM sys.master_files AS f
CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) AS v
WHERE v.volume_mount_point IS NOT NULL AND v.total_bytes IS NOT NULL
GROUP BY v.volume_mount_point
""",
                    reads=("sys.master_files", "sys.dm_os_volume_stats"),
                    since=(10, 50, 2500),
                    needs=("sys.dm_os_volume_stats",),
                    rights=("VIEW SERVER STATE", "VIEW ANY DEFINITION"),
                ),
            ),
            row=Volume,
            # Without the right the files of others' databases are left out, and their volumes with them.
            canary="""
SELECT COUNT(*) AS filtered
FROM sys.databases AS d
WHERE d.state = 0 AND d.source_database_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM sys.master_files AS f WHERE f.database_id = d.database_id)
""",
        )
    },
    parse=reader(Volumes, Volume),
    privacy="drive letters and sizes of volumes",
)


@dataclass(frozen=True, slots=True)
class SpaceLevels:
    tight: float = 0.15  # share that is free; dbachecks policy.diskspace.percentfree says 0.20
    plenty_gib: float = 100.0  # free; of a large volume a small share is enough; our own experience
    full: float = 0.05
    full_gib: float = 5.0  # free; less than a day's back-up, log and updates of a clinic; our own experience


def check_space(facts: Volumes, levels: SpaceLevels, ctx: Context) -> Iterator[Result]:
    known = [one for one in facts.rows if one.size_bytes > 0]
    if not known:
        yield NotApplicable(reason="the server names no volume of its files")
    for one in known:
        free = one.free_bytes / one.size_bytes
        used = one.size_bytes - one.free_bytes
        yield Metric(name="used_bytes", value=Bytes(used), item=one.mount, limit=one.size_bytes)
        evidence: dict[str, Value] = {
            "free": Bytes(one.free_bytes),
            "share": Ratio(free),
            "size": Bytes(one.size_bytes),
            "files": Number(one.files),
            "limit": Ratio(levels.tight),
        }
        plenty = one.free_bytes >= levels.plenty_gib * GIB
        full = not plenty and (free < levels.full or one.free_bytes < levels.full_gib * GIB)
        if full or (free < levels.tight and not plenty):
            yield Finding(
                impact=Impact.MAJOR if full else Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT,
                message="full" if full else "tight",
                item=one.mount,
                evidence=evidence,
                value=Ratio(free),
                worse=Worse.LOWER,
            )
        else:
            yield Passed(item=one.mount, evidence=evidence)


space = Probe(
    id="sqlserver.volume-space",
    title="Volumes with database files have room to grow",
    check=check_space,
    levels=SpaceLevels(),
    kind="sqlserver",
    messages={
        "tight": "{item} has {free} free of {size} ({share}); {files} database files lie there.",
        "full": (
            "{item} is almost full: {free} free of {size} ({share}), and {files} database files lie there."
        ),
    },
    why=(
        "When a file cannot grow, every entry fails with error 1105 or 9002 until somebody makes room, and a "
        "log that cannot be written takes its database down."
    ),
    remedy=(
        "Move back-ups and installers to another machine, then extend the volume. Do not shrink databases: "
        "they grow again, and are slower for it. If a log is what grew, see that its back-ups run."
    ),
    verify="The properties of the drive show more free room than the level given.",
    rights=RIGHTS,
    references=("sys.dm_os_volume_stats (Transact-SQL), Microsoft Learn", "sp_Blitz check 92, dbachecks"),
)
