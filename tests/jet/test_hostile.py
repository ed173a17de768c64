"""Whatever a file holds, the reader answers with values, named damage, or one of four errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from checkup.jet.catalogue import Catalogue, UnreadableError, read_catalogue
from checkup.jet.damage import Damage, DamageError
from checkup.jet.definition import parse_definition
from checkup.jet.formats import JET3, JET4
from checkup.jet.header import EncryptedError, NotAccessError
from checkup.jet.lock_file import parse_lock_file
from checkup.jet.opening import open_file
from checkup.jet.properties import Properties, parse_properties
from checkup.jet.rows import Row, RowPointer
from checkup.jet.values import row_values
from tests.jet.corpora import corpus_file
from tests.jet.made import LONG, MEMO, TEXT, BytesSource, clinic_file, definition

Mutation = Callable[[random.Random, bytearray, int], None]
COLUMNS = (("Id", LONG), ("Name", TEXT), ("Notes", MEMO))


def one_byte(chance: random.Random, data: bytearray, _: int) -> None:
    data[chance.randrange(len(data))] = chance.randrange(256)


def a_number(chance: random.Random, data: bytearray, _: int) -> None:
    at = chance.randrange(len(data) - 4)
    value = chance.choice([0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.randrange(len(data))])
    data[at : at + 4] = value.to_bytes(4, "little")


def noise(chance: random.Random, data: bytearray, page_size: int) -> None:
    at = chance.randrange(len(data) // page_size) * page_size + chance.choice([0, 4, 14, 60])
    length = min(chance.choice([16, 256, page_size]), len(data) - at)
    data[at : at + length] = chance.randbytes(length)


def other_page(chance: random.Random, data: bytearray, page_size: int) -> None:
    count = len(data) // page_size
    to, of = chance.randrange(count) * page_size, chance.randrange(count) * page_size
    data[to : to + page_size] = data[of : of + page_size]


def cut(chance: random.Random, data: bytearray, _: int) -> None:
    del data[chance.randrange(len(data)) :]


MUTATIONS: tuple[Mutation, ...] = (one_byte, a_number, noise, other_page, cut)


@pytest.mark.parametrize("part", ["V1997/queryTestV1997.mdb", "V2000/queryTestV2000.mdb", "made"])
def test_damaged_files_never_break_the_reader(part: str) -> None:
    sound = clinic_file().data() if part == "made" else corpus_file(part).read_bytes()
    page_size = 2048 if "V1997" in part else 4096
    outcomes: set[str] = set()
    for seed in range(400):
        chance = random.Random(f"{part} {seed}")
        data = bytearray(sound)
        for _ in range(chance.randrange(1, 12)):
            if len(data) > page_size:
                chance.choice(MUTATIONS)(chance, data, page_size)
        outcomes.add(outcome_of(bytes(data)))
    assert outcomes >= {"catalogue", "unreadable", "no plain Access file"}


def outcome_of(data: bytes) -> str:
    source = BytesSource(data)
    try:
        file = open_file(source)
        catalogue = read_catalogue(file)
    except (NotAccessError, EncryptedError):
        return "no plain Access file"
    except UnreadableError:
        return "unreadable"
    assert isinstance(catalogue, Catalogue)
    assert file.pages.counters.rounds < 200
    return "catalogue"


@given(some.binary(max_size=300), some.sampled_from([JET3, JET4]))
def test_any_bytes_as_a_row(data: bytes, layout: object) -> None:
    chosen = JET3 if layout is JET3 else JET4
    table = parse_definition((5,), definition(chosen, COLUMNS), chosen, "cp1252")
    found = row_values(Row(RowPointer(6, 0), data), table, [name for name, _ in COLUMNS], chosen, "cp1252")
    assert isinstance(found, dict | Damage)


@given(some.binary(max_size=300))
def test_any_bytes_as_properties(data: bytes) -> None:
    for start in (b"", b"MR2\0", b"MR2\0\x20\x00\x00\x00\x80\x00"):
        assert isinstance(parse_properties(start + data, JET4, "cp1252"), Properties | Damage)


@given(some.binary(min_size=0, max_size=400))
def test_any_bytes_as_a_definition(data: bytes) -> None:
    head = bytearray(definition(JET4, COLUMNS)[: JET4.definition_end])
    for joined in (data, bytes(head) + data):
        with suppress(DamageError):
            assert parse_definition((5,), joined, JET4, "cp1252").page == 5


@given(some.binary(max_size=400))
def test_any_bytes_as_a_lock_file(data: bytes) -> None:
    for entry in parse_lock_file(data).entries:
        assert entry.machine.isprintable() and entry.user.isprintable()
