"""Queries judged by their shape: which of them read, or change, the whole of a large table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Text,
    When,
    Worse,
)
from probes.access import parts
from probes.access.contents import Query
from probes.access.tuning import QueriesAndTables

READING = frozenset({"select", "crosstab", "append", "make-table"})
CHANGING = frozenset({"update", "delete"})

# How Access names what forms, reports and their controls get their rows from: the letter, then the object
# and the control with ~sq_ between them again.
_FOR_OBJECT = re.compile(r"~sq_([a-z])(.*?)(?:~sq_.*)?", re.DOTALL)
_OBJECTS = {"f": "form", "r": "report", "c": "list in form", "d": "list in report"}


@dataclass(frozen=True, slots=True)
class WholeLevels:
    large_rows: int = 50_000  # below, the whole table comes in a second or two; our own experience


def check_whole(facts: QueriesAndTables, levels: WholeLevels, ctx: Context) -> Iterator[Result]:
    rows = {table.name.casefold(): table.rows for table in facts.tables.tables}
    queries = facts.queries.queries
    if not any(count >= levels.large_rows for count in rows.values()):
        yield NotApplicable(reason=f"no table of the file has {levels.large_rows} rows")
        return
    if not queries:
        yield NotApplicable(reason="the file holds no query")
        return
    whole = {
        query: most
        for query in queries
        if not query.criteria and not query.limited and not query.cartesian
        for most in (max((rows.get(name.casefold(), 0) for name in query.sources), default=0),)
        if most >= levels.large_rows
    }
    found = [*_listed(whole, READING, "reads"), *_listed(whole, CHANGING, "changes")]
    yield from found
    if not found:
        yield Passed(evidence={"queries": Number(len(queries))})


def _listed(whole: dict[Query, int], kinds: frozenset[str], message: str) -> Iterator[Finding]:
    """One finding about all of them, those of the largest tables first."""
    these = {query: most for query, most in whole.items() if query.kind in kinds}
    if not these:
        return
    names = list(dict.fromkeys(_name(query) for query in sorted(these, key=lambda query: -these[query])))
    yield Finding(
        # A query that empties a table is meant to, mostly; one that a form reads is felt every day.
        impact=Impact.NOTE,
        when=When.LATER,
        message=message,
        item=message,
        evidence={
            "count": Number(len(names)),
            "names": Text(parts.named(names)),
            "rows": Number(max(these.values()), "rows"),
        },
        value=Number(len(names)),
        worse=Worse.HIGHER,
    )


def _name(query: Query) -> str:
    """What people know it by: for the rows of a form, the form."""
    found = _FOR_OBJECT.fullmatch(query.name) if query.for_object else None
    if found is None:
        return query.name
    return f"{_OBJECTS.get(found[1], 'object')} {found[2]}"


whole_tables = Probe(
    id="access.whole-table-queries",
    title="Queries ask large tables for the rows they need",
    check=check_whole,
    levels=WholeLevels(),
    messages={
        "reads": "Queries without criteria on large tables ({count}; the largest has {rows}): {names}. With "
        "criteria on an indexed column only the pages of those rows would be read.",
        "changes": "Queries that change or delete every row of a large table ({count}; {rows}): {names}.",
    },
    why=(
        "A query that names no criteria brings the whole table to the workstation, again for everybody who "
        "opens its form; one that changes all rows locks them for everybody else."
    ),
    remedy=(
        "Ask who made them what they are for: add criteria on an indexed column, open the form on one "
        "record, or delete what nobody uses."
    ),
    verify="The next check-up names fewer queries.",
    kind="access",
)
