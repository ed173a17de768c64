"""Table definitions, sound ones and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkup.jet.damage import Damage, DamageError
from checkup.jet.definition import (
    MOST_DEFINITION_PAGES,
    MOST_PAGES_AT_ONCE,
    Column,
    Definition,
    parse_definition,
    read_definitions,
    read_starts,
)
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.objects import AccessObject, read_objects
from checkup.jet.opening import AccessFile
from checkup.jet.pages import Pages
from checkup.jet.rows import RowPointer
from tests.jet.corpora import corpus_file, readable_params
from tests.jet.made import (
    BINARY,
    BOOLEAN,
    DATE,
    LONG,
    MEMO,
    TEXT,
    BytesSource,
    MadeFile,
    MadeIndex,
    clinic_file,
    definition,
    definition_pages,
    open_path,
)

COLUMNS = (("Id", LONG), ("Größe", TEXT), ("Born", DATE), ("Notes", MEMO), ("Seen", BOOLEAN))


def one(pages: Pages, number: int) -> Definition | Damage:
    return read_definitions(pages, [number], "cp1252")[number]


def made(layout: Format, joined: bytes, numbers: list[int]) -> MadeFile:
    file = clinic_file(layout)
    file.pages |= definition_pages(layout, joined, numbers)
    return file


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_everything_a_definition_says(layout: Format) -> None:
    joined = definition(
        layout,
        COLUMNS,
        rows=70_000,
        owned=(3, 1),
        free=(3, 2),
        indexes=[
            MadeIndex("PrimaryKey", (0,), kind=1, flags=0x89, root=9, map=(3, 2)),
            MadeIndex("Name", (1, 2), flags=0x82),
            MadeIndex("PatientsVisits", (0,), kind=2, other_index=3, other_table=5),
        ],
        column_maps=[(3, (3, 0), (3, 1))],
    )
    found = one(made(layout, joined, [7]).open().pages, 7)
    assert isinstance(found, Definition)
    assert [(c.name, c.type_name, c.number, c.is_fixed) for c in found.columns] == [
        ("Id", "long", 0, True),
        ("Größe", "text", 1, False),
        ("Born", "date", 2, True),
        ("Notes", "memo", 3, False),
        ("Seen", "boolean", 4, True),
    ]
    assert (found.row_count, found.variable_columns, found.is_system) == (70_000, 2, False)
    assert [(index.name, index.kind) for index in found.indexes] == [
        ("PrimaryKey", "primary"),
        ("Name", "normal"),
        ("PatientsVisits", "foreign"),
    ]
    key, name, _ = found.index_data
    assert (key.root, key.is_unique, key.is_required, key.ignores_nulls) == (9, True, True, False)
    assert [column.number for column in name.columns] == [1, 2] and name.ignores_nulls
    relation = found.indexes[2].relation
    assert relation is not None and (relation.other_index, relation.other_table_page) == (3, 5)
    assert found.indexes[0].relation is None
    assert found.column_maps[0].owned == RowPointer(3, 0)
    assert found.map_pointers() == ((3, 1), (3, 2), (3, 2), (3, 0), (3, 1))
    name_column = found.column("GRÖSSE")
    assert name_column is not None and name_column.length == 100
    assert found.parts_end == found.length == len(joined)
    assert found.chain == (7,)


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_a_definition_over_several_pages_costs_one_round_for_each(layout: Format) -> None:
    columns = [(f"A column with a long name {number}", TEXT) for number in range(180)]
    file = made(layout, definition(layout, columns), [7, 20, 9, 12, 30, 31]).open()
    rounds = file.pages.counters.rounds
    found = one(file.pages, 7)
    assert isinstance(found, Definition)
    assert [c.name for c in found.columns] == [name for name, _ in columns]
    assert found.chain[:3] == (7, 20, 9)
    assert file.pages.counters.rounds - rounds == len(found.chain)


def test_all_definitions_are_read_side_by_side() -> None:
    columns = [(f"A column with a long name {number}", TEXT) for number in range(100)]
    file = clinic_file()
    for first in range(10, 40, 3):
        file.pages |= definition_pages(JET4, definition(JET4, columns), [first, first + 1, first + 2])
    opened = file.open()
    found = read_definitions(opened.pages, range(10, 40, 3), "cp1252")
    assert all(isinstance(one_of, Definition) for one_of in found.values())
    assert opened.pages.counters.rounds == 1 + 3


def test_the_first_page_is_enough_for_a_count() -> None:
    columns = [(f"A column with a long name {number}", TEXT) for number in range(100)]
    file = made(JET4, definition(JET4, columns, rows=12, owned=(3, 1)), [7, 8, 9]).open()
    start = read_starts(file.pages, [7, 6, 99])
    assert not isinstance(start[7], Damage)
    assert (start[7].row_count, start[7].owned_map, start[7].column_count) == (12, (3, 1), 100)
    assert start[6] == Damage(code="page-kind", page=6, owner=6, numbers=(1,))
    assert start[99] == Damage(code="page-missing", page=99, owner=99)
    assert file.pages.counters.rounds == 2


def chained(following: dict[int, int]) -> Pages:
    """Definition pages that are nothing but links."""
    pages = {
        number: b"\x02\x01\x00\x00" + after.to_bytes(4, "little") + bytes(JET4.page_size - 8)
        for number, after in following.items()
    }
    return Pages(BytesSource(MadeFile(JET4, pages).data()), JET4)


def test_a_loop_ends_and_is_named() -> None:
    assert one(chained({2: 3, 3: 4, 4: 3}), 2) == Damage(
        code="definition-loop", page=4, owner=2, numbers=(3,)
    )
    assert one(chained({2: 2}), 2) == Damage(code="definition-loop", page=2, owner=2, numbers=(2,))


def test_a_chain_without_end_ends() -> None:
    found = one(chained({number: number + 1 for number in range(2, 300)}), 2)
    assert isinstance(found, Damage)
    assert (found.code, found.numbers) == ("definition-long", (MOST_DEFINITION_PAGES,))


def test_more_definitions_than_any_file_needs_are_not_all_read() -> None:
    wanted = range(2, 2 + MOST_PAGES_AT_ONCE + 5)
    found = read_definitions(chained({2: 0}), wanted, "cp1252")
    codes = [damage.code for damage in found.values() if isinstance(damage, Damage)]
    assert codes.count("definition-many") == 5


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (JET4.definition_columns, 5000, "definition-count"),
        (JET4.definition_index_data, 100_000, "definition-count"),
        (JET4.definition_indexes, 2_000_000_000, "definition-count"),
        (JET4.definition_columns, 250, "definition-cut"),
    ],
)
def test_counts_that_cannot_be(at: int, value: int, code: str) -> None:
    joined = bytearray(definition(JET4, COLUMNS))
    size = 2 if at == JET4.definition_columns else 4
    joined[at : at + size] = value.to_bytes(size, "little")
    found = one(made(JET4, bytes(joined), [7]).open().pages, 7)
    assert isinstance(found, Damage)
    assert (found.code, found.page, found.owner) == (code, 7, 7)


def test_a_page_of_another_kind_in_the_chain_is_named_with_its_owner() -> None:
    columns = [(f"A column with a long name {number}", BINARY) for number in range(100)]
    file = made(JET4, definition(JET4, columns), [7, 6, 9])
    file.pages[6] = clinic_file().pages[6]
    assert one(file.open().pages, 7) == Damage(code="page-kind", page=6, owner=7, numbers=(1,))


def parsed(joined: bytes) -> Definition | Damage:
    try:
        return parse_definition((7,), joined, JET4, "cp1252")
    except DamageError as error:
        return error.damage


def test_a_definition_cut_anywhere_is_damage_or_shorter_than_it_says() -> None:
    columns = [(f"Column {number}", TEXT) for number in range(40)]
    joined = definition(JET4, columns, indexes=[MadeIndex("Key", (0,))])
    for cut in range(JET4.definition_end, len(joined) - 2):
        found = parsed(joined[:cut])
        if isinstance(found, Damage):
            assert (found.code, found.page) == ("definition-cut", 7)
        else:
            assert found.parts_end < found.length


def definitions_of(file: AccessFile) -> list[tuple[AccessObject, Definition]]:
    listed = read_objects(file)
    assert not isinstance(listed, Damage)
    tables = listed.of_kind("table")
    found = read_definitions(file.pages, [item.definition_page for item in tables], file.header.text_encoding)
    pairs: list[tuple[AccessObject, Definition]] = []
    for item in tables:
        outcome = found[item.definition_page]
        assert isinstance(outcome, Definition), outcome
        pairs.append((item, outcome))
    return pairs


def users_columns(part: str) -> list[Column]:
    pairs = definitions_of(open_path(corpus_file(part)))
    return [column for item, found in pairs if not item.is_system for column in found.columns]


def test_calculated_complex_and_numeric_columns() -> None:
    calculated = [c.name for c in users_columns("calcFieldTestV2010.accdb") if c.is_calculated]
    assert "MonthlySalary" in calculated and "FirstName" not in calculated
    attachments = [c for c in users_columns("attachments.accdb") if c.type_name == "complex"]
    assert [(c.complex_id is not None, c.is_autonumber) for c in attachments] == [(True, False)]
    numeric = [c for c in users_columns("fixedNumericTestV2010.accdb") if c.type_name == "numeric"]
    assert all(c.precision and c.scale is not None and c.scale <= c.precision for c in numeric)
    assert numeric


@pytest.mark.parametrize("path", readable_params())
def test_every_definition_of_the_corpora_ends_where_it_says(path: Path) -> None:
    file = open_path(path)
    for _, found in definitions_of(file):
        assert found.parts_end == found.length
        assert len({column.number for column in found.columns}) == len(found.columns)
