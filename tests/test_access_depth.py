"""How deep an Access file is looked into: by the visit, the way, what was agreed, and its size."""

from __future__ import annotations

from typing import Any

import pytest

from checkup.access_cost import budget_bytes, cost_of, seconds_here, seconds_over_link
from checkup.access_depth import (
    DEPTHS,
    MOST_HERE_S,
    MOST_OVER_LINK_S,
    WITH_ROWS,
    Look,
    choose,
    over_link,
    seconds,
    settled,
    way_to,
)
from checkup.api import AccessFile, Depth, Visit

SOUNDNESS = AccessFile(("integrity",), depth="maps")
HEADER = AccessFile(("header",))
GIB = 1024**3
MIB = 1024**2


def chosen(visit: Visit, way: str = "sftp", **more: Any) -> Look:
    return choose(visit, (HEADER, SOUNDNESS), **{"way": way, "path": "D:\\Data\\ledger.mdb", **more})


@pytest.mark.parametrize("visit", list(Visit))
@pytest.mark.parametrize("given", [None, *DEPTHS])
@pytest.mark.parametrize("way", ["sftp", "smb", "server-pages"])
def test_no_page_with_rows_crosses_a_link_without_consent(visit: Visit, given: Depth | None, way: str):
    assert chosen(visit, way, given=given).wanted not in WITH_ROWS


@pytest.mark.parametrize("visit", list(Visit))
def test_no_consent_makes_a_server_hand_out_pages_with_rows(visit: Visit):
    assert chosen(visit, "server-pages", consent=True, given="rows").wanted == "maps"


@pytest.mark.parametrize(
    ("visit", "depth"),
    [
        (Visit.INTERIM, "maps"),
        (Visit.THIRTY_DAY, "maps"),
        (Visit.SIX_MONTH, "index"),
        (Visit.TUNE_UP, "rows"),
    ],
)
def test_with_consent_a_link_is_as_good_as_this_machine(visit: Visit, depth: Depth):
    assert chosen(visit, "file").wanted == chosen(visit, "smb", consent=True).wanted == depth


def test_a_share_that_this_machine_reads_in_place_is_a_link_too():
    assert chosen(Visit.TUNE_UP, "file", path="\\\\srv\\data\\ledger.mdb").wanted == "maps"
    shares = ("\\\\srv\\data\\x.mdb", "//srv/data/x.mdb", "\\\\?\\UNC\\srv\\data\\x.mdb", "//?/unc/srv/x.mdb")
    disks = ("D:\\x.mdb", "/srv/x.mdb", "\\\\?\\D:\\x.mdb", "\\\\.\\D:\\x.mdb", "~/x.mdb", "x.mdb")
    assert all(over_link("file", path) for path in shares)
    assert not any(over_link("file", path) for path in disks)


def test_checks_that_need_less_are_read_for_no_deeper():
    assert choose(Visit.TUNE_UP, (HEADER,), way="file", path="x.mdb").wanted == "header"
    assert choose(Visit.TUNE_UP, (HEADER,), way="file", path="x.mdb", given="rows").wanted == "header"
    # The site file may ask for less than the checks do: they are not checked then.
    assert chosen(Visit.TUNE_UP, "file", given="header").wanted == "header"


@pytest.mark.parametrize(
    ("reach", "host", "way"),
    [("smb", "winrm", "smb"), ("", "ssh", "sftp"), ("", "local", "file"), ("", "winrm", "server-pages")],
)
def test_the_way_is_that_of_reach_or_else_of_the_host(reach: str, host: str, way: str):
    assert way_to(reach, host) == way


# --- by size ------------------------------------------------------------------------------------


def test_the_larger_the_file_the_less_deep_it_is_looked_into():
    look = chosen(Visit.TUNE_UP, "file")
    depths = [settled(look, size * MIB).depth for size in (1, 200, 1000, 1500, 2048)]
    assert depths == ["rows", "rows", "rows", "pages", "index"]


def test_over_a_link_it_is_its_speed_that_decides():
    looks = [chosen(Visit.TUNE_UP, consent=True, link_mbit_per_s=speed) for speed in (1000, 10, 1)]
    assert [settled(look, GIB).depth for look in looks] == ["rows", "pages", "index"]
    assert settled(looks[2], 2 * GIB).depth == "sample" and settled(looks[2], 50 * MIB).depth == "rows"
    assert settled(chosen(Visit.TUNE_UP, consent=True), GIB).depth == "pages"  # as at 10 Mbit/s
    assert settled(Look(wanted="rows", because="", over_link=True, most_s=1), GIB).depth == "maps"


@pytest.mark.parametrize("size", [0, 5_000, 3 * MIB, 200 * MIB, GIB, 2 * GIB])
@pytest.mark.parametrize("way", ["file", "sftp"])
def test_what_is_settled_keeps_to_its_time_and_says_why_it_is_less(size: int, way: str):
    look = chosen(Visit.TUNE_UP, way, consent=True)
    found = settled(look, size)
    assert seconds(look, found.depth, size) <= (MOST_HERE_S if way == "file" else MOST_OVER_LINK_S)
    assert bool(found.why) == (found.depth != "rows")


def test_what_the_site_file_asks_of_this_machine_is_done_however_long_it_takes():
    assert settled(chosen(Visit.THIRTY_DAY, "file", given="rows"), 2 * GIB).depth == "rows"


@pytest.mark.parametrize("depth", ["header", "catalogue", "maps"])
def test_what_reads_no_rows_is_never_left_out(depth: Depth):
    assert settled(chosen(Visit.TUNE_UP, given=depth, link_mbit_per_s=1), 2 * GIB).depth == depth


# --- the cost -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 4096, 3 * MIB, 206 * 1000**2, 2 * GIB])
def test_a_deeper_look_never_costs_less_of_what_it_builds_on(size: int):
    costs = [cost_of(depth, size) for depth in ("header", "catalogue", "maps", "pages", "rows")]
    assert [cost.rounds for cost in costs] == sorted(cost.rounds for cost in costs)
    assert [cost.bytes for cost in costs] == sorted(cost.bytes for cost in costs)
    assert cost_of("maps", size).bytes <= min(cost_of("sample", size).bytes, cost_of("index", size).bytes)
    for depth in DEPTHS:
        assert cost_of(depth, size).bytes <= 2 * size
        assert budget_bytes(depth, size) >= 2 * cost_of(depth, size).bytes


def test_the_maps_of_the_largest_file_stay_within_the_bound_of_a_network():
    assert cost_of("maps", 1_705_447_424).bytes <= 1_300_000
    assert seconds_over_link("maps", 2 * GIB, 10) < 2
    assert seconds_here("rows", 105_000_000) == pytest.approx(5.2, rel=0.1)
