"""What an ODBC driver counts in each table, beside what the definitions declare: a second opinion.

The number of rows that a definition declares is not exact in every healthy file (of 120 that were looked at
9 differed, in tables of the system mostly), so a difference alone is worth knowing and is no damage. MDBTools
answers by that very number and reads no row (206 MB in 0.04 s): agreement says that two programs read the
same tables in the same way, and not that each row is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    When,
)
from probes.access import parts
from probes.access.parts import Part


class TableCounts(NamedTuple):
    """`declared` and `by_driver`: rows, None where the one or the other does not know."""

    name: str
    listed: bool
    declared: int | None
    listed_by_driver: bool
    by_driver: int | None
    error: str


class DriverCounts(NamedTuple):
    """`driver` is "" where none was asked; `error` is why it counted nothing."""

    driver: str
    error: str
    tables: tuple[TableCounts, ...]


def parse(raw: JSON, source: str, version: int) -> DriverCounts:
    found = parts.part_or_none(raw, "oracle")
    if found is None:
        return DriverCounts("", "", ())
    return DriverCounts(
        parts.text(found, "driver"),
        parts.text(found, "error"),
        tuple(_table(one) for one in parts.objects(found, "tables")),
    )


def _table(one: Part) -> TableCounts:
    return TableCounts(
        name=parts.text(one, "table"),
        listed=parts.flag(one, "listed"),
        declared=parts.whole_or_none(one, "declared"),
        listed_by_driver=parts.flag(one, "listed_by_driver"),
        by_driver=parts.whole_or_none(one, "by_driver"),
        error=parts.text(one, "error"),
    )


driver_counts = Section(
    name="access-driver-counts",
    facts=DriverCounts,
    collect={"access": AccessFile(("oracle",), depth="catalogue")},
    parse=parse,
    privacy="names of tables and counts of rows",
)


def check(facts: DriverCounts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.driver:
        yield NotApplicable(reason="no driver was asked: that takes `reach: {transport: odbc}`")
        return
    driver = Text(facts.driver)
    if facts.error:
        yield NotChecked(reason=facts.error)
    elif not facts.tables:
        yield NotApplicable(reason="the file has no tables")
    for one in facts.tables:
        if one.listed != one.listed_by_driver:
            yield Finding(
                impact=Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT,
                message="unlisted" if one.listed else "unknown",
                item=one.name,
                evidence={"driver": driver},
            )
        elif one.declared is None or one.by_driver is None:
            yield NotChecked(item=one.name, reason=one.error or "its definition cannot be read")
        elif one.declared != one.by_driver:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="differ",
                item=one.name,
                evidence={
                    "driver": driver,
                    "declared": Number(one.declared),
                    "counted": Number(one.by_driver),
                },
            )
        else:
            yield Passed(item=one.name, evidence={"rows": Number(one.by_driver)})


probe = Probe(
    id="access.driver-counts",
    title="An ODBC driver sees the tables and numbers of rows that the reader sees",
    check=check,
    levels=NoLevels(),
    messages={
        "differ": "{driver} counts {counted} rows in {item}; its definition declares {declared}.",
        "unlisted": "{driver} does not list the table {item}, which is in the file's own list.",
        "unknown": "{driver} lists the table {item}, which is not in the file's own list.",
    },
    why="Two programs that know nothing of each other and agree are more than one; where they do not, look.",
    remedy=(
        "Compare the rows with what the program shows. Access writes the declared number anew when the file "
        "is compacted; make a back-up before."
    ),
    verify="The next check-up finds both numbers the same.",
    kind="access",
)
