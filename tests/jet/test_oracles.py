"""What other readers see in the corpora is what this reader sees; where not, the table below says why.

Each test goes over every file that the other reader can read and lists all disagreements that no
explanation fits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from checkup.jet.catalogue import Catalogue, Table, read_catalogue
from checkup.jet.definition import Column, Definition
from checkup.jet.formats import JET3
from checkup.jet.opening import AccessFile
from checkup.jet.small_tables import read_small_tables
from tests.jet.corpora import ABSENT, access_files
from tests.jet.made import open_path
from tests.jet.oracles import Mdbtools, ask_access_parser, ask_mdb_reader, needs_mdbtools, simple

Oracle = Literal["mdbtools", "mdb-reader", "access-parser"]


@dataclass(frozen=True)
class Difference:
    """`theirs` and `ours` are None where one has nothing of the kind."""

    oracle: Oracle
    subject: str
    file: str
    where: str
    theirs: Any
    ours: Any


@dataclass(frozen=True)
class Explanation:
    oracle: Oracle
    subject: str
    fits: Callable[[Difference], bool]
    reason: str


EXPLAINED: Final = (
    Explanation(
        "mdbtools",
        "index",
        lambda d: d.where == "number is not data number",
        "mdbtools takes an index's own number for that of its data; the two differ after an index was "
        "dropped. The names (a unique index on a table TableUnique…, id2 on column id2) bear the file out.",
    ),
    Explanation(
        "mdbtools",
        "column type",
        lambda d: d.theirs.startswith("Numeric (39") and d.ours == "Numeric (0, 0)",
        "a calculated column: mdbtools prints its length in place of the precision, which it has none of",
    ),
    Explanation(
        "mdbtools",
        "column type",
        lambda d: (d.theirs, d.ours) == ("Text (255)", "Text (0)"),
        "a calculated text has no length of its own; mdbtools prints 255 where a length is 0",
    ),
    Explanation(
        "mdbtools",
        "text",
        lambda d: d.ours is not None and d.theirs == d.ours.split("\0")[0],
        "mdbtools ends a text at its first zero character",
    ),
    Explanation(
        "mdbtools",
        "text",
        lambda d: "\ufffd" in d.ours and d.theirs == d.ours.replace("\ufffd", "?"),
        "a byte that the code page does not have: mdbtools writes a question mark",
    ),
    Explanation(
        "mdbtools",
        "text",
        lambda d: d.theirs == "".join("??" if ord(c) > 0xFFFF else c for c in d.ours),
        "mdbtools does not join surrogates to one character",
    ),
    Explanation(
        "mdb-reader",
        "column",
        lambda d: d.ours[1] == "boolean" and d.theirs == (d.ours[0], "boolean", 0, *d.ours[3:]),
        "mdb-reader gives booleans no size; the definition states 1",
    ),
    Explanation(
        "mdb-reader",
        "column",
        lambda d: d.ours[1] == "complex" and d.theirs == (*d.ours[:3], True, *d.ours[4:]),
        "the flags of a complex column have the bit that means AutoNumber elsewhere (jackcess ColumnImpl)",
    ),
    Explanation(
        "mdb-reader",
        "unreadable table",
        lambda d: d.where == "MSysAccessObjects" and "Unsupported column type" in d.theirs,
        "its column Data has type 0x11, which mdb-reader refuses and this reader leaves as bytes",
    ),
)

# The words that mdb-schema prints for types, and those of mdb-reader, where they differ from this reader's.
MDBTOOLS_TYPES: Final = {
    "boolean": "Boolean",
    "byte": "Byte",
    "integer": "Integer",
    "long": "Long Integer",
    "currency": "Currency",
    "float": "Single",
    "double": "Double",
    "date": "DateTime",
    "ole": "OLE",
    "memo": "Memo/Hyperlink",
    "guid": "Replication ID",
    "binary": "Binary",
    "complex": "Unknown_0012",
    "big-integer": "Unknown_0013",
    "extended-date": "Unknown_0014",
}
MDB_READER_TYPES: Final = {
    "guid": "repid",
    "big-integer": "bigint",
    "extended-date": "datetimextended",
    "date": "datetime",
}
COMPARED_VALUES: Final = ("text", "long", "integer", "byte", "boolean")


def readable() -> list[tuple[Path, AccessFile, Catalogue]]:
    if not access_files():
        pytest.skip(ABSENT)
    files = [(path, open_path(path)) for path in access_files()]
    return [(path, file, read_catalogue(file)) for path, file in files if file.header.readable]


def check(differences: Iterator[Difference]) -> None:
    """Fails with every difference that no explanation fits."""
    unexplained = [
        difference
        for difference in differences
        if not any(
            (one.oracle, one.subject) == (difference.oracle, difference.subject) and one.fits(difference)
            for one in EXPLAINED
        )
    ]
    assert unexplained == []


def compare_sets(
    oracle: Oracle, subject: str, path: Path, where: str, theirs: Counter[Any], ours: Counter[Any]
) -> Iterator[Difference]:
    for only in theirs - ours:
        yield Difference(oracle, subject, path.name, where, only, None)
    for only in ours - theirs:
        yield Difference(oracle, subject, path.name, where, None, only)


def defined(table: Table) -> Definition:
    assert table.definition is not None, table.name
    return table.definition


@needs_mdbtools
def test_mdbtools_tables_counts_and_queries() -> None:
    def differences() -> Iterator[Difference]:
        for path, _, catalogue in readable():
            peer = Mdbtools(path)
            lists = {
                "table": (peer.tables(system=False), [t.name for t in catalogue.user_tables()]),
                "system table": (peer.tables(system=True), [t.name for t in catalogue.tables]),
                "query": (peer.queries(), [query.name for query in catalogue.queries]),
            }
            for subject, (theirs, ours) in lists.items():
                yield from compare_sets("mdbtools", subject, path, "", Counter(theirs), Counter(ours))
            for table in catalogue.user_tables():
                theirs, ours = peer.count(table.name), defined(table).row_count
                if theirs != ours:
                    yield Difference("mdbtools", "count", path.name, table.name, theirs, ours)

    check(differences())


@needs_mdbtools
def test_mdbtools_columns_and_types() -> None:
    def differences() -> Iterator[Difference]:
        for path, file, catalogue in readable():
            theirs = Mdbtools(path).columns()
            for table in catalogue.user_tables():
                columns = defined(table).columns
                peers = theirs.get(table.name, [])
                if [name for name, _ in peers] != [column.name for column in columns]:
                    yield Difference("mdbtools", "columns", path.name, table.name, peers, columns)
                    continue
                for (name, their_type), column in zip(peers, columns, strict=True):
                    our_type = printed_type(column, file)
                    # It prints a length of 255 behind types that have none.
                    if their_type.replace(" (255)", "") != our_type.replace(" (255)", ""):
                        where = f"{table.name}.{name}"
                        yield Difference("mdbtools", "column type", path.name, where, their_type, our_type)

    check(differences())


def printed_type(column: Column, file: AccessFile) -> str:
    if column.type_name == "text":
        return f"Text ({column.length if file.header.layout is JET3 else column.length // 2})"
    if column.type_name == "numeric":
        return f"Numeric ({column.precision}, {column.scale})"
    return MDBTOOLS_TYPES[column.type_name]


@needs_mdbtools
def test_mdbtools_indexes() -> None:
    def differences() -> Iterator[Difference]:
        for path, _, catalogue in readable():
            theirs, ours = Mdbtools(path).indexes(), set[Any]()
            confused: set[str] = set()
            for table in catalogue.user_tables():
                found = defined(table)
                for index in found.indexes:
                    if index.number != index.data_number:
                        confused.add(simple(table.name))
                    if index.kind == "foreign":
                        continue
                    data = found.index_data[index.data_number]
                    names = {column.number: simple(column.name) for column in found.columns}
                    primary = index.kind == "primary"
                    parts = tuple((names[c.number], not c.ascending and not primary) for c in data.columns)
                    kind = "primary" if primary else "unique" if data.is_unique else ""
                    ours.add((simple(table.name), kind, parts))
            for only in theirs ^ ours:
                where = "number is not data number" if only[0] in confused else only[0]
                mine = only if only in ours else None
                yield Difference("mdbtools", "index", path.name, where, None if mine else only, mine)

    check(differences())


@needs_mdbtools
def test_mdbtools_relationships() -> None:
    def differences() -> Iterator[Difference]:
        for path, _, catalogue in readable():
            theirs = Counter(
                (
                    (r.name, r.child, r.child_column, r.parent, r.parent_column),
                    (not r.bits & 2, bool(r.bits & 0x100), bool(r.bits & 0x1000), bool(r.bits & 1)),
                )
                for r in Mdbtools(path).relations()
            )
            ours = Counter(
                (
                    (r.name, r.child, child, r.parent, parent),
                    (r.is_enforced, r.cascades_updates, r.cascades_deletes, r.is_one_to_one),
                )
                for r in catalogue.relationships
                for child, parent in zip(r.child_columns, r.parent_columns, strict=True)
            )
            yield from compare_sets("mdbtools", "relationship", path, "", theirs, ours)

    check(differences())


@needs_mdbtools
def test_mdbtools_values_of_every_row_of_every_table() -> None:
    """Texts, whole numbers and booleans: rows that lie elsewhere, nulls, compressed texts, Jet 3's jumps."""

    def differences() -> Iterator[Difference]:
        for path, file, catalogue in readable():
            peer = Mdbtools(path)
            for table in catalogue.tables:
                yield from value_differences(path, file, table, peer.rows(table.name))

    check(differences())


