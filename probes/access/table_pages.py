"""Where the pages of each table lie: how much of the file it takes, and in how many pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Bytes,
    Context,
    Finding,
    Impact,
    Metric,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Ratio,
    Result,
    Section,
    Text,
    When,
    Worse,
)
from probes.access import parts


@dataclass(frozen=True, slots=True)
class TablePages:
    """`runs`: pieces in which the data pages lie, a piece being pages in a row."""

    name: str
    rows: int
    data: int
    index: int
    long_values: int
    runs: int

    @property
    def pages(self) -> int:
        return self.data + self.index + self.long_values


class Placement(NamedTuple):
    tables: tuple[TablePages, ...]
    page_size: int
    limit_bytes: int
    complete: bool


def parse(raw: JSON, source: str, version: int) -> Placement:
    header, maps = parts.part(raw, "header"), parts.part(raw, "maps")
    known = {
        parts.whole(one, "page"): (parts.text(one, "name"), parts.whole(one, "rows"))
        for one in parts.objects(raw, "tables")
    }
    tables: list[TablePages] = []
    for one in parts.objects(maps, "tables"):
        page = parts.whole(one, "page")
        # A table whose definition cannot be read has no name: access.integrity tells of it.
        name, rows = known.get(page, (f"the table defined on page {page}", 0))
        counts = (parts.whole(one, key) for key in ("data_pages", "index_pages", "long_value_pages", "runs"))
        tables.append(TablePages(name, rows, *counts))
    return Placement(
        tuple(tables),
        parts.whole(header, "page_size", 1),
        parts.whole(header, "limit_bytes", 1),
        parts.flag(maps, "complete"),
    )


placement = Section(
    name="access-table-pages",
    facts=Placement,
    collect={"access": AccessFile(("header", "tables", "maps"), depth="maps")},
    parse=parse,
    privacy="names of tables, counts of rows and pages",
)


# --- tables that fill the file ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LargeLevels:
    large: float = 0.40  # share of the format's limit that one table takes; our own experience
    too_large: float = 0.75


MOST_MEASURED = 12  # tables whose size and rows are remembered, and printed: the largest


def check_large(facts: Placement, levels: LargeLevels, ctx: Context) -> Iterator[Result]:
    if not facts.tables:
        yield _nothing(facts)
        return
    yield Metric(name="tables", value=Number(len(facts.tables)))
    for table in sorted(facts.tables, key=lambda one: (-one.pages, one.name))[:MOST_MEASURED]:
        yield Metric(name="table_bytes", item=table.name, value=Bytes(table.pages * facts.page_size))
        yield Metric(name="rows", item=table.name, value=Number(table.rows))
    shares = [one.pages * facts.page_size / facts.limit_bytes for one in facts.tables]
    for table, share in zip(facts.tables, shares, strict=True):
        if share >= levels.large:
            too_large = share >= levels.too_large
            yield Finding(
                impact=Impact.MAJOR if too_large else Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT if too_large else When.LATER,
                message="large",
                item=table.name,
                evidence={
                    "share": Ratio(share),
                    "size": Bytes(table.pages * facts.page_size),
                    "largest": Bytes(facts.limit_bytes),
                    "long_values": Bytes(table.long_values * facts.page_size),
                    "rows": Number(table.rows),
                },
                value=Ratio(share),
                worse=Worse.HIGHER,
            )
    if max(shares) < levels.large:
        yield Passed(evidence={"share": Ratio(max(shares))}) if facts.complete else _unseen()


def _nothing(facts: Placement) -> Result:
    return NotApplicable(reason="the file has no table of its own") if facts.complete else _unseen()


def _unseen() -> NotChecked:
    return NotChecked(reason="some maps of the file cannot be read, so not every page was counted")


large_tables = Probe(
    id="access.near-limit-tables",
    title="No single table fills the data file",
    check=check_large,
    levels=LargeLevels(),
    messages={
        "large": "Table {item} takes {size}, {share} of the {largest} that a file may have; long texts and "
        "pictures are {long_values} of it."
    },
    why="A table cannot lie in two files: one that outgrows its file cannot be helped by splitting the file.",
    remedy=(
        "Before the whole file is near its limit: with the maker's help, move old records, or pictures and "
        "documents, to a second file, or the table to SQL Server."
    ),
    verify="The next check-up shows a share below the level.",
    kind="access",
    references=("Microsoft: Access specifications, database size",),
)


# --- tables in many pieces --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScatterLevels:
    least_pages: int = 256  # data pages (1 MiB at 4 KiB): smaller tables are read in no time
    few_in_a_row: float = 4.0  # pages in a piece, on average; a fresh file has hundreds; our own experience


def check_scatter(facts: Placement, levels: ScatterLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.tables if one.data >= levels.least_pages and one.runs]
    if not looked:
        yield (
            _nothing(facts)
            if not facts.tables
            else NotApplicable(reason=f"no table has {levels.least_pages} data pages")
        )
        return
    scattered = [one for one in looked if one.data / one.runs < levels.few_in_a_row]
    if scattered:
        pieces = sum(one.runs for one in scattered)
        yield Finding(
            impact=Impact.NOTE,
            when=When.LATER,
            message="scattered",
            evidence={
                "count": Number(len(scattered)),
                "names": Text(parts.named([one.name for one in scattered])),
                "pages": Number(sum(one.data for one in scattered)),
                "pieces": Number(pieces),
                # What compaction leaves at best is one piece of each, and every piece is a seek or a request.
                "gain": Ratio(1 - len(scattered) / pieces),
            },
            value=Number(pieces),
            worse=Worse.HIGHER,
        )
    if not scattered:
        yield Passed(evidence={"tables": Number(len(looked))}) if facts.complete else _unseen()


scattered_tables = Probe(
    id="access.scattered-tables",
    title="Large tables lie in few pieces",
    check=check_scatter,
    levels=ScatterLevels(),
    messages={
        "scattered": "Tables all over the file ({count}), {pages} pages in {pieces} pieces: {names}. "
        "Compacted, reading them whole takes up to {gain} fewer jumps."
    },
    why="A search through a table that lies all over the file has to jump, and cannot be read ahead.",
    remedy="Back up and compact the file with everyone out (see access.compaction-safe first).",
    verify="The next check-up counts far fewer pieces, and lists of many records open faster.",
    kind="access",
)
