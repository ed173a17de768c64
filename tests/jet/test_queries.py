"""Queries by their shape."""

from __future__ import annotations

import pytest

from checkup.jet.catalogue import read_catalogue
from checkup.jet.objects import AccessObject
from checkup.jet.queries import Query, queries
from checkup.jet.small_tables import Values
from tests.jet.corpora import corpus_file
from tests.jet.made import open_path

KINDS = {
    "SelectQuery": "select",
    "UpdateQuery": "update",
    "AppendQuery": "append",
    "DeleteQuery": "delete",
    "MakeTableQuery": "make-table",
    "CrosstabQuery": "crosstab",
    "UnionQuery": "union",
    "PassthroughQuery": "pass-through",
    "DataDefinitionQuery": "definition",
}


@pytest.mark.parametrize("part", ["V1997/queryTestV1997.mdb", "V2000/queryTestV2000.mdb"])
def test_real_queries_of_every_kind(part: str) -> None:
    found = {query.name: query for query in read_catalogue(open_path(corpus_file(part))).queries}
    assert {name: query.kind for name, query in found.items()} == KINDS
    select = found["SelectQuery"]
    assert [source.name for source in select.sources] == ["Table1", "Table2", "Table3"]
    assert [join.kind for join in select.joins] == ["left", "inner", "inner"]
    assert (select.has_criteria, select.sorts, select.is_distinct, select.columns) == (True, True, True, 4)
    assert found["UpdateQuery"].parameters == 1
    assert found["CrosstabQuery"].groups and found["CrosstabQuery"].sources[2].alias == "Table2_1"
    assert (found["AppendQuery"].target, found["MakeTableQuery"].target) == ("Table3", "Table4")
    # Its FROM is "Table3, Table1 INNER JOIN Table2": nothing ties Table3 to the others.
    assert [name for name, query in found.items() if query.is_cartesian] == ["AppendQuery"]
    remote = found["PassthroughQuery"].remote
    assert remote is not None and (remote.format, found["PassthroughQuery"].target) == ("ODBC", "")


def shaped(kind: int, *parts: tuple[int, str, str, int], connection: str = "") -> Query:
    """Of one query: attribute, two names, flag."""
    item = AccessObject(
        id=0x80000005,
        parent_id=0,
        name="Q",
        type=5,
        flags=kind,
        created=None,
        updated=None,
        foreign_name="",
    )
    rows: list[Values] = [
        {
            "ObjectId": -0x7FFFFFFB,
            "Attribute": attribute,
            "Name1": name or None,
            "Name2": other or None,
            "Flag": flag,
            "Expression": None,
        }
        for attribute, name, other, flag in parts
    ]
    return queries([item], rows, {item.id: connection} if connection else {})[0]


def test_sources_that_nothing_ties_together_multiply() -> None:
    two = ((5, "Patients", "P", 0), (5, "Visits", "", 0))
    assert shaped(0, *two).is_cartesian
    assert not shaped(0, *two, (7, "p", "VISITS", 1)).is_cartesian
    assert not shaped(0, *two, (8, "", "", 0)).is_cartesian
    assert not shaped(128, *two).is_cartesian
    assert shaped(0, *two, (5, "Orders", "", 0), (7, "P", "Visits", 1)).separate_sources == 2
    assert not shaped(0, two[0]).is_cartesian
    assert not shaped(0).is_cartesian


def test_a_join_with_what_is_no_source_ties_nothing() -> None:
    assert shaped(0, (5, "A", "", 0), (5, "B", "", 0), (7, "A", "C", 1)).is_cartesian


def test_passwords_of_queries_stay_behind() -> None:
    through = shaped(112, (1, "ODBC;DSN=Clinic;UID=sa;PWD=S3cret", "", 8))
    assert through.remote is not None
    assert (through.remote.data_source, through.remote.keeps_password, through.target) == ("Clinic", True, "")
    elsewhere = shaped(64, (1, "Target", "", 3), (4, r"D:\b.mdb", "", 0), connection=";PWD=S3cret")
    assert elsewhere.remote is not None
    assert (elsewhere.remote.database, elsewhere.remote.keeps_password) == (r"D:\b.mdb", True)
    assert elsewhere.target == "Target"
    assert "S3cret" not in repr((through, elsewhere))


def test_limits_and_unknown_kinds() -> None:
    assert shaped(0, (3, "", "", 0x10)).is_limited
    assert not shaped(0, (3, "", "", 0x02)).is_limited
    assert shaped(0xF0).kind == "unknown" and not shaped(0xF0).is_shape_known