def value_differences(
    path: Path, file: AccessFile, table: Table, peers: list[dict[str, Any]]
) -> Iterator[Difference]:
    found = defined(table)
    columns = [c for c in found.columns if c.type_name in COMPARED_VALUES and not c.is_calculated]
    names = [column.name for column in columns]
    content = read_small_tables(file.pages, [(found, names)], file.header.text_encoding)[found.page]
    if content.damages:
        yield Difference("mdbtools", "damage", path.name, table.name, None, content.damages)
    booleans = {column.name for column in columns if column.type_name == "boolean"}
    theirs = Counter(
        tuple(bool(row.get(name)) if name in booleans else row.get(name) for name in names) for row in peers
    )
    ours = Counter(tuple(row[name] for name in names) for row in content.rows)
    only_theirs = sorted((theirs - ours).elements(), key=repr)
    only_ours = sorted((ours - theirs).elements(), key=repr)
    if len(only_theirs) != len(only_ours):
        yield Difference("mdbtools", "rows", path.name, table.name, only_theirs, only_ours)
        return
    for their_row, our_row in zip(only_theirs, only_ours, strict=True):
        for name, their_value, our_value in zip(names, their_row, our_row, strict=True):
            if their_value != our_value:
                kind = "text" if isinstance(our_value, str) else "value"
                where = f"{table.name}.{name}"
                yield Difference("mdbtools", kind, path.name, where, their_value, our_value)


