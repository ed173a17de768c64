"""A small file made here in which every rule of a sound file holds, and every structure occurs: a definition
over two pages, rows that lie elsewhere, deleted ones, a tree of two levels, long values in one piece and in
chains, maps in their rows and on pages of their own, free pages with what they held before.
"""

from __future__ import annotations

from collections.abc import Sequence

from checkup.jet.formats import JET4, KIND_INDEX_LEAF, KIND_INDEX_NODE, Format
from tests.jet.made import (
    CATALOGUE,
    INTEGER,
    LONG,
    MEMO,
    TEXT,
    MadeFile,
    MadeIndex,
    RowValue,
    data_page,
    definition,
    definition_pages,
    distant_value,
    header,
    inline_map,
    inline_value,
    map_page,
    pointer,
    reference_map,
    row,
)

MAPS, CATALOGUE_ROWS, CATALOGUE_INDEX, TABLE = 3, 4, 20, 5
TABLE_ROWS, TABLE_CONTINUES, ROOT, LEAVES, WARDS, CHAIN, VALUES, BITMAP, FREE, NEVER = (
    (7, 8, 9),
    6,
    10,
    (11, 12),
    13,
    (14, 15),
    16,
    17,
    18,
    19,
)
_COLUMNS = (
    ("Id", LONG),
    ("Ward", LONG),
    ("Name", TEXT),
    ("Notes", MEMO),
    *((f"Measurement number {number:02} of the visit", INTEGER) for number in range(50)),
)
_POINTER, _TARGET, _DELETED = 0x4000, 0x8000, 0xC000


def sound_file(layout: Format = JET4, more: Sequence[dict[str, RowValue]] = ()) -> MadeFile:
    """Its tables: MSysObjects (2) and Patients (5), of 15 live rows; `more` are further objects."""
    made = MadeFile(layout)
    objects: list[dict[str, RowValue]] = [
        {"Id": 2, "ParentId": 0x0F000001, "Name": "MSysObjects", "Type": 1, "Flags": -0x80000000},
        {"Id": TABLE, "ParentId": 0x0F000001, "Name": "Patients", "Type": 1, "Flags": 0},
        {"Id": 0x0F000001, "ParentId": 0x0F000000, "Name": "Tables", "Type": 3, "Flags": 0},
        *more,
    ]
    places = [((CATALOGUE_ROWS, at), int(str(one["Id"]))) for at, one in enumerate(objects)]
    data_pages, keys, wards = _table(layout)
    leaves = (keys[:8], keys[8:])
    maps = [
        inline_map([CATALOGUE_ROWS]),  # 0: pages of the catalogue
        inline_map([]),  # 1: those with room
        inline_map([CATALOGUE_INDEX]),  # 2
        reference_map([BITMAP, 0, 0, 0]),  # 3: pages of the table
        inline_map([TABLE_ROWS[-1]]),  # 4: those with room
        inline_map([ROOT, *LEAVES]),  # 5
        inline_map([WARDS]),  # 6
        inline_map([*CHAIN, VALUES]),  # 7: pages of the notes
        inline_map([VALUES]),  # 8: those with room
    ]
    made.pages |= {
        0: header(layout),
        1: data_page(layout, 0, [inline_map([FREE, NEVER])]),
        MAPS: data_page(layout, 0, maps),
        CATALOGUE_ROWS: data_page(layout, 2, [row(layout, CATALOGUE, one) for one in objects]),
        CATALOGUE_INDEX: index_page(layout, KIND_INDEX_LEAF, 2, sorted(_key(key, at) for at, key in places)),
        BITMAP: map_page(layout, TABLE_ROWS),
        ROOT: index_page(
            layout,
            KIND_INDEX_NODE,
            TABLE,
            [leaves[0][-1] + LEAVES[0].to_bytes(4, "big")],
            tail=LEAVES[1],
        ),
        LEAVES[0]: index_page(layout, KIND_INDEX_LEAF, TABLE, leaves[0], following=LEAVES[1]),
        LEAVES[1]: index_page(layout, KIND_INDEX_LEAF, TABLE, leaves[1], previous=LEAVES[0]),
        WARDS: index_page(layout, KIND_INDEX_LEAF, TABLE, wards),
        FREE: b"\x08\x01" + bytes([7]) * (layout.page_size - 2),
        NEVER: bytes(layout.page_size),
        **data_pages,
    }
    catalogue = definition(
        layout,
        CATALOGUE,
        rows=len(objects),
        owned=(MAPS, 0),
        free=(MAPS, 1),
        indexes=[
            MadeIndex("Id", (0,), kind=1, flags=0x89, root=CATALOGUE_INDEX, map=(MAPS, 2)),
        ],
        system=True,
    )
    table = definition(
        layout,
        _COLUMNS,
        rows=15,
        owned=(MAPS, 3),
        free=(MAPS, 4),
        indexes=[
            MadeIndex("PrimaryKey", (0,), kind=1, flags=0x89, root=ROOT, map=(MAPS, 5)),
            MadeIndex("Ward", (1,), root=WARDS, map=(MAPS, 6)),
        ],
        column_maps=[(3, (MAPS, 7), (MAPS, 8))],
    )
    made.pages |= definition_pages(layout, catalogue, [2])
    made.pages |= definition_pages(layout, table, [TABLE, TABLE_CONTINUES])
    return made


