"""Locks on whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Probe,
    Result,
    Worse,
)
from probes.mariadb.counted import TUNE_UP, judge_counted, share_of
from probes.mariadb.server import (
    ANYONE,
    Counted,
    Server,
    with_early,
)


@dataclass(frozen=True, slots=True)
class LockLevels:
    least: float = 0.95  # of locks on tables, given at once: mysqltuner
    least_locks: int = 1000  # ours


def check_locks(facts: Server, levels: LockLevels, ctx: Context) -> Iterator[Result]:
    share = share_of(
        ("table_locks_immediate", "table_locks_waited"),
        lambda n: Counted(
            metric="share", part=n[0], whole=n[0] + n[1], least=levels.least_locks, what="locks on tables"
        ),
        facts,
    )
    yield from judge_counted(facts, share, levels.least, message="waits", worse=Worse.LOWER)


table_locks = Probe(
    id="mariadb.table-locks",
    title="Locks on whole tables are given at once",
    check=check_locks,
    levels=LockLevels(),
    kind="mariadb",
    visits=TUNE_UP,
    messages=with_early({"waits": "Only {share} of {whole} locks on tables were given at once."}),
    why="Tables of MyISAM and Aria are locked as a whole: one who saves makes all others wait.",
    remedy=(
        "Convert the tables that the probe on storage engines names, with our word that our release is "
        "tested so. Gain: nobody waits for somebody else's saving. The way back is named there."
    ),
    verify="After FLUSH STATUS and a week the share is above the limit.",
    rights=ANYONE,
    references=("sql: MY-LOCKS (mysqltuner)",),
)
