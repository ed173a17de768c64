"""What would make a data file faster, from its structure alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
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
    Text,
    When,
    Worse,
)
from probes.access import parts
from probes.access.contents import Index, Links, Queries, Relationships, Settings, Table, Tables
from probes.access.structure import listed

# --- indexes that are missing -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MissingLevels:
    least_rows: int = 1000  # rows of the table searched; below, no index is felt; our own experience


@dataclass(frozen=True)
class RelationshipsAndTables:
    relationships: Relationships
    tables: Tables


def check_missing(facts: RelationshipsAndTables, levels: MissingLevels, ctx: Context) -> Iterator[Result]:
    tables = {table.name.casefold(): table for table in facts.tables.tables}
    looked = [
        (tables[one.child.casefold()], one.child_columns)
        for one in facts.relationships.relationships
        if one.child.casefold() in tables and tables[one.child.casefold()].rows >= levels.least_rows
    ]
    if not looked:
        yield NotApplicable(reason=f"no relationship leads to a table of {levels.least_rows} rows")
        return
    missing = {
        f"{table.name}.{'+'.join(columns)}": table.rows
        for table, columns in looked
        if not any(_leads(index, columns) for index in table.indexes)
    }
    for name, rows in missing.items():
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="missing",
            item=name,
            evidence={"rows": Number(rows)},
            value=Number(rows),
            worse=Worse.HIGHER,
        )
    if not missing:
        yield Passed(evidence={"relationships": Number(len(looked))})


def _leads(index: Index, columns: tuple[str, ...]) -> bool:
    """Does the index start with these columns, in whatever order? Only so can it find their rows."""
    first = {one.casefold() for one in index.columns[: len(columns)]}
    return first == {one.casefold() for one in columns}


missing_indexes = Probe(
    id="access.foreign-key-indexes",
    title="Columns that join tables have an index",
    check=check_missing,
    levels=MissingLevels(),
    messages={
        "missing": "{item} joins tables without an index: each search reads {rows} rows in place of a few."
    },
    why=(
        "Without an index every opened case reads the whole other table over the network; that is the most "
        "frequent cause of slow screens."
    ),
    remedy="Ask the maker of the product to add the index; it takes minutes, with everyone out.",
    verify="The next check-up names no column, and the screen concerned opens faster (time it before).",
    kind="access",
)


# --- indexes that do nothing ------------------------------------------------------------------


def check_redundant(facts: Tables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.tables:
        yield NotApplicable(reason="the file has no table of its own")
        return
    redundant = [
        f"{table.name}.{index.name} (as {other})"
        for table in facts.tables
        for index, other in _redundant(table)
    ]
    if redundant:
        yield listed(redundant, "redundant", Impact.NOTE)
    else:
        yield Passed(evidence={"tables": Number(len(facts.tables))})


def _redundant(table: Table) -> Iterator[tuple[Index, str]]:
    """Plain indexes whose columns are the first ones of another that is kept, with that one's name."""
    dropped: set[str] = set()
    for index in table.indexes:
        if index.kind != "normal" or index.unique or not index.columns:
            continue
        for other in table.indexes:
            # Indexes that share one tree cost nothing; of two equal ones the first counts as redundant.
            if other.data == index.data or other.name in dropped:
                continue
            if _keys(other)[: len(index.columns)] == _keys(index):
                dropped.add(index.name)
                yield index, other.name
                break


def _keys(index: Index) -> tuple[tuple[str, bool], ...]:
    """Its columns, each with whether it goes downwards: the other way round it finds other rows first."""
    return tuple((column, column in index.descending) for column in index.columns)


redundant_indexes = Probe(
    id="access.redundant-indexes",
    title="No index repeats another one",
    check=check_redundant,
    levels=NoLevels(),
    messages={
        "redundant": "Indexes that only repeat others ({count}): {names}. Without them saving writes less."
    },
    why=(
        "Each index is written with every record saved and counts against the limit of 32; one whose columns "
        "another index starts with finds nothing that the other does not."
    ),
    remedy="Ask the maker of the product whether they may go, and delete them with everyone out.",
    verify="The next check-up names no index, and saving is no slower.",
    kind="access",
)


# --- subdatasheets ----------------------------------------------------------------------------

AUTO = "[auto]"