def _table(layout: Format) -> tuple[dict[int, bytes], list[bytes], list[bytes]]:
    """Its pages of data and long values, and the entries of its two indexes."""
    long_part = layout.page_size - layout.slots - 2 - 4
    chain = [pointer(CHAIN[1], 0) + b"a" * long_part, bytes(4) + b"b" * 700]
    values = [b"c" * 300, b"d" * 40]
    notes = {
        1: distant_value(long_part + 700, CHAIN[0], 0, chain=True),
        2: distant_value(300, VALUES, 0),
        3: distant_value(40, VALUES, 1),
        4: inline_value(b"e" * 20),
    }
    bodies = {
        number: row(
            layout,
            _COLUMNS,
            {
                "Id": number,
                "Ward": _ward(number),
                "Name": f"N{number}",
                "Notes": notes.get(number),
                **{name: number + at for at, (name, kind) in enumerate(_COLUMNS) if kind == INTEGER},
            },
        )
        for number in range(1, 16)
    }
    first, second, third = TABLE_ROWS
    # The row of patient 7 grew, and lies on the third page; its pointer keeps some of the room it had.
    rows = {
        first: [bodies[number] for number in range(1, 6)],
        second: [bodies[6], pointer(third, 5) + b"left", b"", *(bodies[number] for number in (8, 9, 10))],
        third: [*(bodies[number] for number in range(11, 16)), bodies[7]],
    }
    flags = {second: {1: _POINTER, 2: _DELETED}, third: {5: _TARGET}}
    pages = {page: data_page(layout, TABLE, some, flags.get(page)) for page, some in rows.items()}
    for page, some in ((CHAIN[0], [chain[0]]), (CHAIN[1], [chain[1]]), (VALUES, values)):
        pages[page] = data_page(layout, b"LVAL", some)
    homes = {
        **{number: (first, number - 1) for number in range(1, 6)},
        **{6: (second, 0), 7: (second, 1), 8: (second, 3), 9: (second, 4), 10: (second, 5)},
        **{number: (third, number - 11) for number in range(11, 16)},
    }
    keys = sorted(_key(number, home) for number, home in homes.items())
    wards = sorted(_key(_ward(number), home) for number, home in homes.items())
    return pages, keys, wards


def _key(value: int | None, home: tuple[int, int]) -> bytes:
    """The entry of a number in an ascending index."""
    place = home[0].to_bytes(3, "big") + bytes([home[1]])
    return b"\x00" + place if value is None else b"\x7f" + (value ^ 0x80000000).to_bytes(4, "big") + place


def index_page(
    layout: Format,
    kind: int,
    owner: int,
    entries: Sequence[bytes],
    *,
    previous: int = 0,
    following: int = 0,
    tail: int = 0,
) -> bytes:
    """A page of a tree; what all entries start with is stored once."""
    shared = 0
    while len(entries) > 1 and all(entry[: shared + 1] == entries[0][: shared + 1] for entry in entries):
        shared += 1
    stored = [entry if place == 0 else entry[shared:] for place, entry in enumerate(entries)]
    page = bytearray(layout.page_size)
    page[0:2] = bytes((kind, 1))
    for at, number in (
        (4, owner),
        (layout.index_previous, previous),
        (layout.index_next, following),
        (layout.index_tail, tail),
    ):
        page[at : at + 4] = number.to_bytes(4, "little")
    page[layout.index_prefix] = shared
    end = 0
    for part in stored:
        page[layout.index_entries + end : layout.index_entries + end + len(part)] = part
        end += len(part)
        page[layout.index_bits + (end >> 3)] |= 1 << (end & 7)
    page[2:4] = (layout.page_size - layout.index_entries - end).to_bytes(2, "little")
    return bytes(page)


def _ward(patient: int) -> int | None:
    return None if patient == 5 else patient % 3 + 1
