"""What reading a large file costs, counted in bytes, requests and rounds, never in time."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from checkup.jet.catalogue import read_catalogue, read_table_counts
from checkup.jet.opening import header_again
from tests.jet.corpora import BIG_FILES, readable_params, unpack_big_file
from tests.jet.made import open_path
from tests.jet.oracles import Mdbtools, needs_mdbtools

# What `strace` shows of `mdb-tables` and one `mdb-count` for each of the seven tables (mdbtools 1.0.0).
MDBTOOLS_BYTES: Final = {"mid200_jet4.mdb": 262_144, "mid200_ace.accdb": 294_912}
MDBTOOLS_READS: Final = {"mid200_jet4.mdb": 64, "mid200_ace.accdb": 72}
# The whole catalogue (columns, indexes, links, queries, relationships, properties of all objects).
CATALOGUE_BYTES: Final = {"mid200_jet4.mdb": 98_304, "mid200_ace.accdb": 159_744}
CATALOGUE_REQUESTS: Final = {"mid200_jet4.mdb": 20, "mid200_ace.accdb": 35}

_OPENED = re.compile(r'openat\(.*?"(?P<path>[^"]+)".*= (?P<number>\d+)$')
_READ = re.compile(r"(?:read|pread64)\((?P<number>\d+),.*= (?P<bytes>\d+)$")


@pytest.fixture(scope="module", params=BIG_FILES)
def big_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = unpack_big_file(request.param, tmp_path_factory.mktemp("big"))
    yield path
    path.unlink()


def test_tables_and_counts_cost_less_than_mdbtools(big_file: Path) -> None:
    file = open_path(big_file)
    counts = read_table_counts(file)
    spent = file.pages.counters
    assert sum(table.row_count or 0 for table in counts.tables) == 310_340
    assert spent.bytes <= 53_248 < MDBTOOLS_BYTES[big_file.name]
    assert spent.requests <= 11 < MDBTOOLS_READS[big_file.name]
    assert spent.rounds == 4


def test_the_rest_of_the_catalogue_costs_what_is_stated(big_file: Path) -> None:
    file = open_path(big_file)
    catalogue = read_catalogue(file)
    spent = file.pages.counters
    assert (spent.bytes, spent.requests) == (
        CATALOGUE_BYTES[big_file.name],
        CATALOGUE_REQUESTS[big_file.name],
    )
    assert spent.rounds <= 9
    assert [link.target.database for link in catalogue.links if link.target] == [
        r"\\server\share\archive.mdb"
    ]
    wide = catalogue.table("WideSettings")
    assert wide is not None and wide.definition is not None and len(wide.definition.columns) == 180
    assert [relationship.name for relationship in catalogue.relationships] == [
        "PatientsVisits",
        "VisitsOrders",
        "OrdersLabels",
    ]


def test_the_header_of_a_large_file_and_a_second_look(big_file: Path) -> None:
    file = open_path(big_file)
    header_again(file)
    assert file.pages.counters.bytes == 16_384
    assert file.pages.counters.rounds == 2


@needs_mdbtools
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_figures_of_mdbtools_are_those_of_today(big_file: Path, tmp_path: Path) -> None:
    tables = Mdbtools(big_file).tables(system=False)
    commands = [["mdb-tables", str(big_file)], *(["mdb-count", str(big_file), table] for table in tables)]
    costs = [traced(command, big_file, tmp_path / "trace") for command in commands]
    assert sum(read for read, _ in costs) == MDBTOOLS_BYTES[big_file.name]
    assert sum(reads for _, reads in costs) == MDBTOOLS_READS[big_file.name]


def traced(command: list[str], path: Path, trace: Path) -> tuple[int, int]:
    """Bytes and reads of the file."""
    calls = "trace=read,pread64,openat"
    done = subprocess.run(["strace", "-f", "-e", calls, "-o", str(trace), *command], capture_output=True)
    if done.returncode != 0:
        pytest.skip("strace may not trace here")
    number, read, reads = "", 0, 0
    for line in trace.read_text().splitlines():
        if opened := _OPENED.search(line):
            if opened["path"] == str(path):
                number = opened["number"]
            elif opened["number"] == number:
                number = ""
        elif (answer := _READ.search(line)) and answer["number"] == number:
            read += int(answer["bytes"])
            reads += 1
    return read, reads


@pytest.mark.parametrize("path", readable_params())
def test_rounds_do_not_grow_with_the_file(path: Path) -> None:
    """Tables and counts: opening, the catalogue's map, its rows, definitions, and one more where rows lie
    elsewhere. Everything: also the rest of the definitions, maps and rows of two system tables, and then
    one round for each row of the longest chain of a long value."""
    file = open_path(path)
    read_table_counts(file)
    assert file.pages.counters.rounds <= 5
    file = open_path(path)
    read_catalogue(file)
    assert file.pages.counters.rounds <= 11
