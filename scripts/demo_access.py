"""The clinic's Access file, as it was on a day: structure and maps of a real one, and no record.

Only the pages that tell how a file is built are written; those of records and indexes are holes in a file of
its full length, which take no room on the disk. Names and numbers are invented.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from demo_answers import grown

from checkup.jet.formats import JET4, KIND_INDEX_LEAF
from tests.jet.made import (
    CATALOGUE,
    LONG,
    MEMO,
    TEXT,
    MadeFile,
    MadeIndex,
    RowValue,
    data_page,
    definition,
    definition_pages,
    header,
    inline_map,
    map_page,
    reference_map,
    row,
)
from tests.jet.sound import index_page

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "demo" / "files" / "registry_be.accdb"
ACE_14 = 3
MIB = 1024**2
PAGES_A_MIB = MIB // JET4.page_size
MAP_COVERS = (JET4.page_size - 4) * 8  # pages that one page of bits tells of
MOST_MAPS = 17  # pages of bits for 2 GB

TABLES_ID, SYSTEM, FORM, QUERY = 0x0F000001, -0x80000000, -32768, 5
PRIMARY, FOREIGN = 1, 2  # kinds of index
FREE, LOST = -1, -2  # in place of the number of a purpose


@dataclass(frozen=True)
class Table:
    """As it is today; all grows with the file, by `mib_a_month`. `texts_mib` are long texts and pictures."""

    name: str
    columns: tuple[tuple[str, int], ...]
    rows: int
    data_mib: float
    index_mib: float
    texts_mib: float = 0.0
    mib_a_month: float = 0.0
    pieces: int = 40
    indexes: tuple[tuple[str, tuple[int, ...], int], ...] = (("PrimaryKey", (0,), PRIMARY),)


KEY, TEXT_OF = ("Id", LONG), ("Label", TEXT)
TABLES = (
    Table(
        "Documents",
        (KEY, ("AbstractId", LONG), TEXT_OF, ("Scan", MEMO)),
        48_212,
        14,
        3,
        texts_mib=702,
        mib_a_month=24,
        indexes=(("PrimaryKey", (0,), PRIMARY), ("AbstractId", (1,), FOREIGN)),
    ),
    Table(
        "Abstracts",
        (KEY, ("CaseNumber", LONG), ("Period", LONG), ("Remarks", MEMO)),
        61_840,
        118,
        19,
        texts_mib=44,
        mib_a_month=2,
        indexes=(("PrimaryKey", (0,), PRIMARY), ("CaseNumber", (1,), 0), ("Period", (2,), 0)),
    ),
    Table(
        "Answers",
        (KEY, ("AbstractId", LONG), ("QuestionId", LONG), ("Value", TEXT)),
        2_914_377,
        231,
        88,
        mib_a_month=6,
        pieces=21_400,
        # Nothing leads from an abstract to its answers: the index was lost in a move.
        indexes=(("PrimaryKey", (0,), PRIMARY), ("QuestionId", (2,), FOREIGN)),
    ),
    Table(
        "Audit trail",
        (KEY, ("AbstractId", LONG), ("Action", TEXT)),
        402_118,
        61,
        14,
        mib_a_month=1.4,
        indexes=(("PrimaryKey", (0,), PRIMARY), ("AbstractId", (1,), FOREIGN)),
    ),
    Table("Questions", (KEY, TEXT_OF), 1_288, 0.4, 0.1, pieces=1),
    Table("Submissions", (KEY, ("Period", LONG), TEXT_OF), 214, 0.1, 0.05, pieces=1),
    Table("Settings", (KEY, TEXT_OF), 41, 0.02, 0.02, pieces=1),
)
RELATIONS = (
    ("Answers", "AbstractId", "Abstracts"),
    ("Answers", "QuestionId", "Questions"),
    ("Documents", "AbstractId", "Abstracts"),
    ("Audit trail", "AbstractId", "Abstracts"),
)
# What the clinic's own staff made in it, and since when.
OWN: tuple[tuple[str, int, int], ...] = (
    ("Open abstracts by period", QUERY, 400),
    ("Missing follow-up", QUERY, 400),
    ("Quarter at a glance", FORM, 90),
    ("Quick entry", FORM, 90),
)
MADE_DAYS = 430  # ago: when the file was set up, and last written anew
EMPTY_MIB, LOST_MIB = 438.0, 31.0
MACHINES = ("REGISTRY-1", "FRONTDESK-1", "FRONTDESK-2", "READING-1", "READING-2")
DECLARED_MACHINES = 3

RELATION_COLUMNS = (
    ("szRelationship", TEXT),
    ("grbit", LONG),
    ("icolumn", LONG),
    ("ccolumn", LONG),
    ("szObject", TEXT),
    ("szColumn", TEXT),
    ("szReferencedObject", TEXT),
    ("szReferencedColumn", TEXT),
)
QUERY_COLUMNS = (
    ("ObjectId", LONG),
    ("Attribute", LONG),
    ("Name1", TEXT),
    ("Name2", TEXT),
    ("Flag", LONG),
    ("Expression", MEMO),
)


class Maps:
    """Usage maps, each a row of its own: no two tables share one."""

    MOST_ON_A_PAGE = 20

    def __init__(self, pages: Sequence[int]) -> None:
        self._pages = pages
        self._rows: list[bytes] = []

    def add(self, content: bytes) -> tuple[int, int]:
        """Where the map lies: page and row."""
        page, at = divmod(len(self._rows), self.MOST_ON_A_PAGE)
        self._rows.append(content)
        return self._pages[page], at

    def empty(self) -> tuple[int, int]:
        return self.add(inline_map([]))

    def written(self) -> dict[int, bytes]:
        chunks = (
            self._rows[at : at + self.MOST_ON_A_PAGE] for at in range(0, len(self._rows), self.MOST_ON_A_PAGE)
        )
        return {page: data_page(JET4, 0, rows) for page, rows in zip(self._pages, chunks, strict=False)}


def write(at: datetime, days: int, path: Path = FILE) -> None:
    """The file and its lock file as they were at `at`, which is `days` before today."""
    made, pages = pages_of(at, days)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for number, content in sorted(made.pages.items()):
            file.seek(number * JET4.page_size)
            file.write(content)
        file.truncate(pages * JET4.page_size)
    lock = path.with_suffix(".laccdb")
    machines = MACHINES if days == 0 else MACHINES[:DECLARED_MACHINES]
    lock.write_bytes(b"".join(f"{name:\0<32}{'Admin':\0<32}".encode("ascii") for name in machines))
    for one in (path, lock):
        os.utime(one, (at.timestamp(), at.timestamp()))


def pages_of(at: datetime, days: int) -> tuple[MadeFile, int]:
    """Its written pages, and how many it has in all."""
    made = MadeFile(JET4)
    numbers = count(3)
    catalogue_pages, catalogue_index = list(islice(numbers, 4)), next(numbers)
    relation_definition, relation_rows, query_definition = islice(numbers, 3)
    definitions = {table.name: next(numbers) for table in TABLES}
    maps = Maps(list(islice(numbers, 4)))
    purposes = [(table, part, pages) for table in TABLES for part, pages in _sizes(table, days) if pages]
    bits = {place: list(islice(numbers, MOST_MAPS)) for place in range(FREE, len(purposes))}
    empty = round(EMPTY_MIB * PAGES_A_MIB * (1 - days / 900))
    placed, end = _placed(
        next(numbers),
        [
            *((place, pages, table.pieces) for place, (table, _, pages) in enumerate(purposes)),
            (FREE, empty, 60),
            (LOST, round(LOST_MIB * PAGES_A_MIB), 12),
        ],
    )
    roots: dict[tuple[str, str], int] = {}
    where: dict[tuple[str, str], tuple[int, int]] = {}
    for place, (table, part, _) in enumerate(purposes):
        roots[table.name, part] = placed[place][0].start
        where[table.name, part] = maps.add(_bits(made, bits[place], placed[place]))
    made.pages[0] = header(JET4, version=ACE_14, changes=_made_on(at + timedelta(days=days - MADE_DAYS)))
    made.pages[1] = data_page(JET4, 0, [_bits(made, bits[FREE], placed[FREE])])
    objects = list(_objects(definitions, relation_definition, query_definition, days))
    made.pages |= _catalogue(objects, catalogue_pages, catalogue_index, maps)
    made.pages |= _system_table(RELATION_COLUMNS, relation_definition, [relation_rows], maps)
    made.pages |= _system_table(QUERY_COLUMNS, query_definition, [], maps)
    made.pages[relation_rows] = data_page(
        JET4, relation_definition, [row(JET4, RELATION_COLUMNS, _relation(*one)) for one in RELATIONS]
    )
    for table in TABLES:
        joined = _definition(table, days, where, roots, maps)
        made.pages |= definition_pages(JET4, joined, [definitions[table.name]])
    made.pages |= maps.written()
    return made, end


def _made_on(day: datetime) -> dict[int, bytes]:
    """The date of creation in the first page, by which an empty password is hidden as well."""
    assert JET4.created is not None
    whole = (day.date() - date(1899, 12, 30)).days
    return {JET4.created: struct.pack("<d", float(whole)), 0x42: whole.to_bytes(4, "little") * 10}


def _system_table(
    columns: Sequence[tuple[str, int]], page: int, rows: Sequence[int], maps: Maps
) -> dict[int, bytes]:
    joined = definition(
        JET4,
        columns,
        rows=len(RELATIONS) if rows else 0,
        owned=maps.add(inline_map(rows)),
        free=maps.empty(),
        system=True,
    )
    return definition_pages(JET4, joined, [page])


def _sizes(table: Table, days: int) -> list[tuple[str, int]]:
    """Pages for each purpose; what grows is the long texts where there are any, else the data."""
    less = grown(table.mib_a_month, days)
    data, texts = (table.data_mib, table.texts_mib - less) if table.texts_mib else (table.data_mib - less, 0)
    each = table.index_mib / len(table.indexes)
    return [
        ("data", max(1, round(data * PAGES_A_MIB))),
        *((name, max(1, round(each * PAGES_A_MIB))) for name, _, _ in table.indexes),
        ("texts", round(texts * PAGES_A_MIB)),
    ]


def _placed(start: int, wanted: Sequence[tuple[int, int, int]]) -> tuple[dict[int, list[range]], int]:
    """Pieces of pages for each purpose, in turns as a file grows; and the number of pages in all."""
    turns = sorted(
        ((piece + 0.5) / min(pieces, pages), place, pages // min(pieces, pages))
        for place, pages, pieces in wanted
        if pages
        for piece in range(min(pieces, pages))
    )
    placed: dict[int, list[range]] = {place: [] for place, _, _ in wanted}
    at = start
    for _, place, length in turns:
        placed[place].append(range(at, at + length))
        at += length
    return placed, at


def _bits(made: MadeFile, bitmaps: Sequence[int], pieces: Sequence[range]) -> bytes:
    """The map of these pages: its row, and its pages of bits among the pages of the file."""
    places: dict[int, list[int]] = {}
    for piece in pieces:
        for page in piece:
            places.setdefault(page // MAP_COVERS, []).append(page % MAP_COVERS)
    named = [bitmaps[number] if number in places else 0 for number in range(len(bitmaps))]
    made.pages |= {bitmaps[number]: map_page(JET4, some) for number, some in places.items()}
    # A page of bits that nothing needs is one of the lost pages of the file.
    return reference_map(named)


def _definition(
    table: Table,
    days: int,
    where: Mapping[tuple[str, str], tuple[int, int]],
    roots: Mapping[tuple[str, str], int],
    maps: Maps,
) -> bytes:
    share = sum(pages for _, pages in _sizes(table, days)) / sum(pages for _, pages in _sizes(table, 0))
    of_texts = where.get((table.name, "texts"))
    texts = [number for number, (_, kind) in enumerate(table.columns) if kind == MEMO]
    return definition(
        JET4,
        table.columns,
        rows=round(table.rows * share),
        owned=where[table.name, "data"],
        free=maps.empty(),
        indexes=[
            MadeIndex(
                name,
                columns,
                kind=kind,
                flags=0x89 if kind == PRIMARY else 0x80,
                root=roots[table.name, name],
                map=where[table.name, name],
            )
            for name, columns, kind in table.indexes
        ],
        column_maps=[(number, of_texts, maps.empty()) for number in texts] if of_texts else (),
    )


def _objects(
    definitions: Mapping[str, int], relations: int, queries: int, days: int
) -> Iterator[dict[str, RowValue]]:
    yield {"Id": 0x0F000001, "ParentId": 0x0F000000, "Name": "Tables", "Type": 3, "Flags": 0}
    for name, page in (("MSysObjects", 2), ("MSysRelationships", relations), ("MSysQueries", queries)):
        yield {"Id": page, "ParentId": TABLES_ID, "Name": name, "Type": 1, "Flags": SYSTEM}
    for name, page in definitions.items():
        yield {"Id": page, "ParentId": TABLES_ID, "Name": name, "Type": 1, "Flags": 0}
    for number, (name, kind, since) in enumerate(OWN):
        if since > days:
            yield {"Id": 0x1000 + number, "ParentId": TABLES_ID, "Name": name, "Type": kind, "Flags": 0}


def _catalogue(
    objects: Sequence[Mapping[str, RowValue]], pages: Sequence[int], index: int, maps: Maps
) -> dict[int, bytes]:
    """The list of what the file holds: its definition, its rows, its index."""
    made: dict[int, bytes] = {}
    entries: list[bytes] = []
    each = -(-len(objects) // len(pages))
    for number, page in enumerate(pages):
        some = objects[number * each : (number + 1) * each]
        made[page] = data_page(JET4, 2, [row(JET4, CATALOGUE, one) for one in some])
        for slot, one in enumerate(some):
            key = (int(str(one["Id"])) ^ 0x80000000).to_bytes(4, "big")
            entries.append(b"\x7f" + key + page.to_bytes(3, "big") + bytes([slot]))
    made[index] = index_page(JET4, KIND_INDEX_LEAF, 2, sorted(entries))
    joined = definition(
        JET4,
        CATALOGUE,
        rows=len(objects),
        owned=maps.add(inline_map(pages)),
        free=maps.empty(),
        indexes=[
            MadeIndex("Id", (0,), kind=PRIMARY, flags=0x89, root=index, map=maps.add(inline_map([index])))
        ],
        system=True,
    )
    return made | definition_pages(JET4, joined, [2])


def _relation(child: str, column: str, parent: str) -> dict[str, RowValue]:
    return {
        "szRelationship": f"{parent}{child}",
        "grbit": 0,
        "icolumn": 0,
        "ccolumn": 1,
        "szObject": child,
        "szColumn": column,
        "szReferencedObject": parent,
        "szReferencedColumn": "Id",
    }
