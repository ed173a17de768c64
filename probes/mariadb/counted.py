"""Shares of what an instance counted since its start, for the probes of a tune-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from checkup.api import (
    Impact,
    Number,
    Result,
    Value,
    Visit,
    Worse,
)
from probes.mariadb.server import (
    Counted,
    Server,
    judge_share,
    too_young,
    unknown,
)

TUNE_UP = frozenset({Visit.TUNE_UP})
IN_FILE = "and the same line in my.cnf (my.ini), section [mysqld]"


def share_of(
    names: tuple[str, ...], made: Callable[[list[float]], Counted], facts: Server
) -> Counted | Result:
    """The share made of these counters, or why it cannot be judged."""
    counts = facts.counts(*names)
    if counts is None:
        return unknown(*names)
    return too_young(facts) or made(counts)


def judge_counted(
    facts: Server,
    share: Counted | Result,
    limit: float,
    *,
    message: str,
    worse: Worse = Worse.HIGHER,
    impact: Impact = Impact.NOTE,
) -> Iterator[Result]:
    if not isinstance(share, Counted):
        yield share
        return
    evidence: dict[str, Value] = {"part": Number(share.part), "whole": Number(share.whole)}
    yield from judge_share(
        facts, share, limit, worse=worse, impact=impact, message=message, evidence=evidence
    )
