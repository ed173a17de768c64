"""A reading of an Access file: its parts at every depth, what is left out, and what is never in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkup.api import JSON, AccessFile, Depth, Quality
from checkup.collect.access_catalogue_parts import lacking
from checkup.collect.access_parts import parts
from checkup.collect.access_reading import COVERS, Reading, read_access
from checkup.collect.access_sections import cut
from checkup.jet.catalogue import LeftOut, read_catalogue
from checkup.jet.local import LocalSource
from checkup.jet.opening import open_file
from checkup.jet.pages import Budget
from checkup.jet.problems import INFORMATION
from checkup.jet.source import Range, SourceError, Stat
from tests.jet.corpora import corpus_file, corpus_params
from tests.jet.made import BytesSource, clinic_file, header, inline_value

A_FEW = [
    param for part in ("indexTest", "overflowTest", "extDate", "attachments") for param in corpus_params(part)
]
CONNECT = "ODBC;DRIVER=SQL Server;SERVER=srv-sql;DATABASE=archive;UID=reader;PWD=Quiet-Meadow-7"
LINK: dict[str, Any] = {
    "Id": 900,
    "ParentId": 0x0F000001,
    "Name": "Archive",
    "Type": 4,
    "Flags": 0x20000000,
    "ForeignName": "dbo.Archive",
    "Connect": inline_value(CONNECT.encode("utf-16-le")),
}


def made(reading: Reading) -> dict[str, Any]:
    """The parts, after a way through JSON: what is stored is what probes get."""
    return json.loads(json.dumps(parts(reading), allow_nan=False))


def look(data: bytes, depth: Depth = "catalogue", **more: Any) -> Reading:
    return read_access(BytesSource(data), depth=depth, **more)


def changed(data: bytes, page: int, content: bytes, size: int = 4096) -> bytes:
    return data[: page * size] + content.ljust(size, b"\0") + data[(page + 1) * size :]


# --- real files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", A_FEW)
@pytest.mark.parametrize("depth", COVERS)
def test_a_sound_file_is_complete_and_without_problems_at_every_depth(path: Path, depth: Depth) -> None:
    source = LocalSource(path)
    reading = read_access(source, depth=depth)
    content = made(reading)
    expected = None
    if depth != "header":
        expected = sorted(table.name for table in read_catalogue(open_file(source)).user_tables())
    source.close()
    assert [one["code"] for one in content["integrity"]["problems"] if one["code"] not in INFORMATION] == []
    assert (content["integrity"]["complete"], content["integrity"]["in_motion"]) == (True, [])
    assert (content["integrity"]["depth"], content["header"]["depth"]) == (depth, depth)
    assert content["header"]["refused"] == ""
    tables = content["tables"]
    assert expected == (None if tables is None else sorted(table["name"] for table in tables))
    assert (content["maps"] is None) == (depth in ("header", "catalogue"))
    if content["maps"] is not None:
        assert sum(content["maps"]["by_kind"].values()) == content["maps"]["pages"]
        assert {one["page"] for one in content["maps"]["tables"]} == {
            one["page"] for one in content["tables"]
        }
    assert (content["integrity"]["sampled"] is None) == (depth != "sample")


class Traced(BytesSource):
    def pages(self, size: int) -> list[int]:
        return [
            page
            for ranges in self.rounds
            for offset, length in ranges
            for page in range(offset // size, (offset + length) // size)
        ]


def test_the_default_for_a_remote_file_reads_no_page_twice() -> None:
    source = Traced(corpus_file("jackcess/V2000/indexTestV2000.mdb").read_bytes())
    reading = read_access(source, depth="maps")
    asked = source.pages(4096)
    assert len(asked) == len(set(asked))
    assert (reading.cost.bytes, reading.cost.rounds) == (len(asked) * 4096, len(source.rounds))
    assert reading.cost.rounds <= 8


def test_the_header_costs_one_round() -> None:
    reading = look(clinic_file().data(), "header")
    assert reading.cost.bytes <= 20_000 and reading.cost.rounds == 1
    content = made(reading)
    structure = ("tables", "links", "queries", "relationships", "objects", "file", "maps")
    assert {part for part in structure if content[part] is not None} == set()


def test_an_encrypted_file_gives_its_header_and_says_why_no_more() -> None:
    source = LocalSource(corpus_file("db2007-enc.accdb"))
    reading = read_access(source, depth="pages")
    source.close()
    content = made(reading)
    assert content["header"]["encryption"] == "office-agile"
    assert (content["header"]["refused"], content["header"]["depth"]) == ("encrypted", "header")
    assert content["tables"] is None and not content["integrity"]["complete"]
    assert cut(reading, content, AccessFile(("header",))).quality is Quality.OK
    tables = cut(reading, content, AccessFile(("tables",), depth="catalogue"))
    assert (tables.quality, tables.raw) == (Quality.DENIED, None)
    assert "encrypted" in tables.reason


def test_nobodys_rows_are_in_any_part() -> None:
    path = corpus_file("jackcess/V1997/testV1997.mdb")
    assert b"abcdefg" in path.read_bytes()
    source = LocalSource(path)
    texts = [json.dumps(made(read_access(source, depth=depth))) for depth in COVERS]
    source.close()
    assert not any("abcdefg" in text for text in texts)


# --- made files ---------------------------------------------------------------------------------


def test_a_link_tells_its_server_and_nothing_that_lets_anyone_in() -> None:
    content = made(look(clinic_file(objects=[LINK]).data()))
    (link,) = content["links"]
    assert (link["kind"], link["target"], link["table"]) == ("odbc", "srv-sql", "dbo.Archive")
    assert link["saves_password"] is True
    for secret in ("Quiet-Meadow-7", "reader", "PWD", "UID"):
        assert secret not in json.dumps(content)


def lock_record(machine: str, user: str) -> bytes:
    return machine.encode().ljust(32, b"\0") + user.encode().ljust(32, b"\0")


def test_of_the_lock_file_machines_are_kept_and_users_are_not() -> None:
    content = lock_record("WS-3", "Admin") + lock_record("FRONT", "morgan") + b"odd"
    stat = Stat(size_bytes=len(content), modified=1_700_000_000.5)
    reading = look(clinic_file().data(), "header", lock=content, lock_stat=stat)
    lock = made(reading)["lock"]
    assert lock["entries"] == [
        {"slot": 0, "machine": "WS-3", "usual_user": True},
        {"slot": 1, "machine": "FRONT", "usual_user": False},
    ]
    assert (lock["size_bytes"], lock["odd_bytes"]) == (131, 3)
    assert lock["modified"] == "2023-11-14T22:13:20+00:00"
    assert "morgan" not in json.dumps(made(reading))


def test_a_lock_file_that_could_not_be_read_is_not_none_at_all() -> None:
    reading = look(clinic_file().data(), "header", lock_unread="no right")
    section = cut(reading, parts(reading), AccessFile(("lock",)))
    assert section.quality is Quality.DENIED and "no right" in section.reason
    without = look(clinic_file().data(), "header")
    assert cut(without, parts(without), AccessFile(("lock",))).quality is Quality.OK


def test_a_damaged_definition_is_named_and_leaves_its_table_out() -> None:
    reading = look(changed(clinic_file().data(), 5, b"\x01\x01"))
    content = made(reading)
    (problem,) = content["integrity"]["problems"]
    assert (problem["code"], problem["page"], problem["kind"]) == ("page-kind", 5, "definition")
    assert (problem["owner"], problem["owner_name"]) == (5, "Patients")
    assert content["tables"] == []
    section = cut(reading, content, AccessFile(("tables",), depth="catalogue"))
    assert section.quality is Quality.PARTIAL and "1 table" in section.reason


@pytest.mark.parametrize("depth", ["catalogue", "maps"])
def test_a_damaged_catalogue_leaves_the_header(depth: Depth) -> None:
    reading = look(changed(clinic_file().data(), 2, b""), depth)
    content = made(reading)
    assert content["header"]["year"] == 2000
    assert content["tables"] is None and content["maps"] is None
    assert not content["integrity"]["complete"]
    assert "page-kind" in content["integrity"]["counts"]
    section = cut(reading, content, AccessFile(("tables",), depth="catalogue"))
    assert (section.quality, section.raw) == (Quality.BAD_OUTPUT, None)


@pytest.mark.parametrize("depth", ["header", "catalogue", "maps"])
def test_a_file_that_ends_within_a_page_is_cut_off(depth: Depth) -> None:
    content = made(look(clinic_file().data() + b"tail", depth))
    assert content["header"]["trailing_bytes"] == 4
    assert [one["code"] for one in content["integrity"]["problems"] if one["code"] == "file-cut"] == [
        "file-cut"
    ]


@pytest.mark.parametrize("depth", ["catalogue", "maps"])
def test_what_is_mended_while_it_is_looked_at_was_in_motion(depth: Depth) -> None:
    sound = clinic_file().data()
    source = BytesSource(changed(sound, 5, b""))

    def mend() -> None:
        source.data = sound

    content = made(read_access(source, depth=depth, pause=mend))
    assert 5 in content["integrity"]["in_motion"]
    assert [one for one in content["integrity"]["problems"] if one["page"] == 5] == []


@pytest.mark.parametrize("depth", ["catalogue", "maps"])
def test_a_catalogue_that_was_only_in_motion_is_had_from_the_second_look(depth: Depth) -> None:
    sound = clinic_file().data()
    source = BytesSource(changed(sound, 2, b""))

    def mend() -> None:
        source.data = sound

    content = made(read_access(source, depth=depth, pause=mend))
    assert [table["name"] for table in content["tables"]] == ["Patients"]
    assert 2 in content["integrity"]["in_motion"]
    assert content["integrity"]["problems"] == []


@pytest.mark.parametrize("depth", ["catalogue", "maps"])
def test_a_file_that_vanishes_before_the_second_look_is_not_called_damaged(depth: Depth) -> None:
    source = BytesSource(changed(clinic_file().data(), 5, b""))

    def vanish() -> None:
        source.data = b""

    content = made(read_access(source, depth=depth, pause=vanish))
    assert content["integrity"]["problems"] == [] and content["integrity"]["in_motion"]
    assert content["header"]["refused"] == "gone"


def test_an_object_that_names_anothers_definition_is_a_problem() -> None:
    twin = {"Id": 5, "ParentId": 0x0F000001, "Name": "Twin", "Type": 1, "Flags": 0}
    content = made(look(clinic_file(objects=[twin]).data()))
    assert content["integrity"]["counts"] == {"definition-shared": 1}


def test_what_the_budget_does_not_allow_is_left_out() -> None:
    source = BytesSource(corpus_file("jackcess/V2000/indexTestV2000.mdb").read_bytes())
    reading = read_access(source, depth="maps", budget=Budget(bytes=60_000))
    content = made(reading)
    assert content["cost"]["bytes"] <= 60_000
    assert content["header"]["refused"] == "budget"
    assert not content["integrity"]["complete"] and content["integrity"]["left_out"]
    section = cut(reading, content, AccessFile(("maps",), depth="maps"))
    assert section.quality not in (Quality.OK, Quality.PARTIAL)


def test_a_part_that_was_not_read_is_whole_where_the_list_of_objects_has_none_of_it() -> None:
    """The file has relationships, an AutoNumber and properties, but neither queries nor links."""
    reading = read_access(
        LocalSource(corpus_file("jackcess/V2019/extDateTestV2019.accdb")), depth="catalogue"
    )
    assert reading.catalogue is not None and reading.catalogue.relationships
    unread = (
        LeftOut("queries-and-relationships", "page 7 was not had"),
        LeftOut("links-and-properties", "page 8 was not had"),
    )
    reading = replace(reading, catalogue=replace(reading.catalogue, relationships=(), left_out=unread))
    assert reading.catalogue is not None
    assert lacking(reading.catalogue).keys() == {"relationships", "file"}
    content = parts(reading)

    def section(part: str) -> tuple[Quality, str]:
        found = cut(reading, content, AccessFile((part,), depth="catalogue"))
        return found.quality, found.reason

    for part in ("queries", "links", "tables", "objects", "leftovers"):
        assert section(part) == (Quality.OK, ""), part
    said = "queries-and-relationships left out: page 7 was not had"
    assert section("relationships") == (Quality.PARTIAL, said)
    columns = [one for table in made(reading)["tables"] for one in table["columns"]]
    assert {(one["autonumber"], one["random"]) for one in columns} == {(True, None), (False, False)}


class Failing(BytesSource):
    """Answers so many rounds, and then its server is gone."""

    def __init__(self, data: bytes, rounds: int) -> None:
        super().__init__(data)
        self.left = rounds

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        if not self.left:
            raise SourceError("timeout", "the server does not answer")
        self.left -= 1
        return super().read(ranges)


@pytest.mark.parametrize("depth", ["catalogue", "maps"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_a_server_that_goes_away_leaves_what_was_read(depth: Depth, rounds: int) -> None:
    reading = read_access(Failing(clinic_file().data(), rounds), depth=depth)
    content = made(reading)
    assert content["header"]["refused"] == "timeout"
    assert content["tables"] is None and not content["integrity"]["complete"]
    section = cut(reading, content, AccessFile(("tables",), depth="catalogue"))
    assert (section.quality, section.reason) == (Quality.TIMEOUT, "the server does not answer")


def test_a_server_that_never_answers_is_an_error() -> None:
    with pytest.raises(SourceError, match="does not answer"):
        read_access(Failing(clinic_file().data(), 0), depth="header")


def test_a_section_that_needs_more_than_was_asked_is_not_ok() -> None:
    reading = look(clinic_file().data(), "catalogue")
    section = cut(reading, parts(reading), AccessFile(("header", "maps"), depth="maps"))
    assert section.quality is Quality.UNREACHABLE and "'maps'" in section.reason


def test_commit_words_below_the_neutral_one_are_named_by_slot() -> None:
    pages = clinic_file()
    pages.pages[0] = header(changes={0xE00 + 2 * 7: b"\x00\x00", 0xE00: b"\x05\x02"})
    words = made(look(pages.data(), "header"))["header"]["commit_words"]
    assert words == {"used": 2, "below_neutral": [7]}


def test_every_part_but_those_of_people_is_plain_json() -> None:
    def walk(value: JSON, check: Callable[[JSON], None]) -> None:
        check(value)
        for inner in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
            walk(inner, check)

    def plain(value: JSON) -> None:
        assert value is None or type(value) in (bool, int, float, str, list, dict)

    for depth in COVERS:
        for part in parts(look(clinic_file(objects=[LINK]).data(), depth)).values():
            walk(part, plain)
