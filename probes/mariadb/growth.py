"""How large each database is, and how fast it grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import Context, NotApplicable, Probe, Result
from probes.mariadb.tables import TABLES_RIGHT, Tables
from probes.sql.growth import DOUBLES, judge_growth


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    soon_days: int = 180  # doubled within this time: look at the disk before the next visit; ours
    later_days: int = 365  # doubled within this time: plan; ours


def check(facts: Tables, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    sizes: dict[str, int] = defaultdict(int)
    for one in facts.rows:
        # Free space is left out: of tables that share a file, each names all of the file's.
        sizes[one.database_name] += one.data_bytes + one.index_bytes
    if not sizes:
        yield NotApplicable(reason="the databases have no table")
    for name, size_bytes in sorted(sizes.items()):
        yield from judge_growth(
            name, size_bytes, ctx, soon_days=levels.soon_days, later_days=levels.later_days
        )


probe = Probe(
    id="mariadb.database-growth",
    title="Databases grow slowly enough to plan for",
    check=check,
    levels=GrowthLevels(),
    kind="mariadb",
    messages=DOUBLES,
    why="A disk that the database fills stops the whole server, and back-ups take longer and longer.",
    remedy=(
        "Compare with the free space of the disk that holds the data directory (SHOW GLOBAL VARIABLES LIKE "
        "'datadir' names it) and of the back-ups. Extend the disk before the date given, and tell us which "
        "database grows so fast."
    ),
    verify="The next visits show slower growth, or a disk with room for twice the size.",
    rights=TABLES_RIGHT,
    references=("MariaDB documentation: Information Schema TABLES Table, DATA_LENGTH and INDEX_LENGTH",),
)
