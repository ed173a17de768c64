"""What a reading brings beside structure: digests of blocks, rights, times, whether links have keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from checkup.collect.access_integrity_parts import BLOCK_PAGES
from checkup.collect.access_parts import parts
from checkup.collect.access_reading import read_access
from checkup.jet.folder_rights import FolderRights
from checkup.jet.source import Range, Stat
from tests.jet.corpora import corpus_file
from tests.jet.made import (
    LONG,
    BytesSource,
    MadeIndex,
    clinic_file,
    definition,
    definition_pages,
)
from tests.jet.sound import sound_file


def made(data: bytes, depth: Any = "catalogue", **more: Any) -> dict[str, Any]:
    return json.loads(json.dumps(parts(read_access(BytesSource(data), depth=depth, **more)), allow_nan=False))


# --- blocks -------------------------------------------------------------------------------------


def test_of_every_page_there_are_digests_by_blocks_and_else_none() -> None:
    path = corpus_file("jackcess/V2000/testV2000.mdb")
    data = path.read_bytes()
    digests = made(data, "pages")["blocks"]["digests"]
    pages = len(data) // 4096
    assert len(digests) == -(-pages // BLOCK_PAGES) and {len(one) for one in digests} == {16}
    assert made(data, "maps")["blocks"] is None


def test_a_byte_changed_changes_the_digest_of_its_block_alone() -> None:
    path = corpus_file("jackcess/V2000/testV2000.mdb")
    data = bytearray(path.read_bytes())
    before = made(bytes(data), "pages")["blocks"]["digests"]
    data[(BLOCK_PAGES + 3) * 4096 + 4000] ^= 1
    after = made(bytes(data), "pages")["blocks"]["digests"]
    assert [one != two for one, two in zip(before, after, strict=True)] == [False, True] + [False] * (
        len(before) - 2
    )


def test_two_looks_at_one_file_are_alike_at_both_depths() -> None:
    data = sound_file().data()
    assert made(data, "pages")["blocks"] == made(data, "rows")["blocks"] != None  # noqa: E711


# --- time and rights ----------------------------------------------------------------------------


class Distant(BytesSource):
    @property
    def name(self) -> str:
        return "smb://srv-files/Data/ledger.mdb"


def test_the_round_trip_is_measured_over_a_network_alone() -> None:
    data = clinic_file().data()
    here = made(data)["cost"]
    assert here["round_trip_s"] is None and here["seconds"] >= 0
    there = parts(read_access(Distant(data), depth="catalogue"))["cost"]
    assert isinstance(there, dict)
    trip, seconds = there["round_trip_s"], there["seconds"]
    assert isinstance(trip, float) and isinstance(seconds, float)
    assert 0 <= trip <= seconds


class Wide(Distant):
    """Never asked for little at a time."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        return [answer.ljust(1 << 17, b"\0")[: 1 << 17] for answer in super().read(ranges)]


def test_a_round_of_much_data_measures_no_distance() -> None:
    cost = parts(read_access(Wide(clinic_file().data()), depth="header"))["cost"]
    assert isinstance(cost, dict)
    assert cost["round_trip_s"] is None


def test_rights_and_the_birth_of_the_lock_file_are_kept() -> None:
    rights = FolderRights(basis="login", write=True, create=True, delete=False)
    stat = Stat(size_bytes=64, modified=1_790_000_000, created=1_780_000_000)
    content = made(
        clinic_file().data(), "header", lock=b"WS-3".ljust(64, b"\0"), lock_stat=stat, folder=rights
    )
    assert content["folder"]["rights"] == {"basis": "login", "write": True, "create": True, "delete": False}
    assert content["lock"]["created"] == "2026-05-28T20:26:40+00:00"
    assert made(clinic_file().data(), "header")["folder"] == {"file_read_only": None, "rights": None}


def test_a_file_of_a_disk_tells_whether_anybody_may_write(tmp_path: Path) -> None:
    from checkup.jet.local import LocalSource

    path = tmp_path / "ledger.mdb"
    path.write_bytes(clinic_file().data())
    told: list[bool | None] = []
    for mode in (0o444, 0o644):
        path.chmod(mode)
        source = LocalSource(path)
        told.append(source.stat().read_only)
        source.close()
    assert told == [True, False]


# --- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flags", "expected"), [(0x81, True), (0x80, False)])
def test_a_link_tells_whether_it_has_a_key(flags: int, expected: bool) -> None:
    link = {"Id": 40, "ParentId": 0x0F000001, "Name": "Rates", "Type": 4, "Flags": 0x20000000}
    file = clinic_file(objects=[link])
    joined = definition(file.layout, (("Id", LONG),), indexes=[MadeIndex("ById", (0,), flags=flags)])
    file.pages.update(definition_pages(file.layout, joined, [40]))
    (found,) = made(file.data())["links"]
    assert (found["kind"], found["has_key"]) == ("odbc", expected)
    (unknown,) = made(clinic_file(objects=[{**link, "Id": 900}]).data())["links"]
    assert unknown["has_key"] is None
