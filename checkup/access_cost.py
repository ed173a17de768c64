"""What a look into an Access file costs, and which kinds of its pages it reads. Pure.

The figures were measured with the reader itself on two files of 206 MB (Jet 4 and ACE; 20 tables and system
tables that cover the whole file, 50,000 pages of 4 KiB), read whole and over a counting source: bytes, reads
(`requests`) and dependent rounds at header / catalogue / maps / sample / index / pages / rows

    Jet 4   12 KB, 1, 1 / 98 KB, 20, 8 / 324 KB, 73, 10 / 14.3 MB, 2,859, 20 / 11.3 MB, 567, 23 /
            206.6 MB, 123, 60 / 217.5 MB, 617, 73
    ACE     12 KB, 1, 1 / 160 KB, 35, 9 / 438 KB, 101, 10 / 14.4 MB, 2,888, 20 / 11.8 MB, 594, 23 /
            207.2 MB, 151, 60 / 218.5 MB, 644, 73

They are meant to be right within a factor of two: how many tables and indexes a file has is not known before
it is read. What looks wrong is read a second time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from checkup.api import Depth

LARGEST_FILE_BYTES: Final = 2 * 1024**3  # of every format but Jet 3, whose limit is half of it

_PAGE_BYTES: Final = 4096

# A page of a usage map has a bit for each page of the file (4,092 bytes of bits): so much file each.
_MAPPED_BYTES: Final = (_PAGE_BYTES - 4) * 8 * _PAGE_BYTES
# Tables, indexes and columns of long values whose maps are larger than their definition. Several hundred
# of them cost some 8 MB.
_OWNERS: Final = 20
_STRUCTURE_BYTES: Final = 220_000  # definitions, short maps and the catalogue's own pages

_SAMPLE_PAGES: Final = 10 * 400  # of the ten largest owners each 400 (jet.sampling.SamplePlan)
_INDEX_SHARE: Final = 0.10  # of the file; 0.054 was measured, 0.05 to 0.15 is usual
_CHUNK_BYTES: Final = 4 * 1024**2  # that the whole file is read by

# Seconds of one core for each byte of the file, warm: 105 MB of well-filled tables took 0.9 s at `pages` and
# 1.3 s at `rows`; the indexes of 206 MB took 0.23 s.
_RATES: Final[Mapping[Depth, float]] = {"index": 1.1e-9, "pages": 8.6e-9, "rows": 12.4e-9}
# A clinic's old workstation with a magnetic disk against the machine of the measurement. An estimate.
_SLOWER: Final = 4

ASSUMED_MBIT_PER_S: Final = 10  # of a link that nobody has said the speed of
_ROUND_TRIP_S: Final = 0.05

# What the network may carry of a file down to its maps, whatever its tables are.
_LEAST_BUDGET_BYTES: Final = 32 * 1024**2

_CATALOGUE: Final = (
    "the lock file, the header, definitions, and the catalogue's own pages (names, dates and properties of "
    "objects, relationships, queries)"
)
_MAPS: Final = f"{_CATALOGUE}, and every usage map"
_NO_ROWS: Final = "no page of anyone's rows"
_ALL: Final = "the lock file and every page: all rows and long values, all indexes, and what was deleted"

HANDED_OUT: Final = (
    "the lock file, the first page, definitions, usage maps and the rows of the catalogue's list of objects; "
    f"{_NO_ROWS}"
)
"""Which pages a machine's batch or bundle brings of the Access files on its disks."""

PAGE_KINDS: Final[Mapping[Depth, str]] = {
    "header": f"the lock file and the first 12 KB (the header, and where the catalogue begins); {_NO_ROWS}",
    "catalogue": f"{_CATALOGUE}; {_NO_ROWS}",
    "maps": f"{_MAPS}; {_NO_ROWS}",
    "sample": f"{_MAPS}; and pages with rows and long values, up to 400 of each of the ten largest tables",
    "index": f"{_MAPS}; and all index pages, which repeat the values of indexed columns",
    "pages": _ALL,
    "rows": _ALL,
}
"""Which pages are read, at each depth. A file that is damaged so that a pointer to a definition, a map or the
catalogue leads to another page has that page read as well: what it is shows only then."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`requests` are pieces of the file that are asked for: SFTP cuts each into pieces of 32 KB. `rounds` are
    those that wait for the answer of the one before. Opening the file and the lock file come on top."""

    bytes: int
    requests: int
    rounds: int


def cost_of(depth: Depth, size_bytes: int) -> Cost:
    """About what a look into a file of this size reads."""
    match depth:
        case "header":
            cost = Cost(min(size_bytes, 3 * _PAGE_BYTES), 1, 1)
        case "catalogue":
            cost = Cost(min(size_bytes, 160_000), 35, 9)
        case "maps":
            cost = _maps(size_bytes)
        case "sample":
            drawn = min(size_bytes, _SAMPLE_PAGES * _PAGE_BYTES)
            cost = _more(_maps(size_bytes), drawn, drawn // 5_000, 10)
        case "index":
            indexes = int(size_bytes * _INDEX_SHARE)
            cost = _more(_maps(size_bytes), indexes, indexes // 22_000, 13)
        case "pages":
            chunks = math.ceil(size_bytes / _CHUNK_BYTES)
            cost = _more(_maps(size_bytes), size_bytes, chunks, chunks)
        case "rows":
            indexes = int(size_bytes * _INDEX_SHARE)
            cost = _more(cost_of("pages", size_bytes), indexes, indexes // 22_000, 13)
    # The whole file is read by `pages` after the maps were: at most twice.
    return Cost(min(cost.bytes, 2 * size_bytes), max(1, cost.requests), cost.rounds)


def _maps(size_bytes: int) -> Cost:
    maps = _OWNERS * math.ceil(size_bytes / _MAPPED_BYTES) * _PAGE_BYTES
    size = min(size_bytes, _STRUCTURE_BYTES + maps)
    return Cost(size, size // 4_400, 10)


def _more(cost: Cost, nbytes: int, requests: int, rounds: int) -> Cost:
    return Cost(cost.bytes + nbytes, cost.requests + requests, cost.rounds + rounds)


def seconds_over_link(depth: Depth, size_bytes: int, mbit_per_s: int | None) -> float:
    """About how long the answers of a look are on their way."""
    cost = cost_of(depth, size_bytes)
    return cost.bytes * 8 / ((mbit_per_s or ASSUMED_MBIT_PER_S) * 1e6) + cost.rounds * _ROUND_TRIP_S


def seconds_here(depth: Depth, size_bytes: int) -> float:
    """About how long a look into a file on this machine takes on a slow machine; 1 s at the least."""
    return max(1.0, _SLOWER * _RATES.get(depth, 0.0) * size_bytes)


def budget_bytes(depth: Depth, size_bytes: int) -> int:
    """The most that a network may have to carry for one look: twice what it should cost, because what looks
    wrong is read again."""
    if depth in ("header", "catalogue", "maps"):
        return _LEAST_BUDGET_BYTES
    return _LEAST_BUDGET_BYTES + 2 * cost_of(depth, size_bytes).bytes
