"""Statements that take most of the server's time, by their number; their text is never asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Duration,
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
    Text,
    Visit,
    When,
    Worse,
)
from probes.postgresql.counting import MONITOR
from probes.sql.rows import reader


@dataclass(frozen=True, slots=True)
class Statement:
    """`statement_id` is what the extension calls queryid; `part` is the share of the time of all."""

    statement_id: str
    database_name: str
    calls: int
    total_s: float
    part: float


class Statements(SqlFacts[Statement]):
    pass


def _text(time: str) -> str:
    """Where the extension is in a database but not loaded, its view fails; its settings are not there then,
    and the view is not asked."""
    return f"""
SELECT COALESCE(s.queryid, 0)::text AS statement_id, COALESCE(d.datname, '')::text AS database_name,
       SUM(s.calls)::bigint AS calls, (SUM(s.{time}) / 1000)::double precision AS total_s,
       (SUM(s.{time}) / (SELECT SUM(w.{time}) FROM public.pg_stat_statements AS w))::double precision AS part
FROM public.pg_stat_statements AS s
LEFT JOIN pg_database AS d ON d.oid = s.dbid
WHERE current_setting('pg_stat_statements.max', true) IS NOT NULL
GROUP BY s.queryid, d.datname
HAVING SUM(s.{time}) > 0
ORDER BY total_s DESC
LIMIT 20
"""  # noqa: S608  the parts are constants of this file


def _variant(time: str) -> SqlVariant:
    return SqlVariant(
        _text(time),
        reads=("public.pg_stat_statements", "pg_database"),
        since=(10,),
        needs=(f"public.pg_stat_statements.{time}",),
        rights=("pg_monitor",),
    )


statements = Section(
    name="postgresql-statements",
    facts=Statements,
    collect={
        # The extension's version decides, and it may be older than the server's.
        "postgresql": Sql((_variant("total_exec_time"), _variant("total_time")), row=Statement, most_rows=20)
    },
    parse=reader(Statements, Statement),
    privacy="numbers, calls and times of statements; never their text",
)


@dataclass(frozen=True, slots=True)
class StatementLevels:
    share: float = 0.1  # of all time; less is not worth the work; ours
    slow_s: float = 0.02  # a call; PgHero slow_query_ms
    calls: int = 100  # PgHero slow_query_calls


def check(facts: Statements, levels: StatementLevels, ctx: Context) -> Iterator[Result]:
    if not facts.rows:
        yield NotApplicable(
            reason="the extension counts nothing: it has to be in shared_preload_libraries, and the server "
            "started anew"
        )
        return
    found = False
    for one in facts.rows:
        item = f"{one.database_name} {one.statement_id}"
        yield Metric(name="share", value=Ratio(round(one.part, 4)), item=item)
        mean = one.total_s / max(one.calls, 1)
        if one.part < levels.share or mean < levels.slow_s or one.calls < levels.calls:
            continue
        found = True
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="slow",
            item=item,
            evidence={
                "share": Ratio(round(one.part, 3)),
                "calls": Number(one.calls),
                "mean": Duration(round(mean, 3)),
                "total": Duration(round(one.total_s)),
                "database": Text(one.database_name),
            },
            value=Ratio(round(one.part, 3)),
            worse=Worse.HIGHER,
        )
    if not found:
        yield Passed(evidence={"statements": Number(len(facts.rows))})


probe = Probe(
    id="postgresql.top-statements",
    title="No slow statement takes a large part of the server's time",
    check=check,
    levels=StatementLevels(),
    kind="postgresql",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"slow": "Statement {item} takes {share} of the time: {calls} calls of {mean} each."},
    why="Where a few statements take most of the time, making these faster is felt by everyone.",
    remedy=(
        "Send us this report: we, the vendor, look the statement up by its number and make it faster. Gain: "
        "up to the share shown. An administrator then runs SELECT pg_stat_statements_reset(), so that the "
        "next tune-up measures anew. Nothing else is changed."
    ),
    verify="The next tune-up shows a smaller share for this number.",
    rights=MONITOR,
    references=("PgHero: slow_query_ms, slow_query_calls", "PostgreSQL documentation: pg_stat_statements"),
)