def check_subdatasheets(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.subdatasheets:
        yield NotApplicable(reason="the file has no table of its own")
        return
    auto = [table for table, shown in facts.subdatasheets if (shown or "").casefold() == AUTO]
    if auto:
        yield listed(auto, "auto", Impact.LIMITED)
    else:
        yield Passed(evidence={"tables": Number(len(facts.subdatasheets))})


subdatasheets = Probe(
    id="access.subdatasheets",
    title="No table opens others below its rows by itself",
    check=check_subdatasheets,
    levels=NoLevels(),
    messages={
        "auto": "Tables that show others below their rows by themselves ({count}): {names}. Set to none, "
        "opening such a table reads no second one."
    },
    why="With '[Auto]' Access also looks into the related table whenever it opens the one shown.",
    remedy="Set the property Subdatasheet Name of these tables to [None], with everyone out.",
    verify="The next check-up names no table, and lists open faster.",
    kind="access",
    references=("Microsoft: Help Access run faster, subdatasheets",),
)


# --- name AutoCorrect -------------------------------------------------------------------------


def check_names(facts: Settings, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.tracks_names is None:
        yield NotApplicable(reason="the file has no setting for it")
    elif facts.tracks_names:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="on")
    else:
        yield Passed()


name_autocorrect = Probe(
    id="access.name-autocorrect",
    title="The data file does not track changes of names",
    check=check_names,
    levels=NoLevels(),
    messages={"on": "Name AutoCorrect is on; without it opening and changing objects takes less work."},
    why="It is made for those who design a file; in daily work it costs time and makes the file larger.",
    remedy="In Access: Options, Current Database, switch off 'Track name AutoCorrect info'; then compact.",
    verify="The next check-up finds it off.",
    kind="access",
    references=("Microsoft: Help Access run faster, Name AutoCorrect",),
)


# --- random AutoNumber ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RandomLevels:
    least_rows: int = 10_000  # below, the whole index is in memory; our own experience


def check_random(facts: Tables, levels: RandomLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.tables if any(column.autonumber for column in one.columns)]
    if not looked:
        yield NotApplicable(reason="no table has an AutoNumber")
        return
    large = [table for table in looked if table.rows >= levels.least_rows]
    numbered = {table.name: _random_indexed(table) for table in large}
    random = [name for name, is_random in numbered.items() if is_random]
    unknown = [name for name, is_random in numbered.items() if is_random is None]
    if random:
        yield listed(random, "random", Impact.NOTE)
    if unknown:
        names = parts.named(unknown)
        yield NotChecked(
            item="not known", reason=f"whether AutoNumbers are random could not be read: {names}"
        )
    if not random and not unknown:
        yield Passed(evidence={"tables": Number(len(looked))})


def _random_indexed(table: Table) -> bool | None:
    """Has the table an index that begins with random AutoNumbers? None where that is not known."""
    indexed = {index.columns[:1] for index in table.indexes}
    numbers = [one.random for one in table.columns if one.autonumber and (one.name,) in indexed]
    return True if True in numbers else None if None in numbers else False


random_autonumber = Probe(
    id="access.random-autonumber",
    title="Large tables number their records in sequence",
    check=check_random,
    levels=RandomLevels(),
    messages={
        "random": "Large tables with random AutoNumbers ({count}): {names}. Counting ones would write each "
        "new record to the end of its index, not to a page anywhere in it."
    },
    why="Random numbers scatter new records over the index: more pages to read, lock and write for each.",
    remedy="Leave it if copies of the file are merged; else ask the maker for a counting number.",
    verify="The next check-up names no table.",
    kind="access",
)


# --- linked tables of a server ----------------------------------------------------------------


def check_link_keys(facts: Links, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    linked = [one for one in facts.links if one.kind == "odbc"]
    if not linked:
        yield NotApplicable(reason="no table of a server is linked")
        return
    lacking = [one.name for one in linked if one.has_key is False]
    unknown = [one.name for one in linked if one.has_key is None]
    if lacking:
        yield listed(lacking, "lacking", Impact.LIMITED)
    if unknown:
        names = parts.named(unknown)
        yield NotChecked(item="not known", reason=f"the file does not show whether there is a key: {names}")
    if not lacking and not unknown:
        yield Passed(evidence={"links": Number(len(linked))})


linked_without_key = Probe(
    id="access.linked-without-key",
    title="Linked tables of a server have a key",
    check=check_link_keys,
    levels=NoLevels(),
    messages={
        "lacking": "Linked tables of a server without a key ({count}): {names}. With one, Access fetches "
        "single records and can change them."
    },
    why="Without a key Access cannot name a single record: it reads the whole table and changes nothing.",
    remedy="Give the table a primary key on the server, or the link an index that is unique; then link anew.",
    verify="The next check-up names no link.",
    kind="access",
)


# --- queries ----------------------------------------------------------------------------------

LARGEST_PRODUCT = 10**15  # no reader needs more digits


@dataclass(frozen=True, slots=True)
class CartesianLevels:
    felt: int = 100_000  # rows of the product; below, nobody waits for it; our own experience


@dataclass(frozen=True)
class QueriesAndTables:
    queries: Queries
    tables: Tables


def check_cartesian(facts: QueriesAndTables, levels: CartesianLevels, ctx: Context) -> Iterator[Result]:
    queries = facts.queries.queries
    if not queries:
        yield NotApplicable(reason="the file holds no query")
        return
    rows = {table.name.casefold(): table.rows for table in facts.tables.tables}
    cartesian = [one for one in queries if one.cartesian]
    for query in cartesian:
        # The rows of a linked table or of another query are not known: at least one, or there is nothing.
        known = [rows.get(name.casefold()) for name in query.sources]
        product = math.prod(max(1, count or 1) for count in known)
        small = None not in known and product < levels.felt
        yield Finding(
            impact=Impact.NOTE if small else Impact.LIMITED,
            when=When.LATER,
            message="cartesian",
            item=query.name,
            evidence={
                "sources": Text(parts.named(query.sources)),
                "product": Number(min(product, LARGEST_PRODUCT), "rows at least"),
            },
        )
    if not cartesian:
        yield Passed(evidence={"queries": Number(len(queries))})


cartesian_queries = Probe(
    id="access.cartesian-queries",
    title="Every query says how its tables belong together",
    check=check_cartesian,
    levels=CartesianLevels(),
    messages={
        "cartesian": "Query {item} combines every row of {sources} with every other: {product}. Joined, it "
        "would give only what belongs together."
    },
    why="A product of tables takes as long as all their rows multiplied, and its sums are wrong.",
    remedy="Open the query in design view and draw the missing join, or delete it if nobody uses it.",
    verify="The next check-up names no query.",
    kind="access",
)
