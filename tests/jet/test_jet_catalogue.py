"""The catalogue as a whole: made files, real files, damaged and vanishing ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from checkup.jet.catalogue import Catalogue, UnreadableError, read_catalogue, read_table_counts
from checkup.jet.damage import Damage
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.header import EncryptedError
from checkup.jet.local import LocalSource
from checkup.jet.objects import read_objects
from checkup.jet.opening import open_file
from checkup.jet.pages import Budget
from checkup.jet.relationships import relationships
from checkup.jet.small_tables import Values
from checkup.jet.source import Range, SourceError
from tests.jet.corpora import corpus_file, readable_params
from tests.jet.made import (
    LONG,
    BytesSource,
    RowValue,
    clinic_file,
    data_page,
    definition,
    definition_pages,
    inline_value,
    open_path,
    reference_map,
)


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_objects_of_every_kind(layout: Format) -> None:
    objects: list[dict[str, RowValue]] = [
        {"Id": -20 - place, "Name": f"Object {place}", "Type": kind, "Flags": flags}
        for place, (kind, flags) in enumerate(
            [(5, 0), (5, 8), (-32768, 0), (-32764, 0), (-32766, 0), (-32761, 0), (-32757, 0), (3, 0), (99, 0)]
        )
    ]
    objects += [
        {"Id": -50, "Name": "~sq_fPatients", "Type": 5, "Flags": 3},
        {"Id": -51, "Name": "Hidden of Access", "Type": -32768, "Flags": 2},
    ]
    catalogue = read_catalogue(clinic_file(layout, objects).open())
    assert [item.kind for item in catalogue.objects[2:11]] == [
        "query",
        "query",
        "form",
        "report",
        "macro",
        "module",
        "document",
        "container",
        "unknown",
    ]
    assert [item.name for item in catalogue.customisations()] == [f"Object {place}" for place in range(6)]
    assert catalogue.objects[3].is_hidden and not catalogue.objects[2].is_hidden
    assert [table.name for table in catalogue.user_tables()] == ["Patients"]
    assert catalogue.table("PATIENTS") == catalogue.table_by_page[5]
    assert (catalogue.damages, catalogue.left_out, catalogue.lost_by_compaction()) == ((), (), None)


def test_what_a_compaction_lost_is_counted() -> None:
    made = clinic_file(objects=[{"Id": 7, "Name": "MSysCompactError", "Type": 1}])
    made.pages |= definition_pages(JET4, definition(JET4, (("ErrorCode", LONG),), rows=3), [7])
    assert read_catalogue(made.open()).lost_by_compaction() == 3


def test_one_bad_definition_spoils_nothing_else() -> None:
    made = clinic_file(objects=[{"Id": 6, "Name": "Not a definition", "Type": 1}])
    counts = read_table_counts(made.open())
    assert [(table.object.name, table.row_count) for table in counts.tables] == [
        ("Patients", 1),
        ("Not a definition", None),
    ]
    assert counts.damages == (Damage(code="page-kind", page=6, owner=6, numbers=(1,)),)
    catalogue = read_catalogue(made.open())
    table = catalogue.table("Not a definition")
    assert table is not None and table.definition is None
    assert catalogue.damages == counts.damages


def test_properties_that_cannot_be_read_name_their_table() -> None:
    broken = inline_value(b"MR2\0abc")
    made = clinic_file(
        objects=[
            {"Id": 7, "Name": "Visits", "Type": 1, "LvProp": broken},
            {"Id": -9, "Name": "A query", "Type": 5, "LvProp": broken},
        ]
    )
    made.pages |= definition_pages(JET4, definition(JET4, (("Id", LONG),)), [7])
    found = read_catalogue(made.open()).damages
    assert [(damage.code, damage.page) for damage in found] == [("properties-cut", 7), ("properties-cut", 2)]


@pytest.mark.parametrize(
    ("page", "content", "code"),
    [
        (2, bytes(JET4.page_size), "page-kind"),
        (3, bytes(JET4.page_size), "page-kind"),
        (3, data_page(JET4, 0, [b"\x09" * 69]), "map-kind"),
        (3, data_page(JET4, 0, [reference_map([3, 3])]), "page-kind"),
        (4, bytes(JET4.page_size), "page-kind"),
        (4, data_page(JET4, 5, [b"row of another table"]), "page-owner"),
        (4, data_page(JET4, 2, []), "table-missing"),
        (4, data_page(JET4, 2, [b"\xff" * 40]), "row-cut"),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_said_to_be_so(page: int, content: bytes, code: str) -> None:
    made = clinic_file()
    made.pages[page] = content
    for read in (read_table_counts, read_catalogue):
        with pytest.raises(UnreadableError) as caught:
            read(made.open())
        assert caught.value.damage.code == code


@pytest.mark.parametrize(
    ("part", "kind"),
    [("db97-enc.mdb", "rc4"), ("db-enc.mdb", "rc4"), ("db2007-enc.accdb", "office-agile")],
)
def test_an_encrypted_file_is_not_called_damaged(part: str, kind: str) -> None:
    for read in (read_table_counts, read_catalogue):
        with pytest.raises(EncryptedError) as caught:
            read(open_path(corpus_file(part)))
        assert caught.value.encryption == kind


def test_parts_beyond_the_budget_are_left_out_by_name() -> None:
    path = corpus_file("V2000/queryTestV2000.mdb")
    whole = open_path(path)
    full = read_catalogue(whole)
    needed = whole.pages.counters.bytes
    seen: list[tuple[str, ...]] = []
    for allowed in range(20_480, needed + 4096, 4096):
        file = open_file(LocalSource(path), budget=Budget(bytes=allowed))
        catalogue = read_catalogue(file)
        seen.append(tuple(part.part for part in catalogue.left_out))
        assert file.pages.counters.bytes <= allowed
        assert [table.name for table in catalogue.tables] == [table.name for table in full.tables]
    assert "definitions" in seen[0]
    assert seen[-1] == ()


class Failing(BytesSource):
    """Answers so many rounds, then fails."""

    def __init__(self, data: bytes, rounds: int) -> None:
        super().__init__(data)
        self.left = rounds

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        if not self.left:
            raise SourceError("gone", "the server went away")
        self.left -= 1
        return super().read(ranges)


def test_a_server_that_goes_away_at_any_moment_is_an_error_of_the_source() -> None:
    data = corpus_file("V2000/queryTestV2000.mdb").read_bytes()
    for rounds in range(6):
        with pytest.raises(SourceError, match="went away"):
            read_catalogue(open_file(Failing(data, rounds)))
    assert read_catalogue(open_file(Failing(data, 6))).left_out == ()


class Shrinking(BytesSource):
    """Loses its second half after so many rounds."""

    def __init__(self, data: bytes, rounds: int) -> None:
        super().__init__(data)
        self.left = rounds

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        if self.left == 0:
            self.data = self.data[: len(self.data) // 2]
        self.left -= 1
        return super().read(ranges)


def test_a_file_cut_while_it_is_read_has_pages_missing() -> None:
    data = corpus_file("V2000/queryTestV2000.mdb").read_bytes()
    codes: set[str] = set()
    for rounds in range(1, 6):
        catalogue = read_catalogue(open_file(Shrinking(data, rounds)))
        codes |= {damage.code for damage in catalogue.damages}
    assert codes == {"page-missing"}


@pytest.mark.parametrize("path", readable_params())
def test_every_sound_file_is_read_whole_and_without_damage(path: Path) -> None:
    file = open_path(path)
    catalogue = read_catalogue(file)
    assert (catalogue.damages, catalogue.left_out) == ((), ())
    assert all(item.kind != "unknown" for item in catalogue.objects)
    assert all(table.definition is not None for table in catalogue.tables)
    counts = read_table_counts(open_path(path))
    assert counts.damages == ()
    assert [(table.object.name, table.row_count) for table in counts.tables] == [
        (table.name, table.definition.row_count) for table in catalogue.user_tables() if table.definition
    ]
    listed = read_objects(file)
    assert not isinstance(listed, Damage)
    assert len(listed.objects) == listed.definition.row_count


@pytest.mark.parametrize("path", readable_params())
def test_enforced_relationships_are_in_the_definitions_too(path: Path) -> None:
    catalogue = read_catalogue(open_path(path))
    for relationship in catalogue.relationships:
        if relationship.is_enforced:
            assert served(catalogue, relationship.child, relationship.parent) == (
                relationship.cascades_updates,
                relationship.cascades_deletes,
            )


def served(catalogue: Catalogue, child: str, parent: str) -> tuple[bool, bool] | None:
    """What the child's index for the relationship cascades."""
    table, other = catalogue.table(child), catalogue.table(parent)
    assert table is not None and table.definition is not None and other is not None
    for index in table.definition.indexes:
        relation = index.relation
        if relation is not None and relation.other_table_page == other.object.definition_page:
            return relation.cascades_updates, relation.cascades_deletes
    return None


def test_a_relationship_of_two_columns_and_its_bits() -> None:
    def of(column: int, bits: int) -> Values:
        return {
            "szRelationship": "AB",
            "grbit": bits,
            "icolumn": column,
            "ccolumn": 2,
            "szObject": "B",
            "szColumn": f"b{column}",
            "szReferencedObject": "A",
            "szReferencedColumn": f"a{column}",
        }

    one = relationships([of(1, 0x01002002), of(0, 0x01002002)])[0]
    assert (one.child_columns, one.parent_columns) == (("b0", "b1"), ("a0", "a1"))
    assert (one.is_enforced, one.cascades_nulls, one.join, one.is_inherited) == (False, True, "left", False)
    assert relationships([of(0, 0x02001105)])[0].is_one_to_one
    assert relationships([of(0, 0x02001105)])[0].join == "right"
    assert relationships([]) == ()


def test_the_reader_loads_neither_numpy_nor_the_rest_of_checkup() -> None:
    program = (
        "import checkup.jet.catalogue, checkup.jet.local, checkup.jet.lock_file, sys; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "numpy" not in loaded
    assert [
        name for name in loaded if name.startswith("checkup.") and not name.startswith("checkup.jet")
    ] == []
