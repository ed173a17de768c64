"""Mutated files through the deepest examination: for `scripts/fuzz`, and the same cases in the tests.

Whatever a file holds, the answer is an `Integrity` or one of two errors, after work that is bounded by the
size of the file, and it is the same when the same bytes are looked at again: nothing is in motion here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from checkup.jet.catalogue import UnreadableError, read_catalogue
from checkup.jet.formats import JET3, JET4
from checkup.jet.header import EncryptedError, NotAccessError, read_header
from checkup.jet.integrity import Plan, examine
from checkup.jet.opening import open_file
from tests.jet.corpora import access_files
from tests.jet.made import BytesSource
from tests.jet.mutations import mutated
from tests.jet.sound import sound_file

SMALL_BYTES = 160_000
MOST_TIMES_READ = 16  # of the file: two looks, each with maps, indexes and pages, and some pages again
MOST_SPARE_BYTES = 1 << 20


@dataclass(frozen=True)
class Base:
    """A sound file to be mutated."""

    name: str
    data: bytes
    page_size: int


@dataclass(frozen=True)
class Outcome:
    """What came of one case. `state` is that of the examination, or the name of the error."""

    case: int
    state: str
    seconds: float
    bytes_read: int


def bases() -> tuple[Base, ...]:
    """The made files, and the small real ones of every version where they are to be had."""
    made = [Base(layout.name, sound_file(layout).data(), layout.page_size) for layout in (JET3, JET4)]
    real = [
        Base(path.name, path.read_bytes(), read_header(path.read_bytes()[:4096]).page_size)
        for path in access_files()
        if path.stat().st_size <= SMALL_BYTES and read_header(path.read_bytes()[:4096]).readable
    ]
    return (*made, *real)


def run_case(case: int, all_bases: Sequence[Base]) -> Outcome:
    """Raises whatever the examination should not have raised, and AssertionError where it broke its word."""
    base = all_bases[case % len(all_bases)]
    data = mutated(base.data, f"{case}", base.page_size)
    source = BytesSource(data)
    started = time.perf_counter()
    state = _examined(source)
    _catalogued(BytesSource(data))
    seconds = time.perf_counter() - started
    asked = [one for ranges in source.rounds for one in ranges]
    read = sum(max(0, min(offset + length, len(data)) - offset) for offset, length in asked)
    assert read <= MOST_TIMES_READ * len(data) + MOST_SPARE_BYTES, (
        f"case {case} read {read} of {len(data)} bytes"
    )
    return Outcome(case, state, seconds, read)


def _examined(source: BytesSource) -> str:
    try:
        answer = examine(source, Plan("rows"))
    except NotAccessError:
        return "no Access file"
    assert not answer.in_motion, "a file that nobody writes to was called in motion"
    assert not answer.moved
    return answer.state


def _catalogued(source: BytesSource) -> None:
    try:
        read_catalogue(open_file(source))
    except (NotAccessError, EncryptedError, UnreadableError):
        return
