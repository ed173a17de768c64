"""What a section of a SQL engine owes its readers, and the table of SQL Server's columns."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, Parameter, Section, Shell, Sql, SqlFacts, SqlVariant
from checkup.testing.hostile_raw import parse_problems
from checkup.testing.shapes import shape_of
from checkup.testing.sql_columns import COLUMNS_FILE, Span, column_problems, object_problems, parse, views
from checkup.testing.sql_contract import overlap_problems, row_problems, sql_problems, sql_sample_problems


@dataclass(frozen=True, slots=True)
class Row:
    database: str
    size_bytes: int
    seen_at: datetime | None


class Facts(SqlFacts[Row]):
    pass


VARIANT = SqlVariant("SELECT 1", reads=(), rights=("VIEW SERVER STATE",))


def section(
    collector: Any = None, *, source: Any = "sqlserver", facts: Any = Facts, **more: Any
) -> Section[Any]:
    def read(raw: JSON, source: str, version: int) -> Any:
        raise ValueError

    collect = {source: collector or Sql((VARIANT,), row=Row)}
    return Section(name="one", facts=facts, collect=collect, parse=read, **more)


def test_a_section_in_order() -> None:
    assert sql_problems(section()) == []
    assert sql_problems(section(Shell("echo a"), source="posix")) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (section(Shell("echo a")), "Shell cannot collect there"),
        (section(source="posix"), "statements are asked of sqlserver"),
        (section(facts=Row), "should be a subclass of SqlFacts"),
        (section(privacy=" "), "privacy should say"),
        (section(parameters={"since": Parameter("instant")}), "a statement has no parameters"),
        (section(Sql((VARIANT,), row=Row, most_rows=0)), "most_rows should be"),
        (section(Sql((VARIANT,), row=Row, timeout_s=90)), "timeout should be 1 to 60 s"),
        (section(Sql((VARIANT,), row=Row, cost="huge")), "cost 'huge'"),  # pyright: ignore[reportArgumentType]
        (section(Sql((VARIANT,), row=Row, scope="table")), "scope"),  # pyright: ignore[reportArgumentType]
        (section(Sql((SqlVariant("", (), since=(8,)),), row=Row)), "there is no version 8"),
        (
            section(Sql((SqlVariant("", (), since=(12,), before=(11,)),), row=Row)),
            "both since 12 and before 11",
        ),
    ],
)
def test_what_a_section_owes(given: Section[Any], expected: str) -> None:
    assert expected in "\n".join(sql_problems(given))


# --- rows ---------------------------------------------------------------------------------------


def row(**fields: Any) -> Sql:
    made = type("Made", (), {"__annotations__": fields, "__module__": __name__})
    return Sql((VARIANT,), row=dataclass(frozen=True)(made))


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        ("size", int, "end with its unit"),
        ("stall_time", float | None, "end with its unit"),
        ("born", datetime, "it is a moment"),
        ("Name", str, "in lower case"),
        ("name", bytes, "name should be one of str, int"),
        ("name", int | str, "name should be one of str, int"),
        ("name", list[str], "name should be one of str, int"),
        ("day", date, "day should be one of str, int"),
    ],
)
def test_what_a_row_may_not_hold(field: str, kind: Any, expected: str) -> None:
    assert expected in "\n".join(row_problems("sqlserver", row(**{field: kind})))


def test_a_row_is_frozen() -> None:
    @dataclass
    class Loose:
        name: str

    assert "frozen" in "\n".join(row_problems("sqlserver", Sql((VARIANT,), row=Loose)))


def test_the_columns_of_a_procedure_keep_their_names() -> None:
    @dataclass(frozen=True)
    class Line:
        LogDate: datetime
        ProcessInfo: str | None
        Text: str

    text = "EXEC master.sys.xp_readerrorlog 0, 1, N'Severity: ', N'State: '"
    assert list(row_problems("sqlserver", Sql((SqlVariant(text, ()),), row=Line))) == []


# --- variants -----------------------------------------------------------------------------------


def variant(**more: Any) -> SqlVariant:
    return SqlVariant("SELECT 1", reads=(), **more)


@pytest.mark.parametrize(
    "variants",
    [
        (variant(since=(11,)), variant(before=(11,))),
        (variant(needs=("sys.x",)), variant()),
        (variant(rights=("pg_monitor",)), variant()),
        (variant(editions=("mariadb",)), variant(editions=("mysql",))),
        (variant(editions=("mariadb",)), variant()),
    ],
)
def test_variants_that_do_not_stand_in_each_others_way(variants: tuple[SqlVariant, ...]) -> None:
    assert list(overlap_problems(variants)) == []


@pytest.mark.parametrize(
    "variants",
    [
        (variant(), variant(since=(11,))),
        (variant(since=(11,)), variant(before=(12,))),
        (variant(), variant(needs=("sys.x",))),
        (variant(), variant(editions=("mysql",))),
        (variant(editions=("mysql", "mariadb")), variant(editions=("mysql",))),
        (variant(since=(14,)), variant(since=(11,), before=(12,)), variant(since=(13,))),
    ],
)
def test_a_variant_that_is_never_or_not_always_the_one(variants: tuple[SqlVariant, ...]) -> None:
    assert len(list(overlap_problems(variants))) == 1


# --- samples ------------------------------------------------------------------------------------


def sample(folder: Path, rows: list[JSON], source: str = "sqlserver") -> Path:
    path = folder / "sqlserver.one" / "some.json"
    path.parent.mkdir(parents=True)
    given = {"source": source, "raw": {"rows": rows}}
    path.write_text(
        json.dumps(
            {"about": "a test", "now": "2026-11-20T10:00:00Z", "sections": {"one": given}, "expect": []}
        ),
        encoding="utf-8",
    )
    return folder


GOOD: JSON = {"database": "ledger", "size_bytes": 1, "seen_at": None}


def test_a_section_has_a_sample_with_rows(tmp_path: Path) -> None:
    assert sql_sample_problems(section(), sample(tmp_path / "a", [GOOD])) == []
    assert sql_sample_problems(section(), sample(tmp_path / "b", [])) == [
        "one: no sample with rows of sqlserver"
    ]


def test_the_rows_of_a_sample_are_those_of_the_statement(tmp_path: Path) -> None:
    short = sql_sample_problems(section(), sample(tmp_path / "a", [{"database": "ledger"}]))
    assert "a row has database, size_bytes, seen_at" in short[0]
    other = sql_sample_problems(section(), sample(tmp_path / "b", [GOOD], source="mariadb"))
    assert "one is not collected from mariadb" in other[0]
    few = section(Sql((VARIANT,), row=Row, most_rows=1))
    assert "more rows than the 1" in sql_sample_problems(few, sample(tmp_path / "c", [GOOD, GOOD]))[0]
    each = section(Sql((VARIANT,), row=Row, most_rows=1, scope="database"))
    other_one: JSON = {"database": "archive", "size_bytes": 1, "seen_at": None}
    assert sql_sample_problems(each, sample(tmp_path / "d", [GOOD, other_one])) == []


# --- SQL Server's columns -----------------------------------------------------------------------


def test_the_table_of_columns_is_dated_and_has_its_source() -> None:
    text = resources.files("checkup.testing").joinpath(COLUMNS_FILE).read_text(encoding="utf-8")
    data = json.loads(text)
    assert date.fromisoformat(data["as_of"]) >= date(2026, 11, 1)
    assert "Microsoft Learn" in data["source"]
    assert list(data["objects"]) == sorted(data["objects"])
    for name, view in data["objects"].items():
        listed = [column.lower() for columns in view["columns"].values() for column in columns.split()]
        assert len(listed) == len(set(listed)), name
    assert parse(text).keys() == views().keys()


TABLE = """{"objects": {"sys.x": {"since": "11", "columns": {"always": "a", "since 13.0.4001": "b",
"before 14": "c"}}}}"""


def said(column: str, *needs: str, since: tuple[int, ...] = (), before: tuple[int, ...] = ()) -> str:
    known = views()
    span = Span(since, before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("checkup.testing.sql_columns.views", lambda: {**known, **parse(TABLE)})
        wanted = frozenset(needs)
        found = [*object_problems("sys.x", span, wanted), *column_problems("sys.x", column, span, wanted)]
        return "; ".join(found)


def test_columns_by_version() -> None:
    assert said("a") == "sys.x came with 11, and the variant is sent to 10.50"
    assert said("a", since=(11,)) == said("a", "sys.x") == ""
    assert said("b", since=(13,)) == "sys.x.b came with 13.0.4001, and the variant is sent to 13"
    assert said("b", since=(14,)) == said("b", "sys.x.b") == ""
    assert said("c", since=(11,)) == "sys.x.c went with 14: give the variant a `before`"
    assert said("c", since=(11,), before=(14,)) == ""
    assert said("d", since=(11,)) == "sys.x has no column d (dmv_columns.json)"


def test_a_group_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="always, or since or before"):
        parse(TABLE.replace("before 14", "until 14"))


# --- what the other checks of raw data make of a SQL section ------------------------------------


def test_a_parser_that_breaks_on_rows_is_found() -> None:
    def fragile(raw: JSON, source: str, version: int) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("rows"), list):
            return Facts(rows=(), server=raw["server"])  # pyright: ignore[reportArgumentType]
        raise RuntimeError

    broken = dataclasses.replace(section(), parse=fragile)
    found = parse_problems(broken, [("sqlserver", {"server": {}, "rows": [GOOD], "missing": {}})])
    assert len(found) == 1
    assert "raised RuntimeError on sqlserver" in found[0]


def test_the_shape_of_rows_names_no_database() -> None:
    missing: JSON = {"ledger": {"reason": "restoring", "error": None}}
    shape = shape_of([{"rows": [GOOD], "missing": missing}])
    assert shape["$.missing[].reason"] == ("text",)
    assert not any("ledger" in path for path in shape)
