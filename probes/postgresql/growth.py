"""How fast the databases grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import Context, NotApplicable, Probe, Result
from probes.postgresql.counting import hidden, identifier
from probes.postgresql.databases import Databases
from probes.sql.growth import DOUBLES, judge_growth


@dataclass(frozen=True, slots=True)
class GrowthLevels:
    soon_days: int = 180  # doubled within this time: look at the disk before the next visit; ours
    later_days: int = 365  # doubled within this time: plan; ours
    least_bytes: int = 2 * 1024**3  # a smaller database may double on any disk of today; ours


def check_growth(facts: Databases, levels: GrowthLevels, ctx: Context) -> Iterator[Result]:
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")
    for one in facts.users:
        if one.size_bytes is None:
            grant = f"GRANT CONNECT ON DATABASE {identifier(one.database_name)} TO {identifier(one.login)}"
            yield hidden(grant, one.database_name)
            continue
        yield from judge_growth(
            one.database_name,
            one.size_bytes,
            ctx,
            soon_days=levels.soon_days,
            later_days=levels.later_days,
            least_bytes=levels.least_bytes,
        )


growth = Probe(
    id="postgresql.database-growth",
    title="Databases grow slowly enough to plan for",
    check=check_growth,
    levels=GrowthLevels(),
    kind="postgresql",
    messages=DOUBLES,
    why="A disk that the database fills stops the whole instance, and back-ups take longer and longer.",
    remedy=(
        "Compare with the free space of the disk that holds the data directory and of the back-ups. Extend "
        "the disk before the date given, and tell us which database grows so fast."
    ),
    verify="The next visits show slower growth, or a disk with room for twice the size.",
    rights="CONNECT on the databases",
    references=("check_pgactivity: database_size",),
)
