"""Values of rows, and texts."""

from __future__ import annotations

from datetime import datetime

import pytest

from checkup.jet.damage import Damage
from checkup.jet.definition import Definition, parse_definition
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.rows import Row, RowPointer
from checkup.jet.values import LongBytes, decode_date, decode_text, row_values
from tests.jet.made import BOOLEAN, BYTE, DATE, INTEGER, LONG, MEMO, TEXT, definition, inline_value, row

COLUMNS = (
    ("Id", LONG),
    ("Name", TEXT),
    ("Small", BYTE),
    ("Less", INTEGER),
    ("Seen", BOOLEAN),
    ("Notes", MEMO),
    ("Born", DATE),
)
NAMES = [name for name, _ in COLUMNS]


def defined(layout: Format) -> Definition:
    return parse_definition((5,), definition(layout, COLUMNS), layout, "cp1252")


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_values_of_every_kind_that_system_tables_use(layout: Format) -> None:
    given = {
        "Id": -7,
        "Name": "Größe",
        "Small": 200,
        "Less": -2,
        "Seen": True,
        "Notes": inline_value(b"abc"),
        "Born": b"\x00\x00\x00\x00\x00\x00\xf8?",  # 1.5
    }
    data = row(layout, COLUMNS, given)
    found = row_values(Row(RowPointer(6, 0), data), defined(layout), [*NAMES, "None such"], layout, "cp1252")
    assert found == {
        "Id": -7,
        "Name": "Größe",
        "Small": 200,
        "Less": -2,
        "Seen": True,
        "Notes": LongBytes(inline_value(b"abc")),
        "Born": datetime(1899, 12, 31, 12),
        "None such": None,
    }


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_nulls_and_columns_added_later(layout: Format) -> None:
    data = row(layout, COLUMNS, {"Id": 3})
    found = row_values(Row(RowPointer(6, 0), data), defined(layout), NAMES, layout, "cp1252")
    assert found == dict.fromkeys(NAMES) | {"Id": 3, "Seen": False}
    short = row(layout, COLUMNS[:2], {"Id": 4, "Name": "old row"})
    found = row_values(Row(RowPointer(6, 0), short), defined(layout), NAMES, layout, "cp1252")
    assert found == dict.fromkeys(NAMES) | {"Id": 4, "Name": "old row", "Seen": False}


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_a_row_cut_anywhere_is_damage_or_values_and_nothing_else(layout: Format) -> None:
    data = row(layout, COLUMNS, {"Id": 3, "Name": "Name", "Notes": inline_value(b"abc")})
    cut_rows = [data[:end] for end in range(len(data))] + [data[start:] for start in range(1, len(data))]
    found = [
        row_values(Row(RowPointer(6, 0), cut), defined(layout), NAMES, layout, "cp1252") for cut in cut_rows
    ]
    damages = [one for one in found if isinstance(one, Damage)]
    assert {(damage.code, damage.page, damage.owner) for damage in damages} == {("row-cut", 6, 5)}


def test_texts_compressed_plain_and_in_a_code_page() -> None:
    assert decode_text("Żółw".encode("utf-16-le"), JET4, "cp1252") == "Żółw"
    assert decode_text(b"\xff\xfeplain \xe9", JET4, "cp1252") == "plain é"
    mixed = b"\xff\xfeA\x00" + "Ж".encode("utf-16-le") + b"\x00B"
    assert decode_text(mixed, JET4, "cp1252") == "AЖB"
    assert decode_text("Привет".encode("cp1251"), JET3, "cp1251") == "Привет"
    assert decode_text(b"\xff\xfe", JET4, "cp1252") == decode_text(b"", JET4, "cp1252") == ""


def test_dates_before_the_first_day_and_dates_that_cannot_be() -> None:
    assert decode_date(-1.25) == datetime(1899, 12, 29, 6)
    assert decode_date(0.0) == datetime(1899, 12, 30)
    assert decode_date(float("nan")) is None
    assert decode_date(1e300) is None
    assert decode_date(-1e6) is None
