"""The databases that the site file names: are they on the instance."""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import (
    Context,
    NoLevels,
    Probe,
    Result,
)
from probes.postgresql.databases import Databases
from probes.sql.declared import MESSAGES, WHY, judge_declared


def check_declared(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield from judge_declared([one.database_name for one in facts.rows], len(facts.users), ctx)


declared_databases = Probe(
    id="postgresql.declared-databases",
    title="The databases that belong to the site are on the instance",
    check=check_declared,
    levels=NoLevels(),
    kind="postgresql",
    messages=MESSAGES,
    why=WHY,
    remedy=(
        "Find out where the database went: another instance, another name (upper and lower case differ), "
        "dropped? Then correct `databases:` in the site file, or restore the database from the last back-up."
    ),
    verify="SELECT datname FROM pg_database shows the database.",
    rights="an ordinary login",
    references=("PostgreSQL documentation: pg_database",),
)
