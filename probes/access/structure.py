"""How a data file is built: keys, limits, relationships, links, and what should lie in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    Ratio,
    Result,
    Text,
    Value,
    When,
    Worse,
)
from probes.access import parts
from probes.access.contents import Link, Links, Relationships, Table, Tables


def listed(
    names: Sequence[str], message: str, impact: Impact, when: When = When.LATER, *, item: str = ""
) -> Finding:
    """One finding about all of these names: evidence `count` and `names`."""
    return Finding(
        impact=impact,
        when=when,
        message=message,
        item=item,
        evidence={"count": Number(len(names)), "names": Text(parts.named(names))},
        value=Number(len(names)),
        worse=Worse.HIGHER,
    )


# --- primary keys -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyLevels:
    least_rows: int = 100  # a table of fewer rows is a setting or a list, and nobody misses its key


def check_primary_keys(facts: Tables, levels: KeyLevels, ctx: Context) -> Iterator[Result]:
    looked = [table for table in facts.tables if table.rows >= levels.least_rows]
    if not looked:
        yield NotApplicable(reason=f"no table has {levels.least_rows} rows")
        return
    lacking = [table.name for table in looked if all(one.kind != "primary" for one in table.indexes)]
    if lacking:
        yield listed(lacking, "lacking", Impact.LIMITED)
    else:
        yield Passed(evidence={"tables": Number(len(looked))})


primary_keys = Probe(
    id="access.primary-keys",
    title="Every table of the data file has a primary key",
    check=check_primary_keys,
    levels=KeyLevels(),
    messages={"lacking": "Tables without a primary key ({count}): {names}."},
    why=(
        "Without a key the same record can be entered twice, no relationship can be enforced, and a move to "
        "SQL Server makes the table read-only."
    ),
    remedy="Ask the maker of the product for a key; for tables of your own, look for duplicates and set one.",
    verify="The next check-up names no table.",
    kind="access",
)


# --- limits -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexLevels:
    near: int = 28  # indexes; an update adds a few
    limit: int = 32  # Microsoft, Access specifications: indexes in a table, hidden ones included


def check_indexes(facts: Tables, levels: IndexLevels, ctx: Context) -> Iterator[Result]:
    counts = [(table.name, len(table.indexes)) for table in facts.tables]
    yield from _against_limit(counts, levels.near, levels.limit)


@dataclass(frozen=True, slots=True)
class ColumnLevels:
    near: int = 240  # columns
    limit: int = 255  # Microsoft, Access specifications: fields in a table; deleted ones count as well


def check_columns(facts: Tables, levels: ColumnLevels, ctx: Context) -> Iterator[Result]:
    counts = [(table.name, max(table.most_columns, len(table.columns))) for table in facts.tables]
    yield from _against_limit(counts, levels.near, levels.limit)


def _against_limit(counts: Sequence[tuple[str, int]], near: int, limit: int) -> Iterator[Result]:
    """A finding for each table near its limit, else one pass with the largest count."""
    if not counts:
        yield NotApplicable(reason="the file has no table of its own")
        return
    for name, count in counts:
        if count >= near:
            reached = count >= limit
            yield Finding(
                impact=Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT if reached else When.LATER,
                message="reached" if reached else "near",
                item=name,
                evidence={"count": Number(count), "limit": Number(limit)},
                value=Number(count),
                worse=Worse.HIGHER,
            )
    largest = max(count for _, count in counts)
    if largest < near:
        yield Passed(evidence={"most": Number(largest), "limit": Number(limit)})


index_limit = Probe(
    id="access.index-limit",
    title="No table is near the limit of its indexes",
    check=check_indexes,
    levels=IndexLevels(),
    messages={
        "near": "Table {item} has {count} of the {limit} indexes that a table may have.",
        "reached": "Table {item} has all of the {limit} indexes that a table may have ({count}).",
    },
    why="At the limit no relationship and no index can be added: the product's next update may fail there.",
    remedy="Remove redundant indexes (see access.redundant-indexes) with the maker of the product.",
    verify="The next check-up counts fewer indexes.",
    kind="access",
    references=("Microsoft: Access specifications, table",),
)

column_limit = Probe(
    id="access.column-limit",
    title="No table is near the limit of its columns",
    check=check_columns,
    levels=ColumnLevels(),
    messages={
        "near": "Table {item} has used {count} of the {limit} columns that a table may have.",
        "reached": "Table {item} has used all of its {limit} columns ({count}), deleted ones included.",
    },
    why="Columns deleted or changed count until the next compaction; at the limit an update cannot add one.",
    remedy="Back up and compact the file; if the count stays, ask the maker to split the table.",
    verify="The next check-up counts fewer columns.",
    kind="access",
    references=("Microsoft: Access specifications, table",),
)


# --- AutoNumber -------------------------------------------------------------------------------

LAST_AUTONUMBER = 2**31 - 1  # a signed 32-bit number; the file gives it without its sign


@dataclass(frozen=True, slots=True)
class AutoNumberLevels:
    near: float = 0.80  # share of the numbers used; our own experience
    end: float = 0.95


def check_autonumber(facts: Tables, levels: AutoNumberLevels, ctx: Context) -> Iterator[Result]:
    counting = [table for table in facts.tables if _may_count_up(table)]
    if not counting:
        yield NotApplicable(reason="no table has a counting AutoNumber")
        return
    unknown = [one for one in counting if not _counts_up(one) and _share(one) >= levels.near]
    if unknown:
        names = parts.named([table.name for table in unknown])
        reason = f"whether AutoNumbers count or are random could not be read: {names}"
        yield NotChecked(item="not known", reason=reason)
        counting = [table for table in counting if table not in unknown]
    negative = [table.name for table in counting if table.last_autonumber > LAST_AUTONUMBER]
    if negative:
        names = parts.named(negative)
        yield NotChecked(item="negative", reason=f"the last AutoNumber is negative, so set by hand: {names}")
        counting = [table for table in counting if table.last_autonumber <= LAST_AUTONUMBER]
    shares = {table.name: _share(table) for table in counting}
    for table in counting:
        share = shares[table.name]
        if share >= levels.near:
            at_end = share >= levels.end
            yield Finding(
                impact=Impact.MAJOR if at_end else Impact.LIMITED,
                when=When.BEFORE_NEXT_VISIT if at_end else When.LATER,
                message="near",
                item=table.name,
                evidence={"share": Ratio(share), "last": Number(table.last_autonumber)},
                value=Ratio(share),
                worse=Worse.HIGHER,
            )
    most = max(shares.values(), default=0.0)
    if counting and most < levels.near:
        yield Passed(evidence={"share": Ratio(most)})


def _may_count_up(table: Table) -> bool:
    return any(column.autonumber and not column.random for column in table.columns)


def _share(table: Table) -> float:
    return table.last_autonumber / LAST_AUTONUMBER


def _counts_up(table: Table) -> bool:
    return any(column.autonumber and column.random is False for column in table.columns)


autonumber_end = Probe(
    id="access.autonumber-end",
    title="No counting AutoNumber is near its end",
    check=check_autonumber,
    levels=AutoNumberLevels(),
    messages={"near": "Table {item} has used {share} of its AutoNumbers; the last one is {last}."},
    why="After 2,147,483,647 Access gives no further positive number, and new records are refused or clash.",
    remedy="Find out what used so many (often an import that jumped), and have the maker renumber the table.",
    verify="The next check-up shows a share below the level.",
    kind="access",
)


# --- relationships ----------------------------------------------------------------------------


def check_relationships(facts: Relationships, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not facts.relationships:
        yield NotApplicable(reason="the file declares no relationships")
        return
    loose = [f"{one.child} to {one.parent}" for one in facts.relationships if not one.enforced]
    if loose:
        yield listed(loose, "loose", Impact.LIMITED)
    else:
        yield Passed(evidence={"relationships": Number(len(facts.relationships))})


relationships_enforced = Probe(
    id="access.relationships-enforced",
    title="Relationships between tables are enforced",
    check=check_relationships,
    levels=NoLevels(),
    messages={"loose": "Relationships drawn but not enforced ({count}): {names}."},
    why="Where nothing enforces it, a record can belong to a patient or case that is no longer there.",
    remedy="Have the maker of the product search for orphaned records and then enforce the relationships.",
    verify="The next check-up names no relationship.",
    kind="access",
)


# --- links ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinksAndTables:
    links: Links
    tables: Tables


def check_links(facts: LinksAndTables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    links = facts.links.links
    if not links:
        yield Passed(evidence={"links": Number(0)})
        return
    passwords = [one.name for one in links if one.saves_password]
    nowhere = [one.name for one in links if not one.target]
    if passwords:
        yield listed(passwords, "password", Impact.LIMITED, When.BEFORE_NEXT_VISIT, item="saved passwords")
    if nowhere:
        yield listed(nowhere, "nowhere", Impact.LIMITED, item="without a target")
    if any(table.rows for table in facts.tables.tables):
        yield from _elsewhere([one for one in links if one.target])
    elif not passwords and not nowhere:
        # All of its data lie elsewhere: that is what a front end is.
        yield Passed(evidence={"links": Number(len(links))})


def _elsewhere(links: Sequence[Link]) -> Iterator[Result]:
    if not links:
        return
    targets = list(dict.fromkeys(one.target for one in links))
    evidence: dict[str, Value] = {
        "count": Number(len(links)),
        "names": Text(parts.named([one.name for one in links])),
        "targets": Text(parts.named(targets)),
    }
    yield Finding(
        impact=Impact.LIMITED,
        when=When.LATER,
        message="elsewhere",
        item="elsewhere",
        evidence=evidence,
        value=Number(len(links)),
        worse=Worse.HIGHER,
    )


linked_tables = Probe(
    id="access.linked-tables",
    title="The data file holds its own data and no passwords to others",
    check=check_links,
    levels=NoLevels(),
    messages={
        "password": "Links that keep a password in the file, readable for all ({count}): {names}.",
        "nowhere": "Linked tables that name no file or server ({count}): {names}.",
        "elsewhere": "Tables that lie not here but in {targets} ({count}): {names}.",
    },
    why=(
        "A link out of a data file binds it to another one, which the back-up may not hold and a move may "
        "leave behind; a password kept with the link opens that server to whoever reads the file."
    ),
    remedy=(
        "Delete links that nobody uses; include the others' targets in the back-up; link servers with the "
        "user's own account in place of a kept password, and change that password."
    ),
    verify="The next check-up names no link, or only those you have agreed to.",
    kind="access",
)


# --- front end and back end -------------------------------------------------------------------

FRONT_END = ("form", "report", "macro", "module")
PLURALS = {"query": "queries"}


def check_front_end(facts: Tables, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not any(table.rows for table in facts.tables):
        yield NotApplicable(reason="no table of the file holds rows: it is no back end")
        return
    counts = {kind: sum(1 for one, _ in facts.objects if one == kind) for kind in FRONT_END}
    total = sum(counts.values())
    named = _names(facts)
    if not total:
        yield Passed(evidence=named)
        return
    kinds = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count)
    yield Finding(
        impact=Impact.LIMITED,
        when=When.LATER,
        message="mixed",
        evidence={"objects": Number(total), "kinds": Text(kinds), **named},
        value=Number(total),
        worse=Worse.HIGHER,
    )


def _names(facts: Tables) -> dict[str, Value]:
    """What of each kind the file holds beside its tables, by name."""
    names: dict[str, list[str]] = {}
    for kind, name in facts.objects:
        names.setdefault(PLURALS.get(kind, f"{kind}s"), []).append(name)
    return {kinds: Text(parts.named(some)) for kinds, some in names.items()}


front_end = Probe(
    id="access.front-end-as-back-end",
    title="Data and program lie in separate files",
    check=check_front_end,
    levels=NoLevels(),
    messages={"mixed": "The file holds data and program: beside its tables there are {kinds}."},
    why=(
        "Users who share one file of forms and data damage it more easily than anything else does, and an "
        "update of the program cannot be installed without touching the data."
    ),
    remedy=(
        "Split the file: tables into a back end on the server, forms and reports into a front end, a copy of "
        "it on every workstation. If these are forms of your own, move them to a file of your own."
    ),
    verify="The next check-up finds tables only.",
    kind="access",
    references=("Microsoft: Split an Access database",),
)