@needs_mdbtools
def test_mdbtools_properties() -> None:
    def differences() -> Iterator[Difference]:
        for path, _, catalogue in readable():
            peer = Mdbtools(path)
            for table in catalogue.user_tables():
                theirs = peer.properties(table.name)
                ours = {"": table.properties.own, **table.properties.columns}
                for owner in theirs.keys() | {name for name, values in ours.items() if values}:
                    mine = {name: printed(value) for name, value in ours.get(owner, {}).items()}
                    peers = theirs.get(owner, {})
                    # Bytes and dates are compared by name only.
                    alike = {name: mine[name] or peers[name] for name in peers.keys() & mine.keys()}
                    if peers != alike or mine.keys() != alike.keys():
                        where = f"{table.name}.{owner}"
                        yield Difference("mdbtools", "property", path.name, where, peers, mine)

    check(differences())


def printed(value: object) -> str:
    """As mdb-prop prints it; "" where it is not compared."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | str) else ""


def test_mdb_reader(tmp_path: Path) -> None:
    files = readable()
    answers = ask_mdb_reader([path for path, _, _ in files], tmp_path)

    def differences() -> Iterator[Difference]:
        for path, _, catalogue in files:
            answer = answers[str(path)]
            if "error" in answer:
                yield Difference("mdb-reader", "file", path.name, "", answer["error"], None)
                continue
            lists = {
                "table": (answer["users"], catalogue.user_tables()),
                "link": (answer["links"], catalogue.links),
                "system table": (answer["tables"], catalogue.tables),
            }
            for subject, (theirs, ours) in lists.items():
                names = Counter(one.name for one in ours)
                yield from compare_sets("mdb-reader", subject, path, "", Counter(list(theirs)), names)
            for table in catalogue.tables:
                yield from mdb_reader_table(path, table, answer["tables"].get(table.name, {}))

    check(differences())


def mdb_reader_table(path: Path, table: Table, theirs: Mapping[str, Any]) -> Iterator[Difference]:
    if "error" in theirs:
        yield Difference("mdb-reader", "unreadable table", path.name, table.name, theirs["error"], None)
        return
    found = defined(table)
    if theirs["rows"] != found.row_count:
        yield Difference("mdb-reader", "count", path.name, table.name, theirs["rows"], found.row_count)
    ours = {
        c.name: (
            c.name,
            MDB_READER_TYPES.get(c.type_name, c.type_name),
            c.length,
            c.is_autonumber,
            c.precision,
            c.scale,
        )
        for c in found.columns
    }
    # It sorts columns by their numbers.
    peers = {column[0]: tuple(column) for column in theirs["columns"]}
    for name in ours.keys() | peers.keys():
        if ours.get(name) != peers.get(name):
            yield Difference("mdb-reader", "column", path.name, table.name, peers.get(name), ours.get(name))


def test_access_parser() -> None:
    """It lists the users' tables and a few of the system's; most files of ACE 14 and later it cannot read."""
    files = readable()
    answers = ask_access_parser([path for path, _, _ in files])
    assert sum("error" not in answer for answer in answers.values()) >= len(files) // 2

    def differences() -> Iterator[Difference]:
        for path, _, catalogue in files:
            answer = answers[str(path)]
            if "error" in answer:
                continue
            theirs = answer["tables"]
            missing = {table.name for table in catalogue.user_tables()} - theirs.keys()
            unknown = theirs.keys() - {table.name for table in catalogue.tables}
            for name in missing | unknown:
                yield Difference("access-parser", "table", path.name, name, theirs.get(name), None)
            for table in catalogue.tables:
                if table.name in theirs:
                    found, peer = defined(table), theirs[table.name]
                    ours = (found.page, found.row_count, sorted([c.name, c.type] for c in found.columns))
                    peers = (peer["page"], peer["rows"], sorted(peer["columns"]))
                    if peers != ours:
                        yield Difference("access-parser", "table", path.name, table.name, peers, ours)

    check(differences())
